"""Weights and constants that an ONNX file holds as sparse tensors: values and where they stand."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import weft


def sparse(values: list[float], indices: np.ndarray, dims: list[int], dtype: int = TensorProto.FLOAT, name: str = "w") -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(
        helper.make_tensor(name, dtype, [len(values)], values),
        helper.make_tensor("", TensorProto.INT64, list(indices.shape), indices.reshape(-1).tolist()),
        dims,
    )


def weight(tensor: onnx.SparseTensorProto) -> np.ndarray:
    """What a graph says of that weight."""
    y = helper.make_tensor_value_info("y", tensor.values.data_type, None)
    node = helper.make_node("Identity", ["w"], ["y"])
    graph = helper.make_graph([node], "g", [], [y], sparse_initializer=[tensor])
    loaded = weft.Graph.load(helper.make_model(graph).SerializeToString())
    return np.asarray(weft.Session(loaded).run({}, loaded.outputs)[0])


def test_places_in_row_major_order() -> None:
    found = weight(sparse([1.5, -2], np.array([1, 5]), [2, 3]))
    assert found.tolist() == [[0, 1.5, 0], [0, 0, -2]]


def test_an_index_for_each_axis() -> None:
    found = weight(sparse([7, 8], np.array([[0, 2], [1, 0]]), [2, 3], TensorProto.INT64))
    assert found.dtype == np.int64 and found.tolist() == [[0, 0, 7], [8, 0, 0]]


@pytest.mark.parametrize("dims", [[2, 3], [0, 3]])
def test_nothing_but_zeros(dims: list[int]) -> None:
    found = weight(sparse([], np.zeros(0, "i8"), dims, TensorProto.DOUBLE))
    assert found.dtype == np.float64 and found.tolist() == np.zeros(dims).tolist()


@pytest.mark.parametrize("dtype", [TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1, TensorProto.INT2, TensorProto.UINT2])
def test_elements_that_share_bytes(dtype: int) -> None:
    found = weight(sparse([1, 0, 1, 1], np.array([1, 2, 8, 4]), [3, 3], dtype))
    assert found.dtype == helper.tensor_dtype_to_np_dtype(dtype)
    assert found.astype("f4").tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_values_of_four_bits_by_axis() -> None:
    found = weight(sparse([-8, 7, -1], np.array([[1, 2], [0, 0], [1, 1]]), [2, 3], TensorProto.INT4))
    assert found.astype("i4").tolist() == [[7, 0, 0], [0, -1, -8]]


def test_texts_that_are_not_there_are_empty() -> None:
    tensor = onnx.SparseTensorProto(dims=[2, 2])
    tensor.values.CopyFrom(helper.make_tensor("w", TensorProto.STRING, [2], ["a", "b"]))
    tensor.indices.CopyFrom(helper.make_tensor("", TensorProto.INT64, [2], [3, 0]))
    assert weight(tensor).tolist() == [["b", ""], ["", "a"]]


def test_weights_that_are_sparse_can_be_trained() -> None:
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    node = helper.make_node("Neg", ["w"], ["y"])
    graph = helper.make_graph([node], "g", [], [y], sparse_initializer=[sparse([3], np.array([1]), [2])])
    loaded = weft.Graph.load(helper.make_model(graph).SerializeToString(), trainable=True)
    assert np.asarray(weft.Session(loaded).get("w")).tolist() == [0, 3]


def test_the_value_of_a_constant() -> None:
    node = helper.make_node("Constant", [], ["y"], sparse_value=sparse([4], np.array([[1, 1]]), [2, 2]))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    loaded = weft.Graph.load(helper.make_model(helper.make_graph([node], "g", [], [y])).SerializeToString())
    assert np.asarray(weft.Session(loaded).run({}, loaded.outputs)[0]).tolist() == [[0, 0], [0, 4]]


@pytest.mark.parametrize(
    ("indices", "dims", "message"),
    [
        (np.array([0, 6]), [2, 3], "it has a value at 6 of 6 places"),
        (np.array([[0, 3], [0, 0]]), [2, 3], "it has a value at 3 of 3 places"),
        (np.array([-1, 0]), [2, 3], "it has a value at -1 of 6 places"),
        (np.array([0]), [2, 3], r"its indices are i64\[1\] but must be i64\[2\] or i64\[2, 2\]"),
        (np.array([[0], [1]]), [2, 3], r"its indices are i64\[2, 1\] but must be"),
        (np.array([0, 1]), [2, -3], "its shape .* cannot be"),
        (np.array([0, 1]), [1 << 40, 1 << 40], "its shape .* cannot be"),
    ],
)
def test_what_is_no_sparse_tensor(indices: np.ndarray, dims: list[int], message: str) -> None:
    with pytest.raises(weft.WeftError, match=f"the weight 'w': {message}"):
        weight(sparse([1, 2], indices, dims))
