"""Nets of branches: steps too short to be divided, many of which may run beside one another."""

from __future__ import annotations

from ..row import Inference
from .graph import Builder


def towers(count: int, layers: int, width: int) -> Inference:
    """Towers of square layers over one input, at batch 1."""
    graph = Builder()
    x = graph.input("x", 1, width)
    ends = []
    for _ in range(count):
        y = x
        for _ in range(layers):
            y = graph.dense(y, width, width, relu=True)
        ends.append(y)
    return graph.problem(graph.node("Concat", *ends, axis=1))


def inception(blocks: int, pixels: int, channels: int, *filters: int) -> Inference:
    """Blocks as in GoogLeNet (Szegedy et al., 2014), one after another, at batch 1. Filters: 1 x 1; before 3 x 3, 3 x 3; before
    5 x 5, 5 x 5; behind the pool."""
    graph = Builder()

    def conv(x: str, inputs: int, outputs: int, size: int) -> str:
        kernel = graph.weight(graph.normal(outputs, inputs, size, size, scale=(2 / (inputs * size * size)) ** 0.5))
        y = graph.node("Conv", x, kernel, kernel_shape=[size, size], strides=[1, 1], pads=[size // 2] * 4, group=1)
        return graph.node("Relu", y)

    one, three_in, three, five_in, five, pool = filters
    y = graph.input("x", 1, channels, pixels, pixels)
    for _ in range(blocks):
        pooled = graph.node("MaxPool", y, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
        y = graph.node(
            "Concat",
            conv(y, channels, one, 1),
            conv(conv(y, channels, three_in, 1), three_in, three, 3),
            conv(conv(y, channels, five_in, 1), five_in, five, 5),
            conv(pooled, channels, pool, 1),
            axis=1,
        )
        channels = one + three + five + pool
    return graph.problem(graph.node("Flatten", graph.node("GlobalAveragePool", y), axis=1))
