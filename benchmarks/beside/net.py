"""What nets that are trained are made of: layers with their first weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Dense:
    kernel: Array  # [inputs, units]
    bias: Array


@dataclass(frozen=True)
class Conv:
    kernel: Array  # [filters, channels, height, width]
    bias: Array | None
    stride: int = 1
    pad: int = 0  # zeros at each end of both axes


@dataclass(frozen=True)
class MaxPool:
    size: int  # of the window and of its steps


@dataclass(frozen=True)
class GlobalAveragePool:
    """[N, C, H, W] becomes [N, C]."""


@dataclass(frozen=True)
class Flatten:
    pass


@dataclass(frozen=True)
class Relu:
    pass


@dataclass(frozen=True)
class Gelu:
    """With the error function, not its approximation."""


@dataclass(frozen=True)
class BatchNorm:
    """Over a batch, whose statistics also move running ones with a momentum of 0.9. The scale begins with 1, the bias with 0."""

    channels: int
    epsilon: float = 1e-5


@dataclass(frozen=True)
class LayerNorm:
    """Over the last axis. The scale begins with 1, the bias with 0."""

    width: int
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Embedding:
    """Rows of one table by ids [N, tokens], and of another by places."""

    words: Array  # [count, width]
    places: Array  # [tokens, width]


@dataclass(frozen=True)
class CausalAttention:
    """Each token looks at itself and those before it."""

    heads: int
    joined: Dense  # queries, keys and values beside one another
    out: Dense


@dataclass(frozen=True)
class Residual:
    """The sum of what both make of the input; no layers leave it as it is."""

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Layer = Union[
    Dense, Conv, MaxPool, GlobalAveragePool, Flatten, Relu, Gelu, BatchNorm, LayerNorm, Embedding, CausalAttention, Residual
]


@dataclass(frozen=True)
class Training:
    """A net, the batch that every step is made on, and the optimizer. The loss is the mean of the cross entropy of the softmax
    over the last axis."""

    layers: tuple[Layer, ...]
    inputs: Array
    labels: Array  # the shape of the net's output without its last axis
    optimizer: str  # "sgd", "adam", or "adamw", which takes away a share of 0.01; betas 0.9 and 0.999, epsilon 1e-8
    learning_rate: float


# Of adamw.
WEIGHT_DECAY = 0.01
