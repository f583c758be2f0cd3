"""A case: one node with its inputs, and the model of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

import values


@dataclasses.dataclass
class Input:
    """What one place of the node is given."""

    formal: str  # the name in the standard
    type: str
    value: Any  # an array, a list of arrays for a sequence, None for an empty optional
    constant: bool = False  # stands in the model, and is not fed


@dataclasses.dataclass
class Case:
    """What a seed, an operator and a number make."""

    op: str
    seed: int
    number: int
    domain: str
    opset: int
    inputs: list[Input | None]  # None is left out
    attrs: dict[str, onnx.AttributeProto]
    outputs: list[str]  # the standard's names, "" for one that is left out
    output_types: list[str | None]  # what the standard says of each; None where an attribute decides
    dynamic: bool  # the model does not know the dimensions
    summed: bool = False  # results are sums, in which large terms may cancel
    slack: float = 1.0  # by which tolerances are multiplied
    steps: int = 0  # by which integers may differ: what was rounded
    spoiled: str = ""  # what was made wrong

    def attr(self, name: str, otherwise: Any = None) -> Any:
        """The value of an attribute, with strings as text; `otherwise` if the node has none."""
        if name not in self.attrs:
            return otherwise
        found = helper.get_attribute_value(self.attrs[name])
        if isinstance(found, list):
            return [item.decode() if isinstance(item, bytes) else item for item in found]
        return found.decode() if isinstance(found, bytes) else found

    def input(self, name: str) -> Input | None:
        return next((item for item in self.inputs if item is not None and item.formal == name), None)

    def value(self, name: str) -> Any:
        found = self.input(name)
        return None if found is None else found.value

    def type(self, name: str) -> str:
        """The element type of an input, "" if there is none."""
        found = self.input(name)
        return "" if found is None else values.element(found.type)

    def shape(self, name: str) -> tuple[int, ...]:
        """The dimensions of an input; none if it is left out."""
        found = self.value(name)
        return tuple(found.shape) if isinstance(found, np.ndarray) else ()

    def types(self) -> set[str]:
        """The element types of all inputs."""
        return {values.element(item.type) for item in self.inputs if item is not None}

    def feeds(self) -> dict[str, Any]:
        return {f"in{i}": item.value for i, item in enumerate(self.inputs) if item is not None and not item.constant}

    def model(self) -> onnx.ModelProto:
        names = ["" if item is None else f"in{i}" for i, item in enumerate(self.inputs)]
        infos, constants = [], []
        for name, item in zip(names, self.inputs):
            if item is None:
                continue
            if item.constant:
                constants.append(tensor(item.value, item.type, name))
                continue
            shape = getattr(item.value, "shape", None)
            if self.dynamic and shape is not None:
                shape = [f"{name}_{axis}" for axis in range(len(shape))]
            infos.append(helper.make_value_info(name, values.proto(item.type, shape)))
        outputs = [f"out{i}" if name else "" for i, name in enumerate(self.outputs)]
        node = onnx.NodeProto(op_type=self.op.rsplit(".", 1)[-1], domain=self.domain, input=names, output=outputs)
        node.attribute.extend(self.attrs.values())
        results = [helper.make_empty_tensor_value_info(name) for name in outputs if name]
        graph = helper.make_graph([node], "case", infos, results, constants)
        opsets = [helper.make_opsetid(self.domain, self.opset)]
        if self.domain:
            opsets.append(helper.make_opsetid("", 21))
        return helper.make_model(graph, opset_imports=opsets, ir_version=13)

    def in_f32(self, instead: Callable[[str], bool]) -> Case:
        """The same with f32 for the types of which that is true."""

        def turned(item: Input | None) -> Input | None:
            if item is None or not instead(item.type):
                return item
            many = isinstance(item.value, list)
            parts = [np.asarray(part).astype(np.float32) for part in (item.value if many else [item.value])]
            type_ = item.type.replace(values.element(item.type), "float")
            return dataclasses.replace(item, value=parts if many else parts[0], type=type_)

        return dataclasses.replace(self, inputs=[turned(item) for item in self.inputs])

    def text(self) -> str:
        """The node as a person reads it."""
        parts = []
        for item in self.inputs:
            if item is None:
                parts.append("-")
                continue
            where = " constant" if item.constant else ""
            parts.append(f"{item.formal}{where} {shown(item.type, item.value)}")
        attrs = ", ".join(f"{name}={brief(self.attr(name))}" for name in sorted(self.attrs))
        outputs = ", ".join(name or "-" for name in self.outputs)
        known = " (dimensions unknown to the model)" if self.dynamic else ""
        wrong = f", spoiled: {self.spoiled}" if self.spoiled else ""
        return f"{outputs} = {self.op}({'; '.join(parts)}) [{attrs}] opset {self.opset}{known}{wrong}"


def tensor(value: Any, type_: str, name: str = "") -> onnx.TensorProto:
    if values.element(type_) == "string":
        texts = [text.encode() for text in value.ravel()]
        return helper.make_tensor(name, onnx.TensorProto.STRING, value.shape, texts)
    return numpy_helper.from_array(value, name)


def brief(value: Any) -> str:
    if isinstance(value, onnx.TensorProto):
        return f"tensor {numpy_helper.to_array(value).tolist()}"
    return " ".join(str(value).split())


def shown(type_: str, value: Any) -> str:
    """A value's type and dimensions; its elements too if they are few and whole, as those of shapes and axes are."""
    if isinstance(value, list):
        return f"seq({values.element(type_)}{[list(item.shape) for item in value]})"
    if value is None:
        return f"{type_} empty"
    few = value.size <= 8 and (values.is_integer(type_) or value.size <= 1)
    return f"{values.element(type_)}{list(value.shape)}" + (f" = {value.tolist()}" if few else "")
