"""Gradients of a few random cases of every operator, and what tells wrong ones apart; tools/gradients runs more."""

import dataclasses

import numpy as np
import numeric
import pytest
import weft
from numeric import Check, operators, report
from smooth import make
from unchecked import STILL, UNCHECKED

CASES = 4


@pytest.mark.parametrize("op", operators())
def test_finite_differences_agree(op: str) -> None:
    found = [report(make(op, 0, number)) for number in range(CASES)]
    problems = [line for lines, _, _ in found for line in lines]
    assert not problems, "\n".join(problems)
    assert sum(compared for _, compared, _ in found) > 0, "nothing is compared"


def test_lists_name_operators_that_have_gradients() -> None:
    assert all(numeric.differentiable(op) for op in (*STILL, *UNCHECKED))


def test_a_case_comes_of_its_seed_and_number() -> None:
    one, same, other, seeded = make("Conv", 0, 3), make("Conv", 0, 3), make("Conv", 0, 4), make("Conv", 1, 3)
    assert one.text() == same.text() and one.text() not in (other.text(), seeded.text())
    assert all(np.array_equal(one.feeds()[name], same.feeds()[name]) for name in one.feeds())


def test_wrong_gradients_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make("Sin", 0, 0)
    assert not Check(case).problems
    true = weft.Graph.gradients

    def wrong(graph: weft.Graph, ys, xs, factors=None):  # type: ignore[no-untyped-def]
        return [None if g is None else g * (1 + 1e-4) for g in true(graph, ys, xs, factors)]

    monkeypatch.setattr(weft.Graph, "gradients", wrong)
    problems = Check(case).problems
    assert any("first order by x0" in text for text in problems) and any("second order" in text for text in problems)


def test_gradients_that_are_no_numbers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    true = weft.Graph.gradients

    def wrong(graph: weft.Graph, ys, xs, factors=None):  # type: ignore[no-untyped-def]
        return [None if g is None else g * float("nan") for g in true(graph, ys, xs, factors)]

    monkeypatch.setattr(weft.Graph, "gradients", wrong)
    assert any("first order by x0 is nan" in text for text in Check(make("Sin", 0, 0)).problems)


def test_what_is_at_a_kink_is_not_compared() -> None:
    case = make("Relu", 0, 1)
    assert case.inputs[0] is not None
    still = dataclasses.replace(case.inputs[0], value=np.array([1.0, 2.0, 1e-5]))
    check = Check(dataclasses.replace(case, inputs=[still]))
    assert (check.problems, check.skipped > 0) == ([], True)
