"""Timing two contenders in turn: rounds of ours, the peer's, the peer's and ours again, each of which gives one ratio, so that
whatever changes slowly on the machine meets both alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

# Of each pair of processes; with five pairs, 35 ratios say who of two is faster.
ROUNDS = 7
# Rounds after which a peer that is far from the best of its row has been timed enough.
ROUNDS_OF_FAR = 5
# Rounds that are made at most, for each that is to be kept.
TRIES = 3
# How far the peak beside a round may be from that of the other rounds, or from that of the best pairs before.
DISTURBED = 0.08
# Of those before, so many must have had a peak at least that high: one alone may have had a lucky processor.
BEST_PAIRS = 3


class Timed(Protocol):
    def sample(self) -> dict[str, float]: ...


class Disturbed(Exception):
    """The machine did too much else to measure anything; the message says how much."""


@dataclass(frozen=True)
class Side:
    """The times of one contender in the rounds that count, in seconds for a call."""

    best: float
    median: float
    processor: float  # processor time of all threads, the median

    @classmethod
    def of(cls, samples: list[dict[str, float]]) -> Side:
        seconds = [sample["seconds"] for sample in samples]
        busy = [sample["processor_seconds"] for sample in samples]
        return cls(min(seconds), statistics.median(seconds), statistics.median(busy))


@dataclass(frozen=True)
class Pair:
    """What two processes beside each other gave. A ratio is the peer's time over ours."""

    ours: Side
    theirs: Side
    ratios: list[float]
    dropped: int
    peak: float  # GFLOP/s, the median


@dataclass(frozen=True)
class Round:
    ours: list[dict[str, float]]
    theirs: list[dict[str, float]]
    peaks: tuple[float, float]

    @property
    def ratio(self) -> float:
        return sum(sample["seconds"] for sample in self.theirs) / sum(sample["seconds"] for sample in self.ours)


def undisturbed(rounds: list[Round], before: Sequence[float] = ()) -> list[Round]:
    """Those beside which the processor gave what it gives in most of them, and in the best of the pairs before, whose peaks
    are given: a whole pair may have had less, as where two threads share one processor."""
    usual = statistics.median(peak for made in rounds for peak in made.peaks)
    if len(before) >= BEST_PAIRS:
        usual = max(usual, sorted(before)[-BEST_PAIRS])
    return [made for made in rounds if all(abs(peak / usual - 1) <= DISTURBED for peak in made.peaks)]


def measure(
    ours: Timed,
    theirs: Timed,
    peak: Callable[[], float],
    wanted: int = ROUNDS,
    far: float = math.inf,
    peaks_before: Sequence[float] = (),
) -> Pair:
    """Makes rounds until enough of them are undisturbed; fewer of a peer whose ratios are above `far`."""
    made: list[Round] = []
    kept: list[Round] = []
    while len(kept) < wanted:
        if len(made) >= TRIES * wanted:
            raise Disturbed(
                f"only {len(kept)} of {len(made)} rounds were made while the processor's peak was within "
                f"{DISTURBED:.0%} of what it is in most of them and in the best before, and {wanted} are wanted"
            )
        before = peak()
        first = ours.sample()
        other = [theirs.sample(), theirs.sample()]
        made.append(Round([first, ours.sample()], other, (before, peak())))
        kept = undisturbed(made, peaks_before)
        if len(kept) >= ROUNDS_OF_FAR and statistics.median(one.ratio for one in kept) > far:
            break
    return Pair(
        Side.of([sample for one in kept for sample in one.ours]),
        Side.of([sample for one in kept for sample in one.theirs]),
        [one.ratio for one in kept],
        len(made) - len(kept),
        statistics.median(peak for one in kept for peak in one.peaks),
    )
