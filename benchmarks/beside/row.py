"""What a row of the table is: a problem that every contender builds by itself, and what is to be reached against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import onnx

Array = np.ndarray[Any, Any]

# The first steps of a training, whose losses are compared.
STEPS = 5


@dataclass(frozen=True)
class Inference:
    """An ONNX model and what is fed to it."""

    model: onnx.ModelProto
    feeds: dict[str, Array]
    arrays: bool = False  # called by name with arrays, which it also returns, instead of with memory bound before


@dataclass(frozen=True)
class Dense:
    kernel: Array  # [inputs, units]
    bias: Array
    relu: bool


@dataclass(frozen=True)
class Conv:
    kernel: Array  # [filters, channels, height, width]; stride 1, no padding
    bias: Array
    relu: bool


@dataclass(frozen=True)
class MaxPool:
    size: int  # of the window and of its steps


@dataclass(frozen=True)
class Flatten:
    pass


Layer = Union[Dense, Conv, MaxPool, Flatten]


@dataclass(frozen=True)
class Training:
    """A net with its first weights, the batch that every step is made on, and the optimizer. The loss is the mean of the
    cross entropy of the softmax."""

    layers: tuple[Layer, ...]
    inputs: Array
    labels: Array
    optimizer: str  # "adam" (betas 0.9 and 0.999, epsilon 1e-8) or "sgd"
    learning_rate: float


Problem = Union[Inference, Training]


@dataclass(frozen=True)
class Row:
    name: str  # on the command line
    title: str
    make: Callable[[], Problem]
    goal: float | None  # the time of the best peer over ours; None is no goal
    threads: tuple[int, ...] = (1, 2)
    rtol: float = 1e-3
