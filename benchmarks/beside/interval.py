"""The median of ratios from several pairs of processes, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000

# The ratios of the rounds of each pair.
Ratios = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Interval:
    median: float
    low: float  # 95 % of resamples lie between
    high: float


def median(pairs: Ratios) -> float:
    """Over the pairs, of the medians over their rounds."""
    return float(np.median([np.median(ratios) for ratios in pairs]))


def of(pairs: Ratios) -> Interval:
    """The interval is from bootstrap. Pairs are drawn anew, and the rounds of each: from process to process times differ by
    more than they do from round to round."""
    random = np.random.RandomState(0)
    shape = (RESAMPLES, len(pairs))
    drawn = random.randint(len(pairs), size=shape)
    medians = np.empty(shape)
    for i, ratios in enumerate(pairs):
        rounds = random.choice(ratios, (*shape, len(ratios)))
        medians = np.where(drawn == i, np.median(rounds, axis=2), medians)
    low, high = np.percentile(np.median(medians, axis=1), (2.5, 97.5))
    return Interval(median(pairs), float(low), float(high))
