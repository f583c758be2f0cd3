"""Training on the test devices, which a plug-in brings, has the bits of the CPU."""

import pathlib

import numpy as np
import pytest
import weft

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "build" / "dev" / "tests" / "libweft_test_device.so"


def losses(device: str) -> list[bytes]:
    """Of ten steps of a small classifier."""
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 5])
    labels = graph.input("labels", "i64", ["batch"])
    hidden = weft.layers.Dense(graph, "hidden", inputs=5, units=16, seed=1)
    out = weft.layers.Dense(graph, "out", inputs=16, units=3, seed=2)
    loss = weft.softmax_cross_entropy_loss(out(weft.relu(hidden(x))), labels)
    step = weft.Adam(0.01).minimize(loss)
    session = weft.Session(graph, device=device)
    made = np.random.default_rng(0)
    found = []
    for _ in range(10):
        batch = made.normal(size=(8, 5)).astype(np.float32)
        classes = made.integers(0, 3, size=8)
        found.append(np.asarray(session.run({x: batch, labels: classes}, loss, targets=step)).tobytes())
    return found


@pytest.mark.parametrize("device", ["test:0", "test:1"])
def test_training_has_the_bits_of_the_cpu(device: str) -> None:
    weft.load_devices(PLUGIN)
    assert device in weft.devices()
    assert losses(device) == losses("cpu")
