"""Runs a case of tests/ops through a function of weft.ops."""

from typing import Any

import numpy as np
import pytest

import weft

_NUMPY = {"f32": "f4", "f64": "f8", "f16": "f2", "bool": "?", "string": "O"}


def tensor(dtype: str, shape: list[int], values: list[Any]) -> Any:
    """A literal as an array."""
    names = {"i": "i", "u": "u"}
    kind = _NUMPY.get(dtype) or f"{names[dtype[0]]}{int(dtype[1:]) // 8}"
    return np.array(values, dtype=kind).reshape(shape)


def check_case(
    name: str,
    function: Any,
    inputs: list[Any],
    attrs: dict[str, Any],
    outputs: list[Any],
    many: bool,
    tolerance: float | None,
    fails: tuple[str, str] | None,
) -> None:
    """Feeds the inputs and compares the outputs; None among them is an omitted input or an output that is not compared."""
    graph = weft.Graph()
    feeds: dict[weft.Value, Any] = {}
    args: list[Any] = []

    def run() -> list[Any]:
        for i, item in enumerate(inputs):
            if item is None:
                args.append(None)
            elif isinstance(item, list):
                values = [graph.constant(part) for part in item]
                args.append(weft.ops.sequence_construct(*values) if values else weft.ops.sequence_empty(graph=graph))
            else:
                value = graph.input(f"in{i}", item.dtype if item.dtype != object else "string", item.shape)
                feeds[value] = item
                args.append(value)
        extra: dict[str, Any] = {"graph": graph} if not any(item is not None for item in args) else {}
        if many:
            extra["outputs"] = len(outputs) or 1
        made = function(*args, **attrs, **extra)
        values = list(made) if isinstance(made, tuple) else [made]
        wanted = [value for value, expected in zip(values, outputs) if expected is not None]
        return list(weft.Session(graph).run(feeds, wanted if outputs else values))

    if fails is not None:
        with pytest.raises((weft.WeftError, TypeError)) as caught:
            run()
        if isinstance(caught.value, TypeError):
            return  # Python itself misses an argument
        assert caught.value.code == fails[0], str(caught.value)
        assert fails[1] in str(caught.value), str(caught.value)
        return
    expected = [item for item in outputs if item is not None]
    for found, wanted in zip(run(), expected, strict=True):
        _compare(name, found, wanted, tolerance)


def _compare(name: str, found: Any, wanted: Any, tolerance: float | None) -> None:
    if isinstance(wanted, list):
        assert len(found) == len(wanted), name
        for part, literal in zip(found, wanted):
            _compare(name, part, literal, tolerance)
        return
    assert found.shape == wanted.shape, name
    assert found.dtype == wanted.dtype, name
    if wanted.dtype.kind != "f":
        assert (found == wanted).all(), name
        return
    rtol, atol = {"f4": (1e-5, 1e-6), "f8": (1e-12, 1e-12)}.get(wanted.dtype.str[1:], (1e-2, 1e-3))
    if tolerance is not None:
        rtol = atol = tolerance
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol, err_msg=name)
