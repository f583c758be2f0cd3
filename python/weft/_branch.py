"""Control flow: branches and loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from . import _native
from ._errors import InvalidArgumentError
from ._graph import Graph, Value, in_kind, make_attrs
from ._handle import caller, need, whole
from ._types import DTypeLike


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
    for what, build in (("then", then), ("otherwise", otherwise)):
        if not callable(build):
            raise TypeError(
                f"{what} must be a function that builds a branch but is {type(build).__name__}; where(condition, x, y) "
                "chooses between values"
            )
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


def _lists(**given: Value | Sequence[Value]) -> None:
    """What iterating over a Value says, to split it, is not what is meant."""
    for name, values in given.items():
        if isinstance(values, Value):
            raise TypeError(f"{name} is a Value but must be a list of them")


def loop(
    body: Callable[..., Value | Sequence[Value]],
    initial: Sequence[Value] = (),
    *,
    count: Value | int | None = None,
    condition: Value | None = None,
    recompute: bool = False,
    name: str | None = None,
) -> tuple[Value, ...]:
    """Runs what `body` builds again and again: at most `count` times, and as long as its condition holds.

    `body(number, condition, *carried)` is called once. It gets the number of the iteration (an i64 scalar, from 0), the
    condition (a bool scalar) and what is carried, which is `initial` at first. It gives the condition for the next
    iteration (the one that it got, where the count alone ends the loop), what is carried on, and then anything of which
    every iteration's is wanted. The values of the graph may be used in it.

    The result is what is carried, as the last iteration left it, and then the others, stacked along a new first axis.

    A gradient keeps what it needs of each iteration. With `recompute` that is only what goes into the iteration, and the
    rest is computed again: less memory, more time, the same result.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", [])
        >>> last, all_of_them = weft.loop(lambda i, go_on, y: (go_on, y * x, y), [x], count=3)
        >>> session = weft.Session(graph)
        >>> [out.tolist() for out in session.run({x: 2.0}, [last, all_of_them])]
        [16.0, [2.0, 4.0, 8.0]]
        >>> (big,) = weft.loop(lambda i, go_on, y: (y * y < 1000.0, y * y), [x])
        >>> float(session.run({x: 2.0}, big))
        65536.0
    """
    _lists(initial=initial)
    carried = [need(value, Value, "what is carried") for value in initial]
    known = [*carried, *(value for value in (count, condition) if isinstance(value, Value))]
    if not known:
        raise InvalidArgumentError("a loop needs a count, a condition or something to carry that is a Value", name or "", "Loop", caller())
    graph = known[0].graph
    if condition is not None:
        need(condition, Value, "the condition")
    if count is None or isinstance(count, Value):
        most = count
    else:
        most = graph._current.constant(np.int64(whole(count, "the count")))
    ids = [0 if most is None else most.id, 0 if condition is None else condition.id, *(value.id for value in carried)]
    return _repeat(graph, "Loop", ids, body, {"recompute": recompute}, 1, name)


def scan(
    body: Callable[..., Value | Sequence[Value]],
    initial: Sequence[Value],
    scanned: Sequence[Value],
    *,
    axes: Sequence[int] | None = None,
    backward: Sequence[bool] | None = None,
    output_axes: Sequence[int] | None = None,
    output_backward: Sequence[bool] | None = None,
    recompute: bool = False,
    name: str | None = None,
) -> tuple[Value, ...]:
    """Runs what `body` builds once for each item along an axis of the `scanned` values, which are of one length.

    `body(*carried, *items)` is called once. It gets what is carried, which is `initial` at first, and an item of each
    scanned value, without the axis. It gives what is carried on, and then anything of which every iteration's is wanted.
    The values of the graph may be used in it.

    `axes` are the axes of the scanned values (0 if not given), `backward` says which of them are gone through from the
    end; `output_axes` and `output_backward` are the same for what is stacked. `recompute` is for gradients, as for `loop`.

    The result is what is carried, as the last iteration left it, and then the others, stacked.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", ["n"])
        >>> total, sums = weft.scan(lambda sum, item: (sum + item, sum + item), [graph.constant(0.0, dtype="f32")], [x])
        >>> weft.Session(graph).run({x: [1.0, 2.0, 4.0]}, sums).tolist()
        [1.0, 3.0, 7.0]
    """
    _lists(initial=initial, scanned=scanned)
    carried = [need(value, Value, "what is carried") for value in initial]
    items = [need(value, Value, "what is scanned") for value in scanned]
    if not items:
        raise InvalidArgumentError("a scan needs something to go through", name or "", "Scan", caller())
    attrs: dict[str, Any] = {
        "num_scan_inputs": len(items),
        "scan_input_axes": axes,
        "scan_input_directions": None if backward is None else [int(flag) for flag in backward],
        "scan_output_axes": output_axes,
        "scan_output_directions": None if output_backward is None else [int(flag) for flag in output_backward],
        "recompute": recompute,
    }
    return _repeat(items[0].graph, "Scan", [value.id for value in [*carried, *items]], body, attrs, 0, name)


def sequence_map(
    body: Callable[..., Value | Sequence[Value]], sequence: Value, *others: Value, name: str | None = None
) -> tuple[Value, ...]:
    """Computes what `body` builds for each item of one or more sequences of one length.

    `body(*items)` is called once. It gets an item of each input that is a sequence, and each other one as it is. The
    values of the graph may be used in it. The result is, for each value that it gives, the sequence of what that was.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", ["n"])
        >>> parts = weft.split_to_sequence(x, graph.constant([1, 2], dtype="i64"))
        >>> (squares,) = weft.sequence_map(lambda item: item * item, parts)
        >>> [item.tolist() for item in weft.Session(graph).run({x: [1.0, 2.0, 3.0]}, squares)]
        [[1.0], [4.0, 9.0]]
    """
    inputs = [need(sequence, Value, "the sequence"), *(need(value, Value, "what is given beside") for value in others)]
    return _repeat(inputs[0].graph, "SequenceMap", [value.id for value in inputs], body, {}, 0, name)


def flex_attention(
    query: Value,
    key: Value,
    value: Value,
    *,
    score_mod: Callable[[Value], Value] | None = None,
    prob_mod: Callable[[Value], Value] | None = None,
    scale: float | None = None,
    softmax_precision: DTypeLike | None = None,
    name: str | None = None,
) -> Value:
    """Attention whose scores go through what `score_mod` builds, and whose weights through what `prob_mod` builds.

    Computes ``prob_mod(softmax(score_mod(scale * query @ key.T))) @ value`` for each head (ONNX's
    ai.onnx.preview.FlexAttention). Both functions are called once, with a value [N, heads, L, S] of `softmax_precision`,
    and give one of the same shape and type. The values of the graph may be used in them.

    Args:
        query: [N, heads, L, features].
        key: [N, heads of keys, S, features]; each head is shared by as many neighbours of the query's.
        value: [N, heads of keys, S, features of values].
        score_mod: What becomes of the scores; -inf is where a query does not look.
        prob_mod: What becomes of the weights.
        scale: Factor of the scores; 1 / sqrt(features) if not given.
        softmax_precision: The element type of scores and weights; "f64" for f64, else "f32", if not given.
        name: Of the node.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", [1, 1, 2, 1])
        >>> y = weft.flex_attention(x, x, x, score_mod=lambda scores: scores * 0.0)
        >>> weft.Session(graph).run({x: [[[[1.0], [3.0]]]]}, y).tolist()
        [[[[2.0], [2.0]]]]
    """
    inputs = [need(part, Value, what) for part, what in ((query, "the query"), (key, "the key"), (value, "the value"))]
    graph, origin = inputs[0].graph, caller()
    ids = [part.id for part in inputs]
    op = "ai.onnx.preview.FlexAttention"
    plain = in_kind({"scale": scale, "softmax_precision": softmax_precision}, _native.weft_op_inspect, op)
    attrs = dict(plain)
    for attr, build in (("score_mod", score_mod), ("prob_mod", prob_mod)):
        if build is not None:
            attrs[attr] = _body(graph, op, ids, plain, build)[0]
    owner = graph._current
    (made,) = _native.weft_graph_add(owner._handle, op, ids, make_attrs(attrs), name, origin, 1)
    return Value(owner, made)


def _repeat(
    graph: Graph,
    op: str,
    inputs: list[int],
    build: Callable[..., Value | Sequence[Value]],
    attrs: dict[str, Any],
    own: int,
    name: str | None,
) -> tuple[Value, ...]:
    """Adds a node whose body `build` builds; so many of the body's outputs, the first ones, are no outputs of the node."""
    origin = caller()
    body, count = _body(graph, op, inputs, attrs, build)
    if count < own:
        raise InvalidArgumentError("the body gives no condition", name or "", op, origin)
    owner = graph._current
    handle = make_attrs({**attrs, "body": body})
    made = _native.weft_graph_add(owner._handle, op, inputs, handle, name, origin, count - own)
    return tuple(Value(owner, id) for id in made)


def _body(
    graph: Graph, op: str, inputs: list[int], attrs: dict[str, Any], build: Callable[..., Value | Sequence[Value]]
) -> tuple[Graph, int]:
    root = graph._root
    body = Graph._over(_native.weft_graph_new_body((root._branch or graph)._handle, op, inputs, make_attrs(attrs)), root)
    return body, _fill(body, root, lambda: build(*body.inputs))


def _branch(graph: Graph, build: Callable[[], Value | Sequence[Value]]) -> tuple[Graph, int]:
    root = graph._root
    branch = Graph._over(_native.weft_graph_new_sub((root._branch or graph)._handle), root)
    return branch, _fill(branch, root, build)


def _fill(branch: Graph, root: Graph, build: Callable[[], Value | Sequence[Value]]) -> int:
    """Builds in a sub-graph; says how many values it gives."""
    outer = root._branch
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
    return len(ids)
