"""PyTorch, compiled by Inductor."""

from __future__ import annotations

import torch
import torch._inductor.config

from ..row import Inference, Problem
from . import Contender
from .torch import build


def prepare(problem: Problem, threads: int) -> Contender:
    # Weights that are constants are packed once, as a session of Weft does.
    torch._inductor.config.freezing = isinstance(problem, Inference)
    return build(problem, threads, torch.compile)
