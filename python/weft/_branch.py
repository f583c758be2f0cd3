"""Branches of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from . import _native
from ._errors import InvalidArgumentError
from ._graph import Graph, Value, make_attrs
from ._handle import caller, need


@overload
def if_(
    condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value], *, name: str | None = None
) -> Value: ...


@overload
def if_(
    condition: Value,
    then: Callable[[], Sequence[Value]],
    otherwise: Callable[[], Sequence[Value]],
    *,
    name: str | None = None,
) -> tuple[Value, ...]: ...


def if_(
    condition: Value,
    then: Callable[[], Value | Sequence[Value]],
    otherwise: Callable[[], Value | Sequence[Value]],
    *,
    name: str | None = None,
) -> Value | tuple[Value, ...]:
    """What `then()` builds if the condition, a bool scalar, holds, else what `otherwise()` builds; only one is run.

    Both functions build with values of this graph and give as many values, of the same types.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", [])
        >>> root = weft.if_(x > 0.0, lambda: weft.sqrt(x), lambda: x * 0.0)
        >>> session = weft.Session(graph)
        >>> float(session.run({x: 9.0}, root)), float(session.run({x: -9.0}, root))
        (3.0, -0.0)
    """
    graph = need(condition, Value, "the condition").graph
    origin = caller()
    branches, counts = [], []
    for build in (then, otherwise):
        branch, count = _branch(graph, build)
        branches.append(branch)
        counts.append(count)
    if counts[0] != counts[1]:
        raise InvalidArgumentError(f"the branches give {counts[0]} and {counts[1]} values; they must give as many", name or "", "If", origin)
    owner = graph._current
    handle = make_attrs({"then_branch": branches[0], "else_branch": branches[1]})
    made = _native.weft_graph_add(owner._handle, "If", [condition.id], handle, name, origin, counts[0])
    values = tuple(Value(owner, id) for id in made)
    return values[0] if len(values) == 1 else values


def _branch(graph: Graph, build: Callable[[], Value | Sequence[Value]]) -> tuple[Graph, int]:
    root = graph._root
    outer = root._branch
    branch = Graph._over(_native.weft_graph_new_sub((outer or graph)._handle), root)
    root._branch = branch
    try:
        result = build()
    finally:
        root._branch = outer
    given = list(result) if isinstance(result, (tuple, list)) else [result]
    values: list[Value] = [need(value, Value, "what a branch gives") for value in given]
    ids = [
        value.id if value.graph is branch else int(_native.weft_graph_add(
            branch._handle, "Identity", [value.id], None, None, caller(), 1)[0])
        for value in values
    ]
    _native.weft_graph_set_outputs(branch._handle, ids)
    return branch, len(ids)
