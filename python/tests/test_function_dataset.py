"""Datasets whose batches a Python function gives."""

import gc
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import weft

XS = np.linspace(-1, 1, 10, dtype="f4").reshape(-1, 1)
NAMES = ["x", "y"]


def batches(epoch: int = 0, size: int = 4) -> Iterator[tuple[Any, Any]]:
    """y = 2 x + 1 in batches of 4, 4 and 2 rows."""
    for start in range(0, len(XS), size):
        x = XS[start : start + size]
        yield x, 2 * x + 1


def line() -> tuple[weft.Session, list[weft.Value], weft.Value, weft.Value]:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n", 1])
    y = graph.input("y", "f32", ["n", 1])
    a, b = graph.variable("a", [[0.0]]), graph.variable("b", [0.0])
    loss = weft.reduce_mean((x @ a + b - y) ** 2.0, keepdims=False, name="loss")
    return weft.Session(graph), [x, y], weft.Sgd(0.1).minimize(loss), loss


def test_one_pass() -> None:
    data = weft.Dataset.from_function(batches, NAMES)
    assert data.width == 2 and repr(data) == "Dataset of batches of 2 tensors, given by a function"
    passed = list(data.batches())
    assert [len(x) for x, _ in passed] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in passed]), XS)
    np.testing.assert_array_equal(np.concatenate([y for _, y in passed]), 2 * XS + 1)
    with pytest.raises(TypeError, match="not known"):
        len(data)
    with pytest.raises(weft.FailedPreconditionError, match="a function gives"):
        data.rows(0, 1)
    with pytest.raises(weft.FailedPreconditionError, match="a function gives"):
        data[0]


def test_arrays_are_not_copied() -> None:
    shared = np.arange(3, dtype="f4")
    (got,) = next(weft.Dataset.from_function(lambda epoch: [shared], ["x"]).batches())
    assert np.shares_memory(got, shared)


class Loader:
    """Something that can be gone through again and again, as torch's DataLoader."""

    def __iter__(self) -> Iterator[list[Any]]:
        return (list(batch) for batch in batches())


@pytest.mark.parametrize(
    "source",
    [
        batches,
        lambda epoch: list(batches()),
        list(batches()),
        Loader(),
        lambda epoch: ({"y": y, "x": x, "not needed": object()} for x, y in batches()),
        lambda epoch: ((weft.Tensor(x), y.tolist()) for x, y in batches()),
        lambda epoch: weft.Dataset(XS, 2 * XS + 1).batches(4),
    ],
    ids=["generator", "function", "list", "iterable", "dicts", "tensors", "pass"],
)
def test_every_source_trains_as_rows_do(source: Any) -> None:
    session, feeds, step, loss = line()
    rows = weft.Dataset(XS, 2 * XS + 1)
    by_rows = session.fit(rows, feeds, step, [loss], epochs=3, batch_size=4, shuffle=False)
    data = weft.Dataset.from_function(source, NAMES)
    again, feeds, step, loss = line()
    by_function = again.fit(data, feeds, step, [loss], epochs=3)
    assert by_rows["loss"] == by_function["loss"]
    assert (session.get("a") == again.get("a")).all() and (session.get("b") == again.get("b")).all()
    wanted = session.evaluate(rows, feeds_of(session), [session.graph.find("loss")], batch_size=4)
    assert again.evaluate(data, feeds, [loss]) == wanted
    np.testing.assert_array_equal(again.predict(data, feeds, feeds[1]), 2 * XS + 1)


def feeds_of(session: weft.Session) -> list[weft.Value]:
    return [session.graph.find("x"), session.graph.find("y")]


def test_the_function_is_told_the_epoch() -> None:
    seen = []

    def batches_of(epoch: int) -> Any:
        seen.append(epoch)
        return batches()

    session, feeds, step, loss = line()
    data = weft.Dataset.from_function(batches_of, NAMES)
    told: list[tuple[str, int | None]] = []
    history = session.fit(
        data, feeds, step, [loss], first_epoch=2, epochs=4, validation=data, validation_metrics=[loss],
        callback=lambda event: told.append((event.kind, event.batch_count)),
    )
    assert seen == [2, 2, 3, 3] and history.names == ["loss", "val_loss"]
    assert told == [("batch", None), ("batch", None), ("batch", None), ("epoch", 3)] * 2
    list(data.batches(epoch=7))
    assert seen[-1] == 7


def test_a_bar_without_a_total(capfd: Any) -> None:
    session, feeds, step, loss = line()
    session.fit(weft.Dataset.from_function(batches, NAMES), feeds, step, [loss], progress=True)
    assert "3batch" in capfd.readouterr().err


def test_an_iterator_is_gone_through_once() -> None:
    session, feeds, step, loss = line()
    data = weft.Dataset.from_function(batches(), NAMES)
    session.fit(data, feeds, step, [loss])
    with pytest.raises(ValueError, match="once only"):
        session.fit(data, feeds, step, [loss])


def test_the_function_decides_what_a_batch_is() -> None:
    session, feeds, step, loss = line()
    data = weft.Dataset.from_function(batches, NAMES)
    for named in ({"shuffle": True}, {"batch_size": 4}, {"drop_last": True}):
        with pytest.raises(ValueError, match=next(iter(named))):
            session.fit(data, feeds, step, **named)
        with pytest.raises(ValueError, match=next(iter(named))):
            data.batches(**named)
    session.fit(data, feeds, step, shuffle=False)
    # A batch size is for the rows of the validation.
    session.fit(data, feeds, step, batch_size=2, validation=weft.Dataset(XS, XS), validation_metrics=[loss])


class Mine(Exception):
    pass


def failing(epoch: int) -> Iterator[Any]:
    yield from list(batches())[:2]
    raise Mine("in the middle")


def test_an_exception_is_raised_as_it_is() -> None:
    session, feeds, step, loss = line()
    data = weft.Dataset.from_function(failing, NAMES)
    steps = []
    calls: list[Any] = [
        lambda: session.fit(data, feeds, step, callback=lambda progress: steps.append(progress.batch)),
        lambda: session.fit(weft.Dataset(XS, XS), feeds, step, validation=data, validation_metrics=[loss]),
        lambda: session.evaluate(data, feeds, [loss]),
        lambda: session.predict(data, feeds, feeds[0]),
        lambda: list(data.batches()),
    ]
    for call in calls:
        with pytest.raises(Mine, match="in the middle") as caught:
            call()
        assert caught.traceback[-1].name == "failing"  # where it was raised
    assert steps == [0, 1]

    def no_pass(epoch: int) -> Any:
        raise Mine("at the start")

    with pytest.raises(Mine, match="at the start"):
        session.fit(weft.Dataset.from_function(no_pass, NAMES), feeds, step)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ({"x": XS}, ValueError, "no 'y'; it has x"),
        ((XS,), ValueError, "1 tensors, not 2: x, y"),
        (XS, ValueError, "ndarray"),
        ((XS, None), ValueError, "None cannot be"),
        ((3.0, XS), ValueError, "counts the rows"),
        ((XS[:0], XS[:0]), ValueError, "counts the rows"),
        ((XS, XS.astype("f8")), ValueError, "f64"),
        (None, ValueError, "None"),
    ],
)
def test_wrong_batches(batch: Any, error: type[Exception], message: str) -> None:
    session, feeds, step, _ = line()
    with pytest.raises(error, match=message):
        session.fit(weft.Dataset.from_function(lambda epoch: [batch], NAMES), feeds, step)


def test_wrong_functions() -> None:
    session, feeds, step, loss = line()
    with pytest.raises(TypeError, match="int"):
        weft.Dataset.from_function(3, NAMES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width"):
        weft.Dataset.from_function(batches, [])
    with pytest.raises(ValueError, match="two tensors"):
        list(weft.Dataset.from_function(batches, ["x", "x"]).batches())
    with pytest.raises(TypeError, match="not iterable"):
        session.fit(weft.Dataset.from_function(print, NAMES), feeds, step)  # type: ignore[arg-type]
    nothing = weft.Dataset.from_function(lambda epoch: [], NAMES)
    with pytest.raises(ValueError, match="no batch"):
        session.fit(nothing, feeds, step)
    with pytest.raises(ValueError, match="no rows"):
        session.evaluate(nothing, feeds, [loss])
    with pytest.raises(ValueError, match="no batch"):
        session.predict(nothing, feeds, feeds[0])
    assert list(nothing.batches()) == []
    with pytest.raises(ValueError, match="3 feeds"):
        session.fit(weft.Dataset.from_function(batches, NAMES), [*feeds, None], step)


def test_the_session_may_be_used_in_between(tmp_path: Any) -> None:
    session, feeds, step, loss = line()
    path = tmp_path / "between.safetensors"
    seen = []

    def using(epoch: int) -> Iterator[Any]:
        for batch in batches():
            seen.append(session.run(dict(zip(feeds, batch)), loss))
            assert session.evaluate(data, feeds, [loss])["loss"] > 0 if len(seen) == 1 else True
            session.save(path)
            yield batch

    data = weft.Dataset.from_function(batches, NAMES)
    session.fit(weft.Dataset.from_function(using, NAMES), feeds, step)
    assert len(seen) == 3 and path.exists()

    def closing(epoch: int) -> Iterator[Any]:
        for batch in batches():
            yield batch
            session.close()

    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        session.fit(weft.Dataset.from_function(closing, NAMES), feeds, step)


def test_a_pass_may_begin_with_others() -> None:
    session, feeds, step, loss = line()
    inner = weft.Dataset.from_function(batches, NAMES)

    def begin(epoch: int) -> Iterator[Any]:
        session.fit(inner, feeds, step)
        assert len(list(inner.batches())) == 3
        return iter([(XS, XS)])

    (batch,) = weft.Dataset.from_function(begin, NAMES).batches()
    assert batch[1].tolist() == XS.tolist()


def test_functions_do_not_call_each_other_without_end() -> None:
    data = weft.Dataset.from_function(lambda epoch: data.batches(), NAMES)
    with pytest.raises(weft.FailedPreconditionError, match="deep"):
        data.batches()


def test_closing_in_between() -> None:
    session, feeds, step, loss = line()

    def closing(epoch: int) -> Iterator[Any]:
        data.close()
        yield from batches()

    data = weft.Dataset.from_function(closing, NAMES)
    session.fit(data, feeds, step, epochs=2)
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        session.fit(data, feeds, step)


def test_cancel_and_timeout() -> None:
    session, feeds, step, loss = line()
    flag = weft.Cancel()

    def endless(epoch: int) -> Iterator[Any]:
        while True:
            yield from batches()

    def cancelling(epoch: int) -> Iterator[Any]:
        for i, batch in enumerate(endless(epoch)):
            if i == 5:
                flag.set()
            yield batch

    with pytest.raises(weft.CancelledError):
        session.fit(weft.Dataset.from_function(cancelling, NAMES), feeds, step, cancel=flag)
    with pytest.raises(TimeoutError):
        session.fit(weft.Dataset.from_function(endless, NAMES), feeds, step, timeout=0.03)
    with pytest.raises(TimeoutError):
        session.predict(weft.Dataset.from_function(endless, NAMES), feeds, feeds[0], timeout=0.03)


def test_ctrl_c_ends_the_function() -> None:
    session, feeds, step, loss = line()

    def interrupted(epoch: int) -> Iterator[Any]:
        yield from batches()
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            yield from batches()

    with pytest.raises(KeyboardInterrupt):
        session.fit(weft.Dataset.from_function(interrupted, NAMES), feeds, step)


def test_a_generator_ends_with_its_pass() -> None:
    ended = []

    def noting(epoch: int) -> Iterator[Any]:
        try:
            yield from batches()
        finally:
            ended.append(threading.get_ident())

    data = weft.Dataset.from_function(noting, NAMES)
    one = data.batches()
    next(one)
    assert not ended
    del one
    assert ended == [threading.get_ident()]
    session, feeds, step, loss = line()
    session.fit(data, feeds, step, callback=lambda progress: True)
    assert len(ended) == 2

    seen = []

    def elsewhere() -> None:
        session.fit(data, feeds, step, callback=lambda progress: True)
        seen.append(ended[2:] == [threading.get_ident()])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True]


def test_threads_go_through_one_dataset() -> None:
    session, feeds, step, loss = line()
    data = weft.Dataset.from_function(batches, NAMES)
    wanted = session.evaluate(data, feeds, [loss])
    wrong: list[Any] = []

    def evaluate() -> None:
        for _ in range(20):
            if session.evaluate(data, feeds, [loss]) != wanted:
                wrong.append(session)

    threads = [threading.Thread(target=evaluate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_one_pass_is_for_one_call_at_a_time() -> None:
    errors: list[str] = []

    def asking(epoch: int) -> Iterator[Any]:
        def ask() -> None:
            try:
                next(one)
            except weft.FailedPreconditionError as error:
                errors.append(error.message)

        ask()
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        yield from batches()

    one = weft.Dataset.from_function(asking, NAMES).batches()
    assert len(next(one)) == 2
    assert len(errors) == 2 and "already" in errors[0]  # and `one`, which its own generator knows, is collected


def test_memory_of_batches_is_let_go_meanwhile() -> None:
    held: list[Any] = []
    most = []

    def counting(epoch: int) -> Iterator[Any]:
        for _ in range(100):
            array = XS.copy()
            held.append(weakref.ref(array))
            most.append(sum(item() is not None for item in held))
            yield array, array

    session, feeds, step, loss = line()
    data = weft.Dataset.from_function(counting, NAMES)
    # The main thread waits, so it lets nothing go.
    thread = threading.Thread(target=lambda: session.fit(data, feeds, step))
    thread.start()
    thread.join()
    assert len(most) == 100 and max(most) < 10


def test_a_dataset_that_its_function_knows_is_collected() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.data = weft.Dataset.from_function(self.batches, NAMES)

        def batches(self, epoch: int) -> Iterator[Any]:
            return batches()

    before = weft.live_objects()
    trainer = Trainer()
    assert len(list(trainer.data.batches())) == 3
    assert weft.live_objects() > before
    del trainer
    gc.collect()
    assert weft.live_objects() == before


def test_the_pass_keeps_what_it_needs() -> None:
    one = weft.Dataset.from_function(lambda epoch: batches(), NAMES).batches()
    gc.collect()
    assert len(list(one)) == 3
