"""Datasets, optimizers, layers, fit."""

import json
import os
import signal
import threading

import numpy as np
import pytest

import weft
from weft.layers import Dense


def line() -> tuple[weft.Session, list[weft.Value], weft.Value, weft.Value, weft.Dataset]:
    """y = 2 x + 1, to be learned."""
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n", 1])
    y = graph.input("y", "f32", ["n", 1])
    prediction = Dense(graph, "line", inputs=1, units=1, seed=3)(x)
    loss = weft.reduce_mean((prediction - y) ** 2, keepdims=False, name="loss")
    step = weft.Sgd(0.1).minimize(loss)
    values = np.linspace(-1, 1, 50, dtype="f4").reshape(-1, 1)
    return weft.Session(graph), [x, y], step, loss, weft.Dataset(values, 2 * values + 1)


def test_fit_learns() -> None:
    session, feeds, step, loss, data = line()
    history = session.fit(data, feeds, step, [loss], epochs=60, batch_size=8, seed=1)
    assert len(history) == 60 and history.names == ["loss"] and not history.stopped
    assert history["loss"][-1] < 1e-4 < history["loss"][0]
    np.testing.assert_allclose(session.get("line/kernel"), [[2]], atol=0.02)
    np.testing.assert_allclose(session.get("line/bias"), [1], atol=0.02)
    assert session.evaluate(data, feeds, [loss])["loss"] < 1e-4


def test_fit_is_the_plain_loop() -> None:
    session, feeds, step, loss, data = line()
    history = session.fit(data, feeds, step, [loss], epochs=2, batch_size=8, seed=5)
    again, feeds, step, loss, data = line()
    for epoch in range(2):
        total = 0.0
        for batch in data.batches(8, shuffle=True, seed=5, epoch=epoch):
            value = again.run(dict(zip(feeds, batch)), loss, targets=step)
            total += float(value) * len(batch[0])
        assert total / 50 == history["loss"][epoch]
    assert (again.get("line/kernel") == session.get("line/kernel")).all()


def test_one_metric_is_a_list_of_it() -> None:
    session, feeds, _, loss, data = line()
    wanted = session.evaluate(data, feeds, [loss])
    assert list(wanted) == ["loss"]
    assert session.evaluate(data, feeds, loss) == wanted
    assert session.evaluate(data, feeds, iter([loss])) == wanted  # type: ignore[arg-type]


def test_a_trace_has_every_run_of_a_training() -> None:
    session, feeds, step, loss, data = line()
    trace = weft.Trace()

    def updates() -> int:
        return sum(event["name"] == "weft.Sgd" for event in json.loads(trace.json())["traceEvents"])

    session.fit(data, feeds, step, [loss], epochs=2, batch_size=25, trace=trace)
    assert updates() == 8  # 2 variables, 4 batches
    before = len(json.loads(trace.json())["traceEvents"])
    session.evaluate(data, feeds, loss, trace=trace)
    evaluated = len(json.loads(trace.json())["traceEvents"])
    assert evaluated > before and updates() == 8
    x = feeds[0]
    session.predict([[1.0]], [x], x * 2.0, trace=trace)
    assert len(json.loads(trace.json())["traceEvents"]) > evaluated


def test_fit_without_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    session, feeds, step, loss, data = line()
    monkeypatch.setattr("sys.stderr", None)
    assert len(session.fit(data, feeds, step, [loss])) == 1


def test_callbacks_see_and_stop() -> None:
    session, feeds, step, loss, data = line()
    seen: list[tuple[str, int, int]] = []

    def watch(event: weft.FitEvent) -> bool:
        seen.append((event.kind, event.epoch, event.batch))
        assert event.metrics["loss"] >= 0
        return event.kind == "epoch" and event.epoch == 1

    history = session.fit(data, feeds, step, [loss], epochs=9, batch_size=25, callback=watch)
    assert history.stopped and len(history) == 2
    assert seen == [
        ("batch", 0, 0),
        ("batch", 0, 1),
        ("epoch", 0, 1),
        ("batch", 1, 0),
        ("batch", 1, 1),
        ("epoch", 1, 1),
    ]


def test_a_validation_has_the_metrics_of_the_training() -> None:
    session, feeds, step, loss, data = line()
    seen: list[dict[str, float]] = []

    def watch(event: weft.FitEvent) -> None:
        if event.kind == "epoch":
            seen.append(dict(event.metrics))

    history = session.fit(data, feeds, step, [loss], epochs=2, validation=data, callback=watch)
    assert [list(metrics) for metrics in seen] == [["loss", "val_loss"]] * 2
    assert history["val_loss"][1] == seen[1]["val_loss"] == session.evaluate(data, feeds, [loss])["loss"]


def test_an_exception_in_a_callback_is_raised_as_it_is() -> None:
    class Enough(Exception):
        pass

    def stop(_: weft.FitEvent) -> None:
        raise Enough("now")

    session, feeds, step, loss, data = line()
    with pytest.raises(Enough, match="now"):
        session.fit(data, feeds, step, [loss], callback=stop)


def test_validation_and_early_stop() -> None:
    session, feeds, step, loss, data = line()
    history = session.fit(
        data.rows(0, 40),
        feeds,
        step,
        [loss],
        epochs=500,
        validation=data.rows(40, 10),
        validation_metrics=[loss],
        monitor="val_loss",
        patience=3,
        min_delta=1e-3,
        restore_best=True,
    )
    assert history.stopped and history.names == ["loss", "val_loss"]
    best = min(history["val_loss"])
    assert abs(session.evaluate(data.rows(40, 10), feeds, [loss])["loss"] - best) < 2e-3


def test_datasets() -> None:
    data = weft.Dataset(np.arange(10, dtype="f4"), np.arange(10))
    assert len(data) == 10 and data.width == 2
    assert [batch[1].tolist() for batch in data.batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(list(data.batches(4, drop_last=True))) == 2
    order = [int(i) for batch in data.batches(4, shuffle=True, seed=1) for i in batch[1]]
    assert sorted(order) == list(range(10)) and order != list(range(10))
    assert order == [int(i) for batch in data.batches(3, shuffle=True, seed=1) for i in batch[1]]
    with pytest.raises(ValueError, match="rows"):
        weft.Dataset([1.0], [1.0, 2.0])
    with pytest.raises(ValueError):
        data.rows(5, 6)


def test_a_closed_dataset() -> None:
    session, feeds, step, _, data = line()
    rows, batches = data.rows(1, 2), data.batches(30)

    def close(event: weft.FitEvent) -> None:
        data.close()

    assert len(session.fit(data, feeds, step, epochs=2, callback=close)) == 2, "what was begun goes on"
    data.close()
    assert data.closed
    with pytest.raises(weft.FailedPreconditionError, match="this dataset is closed"):
        session.fit(data, feeds, step)
    with pytest.raises(weft.FailedPreconditionError, match="this dataset is closed"):
        session.fit(rows, feeds, step, validation=data)
    assert [len(batch[0]) for batch in batches] == [30, 20] and len(rows) == 2


def test_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "data.safetensors"
    weft.save_tensors(path, {"a": [[1.0, 2.0]], "b": np.array([3], "i8")})
    loaded = weft.load_tensors(path)
    assert loaded["a"].numpy().tolist() == [[1, 2]] and loaded["b"].dtype == "i64"
    np.save(tmp_path / "x.npy", np.ones((3, 2), "f4"))
    assert len(weft.Dataset.load(tmp_path / "x.npy")) == 3
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4.5\n")
    assert weft.Dataset.load(tmp_path / "x.csv")[0].tolist() == [[1, 2], [3, 4.5]]
    before = weft.memory_bytes()
    mapped = weft.load_tensors(path, map=True), weft.Dataset.load(path, ["a"], map=True)
    assert weft.memory_bytes() == before and mapped[1][0].tolist() == [[1, 2]]
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match="bad.safetensors"):
        weft.load_tensors(tmp_path / "bad.safetensors")
    with pytest.raises(FileNotFoundError):
        weft.load_tensors(tmp_path / "none.npy")


@pytest.mark.parametrize("optimizer", [weft.Sgd, weft.Momentum, weft.Adam, weft.AdamW])
def test_optimizers_lower_a_loss(optimizer: type[weft.Optimizer]) -> None:
    graph = weft.Graph()
    w = graph.variable("w", [5.0, -3.0])
    loss = weft.reduce_sum(w * w, keepdims=False)
    step = optimizer(0.05, clip_norm=1.0).minimize(loss)  # type: ignore[call-arg]
    session = weft.Session(graph)
    first = session.run({}, loss)
    for _ in range(20):
        session.run(targets=step)
    assert session.run({}, loss) < first


def test_a_learning_rate_can_be_a_schedule() -> None:
    graph = weft.Graph()
    w = graph.variable("w", 0.0)
    rate = graph.input("rate", "f32", [])
    step = weft.Sgd(rate).minimize(w * 1.0)
    session = weft.Session(graph)
    session.run({rate: 0.5}, targets=step)
    session.run({rate: 0.25}, targets=step)
    assert session.get("w") == -0.75


def test_ctrl_c_stops_fit() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 64])
    w = graph.variable("w", np.ones((64, 64), "f4"))
    loss = weft.reduce_mean((x @ w) ** 2.0, keepdims=False)
    step = weft.Sgd(1e-6).minimize(loss)
    session = weft.Session(graph)
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.fit(weft.Dataset(np.ones((512, 64), "f4")), [x], step, [loss], epochs=10**7)
    timer.join()
    assert float(session.run({x: np.ones((1, 64), "f4")}, loss)) < 64**2  # it is as the last finished step left it
