"""ONNX's interface of backends; what its suite of tests gives stands in tests/conformance."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import weft
import weft.backend


def model_of_two() -> onnx.ModelProto:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("a", "b", "difference", "sum")]
    nodes = [helper.make_node("Sub", ["a", "b"], ["difference"]), helper.make_node("Add", ["a", "b"], ["sum"])]
    return helper.make_model(helper.make_graph(nodes, "two", infos[:2], infos[2:]), opset_imports=[helper.make_opsetid("", 20)])


A, B = np.float32([5, 7]), np.float32([1, 2])


def test_a_model_takes_inputs_in_their_order_or_by_name() -> None:
    model = weft.backend.prepare(model_of_two(), threads=1)
    for inputs in ([A, B], {"b": B, "a": A}):
        result = model.run(inputs)
        assert [array.tolist() for array in result] == [[4, 5], [6, 9]]
        assert result.sum.tolist() == result["sum"].tolist() == [6, 9]  # type: ignore[attr-defined, call-overload]
    assert weft.backend.run_model(model_of_two(), [A, B])[0].tolist() == [4, 5]


def test_mistakes_with_inputs() -> None:
    model = weft.backend.prepare(model_of_two())
    with pytest.raises(ValueError, match="3 values are given but the model has 2 inputs"):
        model.run([A, B, B])
    with pytest.raises(KeyError, match="no value 'c'"):
        model.run({"a": A, "c": B})
    node = helper.make_node("Add", ["a", "b"], ["c"])
    with pytest.raises(ValueError, match="1 values are given but the node has 2 inputs"):
        weft.backend.run_node(node, [A])


def test_a_node_of_an_old_opset() -> None:
    node = helper.make_node("Unsqueeze", ["x"], ["y"], axes=[0])
    assert weft.backend.run_node(node, [A], opset_version=11)[0].tolist() == [[5, 7]]
    with pytest.raises(ValueError, match="there is no attribute 'axes'"):
        weft.backend.run_node(node, [A], opset_version=13)


def test_a_list_is_a_sequence() -> None:
    node = helper.make_node("SequenceAt", ["s", "i"], ["y"])
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    index = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    graph = helper.make_graph([node], "at", [sequence, index], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    assert weft.backend.run_model(model, [[A, B], np.int64(-1)])[0].tolist() == [1, 2]


def test_none_is_an_optional_that_is_empty() -> None:
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("OptionalHasElement", ["o"], ["has"]), helper.make_node("Identity", ["o"], ["same"])],
            "has",
            [helper.make_value_info("o", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2])))],
            [helper.make_tensor_value_info("has", TensorProto.BOOL, []), helper.make_empty_tensor_value_info("same")],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
    )
    has, same = weft.backend.run_model(model, [None])
    assert (bool(has), same) == (False, None)
    has, same = weft.backend.run_model(model, [A])
    assert (bool(has), same.tolist()) == (True, [5, 7])


def test_devices() -> None:
    assert weft.backend.supports_device("CPU")
    assert not weft.backend.supports_device("CUDA:7")
    with pytest.raises(weft.WeftError, match="cuda:7"):
        weft.backend.prepare(model_of_two(), "CUDA:7")
