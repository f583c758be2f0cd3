"""The other end of the pipe to a contender's process."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Compiling a large model in a peer takes minutes, a sample seconds.
READY_SECONDS = 1800
ANSWER_SECONDS = 300
# Threads that wait busily for more work go to sleep within this time, or never.
NAP_SECONDS = 30e-3
QUIET_SECONDS = 10


class Failed(Exception):
    """A contender cannot be timed; the message says who, and why."""


def environment(threads: int) -> dict[str, str]:
    """What libraries read before anybody can tell them how many threads to use."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    counts = {name: str(threads) for name in names}
    return {**os.environ, **counts, "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}


def rest(name: str, ticks: Callable[[], int]) -> None:
    """Returns when the processor time of a process, which `ticks` tells, grows no more."""
    end = time.monotonic() + QUIET_SECONDS
    before = ticks()
    while True:
        time.sleep(NAP_SECONDS)
        now = ticks()
        if now == before:
            return
        if time.monotonic() > end:
            raise Failed(f"{name} keeps processors busy for over {QUIET_SECONDS} s after its calls")
        before = now


def processors(threads: int) -> tuple[list[int], list[int]]:
    """On which two contenders may get ready at a time; the second are those on which all are timed. XLA has as many threads as
    there are processors for it, whatever it is told; so everybody gets as many processors as threads."""
    found = sorted(os.sched_getaffinity(0))
    return found[:threads], found[-threads:]


@contextlib.contextmanager
def limited(to: Sequence[int]) -> Iterator[None]:
    """Processes that this thread starts inherit its processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """A process that has built one row in one contender, on the processors `ready_on`. It waits until `sample` is called; a
    context manager ends it."""

    def __init__(
        self, name: str, command: Sequence[str], log: pathlib.Path, threads: int, ready_on: Sequence[int] = ()
    ) -> None:
        self.name = name
        self.log = log
        timed_on = processors(threads)[-1]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors, limited(ready_on or timed_on):
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment(threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, bufsize=0,
            )  # fmt: skip
        try:
            self.ready = self._answer(READY_SECONDS)
            self.peak_memory_mib = self._peak_memory()
            rest(self.name, self._ticks)
            self._move(timed_on)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def sample(self) -> dict[str, float]:
        """Times some calls while this process alone does anything."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"\n")
        except BrokenPipeError:
            pass  # it ended, which reading its answer says
        answer = self._answer(ANSWER_SECONDS)
        rest(self.name, self._ticks)
        return answer

    def _answer(self, seconds: float) -> dict[str, Any]:
        pipe = self.process.stdout
        assert pipe is not None
        if not select.select([pipe], [], [], seconds)[0]:
            raise Failed(f"{self.name} gave no answer in {seconds} s; see {self.log}")
        line = pipe.readline()
        if not line:
            raise Failed(f"{self.name} ended with {self.process.wait()}; see {self.log}")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            raise Failed(f"{self.name} gave the answer {line!r}; see {self.log}") from None
        return answer

    def _move(self, to: Sequence[int]) -> None:
        """All of its threads; one that ends meanwhile needs no processor."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), to)

    def _ticks(self) -> int:
        """Processor time of all threads, in hundredths of a second."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def _peak_memory(self) -> float:
        """In MiB, or 0 of a process that has ended."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        kib = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
        return round(int(kib[1]) / 1024, 1) if kib else 0
