"""Indices of a Value, as nodes of its graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._errors import InvalidArgumentError
from ._graph import Value, add_node
from ._handle import described, whole
from ._tensor import Tensor

_FAR = 2**62  # from any index


def _bound(part: Any) -> int | None:
    """A part of a slice; what is far outside stands for the end."""
    if part is None:
        return None
    if not hasattr(part, "__index__"):
        raise TypeError(f"a slice is made of integers and None, not of {described(part)}")
    return max(-_FAR, min(int(part.__index__()), _FAR))


def indexed(value: Value, index: tuple[Any, ...]) -> Value:
    """What `value[index]` is."""
    rank = value.rank
    if rank is None:
        raise InvalidArgumentError(f"{value!r} has no known rank; use weft.gather or weft.slice")
    if sum(item is Ellipsis for item in index) > 1:
        raise IndexError("an index can have only one ...")
    given = sum(item is not Ellipsis and item is not None for item in index)
    if given > rank:
        raise IndexError(f"{given} indices for {value!r}, which has {rank} dimensions")
    if Ellipsis in [item if item is Ellipsis else None for item in index]:
        at = next(i for i, item in enumerate(index) if item is Ellipsis)
        index = index[:at] + (slice(None),) * (rank - given) + index[at + 1 :]
    starts: list[int] = []
    ends: list[int] = []
    axes: list[int] = []
    steps: list[int] = []
    dropped: list[int] = []
    added: list[int] = []
    axis = 0
    for place, item in enumerate(index):
        if item is None:
            added.append(place - len(dropped))
            continue
        if isinstance(item, slice):
            start, stop, step = (_bound(part) for part in (item.start, item.stop, item.step))
            step = 1 if step is None else step
            if item != slice(None):
                starts.append((0 if step > 0 else _FAR) if start is None else start)
                ends.append((_FAR if step > 0 else -_FAR) if stop is None else stop)
                axes.append(axis)
                steps.append(step)
        elif hasattr(item, "__index__") and not isinstance(item, bool):
            start = whole(item, "an index")
            starts.append(start)
            ends.append(start + 1 if start != -1 else _FAR)
            axes.append(axis)
            steps.append(1)
            dropped.append(axis)
        else:
            raise TypeError(f"a Value is indexed by integers, slices, None and ..., not by {described(item)}")
        axis += 1
    out = value
    shape = value.shape or ()
    for at in dropped:  # what a slice would leave empty is an error
        size, start = shape[at], starts[axes.index(at)]
        if isinstance(size, int) and not -size <= start < size:
            raise IndexError(f"index {start} is outside dimension {at} of {value!r}")
    graph = value.graph
    if axes:
        out = add_node(graph, "Slice", [out, _ints(starts), _ints(ends), _ints(axes), _ints(steps)], {}, 1, None)
    if dropped:
        out = add_node(graph, "Squeeze", [out, _ints(dropped)], {}, 1, None)
    if added:
        out = add_node(graph, "Unsqueeze", [out, _ints(added)], {}, 1, None)
    return out


def _ints(values: Sequence[int]) -> Tensor:
    return Tensor(list(values), "i64") if values else Tensor([], "i64")
