"""The file of golden values: what its numbers mean, and what an output's elements weigh in the sum that is differentiated."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np

PATH = pathlib.Path(__file__).with_name("golden.jsonl")
DTYPES = {"f32": np.float32, "i32": np.int32, "still": np.float64}


def weights(shape: tuple[int, ...], salt: int) -> np.ndarray:
    """Numbers without a pattern, from 0.5 up to 1.5; `salt` keeps those of one output apart from another's."""
    count = int(np.prod(shape))
    return ((np.arange(count) + (1 + salt)) * 0.6180339887498949 % 1 + 0.5).reshape(shape)


def salt_of_gradient(i: int) -> int:
    """The salt of the weights of gradient `i`, of whose sum the second order is."""
    return 7 * i + 3


def read() -> list[dict[str, Any]]:
    """The cases, each a line of the file:

    op, name, attrs: the node; `name` says what is special about it.
    inputs: nested lists, of f64 (by which gradients are taken), i64 or bool, as the numbers are written; {"f32": ...},
      {"i32": ...}, and {"still": ...} for one of f64 by which no gradient is taken; null is left out.
    outputs: those that are compared and summed, from the first on.
    gradients: of the sum of outputs times `weights(shape, output)`, by each f64 input; null is all zeros.
    second, if there: of the sum of gradients times `weights(shape, salt_of_gradient(i))`, by each f64 input.
    tolerance, if it is not the usual one, and why.
    """
    return [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]


def constant(value: Any) -> np.ndarray | None:
    """An input that no gradient is taken by; None if one is."""
    if isinstance(value, dict):
        ((kind, elements),) = value.items()
        return np.array(elements, DTYPES[kind])
    array = np.array(value)
    return None if array.dtype == np.float64 else array
