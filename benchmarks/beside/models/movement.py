"""Functions that move elements and compute nothing, or only compare them."""

import numpy as np

from ..row import Inference
from .graph import Builder


def transpose(shape: tuple[int, ...], perm: tuple[int, ...]) -> Inference:
    graph = Builder()
    return graph.problem(graph.node("Transpose", graph.input("x", *shape), perm=list(perm)))


def gather(words: int, width: int, count: int) -> Inference:
    """Some rows of a table, each drawn from all."""
    graph = Builder()
    table = graph.weight(graph.normal(words, width))
    return graph.problem(graph.node("Gather", table, graph.ids("ids", count, count=words), axis=0))


def top_k(rows: int, columns: int, k: int) -> Inference:
    """The largest elements of each row, the largest first."""
    graph = Builder()
    values, _ = graph.split("TopK", 2, graph.input("x", rows, columns), graph.weight(np.array([k], np.int64)), axis=-1)
    return graph.problem(values)
