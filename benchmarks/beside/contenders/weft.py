"""Weft, through its Python package."""

from __future__ import annotations

import numpy as np
import weft

from ..row import STEPS, Array, Conv, Dense, Flatten, Inference, Layer, MaxPool, Problem, Training
from . import Contender


def _session(graph: weft.Graph, threads: int) -> weft.Session:
    # A second thread is of use to short runs only while it is awake; the peers keep theirs awake by themselves.
    return weft.Session(graph, threads=threads, spin_after_run_us=50 if threads > 1 else 0)


def _inference(problem: Inference, threads: int) -> Contender:
    graph = weft.Graph.load(problem.model.SerializeToString())
    session = _session(graph, threads)
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


def _weights(graph: weft.Graph, name: str, layer: Dense | Conv) -> tuple[weft.Value, weft.Value]:
    return graph.variable(f"{name}/kernel", layer.kernel), graph.variable(f"{name}/bias", layer.bias)


def _layer(graph: weft.Graph, name: str, layer: Layer, x: weft.Value) -> weft.Value:
    match layer:
        case Dense():
            y = weft.gemm(x, *_weights(graph, name, layer))
        case Conv():
            y = weft.conv(x, *_weights(graph, name, layer))
        case MaxPool():
            return weft.max_pool(x, kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)
        case Flatten():
            return weft.flatten(x)
    return weft.relu(y) if layer.relu else y


def _training(problem: Training, threads: int) -> Contender:
    graph = weft.Graph()
    feeds = [
        graph.input("inputs", "f32", problem.inputs.shape), graph.input("labels", "i64", problem.labels.shape)
    ]  # fmt: skip
    y = feeds[0]
    for i, layer in enumerate(problem.layers):
        y = _layer(graph, f"layer{i}", layer, y)
    loss = weft.softmax_cross_entropy_loss(y, feeds[1])
    optimizer = {"adam": weft.Adam, "sgd": weft.Sgd}[problem.optimizer]
    step = optimizer(problem.learning_rate).minimize(loss)
    session = _session(graph, threads)

    def prepared(fetches: list[weft.Value]) -> weft.Prepared:
        made = session.prepare(feeds, fetches, [step])
        made.bind_input(0, problem.inputs)
        made.bind_input(1, problem.labels)
        return made

    with_loss = prepared([loss])

    def losses() -> list[Array]:
        found = np.empty(STEPS)
        for i in range(STEPS):
            with_loss.run()
            found[i] = with_loss.output(0)
        return [found]

    return Contender(weft.__version__, prepared([]).run, losses)


def prepare(problem: Problem, threads: int) -> Contender:
    return _inference(problem, threads) if isinstance(problem, Inference) else _training(problem, threads)
