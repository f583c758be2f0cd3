"""Processes for those that run cases, so that what crashes or hangs there does not end the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from typing import Any

import judges
from case import Case
from judges import Outcome

TIMEOUT_S = 60


class Worker:
    """One of `judges.START` in a process of its own, which is started anew when it died."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: Any = None
        self._connection: Any = None

    def ask(self, case: Case) -> None:
        """Begins to run a case."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=judges.serve, args=(self.name, other), daemon=True)
            self._process.start()
            other.close()
        with contextlib.suppress(ConnectionError):  # `answer` finds that it is dead
            self._connection.send(case)

    def answer(self) -> Outcome:
        """What became of it."""
        try:
            if self._connection.poll(TIMEOUT_S):
                found: Outcome = self._connection.recv()
                return found
            self._process.kill()
            how = f"no answer within {TIMEOUT_S} s"
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            how = signal.Signals(-code).name if code < 0 else f"the process ended with {code}"
        self.close()
        return Outcome(error=how, kind="crashed")

    def run(self, case: Case) -> Outcome:
        self.ask(case)
        return self.answer()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None
