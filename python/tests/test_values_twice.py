"""One value as several outputs, an input as an output, a weight as an output: in files, and fetched."""

import pathlib

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import weft
import weft.backend

W = np.array([10, 20], "f4")
X = np.array([1, -2], "f4")
WANTED = {"y": [11, 18], "x": [1, -2], "w": [10, 20]}


def model(outputs: list[str]) -> bytes:
    """y = x + w."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in outputs]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], infos, [numpy_helper.from_array(W, "w")])
    return bytes(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())


@pytest.mark.parametrize("outputs", [["y", "y"], ["x", "y"], ["w", "y"], ["x", "x", "w", "y", "w", "y"], ["x"], ["w", "w"]])
def test_outputs_of_a_file(outputs: list[str], tmp_path: pathlib.Path) -> None:
    graph = weft.Graph.load(model(outputs))
    assert [value.name for value in graph.outputs] == outputs
    x = graph.find("x")
    found = weft.Session(graph).run({x: X}, graph.outputs)
    assert [array.tolist() for array in found] == [WANTED[name] for name in outputs]
    assert [array.tolist() for array in weft.backend.run_model(onnx.load_from_string(model(outputs)), [X])] == [
        WANTED[name] for name in outputs
    ]
    # Each output of what is saved has a name of its own, as the format wants it.
    graph.save(tmp_path / "again.onnx", graph.outputs)
    onnx.checker.check_model(str(tmp_path / "again.onnx"), full_check=True)
    judge = onnxruntime.InferenceSession(tmp_path / "again.onnx")
    feeds = {"x": X} if {"x", "y"} & set(outputs) else {}
    assert [array.tolist() for array in judge.run(None, feeds)] == [WANTED[name] for name in outputs]
    again = weft.Graph.load(tmp_path / "again.onnx")
    assert len({value.name for value in again.outputs}) == len(outputs)
    found = weft.Session(again).run({value: X for value in again.inputs}, again.outputs)
    assert [array.tolist() for array in found] == [WANTED[name] for name in outputs]


def test_fetched_twice() -> None:
    graph = weft.Graph.load(model(["y"]))
    x, w, y = (graph.find(name) for name in "xwy")
    session = weft.Session(graph)
    given = X.copy()
    fetches = [y, y, x, x, w, w]
    wanted = [WANTED["y"]] * 2 + [WANTED["x"]] * 2 + [WANTED["w"]] * 2
    for _ in range(2):
        assert [array.tolist() for array in session.run({x: given}, fetches)] == wanted
    prepared = session.prepare([x], fetches)
    prepared.bind_input(0, given)
    bound = [np.zeros(2, "f4") for _ in fetches]
    for at in (1, 2, 4):  # of each pair one, or both
        prepared.bind_output(at, bound[at])
    for _ in range(2):
        prepared.run()
        assert [prepared.output(i).tolist() for i in range(len(fetches))] == wanted
        assert [bound[at].tolist() for at in (1, 2, 4)] == [wanted[at] for at in (1, 2, 4)]
    assert (given == X).all()


def test_what_is_written_to_a_result_is_in_no_other() -> None:
    """Nor in what was fed, nor in the weights."""
    graph = weft.Graph.load(model(["y"]))
    x, w, y = (graph.find(name) for name in "xwy")
    session = weft.Session(graph)
    given = X.copy()
    for _ in range(2):
        found = session.run({x: given}, [y, y, x, w])
        for array, wanted in zip(found, (WANTED["y"], WANTED["y"], WANTED["x"], WANTED["w"]), strict=True):
            assert array.tolist() == wanted
            if array.flags.writeable:
                array[:] = 99
        assert given.tolist() == WANTED["x"]


def test_a_variable_fetched_beside_its_new_value() -> None:
    graph = weft.Graph()
    w = graph.variable("w", 3.0)
    more = weft.assign(w, w + 1.0)
    session = weft.Session(graph)
    for at in (3, 4):
        assert [float(value) for value in session.run({}, [w, more, w, more])] == [at, at + 1, at, at + 1]


def test_a_branch_gives_one_value_twice(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x, flag = graph.input("x", "f32", [2]), graph.input("flag", "bool", [])

    def twice() -> list[weft.Value]:
        y = x * 2.0
        return [y, y, x]

    outputs = weft.if_(flag, twice, lambda: [x, x, x])
    graph.save(tmp_path / "if.onnx", outputs)
    onnx.checker.check_model(str(tmp_path / "if.onnx"), full_check=True)
    judge = onnxruntime.InferenceSession(tmp_path / "if.onnx")
    loaded = weft.Graph.load(tmp_path / "if.onnx")
    for choice, wanted in ((True, [[2, -4], [2, -4], [1, -2]]), (False, [[1, -2]] * 3)):
        feeds = {"x": X, "flag": np.array(choice)}
        assert [array.tolist() for array in judge.run(None, feeds)] == wanted
        for one, fetches in ((graph, outputs), (loaded, loaded.outputs)):
            found = weft.Session(one).run({one.find(name): value for name, value in feeds.items()}, fetches)
            assert [array.tolist() for array in found] == wanted


def test_a_loop_gives_one_value_twice(tmp_path: pathlib.Path) -> None:
    """What it carries is what it was given, and is stacked as well; what it scans is in two stacks."""
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    items = graph.constant(np.array([1, 2, 3], "f4"))
    outputs = weft.scan(lambda kept, item: [kept, kept, item, item], [x], [items])
    graph.save(tmp_path / "scan.onnx", outputs)
    onnx.checker.check_model(str(tmp_path / "scan.onnx"), full_check=True)
    wanted = [[1, -2], [[1, -2]] * 3, [1, 2, 3], [1, 2, 3]]
    found = onnxruntime.InferenceSession(tmp_path / "scan.onnx").run(None, {"x": X})
    assert [array.tolist() for array in found] == wanted
    loaded = weft.Graph.load(tmp_path / "scan.onnx")
    for one, fetches in ((graph, outputs), (loaded, loaded.outputs)):
        found = weft.Session(one).run({one.find("x"): X}, fetches)
        assert [array.tolist() for array in found] == wanted
