"""A few random cases of every operator, and what tells results apart; tools/differential runs more."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import weft
from compare import differences
from differs import DIFFERS
from faults import FAULTS
from judges import ONNXRUNTIME, REFERENCE, Outcome
from left_out import LEFT_OUT
from listed import Entry
from main import Tally, operators
from maker import make
from onnx import defs
from verdict import Bench, verdict

CASES = 5


def array(elements: Any, dtype: Any = np.float32) -> np.ndarray:
    return np.array(elements, dtype)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("op", operators())
def test_judges_agree(op: str, bench: Bench) -> None:
    tally = Tally()
    cases = [make(op, 0, number) for number in range(CASES)]
    for case, found in zip(cases, bench.run(cases)):
        tally.add(case, found)
    assert not tally.unexplained, "\n".join(tally.unexplained)


def test_lists_name_operators_that_are_there() -> None:
    known = set(weft.operators())
    assert set(LEFT_OUT) <= known
    for entry in (*DIFFERS, *FAULTS):
        assert set(entry.ops.split()) <= known, entry.ops


def test_a_case_comes_of_its_seed_and_number() -> None:
    one, same, other, seeded = make("Conv", 0, 3), make("Conv", 0, 3), make("Conv", 0, 4), make("Conv", 1, 3)
    assert one.model() == same.model() and one.text() == same.text()
    assert all(np.array_equal(one.feeds()[name], same.feeds()[name]) for name in one.feeds())
    assert one.text() not in (other.text(), seeded.text())


@pytest.mark.parametrize(
    "theirs, text",
    [
        ([array([[1, np.nan]])], ""),
        ([array([[1.00001, np.nan]])], ""),
        ([array([[1.01, np.nan]])], "C[0, 0] is 1.0 and 1.01 (1 of 2 differ)"),
        ([array([[1, 2]])], "C[0, 1] is nan and 2.0 (1 of 2 differ)"),
        ([array([1, np.nan])], "C is float32[1, 2] and float32[2]"),
        ([array([[1, np.nan]], np.float64)], "C is float32[1, 2] and float64[1, 2]"),
        ([], "1 outputs and 0"),
    ],
)
def test_differences(theirs: list[np.ndarray], text: str) -> None:
    assert differences(make("Add", 0, 0), [array([[1, np.nan]])], theirs) == text


def test_sums_are_measured_by_the_greatest() -> None:
    case = make("MatMul", 0, 0)
    ours, theirs = [array([1000, 0.001])], [array([1000, 0.002])]
    assert differences(case, ours, theirs) == ""
    assert "[1] is 0.001 and 0.002" in differences(dataclasses.replace(case, summed=False), ours, theirs)


def told(ours: Outcome, first: Outcome, second: Outcome) -> list[str]:
    """What is to be explained where these are given."""
    case = make("Erf", 0, next(i for i in range(19) if make("Erf", 0, i).type("input") == "float"))
    return list(verdict(case, {"weft": ours, REFERENCE: first, ONNXRUNTIME: second}).values())


def test_some_cases_are_wrong_and_refused(bench: Bench) -> None:
    wrong = [make("Gather", 0, number) for number in range(19, 200, 20)]
    assert all(case.spoiled for case in wrong) and len({case.spoiled for case in wrong}) > 2
    for case, found in zip(wrong, bench.run(wrong)):
        assert not verdict(case, found)
        if "that there is not" in case.spoiled:
            assert found["weft"].kind == "refused"


def test_verdicts() -> None:
    one, two = Outcome([np.float32(1)]), Outcome([np.float32(2)])
    refused, unsupported = Outcome(error="why"), Outcome(error="none", kind="unsupported")
    assert told(one, one, one) == told(one, one, refused) == told(one, unsupported, unsupported) == []
    assert told(refused, refused, refused) == told(refused, unsupported, refused) == []
    assert told(one, one, two) == [f"Weft and {ONNXRUNTIME}: output is 1.0 and 2.0 (1 of 1 differ)"]
    assert told(refused, one, refused) == ["Weft refuses: why"]
    assert told(one, refused, unsupported)[0].startswith("Weft gives a result and no judge does")
    assert told(Outcome(error="SIGSEGV", kind="crashed"), refused, refused) == ["Weft crashed: SIGSEGV"]
    wide = Outcome([np.float64(1)])
    assert told(wide, refused, refused) == ["output is float64 and not of tensor(float), as the schema says"]


def test_a_crash_ends_one_case_alone(bench: Bench) -> None:
    worker, cases = bench.workers[REFERENCE], [make("Add", 0, number) for number in range(3)]
    assert all(outcome.outputs is not None for outcome in worker.run(cases))
    worker._process.kill()
    worker._process.join()
    crashed, *others = worker.run(cases)
    assert (crashed.kind, crashed.error) == ("crashed", "SIGKILL")
    assert all(outcome.outputs is not None for outcome in others) and len(others) == 2


def plain(text: str) -> str:
    return " ".join(text.replace("'", "").replace("`", "").split())


def standard_of(op: str) -> str:
    """All that the standard's schemas say of an operator."""
    domain, _, name = op.rpartition(".")
    parts = []
    for schema in defs.get_all_schemas_with_history():
        if (schema.domain, schema.name) == (domain, name):
            formals = [*schema.inputs, *schema.outputs]
            parts += [schema.doc or "", *(f"{formal.name} {formal.type_str} {formal.description}" for formal in formals)]
            parts += [f"{a.name} {a.default_value} {a.description}" for a in schema.attributes.values()]
    return plain(" ".join(parts))


@pytest.mark.parametrize("entry", [*DIFFERS, *FAULTS], ids=lambda entry: entry.why)
def test_quotes_are_the_standards(entry: Entry) -> None:
    for quote in re.findall(r"(?<!\w)'([^']+)'(?!\w)", entry.why):
        assert any(plain(quote) in standard_of(op) for op in entry.ops.split()), quote
