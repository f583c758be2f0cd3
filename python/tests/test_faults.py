"""Programs that go wrong while they build and run: numbers, indices, memory, threads and depth."""

import inspect
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft

LEAST, MOST = -(2**31), 2**31 - 1


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def check(code: str, part: str, node: str, origin: int | None, call: Callable[[], Any]) -> None:
    """The call raises an error of which that is known."""
    with pytest.raises(weft.WeftError) as caught:
        call()
    error = caught.value
    assert error.code == code and part in str(error) and error.node == node, str(error)
    assert error.origin == ("" if origin is None else f"{__file__}:{origin}")


def test_unknown_names_are_errors_of_the_line() -> None:
    graph = weft.Graph()
    x, y = graph.input("x", "f32", [2]), graph.input("y", "f32", [2, 2])
    at = line()
    check("NOT_FOUND", "did you mean 'MatMul'?", "", at + 1, lambda: graph.add("MatMull", [x, x]))
    check("INVALID_ARGUMENT", "no attribute 'alpha'", "", at + 2, lambda: graph.add("Relu", [x], {"alpha": 1}))
    check("ALREADY_EXISTS", "has a value 'x' already", "x", at + 3, lambda: graph.input("x", "f32", [2]))
    check("INVALID_ARGUMENT", "have the ranks 1 and 2", "both", at + 4, lambda: weft.concat(x, y, axis=0, name="both"))


def test_errors_name_the_node_with_its_scope() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 3])
    with graph.scope("encoder"), graph.scope("layer1"):
        for node, build in (
            ("MatMul", lambda: x @ x),
            ("scores", lambda: weft.matmul(x, x, name="scores")),
            ("MatMull", lambda: graph.add("MatMull", [x, x])),
            ("v", lambda: graph.variable("v", x)),
        ):
            with pytest.raises(weft.WeftError, match=rf"'encoder/layer1/{node}'\] \(built at ") as caught:
                build()
            assert caught.value.node == f"encoder/layer1/{node}"
        whole = graph.input("i", "i32", [1])
        quotient = weft.div(whole, whole)
    with pytest.raises(weft.WeftError) as caught:
        weft.Session(graph).run({whole: [0]}, quotient)
    assert caught.value.node == "encoder/layer1/Div"


@pytest.mark.parametrize(
    "use",
    [
        lambda graph, x: graph.input("x\0y", "f32"),
        lambda graph, x: graph.input("y", "f32", ["n\0m"]),
        lambda graph, x: graph.input("y", "f32\0", [2]),
        lambda graph, x: graph.variable("x\0y", 1.0),
        lambda graph, x: graph.add("Relu\0", [x]),
        lambda graph, x: weft.relu(x, name="x\0y"),
        lambda graph, x: graph.add("LeakyRelu", [x], {"alpha\0": 1.0}),
        lambda graph, x: graph.add("AveragePool", [x], {"auto_pad": "VALID\0"}),
        lambda graph, x: graph.add("Relu", [x], {"a": ["b", "x\0y"]}),
        lambda graph, x: graph.scope("x\0y").__enter__(),
        lambda graph, x: setattr(x, "name", "y\0"),
        lambda graph, x: graph.find("x\0y"),
        lambda graph, x: weft.layers.Flatten(graph, "x\0y"),
        lambda graph, x: weft.Session(graph).get("x\0y"),
        lambda graph, x: weft.Session(graph).set("x\0y", 1.0),
        lambda graph, x: weft.Session(graph, disable_pass=["*\0"]),
        lambda graph, x: weft.save_tensors("never", {"x\0y": 1.0}),
        lambda graph, x: weft.Dataset.load("never.csv", names=["a", "x\0y"]),
        lambda graph, x: weft.Graph.load(b"", folder="x\0y"),
        lambda graph, x: weft.describe_operator("Relu\0"),
    ],
)
def test_strings_with_a_nul_character_are_refused(use: Callable[[weft.Graph, weft.Value], Any]) -> None:
    graph = weft.Graph()
    with pytest.raises(weft.InvalidArgumentError, match="a string with a NUL character in it cannot be used here"):
        use(graph, graph.input("x", "f32"))


def test_programs_may_lie_where_paths_are_no_text() -> None:
    program = compile("x = graph.input('x', 'f32', [2, 3])\nx @ x", "/tmp/caf\udce9/p.py", "exec")
    with pytest.raises(weft.InvalidArgumentError) as caught:
        exec(program, {"graph": weft.Graph()})
    assert caught.value.origin == "/tmp/caf\\udce9/p.py:2"


def test_elements_may_have_nul_characters() -> None:
    assert weft.Tensor(["x\0y"]).numpy().tolist() == ["x\0y"]


def test_values_fed_twice() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    check("INVALID_ARGUMENT", "'x' is fed twice", "", None, lambda: weft.Session(graph).prepare([x, x], [x]))


def test_indices_outside_and_no_numbers() -> None:
    graph = weft.Graph()
    table, x = graph.constant([10.0, 20.0]), graph.input("x", "f32", [])
    at = line() + 1
    y = weft.gather(table, weft.cast(x, to="i64"), name="pick")
    session = weft.Session(graph)
    assert session.run({x: -2}, y) == 10
    for index in (2, -3, float("inf"), float("-inf"), 1e30, float("nan")):
        check("OUT_OF_RANGE", "is outside axis 0 of size 2", "pick", at, lambda: session.run({x: index}, y))
    at = line() + 1
    check("INVALID_ARGUMENT", "must be one of i32, i64", "wrong", at, lambda: weft.gather(table, x, name="wrong"))


def test_whole_numbers_wrap_and_divide_by_no_zero() -> None:
    graph = weft.Graph()
    a, b = graph.input("a", "i32", [3]), graph.input("b", "i32", [3])
    at = line()
    quotient = weft.div(a, b, name="quotient")
    remainder = weft.mod(a, b, name="remainder")
    session = weft.Session(graph)
    found = session.run(
        {a: [LEAST, 7, MOST], b: [-1, -1, 1]}, [quotient, remainder, a + b, a - b, a * b, a * a, -a, abs(a)]
    )
    assert [array.tolist() for array in found] == [
        [LEAST, -7, MOST],
        [0, 0, 0],
        [MOST, 6, LEAST],
        [LEAST + 1, 8, MOST - 1],
        [LEAST, -7, MOST],
        [0, 49, 1],
        [LEAST, -7, -MOST],
        [LEAST, 7, MOST],
    ]
    feeds = {a: [1, 2, 3], b: [1, 0, 1]}
    check("INVALID_ARGUMENT", "division by zero", "quotient", at + 1, lambda: session.run(feeds, quotient))
    check("INVALID_ARGUMENT", "division by zero", "remainder", at + 2, lambda: session.run(feeds, remainder))


def test_sizes_that_overflow() -> None:
    graph = weft.Graph()
    x, size = graph.input("x", "f32", []), graph.input("size", "i64", [2])
    at = line() + 1
    y = weft.expand(x, size, name="wide")
    session = weft.Session(graph)
    for n in (2**62, 2**32):
        check("RESOURCE_EXHAUSTED", "is too large", "wide", at, lambda: session.run({x: 1, size: [n, n]}, y))
    assert session.run({x: 1, size: [2, 1]}, y).tolist() == [[1], [1]]


def in_two_threads(work: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def caught() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=caught) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_two_threads_build_one_graph() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    added: list[weft.Value] = []

    def work() -> None:
        for _ in range(2000):
            try:
                added.append(weft.relu(x))
            except weft.FailedPreconditionError as error:
                assert "a graph has one writer" in str(error)

    in_two_threads(work)
    assert str(graph).count(" = Relu(") == len(added) > 0


def test_two_threads_in_one_prepared_run() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    prepared = weft.Session(graph).prepare([x], [x * 2.0])
    prepared.bind_input(0, np.array([1, 2], "f4"))
    ran: list[bool] = []

    def work() -> None:
        for _ in range(2000):
            try:
                prepared.run()
                ran.append(True)
            except weft.FailedPreconditionError as error:
                assert "thread" in str(error)

    in_two_threads(work)
    assert ran
    prepared.run()
    assert prepared.output(0).tolist() == [2, 4]


def test_a_run_stopped_in_the_middle_changes_nothing() -> None:
    graph = weft.Graph()
    x, w = graph.input("x", "f32", [256, 256]), graph.variable("w", 1.0)
    cancel = weft.Cancel()

    def inside(value: np.ndarray) -> np.ndarray:
        cancel.set()
        return value

    y = weft.host_call(inside, [x], ["f32"], [[256, 256]])
    for _ in range(3000):
        y = y @ x
    session = weft.Session(graph)
    with pytest.raises(weft.CancelledError):
        session.run({x: np.zeros((256, 256), "f4")}, y, weft.assign(w, w + 1.0), cancel=cancel)
    assert session.get("w") == 1


def go_deep(path: pathlib.Path) -> None:
    graph = weft.Graph()
    x, one = graph.input("x", "f32", []), graph.constant(np.float32(1))
    y = x
    for _ in range(100_000):
        y = y + one
    (slope,) = weft.gradients(y, [x])
    assert weft.Session(graph).run({x: 0.5}, [y, slope]) == [100_000.5, 1]
    graph.save(path, y)
    again = weft.Graph.load(path)
    assert weft.Session(again).run({again.inputs[0]: -1}, again.outputs[0]) == 99_999
    assert str(again).count("\n") > 100_000


def test_a_graph_that_is_very_deep_on_a_small_stack(tmp_path: pathlib.Path) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            go_deep(tmp_path / "deep.onnx")
        except BaseException as error:
            errors.append(error)

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert errors == []
