"""What a row of the table is: a problem that every contender builds by itself, and what is to be reached against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

import onnx

from .names import OURS, PEERS
from .net import Array, Training

# The first steps of a training, whose losses are compared.
STEPS = 5


@dataclass(frozen=True)
class Inference:
    """An ONNX model and what is fed to it."""

    model: onnx.ModelProto
    feeds: dict[str, Array]
    weight_dtype: str = "f32"  # what Weft keeps matrices of products as; their elements are numbers of this type
    # Called by name with arrays, which it also returns, instead of with memory bound before. Strings are always fed so.
    arrays: bool = False


@dataclass(frozen=True)
class Eigen:
    """Eigenvalues and eigenvectors of A A^T. The results are the eigenvalues in ascending order, which are real."""

    a: Array
    symmetric: bool  # whether it is told that the product is symmetric


Problem = Union[Inference, Training, Eigen]


@dataclass(frozen=True)
class Row:
    name: str  # on the command line
    title: str
    make: Callable[[], Problem]
    goal: float | None  # the time of the best peer over ours; None is no goal
    threads: tuple[int, ...] = (1, 2)
    rtol: float = 1e-3
    least: float = 0.1  # of the largest element: smaller ones may be off by as much as one of this size
    ours: str = OURS  # and whom it is compared with
    peers: tuple[str, ...] = PEERS
