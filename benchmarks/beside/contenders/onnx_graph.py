"""Going through an ONNX model with another library's functions, for contenders that do not read such models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx
from onnx import numpy_helper

from ..net import Array
from . import Unsupported

Attributes = Mapping[str, Any]
# What an operator is, given its attributes and inputs; a sequence of several outputs.
Operators = Mapping[str, Callable[..., Any]]


def _is_weight(initializer: onnx.TensorProto) -> bool:
    return bool(initializer.dims) and initializer.data_type == onnx.TensorProto.FLOAT


def weights(model: onnx.ModelProto) -> dict[str, Array]:
    # Copied since they lie in the model's bytes, which cannot be written to and may have any alignment.
    return {one.name: numpy_helper.to_array(one).copy() for one in model.graph.initializer if _is_weight(one)}


def numbers(model: onnx.ModelProto) -> dict[str, Any]:
    """The other constants, scalars and shapes, as people write them: numbers and lists of integers."""
    return {one.name: numpy_helper.to_array(one).tolist() for one in model.graph.initializer if not _is_weight(one)}


def evaluate(model: onnx.ModelProto, operators: Operators, values: Mapping[str, Any]) -> list[Any]:
    """The model's outputs, given its inputs and weights as what the operators take."""
    known = dict(values)
    for node in model.graph.node:
        if node.op_type not in operators:
            raise Unsupported(f"the benchmark lacks {node.op_type} for it")
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        # An input without a name is one that is not given.
        made = operators[node.op_type](attributes, *(known[name] if name else None for name in node.input))
        known.update(zip(node.output, [made] if len(node.output) == 1 else made))
    return [known[value.name] for value in model.graph.output]
