"""Nets over images of 224 x 224, with the batch normalizations that exporters write."""

from __future__ import annotations

import numpy as np

from ..net import Array
from ..row import Inference
from .graph import Builder

CLASSES = 1000
EPSILON = 1e-5


class Images(Builder):
    """What both nets are made of."""

    def drawn(self, channels: int, filters: int, size: int) -> tuple[Array, list[Array]]:
        """Weights of a convolution; scale, bias, mean and variance of its batch normalization."""
        kernel = self.normal(filters, channels, size, size, scale=(2 / (channels * size * size)) ** 0.5)
        near_one = [np.abs(self.normal(filters, scale=0.1) + 1).astype(np.float32) for _ in range(2)]
        near_zero = [self.normal(filters, scale=0.1) for _ in range(2)]
        return kernel, [near_one[0], near_zero[0], near_zero[1], near_one[1]]

    def conv(self, x: str, channels: int, filters: int, size: int, stride: int = 1, group: int = 1) -> str:
        """A convolution and its batch normalization."""
        kernel, parts = self.drawn(channels // group, filters, size)
        y = self.node(
            "Conv", x, self.weight(kernel), kernel_shape=[size, size], strides=[stride, stride],
            pads=[size // 2] * 4, group=group,
        )  # fmt: skip
        return self.node("BatchNormalization", y, *map(self.weight, parts), epsilon=EPSILON)

    def classes(self, x: str, channels: int) -> Inference:
        y = self.node("Flatten", self.node("GlobalAveragePool", x), axis=1)
        return self.problem(self.dense(y, channels, CLASSES))


def mobilenet_v2(batch: int) -> Inference:
    """Sandler et al., 2018."""
    graph = Images()
    low, high = graph.weight(np.float32(0)), graph.weight(np.float32(6))

    def relu6(x: str) -> str:
        return graph.node("Clip", x, low, high)

    y = relu6(graph.conv(graph.input("x", batch, 3, 224, 224), 3, 32, 3, stride=2))
    channels = 32
    # Expansion, channels, blocks, stride of the first block.
    for expansion, filters, blocks, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for block in range(blocks):
            step = stride if block == 0 else 1
            inner = channels * expansion
            z = y if expansion == 1 else relu6(graph.conv(y, channels, inner, 1))
            z = relu6(graph.conv(z, inner, inner, 3, stride=step, group=inner))
            z = graph.conv(z, inner, filters, 1)
            y = graph.node("Add", y, z) if step == 1 and channels == filters else z
            channels = filters
    return graph.classes(relu6(graph.conv(y, channels, 1280, 1)), 1280)


def resnet50(batch: int, kind: type[Images] = Images) -> Inference:
    """He et al., 2015, with the stride in the 3x3 convolutions (v1.5)."""
    graph = kind()

    def relu(x: str) -> str:
        return graph.node("Relu", x)

    y = relu(graph.conv(graph.input("x", batch, 3, 224, 224), 3, 64, 7, stride=2))
    y = graph.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            step = stride if block == 0 else 1
            z = relu(graph.conv(y, channels, width, 1))
            z = relu(graph.conv(z, width, width, 3, stride=step))
            z = graph.conv(z, width, 4 * width, 1)
            shortcut = graph.conv(y, channels, 4 * width, 1, stride=step) if block == 0 else y
            y = relu(graph.node("Add", z, shortcut))
            channels = 4 * width
    return graph.classes(y, channels)
