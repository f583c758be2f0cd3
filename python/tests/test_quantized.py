"""What quantizers write around operators runs on integers: the patterns of several exporters, and random nets, beside
the plain graph and beside onnxruntime."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import weft

NETS = int(os.environ.get("WEFT_RANDOM_NETS", "60"))
F32 = np.float32


def ran(
    model: bytes, feeds: dict[str, np.ndarray], *disabled: str, threads: int = 1
) -> tuple[list[np.ndarray], list[str]]:
    """The results, and the operators of the steps that made them; of a fused step all."""
    graph = weft.Graph.load(model)
    trace = weft.Trace()
    with weft.Session(graph, threads=threads, disable_pass=disabled) as session:
        results = session.run({graph.find(name): x for name, x in feeds.items()}, graph.outputs, trace=trace)
    return results, [event["name"] for event in json.loads(trace.json())["traceEvents"]]


def in_onnxruntime(model: bytes, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Node by node."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def products(steps: list[str]) -> list[str]:
    """Those of floats."""
    return [step for step in steps if step.split("+")[0].endswith(("Conv", "MatMul", "Gemm")) and "QLinear" not in step]


class Net:
    """A model under construction; values are their names."""

    def __init__(self, opset: int, seed: int = 0) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(seed)

    def node(self, op: str, *inputs: str, **attrs: Any) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attrs))
        return name

    def weight(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def number(self, value: Any, as_node: bool = False) -> str:
        if as_node:
            return self.node("Constant", value=numpy_helper.from_array(np.array(value)))
        return self.weight(np.array(value))

    def quantize(self, x: str, scale: float, zero: np.generic, as_node: bool = False) -> str:
        """To integers and back."""
        code = self.number(F32(scale), as_node), self.number(zero, as_node)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *code), *code)

    def integers(self, dtype: type, *shape: int) -> np.ndarray:
        info = np.iinfo(dtype)
        return self.random.integers(info.min, info.max, shape, endpoint=True).astype(dtype)

    def model(self, x: tuple[Any, ...], *outputs: str) -> bytes:
        values = [helper.make_tensor_value_info(y, TensorProto.FLOAT, None) for y in outputs]
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)], values, self.weights
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def torch_trained(net: Net) -> tuple[bytes, float]:
    """torch.ao's fake quantization as TorchScript writes it: weights of floats that are quantized by their rows, in the
    graph, constants as nodes, biases of floats, a Relu before its output is quantized."""

    def weight(*shape: int) -> str:
        code = (
            net.number(net.random.uniform(0.002, 0.01, shape[0]).astype(F32), as_node=True),
            net.number(np.zeros(shape[0], np.int8), as_node=True),
        )
        codes = net.node("QuantizeLinear", net.weight(net.random.normal(size=shape).astype(F32) / 2), *code, axis=0)
        return net.node("DequantizeLinear", codes, *code, axis=0)

    y = net.quantize("x", 1 / 64, np.uint8(120), as_node=True)
    bias = net.weight(net.random.normal(size=16).astype(F32))
    y = net.node("Conv", y, weight(16, 3, 3, 3), bias, pads=[1] * 4, kernel_shape=[3, 3])
    y = net.quantize(net.node("Relu", y), 1 / 50, np.uint8(0), as_node=True)
    y = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.quantize(y, 1 / 50, np.uint8(0), as_node=True)
    y = net.node("Flatten", y, axis=1)
    y = net.node("Gemm", y, weight(10, 16 * 16), net.weight(net.random.normal(size=10).astype(F32)), transB=1)
    return net.model(("batch", 3, 8, 8), net.quantize(y, 0.25, np.uint8(128), as_node=True)), 0.25


def torch_linear(net: Net) -> tuple[bytes, float]:
    """The same of a linear layer over several axes: a turned weight, a MatMul and an Add."""
    scales, zeros = net.weight(net.random.uniform(0.002, 0.01, 24).astype(F32)), net.weight(np.zeros(24, np.int8))
    codes = net.weight(net.integers(np.int8, 24, 64))
    y = net.quantize("x", 1 / 32, np.int8(3))
    y = net.node("Reshape", y, net.weight(np.array([-1, 3, 64])))
    turned = net.node("Transpose", net.node("DequantizeLinear", codes, scales, zeros, axis=0), perm=[1, 0])
    y = net.node("Add", net.node("MatMul", y, turned), net.weight(net.random.normal(size=24).astype(F32)))
    return net.model(("batch", 3, 8, 8), net.quantize(y, 0.5, np.int8(-5))), 0.5


def tensorflow_lite(net: Net) -> tuple[bytes, float]:
    """What tf2onnx makes of a file of TensorFlow Lite: i8 throughout, biases of i32, images with their channels last
    and so transposes around convolutions, Relu6 as two nodes."""
    y = net.node("Transpose", net.quantize("x", 1 / 64, np.int8(-5)), perm=[0, 3, 1, 2])
    scales = net.random.uniform(0.002, 0.01, 16).astype(F32)
    code = net.weight(scales), net.weight(np.zeros(16, np.int8))
    w = net.node("DequantizeLinear", net.weight(net.integers(np.int8, 16, 8, 3, 3)), *code, axis=0)
    units = net.weight((F32(1 / 64) * scales).astype(F32)), net.weight(np.zeros(16, np.int32))
    b = net.weight(net.random.integers(-5000, 5000, 16).astype(np.int32))
    y = net.node("Conv", y, w, net.node("DequantizeLinear", b, *units, axis=0), strides=[2, 2], pads=[0, 0, 1, 1])
    y = net.node("Min", net.node("Relu", net.node("Transpose", y, perm=[0, 2, 3, 1])), net.number(F32(6)))
    y = net.quantize(y, 6 / 255, np.int8(-128))
    y = net.node("Concat", y, y, axis=3)
    return net.model(("batch", 3, 8, 8), net.quantize(y, 6 / 255, np.int8(-128))), 6 / 255


PATTERNS: list[tuple[Callable[[Net], tuple[bytes, float]], list[str]]] = [
    (torch_trained, ["ConvInteger", "MaxPool", "MatMulInteger"]),
    (torch_linear, ["MatMulInteger"]),
    (tensorflow_lite, ["QLinearConv", "Concat"]),
]


@pytest.mark.parametrize("build, wanted", PATTERNS, ids=lambda item: getattr(item, "__name__", ""))
def test_patterns_of_exporters(build: Callable[[Net], tuple[bytes, float]], wanted: list[str]) -> None:
    model, quantum = build(Net(13))
    feeds = {"x": np.random.default_rng(3).normal(size=(2, 3, 8, 8)).astype(F32)}
    (whole,), steps = ran(model, feeds)
    for op in wanted:
        assert any(op in step for step in steps), (op, steps)
    assert not products(steps)
    (off,), other_steps = ran(model, feeds, "fuse_quantized")
    assert not any("Integer" in step or "QLinear" in step for step in other_steps) and products(other_steps)
    (plain,), _ = ran(model, feeds, "*")
    for other in (off, plain, *in_onnxruntime(model, feeds)):
        assert np.abs(whole - other).max() <= quantum * 1.001
        assert np.mean(whole != other) < 0.02
    (pair,), _ = ran(model, feeds, threads=2)
    assert pair.tobytes() == whole.tobytes()
    assert len(np.unique(whole)) > 10


class Samples(CalibrationDataReader):
    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        self.random = np.random.default_rng(5)
        samples = [{"x": self.random.normal(size=shape).astype(F32)} for _ in range(count)]
        self.feeds: Iterator[dict[str, np.ndarray]] = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def image_net(net: Net) -> tuple[bytes, tuple[int, ...]]:
    def conv(x: str, channels: int, filters: int, size: int, **attrs: Any) -> str:
        kernel = net.random.normal(0, (channels * size * size) ** -0.5, (filters, channels, size, size))
        bias = net.weight(net.random.normal(0, 0.1, filters).astype(F32))
        return net.node("Conv", x, net.weight(kernel.astype(F32)), bias, pads=[size // 2] * 4, **attrs)

    y = net.node("Relu", conv("x", 3, 16, 3))
    y = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    z = net.node("Clip", conv(y, 16, 16, 3), net.number(F32(0)), net.number(F32(6)))
    y = net.node("Relu", net.node("Add", conv(z, 16, 16, 1), y))
    y = net.node("Flatten", net.node("GlobalAveragePool", y), axis=1)
    w = net.weight(net.random.normal(0, 0.25, (16, 10)).astype(F32))
    y = net.node("Gemm", y, w, net.weight(net.random.normal(0, 0.1, 10).astype(F32)))
    return net.model((2, 3, 8, 8), y), (2, 3, 8, 8)


def token_net(net: Net) -> tuple[bytes, tuple[int, ...]]:
    def linear(x: str, inputs: int, units: int) -> str:
        w = net.weight(net.random.normal(0, inputs**-0.5, (inputs, units)).astype(F32))
        return net.node("Add", net.node("MatMul", x, w), net.weight(net.random.normal(0, 0.1, units).astype(F32)))

    def heads(x: str, perm: list[int]) -> str:
        parted = net.node("Reshape", linear(x, 32, 32), net.weight(np.array([2, 5, 4, 8])))
        return net.node("Transpose", parted, perm=perm)

    q, k, v = heads("x", [0, 2, 1, 3]), heads("x", [0, 2, 3, 1]), heads("x", [0, 2, 1, 3])
    scores = net.node("Softmax", net.node("Div", net.node("MatMul", q, k), net.number(F32(8**0.5))), axis=-1)
    seen = net.node("Transpose", net.node("MatMul", scores, v), perm=[0, 2, 1, 3])
    y = net.node("Add", linear(net.node("Reshape", seen, net.weight(np.array([2, 5, 32]))), 32, 32), "x")
    return net.model((2, 5, 32), linear(net.node("Relu", linear(y, 32, 64)), 64, 32)), (2, 5, 32)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [QuantType.QUInt8, QuantType.QInt8])
@pytest.mark.parametrize("build, op", [(image_net, "QLinearConv"), (token_net, "QLinearMatMul")])
def test_what_the_quantizer_of_onnxruntime_writes(
    build: Callable[[Net], tuple[bytes, tuple[int, ...]]],
    op: str,
    activations: QuantType,
    per_channel: bool,
    tmp_path: Path,
) -> None:
    model, shape = build(Net(17, 11))
    quantize_static(
        onnx.load_from_string(model),
        str(tmp_path / "q.onnx"),
        Samples(4, shape),
        quant_format=QuantFormat.QDQ,
        activation_type=activations,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    quantized = (tmp_path / "q.onnx").read_bytes()
    feeds = {"x": np.random.default_rng(3).normal(size=shape).astype(F32)}
    (whole,), steps = ran(quantized, feeds)
    assert any(op in step for step in steps), steps
    assert not products(steps)
    (plain,), _ = ran(quantized, feeds, "*")
    (theirs,) = in_onnxruntime(quantized, feeds)
    # A step of one layer is smaller than the last layer's range by far, but the layers after it make more of it.
    for other in (plain, theirs):
        assert np.abs(whole - other).max() <= 0.03 * np.abs(theirs).max()
        assert np.mean(np.abs(whole - other) > 1e-6 * np.abs(theirs).max()) < 0.2
    assert ran(quantized, feeds, threads=2)[0][0].tobytes() == whole.tobytes()


class Step:
    """One operator of random shapes, scales and zero points between quantizations."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = weft.Graph()
        self.feeds: dict[weft.Value, np.ndarray] = {}
        self.scale = float(self.random.uniform(0.001, 0.1))
        y = self.pick(self.conv, self.matmul)()
        if self.random.random() < 0.5:
            y = self.pick(weft.relu, lambda v: weft.clip(v, -0.5, 1.5), lambda v: weft.clip(v, 0.0, 6.0))(y)
        # About as wide as what comes.
        self.quantum = float(self.random.uniform(0.3, 2) * self.spread / 64)
        dtype = self.pick(np.uint8, np.int8)
        self.y = weft.quantize_linear(y, F32(self.quantum), self.zero(dtype))

    def pick(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def zero(self, dtype: type) -> np.ndarray:
        info = np.iinfo(dtype)
        return np.array(self.pick(info.min, 0, info.max, self.random.integers(info.min, info.max)), dtype)

    def integers(self, dtype: type, *shape: int) -> np.ndarray:
        info = np.iinfo(dtype)
        return self.random.integers(info.min, info.max, shape, endpoint=True).astype(dtype)

    def image(self, *shape: int) -> weft.Value:
        dtype = self.pick(np.uint8, np.int8)
        x = self.graph.input(f"x{len(self.feeds)}", dtype, shape)
        self.feeds[x] = self.integers(dtype, *shape)
        return weft.dequantize_linear(x, F32(self.scale), self.zero(dtype))

    def weight(self, axis: int, *shape: int) -> tuple[weft.Value, np.ndarray]:
        dtype = self.pick(np.int8, np.int8, np.uint8)
        w = self.graph.constant(self.integers(dtype, *shape))
        if self.random.random() < 0.5:
            scales = np.array(self.random.uniform(0.001, 0.02), F32)
            return weft.dequantize_linear(w, scales, self.zero(dtype)), scales
        scales = self.random.uniform(0.001, 0.02, shape[axis]).astype(F32)
        zeros = np.zeros(shape[axis], dtype) if self.random.random() < 0.5 else self.integers(dtype, shape[axis])
        return weft.dequantize_linear(w, scales, zeros, axis=axis), scales

    def conv(self) -> weft.Value:
        group = self.pick(1, 1, 1, 2)
        channels, filters, size = group * self.pick(1, 3, 8, 16), group * self.pick(8, 16, 17), self.pick(1, 3, 5)
        x = self.image(self.pick(1, 2), channels, self.pick(5, 8, 14), 9)
        w, scales = self.weight(0, filters, channels // group, size, size)
        bias = None
        if self.random.random() < 0.7:
            units = (F32(self.scale) * scales).astype(F32)
            b = self.random.integers(-(2**16), 2**16, filters).astype(np.int32)
            bias = weft.dequantize_linear(self.graph.constant(b), units, axis=0)
            if self.random.random() < 0.2:
                bias = self.graph.constant(self.random.normal(size=filters).astype(F32))
        self.spread = self.scale * float(scales.mean()) * 1e4 * (channels // group * size * size) ** 0.5
        return weft.conv(
            x, w, bias, group=group, pads=[self.pick(0, size // 2)] * 4, strides=self.pick([1, 1], [2, 2], [2, 1])
        )

    def matmul(self) -> weft.Value:
        k, n = self.pick(1, 7, 64, 300), self.pick(1, 5, 16, 40)
        x = self.image(*self.pick((3, k), (2, 3, k), (2, 2, 4, k)))
        w, scales = self.weight(1, k, n)
        self.spread = self.scale * float(scales.mean()) * 1e4 * k**0.5
        y = weft.matmul(x, w)
        return y + self.graph.constant(self.random.normal(size=n).astype(F32)) if self.random.random() < 0.4 else y

    def run(self, threads: int, *disabled: str) -> np.ndarray:
        with weft.Session(self.graph, threads=threads, disable_pass=disabled) as session:
            return np.asarray(session.run(self.feeds, self.y))


@pytest.mark.parametrize("seed", range(2 * NETS))
def test_a_step_is_off_by_one_quantum_at_most(seed: int, tmp_path: Path) -> None:
    step = Step(seed)
    whole = step.run(1)
    assert step.run(2).tobytes() == whole.tobytes()
    step.graph.save(str(tmp_path / "step.onnx"), step.y)
    model = (tmp_path / "step.onnx").read_bytes()
    theirs = in_onnxruntime(model, {x.name: values for x, values in step.feeds.items()})
    for other in (step.run(1, "fuse_quantized"), step.run(1, "*"), *theirs):
        off = np.abs(whole.astype(int) - other.astype(int))
        assert off.max() <= 1
        # Only where a number lies in the middle between two.
        assert np.mean(off > 0) < 0.01


class Exact(Step):
    """A net of many. Scales are powers of two, and sums fit into what a float holds: quantized or not all are exact."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = weft.Graph()
        self.feeds = {}
        self.shift = -4
        self.scale = 2.0**self.shift
        self.values = [self.image(self.pick(1, 2), self.pick(1, 3, 8, 16), self.pick(6, 8, 13), 8)]
        for _ in range(self.pick(3, 6, 9)):
            y = self.pick(*self.values[-2:])
            sums = self.convolve, self.convolve, self.multiply, self.add, self.scale_by
            others = self.pool, self.average, self.activate, self.join, self.turn, self.move, self.grow
            y = self.pick(*sums, *others)(y)
            self.values.append(self.code(y))
        self.y = self.values[-1]

    def code(self, y: weft.Value) -> weft.Value:
        if self.random.random() < 0.4:
            y = self.pick(weft.relu, lambda v: weft.clip(v, -1.0, 6.0))(y)
        if self.random.random() < 0.1:
            self.values.append(y)
        return self.rounded(y)

    def rounded(self, y: weft.Value) -> weft.Value:
        """To few enough digits for what comes to be exact."""
        code = F32(self.scale), self.zero(self.pick(np.uint8, np.int8))
        return weft.dequantize_linear(weft.quantize_linear(y, *code), *code)

    def weight(self, axis: int, *shape: int) -> tuple[weft.Value, np.ndarray]:
        w, zero = self.graph.constant(self.random.integers(-20, 21, shape).astype(np.int8)), self.random.integers(-3, 4)
        if self.random.random() < 0.5:
            return weft.dequantize_linear(w, F32(2.0**-7), np.int8(zero)), np.array(2.0**-7, F32)
        scales = 2.0 ** self.random.integers(-9, -5, shape[axis]).astype(F32)
        return weft.dequantize_linear(w, scales, np.full(shape[axis], zero, np.int8), axis=axis), scales

    def convolve(self, y: weft.Value) -> weft.Value:
        channels = y.shape[1]
        group = self.pick(1, 1, channels, 2 if channels % 2 == 0 else 1)
        filters, size = channels if group == channels else 2 * self.pick(1, 4, 8), self.pick(1, 3)
        w, scales = self.weight(0, filters, channels // group, size, size)
        units = np.full(filters, F32(self.scale) * scales, F32)
        b = self.graph.constant(self.random.integers(-5000, 5000, filters).astype(np.int32))
        bias, strides = weft.dequantize_linear(b, units, axis=0), self.pick([1, 1], [1, 2])
        return weft.conv(y, w, bias, group=group, pads=[size // 2] * 4, strides=strides)

    def multiply(self, y: weft.Value) -> weft.Value:
        w, _ = self.weight(1, y.shape[3], 8)
        y = weft.matmul(y, w)
        return y + self.graph.constant(self.random.integers(-8, 9, 8).astype(F32)) if self.random.random() < 0.5 else y

    def pool(self, y: weft.Value) -> weft.Value:
        return weft.max_pool(y, [3, 3], strides=[1, 1], pads=[1] * 4)

    def add(self, y: weft.Value) -> weft.Value:
        return y + self.pick(*(other for other in self.values if other.shape == y.shape))

    def scale_by(self, y: weft.Value) -> weft.Value:
        return self.rounded(y * self.pick(*(other for other in self.values if other.shape == y.shape)))

    def average(self, y: weft.Value) -> weft.Value:
        """Of four, or of as many as a power of two."""
        if min(y.shape[2:]) < 4:
            return y
        if self.random.random() < 0.7:
            return self.rounded(weft.average_pool(y, [2, 2]))
        return self.rounded(y + weft.average_pool(y[:, :, :4, :4], [4, 4]))

    def move(self, y: weft.Value) -> weft.Value:
        halves = weft.split(y, axis=2, num_outputs=2, outputs=2) if y.shape[2] % 2 == 0 else (y, y)
        return weft.concat([halves[1], halves[0]], axis=2) if self.pick(0, 1) else halves[self.pick(0, 1)]

    def grow(self, y: weft.Value) -> weft.Value:
        """By one row, to twice as many, or as many again."""
        if y.shape[2] > 8:
            return y
        value, mode = self.pick((0.0, "constant"), (-0.5, "constant"), (0.03, "constant"), (None, "edge"))
        padded = weft.pad(y, np.array([0, 0, 1, 0, 0, 0, 0, 0]), None if value is None else F32(value), mode=mode)
        return self.rounded(
            self.pick(
                padded,
                weft.resize(y, scales=np.array([1, 1, 2, 1], F32)),
                weft.tile(y, np.array([1, 1, 2, 1])),
            )
        )

    def activate(self, y: weft.Value) -> weft.Value:
        return self.rounded(self.pick(weft.hard_swish, weft.sigmoid, weft.gelu, lambda v: v * weft.sigmoid(v))(y))

    def join(self, y: weft.Value) -> weft.Value:
        same = [other for other in self.values if other.shape[:1] + other.shape[2:] == y.shape[:1] + y.shape[2:]]
        return weft.concat([y, self.pick(*same)], axis=1)

    def turn(self, y: weft.Value) -> weft.Value:
        turned = weft.transpose(y, perm=[0, 2, 3, 1])
        return weft.transpose(weft.max(turned, 0.5) if self.pick(0, 1) else turned, perm=[0, 3, 1, 2])


@pytest.mark.parametrize("seed", range(NETS))
def test_random_nets_of_powers_of_two_keep_their_bits(seed: int) -> None:
    net = Exact(seed)
    plain, whole, pair = net.run(1, "*"), net.run(1, "winograd"), net.run(2)
    np.testing.assert_array_equal(whole, plain)
    assert pair.tobytes() == net.run(1).tobytes()


def test_the_rule_can_be_switched_off() -> None:
    found = set()
    for seed in range(20):
        step = Step(seed)
        for disabled in ((), ("fuse_quantized",)):
            trace = weft.Trace()
            with weft.Session(step.graph, disable_pass=disabled) as session:
                session.run(step.feeds, step.y, trace=trace)
            names = [event["name"] for event in json.loads(trace.json())["traceEvents"]]
            found |= {(bool(disabled), op) for op in ("QLinear", "Integer") if any(op in name for name in names)}
    assert found == {(False, "QLinear"), (False, "Integer")}


def small_net() -> bytes:
    """Two layers whose inputs are quantized as a whole and whose weights by their rows, as quantization-aware training
    has them; a weight of each and a number between them are out of range."""
    net = Net(13)

    def layer(x: str, weight: list[list[float]], scales: list[float], bias: list[float]) -> str:
        w, b = net.weight(np.array(weight, F32)), net.weight(np.array(bias, F32))
        code = net.number(np.array(scales, F32), as_node=True), net.number(np.zeros(len(scales), np.int8), as_node=True)
        w = net.node("DequantizeLinear", net.node("QuantizeLinear", w, *code, axis=0), *code, axis=0)
        return net.node("Gemm", x, w, b, transB=1)

    y = net.quantize("x", 1 / 32, np.uint8(128), as_node=True)
    rows = [[0.52, -0.83, 0.27], [1.45, 0.64, -0.31], [-0.45, 0.92, 0.71], [0.18, -0.66, -1.02]]
    y = layer(y, rows, [0.01, 0.011, 0.009, 0.008], [0.1, -0.2, 0.3, 0.05])
    y = net.quantize(net.node("Relu", y), 1 / 64, np.uint8(0), as_node=True)
    rows = [[0.9, -0.4, 0.55, -0.75], [-0.35, 0.6, -0.95, 0.2]]
    return net.model(("batch", 3), layer(y, rows, [0.01, 0.006], [0.05, -0.1]))


@pytest.mark.parametrize("disabled", [(), ("*",)])
def test_a_quantized_net_trains(disabled: tuple[str, ...]) -> None:
    """Its first gradients are those of PyTorch 2.15 with fake_quantize_per_tensor_affine and, of the weights,
    fake_quantize_per_channel_affine."""
    graph = weft.Graph.load(small_net(), trainable=True)
    weights = list(graph.variables)
    assert [weight.shape for weight in weights] == [(4, 3), (4,), (2, 4), (2,)]
    target = graph.input("target", "f32", [4, 2])
    loss = weft.reduce_mean((graph.outputs[0] - target) ** 2.0, keepdims=False)
    gradients = [g for g in graph.gradients([loss], weights) if g is not None]
    step = weft.Sgd(0.02).minimize(loss)
    feeds = {
        graph.find("x"): np.array([[1.5, -0.7, 2.2], [-1.1, 3.3, 0.4], [4.5, 1.2, -2.6], [0.3, -1.9, 0.8]], F32),
        target: np.array([[1, 0], [0, 1], [-1, 2], [0.5, -0.5]], F32),
    }
    wanted = [
        [
            [-1.5909346, -1.2670653, 2.127098],
            [0.0, -2.5558064, -0.7736752],
            [0.4015026, -0.184022, 0.5855247],
            [1.5996729, 0.8775665, -1.24828],
        ],
        [-0.0103723, -1.0161905, 0.2676684, 0.2192881],
        [[0.7201658, -1.7430238, 2.2471924, -1.2131377], [-0.4229869, 0.2214241, 0.0, 0.3884333]],
        [0.4896484, -1.0845077],
    ]
    with weft.Session(graph, disable_pass=disabled) as session:
        for found, gradient in zip(session.run(feeds, gradients), wanted, strict=True):
            np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-6)
        losses = [float(session.run(feeds, loss, targets=step)) for _ in range(40)]
    np.testing.assert_allclose(losses[0], 3.456819, rtol=1e-5)
    assert losses[-1] < losses[0] / 4


def test_gradients_go_through_quantization_in_loops_and_branches() -> None:
    graph = weft.Graph()
    x, rounds = graph.input("x", "f32", [3]), graph.input("rounds", "bool", [])
    zeros = graph.constant(np.zeros(3, F32))

    def quantized(y: weft.Value) -> weft.Value:
        code = F32(0.25), np.int8(0)
        return weft.dequantize_linear(weft.quantize_linear(y, *code), *code)

    for recompute in (False, True):
        # The second is cut off in the last iteration, the third in the first.
        (last,) = weft.loop(lambda i, go_on, y: (go_on, quantized(y) * 2.0), [x], count=3, recompute=recompute)
        picked = weft.if_(rounds, lambda: quantized(last * 0.25), lambda: last)
        (gradient,) = graph.gradients([picked], [x])
        for given, slope in ((True, 2.0), (False, 8.0)):
            found = weft.Session(graph).run({x: [1.1, 9.0, 40.0], rounds: given}, gradient)
            assert found.tolist() == [slope, 0.0, 0.0]
        # What is carried depends on x by quantization alone.
        (total,) = weft.loop(lambda i, go_on, y: (go_on, y + quantized(x)), [zeros], count=3, recompute=recompute)
        (gradient,) = graph.gradients([total], [x])
        assert weft.Session(graph).run({x: [1.1, 9.0, 40.0]}, gradient).tolist() == [3.0, 3.0, 0.0]
