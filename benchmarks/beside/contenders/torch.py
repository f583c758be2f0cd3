"""PyTorch, eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..net import Array, Training
from ..row import Eigen, Inference, Problem
from . import Contender
from .torch_graph import module
from .torch_training import Trainer

Compile = Callable[[Any], Any]


def _inference(problem: Inference, compile: Compile) -> Contender:
    net = compile(module(problem.model).eval())
    bound = [torch.from_numpy(values) for values in problem.feeds.values()]

    def results() -> list[Array]:
        return [output.numpy() for output in net(*bound)]

    def arrays() -> list[Array]:
        return [output.numpy() for output in net(*map(torch.from_numpy, problem.feeds.values()))]

    call = arrays if problem.arrays else lambda: net(*bound)
    return Contender(torch.__version__, call, results)


def _eigen(problem: Eigen, compile: Compile) -> Contender:
    find = torch.linalg.eigh if problem.symmetric else torch.linalg.eig
    made = compile(lambda a: find(a @ a.T))
    a = torch.from_numpy(problem.a)
    return Contender(torch.__version__, lambda: made(a), lambda: [np.sort(made(a)[0].numpy().real)])


def build(problem: Problem, threads: int, compile: Compile) -> Contender:
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    # For the whole process, and not in what is timed.
    torch.set_grad_enabled(isinstance(problem, Training))
    if isinstance(problem, Inference):
        return _inference(problem, compile)
    if isinstance(problem, Eigen):
        return _eigen(problem, compile)
    trainer = Trainer(problem, torch.float32, compile)
    return Contender(torch.__version__, trainer.step, lambda: [trainer.losses()])


def prepare(problem: Problem, threads: int) -> Contender:
    return build(problem, threads, lambda net: net)
