"""How much of what the processor's multipliers can do, one thread of a kernel does: GFLOP/s of a small graph over those of
`fma_peak` beside it. What is not the kernel's work (transposes at the ends of a chain) counts against it."""

from __future__ import annotations

import pathlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import machine

ROUNDS = 9
SECONDS = 0.03  # of a round
DEPTH = 6  # nodes of a chain, so that its ends count little

Built = tuple[Any, Any, float]  # the input, what is computed, the operations of that


@dataclass(frozen=True)
class Share:
    name: str
    title: str
    least: float  # per cent; a microkernel's goal is 75
    build: Callable[[Any], Built]  # from the module weft
    without: tuple[str, ...] = ()  # passes


def _numbers(*shape: int) -> Any:
    import numpy as np

    numbers = np.random.default_rng(0).normal(size=shape)
    return (numbers / numbers.size**0.5).astype(np.float32)


def _product(rows: int, inner: int, columns: int) -> Callable[[Any], Built]:
    def build(weft: Any) -> Built:
        graph = weft.Graph()
        x = graph.input("x", "f32", [rows, inner])
        return x, x @ graph.constant(_numbers(inner, columns)), 2.0 * rows * inner * columns

    return build


def _integers(rows: int, inner: int, columns: int) -> Callable[[Any], Built]:
    def build(weft: Any) -> Built:
        import numpy as np

        graph = weft.Graph()
        x = graph.input("x", "u8", [rows, inner])
        w = np.random.default_rng(0).integers(-127, 128, size=(inner, columns)).astype(np.int8)
        # Four products of 8 bits take the place of one of 32.
        return x, weft.mat_mul_integer(x, graph.constant(w)), 2.0 * rows * inner * columns / 4

    return build


def _convolutions(channels: int, size: int, window: int, groups: int = 1) -> Callable[[Any], Built]:
    def build(weft: Any) -> Built:
        graph = weft.Graph()
        x = y = graph.input("x", "f32", [1, channels, size, size])
        for _ in range(DEPTH):
            w = graph.constant(_numbers(channels, channels // groups, window, window))
            y = weft.conv(y, w, group=groups, pads=[window // 2] * 4)
        return x, y, 2.0 * DEPTH * channels * (channels // groups) * window**2 * size**2

    return build


def _first_layer(weft: Any) -> Built:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1, 3, 224, 224])
    y = weft.conv(x, graph.constant(_numbers(64, 3, 7, 7)), strides=[2, 2], pads=[3, 3, 3, 3])
    return x, weft.max_pool(y, kernel_shape=[3, 3], strides=[2, 2]), 2.0 * 64 * 3 * 49 * 112**2


def _training(weft: Any) -> Built:
    images, channels, size = 8, 64, 28
    graph = weft.Graph()
    x = y = graph.input("x", "f32", [images, channels, size, size])
    kernels = [graph.variable(f"w{i}", _numbers(channels, channels, 3, 3)) for i in range(DEPTH)]
    for kernel in kernels:
        y = weft.conv(y, kernel, pads=[1, 1, 1, 1])
    slopes = weft.gradients(weft.reduce_sum(y * y, keepdims=False), kernels)
    # Once forth, and back by data (but to the input) and by weights.
    forth = 2.0 * images * channels**2 * 9 * size**2
    return x, slopes, forth * (3 * DEPTH - 1)


def _attention(weft: Any) -> Built:
    tokens, heads, features = 512, 12, 64
    graph = weft.Graph()
    x = graph.input("x", "f32", [1, tokens, heads * features])
    y = weft.attention(x, x, x, q_num_heads=heads, kv_num_heads=heads)
    return x, y, 4.0 * heads * tokens**2 * features


SHARES = (
    Share("product", "Product of 512 x 512 x 512", 75, _product(512, 512, 512)),
    Share("product-rows", "Product of 8 rows with 768 x 3072", 60, _product(8, 768, 3072)),
    Share("product-8-bit", "Product of 512 x 512 x 512 of 8 bits, of four times the peak", 75, _integers(512, 512, 512)),
    Share("conv-3x3", "Convolutions of 3 x 3, 64 channels, 56 x 56 pixels, without Winograd", 75,
          _convolutions(64, 56, 3), ("winograd",)),
    Share("conv-winograd", "The same with Winograd, counted as without", 150, _convolutions(64, 56, 3)),
    Share("conv-1x1", "Convolutions of 1 x 1, 256 channels, 28 x 28 pixels", 75, _convolutions(256, 28, 1)),
    Share("conv-depthwise", "Depthwise convolutions of 3 x 3, 192 channels, 28 x 28 pixels", 50,
          _convolutions(192, 28, 3, groups=192)),
    Share("conv-first", "The first layer of ResNet-50", 65, _first_layer),
    Share("conv-training", "Convolutions of 3 x 3 with their gradients, 8 images, 64 channels, 28 x 28 pixels", 60,
          _training, ("winograd",)),
    Share("attention", "Attention of 12 heads, 512 tokens", 60, _attention),
)  # fmt: skip


def measured(share: Share, program: str) -> float:
    """Per cent: the median of some rounds, each beside what the program tells of the peak right before and after it."""
    import numpy as np
    import weft

    x, outputs, operations = share.build(weft)
    fetches = outputs if isinstance(outputs, list) else [outputs]
    prepared = weft.Session(x.graph, threads=1, disable_pass=share.without).prepare([x], fetches)
    dtype = {"f32": np.float32, "u8": np.uint8}[x.dtype]
    prepared.bind_input(0, np.ones(x.shape, dtype))
    prepared.run()
    peak = machine.peak(pathlib.Path(program), 1)
    found = []
    for _ in range(ROUNDS):
        before, best, end = peak(), float("inf"), time.perf_counter() + SECONDS
        while (begin := time.perf_counter()) < end:
            prepared.run()
            best = min(best, time.perf_counter() - begin)
        found.append(operations / best * 1e-9 / max(before, peak()))
    return 100 * statistics.median(found)
