"""Random nets over images and their gradients: the same numbers with and without the passes, and the same bits from one
thread and from two."""

import os
import re
from typing import Any

import numpy as np
import pytest

import weft

NETS = int(os.environ.get("WEFT_RANDOM_NETS", "60"))


class Net:
    """Of whole numbers and quarters of them, which are cut to small ones behind each layer: their sums are exact in any
    order, and no choice is so near that Winograd's transforms make another. What is learned is constant or, in training,
    fed."""

    def __init__(self, seed: int, trains: bool = False) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = weft.Graph()
        self.trains = trains
        self.feeds: dict[weft.Value, np.ndarray] = {}
        height = self.pick(5, 8, 13, 16)
        shape = [self.pick(1, 2), self.pick(1, 3, 16, 32, 48), height, height + self.pick(0, 0, 3)]
        self.values = [self.feed(self.numbers(4, *shape))]
        for _ in range(self.pick(3, 5, 8)):
            y = self.values[-1] if self.random.random() < 0.8 else self.pick(*self.values)
            step = self.pick(
                self.conv, self.conv, self.conv, self.pool, self.add, self.scale, self.choose, self.join, self.turn
            )
            self.values.append(step(y))
        self.values.append(self.reduce(self.values[-1]))
        self.fetches = self.values[1:]
        if trains:
            slopes = self.graph.gradients(self.values[-1], list(self.feeds))
            self.fetches = [slope for slope in slopes if slope is not None]

    def feed(self, numbers: np.ndarray) -> weft.Value:
        value = self.graph.input(f"x{len(self.feeds)}", "f32", numbers.shape)
        self.feeds[value] = numbers
        return value

    def learned(self, numbers: np.ndarray) -> weft.Value:
        return self.feed(numbers) if self.trains else self.graph.constant(numbers)

    def pick(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def numbers(self, most: int, *shape: int) -> np.ndarray:
        return self.random.integers(-most, most + 1, shape).astype("f4")

    def cut(self, y: weft.Value) -> weft.Value:
        match self.pick(0, 1, 2):
            case 0:
                return weft.clip(y, -8.0, 8.0)
            case 1:
                return weft.clip(weft.relu(y), None, 6.0)
        return weft.min(weft.max(y, -8.0), 8.0)

    def conv(self, y: weft.Value) -> weft.Value:
        channels, *sides = y.shape[1:]
        group = self.pick(1, 1, 1, channels, 2 if channels % 2 == 0 else 1)
        filters = channels * self.pick(1, 1, 2) if group == channels else 2 * self.pick(1, 4, 8, 16, 17, 24)
        size, dilation = self.pick(1, 3, 3, 3, 5), self.pick(1, 1, 1, 2)
        if (size - 1) * dilation >= min(sides):
            size = 1
        bias = self.learned(self.numbers(5, filters)) if self.random.random() < 0.5 else None
        return self.cut(
            weft.conv(
                y,
                self.learned(self.numbers(1, filters, channels // group, size, size)),
                bias,
                group=group,
                dilations=[dilation] * 2,
                strides=self.pick([1, 1], [1, 1], [2, 2], [1, 2]),
                pads=[size // 2] * 4 if self.random.random() < 0.7 else [self.pick(0, 1, 2) for _ in range(4)],
            )
        )

    def pool(self, y: weft.Value) -> weft.Value:
        size = min(self.pick(2, 3), *y.shape[2:])
        if size == 2 and self.random.random() < 0.3:
            return weft.average_pool(y, [2, 2], strides=self.pick([1, 1], [2, 2]), pads=[1] * 4, count_include_pad=True)
        return weft.max_pool(
            y, [size, size], strides=self.pick([1, 1], [2, 2]), pads=[size // 2] * 4, ceil_mode=self.pick(False, True)
        )

    def add(self, y: weft.Value) -> weft.Value:
        return self.cut(y + self.pick(*(other for other in self.values if other.shape == y.shape)))

    def scale(self, y: weft.Value) -> weft.Value:
        n, channels, height, width = y.shape
        shape = self.pick((), (channels, 1, 1), (1, channels, 1, 1), (n, channels, 1, 1), (width,), (height, width))
        return self.cut(y * self.learned(self.numbers(2, *shape)) - 1.0)

    def choose(self, y: weft.Value) -> weft.Value:
        return weft.where(weft.greater(y, 0.3), y, self.graph.constant(self.numbers(3, y.shape[1], 1, 1)))

    def join(self, y: weft.Value) -> weft.Value:
        axis = self.pick(1, 1, 2, 3)
        same = [
            other
            for other in self.values
            if all(a == b for i, (a, b) in enumerate(zip(other.shape, y.shape, strict=True)) if i != axis)
        ]
        return weft.concat([y, self.pick(*same)], axis=axis)

    def turn(self, y: weft.Value) -> weft.Value:
        there, back = self.pick(([0, 2, 3, 1], [0, 3, 1, 2]), ([0, 1, 3, 2], [0, 1, 3, 2]), ([1, 0, 2, 3], [1, 0, 2, 3]))
        return weft.transpose(weft.abs(weft.transpose(y, perm=there)), perm=back)

    def reduce(self, y: weft.Value) -> weft.Value:
        return weft.reduce_sum(y, self.pick([2, 3], [-1, 2], [1], [0, 3]), keepdims=self.pick(False, True))

    def run(self, threads: int, *disabled: str) -> list[np.ndarray]:
        with weft.Session(self.graph, threads=threads, disable_pass=disabled) as session:
            return session.run(self.feeds, self.fetches)


@pytest.mark.parametrize("seed", range(NETS))
def test_a_random_net(seed: int) -> None:
    net = Net(seed)
    plain, exact, whole = net.run(1, "*"), net.run(1, "winograd"), net.run(1)
    for wanted, same, close in zip(plain, exact, whole, strict=True):
        np.testing.assert_array_equal(same, wanted)
        np.testing.assert_allclose(close, wanted, rtol=1e-3, atol=1e-2)
    assert [a.tobytes() for a in net.run(2)] == [a.tobytes() for a in whole]


# Gradients grow beyond what sums of whole numbers hold exactly, but all that they choose by are such numbers, unless Winograd's
# transforms made them.
@pytest.mark.parametrize("seed", range(NETS))
def test_the_gradients_of_a_random_net(seed: int) -> None:
    net = Net(seed, trains=True)
    plain, exact, whole = net.run(1, "*"), net.run(1, "winograd"), net.run(1)
    for wanted, close in zip(plain, exact, strict=True):
        np.testing.assert_allclose(close, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    assert [a.tobytes() for a in net.run(2)] == [a.tobytes() for a in whole]


def passes() -> list[str]:
    """All names but "*", as the error for one that is unknown lists them."""
    try:
        weft.Session(weft.Graph(), disable_pass=["?"])
    except weft.InvalidArgumentError as error:
        return re.findall(r"[a-z_]+", str(error).partition("the passes are *, ")[2].partition(" [")[0])
    raise AssertionError("a pass may be called ?")


@pytest.mark.parametrize("seed, name", enumerate(passes()))
def test_any_pass_can_be_left_out(seed: int, name: str) -> None:
    net = Net(seed)
    for wanted, found in zip(net.run(1, "*"), net.run(1, "winograd", name), strict=True):
        np.testing.assert_array_equal(found, wanted)
    net = Net(seed, trains=True)
    for wanted, found in zip(net.run(1, "*"), net.run(1, "winograd", name), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
