"""Training in Weft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import weft

from .. import net
from ..net import WEIGHT_DECAY, Array, Training
from ..row import STEPS


class Net:
    """Layers as nodes of a graph. Variables are numbered in the order in which they are made."""

    def __init__(self, graph: weft.Graph) -> None:
        self.graph = graph
        self.made = 0

    def name(self) -> str:
        self.made += 1
        return f"weights{self.made}"

    def variable(self, values: Array) -> weft.Value:
        return self.graph.variable(self.name(), values)

    def dense(self, layer: net.Dense, x: weft.Value) -> weft.Value:
        kernel, bias = self.variable(layer.kernel), self.variable(layer.bias)
        return weft.gemm(x, kernel, bias) if x.rank == 2 else weft.matmul(x, kernel) + bias

    def conv(self, layer: net.Conv, x: weft.Value) -> weft.Value:
        bias = None if layer.bias is None else self.variable(layer.bias)
        return weft.conv(x, self.variable(layer.kernel), bias, strides=[layer.stride] * 2, pads=[layer.pad] * 4)

    def attention(self, layer: net.CausalAttention, x: weft.Value) -> weft.Value:
        parts = weft.split(self.dense(layer.joined, x), axis=-1, num_outputs=3, outputs=3)
        seen = weft.attention(*parts, q_num_heads=layer.heads, kv_num_heads=layer.heads, is_causal=True)
        return self.dense(layer.out, seen)

    def layer(self, layer: net.Layer, x: weft.Value) -> weft.Value:
        match layer:
            case net.Dense():
                return self.dense(layer, x)
            case net.Conv():
                return self.conv(layer, x)
            case net.MaxPool():
                return weft.max_pool(x, kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)
            case net.GlobalAveragePool():
                return weft.flatten(weft.global_average_pool(x))
            case net.Flatten():
                return weft.flatten(x)
            case net.Relu():
                return weft.relu(x)
            case net.Gelu():
                return weft.gelu(x)
            case net.BatchNorm():
                made = weft.layers.BatchNorm(
                    self.graph, self.name(), channels=layer.channels, epsilon=layer.epsilon
                )
                return made(x, training=True)
            case net.LayerNorm():
                return weft.layers.LayerNorm(self.graph, self.name(), units=layer.width, epsilon=layer.epsilon)(x)
            case net.Embedding():
                return weft.gather(self.variable(layer.words), x) + self.variable(layer.places)
            case net.CausalAttention():
                return self.attention(layer, x)
            case net.Residual():
                return self.layers(layer.body, x) + self.layers(layer.shortcut, x)

    def layers(self, layers: Sequence[net.Layer], x: weft.Value) -> weft.Value:
        for layer in layers:
            x = self.layer(layer, x)
        return x


OPTIMIZERS: dict[str, Callable[[float], Any]] = {
    "sgd": weft.Sgd,
    "adam": weft.Adam,
    "adamw": lambda rate: weft.AdamW(rate, weight_decay=WEIGHT_DECAY),
}


class Trainer:
    def __init__(self, problem: Training, graph: weft.Graph, session: weft.Session) -> None:
        inputs, labels = problem.inputs, problem.labels
        feeds = [graph.input("inputs", inputs.dtype, inputs.shape), graph.input("labels", labels.dtype, labels.shape)]
        scores = Net(graph).layers(problem.layers, feeds[0])
        assert scores.shape is not None
        rows = weft.reshape(scores, [-1, scores.shape[-1]])
        loss = weft.softmax_cross_entropy_loss(rows, weft.reshape(feeds[1], [-1]))
        step = OPTIMIZERS[problem.optimizer](problem.learning_rate).minimize(loss)

        def prepared(fetches: list[weft.Value]) -> weft.Prepared:
            made = session.prepare(feeds, fetches, [step])
            made.bind_input(0, inputs)
            made.bind_input(1, labels)
            return made

        self.step = prepared([]).run
        self.with_loss = prepared([loss])

    def losses(self) -> Array:
        found = np.empty(STEPS)
        for i in range(STEPS):
            self.with_loss.run()
            found[i] = self.with_loss.output(0)
        return found
