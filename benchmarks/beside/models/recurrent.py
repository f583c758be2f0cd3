"""Recurrent layers one upon another, node by node as PyTorch exports them."""

from __future__ import annotations

import numpy as np

from ..row import Inference
from .graph import Builder


def _layers(op: str, gates: int, layers: int, hidden: int, steps: int, batch: int, **attributes: int) -> Inference:
    """All hidden states of the last layer. Inputs are as wide as the layers."""
    graph = Builder()
    y = graph.input("x", steps, batch, hidden)
    directions = graph.weight(np.array([1], np.int64))
    scale = (3 * hidden) ** -0.5  # that of the weights that PyTorch begins with
    for _ in range(layers):
        w, r = (graph.weight(graph.normal(1, gates * hidden, hidden, scale=scale)) for _ in range(2))
        b = graph.weight(graph.normal(1, 2 * gates * hidden, scale=scale))
        y = graph.node("Squeeze", graph.node(op, y, w, r, b, hidden_size=hidden, **attributes), directions)
    return graph.problem(y)


def lstm(layers: int, hidden: int, steps: int, batch: int) -> Inference:
    return _layers("LSTM", 4, layers, hidden, steps, batch)


def gru(layers: int, hidden: int, steps: int, batch: int) -> Inference:
    """With the reset behind the product, as in PyTorch and Keras."""
    return _layers("GRU", 3, layers, hidden, steps, batch, linear_before_reset=1)
