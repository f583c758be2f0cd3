"""Weights whose elements stand in the typed fields of a file: the bits of each type, worked out from its format."""

import math
import pathlib
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import weft

INF = math.inf

# By type: the field, its numbers, and the elements that they are. Of fewer than 8 bits the first element is the lowest of a byte.
FIELDS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "FLOAT": ("float_data", [1.5, -INF], [1.5, -INF]),
    "DOUBLE": ("double_data", [0.1, -1e300], [0.1, -1e300]),
    "FLOAT16": ("int32_data", [0x3C00, 0xC000, 0x7C00, 0x0001], [1, -2, INF, 2**-24]),
    "BFLOAT16": ("int32_data", [0x3F80, 0xC000, 0xFF80, 0x4049], [1, -2, -INF, 3.140625]),
    "FLOAT8E4M3FN": ("int32_data", [0x38, 0xC0, 0x7E, 0x01], [1, -2, 448, 2**-9]),
    "FLOAT8E4M3FNUZ": ("int32_data", [0x40, 0xC8, 0x7F, 0x01], [1, -2, 240, 2**-10]),
    "FLOAT8E5M2": ("int32_data", [0x3C, 0xC0, 0x7C, 0x01], [1, -2, INF, 2**-16]),
    "FLOAT8E5M2FNUZ": ("int32_data", [0x40, 0xC4, 0x7F, 0x01], [1, -2, 57344, 2**-17]),
    "FLOAT8E8M0": ("int32_data", [0x7F, 0x80, 0x01], [1, 2, 2**-126]),
    "FLOAT4E2M1": ("int32_data", [0xC2, 0x07], [1, -2, 6]),
    "INT4": ("int32_data", [0x78, 0x0F], [-8, 7, -1]),
    "UINT4": ("int32_data", [0x1F, 0x08], [15, 1, 8]),
    "INT2": ("int32_data", [0x36, 0x01], [-2, 1, -1, 0, 1]),
    "UINT2": ("int32_data", [0x93, 0x03], [3, 0, 1, 2, 3]),
    "BOOL": ("int32_data", [1, 0, 1], [True, False, True]),
    "INT8": ("int32_data", [-128, 127, -1], [-128, 127, -1]),
    "UINT8": ("int32_data", [255, 0, 128], [255, 0, 128]),
    "INT16": ("int32_data", [-(2**15), 2**15 - 1], [-(2**15), 2**15 - 1]),
    "UINT16": ("int32_data", [2**16 - 1, 2**15], [2**16 - 1, 2**15]),
    "INT32": ("int32_data", [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
    "UINT32": ("uint64_data", [2**32 - 1, 2**31], [2**32 - 1, 2**31]),
    "INT64": ("int64_data", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
    "UINT64": ("uint64_data", [2**64 - 1, 2**63, 1], [2**64 - 1, 2**63, 1]),
    "COMPLEX64": ("float_data", [1, -2, 0.5, 4], [1 - 2j, 0.5 + 4j]),
    "COMPLEX128": ("double_data", [1, -2, 0.1, 4], [1 - 2j, 0.1 + 4j]),
    "STRING": ("string_data", [b"one", b"", "dr\u00fc".encode()], ["one", "", "dr\u00fc"]),
}


def tensor(name: str, shape: list[int] | None = None) -> TensorProto:
    field, numbers, elements = FIELDS[name]
    out = TensorProto(name="w", data_type=TensorProto.DataType.Value(name), dims=[len(elements)] if shape is None else shape)
    getattr(out, field).extend(numbers)
    return out


def of_weight(weight: TensorProto, dims: list[int]) -> bytes:
    y = helper.make_tensor_value_info("y", weight.data_type, dims)
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [y], [weight])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 26)]).SerializeToString())


def of_constant(value: TensorProto, dims: list[int]) -> bytes:
    y = helper.make_tensor_value_info("y", value.data_type, dims)
    graph = helper.make_graph([helper.make_node("Constant", [], ["y"], value=value)], "g", [], [y])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 26)]).SerializeToString())


def first_output(graph: weft.Graph) -> np.ndarray:
    return np.asarray(weft.Session(graph).run({}, graph.outputs)[0])


@pytest.mark.parametrize("name", FIELDS)
def test_elements_are_what_the_fields_say(name: str) -> None:
    elements = FIELDS[name][2]
    judged = numpy_helper.to_array(tensor(name)).tolist()
    assert [item.decode() if isinstance(item, bytes) else item for item in judged] == elements
    for model in (of_weight, of_constant):
        assert first_output(weft.Graph.load(model(tensor(name), [len(elements)]))).tolist() == elements
    assert first_output(weft.Graph.load(of_weight(tensor(name, [1, len(elements), 1]), [1, len(elements), 1]))).tolist() == [
        [[element] for element in elements]
    ]


@pytest.mark.parametrize("name", FIELDS)
def test_elements_stay_when_they_are_saved(name: str, tmp_path: pathlib.Path) -> None:
    elements = FIELDS[name][2]
    graph = weft.Graph.load(of_weight(tensor(name), [len(elements)]))
    graph.save(tmp_path / "again.onnx", graph.outputs[0])
    assert first_output(weft.Graph.load(tmp_path / "again.onnx")).tolist() == elements
    saved = onnx.load(tmp_path / "again.onnx").graph
    constants = [attribute.t for node in saved.node for attribute in node.attribute if attribute.name == "value"]
    (kept,) = list(saved.initializer) + constants
    assert kept.data_type == TensorProto.DataType.Value(name)
    judged = numpy_helper.to_array(kept).tolist()
    assert [item.decode() if isinstance(item, bytes) else item for item in judged] == elements


@pytest.mark.parametrize("name", FIELDS)
def test_a_weight_without_elements(name: str) -> None:
    empty = TensorProto(name="w", data_type=TensorProto.DataType.Value(name), dims=[2, 0])
    assert first_output(weft.Graph.load(of_weight(empty, [2, 0]))).shape == (2, 0)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("FLOAT16", [3], r"it has 4 numbers but f16\[3\] needs 3"),
        ("BFLOAT16", [5], r"it has 4 numbers but bf16\[5\] needs 5"),
        ("INT4", [5], r"it has 2 numbers but i4\[5\] needs 3"),
        ("UINT2", [2, 2], r"it has 2 numbers but u2\[2, 2\] needs 1"),
        ("COMPLEX64", [4], r"it has 4 numbers but c64\[4\] needs 8"),
        ("UINT64", [], r"it has 3 numbers but u64\[\] needs 1"),
        ("BOOL", [0], r"it has 3 numbers but bool\[0\] needs 0"),
        ("STRING", [2], r"it has 3 strings but its shape is \[2\]"),
    ],
)
def test_more_or_fewer_numbers_than_elements(name: str, shape: list[int], message: str) -> None:
    with pytest.raises(weft.DataLossError, match=f"the weight 'w': {message}"):
        weft.Graph.load(of_weight(tensor(name, shape), shape))
