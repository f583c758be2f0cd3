"""One model built twice, the operands of every pair left first and right first, as C++ compilers may evaluate arguments:
losses, gradients, variables and checkpoints have the same bits."""

import pathlib
from collections.abc import Callable

import numpy as np
import weft
from weft.layers import BatchNorm, Conv2d, Dense, Dropout

TRAINED = [f"{layer}/{name}" for layer in ("conv", "hidden", "scores") for name in ("kernel", "bias")]
TRAINED += ["norm/scale", "norm/bias", "shared"]


class Net:
    def __init__(self, right_first: bool) -> None:
        self.right_first = right_first
        self.data = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"]).rows(0, 320)
        graph = self.graph = weft.Graph()
        self.images, self.labels = self.both(
            lambda: graph.input("images", "f32", ["batch", 64]), lambda: graph.input("labels", "i64", ["batch"])
        )
        dense, conv = self.both(self.dense, self.convolution)
        shared = graph.variable("shared", np.linspace(0.5, 1.5, 10, dtype=np.float32))
        left, right = self.both(lambda: dense * shared, lambda: conv * shared)
        chosen = weft.if_(
            weft.reduce_mean(self.images, keepdims=False) > 0.0,
            lambda: self.add(lambda: weft.sigmoid(left) * shared, lambda: weft.tanh(right)),
            lambda: self.add(lambda: weft.abs(right), lambda: left * 0.5),
        )
        logits = chosen + self.add(lambda: left, lambda: right) * shared
        self.loss = self.add(
            lambda: weft.softmax_cross_entropy_loss(logits, self.labels),
            lambda: weft.reduce_mean(logits * logits, keepdims=False) * 1e-3,
        )
        self.loss.name = "loss"
        self.gradients = graph.gradients(self.loss, [graph.find(name) for name in TRAINED])
        self.step = weft.Adam(learning_rate=1e-2, clip_norm=0.5).minimize(self.loss)
        self.session = weft.Session(graph)

    def both(self, left: Callable[[], weft.Value], right: Callable[[], weft.Value]) -> tuple[weft.Value, weft.Value]:
        if self.right_first:
            second = right()
            return left(), second
        return left(), right()

    def add(self, left: Callable[[], weft.Value], right: Callable[[], weft.Value]) -> weft.Value:
        a, b = self.both(left, right)
        return a + b

    def dense(self) -> weft.Value:
        hidden = Dense(self.graph, "hidden", inputs=64, units=32, activation="relu", seed=1)(self.images)
        dropped = Dropout(self.graph, "drop", rate=0.25, seed=1)(hidden, training=True)
        return Dense(self.graph, "scores", inputs=32, units=10, seed=1)(dropped)

    def convolution(self) -> weft.Value:
        image = weft.reshape(self.images, [-1, 1, 8, 8])
        conv = Conv2d(self.graph, "conv", inputs=1, filters=10, kernel=[3], pads=[1], seed=1)(image)
        norm = BatchNorm(self.graph, "norm", channels=10)(conv, training=True)
        return weft.flatten(weft.global_average_pool(weft.relu(norm)))

    def fit(self, first: int, last: int) -> list[float]:
        history = self.session.fit(
            self.data,
            [self.images, self.labels],
            self.step,
            [self.loss],
            first_epoch=first,
            epochs=last,
            batch_size=32,
            seed=1,
            progress=False,
        )
        return history["loss"]

    def slopes(self) -> list[bytes]:
        images, labels = (column[:40] for column in (self.data[0], self.data[1]))
        found = self.session.run({self.images: images, self.labels: labels}, self.gradients)
        return [array.tobytes() for array in found]


def test_one_graph_built_in_two_orders(tmp_path: pathlib.Path) -> None:
    left, right = Net(False), Net(True)
    assert [v.name for v in left.graph.variables] != [v.name for v in right.graph.variables]
    assert left.slopes() == right.slopes()
    losses = left.fit(0, 2)
    assert losses == right.fit(0, 2) and losses[1] < losses[0]
    assert left.slopes() == right.slopes()
    for variable in left.graph.variables:
        assert left.session.get(variable.name).tobytes() == right.session.get(variable.name).tobytes(), variable.name
    left.session.save(tmp_path / "left")
    right.session.save(tmp_path / "right")
    assert (tmp_path / "left").read_bytes() == (tmp_path / "right").read_bytes()


def test_one_goes_on_where_the_other_stopped(tmp_path: pathlib.Path) -> None:
    left, right = Net(False), Net(True)
    left.fit(0, 1)
    left.session.save(tmp_path / "half")
    right.session.load(tmp_path / "half")
    assert left.fit(1, 2) == right.fit(1, 2)
    assert left.slopes() == right.slopes()
