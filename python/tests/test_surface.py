"""What is seen on the way: dtypes, representations, progress, closing, processes."""

import copy
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


@pytest.mark.parametrize("value", [[1, "a"], [None], object(), np.zeros(2, "M8[s]"), [[1], [1, 2]], {"a": 1}])
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


def test_the_process() -> None:
    assert weft.devices()[0] == "cpu" and weft.threads() >= 1
    assert "weft.Adam" in weft.operators() and "Dense" in weft.layer_kinds()
    assert [item["name"] for item in weft.describe_operator("MatMul")["inputs"]] == ["A", "B"]
    assert weft.describe_layer("Dense")["attrs"][0]["name"] == "inputs"
    with pytest.raises(KeyError, match="MatMul"):
        weft.describe_operator("MatMull")
    assert weft.memory_limit() == 0 and weft.Tensor([1.0, 2.0]).nbytes == 8


def test_representations() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 2])
    session = weft.Session(graph)
    assert repr(x) == "Value x: f32[batch, 2]"
    assert repr(session) == "Session of a Graph with 1 nodes"
    assert repr(session.prepare([x], [x])) == "Prepared with 1 inputs and 1 outputs"
    assert repr(weft.Sgd(0.5)) == "Sgd(0.5, weight_decay=0.0, clip_norm=0.0)"
    session.close()
    assert repr(session) == "Session (closed)"


def trained(**named: Any) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 1])
    loss = weft.reduce_mean((x @ graph.variable("w", [[1.0]])) ** 2.0, keepdims=0, name="loss")
    step = weft.Sgd(0.01).minimize(loss)
    data = weft.Dataset(np.ones((8, 1), "f4"))
    weft.Session(graph).fit(data, [x], step, [loss], epochs=2, batch_size=4, **named)


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
        session.run(x, {x: [1, 2]})
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        graph.input("y")


def test_a_graph_goes_without_the_garbage_collector() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    y = weft.host_call(lambda v: v, [x], ["f32"], [[2]])
    session = weft.Session(graph)
    session.run(y, {x: [1, 2]})
    before = weft.live_objects()
    del graph, x, y, session
    assert weft.live_objects() < before


def answer(queue: Any) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1000])
    queue.put(float(weft.Session(graph).run(weft.reduce_sum(x * 2.0, keepdims=0), {x: np.ones(1000)[:].astype("f4")})))


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
        "print(session.run(y, {x: [1, 2]}).tolist())\n"
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
