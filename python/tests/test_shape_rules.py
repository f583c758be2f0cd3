"""What is known of types and shapes before a run, beside ONNX's own rules: for each node of its backend suite no less, and
nothing else."""

import fnmatch
import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx.backend.test.loader
import onnx.shape_inference
import pytest
from onnx import TensorProto

import weft

CASES = {case.name: pathlib.Path(str(case.model_dir)) for case in onnx.backend.test.loader.load_model_tests(kind="node")}
INTEGERS = (TensorProto.INT32, TensorProto.INT64)
MOST_KNOWN = 64  # elements of an input whose values a rule may look at


def given(folder: pathlib.Path, model: onnx.ModelProto) -> Iterator[tuple[onnx.ValueInfoProto, TensorProto | None]]:
    """The model's inputs, and the values that the suite has for those that are integers, for rules that look at them."""
    for i, info in enumerate(model.graph.input):
        tensor = None
        if info.type.tensor_type.elem_type in INTEGERS:
            content = (folder / "test_data_set_0" / f"input_{i}.pb").read_bytes()
            tensor = TensorProto.FromString(content)
            tensor.name = info.name
        yield info, tensor if tensor is not None and np.prod(tensor.dims) <= MOST_KNOWN else None


def graphs(outer: onnx.GraphProto) -> list[onnx.GraphProto]:
    """A graph and those within its nodes."""
    found = [outer]
    for graph in found:
        attributes = (attribute for node in graph.node for attribute in node.attribute)
        found += [attribute.g for attribute in attributes if attribute.HasField("g")]
    return found


def stripped(folder: pathlib.Path, known: bool, symbols: bool) -> onnx.ModelProto:
    """The model without what it says of its outputs. `known`: small inputs of integers are initializers. `symbols`: of
    the others, sizes of more than 1 are symbols, one for each number."""
    model = onnx.load(folder / "model.onnx")
    for graph in graphs(model.graph):
        for output in graph.output:
            output.ClearField("type")
        del graph.value_info[:]
    if not known:
        return model
    inputs = []
    for info, tensor in list(given(folder, model)):
        if tensor is not None:
            model.graph.initializer.append(tensor)
            continue
        for dim in info.type.tensor_type.shape.dim if symbols else []:
            if dim.dim_value > 1:
                dim.dim_param = f"d{dim.dim_value}"
        inputs.append(info)
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def theirs(model: onnx.ModelProto) -> list[onnx.TypeProto]:
    """What ONNX infers of the outputs."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    types = {info.name: info.type for info in [*graph.value_info, *graph.output] if info.HasField("type")}
    return [types.get(output.name, onnx.TypeProto()) for output in graph.output]


@functools.cache
def dtype_name(number: int) -> str:
    return weft.Graph().input("x", number, []).dtype


def same(ours: int | str, theirs: int | str | None) -> bool:
    """Whether a size is known as well as by ONNX: as the same number or symbol, or as the number that the symbol stands for."""
    if theirs is None or str(theirs).startswith("unk__"):
        return True
    return ours == theirs or f"d{ours}" == theirs


def differences(value: weft.Value, wanted: onnx.TypeProto) -> str:
    """What is known less of the value than ONNX knows, or otherwise; empty if nothing is."""
    kind = (wanted.WhichOneof("value") or "").removesuffix("_type")
    if not kind:
        return ""
    if value.kind != kind:
        return f"{value.kind} for {kind}"
    if kind != "tensor":
        return ""
    tensor = wanted.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if value.dtype != dtype:
        return f"{value.dtype} for {dtype}"
    if not tensor.HasField("shape"):
        return ""
    dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]
    shape = value.shape
    agree = shape is not None and len(shape) == len(dims) and all(map(same, shape, dims))
    return "" if agree else f"{shape} for {dims}"


# What ONNX infers is wrong of these, by what is said of them: onnx 1.22.
WRONG = {
    "onesided": ["test_stft", "test_stft_with_window"],  # it counts all elements of a transform, of which half are given
    "symbols": ["test_attention_*"],  # it computes with 0 for a size that is a symbol
}


def wrong(name: str, symbols: bool) -> bool:
    return any(
        fnmatch.fnmatch(name, pattern) for why, names in WRONG.items() if why != "symbols" or symbols for pattern in names
    )


@pytest.mark.parametrize(("known", "symbols"), [(False, False), (True, False), (True, True)])
def test_rules_know_what_onnx_knows(known: bool, symbols: bool) -> None:
    found = {}
    for name, folder in CASES.items():
        model = stripped(folder, known, symbols)
        if symbols and len(graphs(model.graph)) > 1:  # a body says its sizes as numbers
            continue
        outputs = weft.Graph.load(model.SerializeToString()).outputs
        for i, (value, wanted) in enumerate(zip(outputs, theirs(model), strict=True)):
            if (different := differences(value, wanted)) and not wrong(name, symbols):
                found[f"{name}/{i}"] = different
    assert found == {}


def test_rules_say_what_comes_out() -> None:
    """Those where ONNX's are wrong as well."""
    found = {}
    for name, folder in CASES.items():
        outputs = weft.Graph.load(stripped(folder, known=True, symbols=False).SerializeToString()).outputs
        for i, value in enumerate(outputs):
            if value.kind != "tensor":
                continue
            result = TensorProto.FromString((folder / "test_data_set_0" / f"output_{i}.pb").read_bytes())
            shape = value.shape
            fits = shape is None or len(shape) == len(result.dims) and all(
                isinstance(ours, str) or ours == size for ours, size in zip(shape, result.dims)
            )
            if value.dtype != dtype_name(result.data_type) or not fits:
                found[f"{name}/{i}"] = f"{value} for {list(result.dims)}"
    assert found == {}
