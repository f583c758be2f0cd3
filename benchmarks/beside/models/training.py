"""Nets to be trained."""

from __future__ import annotations

import numpy as np

from ..row import Array, Conv, Dense, Flatten, MaxPool, Training

CLASSES = 10


class Weights:
    """Draws what a net begins with, the same wherever it is built."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(0)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        return (self.random.standard_normal(shape) * scale).astype(np.float32)

    def labels(self, batch: int) -> Array:
        return self.random.randint(CLASSES, size=batch).astype(np.int64)

    def dense(self, inputs: int, units: int, relu: bool = False) -> Dense:
        kernel = self.normal(inputs, units, scale=(2 / inputs) ** 0.5)
        return Dense(kernel, np.zeros(units, np.float32), relu)

    def conv(self, channels: int, filters: int, size: int) -> Conv:
        kernel = self.normal(filters, channels, size, size, scale=(2 / (channels * size * size)) ** 0.5)
        return Conv(kernel, np.zeros(filters, np.float32), relu=True)


def mlp(batch: int) -> Training:
    """64-64-10, with Adam."""
    draw = Weights()
    layers = (draw.dense(64, 64, relu=True), draw.dense(64, CLASSES))
    return Training(layers, draw.normal(batch, 64), draw.labels(batch), "adam", 1e-3)


def lenet(batch: int) -> Training:
    """LeCun et al., 1998, with max pooling and rectifiers, on images of 28 x 28, with gradient descent."""
    draw = Weights()
    layers = (
        draw.conv(1, 6, 5), MaxPool(2), draw.conv(6, 16, 5), MaxPool(2), Flatten(),
        draw.dense(256, 120, relu=True), draw.dense(120, 84, relu=True), draw.dense(84, CLASSES),
    )  # fmt: skip
    return Training(layers, draw.normal(batch, 1, 28, 28), draw.labels(batch), "sgd", 0.01)
