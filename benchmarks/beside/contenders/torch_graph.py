"""ONNX models as PyTorch modules with the Python code that a person would write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import torch
import torch.fx
import torch.nn.functional as F

from .onnx_graph import Operators, evaluate, numbers, weights

# Layers, and which gate of ONNX's is at each place of theirs.
RECURRENT = {"LSTM": (torch.nn.LSTM, (0, 2, 3, 1)), "GRU": (torch.nn.GRU, (1, 0, 2))}


def _padding(attributes: Mapping[str, Any]) -> list[int]:
    """As many zeros before as after: the models of this benchmark have no others."""
    pads: list[int] = attributes["pads"]
    return pads[:2]


def _conv(attributes: Mapping[str, Any], x: Any, kernel: Any, bias: Any = None) -> Any:
    return F.conv2d(x, kernel, bias, attributes["strides"], _padding(attributes), 1, attributes["group"])


def _max_pool(attributes: Mapping[str, Any], x: Any) -> Any:
    return F.max_pool2d(x, attributes["kernel_shape"], attributes["strides"], _padding(attributes))


def _batch_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    return F.batch_norm(x, mean, variance, scale, bias, eps=attributes["epsilon"])


def _resize(attributes: Mapping[str, Any], x: Any, roi: None, scales: None, sizes: list[int]) -> Any:
    """To sizes, linearly or to the pixel before: the models of this benchmark resize in no other way."""
    if attributes["mode"] == b"nearest":
        return F.interpolate(x, sizes[2:], mode="nearest")
    return F.interpolate(x, sizes[2:], mode="bilinear", align_corners=False)


def _recurrent(op: str, weights: Sequence[torch.Tensor]) -> Any:
    """The layer, of one direction, with W, R and B of ONNX."""
    kind, order = RECURRENT[op]
    w, r, b = (weight[0] for weight in weights)
    parts = [torch.cat([part.chunk(len(order))[gate] for gate in order]) for part in (w, r, *b.chunk(2))]
    layer = kind(w.shape[1], r.shape[1])
    layer.load_state_dict(dict(zip(layer.state_dict(), parts)))
    return layer


OPERATORS: Operators = {
    "Add": lambda attributes, a, b: a + b,
    "Mul": lambda attributes, a, b: a * b,
    # Into three parts, which is what the models of this benchmark ask for; tracing does not know how many there are.
    "Split": lambda attributes, x: [torch.tensor_split(x, 3, attributes["axis"])[i] for i in range(3)],
    "Pow": lambda attributes, x, power: x**power,
    "Tanh": lambda attributes, x: torch.tanh(x),
    "Div": lambda attributes, a, b: a / b,
    "MatMul": lambda attributes, a, b: a @ b,
    "Erf": lambda attributes, x: torch.erf(x),
    "Gather": lambda attributes, table, ids: F.embedding(ids, table),
    "Reshape": lambda attributes, x, shape: torch.reshape(x, shape),
    "Transpose": lambda attributes, x: torch.permute(x, attributes["perm"]),
    "Relu": lambda attributes, x: torch.relu(x),
    "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
    "Gemm": lambda attributes, x, kernel, bias: torch.addmm(bias, x, kernel),
    "Clip": lambda attributes, x, low, high: torch.clamp(x, low, high),
    "Softmax": lambda attributes, x: torch.softmax(x, attributes["axis"]),
    "LayerNormalization": lambda attributes, x, scale, bias: F.layer_norm(
        x, scale.shape, scale, bias, attributes["epsilon"]
    ),
    "Conv": _conv,
    # Windows that do not overlap, without pads.
    "ConvTranspose": lambda attributes, x, kernel, bias: F.conv_transpose2d(x, kernel, bias, attributes["strides"]),
    "InstanceNormalization": lambda attributes, x, scale, bias: F.instance_norm(
        x, weight=scale, bias=bias, eps=attributes["epsilon"]
    ),
    "Sigmoid": lambda attributes, x: torch.sigmoid(x),
    "BatchNormalization": _batch_norm,
    "MaxPool": _max_pool,
    "GlobalAveragePool": lambda attributes, x: F.adaptive_avg_pool2d(x, 1),
    "Flatten": lambda attributes, x: torch.flatten(x, attributes["axis"]),
    "Squeeze": lambda attributes, x, axes: torch.squeeze(x, tuple(axes)),
    "Resize": _resize,
    # Bilinear, with zeros around the image: the models of this benchmark sample in no other way.
    "GridSample": lambda attributes, x, grid: F.grid_sample(x, grid, "bilinear", "zeros", False),
}


def module(model: onnx.ModelProto) -> Any:
    """The weights are buffers of the module, or those of its recurrent layers. It takes the model's inputs and gives its outputs
    as a tuple."""
    root = torch.nn.Module()
    graph = torch.fx.Graph()
    record = torch.fx.proxy.GraphAppendingTracer(graph)
    values: dict[str, Any] = dict(numbers(model))
    for value in model.graph.input:
        values[value.name] = torch.fx.Proxy(graph.placeholder(value.name), record)
    for name, weight in weights(model).items():
        root.register_buffer(name, torch.from_numpy(weight))
        values[name] = torch.fx.Proxy(graph.get_attr(name), record)

    def recurrent(op: str) -> Callable[..., Any]:
        def layer(attributes: Mapping[str, Any], x: Any, *weights: Any) -> Any:
            name = f"layer{len(list(root.children()))}"
            root.add_module(name, _recurrent(op, [root.get_buffer(weight.node.target) for weight in weights]))
            for weight in weights:
                graph.erase_node(weight.node)  # the layer has its own
            # Its first result, with the axis of directions that ONNX has.
            return torch.fx.Proxy(graph.call_module(name, (x.node,)), record)[0].unsqueeze(1)

        return layer

    outputs = evaluate(model, {**OPERATORS, **{op: recurrent(op) for op in RECURRENT}}, values)
    graph.output(tuple(output.node for output in outputs))
    return torch.fx.GraphModule(root, graph)
