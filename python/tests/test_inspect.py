"""`weft.inspect`: what is in an ONNX file, and what of it cannot be loaded."""

from __future__ import annotations

import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import weft


def tensor(name: str, shape: list[int | str] | None, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes: list[onnx.NodeProto], **parts: object) -> onnx.ModelProto:
    """A model of those nodes from x to y."""
    graph = helper.make_graph(nodes, "g", [tensor("x", ["batch", 3])], [tensor("y", None)], parts.get("weights", []))
    opsets = parts.get("opsets", [helper.make_opsetid("", 17)])
    return helper.make_model(
        graph, opset_imports=opsets, functions=parts.get("functions", []), producer_name="by hand", ir_version=9
    )


def test_what_is_in_a_model(tmp_path: pathlib.Path) -> None:
    w = numpy_helper.from_array(np.zeros((3, 4), "f4"), "w")
    b = numpy_helper.from_array(np.zeros(4, "f8"), "b")
    branch = helper.make_graph([helper.make_node("Relu", ["h"], ["r"])], "then", [], [tensor("r", None)])
    other = helper.make_graph([helper.make_node("Neg", ["h"], ["n"])], "else", [], [tensor("n", None)])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.BOOL),
        helper.make_node("ReduceMax", ["h"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "m"], ["cond"]),
        helper.make_node("If", ["cond"], ["y"], then_branch=branch, else_branch=other),
    ]
    made = model(nodes, weights=[w, b])
    made.metadata_props.add(key="by", value="a \"test\"")
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    wanted = {
        "ir_version": 9,
        "producer": "by hand",
        "producer_version": "",
        "opsets": {"ai.onnx": 17},
        "inputs": [{"name": "x", "type": "f32[batch, 3]"}],
        "outputs": [{"name": "y", "type": "f32[...]"}],
        "operators": {"Cast": 1, "Greater": 1, "If": 1, "MatMul": 1, "Neg": 1, "ReduceMax": 1, "Relu": 1},
        "functions": {},
        "parameters": {"tensors": 2, "elements": 16, "bytes": 80},
        "weights": [{"name": "w", "type": "f32[3, 4]"}, {"name": "b", "type": "f64[4]"}],
        "metadata": {"by": "a \"test\""},
        "unsupported": [],
    }
    assert weft.inspect(path) == wanted
    assert weft.inspect(path.read_bytes()) == wanted


def test_every_unknown_operator_is_told() -> None:
    half = helper.make_function(
        "own", "Half", ["a"], ["b"], [helper.make_node("Scale", ["a"], ["b"], domain="theirs", name="scaled")],
        [helper.make_opsetid("theirs", 1)],
    )  # fmt: skip
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("FusedMatMul", ["a", "a"], ["b"], domain="com.microsoft", name="first"),
        helper.make_node("FusedMatMul", ["b", "b"], ["c"], domain="com.microsoft"),
        helper.make_node("Half", ["c"], ["y"], domain="own"),
    ]
    opsets = [helper.make_opsetid(domain, version) for domain, version in [("", 17), ("com.microsoft", 1), ("own", 1)]]
    found = weft.inspect(model(nodes, opsets=opsets, functions=[half]).SerializeToString())
    assert found["opsets"] == {"ai.onnx": 17, "com.microsoft": 1, "own": 1}
    assert found["operators"] == {"Relu": 1, "com.microsoft.FusedMatMul": 2, "theirs.Scale": 1}
    assert found["functions"] == {"own.Half": 1}
    assert found["unsupported"] == [
        "the operator com.microsoft.FusedMatMul is not known (2 nodes, the first 'first')",
        "the operator theirs.Scale is not known (the node 'scaled')",
    ]
    with pytest.raises(weft.WeftError, match="FusedMatMul is not known; besides, the operator theirs.Scale is not known"):
        weft.Graph.load(model(nodes, opsets=opsets, functions=[half]).SerializeToString())


def test_what_loading_would_say() -> None:
    nodes = [helper.make_node("Softmax", ["x"], ["y"], name="probabilities", axis=5)]
    (problem,) = weft.inspect(model(nodes).SerializeToString())["unsupported"]
    assert "probabilities" in problem and "axis" in problem


def test_what_is_no_model(tmp_path: pathlib.Path) -> None:
    with pytest.raises(weft.WeftError, match=r"missing.onnx.: there is no such file"):
        weft.inspect(tmp_path / "missing.onnx")
    with pytest.raises(weft.WeftError, match="it holds no graph"):
        weft.inspect(b"")
    path = tmp_path / "text.onnx"
    path.write_bytes(b"no model at all")
    with pytest.raises(weft.WeftError, match=r"cannot inspect '.*text.onnx'"):
        weft.inspect(path)


def field(number: int, content: bytes) -> bytes:
    """A field of a message, for what is nested deeper than protobuf writes."""
    size, length = len(content), b""
    while size >= 128:
        length += bytes([size % 128 + 128])
        size //= 128
    tag = number << 3 | 2
    return (bytes([tag]) if tag < 128 else bytes([tag % 128 + 128, tag // 128])) + length + bytes([size]) + content


def test_graphs_nested_without_end_are_walked_all_the_same() -> None:
    graph = field(1, field(1, b"x") + field(2, b"r") + field(4, b"Relu"))
    for _ in range(5000):
        branch = field(1, b"then_branch") + field(6, graph) + b"\xa0\x01\x05"
        graph = field(1, field(1, b"c") + field(2, b"r") + field(4, b"If") + field(5, branch))
    found = weft.inspect(field(7, graph))
    assert found["operators"] == {"If": 5000, "Relu": 1}
    assert len(found["unsupported"]) == 1


def ifs(levels: int) -> bytes:
    """A model of Ifs in Ifs, all of one condition that is known; what is innermost gives x."""
    graph = field(1, field(1, b"x") + field(2, b"b") + field(4, b"Identity")) + field(12, field(1, b"b"))
    for _ in range(levels):
        then = field(1, b"then_branch") + field(6, graph) + b"\xa0\x01\x05"
        other = field(1, b"else_branch") + field(6, b"") + b"\xa0\x01\x05"
        node = field(1, b"c") + field(2, b"b") + field(4, b"If") + field(5, then) + field(5, other)
        graph = field(1, node) + field(12, field(1, b"b"))
    graph += field(5, b"\x10\x09" + field(8, b"c") + field(9, b"\x01"))  # bool[]: true
    graph += field(11, field(1, b"x") + field(2, field(1, b"\x08\x01" + field(2, b""))))  # f32[]
    return b"\x08\x08" + field(8, field(1, b"") + b"\x10\x11") + field(7, graph)


def test_branches_that_are_taken_whatever_is_fed_nest_as_graphs_do() -> None:
    graph = weft.Graph.load(ifs(30))
    assert weft.Session(graph).run({graph.inputs[0]: np.array(3, "f4")}, graph.outputs[0]) == 3
    (problem,) = weft.inspect(ifs(2000))["unsupported"]
    assert "nested more than 32 deep" in problem
    with pytest.raises(weft.WeftError, match="nested more than 32 deep"):
        weft.Graph.load(ifs(2000))
