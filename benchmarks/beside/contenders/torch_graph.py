"""ONNX models as PyTorch modules with the Python code that a person would write."""

from __future__ import annotations

from typing import Any

import onnx
import torch
import torch.fx

from .onnx_graph import Operators, evaluate, weights

OPERATORS: Operators = {
    "Add": lambda attributes, a, b: a + b,
    "Mul": lambda attributes, a, b: a * b,
    "Relu": lambda attributes, x: torch.relu(x),
    "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
    "Gemm": lambda attributes, x, kernel, bias: torch.addmm(bias, x, kernel),
}


def module(model: onnx.ModelProto) -> Any:
    """The weights are buffers of the module, which takes the model's inputs and gives its outputs as a tuple."""
    root = torch.nn.Module()
    graph = torch.fx.Graph()
    record = torch.fx.proxy.GraphAppendingTracer(graph)
    values = {value.name: torch.fx.Proxy(graph.placeholder(value.name), record) for value in model.graph.input}
    for name, weight in weights(model).items():
        root.register_buffer(name, torch.from_numpy(weight))
        values[name] = torch.fx.Proxy(graph.get_attr(name), record)
    outputs = evaluate(model, OPERATORS, values)
    graph.output(tuple(output.node for output in outputs))
    return torch.fx.GraphModule(root, graph)
