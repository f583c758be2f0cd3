"""Files of each opset from 13 on, of operators whose form changed in between, beside onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest
import weft
from onnx import TensorProto, helper


def model(opset: int) -> onnx.ModelProto:
    """x f32[2, 4, 3] through operators that took attributes once and inputs later, or other defaults."""
    constants = {
        "pads": np.array([0, 0, 1, 0, 0, 1], np.int64),
        "one": np.array([1], np.int64),
        "halves": np.array([2, 2], np.int64),
        "shape": np.array([0, -1], np.int64),
        "k": np.array([2], np.int64),
        "places": np.array([[0, 1], [1, 3]], np.int64),
        "updates": np.array([[7, 8, 9, 1, 2], [3, 4, 5, 6, 7]], np.float32),
        "scale": np.array([1, 2, 0.5, -1], np.float32),
        "bias": np.array([0, 1, 0, 2], np.float32),
        "mean": np.array([0.5, 0, 1, -1], np.float32),
        "variance": np.array([1, 4, 0.25, 2], np.float32),
    }
    reduced = {"axes": [1]} if opset < 18 else {}
    nodes = [
        helper.make_node("BatchNormalization", ["x", "scale", "bias", "mean", "variance"], ["normal"]),
        helper.make_node("Pad", ["normal", "pads"], ["padded"]),
        helper.make_node("ScatterND", ["padded", "places", "updates"], ["scattered"]),
        helper.make_node("ReduceMax", ["scattered"] if opset < 18 else ["scattered", "one"], ["largest"], **reduced),
        helper.make_node("Split", ["scattered", "halves"], ["left", "right"], axis=1),
        helper.make_node("Sub", ["left", "right"], ["difference"]),
        helper.make_node("Add", ["difference", "largest"], ["sum"]),
        helper.make_node("Reshape", ["sum", "shape"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["likely"]),
        helper.make_node("TopK", ["likely", "k"], ["values", "indices"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4, 3])],
        [
            helper.make_tensor_value_info("values", TensorProto.FLOAT, [2, 2]),
            helper.make_tensor_value_info("indices", TensorProto.INT64, [2, 2]),
            helper.make_tensor_value_info("flat", TensorProto.FLOAT, [2, 10]),
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))


@pytest.mark.parametrize("opset", range(13, 27))
def test_a_file_of_the_opset_means_what_it_meant(opset: int) -> None:
    made = model(opset)
    onnx.checker.check_model(made, full_check=True)
    x = np.random.default_rng(opset).normal(size=(2, 4, 3)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})
    graph = weft.Graph.load(made.SerializeToString())
    got = weft.Session(graph).run({graph.inputs[0]: x}, graph.outputs)
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-5)
    np.testing.assert_array_equal(got[1], wanted[1])
    np.testing.assert_allclose(got[2], wanted[2], rtol=1e-5, atol=1e-6)


def test_a_file_of_a_later_opset_says_what_can_be_read() -> None:
    made = model(26)
    made.opset_import[0].version = 28
    with pytest.raises(NotImplementedError, match="of opset 28; opsets 1 to 27 can be read; onnx.version_converter"):
        weft.Graph.load(made.SerializeToString())
