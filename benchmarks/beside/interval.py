"""The median of ratios from several pairs of processes, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    median: float
    low: float  # 95 % of resamples lie between
    high: float


def of(pairs: Sequence[Sequence[float]]) -> Interval:
    """The median over the pairs of the medians over their rounds; its interval is from bootstrap. Pairs are drawn anew, and
    the rounds of each: from process to process times differ by more than they do from round to round."""
    random = np.random.RandomState(0)
    made = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = random.randint(len(pairs), size=len(pairs))
        made[i] = np.median([np.median(random.choice(pairs[pair], len(pairs[pair]))) for pair in drawn])
    low, high = np.percentile(made, (2.5, 97.5))
    return Interval(float(np.median([np.median(ratios) for ratios in pairs])), float(low), float(high))
