"""Runs that are made ready once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Generic

import numpy as np

from . import _native, _small_types
from ._errors import InvalidArgumentError
from ._graph import Value
from ._handle import Handle, described, need
from ._run import Cancel, Trace, fed, run_options
from ._tensor import Tensor, as_tensor
from ._types import Array, Result, TensorLike

if TYPE_CHECKING:
    from ._session import Session


def _need_memory(array: Array, what: str) -> None:
    """An error where a tensor would not share the array's memory; arrays of strings are copied by who takes them."""
    if array.dtype.name in _small_types.NAMES:
        raise InvalidArgumentError(
            f"{what} is bound to the memory of an array, but elements of {array.dtype.name} are copied; bind a Tensor of it"
        )
    if not array.dtype.isnative:
        found = f"has the dtype {array.dtype.str}, which is not in this machine's order of bytes"
    elif not array.flags.c_contiguous:
        found = "is not contiguous, row by row"
    elif not array.flags.aligned:
        found = "is not aligned"
    else:
        return
    raise InvalidArgumentError(
        f"{what} is bound to the memory of an array, but this one {found}; "
        f"array.astype({array.dtype.newbyteorder('=').name!r}, 'C') is a copy that can be bound"
    )


class Prepared(Handle, Generic[Result]):
    """A run made ready: bind its inputs once, run it often. For one thread at a time.

    Examples:
        >>> import numpy, weft
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", [2])
        >>> prepared = weft.Session(graph).prepare([x], [x * 2.0])
        >>> values = numpy.array([1, 2], "f4")
        >>> prepared.bind_input(0, values)
        >>> prepared.run()
        >>> prepared.output(0)
        array([2., 4.], dtype=float32)
    """

    _what = "prepared call"

    def __init__(
        self, session: Session[Result], feeds: Sequence[Value], fetches: Sequence[Value], targets: Sequence[Value]
    ) -> None:
        from ._session import Session

        need(session, Session, "the session")
        self.session = session
        if isinstance(feeds, Mapping):
            raise TypeError("feeds must be a list of Values: bind_input binds their tensors")
        self._feeds = [need(value, Value, "a feed") for value in feeds]
        wanted = [need(value, Value, "a fetch").id for value in fetches]
        self._outputs = len(wanted)
        self._owner = _native.weft_session_prepare(
            session._handle,
            [value.id for value in self._feeds],
            wanted,
            [need(value, Value, "a target").id for value in targets],
        )
        self._call = _native.prepared_call(self._owner, session._plain)

    def close(self) -> None:
        """Lets go of everything; later calls raise FailedPreconditionError."""
        if self._owner is not None:
            _native.weft_prepared_close(self._owner)
            self._owner = None

    def __repr__(self) -> str:
        if self._owner is None:
            return "Prepared (closed)"
        return f"Prepared with {len(self._feeds)} inputs and {self._outputs} outputs"

    def bind_input(self, i: int, tensor: TensorLike) -> None:
        """Binds an array to input i. Every run reads its memory, so new values may be written there between runs; its
        shape may differ from the one bound before. Lists, numbers and strings are copied. A Tensor may lie on the session's
        device, where what is written must be done before the next run."""
        if isinstance(tensor, np.ndarray):
            _need_memory(tensor, "an input")
        made = fed(self._feeds[i], tensor) if 0 <= i < len(self._feeds) else as_tensor(tensor)
        _native.weft_prepared_bind_input(self._handle, i, made._handle)

    def bind_output(self, i: int, tensor: Array | Tensor | None) -> None:
        """Binds an array to output i: every run writes there, or to a Tensor on the session's device, where what else reads or
        writes its memory must be done before the next run. None unbinds."""
        if tensor is not None and not isinstance(tensor, (np.ndarray, Tensor)):
            raise InvalidArgumentError(f"an output is bound to an array, not to {described(tensor)}")
        if isinstance(tensor, np.ndarray):
            _need_memory(tensor, "an output")
            if tensor.dtype.kind in "OSU":
                raise InvalidArgumentError("strings are written to a Tensor that is bound, not to an array")
        _native.weft_prepared_bind_output(self._handle, i, None if tensor is None else as_tensor(tensor)._handle)

    def run(self, *, timeout: float | None = None, cancel: Cancel | None = None, trace: Trace | None = None) -> None:
        """Runs. Not for two threads at once."""
        if timeout is None and cancel is None and trace is None:
            self._call()
        else:
            _native.weft_prepared_run(self._handle, run_options("run", timeout, cancel, trace)._handle)

    def output(self, i: int) -> Result:
        """Output i of the last run, as `Session.run` gives it. One that is bound to a Tensor on a device is that Tensor again in
        any session."""
        return _native.prepared_output(self._handle, i, self.session._tensors)
