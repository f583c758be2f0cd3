"""The order of turns, which rounds count, and what their ratios say."""

from __future__ import annotations

import itertools
import math
import os
import pathlib
import sys

import pytest
from benchmarks.beside import interval, process
from benchmarks.beside.interval import Interval
from benchmarks.beside.protocol import DISTURBED, Disturbed, measure


class Scripted:
    """Answers with the times that it was given, one after the other, and notes each turn."""

    def __init__(self, name: str, turns: list[str], times: list[float]) -> None:
        self.name, self.turns, self.times = name, turns, iter(times)

    def sample(self) -> dict[str, float]:
        self.turns.append(self.name)
        seconds = next(self.times)
        return {"seconds": seconds, "processor_seconds": 2 * seconds}


def test_turns_are_a_b_b_a_with_the_peak_before_and_after() -> None:
    turns: list[str] = []

    def peak() -> float:
        turns.append("peak")
        return 100.0

    pair = measure(Scripted("ours", turns, [1, 3, 1, 3]), Scripted("peer", turns, [4, 4, 8, 8]), peak, 2)
    assert turns == ["peak", "ours", "peer", "peer", "ours", "peak"] * 2
    assert pair.ratios == [2.0, 4.0] and pair.dropped == 0 and pair.peak == 100
    assert (pair.ours.best, pair.ours.median, pair.ours.processor) == (1, 2, 4)
    assert (pair.theirs.best, pair.theirs.median, pair.theirs.processor) == (4, 6, 12)


def test_a_round_beside_which_the_peak_was_off_is_dropped_and_made_again() -> None:
    turns: list[str] = []
    ours, peer = Scripted("ours", turns, [1.0] * 10), Scripted("peer", turns, [2, 2, 2, 2, 9, 9, 2, 2, 3, 3])
    peaks = iter([100, 101, 99, 100, 100, 91, 100, 93, 100, 100])
    pair = measure(ours, peer, lambda: next(peaks), 4)
    assert pair.ratios == [2, 2, 2, 3] and pair.dropped == 1
    assert pair.theirs.median == 2 and pair.peak == 100


def test_a_pair_whose_processor_gave_less_than_beside_the_best_before_does_not_count() -> None:
    def measured(peaks_before: list[float]) -> int:
        turns: list[str] = []
        ours, peer = Scripted("ours", turns, [1.0] * 99), Scripted("peer", turns, [2.0] * 99)
        return len(measure(ours, peer, lambda: 91.0, 3, peaks_before=peaks_before).ratios)

    with pytest.raises(Disturbed, match="only 0 of 9 rounds"):
        measured([117, 100, 118, 119])
    # One or two may have had a lucky processor.
    assert measured([117, 90, 118]) == measured([117, 118]) == measured([]) == 3


def test_a_peer_that_is_far_from_the_best_is_timed_no_longer_than_it_takes_to_see_that() -> None:
    turns: list[str] = []
    ours, peer = Scripted("ours", turns, [1.0] * 16), Scripted("peer", turns, [2.9] * 4 + [3.1] * 12)
    pair = measure(ours, peer, lambda: 100.0, 8, far=3)
    assert pair.ratios == [2.9] * 2 + [3.1] * 3
    ours, peer = Scripted("ours", turns, [1.0] * 16), Scripted("peer", turns, [3.0] * 16)
    assert measure(ours, peer, lambda: 100.0, 8, far=3).ratios == [3.0] * 8


def test_a_machine_that_does_something_else_all_the_time_is_an_error() -> None:
    turns: list[str] = []
    ours, peer = Scripted("ours", turns, [1.0] * 99), Scripted("peer", turns, [1.0] * 99)
    peaks = iter([50, 100] * 99)
    with pytest.raises(Disturbed, match="only 0 of 9 rounds were made .* within 8% .* and 3 are wanted"):
        measure(ours, peer, lambda: next(peaks), 3)
    assert DISTURBED == 0.08


def test_nobody_else_is_timed_while_threads_wait_busily() -> None:
    ticks = [7, 10, 13, 14, 14]
    left = iter(ticks)
    process.rest("peer", lambda: next(left))
    assert list(left) == []


def test_threads_that_never_go_to_sleep_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "QUIET_SECONDS", 0.1)
    ticks = itertools.count()
    with pytest.raises(process.Failed, match=r"peer keeps processors busy for over 0\.1 s after its calls"):
        process.rest("peer", lambda: next(ticks))


ASKS = """
import json, os, sys, threading
def processors():
    found = []
    thread = threading.Thread(target=lambda: found.extend(sorted(os.sched_getaffinity(0))))
    thread.start()
    thread.join()
    return found
print(json.dumps({"processors": processors()}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"processors": processors()}), flush=True)
"""


def test_a_child_is_timed_on_the_last_processors_wherever_it_got_ready(tmp_path: pathlib.Path) -> None:
    before = os.sched_getaffinity(0)
    first, last = process.processors(1)
    assert (first, last) == ([min(before)], [max(before)])
    with process.Child("asks", [sys.executable, "-c", ASKS], tmp_path / "log", 1, first) as child:
        assert child.ready["processors"] == first
        assert child.sample()["processors"] == last
    assert os.sched_getaffinity(0) == before


def test_interval_of_the_median_of_one_pair() -> None:
    # The median of n numbers drawn anew from x1 < ... < xn is at most xk if at least (n + 1) / 2 of them are.
    def at_most(k: int, n: int = 7) -> float:
        return sum(math.comb(n, i) * (k / n) ** i * (1 - k / n) ** (n - i) for i in range((n + 1) // 2, n + 1))

    assert at_most(1) < 0.02 < 0.03 < at_most(2) and at_most(5) < 0.97 < 0.98 < at_most(6)
    assert interval.of([range(1, 8)]) == Interval(4, 2, 6)


def test_interval_is_as_wide_as_pairs_differ() -> None:
    assert interval.of([[2.0] * 15] * 5) == Interval(2, 2, 2)
    # Of two pairs drawn, both are the first in a quarter of all cases; of five, three or more are the first in 5.8 %.
    assert interval.of([[1.0] * 15, [3.0] * 15]) == Interval(2, 1, 3)
    assert interval.of([[float(i)] * (15 + i) for i in range(1, 6)]) == Interval(3, 1, 5)
