"""Times of prepared graphs from Python: the rows of weft_bench that every language has. python benchmarks/bench.py"""

import time

import numpy as np

import weft
from weft.layers import Dense


def measure(name: str, prepared: weft.Prepared) -> None:
    """Samples of at least 5 ms each, for half a second."""

    def time_of(runs: int) -> float:
        begin = time.perf_counter()
        for _ in range(runs):
            prepared.run()
        return (time.perf_counter() - begin) / runs

    time_of(3)
    runs = max(1, int(5e-3 / time_of(100)))
    samples: list[float] = []
    begin = time.perf_counter()
    while len(samples) < 5 or time.perf_counter() - begin < 0.5:
        samples.append(time_of(runs))
    samples.sort()
    print(f"{name}\t{samples[0] * 1e6:.2f}\t{samples[len(samples) // 2] * 1e6:.2f}")


def adds(name: str, count: int) -> None:
    graph = weft.Graph()
    x, other = graph.input("x", "f32", [4]), graph.input("other", "f32", [4])
    y = x
    for _ in range(count):
        y = y + other
    prepared = weft.Session(graph, threads=1).prepare([x, other], [y])
    prepared.bind_input(0, np.ones(4, np.float32))
    prepared.bind_input(1, np.ones(4, np.float32))
    prepared.bind_output(0, np.zeros(4, np.float32))
    measure(name, prepared)


def training(name: str) -> None:
    graph = weft.Graph()
    x, labels = graph.input("x", "f32", [32, 64]), graph.input("labels", "i64", [32])
    hidden = Dense(graph, "hidden", inputs=64, units=64, activation="relu")(x)
    scores = Dense(graph, "scores", inputs=64, units=10)(hidden)
    step = weft.Adam(learning_rate=1e-3).minimize(weft.softmax_cross_entropy_loss(scores, labels))
    prepared = weft.Session(graph, threads=1).prepare([x, labels], [], [step])
    prepared.bind_input(0, np.linspace(-1, 1, 2048, dtype=np.float32).reshape(32, 64))
    prepared.bind_input(1, np.arange(32, dtype=np.int64) % 10)
    measure(name, prepared)


adds("one Add of 4", 1)
adds("chain of 100 Adds of 4", 100)
training("MLP 64-64-10, a step of Adam, batch 32")
