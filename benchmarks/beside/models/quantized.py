"""Models in 8 bits as ONNX Runtime's static quantizer writes them, QuantizeLinear and DequantizeLinear around the
operators that are to be computed so: the weights of the same models in f32, by channels, and codes of activations from
what is expected of them instead of from samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..net import Array
from ..row import Inference
from .graph import Builder
from .images import EPSILON, Images
from .transformer import Transformer


class Quantizer(Builder):
    """Activations are u8: of what is never negative from 0 on, of what may be either around 128."""

    opset = 19  # the first whose quantization the reference implementation knows

    def __init__(self) -> None:
        super().__init__()
        self.powers: dict[str, float] = {}  # how large the mean of squares is expected to be
        self.positive: set[str] = set()
        self.scales: dict[str, np.float32] = {}  # of what is dequantized

    def weight(self, values: Array | np.float32) -> str:
        name = super().weight(values)
        self.powers[name] = float(np.mean(np.square(np.asarray(values, np.float64))))
        return name

    def power(self, x: str) -> float:
        return self.powers.get(x, 1.0)

    def code(self, x: str, scale: float, zero: int) -> str:
        """To u8 and back."""
        pair = self.weight(np.float32(scale)), self.weight(np.array(zero, np.uint8))
        y = self.node("DequantizeLinear", self.node("QuantizeLinear", x, *pair), *pair)
        self.scales[y], self.powers[y] = np.float32(scale), self.power(x)
        return y

    def quantized(self, x: str) -> str:
        if x in self.scales:
            return x
        most = 4 * self.power(x) ** 0.5
        return self.code(x, most / 255, 0) if x in self.positive else self.code(x, most / 127, 128)

    def fixed(self, values: Array, axis: int) -> tuple[str, Array]:
        """A weight as i8, and its scales along an axis."""
        others = tuple(i for i in range(values.ndim) if i != axis)
        scales = (np.abs(values).max(others) / 127).astype(np.float32)
        along = scales.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        codes = self.weight(np.clip(np.rint(values / along), -127, 127).astype(np.int8))
        zeros = self.weight(np.zeros(scales.shape, np.int8))
        return self.node("DequantizeLinear", codes, self.weight(scales), zeros, axis=axis), scales

    def bias(self, values: Array, scales: Array) -> str:
        """As i32, in units of the product that it is added to."""
        codes = self.weight(np.rint(values / scales).astype(np.int32))
        zeros = self.weight(np.zeros(scales.shape, np.int32))
        return self.node("DequantizeLinear", codes, self.weight(scales), zeros, axis=0)


class QuantizedImages(Images, Quantizer):
    """Batch normalizations are part of the weights."""

    def conv(self, x: str, channels: int, filters: int, size: int, stride: int = 1, group: int = 1) -> str:
        kernel, (scale, bias, mean, variance) = self.drawn(channels // group, filters, size)
        factor = scale / np.sqrt(variance + np.float32(EPSILON))
        x = self.quantized(x)
        w, scales = self.fixed(kernel * factor[:, None, None, None], axis=0)
        b = self.bias(bias - mean * factor, self.scales[x] * scales)
        y = super().node(
            "Conv", x, w, b, kernel_shape=[size, size], strides=[stride, stride], pads=[size // 2] * 4, group=group
        )
        self.powers[y] = 2 * self.power(x)
        return y

    def dense(self, x: str, inputs: int, units: int, relu: bool = False) -> str:
        x = self.quantized(x)
        w, scales = self.fixed(self.normal(inputs, units, scale=(2 / inputs) ** 0.5), axis=1)
        y = super().node("Gemm", x, w, self.bias(self.normal(units, scale=0.1), self.scales[x] * scales))
        self.powers[y] = 2 * self.power(x)
        return self.node("Relu", y) if relu else y

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        if op in ("QuantizeLinear", "DequantizeLinear"):
            return super().node(op, *inputs, **attributes)
        if op != "Relu":
            inputs = tuple(map(self.quantized, inputs))
        y = super().node(op, *inputs, **attributes)
        # A Relu takes half away.
        self.powers[y] = 0.5 * self.power(inputs[0]) if op == "Relu" else sum(map(self.power, inputs))
        if op != "Add":
            self.positive.add(y)
        if op in ("MaxPool", "Flatten"):
            return self.code(y, float(self.scales[inputs[0]]), 0)
        return self.quantized(y) if op != "Add" else y

    def problem(self, *outputs: str, arrays: bool = False) -> Inference:
        return super().problem(*map(self.quantized, outputs), arrays=arrays)


class QuantizedTransformer(Transformer, Quantizer):
    """Products of matrices alone, operands and results."""

    def linear(self, x: str, inputs: int, units: int) -> str:
        x = self.quantized(x)
        w, _ = self.fixed(self.normal(inputs, units, scale=inputs**-0.5), axis=1)
        y = super().node("MatMul", x, w)
        self.powers[y] = self.power(x)
        return self.node("Add", self.weight(self.normal(units, scale=0.1)), self.quantized(y))

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        if op == "MatMul":
            inputs = tuple(map(self.quantized, inputs))
        y = super().node(op, *inputs, **attributes)
        if op == "MatMul":
            # Of queries and keys; or a mean of values, of which about a third count.
            shares = inputs[0] in self.positive
            self.powers[y] = 3 * self.power(inputs[1]) / self.tokens if shares else self.each * self.power(inputs[0])
            return self.quantized(y)
        if op == "Softmax":
            y = self.code(y, 1 / 255, 0)
            self.positive.add(y)  # which tells it from queries
        elif op in ("Reshape", "Transpose"):
            self.powers[y] = self.power(inputs[0])
        elif op == "Add":
            self.powers[y] = sum(map(self.power, inputs))
        return y
