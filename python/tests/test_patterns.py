"""What exporters write in pieces, node by node, runs as one operator; transposes that are read from where they are go."""

import json
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import weft

WIDTH = 24
F32 = np.float32


class Net:
    """A model under construction; values are their names."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(7)

    def node(self, op: str, *inputs: str, **attrs: object) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attrs))
        return name

    def weight(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def number(self, value: float) -> str:
        """TorchScript's way: a node."""
        return self.node("Constant", value=numpy_helper.from_array(np.array(value, F32)))

    def scalar(self, value: float) -> str:
        """The way of all others."""
        return self.weight(np.array(value, F32))

    def vector(self, shift: float = 0) -> str:
        return self.weight((shift + self.random.normal(size=WIDTH) / 2).astype(F32))

    def mean(self, x: str) -> str:
        if self.opset < 18:
            return self.node("ReduceMean", x, axes=[-1], keepdims=1)
        return self.node("ReduceMean", x, self.weight(np.array([-1])), keepdims=1, noop_with_empty_axes=0)

    def model(self, y: str) -> bytes:
        shape = ["batch", 5, WIDTH]
        graph = helper.make_graph(
            self.nodes,
            "pattern",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, shape)],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def torchscript_layer_norm(net: Net, x: str) -> str:
    centred = net.node("Sub", x, net.mean(x))
    variance = net.mean(net.node("Pow", centred, net.number(2)))
    root = net.node("Sqrt", net.node("Add", variance, net.number(1e-5)))
    scaled = net.node("Mul", net.node("Div", centred, root), net.vector(1))
    return net.node("Add", scaled, net.vector())


def plain_layer_norm(net: Net, x: str) -> str:
    """Without elementwise_affine."""
    centred = net.node("Sub", x, net.mean(x))
    variance = net.mean(net.node("Pow", centred, net.number(2)))
    return net.node("Div", centred, net.node("Sqrt", net.node("Add", variance, net.number(1e-5))))


def dynamo_layer_norm(net: Net, x: str) -> str:
    """native_layer_norm, decomposed: var_mean, rsqrt, and a difference of its own."""
    mean = net.mean(x)
    centred = net.node("Sub", x, mean)
    variance = net.mean(net.node("Mul", centred, centred))
    inverse = net.node("Reciprocal", net.node("Sqrt", net.node("Add", variance, net.scalar(1e-5))))
    normalized = net.node("Mul", net.node("Sub", x, mean), inverse)
    return net.node("Add", net.node("Mul", normalized, net.vector(1)), net.vector())


def tensorflow_layer_norm(net: Net, x: str) -> str:
    """tf.nn.moments and tf.nn.batch_normalization as tf2onnx writes them."""
    mean = net.mean(x)
    difference = net.node("Sub", x, net.node("Identity", mean))
    variance = net.mean(net.node("Mul", difference, difference))
    root = net.node("Sqrt", net.node("Add", variance, net.scalar(1e-12)))
    factor = net.node("Mul", net.node("Reciprocal", root), net.vector(1))
    shift = net.node("Sub", net.vector(), net.node("Mul", mean, factor))
    return net.node("Add", net.node("Mul", x, factor), shift)


def keras_layer_norm(net: Net, x: str) -> str:
    """Scale and bias that are broadcast first, and the operands turned."""
    mean = net.mean(x)
    difference = net.node("Sub", x, mean)
    variance = net.mean(net.node("Mul", difference, difference))
    root = net.node("Sqrt", net.node("Add", net.scalar(1e-3), variance))
    scale, bias = (net.weight(net.random.normal(size=(1, 1, WIDTH)).astype(F32)) for _ in range(2))
    factor = net.node("Mul", scale, net.node("Reciprocal", root))
    shift = net.node("Sub", bias, net.node("Mul", factor, mean))
    return net.node("Add", shift, net.node("Mul", factor, x))


def torchscript_llama(net: Net, x: str) -> str:
    wide = net.node("Cast", x, to=TensorProto.FLOAT)
    square = net.mean(net.node("Pow", wide, net.number(2)))
    root = net.node("Sqrt", net.node("Add", square, net.number(1e-6)))
    normalized = net.node("Mul", wide, net.node("Div", net.number(1), root))
    return net.node("Mul", net.vector(1), net.node("Cast", normalized, to=TensorProto.FLOAT))


def dynamo_llama(net: Net, x: str) -> str:
    square = net.mean(net.node("Pow", x, net.scalar(2)))
    root = net.node("Sqrt", net.node("Add", square, net.scalar(1e-6)))
    normalized = net.node("Mul", x, net.node("Reciprocal", root))
    return net.node("Mul", net.vector(1), normalized)


def mine_rms_norm(net: Net, x: str) -> str:
    square = net.mean(net.node("Mul", x, x))
    root = net.node("Sqrt", net.node("Add", square, net.scalar(1e-5)))
    return net.node("Mul", net.node("Div", x, root), net.vector(1))


def tensorflow_rms_norm(net: Net, x: str) -> str:
    """tf.square and tf.math.rsqrt as tf2onnx writes them, the scale on the root's side."""
    root = net.node("Sqrt", net.node("Add", net.mean(net.node("Mul", x, x)), net.scalar(1e-6)))
    return net.node("Mul", x, net.node("Mul", net.node("Reciprocal", root), net.vector(1)))


def torchscript_gelu(net: Net, x: str) -> str:
    erf = net.node("Erf", net.node("Div", x, net.number(2**0.5)))
    return net.node("Mul", net.node("Mul", x, net.node("Add", erf, net.number(1))), net.number(0.5))


def dynamo_gelu(net: Net, x: str) -> str:
    erf = net.node("Erf", net.node("Mul", x, net.scalar(0.5**0.5)))
    return net.node("Mul", net.node("Mul", net.scalar(0.5), x), net.node("Add", erf, net.scalar(1)))


def tensorflow_gelu(net: Net, x: str) -> str:
    """BERT's: x times cdf, whose root of 2 is computed."""
    erf = net.node("Erf", net.node("Div", x, net.node("Sqrt", net.scalar(2))))
    return net.node("Mul", x, net.node("Mul", net.scalar(0.5), net.node("Add", net.scalar(1), erf)))


def halved_gelu(net: Net, x: str) -> str:
    """Constants that were f16."""
    erf = net.node("Erf", net.node("Div", x, net.scalar(float(np.float16(2**0.5)))))
    return net.node("Mul", net.node("Mul", x, net.node("Add", erf, net.scalar(1))), net.scalar(0.5))


def gpt2_gelu(net: Net, x: str) -> str:
    """gelu_new of transformers."""
    cube = net.node("Mul", net.node("Pow", x, net.number(3)), net.number(0.044715))
    inner = net.node("Mul", net.node("Add", x, cube), net.number((2 / np.pi) ** 0.5))
    half = net.node("Mul", x, net.number(0.5))
    return net.node("Mul", half, net.node("Add", net.node("Tanh", inner), net.number(1)))


def fast_gelu(net: Net, x: str) -> str:
    """gelu_fast of transformers."""
    bend = net.node("Mul", net.node("Mul", x, net.number(0.044715)), x)
    inner = net.node("Mul", x, net.number(0.7978845608))
    tanh = net.node("Tanh", net.node("Mul", inner, net.node("Add", bend, net.number(1))))
    return net.node("Mul", net.node("Mul", x, net.number(0.5)), net.node("Add", tanh, net.number(1)))


def dynamo_tanh_gelu(net: Net, x: str) -> str:
    cube = net.node("Mul", net.node("Mul", x, x), x)
    inner = net.node("Add", x, net.node("Mul", net.scalar(0.044715), cube))
    tanh = net.node("Tanh", net.node("Mul", net.scalar((2 / np.pi) ** 0.5), inner))
    return net.node("Mul", net.node("Mul", net.scalar(0.5), x), net.node("Add", net.scalar(1), tanh))


def tensorflow_tanh_gelu(net: Net, x: str) -> str:
    cube = net.node("Mul", net.node("Pow", x, net.scalar(3)), net.scalar(0.044715))
    tanh = net.node("Tanh", net.node("Mul", net.node("Add", cube, x), net.scalar((2 / np.pi) ** 0.5)))
    return net.node("Mul", x, net.node("Mul", net.node("Add", tanh, net.scalar(1)), net.scalar(0.5)))


Build = Callable[[Net, str], str]
PATTERNS: list[tuple[Build, int, str]] = [
    (torchscript_layer_norm, 13, "LayerNormalization"),
    (torchscript_layer_norm, 16, "LayerNormalization"),
    (plain_layer_norm, 16, "LayerNormalization"),
    (dynamo_layer_norm, 18, "LayerNormalization"),
    (tensorflow_layer_norm, 13, "LayerNormalization"),
    (keras_layer_norm, 15, "LayerNormalization"),
    (torchscript_llama, 17, "RMSNormalization"),
    (dynamo_llama, 18, "RMSNormalization"),
    (mine_rms_norm, 20, "RMSNormalization"),
    (tensorflow_rms_norm, 15, "RMSNormalization"),
    (torchscript_gelu, 13, "Gelu"),
    (dynamo_gelu, 18, "Gelu"),
    (tensorflow_gelu, 13, "Gelu"),
    (halved_gelu, 13, "Gelu"),
    (gpt2_gelu, 13, "Gelu"),
    (fast_gelu, 14, "Gelu"),
    (dynamo_tanh_gelu, 18, "Gelu"),
    (tensorflow_tanh_gelu, 15, "Gelu"),
]
RULES = {"LayerNormalization": "fuse_layer_norm", "RMSNormalization": "fuse_rms_norm", "Gelu": "fuse_gelu"}


def run(model: bytes, x: np.ndarray, *disabled: str) -> tuple[np.ndarray, list[str]]:
    """The result, and the operators of the steps that made it."""
    graph = weft.Graph.load(model)
    trace = weft.Trace()
    with weft.Session(graph, disable_pass=disabled) as session:
        y = session.run({graph.find("x"): x}, graph.outputs[0], trace=trace)
    return np.asarray(y), [event["name"] for event in json.loads(trace.json())["traceEvents"]]


def in_onnxruntime(model: bytes, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize("build, opset, op", PATTERNS, ids=lambda item: getattr(item, "__name__", str(item)))
def test_a_pattern_runs_as_one_operator(build: Build, opset: int, op: str) -> None:
    net = Net(opset)
    model = net.model(build(net, "x"))
    x = np.random.default_rng(3).normal(0.5, 2, (3, 5, WIDTH)).astype(F32)
    fused, steps = run(model, x)
    plain, plain_steps = run(model, x, "*")
    other, other_steps = run(model, x, *RULES.values())
    assert steps == [op]
    assert op not in plain_steps and op not in other_steps and len(plain_steps) > 4
    close = 4e-5 if build is halved_gelu else 2e-6
    for wanted in (plain, other, in_onnxruntime(model, x)):
        np.testing.assert_allclose(fused, wanted, rtol=close, atol=close)


def test_a_rule_can_be_switched_off() -> None:
    x = np.ones((1, 5, WIDTH), F32)
    for build, opset, op in PATTERNS:
        if op == "LayerNormalization":
            continue  # without its mean it is an RMSNormalization
        net = Net(opset)
        _, steps = run(net.model(build(net, "x")), x, RULES[op])
        assert op not in steps, build.__name__


def attention(net: Net, x: str) -> str:
    """BERT's as TorchScript writes it: 3 heads of 8."""
    parts = {}
    for what in ("query", "key", "value"):
        product = net.node("MatMul", x, net.weight((net.random.normal(size=(WIDTH, WIDTH)) / 5).astype(F32)))
        heads = net.node("Reshape", net.node("Add", net.vector(), product), net.weight(np.array([-1, 5, 3, 8])))
        # The key as two transposes: heads first, then its rows and columns.
        turned = net.node("Transpose", heads, perm=[0, 2, 1, 3])
        parts[what] = turned if what != "key" else net.node("Transpose", turned, perm=[0, 1, 3, 2])
    scores = net.node("Div", net.node("MatMul", parts["query"], parts["key"]), net.number(8**0.5))
    seen = net.node("MatMul", net.node("Softmax", scores, axis=-1), parts["value"])
    joined = net.node("Transpose", seen, perm=[0, 2, 1, 3])
    return net.node("Reshape", joined, net.weight(np.array([-1, 5, WIDTH])))


def test_attention_is_one_step_and_transposes_nothing() -> None:
    net = Net(13)
    model = net.model(attention(net, "x"))
    x = np.random.default_rng(5).normal(size=(3, 5, WIDTH)).astype(F32)
    fused, steps = run(model, x)
    assert sum("FusedAttention" in step for step in steps) == 1 and not any("Softmax" in step for step in steps)
    pieces, piece_steps = run(model, x, "fuse_attention")
    without, without_steps = run(model, x, "fuse_attention", "fuse_transpose")
    plain, plain_steps = run(model, x, "*")
    runs = steps, piece_steps, without_steps, plain_steps
    assert [sum("Transpose" in step for step in each) for each in runs] == [0, 2, 4, 5]
    for wanted in (pieces, without, plain, in_onnxruntime(model, x)):
        np.testing.assert_allclose(fused, wanted, rtol=2e-5, atol=2e-6)


def scaled_dot_product_attention(net: Net, x: str, dynamo: bool, truths: bool) -> str:
    """PyTorch's: 3 heads of 8, with a mask that leaves the first query nothing if it is of truth values."""
    heads = {}
    for what in ("query", "key", "value"):
        product = net.node("MatMul", x, net.weight((net.random.normal(size=(WIDTH, WIDTH)) / 5).astype(F32)))
        parted = net.node("Reshape", product, net.weight(np.array([-1, 5, 3, 8])))
        heads[what] = net.node("Transpose", parted, perm=[0, 2, 1, 3])
    if dynamo:
        merged = net.node("Reshape", heads["key"], net.weight(np.array([-1, 5, 8])))
        turned = net.node("Transpose", merged, perm=[0, 2, 1])
        turned = net.node("Reshape", turned, net.weight(np.array([-1, 3, 8, 5])))
    else:
        turned = net.node("Transpose", heads["key"], perm=[0, 1, 3, 2])
    root = net.number(8**-0.25)
    scores = net.node("MatMul", net.node("Mul", heads["query"], root), net.node("Mul", turned, root))
    allowed = np.tril(np.ones((5, 5), bool), -1)
    if truths:
        mask = net.node("Where", net.weight(allowed), net.number(0), net.number(-np.inf))
    else:
        mask = net.weight(np.where(allowed, 0, -2).astype(F32))
    weights = net.node("Softmax", net.node("Add", scores, mask), axis=-1)
    if truths:
        weights = net.node("Where", net.node("IsNaN", weights), net.number(0), weights)
    seen = net.node("Transpose", net.node("MatMul", weights, heads["value"]), perm=[0, 2, 1, 3])
    return net.node("Reshape", seen, net.weight(np.array([-1, 5, WIDTH])))


@pytest.mark.parametrize("truths", [False, True])
@pytest.mark.parametrize("dynamo", [False, True])
def test_pytorch_s_scaled_dot_product_attention_is_one_step(dynamo: bool, truths: bool) -> None:
    net = Net(17)
    model = net.model(scaled_dot_product_attention(net, "x", dynamo, truths))
    x = np.random.default_rng(5).normal(size=(3, 5, WIDTH)).astype(F32)
    fused, steps = run(model, x)
    assert sum("FusedAttention" in step for step in steps) == 1, steps
    assert not any(word in step for step in steps for word in ("Softmax", "Transpose", "Mul+", "IsNaN")), steps
    plain, plain_steps = run(model, x, "*")
    assert any("Softmax" in step for step in plain_steps)
    for wanted in (plain, in_onnxruntime(model, x)):
        np.testing.assert_allclose(fused, wanted, rtol=2e-5, atol=2e-6)
    assert (fused[:, 0] == 0).all() == truths


def rotary(net: Net, x: str, chunks: bool) -> str:
    """As transformers has it: 3 heads of 8, whose halves are slices, or chunks."""
    heads = net.node("Transpose", net.node("Reshape", x, net.weight(np.array([-1, 5, 3, 8]))), perm=[0, 2, 1, 3])
    angles = np.outer(np.arange(5), 100.0 ** -(np.arange(4) / 4))
    cos, sin = (net.weight(np.concatenate([f(angles), f(angles)], axis=1).astype(F32)[None, None]) for f in (np.cos, np.sin))
    if chunks:
        net.nodes.append(helper.make_node("Split", [heads], ["first", "second"], "chunk", axis=-1))
        first, second = "first", "second"
    else:
        ends = [net.weight(np.array([number])) for number in (0, 4, 2**63 - 1, -1)]
        first = net.node("Slice", heads, ends[0], ends[1], ends[3])
        second = net.node("Slice", heads, ends[1], ends[2], ends[3])
    turned = net.node("Concat", net.node("Neg", second), first, axis=-1)
    y = net.node("Add", net.node("Mul", heads, cos), net.node("Mul", turned, sin))
    return net.node("Reshape", net.node("Transpose", y, perm=[0, 2, 1, 3]), net.weight(np.array([-1, 5, WIDTH])))


@pytest.mark.parametrize("chunks", [False, True])
def test_rotary_embeddings_are_one_step(chunks: bool) -> None:
    net = Net(13)
    model = net.model(rotary(net, "x", chunks))
    x = np.random.default_rng(5).normal(size=(3, 5, WIDTH)).astype(F32)
    fused, steps = run(model, x)
    assert sorted(steps) == ["Transpose", "Transpose", "weft.RotateHalves"]
    plain, plain_steps = run(model, x, "fuse_rotary")
    assert len(plain_steps) > 3
    np.testing.assert_array_equal(fused, plain)
    np.testing.assert_allclose(fused, in_onnxruntime(model, x), rtol=2e-5, atol=2e-6)


def torch_group_norm(net: Net, x: str) -> str:
    """Of one group; reshapes take what they are not told from the input."""
    ones, zeros = (net.weight(np.full(1, value, F32)) for value in (1, 0))
    grouped = net.node("Reshape", x, net.weight(np.array([0, 1, -1])))
    normal = net.node("InstanceNormalization", grouped, ones, zeros, epsilon=1e-5)
    y = net.node("Reshape", normal, net.node("Shape", x))
    scale, bias = (net.weight(net.random.normal(1, 0.5, size=(5, 1)).astype(F32)) for _ in range(2))
    return net.node("Add", net.node("Mul", y, scale), bias)


def test_pytorch_s_group_normalization_and_swish_are_an_operator_each() -> None:
    net = Net(17)
    y = torch_group_norm(net, "x")
    model = net.model(net.node("Mul", y, net.node("Sigmoid", y)))
    x = np.random.default_rng(3).normal(0.5, 2, (3, 5, WIDTH)).astype(F32)
    fused, steps = run(model, x)
    assert sorted("+".join(steps).split("+")) == ["GroupNormalization", "Swish"]
    pieces, piece_steps = run(model, x, "fuse_group_norm", "fuse_swish")
    assert any("InstanceNormalization" in step for step in piece_steps)
    assert any("Sigmoid" in step for step in piece_steps)
    for wanted in (pieces, run(model, x, "*")[0], in_onnxruntime(model, x)):
        np.testing.assert_allclose(fused, wanted, rtol=1e-5, atol=2e-6)
