"""The commands of README.md in Python."""

import struct
import sys
from collections.abc import Callable

import numpy as np

import weft
from weft.layers import (
    GRU, LSTM, BatchNorm, Conv2d, Dense, Dropout, Embedding, Flatten, GroupNorm, LayerNorm, RMSNorm, SelfAttention,
)  # fmt: skip

LANGUAGES = ("c", "cpp", "python", "java", "go")


def fnv(*arrays: np.ndarray) -> str:
    value = 0xCBF29CE484222325
    for array in arrays:
        for byte in np.ascontiguousarray(array).tobytes():
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def bits(number: float) -> str:
    return struct.pack(">d", number).hex()


class Net:
    def __init__(self, kind: str) -> None:
        data = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"])
        self.train, self.test = data.rows(0, 1500), data.rows(1500, 297)
        graph = self.graph = weft.Graph()
        self.images = graph.input("images", "f32", ["batch", 64])
        self.labels = graph.input("labels", "i64", ["batch"])
        training, self.logits = self.cnn() if kind == "cnn" else self.mlp(kind == "dropout")
        self.loss = weft.softmax_cross_entropy_loss(training, self.labels, name="loss")
        self.step = weft.Adam(learning_rate=1e-3).minimize(self.loss)
        self.session = weft.Session(graph)

    def mlp(self, drops: bool) -> tuple[weft.Value, weft.Value]:
        hidden = Dense(self.graph, "hidden", inputs=64, units=64, activation="relu", seed=1)(self.images)
        scores = Dense(self.graph, "scores", inputs=64, units=10, seed=2)
        logits = scores(hidden)
        if not drops:
            return logits, logits
        return scores(Dropout(self.graph, "drop", rate=0.25, seed=3)(hidden, training=True)), logits

    def cnn(self) -> tuple[weft.Value, weft.Value]:
        blocks = []
        for i, (channels, filters) in enumerate([(1, 32), (32, 32), (32, 64)], start=1):
            conv = Conv2d(self.graph, f"conv{i}", inputs=channels, filters=filters, kernel=[3], pads=[1], seed=1)
            blocks.append((conv, BatchNorm(self.graph, f"norm{i}", channels=filters)))
        scores = Dense(self.graph, "scores", inputs=64, units=10, seed=1)

        def network(training: bool) -> weft.Value:
            x = weft.reshape(self.images, [-1, 1, 8, 8])
            for i, (conv, norm) in enumerate(blocks):
                x = weft.relu(norm(conv(x), training=training))
                if i == 1:
                    x = weft.max_pool(x, kernel_shape=[2, 2], strides=[2, 2])
            return scores(weft.flatten(weft.global_average_pool(x)))

        return network(True), network(False)

    def fit(self, first: int, last: int) -> list[float]:
        history = self.session.fit(
            self.train,
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


def train(kind: str, folder: str, epochs: int) -> None:
    net = Net(kind)
    losses = net.fit(0, epochs // 2)
    net.session.save(f"{folder}/python.{kind}.half")
    losses += net.fit(epochs // 2, epochs)
    net.session.save(f"{folder}/python.{kind}.full")
    net.graph.save(f"{folder}/python.{kind}.onnx", net.logits, session=net.session)
    for epoch, loss in enumerate(losses, start=1):
        print("loss", epoch, bits(loss))


def load(kind: str, folder: str) -> None:
    data = weft.Dataset.load("examples/data/digits.safetensors", ["images", "labels"]).rows(1500, 297)
    for language in LANGUAGES:
        graph = weft.Graph.load(f"{folder}/{language}.{kind}.onnx")
        logits = weft.Session(graph).predict(data, [graph.inputs[0], None], graph.outputs[0])
        accuracy = float((logits.argmax(axis=1) == data[1]).mean())
        print("model", language, bits(accuracy), fnv(logits))


def resume(kind: str, folder: str, epochs: int) -> None:
    for language in LANGUAGES:
        net = Net(kind)
        net.session.load(f"{folder}/{language}.{kind}.half")
        loss = net.fit(epochs // 2, epochs)[-1]
        print("resumed", language, bits(loss), fnv(*(net.session.get(variable) for variable in net.graph.variables)))


def all_layers() -> None:
    """Every kind of layer in one graph that trains: what it computes, and the gradient of its mean by the looked-up table."""
    graph = weft.Graph()
    ids = graph.input("ids", "i64", [4, 3])
    embedding = Embedding(graph, "embedding", count=11, size=8, seed=1)
    x = LayerNorm(graph, "layer_norm", units=8)(embedding(ids, training=True), training=True)
    x = LSTM(graph, "lstm", inputs=8, units=8, seed=5)(x, training=True)
    x = SelfAttention(graph, "attention", units=8, heads=2, seed=6)(x, training=True)
    x = RMSNorm(graph, "rms_norm", units=8)(x, training=True)
    x = GRU(graph, "gru", inputs=8, units=4, bidirectional=True, seed=7)(x, training=True)
    x = Dropout(graph, "dropout", rate=0.25, seed=2)(x, training=True)
    x = weft.reshape(x, [-1, 3, 2, 4])
    x = Conv2d(graph, "conv", inputs=3, filters=4, kernel=[2], seed=3)(x, training=True)
    x = BatchNorm(graph, "batch_norm", channels=4)(x, training=True)
    x = GroupNorm(graph, "group_norm", channels=4, groups=2)(x, training=True)
    x = Flatten(graph, "flatten")(x, training=True)
    x = Dense(graph, "dense", inputs=12, units=5, activation="tanh", seed=4)(x, training=True)
    (slope,) = weft.gradients(weft.reduce_mean(x), embedding.variables)
    assert slope is not None
    rows = [[0, 3, 5], [10, 2, 2], [7, 1, 9], [4, 0, 6]]
    print("example layers", fnv(*weft.Session(graph).run({ids: rows}, [x, slope])))


def example() -> None:
    graph = weft.Graph()
    a = graph.input("A", "f64", [2, 3])
    parts = weft.eig(weft.matmul(a, weft.transpose(a)))
    found = weft.Session(graph).run({a: [[1, 2, 3], [4, 5, 6]]}, list(parts))
    print("example eig", fnv(*found))
    l1 = graph.input("l1", "f32", [2, 2])
    w1 = graph.constant([[1.0, -2.0], [0.5, 3.0]])
    b1 = graph.constant([0.25, -1.0])
    layer = weft.relu(weft.matmul(l1, w1) + b1)
    print("example relu", fnv(weft.Session(graph).run({l1: [[1, 2], [3, -4]]}, layer)))
    all_layers()


def code_of(call: Callable[[], object]) -> str:
    try:
        call()
    except weft.WeftError as error:
        return error.code
    return "OK"


def device(plugin: str, name: str) -> None:
    """x + x of tensors that lie on a device and stay there."""
    weft.load_devices(plugin)
    graph = weft.Graph()
    x = graph.input("x", "f32", [3])
    twice = x + x
    session = weft.Session(graph, device=name, device_outputs=True)
    host = weft.Tensor([1.0, 2.0, 3.0])
    there = host.to(name)
    once = session.run({x: there}, twice)
    again = session.run({x: weft.from_dlpack(once)}, twice)
    prepared = session.prepare([x], [twice, x])
    prepared.bind_input(0, again)
    prepared.bind_output(0, there)
    prepared.run()
    copied = weft.from_dlpack(prepared.output(1), copy=True)
    print(f"device place {host.device}, {repr(once).removeprefix('Tensor ')}, {again.device}, {copied.device}")
    for tensor in (once, again, there):
        print("device values", *(f"{value:g}" for value in tensor.to("cpu").numpy()))
    for call in (
        lambda: there.numpy(),
        lambda: np.asarray(there),
        lambda: host.to("nowhere:0"),
        lambda: weft.Tensor(["a"]).to(name),
        lambda: weft.Session(graph).run({x: there}, twice),
    ):
        print("device error", code_of(call))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "train":
        train(rest[0], rest[1], int(rest[2]))
    elif command == "load":
        load(rest[0], rest[1])
    elif command == "resume":
        resume(rest[0], rest[1], int(rest[2]))
    elif command == "device":
        device(rest[0], rest[1])
    else:
        example()
