"""Every kind of object made and let go of 10,000 times, without Python's collector of cycles: none stays alive, and after
the first 1,000 rounds neither Python's blocks of memory nor the memory of the process grow."""

import contextlib
import gc
import pathlib
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import weft

FIRST, ROUNDS = 1_000, 10_000
MOST_BLOCKS = 4_000  # of Python's memory by which there may be more: what Python itself keeps
MOST = 8 << 20  # bytes by which the memory of the process may grow: what others than us keep


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Shared:
    """What the rounds share."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.graph = weft.Graph()
        self.x = self.graph.input("x", "f32", ["n"])
        self.twice = self.x * 2.0
        self.w = self.graph.variable("w", 0.0)
        self.mean = weft.reduce_mean(self.x * self.w, keepdims=False, name="mean")
        self.step = weft.Sgd(0.1).minimize(self.mean)
        self.called = weft.host_call("leaks", [self.x], ["f32"], [["n"]])
        self.session = weft.Session(self.graph)
        self.row = np.ones(1, "f4")
        self.tensor = weft.Tensor(self.row)
        self.rows = weft.Dataset(self.row)
        self.tensors, self.model = folder / "leaks.safetensors", folder / "leaks.onnx"
        weft.save_tensors(self.tensors, {"row": self.row})
        self.graph.save(self.model, [self.twice])


class Mine(Exception):
    pass


def fails(*_: Any) -> Any:
    raise Mine


@contextlib.contextmanager
def raised(kind: type[Exception]) -> Iterator[None]:
    """As pytest.raises, which makes more than is to be looked at."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__} is raised")


def branches(shared: Shared) -> weft.Graph:
    graph = weft.Graph()
    x = graph.constant(1.0)
    weft.if_(graph.input("flag", "bool", []), lambda: x * 2.0, lambda: x)
    return graph


def layer(shared: Shared) -> weft.Layer:
    return weft.layers.BatchNorm(weft.Graph(), "norm", channels=2)


def own_session(shared: Shared) -> weft.Session:
    session = weft.Session(shared.graph)
    session.run({shared.x: shared.row}, shared.w, shared.step)
    return session


def prepared(shared: Shared) -> weft.Prepared:
    made = shared.session.prepare([shared.x], [shared.twice])
    made.bind_input(0, shared.row)
    made.run()
    assert made.output(0)[0] == 2.0
    return made


def options(shared: Shared) -> weft.Trace:
    trace, cancel = weft.Trace(), weft.Cancel()
    shared.session.run({shared.x: shared.row}, shared.twice, timeout=1000, cancel=cancel, trace=trace)
    cancel.set()
    with raised(weft.CancelledError):
        shared.session.run({shared.x: shared.row}, shared.twice, cancel=cancel)
    return trace


def batches(shared: Shared) -> Any:
    passing = shared.rows.rows(0, 1).batches()
    assert len(next(passing)) == 1
    return passing


def batches_of_a_function(shared: Shared) -> weft.Dataset:
    data = weft.Dataset.from_function(lambda epoch: [shared.row], ["x"])
    assert len(list(data.batches())) == 1
    return data


def batches_that_fail(shared: Shared) -> weft.Dataset:
    data = weft.Dataset.from_function(lambda epoch: map(fails, [shared.row]), ["x"])
    with raised(Mine):
        next(data.batches())
    return data


def fit(shared: Shared) -> None:
    watch: Callable[[weft.FitEvent], bool] = lambda progress: False
    shared.session.fit(shared.rows, [shared.x], shared.step, [shared.mean], validation=shared.rows, callback=watch)


def fit_that_fails(shared: Shared) -> None:
    with raised(Mine):
        shared.session.fit(shared.rows, [shared.x], shared.step, callback=lambda progress: fails())


def host_call(shared: Shared) -> weft.Graph:
    """A function that goes with its graph."""
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    y = weft.host_call(lambda a: a, [x], ["f32"], [["n"]])
    assert weft.Session(graph).run({x: shared.row}, y)[0] == 1.0
    return graph


def host_function(shared: Shared) -> None:
    for function in (lambda a: a, fails, lambda a: a):
        weft.set_host_function("leaks", function)
        with raised(Mine) if function is fails else contextlib.nullcontext():
            shared.session.run({shared.x: shared.row}, shared.called)
    weft.set_host_function("leaks", None)


def log_function(shared: Shared) -> None:
    weft.set_log(lambda level, text: None)
    weft.set_log(None)


def errors(shared: Shared) -> None:
    with raised(weft.NotFoundError):
        shared.graph.add("Nothing", [])
    with raised(weft.NotFoundError):
        weft.Graph.load("/no/such.onnx")
    with raised(weft.InvalidArgumentError):
        shared.session.run({}, shared.twice)
    with raised(weft.InvalidArgumentError):
        weft.Tensor([None])


# What each makes is closed in every other round, and else dropped.
KINDS: dict[str, Callable[[Shared], Any]] = {
    "graph": lambda shared: weft.Graph(),
    "graph of a file": lambda shared: weft.Graph.load(shared.model),
    "branches": branches,
    "layer": layer,
    "tensor over an array": lambda shared: weft.Tensor(shared.row),
    "tensor of a list": lambda shared: weft.Tensor([1.0, 2.0]),
    "tensor of strings": lambda shared: weft.Tensor(["one", "two"]),
    "sequence": lambda shared: weft.Tensor.sequence([shared.row]),
    "optional": lambda shared: weft.Tensor.optional(shared.row),
    "map": lambda shared: weft.Tensor({"one": 1.0}),
    "empty optional": lambda shared: weft.Tensor.optional(),
    "tensors of a file": lambda shared: weft.load_tensors(shared.tensors)["row"],
    "DLPack in": lambda shared: weft.from_dlpack(shared.row),
    "DLPack out": lambda shared: np.from_dlpack(shared.tensor),
    "DLPack that nobody takes": lambda shared: shared.tensor.__dlpack__(),
    "array over a tensor": lambda shared: weft.Tensor([1.0]).numpy(),
    "buffer": lambda shared: memoryview(shared.tensor),
    "session": lambda shared: weft.Session(shared.graph),
    "run of a session of its own": own_session,
    "run": lambda shared: shared.session.run({shared.x: shared.row}, shared.twice),
    "prepared call": prepared,
    "cancel token": lambda shared: weft.Cancel(),
    "trace": lambda shared: weft.Trace(),
    "options": options,
    "dataset": lambda shared: weft.Dataset(shared.row),
    "batches": batches,
    "batches of a function": batches_of_a_function,
    "batches that fail": batches_that_fail,
    "fit": fit,
    "fit that fails": fit_that_fails,
    "evaluate": lambda shared: shared.session.evaluate(shared.rows, [shared.x], [shared.mean]),
    "predict": lambda shared: shared.session.predict(shared.rows, [shared.x], shared.twice),
    "host call": host_call,
    "host function": host_function,
    "log function": log_function,
    "errors": errors,
}


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_leave_nothing(kind: str, tmp_path: pathlib.Path) -> None:
    shared, make = Shared(tmp_path), KINDS[kind]
    live = weft.live_objects()
    blocks = resident = 0
    for i in range(ROUNDS):
        if i == FIRST:
            blocks, resident = sys.getallocatedblocks(), resident_bytes()
        made = make(shared)
        if i % 2 and hasattr(made, "close"):
            made.close()
        del made
    new_blocks, grown = sys.getallocatedblocks() - blocks, resident_bytes() - resident
    assert weft.live_objects() == live
    assert new_blocks <= MOST_BLOCKS
    assert grown <= MOST
