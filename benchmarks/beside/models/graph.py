"""Building ONNX models with weights that are the same wherever they are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..net import Array
from ..row import Inference

OPSET = 17
IR_VERSION = 9
# Versions of the operators of other domains.
DOMAINS = {"ai.onnx.ml": 3, "com.microsoft": 1}
# Bytes above which a weight is no axes or sizes, by which shapes are inferred.
LARGE = 1 << 16


def as_bf16(values: Array) -> Array:
    """Finite numbers rounded to the nearest bf16, ties to even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


class Builder:
    """A graph under construction. Weights and feeds are drawn in the order in which they are asked for."""

    opset = OPSET

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)
        self.normals = np.random.default_rng(0)  # four times as fast as those of RandomState: BERT has 110 million
        # What matrices of f32 are rounded to, so that all contenders compute the same, whatever they keep them as.
        self.weight_dtype = "f32"
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: dict[str, onnx.ValueInfoProto] = {}
        self.feeds: dict[str, Array] = {}

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        values = np.asarray(self.normals.standard_normal(shape, np.float32))
        values *= np.float32(scale)
        return values

    def fed(self, name: str, values: Array) -> str:
        """An input, and what is fed to it; strings are objects."""
        dtype = helper.np_dtype_to_tensor_dtype(values.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, dtype, values.shape))
        self.feeds[name] = values
        return name

    def input(self, name: str, *shape: int) -> str:
        return self.fed(name, self.normal(*shape))

    def ids(self, name: str, *shape: int, count: int) -> str:
        """An input of numbers from 0 up to but not including `count`."""
        return self.fed(name, self.random.randint(count, size=shape).astype(np.int64))

    def weight(self, values: Array | np.float32) -> str:
        name = f"w{len(self.weights)}"
        values = np.asarray(values)
        if self.weight_dtype == "bf16" and values.dtype == np.float32 and values.ndim == 2:
            values = as_bf16(values)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        return self.split(op, 1, *inputs, **attributes)[0]

    def split(self, op: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """A node with several outputs."""
        outputs = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs

    def output(self, name: str, dtype: int, *shape: int) -> str:
        """Says what a value is that will be an output, where it is not of f32 or ONNX does not infer its shape."""
        self.outputs[name] = helper.make_tensor_value_info(name, dtype, shape)
        return name

    def dense(self, x: str, inputs: int, units: int, relu: bool = False) -> str:
        kernel = self.weight(self.normal(inputs, units, scale=(2 / inputs) ** 0.5))
        y = self.node("Gemm", x, kernel, self.weight(self.normal(units, scale=0.1)))
        return self.node("Relu", y) if relu else y

    def problem(self, *outputs: str, arrays: bool = False) -> Inference:
        # Their shapes, which peers want to know, are inferred.
        values = [
            self.outputs.get(output, helper.make_tensor_value_info(output, TensorProto.FLOAT, None)) for output in outputs
        ]
        # Neither inferring them nor a check has to copy large weights, which stand in as inputs meanwhile.
        large = [weight for weight in self.weights if len(weight.raw_data) > LARGE]
        small = [weight for weight in self.weights if len(weight.raw_data) <= LARGE]
        named = [helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims) for weight in large]
        graph = helper.make_graph(self.nodes, "row", self.inputs + named, values, small)
        others = sorted({node.domain for node in self.nodes} - {""})
        versions = {"": self.opset, **{domain: DOMAINS[domain] for domain in others}}
        opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(model)
        del model.graph.input[len(self.inputs) :]
        model.graph.initializer.extend(large)
        return Inference(model, self.feeds, self.weight_dtype, arrays)
