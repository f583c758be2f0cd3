"""Running: feeds, variables, prepared calls, stopping, threads, forks, host functions."""

import contextlib
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import weft


def counter() -> tuple[weft.Graph, weft.Value, weft.Value]:
    graph = weft.Graph()
    w = graph.variable("w", 0.0)
    return graph, w, weft.assign(w, w + 1)


def test_variables_change_when_a_run_ends() -> None:
    graph, w, step = counter()
    session = weft.Session(graph)
    assert session.run({}, [w, step]) == [0.0, 1.0]
    session.run(targets=step)
    assert session.get("w") == 2.0
    session.set("w", 10)
    assert session.get(w) == 10.0
    with pytest.raises(LookupError):
        session.get("v")
    with pytest.raises(ValueError):
        session.set("w", [1.0, 2.0])
    shared = weft.Session(graph, share=session)
    assert shared.get("w") == 10.0


def test_a_set_that_waits_for_a_run_keeps_nobody_from_the_graph() -> None:
    graph = weft.Graph()
    w = graph.variable("w", 1.0)
    inside, waits = threading.Event(), threading.Event()

    def look(v: np.ndarray) -> Any:
        inside.set()
        waits.wait(60)
        return session.get("w") + v

    step = weft.assign(w, weft.host_call(look, [w], ["f32"], [[]]))
    session = weft.Session(graph)
    runner = threading.Thread(target=lambda: session.run(targets=step), daemon=True)
    setter = threading.Thread(target=lambda: session.set("w", 7.0), daemon=True)
    runner.start()
    assert inside.wait(60)
    setter.start()
    setter.join(0.2)  # it has come to where it waits
    waits.set()
    runner.join(60)
    setter.join(60)
    assert not runner.is_alive() and not setter.is_alive()
    assert session.get("w") == 7.0


def test_packed_weights_are_kept_in_a_folder(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        graph = weft.Graph()
        x = graph.input("x", "f32", [1, 160])
        y = x @ np.ones((160, 128), np.float32)
        session = weft.Session(graph, weight_cache=folder)
        assert session.run({x: np.ones((1, 160), np.float32)}, y).tolist() == [[160.0] * 128]
        assert len(list(folder.iterdir())) == 1
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="weight_cache.*it is a file"):
        weft.Session(graph, weight_cache=str(tmp_path / "file"))


def test_wrong_feeds_are_named() -> None:
    graph = weft.Graph()
    x = graph.input("pixels", "f32", ["n", 3])
    session = weft.Session(graph)
    y = x * 2.0
    with pytest.raises(ValueError, match="pixels"):
        session.run({}, y)
    with pytest.raises(ValueError, match=r"f32\[1, 2\]"):
        session.run({x: [[1, 2]]}, y)
    with pytest.raises(ValueError, match="f64"):
        session.run({x: np.ones((1, 3))}, y)
    with pytest.raises(TypeError):
        session.run({}, "pixels")


def test_results_outlive_everything() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [3])
    session = weft.Session(graph)
    y = session.run({x: [1, 2, 3]}, x * 2.0)
    session.close()
    graph.close()
    del session, graph, x
    assert y.tolist() == [2, 4, 6]
    y[0] = 5  # it is the caller's
    assert y[0] == 5


def test_what_is_fetched_can_be_changed_without_changing_the_graph() -> None:
    graph = weft.Graph()
    c = graph.constant([1.0, 2.0])
    w = graph.variable("w", [3.0, 4.0])
    session = weft.Session(graph)
    for value in (c, w):
        first = session.run({}, value)
        wanted = first.copy()
        if first.flags.writeable:
            first[:] = 0
        np.testing.assert_array_equal(session.run({}, value), wanted)


def test_arrays_are_not_copied() -> None:
    a = np.arange(6, dtype="f4")
    tensor = weft.Tensor(a)
    assert np.shares_memory(tensor.numpy(), a)
    assert np.shares_memory(np.from_dlpack(tensor), a)
    assert np.shares_memory(weft.Tensor(np.from_dlpack(tensor)).numpy(), a)
    assert weft.Tensor(a.reshape(2, 3).T).numpy().tolist() == a.reshape(2, 3).T.tolist()


@pytest.mark.parametrize("use", ["bind_input", "Tensor", "Dataset", "set"])
def test_arrays_are_let_go_of_on_any_thread(use: str) -> None:
    """The main thread waits, so it lets nothing go."""
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    graph.variable("w", np.zeros(1000, "f4"))
    session = weft.Session(graph)
    prepared = session.prepare([x], [x * 2.0])
    uses: dict[str, Callable[[Any], object]] = {
        "bind_input": lambda array: prepared.bind_input(0, array),
        "Tensor": weft.Tensor,
        "Dataset": weft.Dataset,
        "set": lambda array: session.set("w", array),
    }
    seen: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def work() -> None:
        for _ in range(100):
            array = np.zeros(1000, "f4")
            seen.append(weakref.ref(array))
            uses[use](array)
            alive.append(sum(item() is not None for item in seen))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(alive) == 100 and max(alive) < 10


def test_exceptions_are_let_go_of_on_any_thread() -> None:
    class Mine(Exception):
        def __init__(self) -> None:
            seen.add(self)

    seen: weakref.WeakSet[Mine] = weakref.WeakSet()

    def failing(x: np.ndarray) -> np.ndarray:
        raise Mine

    graph = weft.Graph()
    x = graph.input("x", "f32", [])
    y = weft.host_call(failing, [x], ["f32"], [[]])
    session = weft.Session(graph)
    alive: list[int] = []

    def work() -> None:
        for _ in range(100):
            with contextlib.suppress(Mine):
                session.run({x: 1.0}, y)
            alive.append(len(seen))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(alive) == 100 and max(alive) < 10


def test_prepared_reads_and_writes_bound_memory() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    session = weft.Session(graph)
    prepared = session.prepare([x], [x + 1.0])
    values, out = np.array([1, 2], "f4"), np.zeros(2, "f4")
    prepared.bind_input(0, values)
    prepared.bind_output(0, out)
    prepared.run()
    assert out.tolist() == [2, 3]
    values[:] = 10
    prepared.run()
    assert out.tolist() == [11, 11]
    with pytest.raises(ValueError):
        prepared.bind_input(0, [1.0, 2.0, 3.0])
    with pytest.raises(IndexError):
        prepared.bind_output(3, out)
    prepared.close()
    with pytest.raises(weft.FailedPreconditionError):
        prepared.run()


def test_a_session_gives_tensors_where_that_is_asked_for() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    texts = graph.constant(["a", "b"])
    y, both = x + 1.0, weft.sequence_construct(x, x * 2.0)
    feeds = {x: [1.0, 2.0]}
    session = weft.Session(graph, device_outputs=True)
    results = [session.run(feeds, y), *session.run(feeds, [texts, both])]
    assert [repr(result) for result in results[:2]] == ["Tensor f32[2]", "Tensor string[2]"]
    assert [result.kind for result in results] == ["tensor", "tensor", "sequence"]
    assert results[1].numpy().tolist() == ["a", "b"]
    assert [array.tolist() for array in results[2].numpy()] == [[1.0, 2.0], [2.0, 4.0]]
    prepared = session.prepare([x], [y])
    prepared.bind_input(0, np.array([3, 4], "f4"))
    prepared.run()
    assert prepared.output(0).to("cpu").numpy().tolist() == [4.0, 5.0]
    host = np.zeros(2, "f4")
    prepared.bind_output(0, host)
    prepared.run()
    assert np.shares_memory(prepared.output(0).numpy(), host) and host.tolist() == [4.0, 5.0]
    given = weft.Session(graph, device_outputs=False)
    assert isinstance(given.run(feeds, y), np.ndarray) and isinstance(given.run(feeds, both), list)


def crossings(call: Callable[[], object]) -> list[str]:
    """The native functions that are called: those of weft._native, and what it made of a prepared run."""
    names = []

    def note(frame: object, event: str, function: Any) -> None:
        if event == "c_call" and (function.__module__ == "weft._native" or "PyCapsule" in str(type(function.__self__))):
            names.append(function.__name__)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize("nodes", [1, 100])
def test_a_run_is_one_native_call(nodes: int) -> None:
    graph = weft.Graph()
    x = y = graph.input("x", "f32", [2])
    for _ in range(nodes):
        y = weft.neg(y)
    session = weft.Session(graph)
    a = np.ones(2, "f4")
    tensor = weft.Tensor(a)
    effect = weft.assign(graph.variable("w", 0.0), 1.0)
    for _ in range(2):  # the first run makes the plan
        assert crossings(lambda: session.run(targets=effect)) == ["session_run"]
        assert crossings(lambda: session.run({x: tensor}, y)) == ["session_run"]
        assert crossings(lambda: session.run({x: a}, [y])) == ["session_run"]
    prepared = session.prepare([x], [y])
    prepared.bind_input(0, a)
    for _ in range(2):
        assert crossings(prepared.run) == ["run"]
    assert crossings(lambda: prepared.output(0)) == ["prepared_output"]
    prepared.bind_output(0, np.zeros(2, "f4"))
    assert crossings(prepared.run) == ["run"]


def test_constant_matrices_are_kept_as_bf16_where_that_is_asked_for() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1, 128])
    # Half way between two bf16, of which 1 is even.
    y = x @ graph.constant(np.full((128, 128), 1 + 2**-8, "f4"))
    feeds = {x: np.ones((1, 128), "f4")}
    assert weft.Session(graph).run(feeds, y)[0, 0] == 128.5
    assert weft.Session(graph, weight_dtype="bf16").run(feeds, y)[0, 0] == 128
    with pytest.raises(ValueError, match="'weight_dtype' is 'f16' but must be 'f32' or 'bf16'"):
        weft.Session(graph, weight_dtype="f16")


def test_a_closed_session_says_so() -> None:
    graph, w, step = counter()
    session = weft.Session(graph)
    session.close()
    session.close()
    assert session.closed
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        session.run({}, w)


def slow_graph(begun: Callable[[], object]) -> tuple[weft.Value, dict[weft.Value, np.ndarray]]:
    """What takes many seconds after it has called the function."""

    def first(x: np.ndarray) -> np.ndarray:
        begun()
        return x

    graph = weft.Graph()
    x = graph.input("x", "f32", [700, 700])
    y = weft.host_call(first, [x], ["f32"], [[700, 700]])
    for _ in range(10000):
        y = y @ x
    return y, {x: np.zeros((700, 700), "f4")}


@contextlib.contextmanager
def once_begun(begun: threading.Event, function: Callable[[], object]) -> Iterator[None]:
    """Calls the function on another thread when a run has begun and the main thread is back in it from what it called."""
    main = threading.get_ident()
    over = threading.Event()

    def wait() -> None:
        begun.wait()
        while sys._current_frames()[main].f_code not in (weft.Session.run.__code__, weft.Prepared.run.__code__):
            if over.is_set():
                return
        function()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        begun.set()
        thread.join()


def test_a_timeout_ends_a_run() -> None:
    begun = threading.Event()
    y, feeds = slow_graph(begun.set)
    session = weft.Session(y.graph)
    timeout = 0.01
    while not begun.is_set():  # it was over before the plan was made
        timeout *= 2
        with pytest.raises(TimeoutError):
            session.run(feeds, y, timeout=timeout)


def test_another_thread_cancels_a_run() -> None:
    begun = threading.Event()
    y, feeds = slow_graph(begun.set)
    session = weft.Session(y.graph)
    cancel = weft.Cancel()
    with once_begun(begun, cancel.set), pytest.raises(weft.CancelledError):
        session.run(feeds, y, cancel=cancel)
    assert cancel.get()
    cancel.set(False)
    assert not cancel.get()


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -1e300, 1e-12])
def test_a_timeout_that_has_passed_is_a_deadline(timeout: float) -> None:
    graph, w, step = counter()
    session = weft.Session(graph)
    prepared = session.prepare(targets=[step])
    data = weft.Dataset([[1.0]])
    x = graph.input("x", "f32", ["n", 1])
    loss = weft.reduce_mean(x + w, keepdims=False)
    for run in (
        lambda: session.run(targets=step, timeout=timeout),
        lambda: prepared.run(timeout=timeout),
        lambda: session.fit(data, [x], step, [loss], timeout=timeout),
        lambda: session.evaluate(data, [x], [loss], timeout=timeout),
        lambda: session.predict(data, [x], x + 1.0, timeout=timeout),
    ):
        with pytest.raises(weft.DeadlineExceededError):
            run()
    assert session.get(w) == 0.0
    with pytest.raises(ValueError, match="not a number"):
        session.run(targets=step, timeout=float("nan"))


def interrupt() -> None:
    """Ctrl-C."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_ctrl_c_stops_a_run() -> None:
    begun = threading.Event()
    y, feeds = slow_graph(begun.set)
    w = y.graph.variable("w", 0.0)
    session = weft.Session(y.graph)
    with pytest.raises(KeyboardInterrupt), once_begun(begun, interrupt):
        session.run(feeds, y, targets=weft.assign(w, w + 1.0))
    assert session.get(w) == 0.0  # the run was stopped, not finished


def test_ctrl_c_stops_a_prepared_run() -> None:
    begun = threading.Event()
    y, feeds = slow_graph(begun.set)
    prepared = weft.Session(y.graph).prepare(list(feeds), [y])
    for i, array in enumerate(feeds.values()):
        prepared.bind_input(i, array)
    with pytest.raises(KeyboardInterrupt), once_begun(begun, interrupt):
        prepared.run()
    with pytest.raises(weft.FailedPreconditionError):
        prepared.output(0)  # the run was stopped, not finished


def test_many_threads_run_one_session() -> None:
    graph, w, step = counter()
    session = weft.Session(graph)

    def work() -> None:
        for _ in range(100):
            session.run(targets=step)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.get(w) == 400.0


def test_closing_waits_for_runs() -> None:
    begun, cancelled, cancel = threading.Semaphore(0), threading.Event(), weft.Cancel()
    lasting: list[int] = []
    errors: list[BaseException] = []
    left: list[int] = []

    def last() -> None:
        lasting.append(1)
        begun.release()
        cancelled.wait()
        lasting.pop()

    y, feeds = slow_graph(last)
    session = weft.Session(y.graph)

    def work() -> None:
        try:
            session.run(feeds, y, cancel=cancel)
        except weft.CancelledError as error:
            errors.append(error)

    def close() -> None:
        session.close()
        left.append(len(lasting))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    closing = threading.Thread(target=close)
    try:
        for _ in threads:
            assert begun.acquire(timeout=60)
        closing.start()
        with contextlib.suppress(weft.FailedPreconditionError):  # once it is being closed, it takes no more calls
            while closing.is_alive():
                session.initialise()
        assert not left and len(lasting) == 3
    finally:
        cancel.set()
        cancelled.set()
    for thread in (closing, *threads):
        thread.join()
    assert left == [0] and len(errors) == 3


SETTING = """
import threading, time, weft

graph = weft.Graph()
x = graph.input("x", "f32", [])
w = graph.variable("w", 0.0)
inside = threading.Event()


def look(value):
    inside.set()
    time.sleep(0.1)  # the other thread is in session.set now, and waits for this run
    assert (x.name, w.shape) == ("x", ())
    return value


step = weft.assign(w, w + weft.host_call(look, [x], ["f32"], [[]]))
session = weft.Session(graph)
setter = threading.Thread(target=lambda: (inside.wait(), session.set("w", 5.0)))
setter.start()
session.run({x: 1.0}, targets=step)
setter.join()
print(session.get("w"))
"""


def test_a_run_may_look_at_the_graph_while_a_variable_is_being_set() -> None:
    done = subprocess.run([sys.executable, "-c", SETTING], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5.0\n", "")


def cube(n: int) -> float:
    """n * n * n, by all threads."""
    graph = weft.Graph()
    x = graph.input("x", "f32", [n, n])
    return float(weft.Session(graph).run({x: np.ones((n, n), "f4")}, weft.reduce_sum(x @ x, keepdims=False)))


def _child(queue: "multiprocessing.Queue[float]") -> None:
    queue.put(cube(300))


def test_a_forked_child_can_run() -> None:
    assert cube(300) == 300.0**3  # the parent's threads are up
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[float] = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == 300.0**3
    child.join(60)
    assert child.exitcode == 0


def test_the_memory_limit_is_an_error_that_leaves_everything_usable() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    y = weft.tile(x, [1000])
    session = weft.Session(graph)
    weft.set_memory_limit(weft.memory_bytes() + 1_000_000)
    try:
        with pytest.raises(MemoryError):
            session.run({x: np.zeros(100_000, "f4")}, y)
    finally:
        weft.set_memory_limit(0)
    assert session.run({x: [1.0]}, y).sum() == 1000


def test_trace() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    trace = weft.Trace()
    weft.Session(graph).run({x: [1, 2]}, weft.exp(x), trace=trace)
    assert "Exp" in trace.json()


def test_a_session_of_one_thread_starts_none_while_it_packs_and_folds() -> None:
    code = """
import os, numpy as np, weft
graph = weft.Graph()
x = graph.input("x", "f32", [4, 1500])
w = graph.constant(np.ones((1500, 1500), "f4"))
y = x @ weft.exp(w * 2.0)  # folded, then packed
before = len(os.listdir("/proc/self/task"))
weft.Session(graph, threads=1).run({x: np.ones((4, 1500), "f4")}, y)
print(len(os.listdir("/proc/self/task")) - before)
weft.Session(graph, threads=2).run({x: np.ones((4, 1500), "f4")}, (y @ weft.exp(w)) * 2.0)
print(len(os.listdir("/proc/self/task")) - before)
"""
    environment = {**os.environ, "WEFT_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1"]


def unaligned() -> np.ndarray:
    array = np.zeros(9, "u1")[1:].view("f4")
    assert not array.flags.aligned
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(2, ">f4"), "has the dtype >f4, which is not in this machine's order of bytes"),
        (np.zeros((2, 2), "f4")[:, 0], "is not contiguous"),
        (unaligned(), "is not aligned"),
    ],
)
def test_arrays_whose_memory_cannot_be_bound_are_refused(array: np.ndarray, message: str) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    prepared = weft.Session(graph).prepare([x], [x * 2.0])
    for bind, what in ((prepared.bind_input, "an input"), (prepared.bind_output, "an output")):
        with pytest.raises(ValueError, match=f"^{what} is bound to .* this one {message}") as caught:
            bind(0, array)
        assert "array.astype('float32', 'C')" in str(caught.value)
    prepared.bind_input(0, array.astype("float32", "C"))
    out = np.ones(2, "f4")
    prepared.bind_output(0, out)
    prepared.run()
    assert out.tolist() == [0.0, 0.0]


def test_strings_are_not_written_to_arrays() -> None:
    graph = weft.Graph()
    x = graph.input("x", "string", [2])
    prepared = weft.Session(graph).prepare([x], [weft.identity(x)])
    prepared.bind_input(0, np.array(["a", "b"]))
    for array in (np.array(["", ""]), np.array(["", ""], object)):
        with pytest.raises(ValueError, match="Tensor"):
            prepared.bind_output(0, array)
    out = weft.Tensor(["", ""])
    prepared.bind_output(0, out)
    prepared.run()
    assert out.numpy().tolist() == ["a", "b"]
