"""What the results say of each row: the best peer, our ratio to it, and whether the goal is met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import interval
from .interval import Interval
from .protocol import Pair
from .results import Results
from .row import Row

# Pairs of processes that a goal is decided by.
PAIRS = 5
# How far below the goal the median may be where the goal lies in the interval.
SHORT = 0.03


@dataclass(frozen=True)
class Line:
    row: str
    title: str
    threads: int
    goal: float | None
    ours: float = 0  # seconds for a call, as are those of the peers
    peers: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # of the peers that have no time
    best: str = ""
    ratio: Interval | None = None  # the time of the best peer over ours
    pairs: int = 0  # with the best peer

    @property
    def met(self) -> bool | None:
        """None: no goal, or not enough pairs to say."""
        if self.goal is None or self.ratio is None or self.pairs < PAIRS:
            return None
        within = self.ratio.low <= self.goal <= self.ratio.high
        return self.ratio.median >= self.goal or (within and self.ratio.median >= self.goal * (1 - SHORT))


def _pairs(results: Results, row: Row, threads: int, peer: str) -> list[Pair]:
    return [outcome.pair for outcome in results.of(row.name, threads, peer) if outcome.pair is not None]


def line(results: Results, row: Row, threads: int) -> Line:
    pairs = {peer: _pairs(results, row, threads, peer) for peer in row.peers}
    reasons = {
        outcome.peer: outcome.unsupported or f"failed: {outcome.failed}"
        for peer in row.peers
        if not pairs[peer]
        for outcome in results.of(row.name, threads, peer)
    }
    measured = {peer: found for peer, found in pairs.items() if found}
    if not measured:
        return Line(row.name, row.title, threads, row.goal, reasons=reasons)
    ratios = {peer: [pair.ratios for pair in found] for peer, found in measured.items()}
    best = min(ratios, key=lambda peer: interval.median(ratios[peer]))
    return Line(
        row.name,
        row.title,
        threads,
        row.goal,
        statistics.median(pair.ours.median for found in measured.values() for pair in found),
        {peer: statistics.median(pair.theirs.median for pair in found) for peer, found in measured.items()},
        reasons,
        best,
        interval.of(ratios[best]),
        len(ratios[best]),
    )


def lines(results: Results, rows: Sequence[Row]) -> list[Line]:
    """Of all rows of which anything is known."""
    made = [line(results, row, threads) for row in rows for threads in row.threads]
    return [one for one in made if one.peers or one.reasons]


def missing(lines: Sequence[Line], rows: Sequence[Row]) -> list[str]:
    """The titles of rows that lack a line, with the numbers of threads where others of the row are there."""
    there = {(line.row, line.threads) for line in lines}
    out = []
    for row in rows:
        lacking = [str(threads) for threads in row.threads if (row.name, threads) not in there]
        if len(lacking) == len(row.threads):
            out.append(row.title)
        elif lacking:
            out.append(f"{row.title} ({' and '.join(lacking)} thread{'s' if lacking != ['1'] else ''})")
    return out
