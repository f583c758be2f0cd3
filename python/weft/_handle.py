"""What every object over a handle of the library shares."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, cast

from . import _native
from ._errors import FailedPreconditionError, InvalidArgumentError


class Handle:
    """An object of the library; `close` lets go of it, and so does the garbage collector."""

    _what: ClassVar[str]
    # As the native calls give it: it frees the handle with its last holder. Calls are given it too, so what another
    # thread closes stays until they are done.
    _owner: Any = None

    @property
    def _handle(self) -> Any:
        owner = self._owner
        if owner is None:
            raise FailedPreconditionError(f"this {self._what} is closed")
        return owner

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._owner is None

    def close(self) -> None:
        """Lets go of it; later calls raise FailedPreconditionError. May be called again."""
        self._owner = None

    def __repr__(self) -> str:
        return type(self).__name__ + (" (closed)" if self.closed else "")

    def __reduce__(self) -> Any:
        raise TypeError(f"a {self._what} can neither be copied nor pickled")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


Kind = TypeVar("Kind")


def described(value: object) -> str:
    """What a value is, in messages: "an int", "a list", "None"."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def need(value: object, kind: type[Kind], what: str) -> Kind:
    """The value if it is of the kind; a TypeError that names `what` otherwise."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} must be a {kind.__name__} but is {described(value)}")
    return value


def number(value: Any, what: str) -> float:
    """The value as a number; a TypeError that names `what` if it is none."""
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"'{what}' must be a number but is {described(value)}")
    return float(value)


def whole(value: Any, what: str) -> int:
    """The value as a whole number that the library can take."""
    if not hasattr(value, "__index__"):
        raise TypeError(f"{what} must be made of whole numbers but has {described(value)}")
    number = int(value.__index__())
    if not -(2**63) <= number < 2**63:
        raise InvalidArgumentError(f"{what} is {number}, which does not fit into 64 bits")
    return number


def caller() -> str:
    """The line outside this package that called, as "file:line"."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "weft":
        frame = frame.f_back
    if frame is None:
        return ""
    file: str = frame.f_code.co_filename
    if not file.isascii():  # bytes of a path that are no UTF-8 are halves of surrogates in Python
        file = file.encode("utf-8", "backslashreplace").decode()
    return f"{file}:{frame.f_lineno}"


def name_list(names: Sequence[str]) -> list[str]:
    """A list of names; of one name a list of that."""
    return [names] if isinstance(names, str) else list(names)


class Options(Handle):
    """Settings by name. What is None is left at its default."""

    _what = "options object"

    def __init__(self, kind: str, **values: Any) -> None:
        self._owner = _native.weft_options_new(kind)
        for key, value in values.items():
            self.set(key, value)

    def set(self, key: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, (list, tuple)):
            for item in value:
                _native.weft_options_add_string(self._handle, key, item)
        elif isinstance(value, str):
            _native.weft_options_set_string(self._handle, key, value)
        elif hasattr(value, "__index__"):
            _native.weft_options_set_int(self._handle, key, whole(value, f"option '{key}'"))
        elif isinstance(value, float) or hasattr(value, "__float__"):
            _native.weft_options_set_float(self._handle, key, float(value))
        else:
            raise InvalidArgumentError(f"option '{key}' cannot be {described(value)}")


def interruptible(options: Options) -> Options:
    """Makes Ctrl-C end what runs with the options, on the main thread, where Python hears it."""
    _native.options_interruptible(options._handle)
    return options


_native.set_main_thread(threading.main_thread().ident)
atexit.register(_native.end_callbacks)
os.register_at_fork(after_in_child=lambda: _native.set_main_thread(threading.get_ident()))
