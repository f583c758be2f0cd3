"""The library in this process: memory, devices, what there is to build with, the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import _native


def live_objects() -> int:
    """How many objects of the library are alive in the process."""
    return int(_native.weft_live_objects())


def threads() -> int:
    """The most threads that a run uses when nothing limits it."""
    return int(_native.weft_threads())


def memory_bytes() -> int:
    """Bytes of tensors that the library holds now."""
    return int(_native.weft_memory_bytes())


def memory_peak() -> int:
    """The most that it ever held."""
    return int(_native.weft_memory_peak())


def memory_limit() -> int:
    """The most bytes that it may hold; 0 is no limit."""
    return int(_native.weft_memory_limit())


def set_memory_limit(count: int) -> None:
    """The most bytes that it may hold; past it, ResourceExhaustedError. 0 is no limit."""
    _native.weft_memory_set_limit(count)


def devices() -> list[str]:
    """The names of the devices; the first is the CPU."""
    return [_native.weft_device_name(i) for i in range(_native.weft_device_count())]


def operators() -> list[str]:
    """The full names of all operators, such as "MatMul" and "weft.Adam"."""
    return [_native.weft_op_name(i) for i in range(_native.weft_op_count())]


def describe_operator(name: str) -> dict[str, Any]:
    """The definition of an operator: its inputs, outputs and attributes with their docs.

    Examples:
        >>> [output["name"] for output in describe_operator("TopK")["outputs"]]
        ['Values', 'Indices']
    """
    described: dict[str, Any] = json.loads(_native.weft_op_inspect(name))
    return described


def layer_kinds() -> list[str]:
    """The names of all kinds of layers, such as "Dense"."""
    return [_native.weft_layer_name(i) for i in range(_native.weft_layer_count())]


def describe_layer(kind: str) -> dict[str, Any]:
    """The definition of a kind of layer: its attributes, input and output with their docs."""
    described: dict[str, Any] = json.loads(_native.weft_layer_inspect(kind))
    return described


def set_log(function: Callable[[int, str], None] | None, lowest_level: int = 1) -> None:
    """Gives log lines to a function of level (0 debug, 1 info, 2 warning, 3 error) and text; None is silence."""
    _native.log_function(function, lowest_level)
