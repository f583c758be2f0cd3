"""Element types, and values in and out: numpy arrays, DLPack, strings, sequences, maps."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from . import _native, _small_types
from ._errors import InvalidArgumentError, UnimplementedError, WeftError
from ._handle import Handle, Options, described
from ._types import Array, DTypeLike, SupportsDLPack, TensorLike

_native.import_numpy()
_NUMPY = {
    "f32": np.float32,
    "u8": np.uint8,
    "i8": np.int8,
    "u16": np.uint16,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "bool": np.bool_,
    "f16": np.float16,
    "f64": np.float64,
    "u32": np.uint32,
    "u64": np.uint64,
    "c64": np.complex64,
    "c128": np.complex128,
}
_NAMES: dict[Any, str] = {np.dtype(value): name for name, value in _NUMPY.items()}
_NUMBERS: dict[str, int] = {}
_BY_NUMBER = {int(_native.weft_dtype_find(name)): np.dtype(value) for name, value in _NUMPY.items()}
KINDS = ("tensor", "sequence", "optional", "map")  # by the number that the library has for each
_CPU = (1, 0)  # DLPack's type and number of the device
_CUDA = 2  # the type of GPUs there
_PLACES: dict[str, tuple[int, int]] = {"cpu": _CPU}  # by the name of the device, as they become known


def dtype_number(dtype: DTypeLike) -> int:
    """The ONNX number of an element type: "f32", numpy.float32, numpy.dtype("f4") and 1 are the same; float is f64, int i64,
    bool bool and str string."""
    if isinstance(dtype, str) and dtype in _NUMBERS:
        return _NUMBERS[dtype]
    if isinstance(dtype, str):
        number = _native.weft_dtype_find(dtype)
        if number != 0:
            _NUMBERS[dtype] = number
            return int(number)
    elif hasattr(dtype, "__index__") and not isinstance(dtype, type):
        index = int(dtype.__index__())
        if _native.weft_dtype_name(index) is None:
            raise InvalidArgumentError(f"there is no dtype {index}")
        return index
    if dtype is str:
        return dtype_number("string")
    if dtype is None:  # numpy would take it for f64
        raise InvalidArgumentError("None is no element type")
    try:
        found = np.dtype(dtype)
        return dtype_number(_NAMES.get(found) or _small_types.NAMES[found.name])
    except (TypeError, KeyError):
        raise InvalidArgumentError(
            f"{dtype!r} is no element type; there are f32, f64, f16, bf16, i8 to i64, u8 to u64, bool, string and more"
        ) from None


def dtype_name(number: int) -> str:
    """The name of an element type, "" for an unknown one."""
    return _native.weft_dtype_name(number) or ""


class Tensor(Handle, _native.Exporter):
    """A value: n-dimensional elements of one type, or a sequence, optional or map of tensors.

    Made from numpy arrays and whatever has DLPack without a copy: the memory is shared, so do not change it while
    something runs. Lists, numbers, strings and elements of ml_dtypes are copied. Sessions take all of these directly; a
    Tensor is needed only for sequences, for sharing, and for elements that lie on a device: `to` copies them there and back, and
    what PyTorch, CuPy or JAX have there is taken without a copy.

    Args:
        value: An array, nested lists of numbers, booleans or strings, an object with `__dlpack__`, a dict for a map, or a
            Tensor.
        dtype: The element type, of a map that of its values; taken from the value if None. Python's floats become f32.

    Examples:
        >>> weft.Tensor([[1.0, 2.0], [3.0, 4.0]])
        Tensor f32[2, 2]
    """

    _what = "tensor"
    _lent: tuple[int, bool] | None = None  # the address and whether it is read-only, once others have been told
    _lender: Any = None  # what holds the memory from then on: others have this object alone, so `close` leaves it to them

    def __init__(self, value: TensorLike, dtype: DTypeLike | None = None) -> None:
        self._owner = _pointer_of(value, dtype)

    @classmethod
    def _over(cls, pointer: Any) -> Tensor:
        tensor = cls.__new__(cls)
        tensor._owner = pointer
        return tensor

    @classmethod
    def sequence(cls, items: Sequence[TensorLike]) -> Tensor:
        """A sequence of tensors, or of maps."""
        tensors = [as_tensor(item) for item in items]
        return cls._over(_native.weft_tensor_new_sequence([tensor._handle for tensor in tensors]))

    @classmethod
    def optional(cls, element: TensorLike | None = None) -> Tensor:
        """An optional that holds a tensor or a sequence, or nothing."""
        return cls._over(_native.weft_tensor_new_optional(None if element is None else as_tensor(element)._handle))

    @classmethod
    def map(cls, keys: TensorLike, values: TensorLike) -> Tensor:
        """A map of keys, which are integers or strings, and as many values. A dict is one by itself: `Tensor({"a": 1.0})`."""
        return cls._over(_map_pointer(keys, as_tensor(values)))

    @property
    def dtype(self) -> str:
        """The element type, such as "f32"; "" for what is no tensor."""
        return dtype_name(_native.weft_tensor_dtype(self._handle))

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions."""
        return tuple(_native.tensor_dims(self._handle))

    @property
    def kind(self) -> str:
        """What it is: "tensor", "sequence", "optional" or "map"."""
        return KINDS[_native.weft_tensor_kind(self._handle)]

    @property
    def device(self) -> str:
        """Where the elements lie: "cpu", which is the process's memory, or the name of a device."""
        return str(_native.weft_tensor_device(self._handle))

    def to(self, device: str) -> Tensor:
        """The same elements on a device, which is one of `weft.devices()`: shared if they lie there already, else copied.

        Examples:
            >>> weft.Tensor([1.0, 2.0]).to("cpu").device
            'cpu'
        """
        return Tensor._over(_native.weft_tensor_to(self._handle, device))

    def numpy(self) -> Array:
        """The elements as an array that shares the memory; strings as an array of objects, a sequence as a list, an optional
        as what it holds or None, a map as a dict. What numpy has no elements for (bf16, the small floats and integers) takes
        the package ml_dtypes. On a device it is a FailedPreconditionError: `tensor.to("cpu").numpy()` copies them."""
        return cast(Array, numpy_of(self._handle))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3 of the CUDA array interface, of a tensor on a GPU, whose elements are there for every stream. Whoever uses
        the memory holds the tensor meanwhile, and `close` leaves the memory to them; as the last one lets go, what it has put in
        order with the default stream is waited for."""
        dtype, lies = _BY_NUMBER.get(_native.weft_tensor_dtype(self._handle)), _CPU
        with contextlib.suppress(BufferError):
            lies = self.__dlpack_device__()
        if lies[0] != _CUDA or dtype is None:
            raise AttributeError(f"a {self!r} is no array of CUDA with elements that numpy has a name for")
        if self._lent is None:
            owner, address, read_only = _native.tensor_lend(self._handle)
            self._owner = self._lender = owner  # before others read what says that it is done
            self._lent = (address, bool(read_only))
        return {
            "shape": self.shape,
            "typestr": dtype.str,
            "data": self._lent,
            "strides": None,
            "stream": None,
            "version": 3,
        }

    def _buffer(self) -> Array:
        """What memoryview and others of the buffer protocol see."""
        known = _BY_NUMBER.get(_native.weft_tensor_dtype(self._handle)) is not None
        if not known or self.kind != "tensor" or self.device != "cpu":
            raise BufferError(f"a {self!r} has no buffer that Python could describe")
        return self.numpy()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        shared = isinstance(array, np.ndarray) and array.dtype != object and (dtype is None or array.dtype == dtype)
        if shared and not copy:
            return array
        if copy is False:
            raise ValueError(f"a {self!r} cannot be an array of dtype {np.dtype(dtype or object)} without a copy")
        return np.array(array, dtype)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        here = self.__dlpack_device__()
        wanted = here if dl_device is None else tuple(dl_device)
        if wanted not in (here, _CPU):
            raise BufferError(f"the memory is that of {self.device!r}, not of the device {wanted}")
        if here == _CPU and stream is not None:
            raise BufferError("memory of the CPU has no streams")
        if here[0] == _CUDA and stream == 0:
            raise BufferError("0 is no stream of CUDA; 1 is the legacy default one")
        moved = wanted != here
        if moved and copy is False:
            raise BufferError(f"elements on {self.device!r} cannot be in the CPU's memory without a copy")
        # Elements on a device have been written, so every stream may read them.
        tensor = self.to("cpu") if moved else copied(self) if copy else self
        versioned = max_version is not None and max_version[0] >= 1
        try:
            return _native.tensor_to_dlpack(tensor._handle, int(versioned), int(moved or bool(copy)))
        except WeftError as error:
            raise BufferError(str(error)) from None

    def __dlpack_device__(self) -> tuple[int, int]:
        name = self.device
        if name not in _PLACES:
            try:
                _PLACES[name] = _native.tensor_place(self._handle)  # once, as it waits for the device
            except WeftError as error:
                raise BufferError(str(error)) from None
        return _PLACES[name]

    def __len__(self) -> int:
        if self.kind != "tensor":
            return int(_native.weft_tensor_count(self._handle))
        if not self.shape:
            raise TypeError("a scalar has no length")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if self.kind != "tensor":
            return Tensor._over(_native.weft_tensor_at(self._handle, index))
        return self.numpy()[index]

    def __reduce__(self) -> Any:
        if self.kind == "sequence":
            return Tensor.sequence, ([self[i] for i in range(len(self))],)
        if self.kind == "optional":
            return Tensor.optional, (self[0],) if len(self) else ()
        if self.kind == "map":
            return Tensor.map, (self[0], self[1])
        return Tensor, (self.numpy(), self.dtype)

    def __repr__(self) -> str:
        if self.closed:
            return "Tensor (closed)"
        return f"Tensor {_native.weft_tensor_text(self._handle).decode()}"


def result_of(handle: Any, as_tensor: bool) -> Any:
    """What a run gives of a tensor: a Tensor if that is wanted or it lies on a device, else what `Tensor.numpy` does."""
    stays = as_tensor or _native.weft_tensor_device(handle) != "cpu"
    return Tensor._over(handle) if stays else numpy_of(handle)


def numpy_of(handle: Any) -> Any:
    """The elements behind a handle: see `Tensor.numpy`."""
    array = _native.tensor_array(handle)
    if array is not None:
        return array
    kind = KINDS[_native.weft_tensor_kind(handle)]
    if kind == "map":
        keys, values = (Tensor._over(_native.weft_tensor_at(handle, i)).numpy().tolist() for i in (0, 1))
        return dict(zip(keys, values))
    if kind != "tensor":
        items = [Tensor._over(_native.weft_tensor_at(handle, i)).numpy() for i in range(_native.weft_tensor_count(handle))]
        return items if kind != "optional" else items[0] if items else None
    name = dtype_name(_native.weft_tensor_dtype(handle))
    if name == "string":
        shape = _native.tensor_dims(handle)
        out = np.empty(int(np.prod(shape, dtype=np.int64)), object)
        out[:] = _native.tensor_strings(handle)
        return out.reshape(shape)
    return _small_types.to_array(handle, name)


def _pointer_of(value: Any, dtype: DTypeLike | None) -> Any:
    if type(value) is np.ndarray and dtype is None and value.dtype in _NAMES:  # what is fed most
        return _borrowed(value)
    if isinstance(value, Tensor):
        if dtype is not None and dtype_number(dtype) != dtype_number(value.dtype):
            return _pointer_of(value.numpy(), dtype)
        return _native.weft_tensor_reshape(value._handle, value.shape) if value.kind == "tensor" else (
            _native.weft_tensor_copy(value._handle)
        )
    if isinstance(value, Mapping):
        return _map_pointer(list(value), Tensor(list(value.values()), dtype))
    if not isinstance(value, (np.ndarray, np.generic)) and hasattr(value, "__dlpack__"):
        pointer = _taken(value, _place_of(value))
        if dtype is None or _native.weft_tensor_dtype(pointer) == dtype_number(dtype):
            return pointer
        return _pointer_of(Tensor._over(pointer).numpy(), dtype)
    _need_no_mask(value)
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of lists of other lengths
        raise InvalidArgumentError(f"{described(value)} is no tensor: {error}") from None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    wanted = None if dtype is None else dtype_name(dtype_number(dtype))
    if array.dtype.kind in "USO":
        items = np.asarray(value, object).ravel()  # numpy turns numbers beside strings into strings
        numbers = wanted not in (None, "string")
        if numbers or not all(isinstance(item, (str, bytes)) for item in items):
            fits = _is_number if numbers else lambda item: isinstance(item, (str, bytes))
            odd = next((item for item in items if not fits(item)), items[0])
            huge = isinstance(odd, int) and not _is_number(odd)
            what = f"{odd}, which does not fit into 64 bits," if huge else described(odd)
            raise InvalidArgumentError(f"{what} cannot be an element of a tensor{f' of {wanted}' if wanted else ''}")
        return _native.tensor_from_strings(array.shape, list(array.ravel().tolist()))
    if wanted is None and not isinstance(value, (np.ndarray, np.generic)) and array.dtype == np.float64:
        wanted = "f32"  # Python's floats say nothing about the type that is meant
    small = wanted is not None and _small_types.has(wanted)
    if wanted is not None and wanted not in _NUMPY and not small:
        raise UnimplementedError(f"numpy has no element type {wanted}; cast in the graph")
    if array.dtype.kind == "c" and wanted is not None and wanted not in ("c64", "c128"):
        raise InvalidArgumentError(f"complex numbers cannot be elements of a tensor of {wanted}; take their .real")
    if wanted is not None:
        array = array.astype(_small_types.dtype_of(wanted) if small else _NUMPY[wanted], copy=False)
    if array.dtype.name in _small_types.NAMES:
        return _small_types.to_pointer(array)
    if array.dtype not in _NAMES:
        raise InvalidArgumentError(f"an array of dtype {array.dtype} cannot be a tensor")
    return _borrowed(array)


def _map_pointer(keys: TensorLike, values: Tensor) -> Any:
    """A map. Of no keys in a list it is not known what they are; strings are usual."""
    known = not isinstance(keys, list) or len(keys) > 0
    return _native.weft_tensor_new_map((as_tensor(keys) if known else Tensor(np.empty(0, object), str))._handle, values._handle)


def _is_number(item: Any) -> bool:
    """Whether numpy has it as a number: whole ones of 64 bits, and all others."""
    return -(2**63) <= item < 2**63 if isinstance(item, int) else isinstance(item, Number)


def _need_no_mask(value: Any) -> None:
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidArgumentError("a tensor has no mask, as this array has; give array.filled(...), or array.data")


def _place_of(value: SupportsDLPack) -> tuple[int, int]:
    """DLPack's type and number of the device; the CPU's of an object that does not say."""
    said = getattr(value, "__dlpack_device__", None)
    if said is None:
        return _CPU
    kind, number = said()
    return int(kind), int(number)


def _taken(value: SupportsDLPack, place: tuple[int, int], **settings: Any) -> Any:
    """A tensor over what DLPack gives of a value that lies there; what the producer does not know of is asked for in an older
    way."""
    # What has been put on the legacy default stream is waited for as the tensor is taken.
    stream = {"stream": 1} if place[0] == _CUDA and "dl_device" not in settings else {}
    try:
        capsule = value.__dlpack__(max_version=(1, 0), **settings, **stream)
    except TypeError:
        if settings:
            raise BufferError(f"{type(value).__name__}.__dlpack__ does not know {', '.join(settings)}") from None
        capsule = value.__dlpack__(**stream)
    return _native.tensor_from_dlpack(capsule)


def from_dlpack(value: SupportsDLPack, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of an object that has `__dlpack__`: an array of numpy, PyTorch, JAX, CuPy and others.

    Args:
        value: The object. What has been put in order with its device's default stream is waited for.
        device: One of `weft.devices()`, to which what lies elsewhere is copied; None takes it where it lies.
        copy: True copies always, in the process's memory whatever the strides, False never (BufferError if one is needed); None
            leaves it to the object.

    Examples:
        >>> weft.from_dlpack(numpy.arange(3))
        Tensor i64[3]
    """
    _need_no_mask(value)
    settings: dict[str, Any] = {}
    if copy is False:
        settings["copy"] = False
    try:
        place = _place_of(value)
        if device == "cpu" and place != _CPU:
            settings["dl_device"] = _CPU
        try:
            tensor, owned = Tensor._over(_taken(value, place, **settings)), False
        except BufferError as refused:
            if "dl_device" not in settings or copy is False:
                raise
            try:  # what the object cannot copy to the CPU is taken where it lies, and copied below
                tensor, owned = Tensor._over(_taken(value, place)), False
            except TypeError:  # it does not know of streams either
                raise refused from None
    except WeftError as error:
        compact = _compact_copy(value) if copy else None
        if compact is None:
            raise BufferError(str(error)) from None
        tensor, owned = compact, True
    if device is not None and tensor.device != device:
        if copy is False:
            raise BufferError(f"the tensor lies on '{tensor.device}', and is on '{device}' only as a copy")
        try:
            return tensor.to(device)
        except WeftError as error:
            raise BufferError(str(error)) from None
    return copied(tensor) if copy and not owned else tensor


def _compact_copy(value: SupportsDLPack) -> Tensor | None:
    """A copy by numpy, which knows strides; None of what it does not take."""
    with contextlib.suppress(BufferError, RuntimeError, TypeError, ValueError):
        return Tensor(np.from_dlpack(value).copy("C"))
    return None


def _borrowed(array: Array) -> Any:
    pointer = _native.tensor_borrow(array)
    return _native.tensor_borrow(np.require(array, requirements=["C", "A"])) if pointer is None else pointer


def as_tensor(value: TensorLike, dtype: DTypeLike | None = None) -> Tensor:
    """The value as a Tensor; one that is a Tensor already is given back."""
    if isinstance(value, Tensor) and dtype is None:
        return value
    return Tensor(value, dtype)


def exact_tensor(value: TensorLike, dtype: str, whose: object) -> Tensor:
    """Numbers, or lists of them, as a Tensor of a type that is somebody's; an error if the type lacks one of them."""
    with np.errstate(invalid="ignore"):  # of NaN as an integer, which is an error below
        made = Tensor(value, dtype)
    if dtype[0] not in "iu" and dtype != "bool":
        return made
    given, found = np.asarray(value), made.numpy()
    if given.dtype.kind in "biuf":  # others are a map, or for numpy to convert
        odd = given[given != (found.astype(np.int64) if _small_types.has(dtype) else found)]
        if odd.size > 0:
            raise InvalidArgumentError(f"{odd[0].item()!r} is no {dtype}, the dtype of {whose}")
    return made


def copied(tensor: Tensor) -> Tensor:
    """The tensor in memory of its own, which nobody else changes."""
    return Tensor._over(_native.weft_tensor_copy(tensor._handle))


def load_tensors(path: str | os.PathLike[str], *, map: bool = False) -> dict[str, Tensor]:
    """Reads tensors from a .safetensors, .npy or .csv file.

    Args:
        path: The file. A .npy or .csv file has one tensor, "data".
        map: Map a safetensors file instead of reading it; it must then not be made shorter.
    """
    options = Options("load", map=int(map))
    pointer = _native.weft_tensors_load(os.fspath(path), options._handle)
    return {
        _native.weft_tensors_name(pointer, i): Tensor._over(_native.weft_tensors_at(pointer, i))
        for i in range(_native.weft_tensors_count(pointer))
    }


def save_tensors(path: str | os.PathLike[str], tensors: Mapping[str, TensorLike]) -> None:
    """Writes a safetensors file; if that fails, an old file of the name stays as it was."""
    pointer = _native.weft_tensors_new()
    for name, value in tensors.items():
        _native.weft_tensors_set(pointer, name, as_tensor(value)._handle)
    _native.weft_tensors_save(pointer, os.fspath(path))
