"""Maps as dicts: of a classifier as scikit-learn's exporter writes it, fed to models, through functions, and what is no map;
optionals through functions."""

import pickle
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import weft

X = np.float32([[0.5, -1.0], [2.0, 0.25], [-1.5, 3.0]])


def map_type(keys: int, values: int) -> onnx.TypeProto:
    return helper.make_map_type_proto(keys, helper.make_tensor_type_proto(values, []))


def model(nodes: list[onnx.NodeProto], x: onnx.TypeProto, y: onnx.TypeProto) -> bytes:
    graph = helper.make_graph(nodes, "g", [helper.make_value_info("x", x)], [helper.make_value_info("y", y)])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def classifier(**labels: Any) -> bytes:
    """A logistic regression, with the nodes that skl2onnx writes for one."""
    nodes = [
        helper.make_node(
            "LinearClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml", multi_class=1,
            coefficients=[0.5, -1.0, 1.5, 0.25, -2.0, 0.75], intercepts=[0.1, -0.2, 0.1], post_transform="SOFTMAX", **labels,
        ),
        helper.make_node("Normalizer", ["scores"], ["probabilities"], domain="ai.onnx.ml", norm="L1"),
        helper.make_node("ZipMap", ["probabilities"], ["y"], domain="ai.onnx.ml",
                         **{name.replace("labels_ints", "labels_int64s"): value for name, value in labels.items()}),
    ]
    keys = TensorProto.STRING if "classlabels_strings" in labels else TensorProto.INT64
    result = helper.make_sequence_type_proto(map_type(keys, TensorProto.FLOAT))
    return model(nodes, helper.make_tensor_type_proto(TensorProto.FLOAT, [None, 2]), result)


def run(content: bytes, value: Any) -> Any:
    graph = weft.Graph.load(content)
    return weft.Session(graph).run({graph.inputs[0]: value}, graph.outputs)[0]


@pytest.mark.parametrize("labels", [{"classlabels_strings": ["ash", "birch", "oak"]}, {"classlabels_ints": [4, 0, 2]}])
def test_probabilities_are_a_list_of_dicts(labels: dict[str, Any]) -> None:
    content = classifier(**labels)
    found = run(content, X)
    (wanted,) = onnxruntime.InferenceSession(content).run(None, {"x": X})
    assert len(found) == 3
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
        assert sum(ours.values()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(
    "keys, values, given, vocabulary",
    [
        (TensorProto.STRING, TensorProto.FLOAT, {"c": 2.0, "a": 1.5}, {"string_vocabulary": ["a", "b", "c"]}),
        (TensorProto.INT64, TensorProto.DOUBLE, {5: 15.5, 9: 2.0}, {"int64_vocabulary": [2, 7, 5]}),
        (TensorProto.STRING, TensorProto.INT64, {"b": 15}, {"string_vocabulary": ["a", "b"]}),
    ],
)
def test_dicts_are_fed(keys: int, values: int, given: dict[Any, Any], vocabulary: dict[str, Any]) -> None:
    node = helper.make_node("DictVectorizer", ["x"], ["y"], domain="ai.onnx.ml", **vocabulary)
    content = model([node], map_type(keys, values), helper.make_tensor_type_proto(values, None))
    found = run(content, given)
    if values == TensorProto.FLOAT:  # Python's numbers become no others in onnxruntime
        assert found.tolist() == onnxruntime.InferenceSession(content).run(None, {"x": given})[0].tolist()
    (names,) = vocabulary.values()
    assert found.tolist() == [[given.get(name, 0) for name in names]]
    assert found.dtype == helper.tensor_dtype_to_np_dtype(values)


@pytest.mark.parametrize("attrs", [{}, {"cast_to": "TO_INT64"}, {"map_form": "SPARSE", "max_map": 7}])
def test_a_map_is_cast(attrs: dict[str, Any]) -> None:
    kind = TensorProto.INT64 if attrs.get("cast_to") else TensorProto.FLOAT
    node = helper.make_node("CastMap", ["x"], ["y"], domain="ai.onnx.ml", **attrs)
    content = model([node], map_type(TensorProto.INT64, TensorProto.FLOAT), helper.make_tensor_type_proto(kind, None))
    given = {5: 1.5, 1: 2.75, 3: -0.5}
    wanted = onnxruntime.InferenceSession(content).run(None, {"x": given})[0]
    found = run(content, given)
    assert found.dtype == wanted.dtype
    assert found.tolist() == wanted.tolist()


def test_tensors_of_maps() -> None:
    one = weft.Tensor({"a": 1.0, "b": 2.5})
    assert (one.kind, len(one), one.numpy()) == ("map", 2, {"a": 1.0, "b": 2.5})
    assert repr(one) == "Tensor map of 2 from string to f32"
    assert weft.Tensor({1: 2}, "f64")[1].dtype == "f64"
    assert weft.Tensor({}).numpy() == {}
    assert weft.Tensor.map([3, 4], ["x", "y"]).numpy() == {3: "x", 4: "y"}
    assert pickle.loads(pickle.dumps(one)).numpy() == one.numpy()
    both = weft.Tensor.sequence([one, {"c": 3.0}])
    assert both.numpy() == [{"a": 1.0, "b": 2.5}, {"c": 3.0}]
    assert pickle.loads(pickle.dumps(both)).numpy() == both.numpy()
    wide = weft.Tensor.sequence([weft.Tensor.map([1], np.array([0.1]))])
    again = pickle.loads(pickle.dumps(wide))
    assert (again[0][1].dtype, again[0].numpy()) == ("f64", {1: 0.1})


def test_what_is_no_map() -> None:
    for keys, values in [(["a", "a"], [1.0, 2.0]), ([1.5], [1.0]), (["a"], [1.0, 2.0])]:
        with pytest.raises(weft.InvalidArgumentError):
            weft.Tensor.map(keys, values)
    with pytest.raises(weft.InvalidArgumentError, match=r"must be map\(string, f32\)"):
        node = helper.make_node("DictVectorizer", ["x"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a"])
        run(model([node], map_type(8, 1), helper.make_tensor_type_proto(1, None)), {1: 1.0})


def test_values_say_what_they_are() -> None:
    graph = weft.Graph()
    zipped = weft.ops.ml_zip_map(graph.input("x", "f32", ["n", 2]), classlabels_int64s=[0, 1])
    zipped.name = "z"
    assert (zipped.kind, repr(zipped)) == ("sequence", "Value z: sequence")


def test_maps_go_through_functions() -> None:
    """Inputs that are maps come from files alone."""
    node = helper.make_node("CastMap", ["x"], ["y"], domain="ai.onnx.ml")
    content = model([node], map_type(TensorProto.INT64, TensorProto.FLOAT), helper.make_tensor_type_proto(1, None))
    graph = weft.Graph.load(content)
    x = graph.inputs[0]
    row = weft.ops.ml_cast_map(x, cast_to="TO_INT64")
    places = weft.ops.ml_dict_vectorizer(x, int64_vocabulary=[3, 7, 5])
    rows = weft.ops.ml_zip_map(places, classlabels_strings=["a", "b", "c"])
    fetches = [*weft.ops.map_items(x), row, places, rows]
    keys, values, row_, places_, rows_ = weft.Session(graph).run({x: {5: 1.5, 1: 2.75, 3: -0.5}}, fetches)
    assert (keys.tolist(), values.tolist()) == ([1, 3, 5], [2.75, -0.5, 1.5])
    assert (row_.tolist(), places_.tolist()) == ([[2, 0, 1]], [[-0.5, 0, 1.5]])
    assert rows_ == [{"a": -0.5, "b": 0, "c": 1.5}]


def test_optionals_go_through_functions() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    held, none = weft.ops.optional(x), weft.ops.optional(type="f32[2]", graph=graph)
    fetches = [
        weft.ops.optional_get_element(weft.ops.optional_add(held, held)),
        weft.ops.optional_get_element(weft.ops.optional_add(none, held)),
        weft.ops.optional_element_or_zeros(held, x),
        weft.ops.optional_element_or_zeros(none, x),
    ]
    found = weft.Session(graph).run({x: [3, -1]}, fetches)
    assert [array.tolist() for array in found] == [[6, -2], [3, -1], [3, -1], [0, 0]]
