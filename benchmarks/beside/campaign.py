"""What is measured in which order: of each row one pair with every peer, then more with those that may be the best."""

from __future__ import annotations

import hashlib
import math
import pathlib
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from . import interval, machine, names, programs
from .check import WrongResults, check
from .process import ROOT, Child, Failed, environment, processors
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


def _in_twos(contenders: Sequence[str]) -> Iterator[Sequence[str]]:
    return (contenders[i : i + 2] for i in range(0, len(contenders), 2))


@dataclass(frozen=True)
class Campaign:
    results: Results
    python: str  # in whose environment the contenders run
    folder: pathlib.Path  # of logs and references
    peak: pathlib.Path  # the program
    pairs: int = PAIRS
    rounds: int = ROUNDS
    again: Sequence[str] = ()  # rows that are measured anew where another build of the library was

    def run(self, rows: Sequence[Row], peers: Sequence[str], threads: Sequence[int]) -> Iterator[Outcome]:
        """Measures what the results lack, and tells of each pair as soon as it is in the file."""
        for row in rows:
            for count in row.threads:
                if count in threads:
                    yield from self._row(row, peers, count)

    def _row(self, row: Row, asked: Sequence[str], threads: int) -> Iterator[Outcome]:
        peers = [peer for peer in row.peers if peer in asked]
        # No row is of two libraries.
        if row.name in self.again or self._lacks(row, peers, threads):
            self.results.drop_older(row.name, threads)
        yield from self._pairs(row, [peer for peer in peers if not self.results.of(row.name, threads, peer)], threads)
        for peer in self._near(row, peers, threads):
            for _ in range(self.pairs - len(self.results.of(row.name, threads, peer))):
                yield from self._pairs(row, [peer], threads)
        # Whose first pair was unlucky may turn out to be the best, of which the report tells.
        while (best := self._best(row, peers, threads)) and len(self.results.of(row.name, threads, best)) < self.pairs:
            yield from self._pairs(row, [best], threads)

    def _lacks(self, row: Row, peers: Sequence[str], threads: int) -> bool:
        """Whether anything is still to be measured."""
        counts = {peer: len(self.results.of(row.name, threads, peer)) for peer in peers}
        wanted = {*self._near(row, peers, threads), self._best(row, peers, threads)}
        return not all(counts.values()) or any(counts[peer] < self.pairs for peer in wanted if peer is not None)

    def _best(self, row: Row, peers: Sequence[str], threads: int) -> str | None:
        ratios = {peer: self.results.ratios(row.name, threads, peer) for peer in peers}
        return min((peer for peer in peers if ratios[peer]), key=lambda peer: interval.median(ratios[peer]), default=None)

    def _medians(self, row: Row, peers: Sequence[str], threads: int) -> dict[str, float]:
        """Of the first pair with each peer alone, so that an interrupted run goes on with the same peers."""
        ratios = {peer: self.results.ratios(row.name, threads, peer) for peer in peers}
        return {peer: interval.median(found[:1]) for peer, found in ratios.items() if found}

    def _near(self, row: Row, peers: Sequence[str], threads: int) -> list[str]:
        medians = self._medians(row, peers, threads)
        return [peer for peer, median in medians.items() if median <= NEAR * min(medians.values())]

    def _pairs(self, row: Row, peers: Sequence[str], threads: int) -> Iterator[Outcome]:
        """One with each peer, all with the same process of ours."""
        ours: Child | Failed | None = None
        try:
            for two in _in_twos([row.ours, *peers] if peers else []):
                started = self._started(two, row, threads)
                if ours is None:
                    ours = started.pop(row.ours)
                for peer, theirs in started.items():
                    outcome = self._pair(row, threads, peer, ours, theirs)
                    self.results.add(outcome)
                    yield outcome
        finally:
            if isinstance(ours, Child):
                ours.close()

    def _pair(self, row: Row, threads: int, peer: str, ours: Child | Failed, theirs: Child | Failed) -> Outcome:
        try:
            if isinstance(theirs, Failed):
                raise theirs
            with theirs:
                if "unsupported" in theirs.ready:
                    return Outcome(row.name, threads, peer, unsupported=theirs.ready["unsupported"])
                if isinstance(ours, Failed):
                    raise ours
                first = not self.results.of(row.name, threads, peer)
                best = min(self._medians(row, row.peers, threads).values(), default=math.inf)
                before = self.results.peaks(threads)
                peak = machine.peak(self.peak, threads)
                pair = measure(ours, theirs, peak, self.rounds, FAR * best if first else math.inf, before)
                memory = (ours.peak_memory_mib, theirs.peak_memory_mib)
                return Outcome(row.name, threads, peer, theirs.ready["version"], machine.system(), memory, pair)
        except (Failed, Disturbed) as error:
            return Outcome(row.name, threads, peer, failed=str(error))

    def _started(self, contenders: Sequence[str], row: Row, threads: int) -> dict[str, Child | Failed]:
        """At the same time, since to import and compile takes longer than to time; none is timed before all are ready."""

        def start(contender: str, ready_on: Sequence[int]) -> Child | Failed:
            try:
                return self._child(contender, row, threads, wanted, ready_on)
            except Failed as error:
                return error

        try:
            wanted = Reference(self.python, self.folder / "reference").of(row)
        except Failed as error:
            return dict.fromkeys(contenders, error)
        with ThreadPoolExecutor() as pool:
            return dict(zip(contenders, pool.map(start, contenders, processors(threads))))

    def _child(self, contender: str, row: Row, threads: int, wanted: pathlib.Path, ready_on: Sequence[int]) -> Child:
        if contender in names.PROGRAMS:
            return self._program(contender, row, threads, wanted, ready_on)
        command = [self.python, "-m", "benchmarks.beside.child", contender, row.name, str(threads), str(wanted)]
        child = Child(contender, command, self._log(contender, row, threads), threads, ready_on)
        if "failed" in child.ready:
            child.close()
            raise Failed(f"{contender}: {child.ready['failed']}; see {child.log}")
        return child

    def _program(self, contender: str, row: Row, threads: int, wanted: pathlib.Path, ready_on: Sequence[int]) -> Child:
        command = programs.command(contender, row.make(), threads, self.folder / "problems" / row.name / contender)
        child = Child(contender, command, self._log(contender, row, threads), threads, ready_on)
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
