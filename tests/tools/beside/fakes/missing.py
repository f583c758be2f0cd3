"""A peer that has no such thing."""

from benchmarks.beside.contenders import Contender, Unsupported
from benchmarks.beside.row import Problem


def prepare(problem: Problem, threads: int) -> Contender:
    raise Unsupported("it cannot add")
