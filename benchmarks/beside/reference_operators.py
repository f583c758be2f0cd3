"""Operators for the reference implementation of ONNX: one that it lacks, and one of which it looks at every row of an image
for every pixel, which takes hours."""

from __future__ import annotations

import re

import numpy as np
from onnx.reference.op_run import OpRun

from .net import Array


class GridSample(OpRun):
    """Bilinear, with zeros around the image; -1 and 1 are the outer edges of the outermost pixels."""

    def _run(self, x: Array, grid: Array, mode: str, padding_mode: str, align_corners: int) -> tuple[Array]:
        if (mode, padding_mode, align_corners) != ("bilinear", "zeros", 0):
            raise NotImplementedError(f"GridSample with {mode}, {padding_mode} and align_corners={align_corners}")
        framed = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
        (left, across), (top, down) = (_place(grid[..., i], x.shape[3 - i]) for i in range(2))
        images = np.arange(len(x))[:, None, None]

        def pixels(below: int, right: int) -> Array:
            return framed[images, :, top + below, left + right]  # [N, height, width, C]

        upper = pixels(0, 0) * (1 - across) + pixels(0, 1) * across
        lower = pixels(1, 0) * (1 - across) + pixels(1, 1) * across
        return ((upper * (1 - down) + lower * down).transpose(0, 3, 1, 2).astype(x.dtype),)


def _place(coordinates: Array, size: int) -> tuple[Array, Array]:
    """For coordinates from -1 to 1: the pixel before each, within a frame of one zero at both ends, and how far it is behind
    that, with an axis for channels."""
    places = np.clip(((coordinates.astype(np.float64) + 1) * size - 1) / 2 + 1, 0, size + 1)
    before = np.minimum(np.floor(places), size).astype(np.int64)
    return before, (places - before)[..., None]


class Tokenizer(OpRun):
    """Of ONNX Runtime: all that matches an expression, in rows of equal length."""

    op_domain = "com.microsoft"

    def _run(self, x: Array, tokenexp: str, pad_value: str, mark: int, mincharnum: int) -> tuple[Array]:
        if (mark, mincharnum) != (0, 1):
            raise NotImplementedError(f"Tokenizer with mark={mark} and mincharnum={mincharnum}")
        tokens = [re.findall(tokenexp, text) for text in x.tolist()]
        most = max(map(len, tokens))
        return (np.array([found + [pad_value] * (most - len(found)) for found in tokens], object),)


OPERATORS: tuple[type[OpRun], ...] = (GridSample, Tokenizer)
