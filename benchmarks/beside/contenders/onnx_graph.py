"""Going through an ONNX model with another library's functions, for contenders that do not read such models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx
from onnx import numpy_helper

from ..row import Array
from . import Unsupported

Attributes = Mapping[str, Any]
# What an operator is, given its attributes and inputs.
Operators = Mapping[str, Callable[..., Any]]


def weights(model: onnx.ModelProto) -> dict[str, Array]:
    # Copied since they lie in the model's bytes, which cannot be written to and may have any alignment.
    return {weight.name: numpy_helper.to_array(weight).copy() for weight in model.graph.initializer if weight.dims}


def numbers(model: onnx.ModelProto) -> dict[str, float]:
    """The weights that are scalars, as people write them."""
    return {weight.name: float(numpy_helper.to_array(weight)) for weight in model.graph.initializer if not weight.dims}


def evaluate(model: onnx.ModelProto, operators: Operators, values: Mapping[str, Any]) -> list[Any]:
    """The model's outputs, given its inputs and weights as what the operators take."""
    known = dict(values)
    for node in model.graph.node:
        if node.op_type not in operators:
            raise Unsupported(f"the benchmark lacks {node.op_type} for it")
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        known[node.output[0]] = operators[node.op_type](attributes, *(known[name] for name in node.input))
    return [known[value.name] for value in model.graph.output]
