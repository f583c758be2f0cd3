"""What is measured in which order: of each row one pair with every peer, then more with those that may be the best."""

from __future__ import annotations

import hashlib
import math
import pathlib
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from . import interval, machine, names, programs
from .check import WrongResults, check
from .process import ROOT, Child, Failed, environment
from .protocol import ROUNDS, Disturbed, measure
from .results import Outcome, Results
from .row import Row

# Pairs of processes with a peer that may be the best of its row.
PAIRS = 5
# Which are those that are slower than the best by this factor at most, after one pair.
NEAR = 1.1
# Those that are slower than the best so far by this factor are timed no longer than it takes to see that.
FAR = 1.5
HERE = pathlib.Path(__file__).resolve().parent


class Reference:
    """The files of wanted results, made where they are missing or were made by other code."""

    def __init__(self, python: str, folder: pathlib.Path) -> None:
        names = ("row.py", "net.py", "rows.py", "reference.py", "reference_operators.py")
        sources = sorted([*(HERE / name for name in names), *HERE.glob("models/*.py")])
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
        self.python, self.folder = python, folder / digest

    def of(self, row: Row) -> pathlib.Path:
        path = self.folder / f"{row.name}.npz"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            made = path.with_suffix(".new.npz")
            command = [self.python, "-m", "benchmarks.beside.reference", row.name, str(made)]
            if subprocess.run(command, cwd=ROOT, env=environment(1)).returncode != 0:
                raise Failed(f"what {row.name} should give could not be computed: {shlex.join(command)}")
            made.replace(path)
        return path


@dataclass(frozen=True)
class Campaign:
    results: Results
    python: str  # in whose environment the contenders run
    folder: pathlib.Path  # of logs and references
    peak: pathlib.Path  # the program
    pairs: int = PAIRS
    rounds: int = ROUNDS

    def run(self, rows: Sequence[Row], peers: Sequence[str], threads: Sequence[int]) -> Iterator[Outcome]:
        """Measures what the results lack, and tells of each pair as soon as it is in the file."""
        for row in rows:
            for count in row.threads:
                if count in threads:
                    yield from self._row(row, peers, count)

    def _row(self, row: Row, asked: Sequence[str], threads: int) -> Iterator[Outcome]:
        peers = [peer for peer in row.peers if peer in asked]
        for peer in peers:
            if not self.results.of(row.name, threads, peer):
                best = min(self._medians(row, peers, threads).values(), default=math.inf)
                yield self._pair(row, threads, peer, far=FAR * best)
        for peer in self._near(row, peers, threads):
            for _ in range(self.pairs - len(self.results.of(row.name, threads, peer))):
                yield self._pair(row, threads, peer)

    def _medians(self, row: Row, peers: Sequence[str], threads: int) -> dict[str, float]:
        """Of the first pair with each peer alone, so that an interrupted run goes on with the same peers."""
        ratios = {peer: self.results.ratios(row.name, threads, peer) for peer in peers}
        return {peer: interval.median(found[:1]) for peer, found in ratios.items() if found}

    def _near(self, row: Row, peers: Sequence[str], threads: int) -> list[str]:
        medians = self._medians(row, peers, threads)
        return [peer for peer, median in medians.items() if median <= NEAR * min(medians.values())]

    def _pair(self, row: Row, threads: int, peer: str, far: float = math.inf) -> Outcome:
        try:
            outcome = self._measured(row, threads, peer, far)
        except (Failed, Disturbed) as error:
            outcome = Outcome(row.name, threads, peer, failed=str(error))
        self.results.add(outcome)
        return outcome

    def _measured(self, row: Row, threads: int, peer: str, far: float) -> Outcome:
        wanted = Reference(self.python, self.folder / "reference").of(row)
        with self._child(peer, row, threads, wanted) as theirs:
            if "unsupported" in theirs.ready:
                return Outcome(row.name, threads, peer, unsupported=theirs.ready["unsupported"])
            with self._child(row.ours, row, threads, wanted) as ours:
                before = self.results.peaks(threads)
                pair = measure(ours, theirs, machine.peak(self.peak, threads), self.rounds, far, before)
                memory = (ours.peak_memory_mib, theirs.peak_memory_mib)
                return Outcome(row.name, threads, peer, theirs.ready["version"], memory, pair)

    def _child(self, contender: str, row: Row, threads: int, wanted: pathlib.Path) -> Child:
        if contender in names.PROGRAMS:
            return self._program(contender, row, threads, wanted)
        command = [self.python, "-m", "benchmarks.beside.child", contender, row.name, str(threads), str(wanted)]
        child = Child(contender, command, self._log(contender, row, threads), threads)
        if "failed" in child.ready:
            child.close()
            raise Failed(f"{contender}: {child.ready['failed']}; see {child.log}")
        return child

    def _program(self, contender: str, row: Row, threads: int, wanted: pathlib.Path) -> Child:
        command = programs.command(contender, row.make(), threads, self.folder / "problems" / row.name)
        child = Child(contender, command, self._log(contender, row, threads), threads)
        try:
            with np.load(wanted) as file:
                expected = [values.reshape(-1) for values in file.values()]
            check([np.array(child.ready["results"], float)], expected, row.rtol, row.least)
        except WrongResults as error:
            child.close()
            raise Failed(f"{contender}: {type(error).__name__}: {error}") from None
        return child

    def _log(self, contender: str, row: Row, threads: int) -> pathlib.Path:
        return self.folder / "logs" / f"{row.name}-{threads}-{contender}.log"
