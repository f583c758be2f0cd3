"""Processes for those that run cases, so that what crashes or hangs there does not end the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Sequence
from typing import Any

import judges
from case import Case
from judges import Outcome

TIMEOUT_S = 60


class Worker:
    """One of `judges.START` in a process of its own, which is started anew when it died."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: list[Case] = []
        self._process: Any = None
        self._connection: Any = None

    def ask(self, cases: Sequence[Case]) -> None:
        """Begins to run cases."""
        self._waiting = list(cases)
        self._send()

    def answers(self) -> list[Outcome]:
        """What became of each of them. One that ends the process does not end those behind it."""
        found = []
        while self._waiting:
            found.append(self._answer())
            self._waiting.pop(0)
            if found[-1].kind == "crashed":
                self._send()
        return found

    def run(self, cases: Sequence[Case]) -> list[Outcome]:
        self.ask(cases)
        return self.answers()

    def _send(self) -> None:
        if not self._waiting:
            return
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=judges.serve, args=(self.name, other), daemon=True)
            self._process.start()
            other.close()
        with contextlib.suppress(ConnectionError):  # `_answer` finds that it is dead
            self._connection.send(self._waiting)

    def _answer(self) -> Outcome:
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

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None
