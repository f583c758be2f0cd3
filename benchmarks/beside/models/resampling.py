"""Images read between their pixels."""

from __future__ import annotations

import numpy as np

from ..row import Inference
from .graph import Builder


def resize(channels: int, size: int, factor: int) -> Inference:
    """A square image made larger, linearly between the middles of pixels."""
    graph = Builder()
    x = graph.input("x", 1, channels, size, size)
    sizes = graph.weight(np.array([1, channels, factor * size, factor * size], np.int64))
    return graph.problem(
        graph.node("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")
    )


def grid_sample(channels: int, size: int) -> Inference:
    """A square image at as many places as it has pixels, drawn from it and from a margin of zeros around it."""
    graph = Builder()
    x = graph.input("x", 1, channels, size, size)
    places = graph.random.uniform(-1.1, 1.1, (1, size, size, 2)).astype(np.float32)
    return graph.problem(
        graph.node("GridSample", x, graph.fed("grid", places), mode="bilinear", padding_mode="zeros", align_corners=0)
    )
