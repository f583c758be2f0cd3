"""Times Weft beside its peers: python -m benchmarks.beside [rows...] [--peers a,b] [--threads 1,2]
[--languages java,go]. tools/bench calls it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pathlib
import shlex
import sys
from collections.abc import Iterator

from . import machine, names, report, summary
from .campaign import PAIRS, Campaign
from .figures import FIGURES, Figure, measured
from .process import ROOT, Failed
from .protocol import ROUNDS
from .results import OtherSubject, Outcome, Results
from .row import Inference
from .rows import ROWS, named

FOLDER = ROOT / "build" / "bench"
PEERS = [*names.PEERS, *(name for name in names.PROGRAMS if any(name in row.peers for row in ROWS))]


def chosen(text: str, known: list[str], what: str) -> list[str]:
    """Names with commas between them."""
    found = text.split(",")
    for name in found:
        if name not in known:
            raise argparse.ArgumentTypeError(f"there is no {what} {name!r}; there are {', '.join(known)}")
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/bench", description="Times Weft beside its peers.")
    known = [row.name for row in ROWS] + [figure.name for figure in FIGURES]
    parser.add_argument("rows", nargs="*", metavar="row", help=f"or figure; all if none is named: {', '.join(known)}")
    parser.add_argument("--peers", type=lambda text: chosen(text, ["all", *PEERS], "peer"), default=["all"],
                        help=f"all, or some of {','.join(PEERS)}")  # fmt: skip
    parser.add_argument("--languages", type=lambda text: chosen(text, list(names.LANGUAGES), "language"),
                        default=list(names.LANGUAGES), help="from which Weft is called; figures are Python's")  # fmt: skip
    parser.add_argument("--threads", type=lambda text: [int(count) for count in text.split(",")], default=[1, 2],
                        help="1,2 unless given")  # fmt: skip
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of processes, with the best peers of a row")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each pair")
    parser.add_argument("--fresh", action="store_true", help="drop what an earlier run measured")
    parser.add_argument("--older", action="store_true",
                        help="keep what another build of the library gave for whole rows, which the report then says, and "
                        "measure the others, and rows that are named, anew; figures too")  # fmt: skip
    parser.add_argument("--begun", type=pathlib.Path, metavar="FILE",
                        help="where nothing is kept, go on from this: the benchmarks_pairs.json of a report that another "
                        "checkout made of the same library on such a machine")  # fmt: skip
    parser.add_argument("--to", type=pathlib.Path, default=FOLDER / "report", metavar="FOLDER",
                        help="where the report is written; docs for one that is to be published")  # fmt: skip
    parser.add_argument("--python", default=str(FOLDER / "venv" / "bin" / "python"), help="that has the peers")
    parser.add_argument("--peak", type=pathlib.Path, default=ROOT / "build" / "release" / "benchmarks" / "fma_peak",
                        help="the program that tells what the processor gives")  # fmt: skip
    given = parser.parse_args()
    given.again = given.rows if given.older else []
    try:
        given.rows = chosen(",".join(given.rows or known), known, "row")
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    if given.begun and not given.begun.is_file():
        parser.error(f"argument --begun: there is no file {given.begun}")
    if given.peers == ["all"]:
        given.peers = list(PEERS)
    return given


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One run at a time: two would disturb each other, and write one file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("bench: another tools/bench measures in this checkout; wait for it to end")
        yield


def line(outcome: Outcome) -> str:
    head = f"{outcome.row:<16} {outcome.threads} {outcome.peer:<14}"
    if outcome.pair is None:
        return f"{head} {outcome.unsupported or 'FAILED: ' + outcome.failed}"
    ours, theirs = outcome.pair.ours.median * 1e6, outcome.pair.theirs.median * 1e6
    ratio = sorted(outcome.pair.ratios)[len(outcome.pair.ratios) // 2]
    return f"{head} {ours:12.2f} us, peer {theirs:12.2f} us, {ratio:6.2f} times as fast; {outcome.pair.dropped} dropped"


def model(figure: Figure) -> pathlib.Path:
    """The file of the model that a figure is about."""
    path = FOLDER / "models" / f"{figure.row}.onnx"
    problem = named(figure.row).make()
    assert isinstance(problem, Inference)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(problem.model.SerializeToString())
    return path


def add_figures(results: Results, names: list[str], python: str, peak: pathlib.Path) -> bool:
    """Measures those that the results lack; whether all could be."""
    all_measured = True
    for figure in FIGURES:
        if figure.name not in names or figure.name in results.figures:
            continue
        try:
            results.add_figure(figure.name, measured(figure, python, model(figure) if figure.row else peak))
        except Failed as error:
            print(f"{figure.name:<33} FAILED: {error}", flush=True)
            all_measured = False
            continue
        print(f"{figure.name:<33} {results.figures[figure.name]:12.2f} {figure.unit}", flush=True)
    return all_measured


def run(given: argparse.Namespace) -> int:
    library = pathlib.Path(os.environ["WEFT_LIBRARY"])
    peers = ROOT / "benchmarks" / "peers"
    subject = {
        "machine": machine.description(),
        "library": machine.digest(library),
        "set of peers": machine.digest(peers / "requirements.txt", peers / "pom.xml", peers / "go.mod"),
    }
    kept = FOLDER / "results.json"
    # The same command, given again after an interruption, goes on from what it kept.
    begun = kept if kept.exists() and not given.fresh else given.begun
    try:
        results = Results.open(kept, subject, begun, given.older)
    except OtherSubject as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    campaign = Campaign(
        results, given.python, FOLDER, given.peak, pairs=given.pairs, rounds=given.rounds, again=given.again
    )
    failed = False
    rows = [row for row in ROWS if row.name in given.rows and names.parts(row.ours)[1] in given.languages]
    for outcome in campaign.run(rows, given.peers, given.threads):
        print(line(outcome), flush=True)
        failed = failed or bool(outcome.failed)
    if "python" in given.languages:
        failed = not add_figures(results, given.rows, given.python, given.peak) or failed
    command = shlex.join(["tools/bench", *(sys.argv[1:])])
    known = summary.lines(results, ROWS)
    missing = [*summary.missing(known, ROWS), *(figure.title for figure in FIGURES if figure.name not in results.figures)]
    report.write(results, known, names.PEERS, command, given.to, missing)
    print(f"the report of all that was measured is {given.to / 'benchmarks.md'}")
    return int(failed)


def main() -> int:
    given = arguments()
    with alone():
        return run(given)


if __name__ == "__main__":
    sys.exit(main())
