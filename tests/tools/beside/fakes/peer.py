"""A peer that computes what is wanted."""

from benchmarks.beside.contenders import Contender
from benchmarks.beside.row import Problem

from .turns import add


def prepare(problem: Problem, threads: int) -> Contender:
    return add("peer", problem)
