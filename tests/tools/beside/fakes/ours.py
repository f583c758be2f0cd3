"""What stands for Weft."""

from benchmarks.beside.contenders import Contender
from benchmarks.beside.row import Problem

from .turns import add


def prepare(problem: Problem, threads: int) -> Contender:
    return add("ours", problem)
