"""Runs random cases of operators through Weft, onnx.reference and onnxruntime."""

from __future__ import annotations

import argparse
import collections
import pathlib
import sys
import time
from collections.abc import Callable

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rules  # noqa: E402, F401
import values  # noqa: E402
import weft  # noqa: E402
from case import Case  # noqa: E402
from compare import differences  # noqa: E402
from differs import DIFFERS  # noqa: E402
from faults import FAULTS  # noqa: E402
from judges import ONNXRUNTIME, REFERENCE, Outcome  # noqa: E402
from left_out import LEFT_OUT  # noqa: E402
from listed import NOBODY, Entry  # noqa: E402
from maker import make  # noqa: E402
from workers import Worker  # noqa: E402

JUDGES = (REFERENCE, ONNXRUNTIME)


def operators() -> list[str]:
    """All that ONNX has and Weft knows, but for those that are left out."""
    return sorted(name for name in weft.operators() if not name.startswith("weft.") and name not in LEFT_OUT)


class Bench:
    """Weft and its judges, each in a process."""

    def __init__(self) -> None:
        self.workers = {name: Worker(name) for name in ("weft", *JUDGES)}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def run(self, case: Case) -> dict[str, Outcome]:
        for worker in self.workers.values():
            worker.ask(case)
        return {name: worker.answer() for name, worker in self.workers.items()}

    def verdicts(self, case: Case) -> tuple[dict[str, str], dict[str, Outcome]]:
        """What is to be explained, by judge ("weft" where Weft alone is to blame), and what each gave."""
        found = self.run(case)
        ours = found["weft"]
        if ours.kind in ("crashed", "broken") and ours.outputs is None:
            return {"weft": f"Weft {ours.kind}: {ours.error}"}, found
        if ours.outputs is not None and not case.spoiled:
            wrong = wrong_types(case, ours)
            if wrong:
                return {"weft": wrong}, found
        texts = {}
        for judge in JUDGES if not case.spoiled else ():
            text = self.difference(case, ours, found[judge], judge)
            if text:
                texts[judge] = text
        silent = all(found[judge].outputs is None for judge in JUDGES)
        if ours.outputs is not None and silent and any(found[judge].kind != "unsupported" for judge in JUDGES):
            texts[NOBODY] = f"Weft gives a result and no judge does: {reasons(found)}"
        return texts, found

    def difference(self, case: Case, ours: Outcome, theirs: Outcome, judge: str) -> str:
        """What Weft and a judge differ in; `theirs` becomes what the judge gave at last."""
        text = ""
        if theirs.outputs is not None and ours.outputs is not None:
            text = differences(case, ours.outputs, theirs.outputs)
        if ours.outputs is not None and (text or theirs.outputs is None):
            again = IN_F32[judge](theirs)
            if again and any(item is not None and item.value is not None and again(item.type) for item in case.inputs):
                turned = self.workers[judge].run(case.in_f32(again))
                if turned.outputs is not None:
                    theirs.outputs = turned.outputs
                    text = differences(case, ours.outputs, turned.outputs, rounded=True)
        if ours.outputs is None and theirs.outputs is not None:
            return f"Weft refuses: {ours.error}"
        return f"Weft and {judge}: {text}" if text else ""


def is_f64_or_half(type_: str) -> bool:
    return values.is_half(type_) or values.element(type_) == "double"


# Which types a judge is asked about again as f32, and its results rounded: the reference computes each step in halves,
# and onnxruntime has f32 of some operators alone.
IN_F32: dict[str, Callable[[Outcome], Callable[[str], bool] | None]] = {
    REFERENCE: lambda theirs: values.is_half,
    ONNXRUNTIME: lambda theirs: is_f64_or_half if theirs.kind == "unsupported" and theirs.outputs is None else None,
}


def wrong_types(case: Case, ours: Outcome) -> str:
    """What the standard's schema says otherwise of the types of results."""
    assert ours.outputs is not None
    for (name, type_), value in zip([pair for pair in zip(case.outputs, case.output_types) if pair[0]], ours.outputs):
        if type_ is None or not type_.startswith("tensor(") or value is None or isinstance(value, list):
            continue
        if value.dtype != values.dtype(type_):
            return f"{name} is {value.dtype} and not of {type_}, as the schema says"
    return ""


def reasons(found: dict[str, Outcome]) -> str:
    return "; ".join(f"{judge}: {found[judge].kind}: {found[judge].error}" for judge in JUDGES)


class Tally:
    """What came of the cases, and what is to be said at the end."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.used: set[Entry] = set()
        self.unexplained: list[str] = []

    def add(self, case: Case, texts: dict[str, str], found: dict[str, Outcome]) -> list[str]:
        """Counts a case; what is to be reported of it."""
        self.counts["cases"] += 1
        for judge in JUDGES:
            self.counts[judge] += found[judge].outputs is not None
            self.counts["crashes"] += found[judge].kind == "crashed"
        if found["weft"].outputs is None:
            self.counts["refused"] += 1
        lines = []
        for judge, text in texts.items():
            entries = [entry for entry in (*DIFFERS, *FAULTS) if entry.fits(case, judge, text)]
            if entries:
                self.used.update(entries)
                self.counts["known"] += 1
                continue
            others = [name for name in JUDGES if name not in texts and found[name].outputs is not None]
            agree = f" ({', '.join(others)} agrees with Weft)" if others else ""
            lines.append(f"{case.op} seed {case.seed} case {case.number}: {text}{agree}")
        if lines:
            lines.append(f"    {case.text()}")
            lines.append(f"    alone: tools/differential {case.op} --seed {case.seed} --case {case.number}")
            self.unexplained.append("\n".join(lines))
        return lines

    def unused(self, ops: set[str]) -> list[str]:
        """Entries about these operators that nothing fitted."""
        return [
            f"{entry.ops}, {entry.judge}: nothing is as the entry says: {entry.why}"
            for entry in (*DIFFERS, *FAULTS)
            if entry not in self.used and set(entry.ops.split()) <= ops
        ]


def show(case: Case, found: dict[str, Outcome]) -> None:
    """All that is to be seen of one case."""
    print(case.text())
    for i, item in enumerate(case.inputs):
        if item is not None:
            print(f"  in{i} {item.formal} {item.type}:\n{item.value}")
    for name, outcome in found.items():
        print(f"  {name}: {outcome.kind + ': ' + outcome.error if outcome.outputs is None else ''}")
        for output in outcome.outputs or []:
            print(f"{output.dtype if hasattr(output, 'dtype') else ''}{list(getattr(output, 'shape', ()))}\n{output}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/differential", description=__doc__)
    parser.add_argument("operators", nargs="*", help="their names; all if none is given")
    parser.add_argument("--cases", type=int, default=10, help="of each operator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this one alone, with all values")
    parser.add_argument("--most", type=int, default=5, help="reports of each operator")
    options = parser.parse_args()
    unknown = set(options.operators) - set(operators())
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not among the operators that are run, which are {', '.join(operators())}")
    ops = options.operators or operators()
    bench, tally, start = Bench(), Tally(), time.monotonic()
    unjudged = []
    for op in ops:
        before, reported = collections.Counter(tally.counts), 0
        for number in range(options.cases) if options.case is None else [options.case]:
            case = make(op, options.seed, number)
            texts, found = bench.verdicts(case)
            if options.case is not None:
                show(case, found)
            lines = tally.add(case, texts, found)
            reported += bool(lines)
            if lines and reported <= options.most:
                print("\n".join(lines), flush=True)
        now = tally.counts - before
        if not any(now[judge] for judge in JUDGES):
            unjudged.append(op)
        print(
            f"{op}: {now['cases']} cases, judged by {REFERENCE} {now[REFERENCE]}, {ONNXRUNTIME} {now[ONNXRUNTIME]}; "
            f"refused {now['refused']}, known to differ {now['known']}, unexplained {reported}"
            + (f", crashes of judges {now['crashes']}" if now["crashes"] else ""),
            flush=True,
        )
    bench.close()
    if unjudged:
        print(f"no judge knows {', '.join(unjudged)}")
    bad = len(tally.unexplained)
    if options.case is None and options.cases >= 200 and options.seed == 0:
        for text in tally.unused(set(ops)):
            print(text)
            bad += 1
    print(f"{tally.counts['cases']} cases in {time.monotonic() - start:.0f} s; {bad} to explain")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
