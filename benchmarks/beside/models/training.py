"""Nets to be trained."""

from __future__ import annotations

import numpy as np

from ..net import (
    Array, BatchNorm, CausalAttention, Conv, Dense, Embedding, Flatten, Gelu, GlobalAveragePool, Layer, LayerNorm, MaxPool,
    Relu, Residual, Training,
)  # fmt: skip

CLASSES = 10


class Weights:
    """Draws what a net begins with, the same wherever it is built."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        return (self.random.standard_normal(shape) * scale).astype(np.float32)

    def ids(self, count: int, *shape: int) -> Array:
        """Numbers from 0 up to but not including `count`."""
        return self.random.randint(count, size=shape).astype(np.int64)

    def dense(self, inputs: int, units: int) -> Dense:
        return Dense(self.normal(inputs, units, scale=(2 / inputs) ** 0.5), np.zeros(units, np.float32))

    def kernel(self, channels: int, filters: int, size: int) -> Array:
        return self.normal(filters, channels, size, size, scale=(2 / (channels * size * size)) ** 0.5)

    def conv(self, channels: int, filters: int, size: int) -> Conv:
        return Conv(self.kernel(channels, filters, size), np.zeros(filters, np.float32))

    def normed_conv(self, channels: int, filters: int, size: int, stride: int = 1) -> tuple[Layer, ...]:
        return Conv(self.kernel(channels, filters, size), None, stride, size // 2), BatchNorm(filters)


def mlp(batch: int) -> Training:
    """64-64-10, with Adam."""
    draw = Weights()
    layers = (draw.dense(64, 64), Relu(), draw.dense(64, CLASSES))
    return Training(layers, draw.normal(batch, 64), draw.ids(CLASSES, batch), "adam", 1e-3)


def lenet(batch: int) -> Training:
    """LeCun et al., 1998, with max pooling and rectifiers, on images of 28 x 28, with gradient descent."""
    draw = Weights()
    layers = (
        draw.conv(1, 6, 5), Relu(), MaxPool(2), draw.conv(6, 16, 5), Relu(), MaxPool(2), Flatten(),
        draw.dense(256, 120), Relu(), draw.dense(120, 84), Relu(), draw.dense(84, CLASSES),
    )  # fmt: skip
    return Training(layers, draw.normal(batch, 1, 28, 28), draw.ids(CLASSES, batch), "sgd", 0.01)


def resnet18(batch: int) -> Training:
    """He et al., 2015, as it is used for images of 32 x 32: without the first layer's stride and pool. With gradient descent."""
    draw = Weights()
    layers: list[Layer] = [*draw.normed_conv(3, 64, 3), Relu()]
    channels = 64
    for filters, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        body = (*draw.normed_conv(channels, filters, 3, stride), Relu(), *draw.normed_conv(filters, filters, 3))
        shortcut = draw.normed_conv(channels, filters, 1, stride) if channels != filters else ()
        layers += [Residual(body, shortcut), Relu()]
        channels = filters
    layers += [GlobalAveragePool(), draw.dense(channels, CLASSES)]
    return Training(tuple(layers), draw.normal(batch, 3, 32, 32), draw.ids(CLASSES, batch), "sgd", 0.01)


def transformer(batch: int, blocks: int = 4, width: int = 256, tokens: int = 64, words: int = 256) -> Training:
    """A decoder that foretells the next byte, laid out as GPT-2 (Radford et al., 2019), with AdamW."""
    draw = Weights()
    scale = 0.5 * width**-0.5

    def dense(inputs: int, units: int) -> Dense:
        return Dense(draw.normal(inputs, units, scale=scale), np.zeros(units, np.float32))

    layers: list[Layer] = [Embedding(draw.normal(words, width), draw.normal(tokens, width))]
    for _ in range(blocks):
        attention = CausalAttention(width // 64, dense(width, 3 * width), dense(width, width))
        layers.append(Residual((LayerNorm(width), attention)))
        layers.append(Residual((LayerNorm(width), dense(width, 4 * width), Gelu(), dense(4 * width, width))))
    layers += [LayerNorm(width), dense(width, words)]
    return Training(tuple(layers), draw.ids(words, batch, tokens), draw.ids(words, batch, tokens), "adamw", 1e-3)
