"""Weft, through its Python package."""

from __future__ import annotations

import numpy as np
import weft

from ..net import Array, Training
from ..row import Eigen, Inference, Problem
from . import Contender
from .weft_training import Trainer


def _session(graph: weft.Graph, threads: int, weight_dtype: str = "f32") -> weft.Session:
    # A second thread is of use to short runs only while it is awake; the peers keep theirs awake by themselves.
    spin = 50 if threads > 1 else 0
    return weft.Session(graph, threads=threads, spin_after_run_us=spin, weight_dtype=weight_dtype)


def _inference(problem: Inference, threads: int) -> Contender:
    graph = weft.Graph.load(problem.model.SerializeToString())
    session = _session(graph, threads, problem.weight_dtype)
    feeds = {graph.find(name): values for name, values in problem.feeds.items()}
    fetches = graph.outputs
    if problem.arrays:
        return Contender(
            weft.__version__, lambda: session.run(feeds, fetches), lambda: session.run(feeds, fetches)
        )
    prepared = session.prepare(list(feeds), fetches)
    for i, values in enumerate(feeds.values()):
        prepared.bind_input(i, values)
    prepared.run()
    outputs = [np.empty_like(prepared.output(i)) for i in range(len(fetches))]
    for i, output in enumerate(outputs):
        prepared.bind_output(i, output)

    def results() -> list[Array]:
        prepared.run()
        return outputs

    return Contender(weft.__version__, prepared.run, results)


def _eigen(problem: Eigen, threads: int) -> Contender:
    graph = weft.Graph()
    a = graph.input("a", problem.a.dtype, problem.a.shape)
    product = weft.matmul(a, weft.transpose(a))
    fetches = list((weft.eigh if problem.symmetric else weft.eig)(product))
    prepared = _session(graph, threads).prepare([a], fetches)
    prepared.bind_input(0, problem.a)

    def results() -> list[Array]:
        prepared.run()
        return [np.sort(prepared.output(0))]

    return Contender(weft.__version__, prepared.run, results)


def _training(problem: Training, threads: int) -> Contender:
    graph = weft.Graph()
    trainer = Trainer(problem, graph, _session(graph, threads))
    return Contender(weft.__version__, trainer.step, lambda: [trainer.losses()])


def prepare(problem: Problem, threads: int) -> Contender:
    match problem:
        case Inference():
            return _inference(problem, threads)
        case Training():
            return _training(problem, threads)
        case Eigen():
            return _eigen(problem, threads)
