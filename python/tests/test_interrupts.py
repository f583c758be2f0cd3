"""Ctrl-C during native calls that do not heed it: it is raised when the call returns, and what the call made is let go of."""

import _thread
import gc
import signal
from collections.abc import Callable
from typing import Any

import pytest

import weft
from weft import _native


class Signal(int):
    # Neither getting an attribute nor returning makes Python look for signals: the next native call returns with it.
    send = property(_thread.interrupt_main)


class Now:
    """A number; Ctrl-C comes while a native call reads it."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        Signal(signal.SIGINT).send
        return self.value


def makers() -> dict[str, Callable[[], Any]]:
    """Native calls that make something, of a number that Ctrl-C comes with."""
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    late = weft.Value(graph, Now((x * 2.0).id))  # type: ignore[arg-type]
    session = weft.Session(graph)
    prepared = session.prepare([x], [x * 3.0])
    prepared.bind_input(0, [1.0, 2.0])
    prepared.run()
    data = weft.Dataset([[1.0], [2.0], [3.0]], [4, 5, 6])
    batches: Any = data.batches(2)
    several = weft.Tensor.sequence([1.0, 2.0])
    feeds = {x: weft.Tensor([1.0, 2.0])}
    return {
        "a graph": lambda: weft.Graph(Now(0)),  # type: ignore[arg-type]
        "a dataset": lambda: data.rows(Now(1), 2),  # type: ignore[arg-type]
        "a pass": lambda: data.batches(2, epoch=Now(0)),  # type: ignore[arg-type]
        "a tensor": lambda: several[Now(1)],
        "rows": lambda: data[Now(1)],  # type: ignore[index]
        "a prepared call": lambda: session.prepare([x], [late]),
        "an output": lambda: prepared.output(Now(0)),  # type: ignore[arg-type]
        # Without options, of which the package gives runs some that heed Ctrl-C.
        "results": lambda: _native.session_run(session._handle, None, feeds, [late], [], False),
        "a batch": lambda: _native.weft_batches_next(batches._handle, Now(2)),
    }


def test_what_a_native_call_made_goes_with_ctrl_c() -> None:
    made = makers()
    for name, make in made.items():
        gc.collect()
        before = weft.live_objects()
        with pytest.raises(KeyboardInterrupt):
            make()
        gc.collect()
        assert weft.live_objects() == before, name


def test_what_a_native_call_made_is_not_what_another_takes() -> None:
    graph = weft.Graph()
    with pytest.raises(TypeError, match="'session' must be a weft_session but is a PyCapsule"):
        _native.weft_session_trim(graph._handle)
    with pytest.raises(TypeError, match="'tensor' must be a weft_tensor but is an int"):
        _native.weft_tensor_count(1)
