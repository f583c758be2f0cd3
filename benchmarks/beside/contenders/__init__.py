"""Who is timed: a module each, whose `prepare` builds a problem, or says why there is no such thing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from ..net import Array
from ..row import Problem


class Unsupported(Exception):
    """A contender has no such row; the message says why, for the report."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Contender:
    version: str
    call: Callable[[], object]  # what is timed: one call, or one step of a training
    results: Callable[[], list[Array]]  # the outputs of one call; or the losses of the next steps of a training
    finish: Callable[[], object] = _nothing  # waits for what calls have only begun
    keep: object = None  # whose memory is bound to a contender that does not keep it alive


def prepare(name: str, problem: Problem, threads: int) -> Contender:
    """Builds a problem in the contender of that name: one of this folder, or any module by its dotted name."""
    module = importlib.import_module(name if "." in name else f"{__name__}.{name}")
    contender: Contender = module.prepare(problem, threads)
    return contender
