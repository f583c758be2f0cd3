"""Files as few exporters write them: thousands of inputs, versions of the format before 7, weights that are inputs too, cycles."""

from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import weft

FLOAT = TensorProto.FLOAT
MANY = 5000


def info(name: str, dims: list[int | str], dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, dims)


def judged(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)


@pytest.mark.parametrize(("op", "attributes"), [("Sum", {}), ("Max", {}), ("Concat", {"axis": 0})])
def test_thousands_of_inputs_fed_by_name(op: str, attributes: dict[str, Any]) -> None:
    names = [f"x{i}" for i in range(MANY)]
    node = helper.make_node(op, names, ["y"], **attributes)
    graph = helper.make_graph([node], "g", [info(name, ["n"]) for name in names], [info("y", ["m"])])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])
    rows = np.random.default_rng(0).integers(-50, 50, (MANY, 3)).astype("f4")  # whole numbers: sums are exact in any order
    loaded = weft.Graph.load(model.SerializeToString())
    assert [value.name for value in loaded.inputs] == names
    feeds = {loaded.find(name): row for name, row in zip(names, rows, strict=True)}
    wanted = {"Sum": rows.sum(0), "Max": rows.max(0), "Concat": rows.reshape(-1)}[op]
    np.testing.assert_array_equal(weft.Session(loaded).run(feeds, loaded.outputs[0]), wanted)
    del feeds[loaded.find("x4321")]
    with pytest.raises(ValueError, match="input 'x4321' is needed by what is fetched but was not fed"):
        weft.Session(loaded).run(feeds, loaded.outputs[0])


def test_gradients_by_thousands_of_inputs() -> None:
    graph = weft.Graph()
    xs = [graph.input(f"x{i}", "f32", [2]) for i in range(MANY)]
    gradients = graph.gradients(weft.sum(*xs) * 3.0, xs)
    found = weft.Session(graph).run({x: [1, 2] for x in xs}, [gradient for gradient in gradients if gradient is not None])
    assert np.stack(found).tolist() == [[3, 3]] * MANY


def of_version(ir_version: int, opset: int) -> onnx.ModelProto:
    """x w + b, as those versions have it: of 3 all weights are inputs, later ones need not be."""
    w, b = np.array([[1, 2], [3, 4], [5, 6]], "f4"), np.array([10, 20], "f4")
    weights = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]
    inputs = [info("x", ["n", 3]), info("w", [3, 2]), info("b", [2])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])]
    graph = helper.make_graph(nodes, "g", inputs, [info("y", ["n", 2])], weights)
    model = helper.make_model(graph, ir_version=ir_version, opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(model)
    return model


VERSIONS = [(3, 7), (3, 8), (4, 9), (5, 10), (6, 11), (7, 12)]


@pytest.mark.parametrize(("ir_version", "opset"), VERSIONS)
def test_weights_that_are_inputs_too_need_not_be_fed(ir_version: int, opset: int) -> None:
    model = of_version(ir_version, opset)
    graph = weft.Graph.load(model.SerializeToString())
    assert [value.name for value in graph.inputs] == ["x"]
    seen = weft.inspect(model.SerializeToString())
    assert seen["ir_version"] == ir_version
    assert [value["name"] for value in seen["inputs"]] == ["x"]
    assert sorted(value["name"] for value in seen["weights"]) == ["b", "w"]
    x = np.array([[1, 0, -1], [2, 2, 2]], "f4")
    found = weft.Session(graph).run({graph.inputs[0]: x}, graph.outputs[0])
    assert found.tolist() == [[6, 16], [28, 44]]
    assert found.tolist() == judged(model, {"x": x})[0].tolist()


@pytest.mark.parametrize(("ir_version", "opset"), VERSIONS)
def test_weights_that_are_inputs_too_can_be_trained(ir_version: int, opset: int) -> None:
    graph = weft.Graph.load(of_version(ir_version, opset).SerializeToString(), trainable=True)
    assert sorted(value.name for value in graph.variables) == ["b", "w"]
    step = weft.Sgd(1.0).minimize(weft.reduce_sum(graph.outputs[0], keepdims=False))
    session = weft.Session(graph)
    session.run({graph.inputs[0]: np.array([[1, 2, 3]], "f4")}, targets=step)
    assert np.asarray(session.get("w")).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert np.asarray(session.get("b")).tolist() == [9, 19]


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize(("ir_version", "opset"), VERSIONS[2:])
def test_a_weight_that_is_an_input_too_is_fed_by_its_name(ir_version: int, opset: int, trainable: bool) -> None:
    """From version 4 of the format on, what the file has is a default."""
    model = of_version(ir_version, opset)
    graph = weft.Graph.load(model.SerializeToString(), trainable=trainable)
    session = weft.Session(graph)
    feeds = {"x": np.array([[1, 0, -1]], "f4"), "b": np.array([-1, 1], "f4")}
    found = session.run({graph.find(name): value for name, value in feeds.items()}, graph.outputs[0])
    assert found.tolist() == [[-5, -3]]
    assert found.tolist() == judged(model, feeds)[0].tolist()
    # For that run alone, and in the shape that it has.
    assert session.run({graph.find("x"): feeds["x"]}, graph.outputs[0]).tolist() == [[6, 16]]
    with pytest.raises(ValueError, match=r"'b' is f32\[3\] but must be f32\[2\]"):
        session.run({graph.find("x"): feeds["x"], graph.find("b"): np.zeros(3, "f4")}, graph.outputs[0])


def test_a_default_that_decides_shapes_is_fed() -> None:
    shape = numpy_helper.from_array(np.array([2, 3]), "shape")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["r"]), helper.make_node("Relu", ["r"], ["y"])],
        "g",
        [info("x", [6]), info("shape", [2], TensorProto.INT64)],
        [info("y", ["a", "b"])],
        [shape],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    loaded = weft.Graph.load(model.SerializeToString())
    x = np.arange(6, dtype="f4")
    session = weft.Session(loaded)
    for given in (None, [3, 2], [-1, 1]):
        feeds = {"x": x} if given is None else {"x": x, "shape": np.array(given)}
        found = session.run({loaded.find(name): value for name, value in feeds.items()}, loaded.outputs[0])
        assert found.shape == judged(model, feeds)[0].shape
        assert found.tolist() == judged(model, feeds)[0].tolist()


def test_a_default_that_decides_a_branch_is_fed() -> None:
    branches = [
        helper.make_graph([helper.make_node(op, ["x"], ["b"])], name, [], [info("b", [2])])
        for name, op in (("then_branch", "Neg"), ("else_branch", "Exp"))
    ]
    nodes = [
        helper.make_node("Not", ["train"], ["infer"]),
        helper.make_node("If", ["train"], ["y"], **{branch.name: branch for branch in branches}),
        helper.make_node("If", ["infer"], ["z"], **{branch.name: branch for branch in branches}),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", [2]), info("train", [], TensorProto.BOOL)],
        [info("y", [2]), info("z", [2])],
        [numpy_helper.from_array(np.array(False), "train")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    loaded = weft.Graph.load(model.SerializeToString())
    x = np.array([0, 1], "f4")
    session = weft.Session(loaded)
    for given in (None, True, False):
        feeds = {"x": x} if given is None else {"x": x, "train": np.array(given)}
        found = session.run({loaded.find(name): value for name, value in feeds.items()}, loaded.outputs)
        for ours, theirs in zip(found, judged(model, feeds), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


CYCLES = [
    (
        "a = Add (x, c)  b = Neg (a)  c = Relu (b)",
        "it uses 'c', which comes of what it gives: 'a' -> 'b' -> 'c' -> 'a' is a cycle",
    ),
    ("a = Add (x, a)", "it uses 'a', which comes of what it gives: 'a' -> 'a' is a cycle"),
    (
        "a = Add (x, b)  b = Neg (x)",
        "it uses 'b', which a later node of Neg makes, 'b'; the nodes of a file must stand in the order in which they are computed",
    ),
    ("b = Neg (x)", "nothing makes its output 'a'"),
    ("a = Add (x, b)", "it uses 'b', which nothing before it makes"),
]


@pytest.mark.parametrize(("nodes", "message"), CYCLES)
def test_values_that_nothing_before_makes(nodes: str, message: str) -> None:
    text = f'<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] a) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    with pytest.raises(ValueError) as caught:
        weft.Graph.load(model.SerializeToString())
    assert message in str(caught.value)
