"""A peer that ends the process when it is called."""

import os

from benchmarks.beside.contenders import Contender
from benchmarks.beside.row import Inference, Problem


def prepare(problem: Problem, threads: int) -> Contender:
    assert isinstance(problem, Inference)
    x, other = problem.feeds.values()
    return Contender("1.0", lambda: os._exit(3), lambda: [x + other])
