"""What runs take: what is fed, and options with tokens and traces."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from . import _native
from ._errors import FailedPreconditionError, InvalidArgumentError
from ._graph import Value, value_ids
from ._handle import Handle, Options, described, interruptible, need, number
from ._tensor import Tensor, as_tensor, exact_tensor, result_of
from ._types import Feeds, TensorLike


class Cancel(Handle):
    """A token that stops runs from any thread: give it to runs, then `set` it."""

    _what = "cancel token"

    def __init__(self) -> None:
        self._owner = _native.weft_cancel_new()

    def set(self, cancelled: bool = True) -> None:
        """Cancels every run that uses the token, and every later one until `set(False)`."""
        _native.weft_cancel_set(self._handle, int(cancelled))

    def get(self) -> bool:
        """Whether it is set."""
        return bool(_native.weft_cancel_get(self._handle))

    def __repr__(self) -> str:
        return "Cancel (closed)" if self.closed else f"Cancel ({'set' if self.get() else 'not set'})"


class Trace(Handle):
    """Collects what runs did when; give it to `Session.run`."""

    _what = "trace"

    def __init__(self) -> None:
        self._owner = _native.weft_trace_new()

    def __repr__(self) -> str:
        return "Trace (closed)" if self.closed else f"Trace of {len(json.loads(self.json())['traceEvents'])} events"

    def json(self) -> str:
        """What was collected, for chrome://tracing and Perfetto."""
        return str(_native.weft_trace_json(self._handle).decode())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes `json()` to a file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.json())


def run_options(kind: str, timeout: float | None, cancel: Cancel | None, trace: Trace | None, **more: Any) -> Options:
    """The options of a call; what is None is left at its default. Ctrl-C ends the call, too."""
    if timeout is not None:
        timeout = number(timeout, "timeout")
        if timeout != timeout:
            raise InvalidArgumentError("the timeout is not a number")
        timeout = max(timeout, 1e-9)  # one of 0 or less has passed already
    options = Options(kind, timeout_s=timeout, **more)
    if cancel is not None:
        _native.weft_options_set_cancel(options._handle, need(cancel, Cancel, "cancel")._handle)
    if trace is not None:
        _native.weft_options_set_trace(options._handle, need(trace, Trace, "trace")._handle)
    return interruptible(options)


def fed(value: Value, tensor: TensorLike) -> Tensor:
    """The tensor for an input; numbers and lists take the input's dtype, which must have them."""
    if isinstance(value, str):
        raise TypeError(f"what is fed must be a Value but is the name {value!r}; Graph.find gives the Value of a name")
    need(value, Value, "what is fed")
    if isinstance(tensor, Tensor):
        if tensor.closed:
            raise FailedPreconditionError(f"the tensor that is fed to {value.name!r} is closed")
        return tensor
    if tensor is None:
        raise InvalidArgumentError(f"{value!r} is fed None, which is no tensor")
    plain = not hasattr(tensor, "dtype") and not hasattr(tensor, "__dlpack__")
    dtype = value.dtype if plain else ""
    return as_tensor(tensor) if dtype in ("", "string") else exact_tensor(tensor, dtype, value)


def as_dict(feeds: Feeds | None) -> dict[Value, TensorLike]:
    """What is fed, by Value, of any kind of mapping."""
    if feeds is None:
        return {}
    if not isinstance(feeds, Mapping):
        raise TypeError(f"feeds must be a dict that says what each Value is but is {described(feeds)}")
    return dict(feeds.items())


_native.set_run_functions(as_dict, lambda value, tensor: fed(value, tensor)._handle, value_ids, result_of)
