"""The exceptions. Each is a WeftError and also the builtin one that a Python program would catch."""

from __future__ import annotations

from . import _native

__all__ = [
    "WeftError",
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "DataLossError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
]


class WeftError(Exception):
    """An error of the library.

    Attributes:
        code: Its canonical name, such as "INVALID_ARGUMENT".
        message: What was wrong.
        node: The name of the node that failed, "" if none is known.
        op: The operator of that node, "" if none is known.
        origin: The line of your program that built the node, as "file:line", "" if none is known.
    """

    code = "UNKNOWN"

    def __init__(self, message: str = "", node: str = "", op: str = "", origin: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.op = op
        self.origin = origin

    def __str__(self) -> str:
        where = ""
        if self.op and self.node and self.node != self.op:
            where = f" [{self.op} '{self.node}'"
        elif self.op or self.node:
            where = f" [{self.op or self.node}"
        if self.origin:
            where += f", built at {self.origin}" if where else f" [built at {self.origin}"
        return self.message + (where + "]" if where else "")


class CancelledError(WeftError, RuntimeError):
    """A run was cancelled."""

    code = "CANCELLED"


class UnknownError(WeftError, RuntimeError):
    """An error whose kind is not known, such as one of a host function in another language."""

    code = "UNKNOWN"


class InvalidArgumentError(WeftError, ValueError):
    """An argument cannot be: a wrong shape, dtype, name or attribute."""

    code = "INVALID_ARGUMENT"


class DeadlineExceededError(WeftError, TimeoutError):
    """A run took longer than its timeout."""

    code = "DEADLINE_EXCEEDED"


class NotFoundError(WeftError, KeyError):
    """There is no such operator, variable or value."""

    code = "NOT_FOUND"


class AlreadyExistsError(WeftError, ValueError):
    """The name is taken."""

    code = "ALREADY_EXISTS"


class PermissionDeniedError(WeftError, PermissionError):
    """A file may not be read or written."""

    code = "PERMISSION_DENIED"


class ResourceExhaustedError(WeftError, MemoryError):
    """There is not enough memory."""

    code = "RESOURCE_EXHAUSTED"


class FailedPreconditionError(WeftError, RuntimeError):
    """Something else must happen first, or must not have happened: a closed session, a missing host function."""

    code = "FAILED_PRECONDITION"


class AbortedError(WeftError, RuntimeError):
    """A callback ended the work."""

    code = "ABORTED"


class OutOfRangeError(WeftError, IndexError):
    """An index lies outside."""

    code = "OUT_OF_RANGE"


class UnimplementedError(WeftError, NotImplementedError):
    """The library cannot do this."""

    code = "UNIMPLEMENTED"


class InternalError(WeftError, RuntimeError):
    """A defect of the library; please report it."""

    code = "INTERNAL"


class UnavailableError(WeftError, OSError):
    """A device or file cannot be had now."""

    code = "UNAVAILABLE"


class DataLossError(WeftError, ValueError):
    """A file is damaged."""

    code = "DATA_LOSS"


class MissingFileError(NotFoundError, FileNotFoundError):
    """There is no such file."""


_CLASSES = (
    WeftError,
    CancelledError,
    UnknownError,
    InvalidArgumentError,
    DeadlineExceededError,
    NotFoundError,
    AlreadyExistsError,
    PermissionDeniedError,
    ResourceExhaustedError,
    FailedPreconditionError,
    AbortedError,
    OutOfRangeError,
    UnimplementedError,
    InternalError,
    UnavailableError,
    DataLossError,
)


def _make(code: int, message: str, node: str, op: str, origin: str) -> WeftError:
    made = _CLASSES[code] if 0 < code < len(_CLASSES) else UnknownError
    return made(message, node, op, origin)


_native.set_error_factory(_make)
