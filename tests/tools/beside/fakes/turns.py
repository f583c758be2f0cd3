"""An Add that fails when two processes compute it at a time, and notes whose turn it was."""

import fcntl
import os
import pathlib

from benchmarks.beside.contenders import Contender
from benchmarks.beside.net import Array
from benchmarks.beside.row import Inference, Problem


def add(name: str, problem: Problem) -> Contender:
    assert isinstance(problem, Inference)
    x, other = problem.feeds.values()
    folder = pathlib.Path(os.environ["FAKES"])
    lock = (folder / "lock").open("w")
    with (folder / "started").open("a") as started:
        started.write(f"{name} ")
    print("a library may print whatever it likes")

    def call() -> None:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def finish() -> None:
        with (folder / "turns").open("a") as turns:
            turns.write(f"{name} ")
        fcntl.flock(lock, fcntl.LOCK_UN)

    def results() -> list[Array]:
        return [x + other]

    return Contender("1.0", call, results, finish)
