"""A small U-Net as PyTorch exports those of diffusion models: group normalizations in pieces, Swish as a product."""

from __future__ import annotations

import numpy as np

from ..row import Inference
from .graph import Builder

GROUPS = 8
EPSILON = 1e-5


class UNet(Builder):
    """What levels are made of. Values are [1, channels, size, size]."""

    def conv(self, x: str, channels: int, filters: int, size: int, stride: int = 1) -> str:
        kernel = self.weight(self.normal(filters, channels, size, size, scale=(2 / (channels * size * size)) ** 0.5))
        return self.node(
            "Conv", x, kernel, self.weight(self.normal(filters, scale=0.1)), kernel_shape=[size, size],
            strides=[stride, stride], pads=[size // 2] * 4, group=1,
        )  # fmt: skip

    def group_norm(self, x: str, channels: int, pixels: int) -> str:
        grouped = self.node("Reshape", x, self.weight(np.array([1, GROUPS, -1], np.int64)))
        ones, zeros = (self.weight(np.full(GROUPS, value, np.float32)) for value in (1, 0))
        normal = self.node("InstanceNormalization", grouped, ones, zeros, epsilon=EPSILON)
        y = self.node("Reshape", normal, self.weight(np.array([1, channels, pixels, pixels], np.int64)))
        y = self.node("Mul", y, self.weight(self.normal(channels, 1, 1, scale=0.1) + np.float32(1)))
        return self.node("Add", y, self.weight(self.normal(channels, 1, 1, scale=0.1)))

    def block(self, x: str, channels: int, filters: int, pixels: int) -> str:
        """Two convolutions of 3 x 3, each normalized and followed by Swish."""
        for before in (channels, filters):
            x = self.group_norm(self.conv(x, before, filters, 3), filters, pixels)
            x = self.node("Mul", x, self.node("Sigmoid", x))
        return x


def unet(size: int, channels: int) -> Inference:
    """Two levels below the image of `size` pixels: up again by a transposed convolution, and by the nearest pixels."""
    graph = UNet()
    half, quarter = size // 2, size // 4
    top = graph.block(graph.input("x", 1, 4, size, size), 4, channels, size)
    middle = graph.block(graph.conv(top, channels, 2 * channels, 3, stride=2), 2 * channels, 2 * channels, half)
    y = graph.block(graph.conv(middle, 2 * channels, 4 * channels, 3, stride=2), 4 * channels, 4 * channels, quarter)
    kernel = graph.weight(graph.normal(4 * channels, 2 * channels, 2, 2, scale=(1 / (4 * channels)) ** 0.5))
    y = graph.node("ConvTranspose", y, kernel, graph.weight(graph.normal(2 * channels, scale=0.1)), strides=[2, 2])
    y = graph.block(graph.node("Concat", y, middle, axis=1), 4 * channels, 2 * channels, half)
    sizes = graph.weight(np.array([1, 2 * channels, size, size], np.int64))
    y = graph.node(
        "Resize", y, "", "", sizes, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    )
    y = graph.conv(y, 2 * channels, channels, 3)
    y = graph.block(graph.node("Concat", y, top, axis=1), 2 * channels, channels, size)
    return graph.problem(graph.conv(y, channels, 4, 1))
