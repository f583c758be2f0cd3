"""DLPack capsules that are made by hand, as its specification has them."""

import ctypes
import gc
from typing import Any

import numpy as np
import pytest

import weft


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Unversioned(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", Deleter)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Foreign:
    """Six numbers of another library; counts how often it is told to let them go."""

    def __init__(self, name: bytes = b"dltensor_versioned", **changed: Any) -> None:
        self.values = (ctypes.c_float * 6)(1, 2, 3, 4, 5, 6)
        self.shape = (ctypes.c_int64 * 2)(2, 3)
        self.deleted = 0
        self.deleter = Deleter(self.delete)
        self.name = name
        data = ctypes.cast(self.values, ctypes.c_void_p)
        tensor = DLTensor(data, 1, 0, 2, 2, 32, 1, self.shape, None, changed.pop("byte_offset", 0))
        if name == b"dltensor":
            self.managed: Any = Unversioned(tensor, None, self.deleter)
        else:
            self.managed = Versioned(1, 0, None, self.deleter, 0, tensor)
        for field, value in changed.items():
            setattr(self.managed if hasattr(self.managed, field) else self.managed.tensor, field, value)

    def delete(self, managed: int) -> None:
        assert managed == ctypes.addressof(self.managed)
        self.deleted += 1

    def __dlpack__(self, **_: Any) -> Any:
        return new_capsule(ctypes.addressof(self.managed), self.name, None)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@pytest.mark.parametrize("name", [b"dltensor_versioned", b"dltensor"])
def test_a_capsule_is_taken_over_without_a_copy(name: bytes) -> None:
    foreign = Foreign(name)
    tensor = weft.Tensor(foreign)
    array = tensor.numpy()
    assert array.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert array.ctypes.data == ctypes.addressof(foreign.values)
    array[0, 0] = 7
    assert foreign.values[0] == 7
    tensor.close()
    assert foreign.deleted == 0 and array[0, 0] == 7
    del array
    gc.collect()
    assert foreign.deleted == 1


def test_a_capsule_may_be_read_only() -> None:
    foreign = Foreign(flags=1)
    tensor = weft.Tensor(foreign)
    assert not tensor.numpy().flags.writeable
    with pytest.raises(BufferError, match="read-only"):
        tensor.__dlpack__()
    again = np.from_dlpack(weft.Tensor(foreign_of(tensor)))
    assert again[1, 2] == 6
    del tensor, again
    gc.collect()
    assert foreign.deleted == 1


def foreign_of(tensor: weft.Tensor) -> Any:
    """A tensor that is handed on through its versioned capsule."""

    class Handed:
        def __dlpack__(self, **named: Any) -> Any:
            return tensor.__dlpack__(max_version=(1, 0))

    return Handed()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"major": 2}, "version 2"),
        ({"device_type": 2}, "device"),
        ({"strides": (ctypes.c_int64 * 2)(1, 2)}, "contiguous"),
        ({"shape": (ctypes.c_int64 * 2)(-1, 3)}, "negative dimension"),
        ({"data": None}, "memory"),
        ({"bits": 33}, "33 bits"),
        ({"byte_offset": 2}, "aligned"),
    ],
)
def test_a_wrong_capsule_stays_its_owners(changed: dict[str, Any], message: str) -> None:
    foreign = Foreign(**changed)
    with pytest.raises((ValueError, NotImplementedError), match=message):
        weft.Tensor(foreign)
    assert foreign.deleted == 0


def test_a_capsule_is_taken_over_once() -> None:
    foreign = Foreign()
    capsule = foreign.__dlpack__()

    class Same:
        def __dlpack__(self, **_: Any) -> Any:
            return capsule

    tensor = weft.Tensor(Same())
    with pytest.raises(ValueError):
        weft.Tensor(Same())
    tensor.close()
    assert foreign.deleted == 1


def test_a_closed_tensor_gives_no_capsule() -> None:
    tensor = weft.Tensor([1.0])
    tensor.close()
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        tensor.__dlpack__()


@pytest.mark.parametrize("name", [b"dltensor", b"dltensor_versioned"])
def test_a_copy_is_made_whatever_the_strides(name: bytes) -> None:
    array = np.arange(12, dtype="f4").reshape(3, 4)
    for view in (array, array[:, ::2], array.T, array[::-1], np.broadcast_to(np.float32(3), (2, 3))):
        tensor = weft.from_dlpack(view, copy=True)
        assert tensor.numpy().tolist() == view.tolist()
        assert not np.shares_memory(tensor.numpy(), view) and tensor.numpy().flags.writeable
    foreign = Foreign(name)
    foreign.strides = (ctypes.c_int64 * 2)(1, 2)  # column by column
    foreign.managed.tensor.strides = foreign.strides
    tensor = weft.from_dlpack(foreign, copy=True)
    assert tensor.numpy().tolist() == [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]
    assert foreign.deleted == 1
    with pytest.raises(BufferError):
        weft.from_dlpack(array[:, ::2], copy=False)


def test_a_tensor_has_a_device() -> None:
    array = np.arange(3, dtype="f4")
    tensor = weft.Tensor(array)
    assert tensor.device == "cpu" and weft.Tensor.sequence([tensor]).device == "cpu"
    assert np.shares_memory(tensor.to("cpu").numpy(), array)
    assert not hasattr(tensor, "__cuda_array_interface__")
    with pytest.raises(weft.NotFoundError, match="there is no device 'cuda:7'; the devices are cpu"):
        tensor.to("cuda:7")
    with pytest.raises(TypeError):
        tensor.to(0)  # type: ignore[arg-type]
    graph = weft.Graph()
    x = graph.input("x", "f32", [3])
    session = weft.Session(graph, device_outputs=True)
    result = session.run({x: tensor}, x + 1.0)  # on the CPU, too
    assert result.device == "cpu" and result.to("cpu").numpy().tolist() == [1.0, 2.0, 3.0]


def test_libraries_with_streams_are_asked_for_the_default_one() -> None:
    foreign = Foreign()
    asked: list[dict[str, Any]] = []

    class OnGpu:
        def __dlpack__(self, **settings: Any) -> Any:
            asked.append(settings)
            if "max_version" in settings and len(asked) == 1:
                raise TypeError("an old library")
            return foreign.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

    assert weft.Tensor(OnGpu()).numpy().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert asked == [{"max_version": (1, 0), "stream": 1}, {"stream": 1}]
    gc.collect()
    assert foreign.deleted == 1
