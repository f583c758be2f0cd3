"""Operators that the program adds to those of the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from . import _native
from ._errors import InvalidArgumentError
from ._graph import Graph, Value, make_attrs
from ._handle import described, need, whole
from ._tensor import Tensor, as_tensor, copied, dtype_name, dtype_number
from ._types import AttrLike, DTypeLike

Body = Callable[..., Any]
_Body = TypeVar("_Body", bound=Body)


@dataclass(frozen=True)
class Formal:
    """An input or output of an Operator.

    Attributes:
        name: An identifier.
        type: A type variable or an element type ("T", "i64"), or seq(...), optional(...) or map(..., ...) of such.
        optional: Whether it may be left out; those that may not come first.
        variadic: Whether it is there once or more often, all of one type; the last one alone can be.
        doc: For people.
    """

    name: str
    type: str
    optional: bool = False
    variadic: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Attribute:
    """An attribute of an Operator.

    Attributes:
        name: An identifier.
        kind: "int", "float", "string", "tensor", "bool", "dtype", "ints", "floats" or "strings".
        default_value: What it is where a node does not say; with None a node may lack it.
        required: Whether a node must have it.
        doc: For people.
    """

    name: str
    kind: str
    default_value: AttrLike = None
    required: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Operator:
    """An operator of the program's own, for `add_operator`: what it is called, takes and gives.

    Attributes:
        name: A domain, a dot and an identifier: "com.acme.FastGelu".
        inputs: What it takes.
        outputs: What it gives, at least one.
        types: Type variables: what is of one has one of these element types.
        attributes: Its attributes.
        version: Of its domain, which saved files name.
        doc: What it computes.
    """

    name: str
    inputs: Sequence[Formal]
    outputs: Sequence[Formal]
    types: Mapping[str, Sequence[DTypeLike]] = field(default_factory=dict)
    attributes: Sequence[Attribute] = ()
    version: int = 1
    doc: str = ""


@overload
def add_operator(op: Operator, body: _Body) -> _Body: ...


@overload
def add_operator(op: Operator, body: None = None) -> Callable[[_Body], _Body]: ...


def add_operator(op: Operator, body: Body | None = None) -> Any:
    """Registers an operator for the process, for good. `Graph.add` takes it by its name, files that have nodes of it can be
    loaded, and it is saved, differentiated and run as any other.

    Without a body it decorates one. A body is called when a node is added, loaded, differentiated and made ready to run,
    several times for one node, on the thread that does it or on several at once. What it builds must depend on the types,
    shapes and attributes alone, and be built in the graph that it gets, of the Values that it gets; it may use other
    operators of the program, but not its own. It must not wait for another thread that uses a graph which was there before, as
    that one waits for whoever needs the body. An exception in it comes out of the call that needed the body.

    Args:
        op: The operator.
        body: Gets the graph to build in; a Value for each input, None for one that the node has not, of a variadic input
            as many as the node has; and the attributes with their defaults as keywords, None for one that is missing, an
            element type by its name. It gives a Value, or one for each output.

    Returns:
        The body.

    Examples:
        >>> gelu = weft.Operator(
        ...     "com.acme.FastGelu",
        ...     inputs=[weft.Formal("x", "T"), weft.Formal("bias", "T", optional=True)],
        ...     outputs=[weft.Formal("y", "T")],
        ...     types={"T": ["f32", "f64"]},
        ...     attributes=[weft.Attribute("slope", "float", 1.702)],
        ... )
        >>> @weft.add_operator(gelu)
        ... def fast_gelu(graph, x, bias, *, slope):
        ...     x = x if bias is None else x + bias
        ...     return x * (x * slope).sigmoid()
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", ["n"])
        >>> y = graph.add("com.acme.FastGelu", [x], {"slope": 0.0})
        >>> weft.Session(graph).run({x: [2.0, -4.0]}, y).tolist()
        [1.0, -2.0]
    """
    need(op, Operator, "the operator")
    if body is None:
        return lambda given: add_operator(op, given)
    if not callable(body):
        raise TypeError(f"the body of an operator is a function, not {described(body)}")
    _native.op_add(_schema(op), _call(op, body))
    return body


def _schema(op: Operator) -> Any:
    """The handle of what the operator is like."""
    version = whole(op.version, "the version")
    if not 1 <= version < 2**31:
        raise InvalidArgumentError(f"the version is {version} but must be 1 to {2**31 - 1}")
    schema = _native.weft_schema_new(op.name, version, op.doc)
    for name, dtypes in op.types.items():
        known = [dtypes] if isinstance(dtypes, str) else dtypes
        _native.weft_schema_add_type(schema, name, ", ".join(dtype_name(dtype_number(dtype)) for dtype in known))
    for add, formals, what in (
        (_native.weft_schema_add_input, op.inputs, "an input"),
        (_native.weft_schema_add_output, op.outputs, "an output"),
    ):
        for formal in formals:
            need(formal, Formal, what)
            if formal.optional and formal.variadic:
                raise InvalidArgumentError(f"'{formal.name}' cannot be both optional and variadic")
            add(schema, formal.name, formal.type, 1 if formal.optional else 2 if formal.variadic else 0, formal.doc)
    for attribute in op.attributes:
        need(attribute, Attribute, "an attribute")
        defaults = None
        if attribute.default_value is not None:
            defaults = make_attrs({attribute.name: _given(attribute)})
        _native.weft_schema_add_attribute(
            schema, attribute.name, attribute.kind, int(attribute.required), defaults, attribute.doc
        )
    return schema


def _given(attribute: Attribute) -> Any:
    """The default of an attribute as the library has it."""
    value: Any = attribute.default_value
    if attribute.kind == "dtype":
        return dtype_number(value)
    return copied(as_tensor(value)) if attribute.kind == "tensor" else value


def _call(op: Operator, body: Body) -> Callable[[Any, list[int], Any, int], list[int]]:
    """What the library calls for the body of a node. It keeps nothing of the operator but names and kinds."""
    name = op.name
    kinds = [(attribute.name, attribute.kind) for attribute in op.attributes]
    most = None if op.outputs and op.outputs[-1].variadic else len(op.outputs)

    def call(owner: Any, inputs: list[int], attrs: Any, outputs: int) -> list[int]:
        graph = Graph._over(owner)
        graph._body_of = name
        try:
            given = {key: _read(attrs, key, kind) for key, kind in kinds}
            result = body(graph, *(Value(graph, id) if id else None for id in inputs), **given)
            values = list(result) if isinstance(result, (tuple, list)) else [result]
            if len(values) < outputs or (most is not None and len(values) > most):
                raise InvalidArgumentError(
                    f"the body of {name} gave {len(values)} values, but the node has {outputs} outputs"
                )
            return [0 if value is None else need(value, Value, f"what the body of {name} gives").id for value in values]
        finally:
            graph.close()

    return call


def _read(attrs: Any, name: str, kind: str) -> Any:
    """An attribute of a node."""
    found = _native.weft_attrs_get(attrs, name)
    if found is None:
        return None
    tensor = Tensor._over(found)
    if kind == "tensor":
        return tensor
    value = tensor.numpy().tolist()
    return bool(value) if kind == "bool" else dtype_name(value) if kind == "dtype" else value
