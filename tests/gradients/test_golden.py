"""Outputs and gradients against those of PyTorch, in f64 (tools/golden_gradients writes the file)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import weft

import golden_file

CASES = golden_file.read()
TOLERANCE = 1e-9


def compare(what: str, found: np.ndarray, wanted: np.ndarray, tolerance: float) -> str:
    if found.shape != wanted.shape:
        return f"{what} is of shape {found.shape} and not {wanted.shape}"
    bad = ~(np.abs(found - wanted) <= tolerance * np.abs(wanted) + tolerance / 100)
    if not bad.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{what}{list(at)} is {found[at]!r} and not {wanted[at]!r} ({bad.sum()} of {bad.size} differ)"


def built(case: dict[str, Any]) -> tuple[weft.Graph, list[Any], list[weft.Value], list[np.ndarray]]:
    """The graph with the node, the node's outputs, and its moving inputs with what they are fed."""
    graph = weft.Graph()
    arguments: list[weft.Value | None] = []
    xs: list[weft.Value] = []
    fed: list[np.ndarray] = []
    for i, value in enumerate(case["inputs"]):
        if value is None:
            arguments.append(None)
            continue
        still = golden_file.constant(value)
        if still is not None:
            arguments.append(graph.constant(still))
            continue
        array = np.array(value, np.float64)
        xs.append(graph.input(f"x{i}", "f64", array.shape))
        fed.append(array)
        arguments.append(xs[-1])
    made = graph.add(case["op"], arguments, case["attrs"], outputs=len(case["outputs"]))
    return graph, list(made) if isinstance(made, tuple) else [made], xs, fed


def gradients(
    graph: weft.Graph, parts: list[tuple[weft.Value, Any, int]], xs: list[weft.Value]
) -> list[weft.Value | None]:
    """Of the weighted sum of parts: values, each with the numbers that are expected of it and the salt of its weights."""
    moving = [part for part in parts if part[0].dtype == "f64"]
    weights = [graph.constant(golden_file.weights(np.shape(wanted), salt)) for _, wanted, salt in moving]
    return graph.gradients([y for y, _, _ in moving], xs, weights)


def expected(
    what: str, values: Sequence[weft.Value | None], numbers: Sequence[Any], fed: Sequence[np.ndarray]
) -> list[tuple[str, weft.Value | None, np.ndarray]]:
    """Pairs of what Weft gives (None is nothing) and PyTorch (None is zeros)."""
    return [
        (f"{what} {i}", value, np.zeros(x.shape) if wanted is None else np.array(wanted, np.float64))
        for i, (value, wanted, x) in enumerate(zip(values, numbers, fed))
    ]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['op']} {case['name']}" for case in CASES])
def test_as_pytorch(case: dict[str, Any]) -> None:
    graph, outputs, xs, fed = built(case)
    tolerance = case.get("tolerance", TOLERANCE)
    first = gradients(graph, [(y, wanted, k) for k, (y, wanted) in enumerate(zip(outputs, case["outputs"]))], xs)
    wanted = [(f"output {k}", y, np.array(value)) for k, (y, value) in enumerate(zip(outputs, case["outputs"]))]
    wanted += expected("gradient", first, case["gradients"], fed)
    if "second" in case:
        flowing = [(g, x, golden_file.salt_of_gradient(i)) for i, (g, x) in enumerate(zip(first, fed)) if g is not None]
        second = gradients(graph, flowing, xs) if flowing else [None] * len(xs)
        wanted += expected("second order", second, case["second"], fed)
    feeds = dict(zip(xs, fed))
    session = weft.Session(graph)
    found = iter(session.run(feeds, [value for _, value, _ in wanted if value is not None]))
    told = []
    for what, value, numbers in wanted:
        array = np.zeros(numbers.shape) if value is None else np.asarray(next(found))
        told.append(compare(what, array, numbers, tolerance))
    assert not any(told), "\n".join(filter(None, told))


def test_a_wrong_number_is_told() -> None:
    good = np.array([1.0, 2.0])
    assert compare("it", good, good, TOLERANCE) == compare("it", good * (1 + 1e-10), good, TOLERANCE) == ""
    assert compare("it", good * (1 + 1e-8), good, TOLERANCE).startswith("it[0] is ")
    assert "of shape (2,) and not (1,)" in compare("it", good, good[:1], TOLERANCE)
    assert compare("it", good * np.nan, good, TOLERANCE) != ""
