"""The side of a contender: builds one row, shows that its results are right, and then makes as many calls as it is told to,
when it is told to. python -m benchmarks.beside.child <contender> <row> <threads> <file of the wanted results>

Every line of the input is answered by a line of JSON; the first answer, which nobody asked for, says whether it is ready.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import sys
import time
import traceback
from typing import Any

import numpy as np

from . import contenders
from .net import Array
from .rows import named

# What a sample takes at least, with something to spare for faster moments.
SAMPLE_SECONDS = 40e-3
# What the processor and sleeping threads need to be as fast as they will be.
WARM_UP_SECONDS = 3e-3


class WrongResults(Exception):
    """A contender computes something else; the message says where."""


def check(found: list[Array], wanted: list[Array], rtol: float) -> None:
    """Small elements may be off by a share of the largest one, which stands for the sums that they come from."""
    if len(found) != len(wanted):
        raise WrongResults(f"there are {len(found)} results and not {len(wanted)}")
    for i, (values, expected) in enumerate(zip(found, wanted)):
        values = np.asarray(values)
        if values.shape != expected.shape:
            raise WrongResults(f"result {i} has the shape {values.shape} and not {expected.shape}")
        allowed = rtol * np.maximum(np.abs(expected), 0.1 * np.abs(expected).max())
        # Written so that NaN is wrong.
        wrong = ~(np.abs(values - expected) <= allowed)
        if wrong.any():
            at = tuple(int(index) for index in np.argwhere(wrong)[0])
            raise WrongResults(
                f"{np.count_nonzero(wrong)} of {wrong.size} elements of result {i} are wrong; the first is "
                f"{values[at]} at {at}, where {expected[at]} is wanted within a relative {rtol}"
            )


class Timer:
    """Makes calls and times them."""

    def __init__(self, contender: contenders.Contender) -> None:
        self.contender = contender
        self.calls = 1
        self.calls = max(1, self.calls_in(SAMPLE_SECONDS))
        self.warm_up = max(1, self.calls_in(WARM_UP_SECONDS))

    def time(self, calls: int) -> float:
        call = self.contender.call
        begin = time.perf_counter()
        for _ in itertools.repeat(None, calls):
            call()
        self.contender.finish()
        return time.perf_counter() - begin

    def calls_in(self, seconds: float) -> int:
        """Twice as many calls until they take that long: the first ones are slower than the rest."""
        calls = 1
        while (spent := self.time(calls)) < seconds:
            calls *= 2
        return round(calls * seconds / spent)

    def sample(self) -> dict[str, float]:
        self.time(self.warm_up)
        busy = time.process_time()
        seconds = self.time(self.calls)
        busy = time.process_time() - busy
        return {"seconds": seconds / self.calls, "processor_seconds": busy / self.calls}


def prepared(contender: str, row: str, threads: int, wanted: str) -> tuple[Timer, dict[str, Any]]:
    entry = named(row)
    ready = contenders.prepare(contender, entry.make(), threads)
    with np.load(wanted) as file:
        check(ready.results(), list(file.values()), entry.rtol)
    timer = Timer(ready)
    # ru_maxrss counts in KiB.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return timer, {"version": ready.version, "calls": timer.calls, "peak_memory_mib": round(memory, 1)}


def limit_processors(count: int) -> None:
    """XLA has as many threads as there are processors for it, whatever it is told; so everybody gets as many processors as
    threads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=answers, flush=True)

    contender, row, threads, wanted = sys.argv[1:]
    limit_processors(int(threads))
    try:
        timer, message = prepared(contender, row, int(threads), wanted)
    except contenders.Unsupported as why:
        return answer({"unsupported": str(why)})
    except Exception as error:
        traceback.print_exc()
        return answer({"failed": f"{type(error).__name__}: {error}"})
    answer(message)
    for _ in sys.stdin:
        answer(timer.sample())


if __name__ == "__main__":
    main()
