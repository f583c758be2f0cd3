"""Weft: a dataflow-graph runtime for machine learning that every language can use.

Build a graph, differentiate it, train, save, load and serve it; the same graph gives the same bits from C, C++, Python,
Java and Go.

    >>> import weft
    >>> graph = weft.Graph()
    >>> x = graph.input("x", "f32", ["batch", 2])
    >>> w = graph.variable("w", [[1.0], [2.0]])
    >>> loss = weft.reduce_mean((x @ w) ** 2.0, keepdims=False)
    >>> step = weft.Sgd(0.1).minimize(loss)
    >>> session = weft.Session(graph)
    >>> float(session.run({x: [[1, 1]]}, loss, targets=step))
    9.0
"""

import builtins as _builtins
import json as _json
import os as _os
from collections.abc import Callable as _Callable
from typing import Any as _Any

from . import _library  # first: it explains what is wrong with a library of another version
from . import _native
from . import layers as layers
from . import ops as ops
from ._branch import flex_attention as flex_attention
from ._branch import if_ as if_
from ._branch import loop as loop
from ._branch import scan as scan
from ._branch import sequence_map as sequence_map
from ._data import Dataset as Dataset
from ._errors import *  # noqa: F403
from ._graph import Graph as Graph
from ._graph import Value as Value
from ._graph import gradients as gradients
from ._handle import described as _described
from ._history import FitEvent as FitEvent
from ._history import History as History
from ._host import host_call as host_call
from ._host import set_host_function as set_host_function
from ._layer import Layer as Layer
from ._operator import Attribute as Attribute
from ._operator import Formal as Formal
from ._operator import Operator as Operator
from ._operator import add_operator as add_operator
from ._optimizers import Adam as Adam
from ._optimizers import AdamW as AdamW
from ._optimizers import Momentum as Momentum
from ._optimizers import Optimizer as Optimizer
from ._optimizers import Sgd as Sgd
from ._prepared import Prepared as Prepared
from ._run import Cancel as Cancel
from ._run import Trace as Trace
from ._session import Session as Session
from ._tensor import Tensor as Tensor
from ._tensor import dtype_number as _dtype_number
from ._tensor import from_dlpack as from_dlpack
from ._tensor import load_tensors as load_tensors
from ._tensor import save_tensors as save_tensors
from ._types import DTypeLike as DTypeLike
from ._types import TensorLike as TensorLike
from ._types import ValueLike as ValueLike
from .ops import *  # noqa: F403

__version__: str = _native.weft_version()


def live_objects() -> int:
    """How many objects of the library are alive in the process."""
    return int(_native.weft_live_objects())


def threads() -> int:
    """The most threads that a run uses when nothing limits it."""
    return int(_native.weft_threads())


def version_number() -> int:
    """The version as a number: major * 1000000 + minor * 1000 + patch."""
    return int(_native.weft_version_number())


def devices() -> list[str]:
    """The names of the devices that the library can run on."""
    return [str(_native.weft_device_name(i)) for i in _builtins.range(_native.weft_device_count())]


def load_devices(path: str | _os.PathLike[str]) -> None:
    """Loads a device plug-in, whose devices are there from then on.

    Args:
        path: A file, or a name that the system's loader looks for.
    """
    _native.weft_device_load(_os.fspath(path))


def operators() -> list[str]:
    """The full names of all operators, those that `Graph.add` takes."""
    return [str(_native.weft_op_name(i)) for i in _builtins.range(_native.weft_op_count())]


def describe_operator(name: str) -> dict[str, _Any]:
    """What an operator takes and gives: names, types and texts of its inputs, outputs and attributes.

    Examples:
        >>> [attr["name"] for attr in weft.describe_operator("Softmax")["attrs"]]
        ['axis']
    """
    return dict(_json.loads(_native.weft_op_inspect(name)))


def inspect(model: bytes | str | _os.PathLike[str], *, folder: str | _os.PathLike[str] | None = None) -> dict[str, _Any]:
    """What is in an ONNX model, and what of it cannot be loaded; no session is made.

    Args:
        model: A file, which is mapped meanwhile and must not be made shorter, or the bytes of one.
        folder: Where external weights of bytes are looked for.

    Returns:
        "inputs", "outputs" and "weights" (lists of dicts with "name" and "type"), "opsets" (the version of each domain),
        "operators" and "functions" (how many nodes name each), "parameters" (the number of "tensors", "elements" and
        "bytes"), "ir_version", "producer", "producer_version", "metadata", and "unsupported": a list of texts that say what
        keeps the model from being loaded, empty if it can be.

    Examples:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "relu.onnx")
        >>> g = weft.Graph()
        >>> g.save(path, [weft.relu(g.input("x", "f32", ["n", 2]))])
        >>> model = weft.inspect(path)
        >>> model["inputs"], model["operators"], model["unsupported"]
        ([{'name': 'x', 'type': 'f32[n, 2]'}], {'Relu': 1}, [])
    """
    if isinstance(model, bytes):
        return dict(_json.loads(_native.model_inspect_bytes(model, None if folder is None else _os.fspath(folder))))
    return dict(_json.loads(_native.weft_model_inspect(_os.fspath(model))))


def layer_types() -> list[str]:
    """The names of all kinds of layers, those that `Layer` takes."""
    return [str(_native.weft_layer_name(i)) for i in _builtins.range(_native.weft_layer_count())]


def describe_layer(type: str) -> dict[str, _Any]:
    """What a layer takes and gives: its attributes with defaults and texts, its input and output."""
    return dict(_json.loads(_native.weft_layer_inspect(type)))


def dtype_bits(dtype: DTypeLike) -> int:
    """The size of an element in bits; 0 for strings."""
    return int(_native.weft_dtype_bits(_dtype_number(dtype)))


def memory_bytes() -> int:
    """Bytes of tensors that the library holds now."""
    return int(_native.weft_memory_bytes())


def memory_peak() -> int:
    """The most that it ever held."""
    return int(_native.weft_memory_peak())


def memory_limit() -> int:
    """The most bytes that it may hold; 0 is no limit."""
    return int(_native.weft_memory_limit())


def set_memory_limit(bytes: int) -> None:
    """The most bytes that it may hold; past it, ResourceExhaustedError. 0 is no limit."""
    _native.weft_memory_set_limit(bytes)


def set_log(function: _Callable[[int, str], None] | None, lowest_level: int = 1) -> None:
    """Gives log lines to a function of level (0 debug, 1 info, 2 warning, 3 error) and text; None is silence."""
    if function is not None and not callable(function):
        raise TypeError(f"the log goes to a function, not to {_described(function)}")
    _native.log_function(function, lowest_level)


# All that is public, but nothing that would hide a builtin from who imports *: `weft.sum` has no other name.
__all__ = sorted(
    {name for name in globals() if not name.startswith("_")} - set(dir(_builtins)) | {"__version__"}
)
for _item in [globals()[_name] for _name in __all__]:
    if getattr(_item, "__module__", "").startswith("weft._"):
        _item.__module__ = "weft"  # where users find it
