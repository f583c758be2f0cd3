"""Transformers, node by node as PyTorch exports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..row import Inference
from .graph import Builder


@dataclass(frozen=True)
class Sizes:
    """BERT-base's and GPT-2's unless others are given."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    words: int = 30522


GPT2 = Sizes(words=50257)


class Transformer(Builder):
    def __init__(self, sizes: Sizes, tokens: int) -> None:
        super().__init__()
        self.sizes, self.tokens = sizes, tokens
        self.each = sizes.width // sizes.heads

    def linear(self, x: str, inputs: int, units: int) -> str:
        y = self.node("MatMul", x, self.weight(self.normal(inputs, units, scale=inputs**-0.5)))
        return self.node("Add", self.weight(self.normal(units, scale=0.1)), y)

    def number(self, value: float) -> str:
        return self.weight(np.float32(value))

    def norm(self, x: str) -> str:
        width = self.sizes.width
        scale, bias = self.weight(np.float32(1) + self.normal(width, scale=0.1)), self.weight(self.normal(width, scale=0.1))
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def gelu(self, x: str) -> str:
        inner = self.node("Erf", self.node("Div", x, self.number(2**0.5)))
        y = self.node("Mul", x, self.node("Add", inner, self.number(1)))
        return self.node("Mul", y, self.number(0.5))

    def shaped(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.weight(np.array(shape, np.int64)))

    def heads(self, x: str, perm: list[int]) -> str:
        parted = self.shaped(self.linear(x, self.sizes.width, self.sizes.width), 1, self.tokens, -1, self.each)
        return self.node("Transpose", parted, perm=perm)

    def attention(self, x: str) -> str:
        query, key, value = (self.heads(x, perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = self.node("Div", self.node("MatMul", query, key), self.number(self.each**0.5))
        seen = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        joined = self.shaped(self.node("Transpose", seen, perm=[0, 2, 1, 3]), 1, self.tokens, self.sizes.width)
        return self.linear(joined, self.sizes.width, self.sizes.width)

    def layer(self, x: str) -> str:
        width = self.sizes.width
        x = self.norm(self.node("Add", self.attention(x), x))
        inner = self.gelu(self.linear(x, width, 4 * width))
        return self.norm(self.node("Add", self.linear(inner, 4 * width, width), x))


def bert(tokens: int, sizes: Sizes = Sizes(), kind: type[Transformer] = Transformer) -> Inference:
    """The encoder of Devlin et al., 2018: the last hidden state of one sentence without padding."""
    graph = kind(sizes, tokens)
    words = graph.weight(graph.normal(sizes.words, sizes.width))
    places = graph.weight(graph.normal(1, tokens, sizes.width))
    x = graph.node("Gather", words, graph.ids("ids", 1, tokens, count=sizes.words), axis=0)
    x = graph.norm(graph.node("Add", x, places))
    for _ in range(sizes.layers):
        x = graph.layer(x)
    return graph.problem(x)


class Decoder(Transformer):
    """One token after others, whose keys and values are inputs."""

    def tanh_gelu(self, x: str) -> str:
        """The approximation of Hendrycks and Gimpel, 2016."""
        cube = self.node("Mul", self.node("Pow", x, self.number(3)), self.number(0.044715))
        inner = self.node("Mul", self.node("Add", x, cube), self.number((2 / np.pi) ** 0.5))
        half = self.node("Mul", x, self.number(0.5))
        return self.node("Mul", half, self.node("Add", self.node("Tanh", inner), self.number(1)))

    def cached_attention(self, x: str, keys: str, values: str) -> tuple[str, list[str]]:
        """Also the keys and values with those of this token."""
        width, heads = self.sizes.width, self.sizes.heads
        parts = self.split("Split", 3, self.dense(x, width, 3 * width), axis=1)
        query, key, value = (
            self.node("Transpose", self.shaped(part, 1, 1, heads, self.each), perm=[0, 2, 1, 3]) for part in parts
        )
        present = [self.node("Concat", keys, key, axis=2), self.node("Concat", values, value, axis=2)]
        scores = self.node("MatMul", query, self.node("Transpose", present[0], perm=[0, 1, 3, 2]))
        shares = self.node("Softmax", self.node("Div", scores, self.number(self.each**0.5)), axis=-1)
        seen = self.node("Transpose", self.node("MatMul", shares, present[1]), perm=[0, 2, 1, 3])
        return self.dense(self.shaped(seen, 1, width), width, width), present


def gpt2(cached: int, sizes: Sizes = GPT2, weight_dtype: str = "f32") -> Inference:
    """Radford et al., 2019: the scores of the next token, and the grown caches."""
    graph = Decoder(sizes, 1)
    graph.weight_dtype = weight_dtype
    width, heads = sizes.width, sizes.heads
    words = graph.weight(graph.normal(sizes.words, width))
    x = graph.shaped(graph.node("Gather", words, graph.ids("ids", 1, 1, count=sizes.words), axis=0), 1, width)
    x = graph.node("Add", x, graph.weight(graph.normal(1, width)))
    grown: list[str] = []
    for i in range(sizes.layers):
        caches = [graph.input(f"past_{i}_{what}", 1, heads, cached, graph.each) for what in ("key", "value")]
        seen, present = graph.cached_attention(graph.norm(x), *caches)
        grown += present
        x = graph.node("Add", x, seen)
        inner = graph.tanh_gelu(graph.dense(graph.norm(x), width, 4 * width))
        x = graph.node("Add", x, graph.dense(inner, 4 * width, width))
    scores = graph.node("MatMul", graph.norm(x), graph.weight(graph.normal(width, sizes.words, scale=width**-0.5)))
    return graph.problem(scores, *grown)
