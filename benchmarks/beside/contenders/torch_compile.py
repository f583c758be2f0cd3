"""PyTorch, compiled by Inductor."""

from __future__ import annotations

import torch

from ..row import Problem
from . import Contender
from .torch import build


def prepare(problem: Problem, threads: int) -> Contender:
    return build(problem, threads, torch.compile)
