"""Python functions as nodes of a graph."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from . import _native
from ._errors import FailedPreconditionError, InvalidArgumentError
from ._graph import Graph, Value, add_node, shape_text
from ._tensor import as_tensor, copied, dtype_name, dtype_number, exact_tensor, numpy_of
from ._types import DTypeLike, ShapeLike, ValueLike


def set_host_function(name: str, function: Callable[..., Any] | None, dtypes: Sequence[DTypeLike] = ()) -> None:
    """Makes a function known to nodes of the operator HostCall, in place of one of that name; None takes it away.

    Args:
        name: What graphs and files call it.
        function: Gets a read-only array for each input, gives an array for each output (one array for one output). It
            runs on the thread that called run, and must not run a session over the same variables. An exception in it
            ends the run and is raised there.
        dtypes: Element types that lists and numbers among the results are made of.
    """
    if function is None:
        _native.host_function(name, None)
    else:
        known = function
        _register(name, lambda: known, dtypes)


def _register(name: str, find: Callable[[], Callable[..., Any]], dtypes: Sequence[DTypeLike]) -> None:
    wanted = [dtype_name(dtype_number(dtype)) for dtype in dtypes]

    def call(pointers: list[Any], count: int) -> list[Any]:
        inputs = [numpy_of(pointer) for pointer in pointers]
        result = find()(*inputs)
        if result is None:
            expected = "for each output" if count == 1 else f"for each of {count} outputs"
            raise InvalidArgumentError(f"the host function '{name}' gave None; an array {expected} is expected")
        # A list may be one array; a tuple is one result for each output, as from any function.
        several = isinstance(result, tuple) or (isinstance(result, list) and count != 1)
        results = list(result) if several else [result]
        if len(results) != count:
            expected = "1 is" if count == 1 else f"{count} are"
            raise InvalidArgumentError(f"the host function '{name}' gave {len(results)} results; {expected} expected")
        tensors = []
        for i, item in enumerate(results):
            plain = not hasattr(item, "dtype") and i < len(wanted)
            try:
                if plain and wanted[i] != "string" and not hasattr(item, "__dlpack__"):
                    tensors.append(copied(exact_tensor(item, wanted[i], f"output {i}")))
                else:
                    tensors.append(copied(as_tensor(item, wanted[i] if plain else None)))
            except ValueError as error:  # numpy's and the library's own
                raise InvalidArgumentError(f"the host function '{name}' gave what is no tensor: {error}") from None
        return [tensor._handle for tensor in tensors]

    _native.host_function(name, call)


def host_call(
    function: Callable[..., Any] | str,
    inputs: Sequence[ValueLike],
    dtypes: Sequence[DTypeLike],
    shapes: Sequence[ShapeLike | None],
    *,
    gradient: Callable[..., Any] | str | None = None,
    name: str | None = None,
) -> Any:
    """Adds a node that calls a Python function.

    Args:
        function: The function, or the name it was registered by. It gets a read-only array for each input and gives an
            array for each output: see `set_host_function`. Graphs keep the name alone: where one is loaded, the function
            must be registered again. In the body of an operator it must be a function of a module or a name: others
            (lambdas, methods, functions in functions) go with the graph, which ends with the body.
        inputs: Its inputs.
        dtypes: The element type of each output.
        shapes: The shape of each output, as `Graph.input` takes it; None for an unknown rank.
        gradient: Gets the inputs, then the gradient of each output; gives the gradient of each input. In a branch,
            and in a loop inside of another, `function` is called again for it and must give the same.
        name: The name of the node.

    Returns:
        A Value for one output, else a tuple.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", ["n"])
        >>> y = weft.host_call(numpy.sort, [x], ["f32"], [["n"]])
        >>> weft.Session(graph).run({x: [3, 1, 2]}, y).tolist()
        [1.0, 2.0, 3.0]
    """
    if len(dtypes) != len(shapes):
        raise InvalidArgumentError(f"there are {len(dtypes)} dtypes for {len(shapes)} shapes")
    first = next((item for item in inputs if isinstance(item, Value)), None)
    if first is None:
        raise TypeError("a host call needs at least one Value among its inputs")
    attrs: dict[str, Any] = {"name": _named(function, dtypes, first.graph)}
    attrs["dtypes"] = [dtype_name(dtype_number(dtype)) for dtype in dtypes]
    attrs["shapes"] = ["..." if shape is None else shape_text(shape) for shape in shapes]
    if gradient is not None:
        attrs["gradient"] = _named(gradient, (), first.graph)
    return add_node(None, "weft.HostCall", list(inputs), attrs, len(dtypes), name)


_numbers = itertools.count(1)
_declared: dict[str, tuple[str, ...]] = {}  # the types of the results of the functions that are known by their own name


def _named(function: Callable[..., Any] | str, dtypes: Sequence[DTypeLike], graph: Graph) -> str:
    """The name that the function is registered by. One that is no module's own is the graph's: it goes with it."""
    if isinstance(function, str):
        return function
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if getattr(sys.modules.get(module), name, None) is function:
        known = f"python/{module}.{name}"
        wanted = tuple(dtype_name(dtype_number(dtype)) for dtype in dtypes)
        if _declared.setdefault(known, wanted) != wanted:  # of a name, results have one list of types
            known = "/".join((known, *(wanted or ("any",))))
        set_host_function(known, function, wanted)
        return known
    root = graph._root
    known = name or type(function).__qualname__
    if root._body_of is not None:
        raise InvalidArgumentError(
            f"the body of {root._body_of} calls {known}, which is no function of a module and would go with the graph of the "
            "body; use one of a module, or weft.set_host_function and its name"
        )
    name = f"python/{known}/{next(_numbers)}"
    if root._functions is None:
        root._functions = {}
    root._functions[name] = function
    # What the library holds must not keep the graph: the function may know it.
    holder = weakref.ref(root)

    def find() -> Callable[..., Any]:
        graph = holder()
        if graph is None or graph._functions is None:
            raise FailedPreconditionError(f"the graph that the host function '{name}' belongs to is gone")
        return graph._functions[name]

    _register(name, find, dtypes)
    weakref.finalize(root, _native.host_function, name, None).atexit = False
    return name
