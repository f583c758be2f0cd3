"""Runs random cases of operators through Weft, onnx.reference and onnxruntime."""

from __future__ import annotations

import argparse
import collections
import pathlib
import sys
import time
from collections.abc import Iterator

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rules  # noqa: E402, F401
import weft  # noqa: E402
from case import Case  # noqa: E402
from differs import DIFFERS  # noqa: E402
from faults import FAULTS  # noqa: E402
from judges import ONNXRUNTIME, REFERENCE  # noqa: E402
from left_out import LEFT_OUT  # noqa: E402
from listed import Entry  # noqa: E402
from maker import make  # noqa: E402
from verdict import JUDGES, Bench, Found, judged, verdict  # noqa: E402


def operators() -> list[str]:
    """All that ONNX has and Weft knows, but for those that are left out."""
    others = ("weft.", "com.microsoft.")
    return sorted(name for name in weft.operators() if not name.startswith(others) and name not in LEFT_OUT)


class Tally:
    """What came of the cases, and what is to be said at the end."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.used: set[Entry] = set()
        self.unexplained: list[str] = []

    def add(self, case: Case, found: Found) -> list[str]:
        """Counts a case; what is to be reported of it."""
        texts = verdict(case, found)
        self.counts["cases"] += 1
        for judge in JUDGES:
            self.counts[judge] += judged(found, judge)
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
            others = [name for name in JUDGES if name not in texts and judged(found, name)]
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


def results(bench: Bench, cases: list[Case]) -> Iterator[tuple[Case, Found]]:
    """What each gives for each case. Some are run at a time, between which the processes wait for one another."""
    for first in range(0, len(cases), 25):
        some = cases[first : first + 25]
        yield from zip(some, bench.run(some))


def show(case: Case, found: Found) -> None:
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
        parser.error(f"{', '.join(sorted(unknown))} is not run; these are: {', '.join(operators())}")
    ops = options.operators or operators()
    bench, tally, start = Bench(), Tally(), time.monotonic()
    unjudged = []
    for op in ops:
        before, reported = collections.Counter(tally.counts), 0
        numbers = range(options.cases) if options.case is None else [options.case]
        for case, found in results(bench, [make(op, options.seed, number) for number in numbers]):
            if options.case is not None:
                show(case, found)
            lines = tally.add(case, found)
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
