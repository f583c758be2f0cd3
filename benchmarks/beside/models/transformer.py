"""Transformers, node by node as PyTorch exports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..row import Inference
from .graph import Builder


@dataclass(frozen=True)
class Sizes:
    """BERT-base's unless others are given."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    words: int = 30522


class Transformer(Builder):
    def __init__(self, sizes: Sizes, tokens: int) -> None:
        super().__init__()
        self.sizes, self.tokens = sizes, tokens
        self.each = sizes.width // sizes.heads

    def linear(self, x: str, inputs: int, units: int) -> str:
        y = self.node("MatMul", x, self.weight(self.normal(inputs, units, scale=inputs**-0.5)))
        return self.node("Add", self.weight(self.normal(units, scale=0.1)), y)

    def norm(self, x: str) -> str:
        width = self.sizes.width
        scale, bias = self.weight(np.float32(1) + self.normal(width, scale=0.1)), self.weight(self.normal(width, scale=0.1))
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def gelu(self, x: str) -> str:
        inner = self.node("Erf", self.node("Div", x, self.weight(np.float32(2**0.5))))
        y = self.node("Mul", x, self.node("Add", inner, self.weight(np.float32(1))))
        return self.node("Mul", y, self.weight(np.float32(0.5)))

    def shaped(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.weight(np.array(shape, np.int64)))

    def heads(self, x: str, perm: list[int]) -> str:
        parted = self.shaped(self.linear(x, self.sizes.width, self.sizes.width), 1, self.tokens, -1, self.each)
        return self.node("Transpose", parted, perm=perm)

    def attention(self, x: str) -> str:
        query, key, value = (self.heads(x, perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = self.node("Div", self.node("MatMul", query, key), self.weight(np.float32(self.each**0.5)))
        seen = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        joined = self.shaped(self.node("Transpose", seen, perm=[0, 2, 1, 3]), 1, self.tokens, self.sizes.width)
        return self.linear(joined, self.sizes.width, self.sizes.width)

    def layer(self, x: str) -> str:
        width = self.sizes.width
        x = self.norm(self.node("Add", self.attention(x), x))
        inner = self.gelu(self.linear(x, width, 4 * width))
        return self.norm(self.node("Add", self.linear(inner, 4 * width, width), x))


def bert(tokens: int, sizes: Sizes = Sizes()) -> Inference:
    """The encoder of Devlin et al., 2018: the last hidden state of one sentence without padding."""
    graph = Transformer(sizes, tokens)
    words = graph.weight(graph.normal(sizes.words, sizes.width))
    places = graph.weight(graph.normal(1, tokens, sizes.width))
    x = graph.node("Gather", words, graph.ids("ids", 1, tokens, count=sizes.words), axis=0)
    x = graph.norm(graph.node("Add", x, places))
    for _ in range(sizes.layers):
        x = graph.layer(x)
    return graph.problem(x)
