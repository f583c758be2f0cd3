"""Graphs and their values."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast, overload

import numpy as np

from . import _native
from ._errors import InvalidArgumentError, NotFoundError
from ._handle import Handle, Options, caller, described, name_list, need, whole
from ._operand import operands
from ._tensor import KINDS, Tensor, as_tensor, copied, dtype_name, dtype_number
from ._types import Array, AttrLike, DTypeLike, Index, ShapeLike, TensorLike, ValueLike

if TYPE_CHECKING:
    from ._session import Session


class Value(_native.Numbered):
    """A value of a graph: what a node computes. Made by `Graph.input` and the functions of `weft.ops`.

    Operators work elementwise with broadcasting (`+ - * / ** %` and `< <= > >=`, of bools `& | ^ ~`); `/` of integers
    drops the fraction, and `%` has the sign of the divisor for integers, of the dividend for floats. `@` multiplies
    matrices; `[]` takes integers, slices, `None` and `...`. Numbers and lists become constants of the value's dtype, arrays keep theirs. `==` and
    `!=` say whether two are the same Value, so that they can be keys of what is fed; elements are compared by
    `weft.equal`.
    """

    __slots__ = ("graph",)
    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(self, graph: Graph, id: int) -> None:
        self.graph = graph
        self.id = id

    def __reduce__(self) -> Any:
        return type(self), (self.graph, self.id)

    @property
    def name(self) -> str:
        """The name; of a node's first output, that of the node. It can be set."""
        return str(_native.graph_value(self.graph._handle, self.id)[0])

    @name.setter
    def name(self, name: str) -> None:
        _native.weft_graph_set_name(self.graph._handle, self.id, name)

    @property
    def dtype(self) -> str:
        """The element type, such as "f32"; "" if it is not known."""
        return dtype_name(_native.graph_value(self.graph._handle, self.id)[2])

    @property
    def kind(self) -> str:
        """What it is: "tensor", "sequence", "optional" or "map"."""
        return KINDS[_native.graph_value(self.graph._handle, self.id)[1]]

    @property
    def rank(self) -> int | None:
        """The number of dimensions; None if it is not known."""
        rank = int(_native.graph_value(self.graph._handle, self.id)[3])
        return None if rank < 0 else rank

    @property
    def shape(self) -> tuple[int | str, ...] | None:
        """The dimensions: numbers, or text for those that a run decides; None if the rank is not known."""
        rank = self.rank
        if rank is None:
            return None
        handle = self.graph._handle
        sizes: list[int] = _native.weft_graph_value_dims(handle, self.id, rank)
        if all(size >= 0 for size in sizes):
            return tuple(sizes)
        names = list(_dimensions(_native.weft_graph_value_shape(handle, self.id).decode()[1:-1]))
        if len(names) != rank:  # a name that a file gave, or that of an input, has commas or brackets
            names = [f"?{self.name}.{i}" for i in range(rank)]
        return tuple(size if size >= 0 else name for size, name in zip(sizes, names))

    def __repr__(self) -> str:
        if self.kind != "tensor":
            return f"Value {self.name}: {self.kind}"
        shape = self.shape
        dims = "..." if shape is None else ", ".join(str(dim) for dim in shape)
        return f"Value {self.name}: {self.dtype}[{dims}]"

    __hash__ = _native.Numbered.__hash__  # hash(self.id)

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no truth value before a run; use weft.where or weft.if_")

    def __iter__(self) -> Iterator[Value]:
        raise TypeError(f"{self!r} cannot be iterated over; use weft.split or indexing")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"{self!r} has no elements before a run; Session.run gives them")

    def _binary(self, op: str, other: Any, swapped: bool = False, attrs: Mapping[str, int] = {}) -> Value:
        if not is_operand(other):
            return NotImplemented
        inputs = [other, self] if swapped else [self, other]
        return add_node(self.graph, op, inputs, attrs, 1, None)

    def __add__(self, other: ValueLike) -> Value:
        return self._binary("Add", other)

    def __radd__(self, other: ValueLike) -> Value:
        return self._binary("Add", other, True)

    def __sub__(self, other: ValueLike) -> Value:
        return self._binary("Sub", other)

    def __rsub__(self, other: ValueLike) -> Value:
        return self._binary("Sub", other, True)

    def __mul__(self, other: ValueLike) -> Value:
        return self._binary("Mul", other)

    def __rmul__(self, other: ValueLike) -> Value:
        return self._binary("Mul", other, True)

    def __truediv__(self, other: ValueLike) -> Value:
        return self._binary("Div", other)

    def __rtruediv__(self, other: ValueLike) -> Value:
        return self._binary("Div", other, True)

    def __pow__(self, other: ValueLike) -> Value:
        return self._binary("Pow", other)

    def __rpow__(self, other: ValueLike) -> Value:
        return self._binary("Pow", other, True)

    def __mod__(self, other: ValueLike) -> Value:
        return self._binary("Mod", other, attrs=self._mod_attrs())

    def __rmod__(self, other: ValueLike) -> Value:
        return self._binary("Mod", other, True, self._mod_attrs())

    def _mod_attrs(self) -> dict[str, int]:
        integer = self.dtype[:1] in "iu"  # Python's remainder has the divisor's sign, and Mod's for integers too
        return {} if integer else {"fmod": 1}

    def __matmul__(self, other: ValueLike) -> Value:
        return self._binary("MatMul", other)

    def __rmatmul__(self, other: ValueLike) -> Value:
        return self._binary("MatMul", other, True)

    def __pos__(self) -> Value:
        return self

    def __neg__(self) -> Value:
        return add_node(self.graph, "Neg", [self], {}, 1, None)

    def __abs__(self) -> Value:
        return add_node(self.graph, "Abs", [self], {}, 1, None)

    def __lt__(self, other: ValueLike) -> Value:
        return self._binary("Less", other)

    def __le__(self, other: ValueLike) -> Value:
        return self._binary("LessOrEqual", other)

    def __gt__(self, other: ValueLike) -> Value:
        return self._binary("Greater", other)

    def __ge__(self, other: ValueLike) -> Value:
        return self._binary("GreaterOrEqual", other)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same value of the same graph; `weft.equal` compares elements."""
        return isinstance(other, Value) and other.id == self.id

    def __and__(self, other: ValueLike) -> Value:
        return self._binary("And", other)

    def __rand__(self, other: ValueLike) -> Value:
        return self._binary("And", other, True)

    def __or__(self, other: ValueLike) -> Value:
        return self._binary("Or", other)

    def __ror__(self, other: ValueLike) -> Value:
        return self._binary("Or", other, True)

    def __xor__(self, other: ValueLike) -> Value:
        return self._binary("Xor", other)

    def __rxor__(self, other: ValueLike) -> Value:
        return self._binary("Xor", other, True)

    def __invert__(self) -> Value:
        return add_node(self.graph, "Not", [self], {}, 1, None)

    def equal(self, other: ValueLike) -> Value:
        """Whether the elements are those of `other`."""
        return add_node(self.graph, "Equal", [self, other], {}, 1, None)

    def sum(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
        """The sum over the axes, over all elements without any. `keepdims` leaves the axes, with the size 1."""
        return self._reduced("ReduceSum", axes, keepdims)

    def mean(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
        """The mean over the axes: see `sum`."""
        return self._reduced("ReduceMean", axes, keepdims)

    def max(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
        """The largest element over the axes: see `sum`."""
        return self._reduced("ReduceMax", axes, keepdims)

    def min(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
        """The smallest element over the axes: see `sum`."""
        return self._reduced("ReduceMin", axes, keepdims)

    def prod(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Value:
        """The product over the axes: see `sum`."""
        return self._reduced("ReduceProd", axes, keepdims)

    def _reduced(self, op: str, axes: int | Sequence[int] | None, keepdims: bool) -> Value:
        return add_node(self.graph, op, [self, axes], {"keepdims": int(keepdims)}, 1, None)

    def reshape(self, *dims: int | Sequence[int]) -> Value:
        """The elements in another shape; one dimension may be -1, and 0 is that of this value."""
        return add_node(self.graph, "Reshape", [self, _of_one_list(dims)], {}, 1, None)

    def transpose(self, *perm: int | Sequence[int]) -> Value:
        """The axes in the order `perm`; without it they are reversed."""
        return add_node(self.graph, "Transpose", [self], {"perm": _of_one_list(perm) or None}, 1, None)

    @property
    def T(self) -> Value:
        """The axes reversed."""
        return self.transpose()

    def cast(self, to: DTypeLike) -> Value:
        """The elements as another type."""
        return add_node(self.graph, "Cast", [self], {"to": to}, 1, None)

    def abs(self) -> Value:
        """The absolute value."""
        return self.__abs__()

    def exp(self) -> Value:
        """e to the power of each element."""
        return add_node(self.graph, "Exp", [self], {}, 1, None)

    def log(self) -> Value:
        """The natural logarithm."""
        return add_node(self.graph, "Log", [self], {}, 1, None)

    def sqrt(self) -> Value:
        """The square root."""
        return add_node(self.graph, "Sqrt", [self], {}, 1, None)

    def relu(self) -> Value:
        """The elements where they are positive, else 0."""
        return add_node(self.graph, "Relu", [self], {}, 1, None)

    def sigmoid(self) -> Value:
        """1 / (1 + e^-x)."""
        return add_node(self.graph, "Sigmoid", [self], {}, 1, None)

    def tanh(self) -> Value:
        """The hyperbolic tangent."""
        return add_node(self.graph, "Tanh", [self], {}, 1, None)

    def softmax(self, axis: int = -1) -> Value:
        """Probabilities of scores along an axis."""
        return add_node(self.graph, "Softmax", [self], {"axis": axis}, 1, None)

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Value:
        from ._index import indexed

        return indexed(self, index if isinstance(index, tuple) else (index,))


def _of_one_list(numbers: tuple[int | Sequence[int], ...]) -> list[Any]:
    """Numbers that were given one by one, or as one list."""
    (only,) = numbers if len(numbers) == 1 else (numbers,)
    return list(only) if isinstance(only, Sequence) else [only]


def is_operand(value: Any) -> bool:
    return isinstance(value, (Value, Tensor, int, float, bool, list, tuple)) or hasattr(value, "__array__")


@functools.cache
def _kinds(inspect: Callable[[str], bytes], name: str) -> dict[str, str]:
    """The kinds of the attributes of an operator or layer."""
    return {attr["name"]: attr["kind"] for attr in json.loads(inspect(name))["attrs"]}


def in_kind(attrs: Mapping[str, Any], inspect: Callable[[str], bytes], name: str) -> dict[str, Any]:
    """The attributes as the operator or layer has them: a type by its number, a list of one for a number, a tensor."""
    made = dict(attrs)
    try:
        kinds = _kinds(inspect, name) if attrs else {}
    except NotFoundError:  # making the node or layer says so better
        return made
    for key, value in attrs.items():
        kind = kinds.get(key)
        if kind == "dtype" and value is not None:
            try:
                made[key] = dtype_number(value)
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"attribute '{key}': {error.message}", op=name, origin=caller()) from None
        elif kind == "ints" and hasattr(value, "__index__") and not getattr(value, "ndim", 0):
            made[key] = [value]
        elif kind == "tensor" and value is not None:
            made[key] = as_tensor(value)
    return made


def make_attrs(attrs: Mapping[str, Any]) -> Any:
    """A handle of attributes; what is None is left out."""
    handle = _native.weft_attrs_new()
    for name, value in attrs.items():
        if value is not None:
            _set_attr(handle, name, value)
    return handle


def _set_attr(handle: Any, name: str, value: Any) -> None:
    if isinstance(value, str):
        _native.weft_attrs_set_string(handle, name, value)
    elif isinstance(value, Graph):
        _native.weft_attrs_set_graph(handle, name, value._handle)
    elif isinstance(value, Tensor) or (hasattr(value, "__array__") and getattr(value, "ndim", 0) != 0):
        _native.weft_attrs_set_tensor(handle, name, as_tensor(value)._handle)
    elif isinstance(value, np.bool_):
        _native.weft_attrs_set_int(handle, name, int(value))
    elif hasattr(value, "__index__"):
        _native.weft_attrs_set_int(handle, name, whole(value, f"attribute '{name}'"))
    elif isinstance(value, float) or hasattr(value, "__float__"):
        _native.weft_attrs_set_float(handle, name, float(value))
    elif isinstance(value, Sequence):
        if all(isinstance(item, str) for item in value) and value:
            _native.weft_attrs_set_strings(handle, name, value)
        elif any(hasattr(item, "__float__") and not hasattr(item, "__index__") for item in value):
            _native.weft_attrs_set_floats(handle, name, value)
        else:
            _native.weft_attrs_set_ints(handle, name, [whole(item, f"attribute '{name}'") for item in value])
    else:
        raise InvalidArgumentError(f"attribute '{name}' cannot be {described(value)}")


def add_node(
    graph: Graph | None, op: str, inputs: Sequence[Any], attrs: Mapping[str, Any], outputs: int, name: str | None
) -> Any:
    """Adds a node: what the functions of `weft.ops` do. One output is a Value, more are a tuple."""
    origin = caller()
    first = next((item for item in inputs if isinstance(item, Value)), None)
    if graph is None:
        if first is None:
            raise TypeError(f"{op} needs at least one Value among its inputs")
        graph = first.graph
    graph = graph._current
    while inputs and inputs[-1] is None:
        inputs = inputs[:-1]
    ids = []
    for item in operands(op, inputs, origin):
        if item is None:
            ids.append(0)
        elif isinstance(item, Value):
            ids.append(item.id)
        else:
            ids.append(_native.weft_graph_add_constant(graph._handle, copied(item)._handle, None, origin))
    handle = make_attrs(in_kind(attrs, _native.weft_op_inspect, op))
    made = _native.weft_graph_add(graph._handle, op, ids, handle, name, origin, outputs)
    values = tuple(Value(graph, id) for id in made)
    return values[0] if outputs == 1 else values


class Graph(Handle):
    """A dataflow graph. Build it from one thread at a time; sessions run it.

    Args:
        opset: The version of ONNX's operators that `add` speaks; None is the newest (26).

    Examples:
        >>> import weft
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", ["batch", 3])
        >>> y = weft.relu(x @ [[1.0], [2.0], [3.0]] + 1)
        >>> y.shape
        ('batch', 1)
        >>> weft.Session(graph).run({x: [[1, 1, 1]]}, y)
        array([[7.]], dtype=float32)
    """

    _what = "graph"
    # Of a sub-graph, the outermost graph.
    _outer: Graph | None = None
    # Of an outermost graph, the sub-graph under construction, and the Python functions that its nodes call.
    _branch: Graph | None = None
    _functions: dict[str, Callable[..., Any]] | None = None
    # Of the graph that the body of an operator is built in, and that goes with it, the operator.
    _body_of: str | None = None

    def __init__(self, opset: int | None = None) -> None:
        self._owner = _native.weft_graph_new(opset or 0)

    @property
    def _root(self) -> Graph:
        return self if self._outer is None else self._outer

    @property
    def _current(self) -> Graph:
        """Where nodes are added now: the graph itself, or the branch that is being built."""
        root = self._root
        return self if root._branch is None else root._branch

    @classmethod
    def _over(cls, pointer: Any, root: Graph | None = None) -> Graph:
        graph = cls.__new__(cls)
        graph._owner = pointer
        graph._outer = root
        return graph

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | bytes,
        *,
        trainable: bool | Sequence[str] = False,
        map: bool = False,
        folder: str | os.PathLike[str] | None = None,
    ) -> Graph:
        """Reads an ONNX model.

        Args:
            source: The file, or its bytes.
            trainable: Which weights become variables that optimizers train: none, those named, or with True (among names
                "*") all of f32 and f64 that are parameters: not scalars, masks, running averages, where recurrent nodes
                begin, and what PyTorch's exporter marked as a buffer; of a file that Weft saved, those that were
                trainable there.
            map: Leave large weights in their files, mapped, until somebody asks for their elements; those that kernels have
                in a form of their own stay there, which halves the memory of most models. The files must then not change
                or be made shorter as long as the graph or a session of it lives. (Nothing is mapped of `bytes`.)
            folder: Where external weights are, if `source` is bytes.
        """
        names = ["*"] if trainable is True else [] if trainable is False else name_list(trainable)
        options = Options("load", map=int(map), trainable=names)
        if isinstance(source, bytes):
            return cls._over(
                _native.graph_load_bytes(source, None if folder is None else os.fspath(folder), options._handle)
            )
        return cls._over(_native.weft_graph_load(os.fspath(source), options._handle))

    def save(
        self,
        path: str | os.PathLike[str],
        outputs: Value | Sequence[Value] = (),
        *,
        session: Session[Any] | None = None,
        training: bool = False,
        weights: str | None = None,
        opset: int = 0,
    ) -> None:
        """Writes an ONNX model of what `outputs` need.

        Args:
            path: The file. If writing fails, an old file of the name stays as it was.
            outputs: The values that the model gives; the graph's own outputs if there are none.
            session: Whose variables are written; None writes the initial values.
            training: Keep variables and everything else, to go on training where it is loaded.
            weights: The name of a safetensors file to write beside the model for the larger tensors.
            opset: The version of ONNX's operators that the file is of, 7 to 27, for readers that know no later one; 0 is
                the newest released, or 27 where an operator needs it. Not with `training`.

        Raises:
            UnimplementedError: ONNX cannot say it, or no operators of `opset` can; the error names the node, and the
                opset that it needs.
        """
        from ._session import Session

        options = Options("save", training=int(training), weights=weights, opset=opset)
        _native.weft_graph_save(
            self._handle,
            self._ids(outputs),
            None if session is None else need(session, Session, "the session")._handle,
            os.fspath(path),
            options._handle,
        )

    def input(self, name: str, dtype: DTypeLike = "f32", shape: ShapeLike | None = None) -> Value:
        """Adds an input.

        Args:
            name: Its name.
            dtype: Its element type: "f32", "i64", "bool", "string" and the like, a type of numpy's, or one of Python's
                (float is f64, int is i64).
            shape: Dimensions: numbers, names ("batch"; equal names are equal numbers) and None for any number; or
                text, such as "batch,3,?", "" for a scalar. A shape of None leaves the rank open.
        """
        text = None if shape is None else shape_text(shape)
        return Value(self, _native.weft_graph_add_input(self._handle, name, dtype_number(dtype), text, caller()))

    def constant(self, value: TensorLike, *, dtype: DTypeLike | None = None, name: str | None = None) -> Value:
        """Adds a constant. An array's memory is copied."""
        tensor = copied(as_tensor(value, dtype))
        return Value(self, _native.weft_graph_add_constant(self._handle, tensor._handle, name, caller()))

    def variable(
        self, name: str, initial: ValueLike, *, dtype: DTypeLike | None = None, trainable: bool = True
    ) -> Value:
        """Adds a variable: a value that sessions keep. `weft.assign` changes it, optimizers train it.

        Args:
            name: Its name.
            initial: What it starts as: an array, or a Value that depends on no input and has a known shape.
            dtype: Its element type, if `initial` is no Value.
            trainable: Whether optimizers train it.
        """
        value = initial if isinstance(initial, Value) else self.constant(initial, dtype=dtype)
        return Value(
            self, _native.weft_graph_add_variable(self._handle, name, value.id, int(trainable), caller())
        )

    @overload
    def add(  # type: ignore[overload-overlap]
        self,
        op: str,
        inputs: Sequence[ValueLike | None] = (),
        attrs: Mapping[str, AttrLike] | None = None,
        name: str | None = None,
        outputs: Literal[1] = 1,
    ) -> Value: ...

    @overload
    def add(
        self,
        op: str,
        inputs: Sequence[ValueLike | None] = (),
        attrs: Mapping[str, AttrLike] | None = None,
        name: str | None = None,
        *,
        outputs: int,
    ) -> tuple[Value, ...]: ...

    def add(
        self,
        op: str,
        inputs: Sequence[ValueLike | None] = (),
        attrs: Mapping[str, AttrLike] | None = None,
        name: str | None = None,
        outputs: int = 1,
    ) -> Value | tuple[Value, ...]:
        """Adds a node of any operator by its name, as the graph's opset knows it. One output is a Value, more are a
        tuple.

        Args:
            op: The operator, such as "Softmax" or "weft.Assign".
            inputs: Its inputs; None leaves one out.
            attrs: Its attributes by name.
            name: The name of the node.
            outputs: How many outputs it has.

        Examples:
            >>> graph = weft.Graph()
            >>> x = graph.input("x", "f32", [4])
            >>> graph.add("Split", [x], {"num_outputs": 2}, outputs=2)[1].shape
            (2,)
        """
        return cast("Value | tuple[Value, ...]", add_node(self, op, list(inputs), attrs or {}, outputs, name))

    def attach(self, value: Value, assignment: Value) -> None:
        """Makes `assignment` (of `weft.assign`) happen in every run that computes `value`, but for calls prepared before."""
        _native.weft_graph_attach(self._handle, self._ids([value])[0], self._ids([assignment])[0])

    def gradients(
        self,
        ys: Value | Sequence[Value],
        xs: Sequence[Value],
        weights: Sequence[Value | None] | None = None,
    ) -> list[Value | None]:
        """Adds the gradient of the sum of `ys` by each of `xs`; None where no y depends on x.

        What constants hold may be built into the gradient: what runs are to feed with other values must be an input.

        Args:
            ys: What is differentiated.
            xs: By what.
            weights: The weight of each y, of its shape; None for ones.

        Examples:
            >>> graph = weft.Graph()
            >>> x = graph.input("x", "f32", [2])
            >>> (dx,) = graph.gradients(x**3.0, [x])
            >>> weft.Session(graph).run({x: [1.0, 2.0]}, dx).tolist()
            [3.0, 12.0]
        """
        targets = [ys] if isinstance(ys, Value) else list(ys)
        if isinstance(xs, Value):
            raise TypeError("xs is a Value but must be a list of them: gradients(ys, [x])")
        factors = [0] * len(targets) if weights is None else [0 if w is None else self._ids([w])[0] for w in weights]
        if len(factors) != len(targets):
            raise InvalidArgumentError(f"there are {len(factors)} weights for {len(targets)} values")
        made = _native.graph_differentiate(
            self._handle, self._ids(targets), self._ids(xs), factors, caller(), len(xs)
        )
        return [Value(self, id) if id else None for id in made]

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names of what is added inside begin with "name/"."""
        graphs = [self] if self._current is self else [self, self._current]  # variables go to the first, nodes to the last
        for graph in graphs:
            _native.weft_graph_open_scope(graph._handle, name)
        try:
            yield
        finally:
            for graph in graphs:
                _native.weft_graph_close_scope(graph._handle)

    def find(self, name: str) -> Value:
        """The input, variable or other value of that name."""
        return Value(self, _native.weft_graph_find(self._handle, need(name, str, "the name of a value")))

    def optimizer_step(self, name: str = "optimizer") -> Value:
        """How many steps the optimizer of that name has made: a scalar of i64, made at first use, from which a learning
        rate can be computed before the optimizer adds its step.

        Examples:
            >>> graph = weft.Graph()
            >>> w = graph.variable("w", 1.0)
            >>> halved = 0.5 ** graph.optimizer_step().cast("f32")
            >>> step = weft.Sgd(0.25 * halved).minimize(w * w)
            >>> session = weft.Session(graph)
            >>> for _ in range(2):  # 1 - 0.25 * 2, then 0.5 - 0.125 * 1
            ...     _ = session.run({}, step)
            >>> session.get("w").item()
            0.375
        """
        name = need(name, str, "the name of an optimizer")
        return Value(self, _native.weft_optimizer_step(self._handle, name))

    @property
    def inputs(self) -> list[Value]:
        """The inputs, in the order in which they were added."""
        handle = self._handle
        return [Value(self, _native.weft_graph_input(handle, i)) for i in range(_native.weft_graph_input_count(handle))]

    @property
    def outputs(self) -> list[Value]:
        """What a loaded model gives, or what was set."""
        handle = self._handle
        count = _native.weft_graph_output_count(handle)
        return [Value(self, _native.weft_graph_output(handle, i)) for i in range(count)]

    @outputs.setter
    def outputs(self, values: Sequence[Value]) -> None:
        _native.weft_graph_set_outputs(self._handle, self._ids(values))

    @property
    def variables(self) -> list[Value]:
        """The variables, optimizer state among them."""
        handle = self._handle
        count = _native.weft_graph_variable_count(handle)
        return [Value(self, _native.weft_graph_variable(handle, i)) for i in range(count)]

    @property
    def node_count(self) -> int:
        """The number of nodes."""
        return int(_native.weft_graph_node_count(self._handle))

    def __str__(self) -> str:
        return self._converted("text")

    def __repr__(self) -> str:
        return "Graph (closed)" if self.closed else f"Graph with {self.node_count} nodes"

    def dot(self) -> str:
        """The graph for Graphviz."""
        return self._converted("dot")

    def svg(self) -> str:
        """The graph as a picture; needs Graphviz' program dot, which may take minutes for thousands of nodes. A notebook
        shows a graph of at most 300 nodes so, a larger one as text."""
        return self._converted("svg")

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg() if self.node_count <= _MOST_SHOWN else None
        except Exception:  # a notebook then shows repr()
            return None

    def _converted(self, format: str) -> str:
        return str(_native.weft_graph_convert(self._handle, format).decode())

    def _ids(self, values: Value | Sequence[Value]) -> list[int]:
        return value_ids(values, "a value of the graph")


def _dimensions(text: str) -> Iterator[str]:
    """The texts of the dimensions of "n, broadcast(k, m)"."""
    depth, begin = 0, 0
    for i, letter in enumerate(text + ","):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            if part := text[begin:i].strip():
                yield part
            begin = i + 1


def shape_text(shape: ShapeLike) -> str:
    """A shape as the library reads it."""
    return shape if isinstance(shape, str) else ",".join("?" if dim is None else str(dim) for dim in shape)


_MOST_SHOWN = 300  # nodes, which dot draws in about a second


def value_ids(values: Value | Iterable[Value], what: str) -> list[int]:
    """The numbers of one value or several."""
    if isinstance(values, Value):
        return [values.id]
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(f"{what} must be a Value, or a list of them, but is {described(values)}")
    return [need(value, Value, what).id for value in values]


def gradients(
    ys: Value | Sequence[Value], xs: Sequence[Value], weights: Sequence[Value | None] | None = None
) -> list[Value | None]:
    """The gradient of the sum of `ys` by each of `xs`: see `Graph.gradients`."""
    first = ys if isinstance(ys, Value) else next(iter(ys), None)
    return need(first, Value, "what is differentiated").graph.gradients(ys, xs, weights)
