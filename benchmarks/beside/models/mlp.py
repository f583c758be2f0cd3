"""Fully connected nets."""

from ..row import Inference
from .graph import Builder


def mlp(*sizes: int, batch: int) -> Inference:
    graph = Builder()
    y = graph.input("x", batch, sizes[0])
    for inputs, units in zip(sizes, sizes[1:-1]):
        y = graph.dense(y, inputs, units, relu=True)
    return graph.problem(graph.dense(y, sizes[-2], sizes[-1]))
