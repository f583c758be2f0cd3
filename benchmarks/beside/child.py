"""The side of a contender: builds one row, shows that its results are right, and then makes as many calls as it is told to,
when it is told to. python -m benchmarks.beside.child <contender> <row> <threads> <file of the wanted results>

Every line of the input is answered by a line of JSON; the first answer, which nobody asked for, says whether it is ready.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import traceback
from typing import Any

import numpy as np

from . import contenders
from .check import check
from .rows import named

# What a sample takes at least, with something to spare for faster moments.
SAMPLE_SECONDS = 40e-3
# What the processor and sleeping threads need to be as fast as they will be. A call that takes longer is its own warm-up.
WARM_UP_SECONDS = 3e-3


class Timer:
    """Makes calls and times them."""

    def __init__(self, contender: contenders.Contender) -> None:
        self.contender = contender
        self.calls = 1
        self.calls = max(1, self.calls_in(SAMPLE_SECONDS))
        self.warm_up = self.calls_in(WARM_UP_SECONDS)

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


def prepared(contender: str, row: str, threads: int, wanted: str) -> contenders.Contender:
    entry = named(row)
    ready = contenders.prepare(contender, entry.make(), threads)
    with np.load(wanted) as file:
        check(ready.results(), list(file.values()), entry.rtol, entry.least)
    return ready


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=answers, flush=True)

    contender, row, threads, wanted = sys.argv[1:]
    try:
        ready = prepared(contender, row, int(threads), wanted)
    except contenders.Unsupported as why:
        return answer({"unsupported": str(why)})
    except Exception as error:
        traceback.print_exc()
        return answer({"failed": f"{type(error).__name__}: {error}"})
    answer({"version": ready.version})
    timer = None
    for _ in sys.stdin:
        # How many calls a sample has is found when it is asked for, since others get ready until then.
        timer = timer or Timer(ready)
        answer(timer.sample())


if __name__ == "__main__":
    main()
