"""What is seen on the way: dtypes, representations, progress, closing, processes."""

import copy
import ctypes
import multiprocessing
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import weft


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(int, "i64"), (float, "f64"), (bool, "bool"), (str, "string"), (np.float16, "f16"), (np.dtype("u1"), "u8"), (1, "f32")],
)
def test_dtypes_by_many_names(dtype: Any, name: str) -> None:
    assert weft.Graph().input("x", dtype, []).dtype == name


@pytest.mark.parametrize("dtype", ["f33", 99, object, np.dtype("M8[s]"), None, 1.5])
def test_wrong_dtypes_are_value_errors(dtype: Any) -> None:
    with pytest.raises(ValueError):
        weft.Graph().input("x", dtype, [])


@pytest.mark.parametrize("value", [[1, "a"], [None], object(), np.zeros(2, "M8[s]"), [[1], [1, 2]], {1.5: 1}])
def test_what_is_no_tensor_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):
        weft.Tensor(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype="f4").reshape(3, 4).T,
        np.arange(12, dtype="f4")[::-2],
        np.arange(3, dtype=">f4"),
        np.frombuffer(b"\0" * 13, "u1")[1:].view("f4"),
        np.float32(3),
        np.zeros((0, 3), "i8"),
        np.arange(4, dtype="c8"),
    ],
)
def test_any_array_goes_in(array: Any) -> None:
    np.testing.assert_array_equal(weft.Tensor(array).numpy(), array)


def test_dlpack_both_ways_shares_memory() -> None:
    tensor = weft.Tensor(np.arange(6, dtype="f4").reshape(2, 3))
    array = np.from_dlpack(tensor)
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]

    class Foreign:
        def __init__(self) -> None:
            self.array = np.arange(3, dtype="i8")

        def __dlpack__(self, **named: Any) -> Any:
            return self.array.__dlpack__(**named)

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

    foreign = Foreign()
    back = weft.Tensor(foreign)
    foreign.array[0] = 7
    assert back.numpy().tolist() == [7, 1, 2]


def flags_of(capsule: Any) -> int:
    """The flags of a DLManagedTensorVersioned, which follow version, context and deleter."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_uint64.from_address(pointer(capsule, b"dltensor_versioned") + 24).value


needs_dlpack_1 = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="this numpy has DLPack before version 1 alone"
)


@needs_dlpack_1
def test_dlpack_copies_and_refuses_as_the_array_api_says() -> None:
    array = np.arange(3, dtype="f4")
    tensor = weft.Tensor(array)
    assert '"dltensor"' in repr(tensor.__dlpack__()) and '"dltensor"' in repr(tensor.__dlpack__(max_version=(0, 8)))
    assert '"dltensor_versioned"' in repr(tensor.__dlpack__(max_version=(1, 0)))
    assert flags_of(tensor.__dlpack__(max_version=(1, 0))) == 0
    assert flags_of(tensor.__dlpack__(max_version=(1, 1), copy=True, dl_device=(1, 0))) == 2  # IS_COPIED
    assert not np.shares_memory(np.from_dlpack(tensor, copy=True), array)
    assert np.shares_memory(np.from_dlpack(tensor, copy=False), array)
    for named in ({"dl_device": (2, 0)}, {"dl_device": (1, 1)}, {"stream": 1}):
        with pytest.raises(BufferError):
            tensor.__dlpack__(**named)
    with pytest.raises(BufferError, match="string"):
        weft.Tensor(["a"]).__dlpack__(max_version=(1, 0))


@needs_dlpack_1
def test_dlpack_of_memory_that_may_not_be_written() -> None:
    array = np.arange(3, dtype="f4")
    array.flags.writeable = False
    tensor = weft.Tensor(array)
    with pytest.raises(BufferError, match="read-only"):
        tensor.__dlpack__()
    assert flags_of(tensor.__dlpack__(max_version=(1, 0))) == 1  # READ_ONLY
    assert not np.from_dlpack(tensor).flags.writeable
    assert '"dltensor"' in repr(tensor.__dlpack__(copy=True))


@needs_dlpack_1
def test_from_dlpack() -> None:
    array = np.arange(3, dtype="f4")
    assert np.shares_memory(weft.from_dlpack(array).numpy(), array)
    assert np.shares_memory(weft.from_dlpack(array, copy=False, device="cpu").numpy(), array)
    assert not np.shares_memory(weft.from_dlpack(array, copy=True).numpy(), array)
    with pytest.raises(BufferError, match="'cuda'"):
        weft.from_dlpack(array, device="cuda")

    class Old:
        def __dlpack__(self) -> Any:
            return array.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    assert weft.from_dlpack(Old()).numpy().tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match="copy"):
        weft.from_dlpack(Old(), copy=False)

    class Elsewhere(Old):
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

    with pytest.raises(BufferError, match="dl_device"):
        weft.from_dlpack(Elsewhere(), device="cpu")


def test_array_copies_only_where_it_may() -> None:
    array = np.arange(3, dtype="f4")
    tensor = weft.Tensor(array)
    assert np.shares_memory(tensor.__array__(), array)
    assert np.shares_memory(tensor.__array__("f4", copy=False), array)
    assert not np.shares_memory(tensor.__array__(copy=True), array)
    assert tensor.__array__("f8").dtype == np.float64
    for refused in (lambda: tensor.__array__("f8", copy=False), lambda: weft.Tensor(["a"]).__array__(copy=False)):
        with pytest.raises(ValueError, match="copy"):
            refused()
    assert np.asarray(weft.Tensor(["a", "b"])).tolist() == ["a", "b"]


def test_the_buffer_protocol_shares_memory() -> None:
    array = np.arange(6, dtype="i2").reshape(2, 3)
    view = memoryview(weft.Tensor(array))
    assert (view.format, view.shape, view.strides, view.readonly) == ("h", (2, 3), (6, 2), False)
    array[1, 2] = 77
    assert view[1, 2] == 77
    assert bytes(weft.Tensor([True, False])) == b"\x01\x00"
    array.flags.writeable = False
    assert memoryview(weft.Tensor(array)).readonly
    with pytest.raises(BufferError, match="string"):
        memoryview(weft.Tensor(["a"]))
    with pytest.raises(BufferError):
        memoryview(weft.Tensor.sequence([[1.0]]))
    closed = weft.Tensor([1.0])
    closed.close()
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        memoryview(closed)


def test_representations() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 2])
    session = weft.Session(graph)
    assert repr(x) == "Value x: f32[batch, 2]"
    assert repr(session) == "Session of a Graph with 1 nodes"
    assert repr(session.prepare([x], [x])) == "Prepared with 1 inputs and 1 outputs"
    assert repr(weft.Tensor([1.0])) == "Tensor f32[1]"
    assert repr(weft.Sgd(0.5)) == "Sgd(0.5, weight_decay=0.0, lazy=False, clip_norm=0.0)"
    data = weft.Dataset([[1.0], [2.0]])
    assert repr(data) == "Dataset of 2 rows of 1 tensors"
    batches = data.batches(2)
    assert repr(batches) == "Pass over a Dataset of 2 rows of 1 tensors"
    batches.close()
    assert repr(batches) == "Pass over a dataset (closed)"
    shown: list[str] = []
    history = trained(callback=lambda progress: shown.append(repr(progress)))
    assert repr(history).startswith("History of 2 epochs: loss 0.")
    assert shown[0] == "FitEvent after batch: epoch 0, batch 0 of 2: loss 1"
    assert shown[2].startswith("FitEvent after epoch: epoch 0, batch ")
    session.close()
    assert repr(session) == "Session (closed)"
    dense = weft.layers.Dense(graph, "hidden", inputs=2, units=3)
    assert repr(dense) == "Dense 'hidden'"
    dense.close()
    assert repr(dense) == "Dense 'hidden' (closed)"
    cancel = weft.Cancel()
    assert repr(cancel) == "Cancel (not set)"
    cancel.set()
    assert repr(cancel) == "Cancel (set)"
    trace = weft.Trace()
    assert repr(trace) == "Trace of 0 events"
    weft.Session(graph).run({x: [[1, 2]]}, weft.exp(x), trace=trace)
    assert repr(trace) == "Trace of 1 events"


def trained(**named: Any) -> weft.History:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 1])
    loss = weft.reduce_mean((x @ graph.variable("w", [[1.0]])) ** 2.0, keepdims=False, name="loss")
    step = weft.Sgd(0.01).minimize(loss)
    data = weft.Dataset(np.ones((8, 1), "f4"))
    return weft.Session(graph).fit(data, [x], step, [loss], epochs=2, batch_size=4, **named)


def test_no_bar_without_a_terminal(capfd: Any) -> None:
    trained()
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_request(capfd: Any) -> None:
    trained(progress=True)
    shown = capfd.readouterr().err
    assert "epoch 1/2" in shown
    assert "epoch 2/2" in shown
    assert "loss=" in shown


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_things_may_be_closed_in_any_order(order: tuple[int, ...]) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    session = weft.Session(graph)
    prepared = session.prepare([x], [x * 2.0])
    prepared.bind_input(0, np.ones(2, "f4"))
    prepared.run()
    out = prepared.output(0)
    things = [graph, session, prepared]
    for i in order:
        things[i].close()
        things[i].close()
    assert out.tolist() == [2.0, 2.0]
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        prepared.run()
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        session.run({x: [1, 2]}, x)
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        graph.input("y")


def test_a_graph_goes_without_the_garbage_collector() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    y = weft.host_call(lambda v: v, [x], ["f32"], [[2]])
    session = weft.Session(graph)
    session.run({x: [1, 2]}, y)
    before = weft.live_objects()
    del graph, x, y, session
    assert weft.live_objects() < before


def answer(queue: Any) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1000])
    queue.put(float(weft.Session(graph).run({x: np.ones(1000)[:].astype("f4")}, weft.reduce_sum(x * 2.0, keepdims=False))))


def test_a_forked_process_runs_graphs_of_its_own() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=answer, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == 2000.0
    process.join(60)
    assert process.exitcode == 0


def test_the_interpreter_ends_while_everything_is_open() -> None:
    program = (
        "import weft\n"
        "graph = weft.Graph()\n"
        "x = graph.input('x', 'f32', [2])\n"
        "y = weft.host_call(lambda v: v + 1, [x], ['f32'], [[2]])\n"
        "session = weft.Session(graph)\n"
        "prepared = session.prepare([x], [y])\n"
        "weft.set_log(print)\n"
        "print(session.run({x: [1, 2]}, y).tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("[2.0, 3.0]\n", "", 0)


def test_what_cannot_be_copied_says_so() -> None:
    for thing in (weft.Graph(), weft.Cancel(), weft.Session(weft.Graph())):
        with pytest.raises(TypeError, match="copied"):
            copy.deepcopy(thing)


@pytest.mark.parametrize("value", [np.arange(6, dtype="f4").reshape(2, 3), np.float64(3), ["a", "bc"]])
def test_tensors_are_pickled(value: Any) -> None:
    tensor = pickle.loads(pickle.dumps(weft.Tensor(value)))
    np.testing.assert_array_equal(tensor.numpy(), weft.Tensor(value).numpy())
    items = pickle.loads(pickle.dumps(weft.Tensor.sequence([value, value])))
    assert len(items) == 2
    assert (tensor.kind, items.kind) == ("tensor", "sequence")
    held = pickle.loads(pickle.dumps(weft.Tensor.optional(items)))
    none = pickle.loads(pickle.dumps(weft.Tensor.optional()))
    assert (held.kind, len(held), len(held.numpy()), held[0].kind) == ("optional", 1, 2, "sequence")
    assert (none.kind, len(none), none.numpy()) == ("optional", 0, None)


def test_one_number_may_stand_for_a_list() -> None:
    graph = weft.Graph()
    image = graph.input("image", "f32", [1, 1, 4, 4])
    conv = weft.layers.Conv2d(graph, "conv", inputs=1, filters=2, kernel=3, strides=np.int64(2), pads=1, dilations=1)
    assert conv.variables[0].shape == (2, 1, 3, 3)
    assert conv(image).shape == (1, 2, 2, 2)
    assert weft.Layer(graph, "Conv2d", {"inputs": 1, "filters": 2, "kernel": 2}, "c").variables[0].shape == (2, 1, 2, 2)
    row = graph.input("row", "f32", [1, 1, 6])
    assert weft.max_pool(row, kernel_shape=2, strides=2).shape == (1, 1, 3)
    assert weft.conv(row, [[[1.0, 1.0]]], dilations=2, strides=1).shape == (1, 1, 4)
    assert graph.add("AveragePool", [row], {"kernel_shape": 3}).shape == (1, 1, 4)
    with pytest.raises(ValueError, match="'kernel_shape'"):
        weft.max_pool(row, kernel_shape=2.5)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="Relu"):
        graph.add("Rellu", [row], {"kernel_shape": 3})
