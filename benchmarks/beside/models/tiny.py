"""Graphs of operations over four elements, where all is overhead."""

from ..row import Inference
from .graph import Builder


def adds(count: int, *, arrays: bool = False) -> Inference:
    """A chain of Adds."""
    graph = Builder()
    y, other = graph.input("x", 4), graph.input("other", 4)
    for _ in range(count):
        y = graph.node("Add", y, other)
    return graph.problem(y, arrays=arrays)


def branches(count: int) -> Inference:
    """Branches of an Add and a Relu each, from one input into one output."""
    graph = Builder()
    x = graph.input("x", 4)
    ends = [graph.node("Relu", graph.node("Add", x, graph.weight(graph.normal(4)))) for _ in range(count)]
    return graph.problem(graph.node("Concat", *ends, axis=0))
