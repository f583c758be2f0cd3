"""Weft and its judges, and what is to be explained of a case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import values
from case import Case
from compare import differences
from judges import ONNXRUNTIME, REFERENCE, Outcome
from listed import NOBODY
from workers import Worker

JUDGES = (REFERENCE, ONNXRUNTIME)
# Who gave what: "weft", each judge, and a judge's name with this behind it where it was asked about f32 instead.
F32 = " in f32"
Found = dict[str, Outcome]


class Bench:
    """Each in a process."""

    def __init__(self) -> None:
        self.workers = {name: Worker(name) for name in ("weft", *JUDGES)}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def run(self, cases: Sequence[Case]) -> list[Found]:
        """What each gives for each case."""
        for worker in self.workers.values():
            worker.ask(cases)
        answers = {name: worker.answers() for name, worker in self.workers.items()}
        found = [{name: answers[name][i] for name in self.workers} for i in range(len(cases))]
        turned = {judge: [in_f32(case, one, judge) for case, one in zip(cases, found)] for judge in JUDGES}
        for judge in JUDGES:
            self.workers[judge].ask([case for case in turned[judge] if case is not None])
        for judge in JUDGES:
            places = [i for i, case in enumerate(turned[judge]) if case is not None]
            for i, outcome in zip(places, self.workers[judge].answers()):
                found[i][judge + F32] = outcome
        return found


def in_f32(case: Case, found: Found, judge: str) -> Case | None:
    """What a judge is asked about instead.

    The reference computes each step in halves, which is to be told from a difference; onnxruntime has f32 of some
    operators alone.
    """
    ours, theirs = found["weft"], found[judge]
    if case.spoiled or ours.outputs is None:
        return None
    instead: Callable[[str], bool]
    if judge == REFERENCE:
        instead = values.is_half
        if theirs.outputs is not None and not differences(case, ours.outputs, theirs.outputs):
            return None
    else:
        instead = is_f64_or_half
        if theirs.kind != "unsupported" or theirs.outputs is not None:
            return None
    types = [item.type for item in case.inputs if item is not None and item.value is not None]
    return case.in_f32(instead) if any(instead(type_) for type_ in types) else None


def is_f64_or_half(type_: str) -> bool:
    return values.is_half(type_) or values.element(type_) == "double"


def judged(found: Found, judge: str) -> bool:
    """Whether a judge gave a result."""
    return any(found[name].outputs is not None for name in (judge, judge + F32) if name in found)


def verdict(case: Case, found: Found) -> dict[str, str]:
    """What is to be explained, by judge: "weft" where Weft alone is to blame, NOBODY where it gives what no judge gives."""
    ours = found["weft"]
    if ours.outputs is None and ours.kind in ("crashed", "broken"):
        return {"weft": f"Weft {ours.kind}: {ours.error}"}
    wrong = "" if case.spoiled or ours.outputs is None else wrong_types(case, ours)
    if wrong:
        return {"weft": wrong}
    silent = not any(judged(found, judge) for judge in JUDGES)
    refused = any(found[judge].kind != "unsupported" for judge in JUDGES)
    if ours.outputs is not None and silent and refused:
        return {NOBODY: f"Weft gives a result and no judge does: {reasons(found)}"}
    if case.spoiled:
        return {}
    if ours.outputs is None:
        return {judge: f"Weft refuses: {ours.error}" for judge in JUDGES if judged(found, judge)}
    texts = {judge: difference(case, found, judge) for judge in JUDGES}
    return {judge: f"Weft and {judge}: {text}" for judge, text in texts.items() if text}


def difference(case: Case, found: Found, judge: str) -> str:
    ours, theirs, turned = found["weft"], found[judge], found.get(judge + F32)
    assert ours.outputs is not None
    if turned is not None and turned.outputs is not None:
        return differences(case, ours.outputs, turned.outputs, rounded=True)
    return "" if theirs.outputs is None else differences(case, ours.outputs, theirs.outputs)


def wrong_types(case: Case, ours: Outcome) -> str:
    """What the standard's schema says otherwise of the types of results."""
    assert ours.outputs is not None
    for (name, type_), value in zip([pair for pair in zip(case.outputs, case.output_types) if pair[0]], ours.outputs):
        if type_ is None or not type_.startswith("tensor(") or value is None or isinstance(value, list):
            continue
        if value.dtype != values.dtype(type_):
            return f"{name} is {value.dtype} and not of {type_}, as the schema says"
    return ""


def reasons(found: Found) -> str:
    return "; ".join(f"{judge}: {found[judge].kind}: {found[judge].error}" for judge in JUDGES)
