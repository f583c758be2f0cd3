"""The exceptions. Each is a WeftError and also the builtin one that a Python program would catch."""

from __future__ import annotations

from typing import Any

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
    "MissingFileError",
    "NotAFolderError",
    "IsAFolderError",
    "PathError",
    "NoSpaceError",
]


class WeftError(Exception):
    """An error of the library.

    Attributes:
        code: Its canonical name, such as "INVALID_ARGUMENT".
        message: What was wrong.
        node: The name of the node that failed, "" if none is known.
        op: The operator of that node, "" if none is known.
        origin: The line of your program that built the node, as "file:line", "" if none is known.
        errno: The number of the system's error if reading or writing a file failed, else None.
    """

    code = "UNKNOWN"

    errno: int | None

    def __init__(
        self, message: str = "", node: str = "", op: str = "", origin: str = "", errno: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.op = op
        self.origin = origin
        self.errno = errno

    def __reduce__(self) -> Any:
        return type(self), (self.message, self.node, self.op, self.origin, self.errno), self.__dict__

    def __str__(self) -> str:
        node = f"'{self.node}'" if self.node else ""
        where = f" [{' '.join(part for part in (self.op, node) if part)}]" if self.op or node else ""
        return self.message + where + (f" (built at {self.origin})" if self.origin else "")


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
    """A program or a disk that is needed cannot be had now."""

    code = "UNAVAILABLE"


class DataLossError(WeftError, ValueError):
    """A file is damaged."""

    code = "DATA_LOSS"


class MissingFileError(NotFoundError, FileNotFoundError):
    """There is no such file or folder."""


class NotAFolderError(NotFoundError, NotADirectoryError):
    """A part of a path is not a folder."""


class IsAFolderError(InvalidArgumentError, IsADirectoryError):
    """There is a folder where a file is wanted."""


class PathError(InvalidArgumentError, OSError):
    """A path cannot be: too long, or links in a circle."""


class NoSpaceError(ResourceExhaustedError, OSError):
    """There is no room for a file: a full disk, a quota or another limit."""


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


_FILE_CLASSES = (MissingFileError, NotAFolderError, PathError, IsAFolderError, NoSpaceError)


def _make(code: int, message: str, node: str, op: str, origin: str, errno: int) -> WeftError:
    made = _CLASSES[code] if 0 < code < len(_CLASSES) else UnknownError
    if errno == 0:
        return made(message, node, op, origin)
    system = type(OSError(errno, ""))  # Python chooses the class by the number
    fitting = (known for known in (made, *_FILE_CLASSES) if issubclass(known, made) and issubclass(known, system))
    return next(fitting, made)(message, node, op, origin, errno)


def _place(error: BaseException, node: str, op: str, origin: str) -> None:
    """Says where in the graph an exception of Python came from, such as that of a host function or a body."""
    if not (node or op or origin):
        return
    if isinstance(error, WeftError):
        place = (error.node, error.op, error.origin)
        if not any(place):
            error.node, error.op, error.origin = node, op, origin
        if not any(place) or place == (node, op, origin):
            return
    note = str(WeftError("raised in a node of the graph", node, op, origin))
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


_native.set_error_functions(_make, _place)
