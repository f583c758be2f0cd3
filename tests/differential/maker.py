"""Makes the case of a seed, an operator and a number: the schema says which inputs, types and attributes there are, the
operator's rule (`rules/`) what a schema cannot say."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper

import values
from case import Case, Input
from spoil import EVERY, spoiled

OPSETS = {"": 26, "ai.onnx.ml": 5, "ai.onnx.preview": 1, "ai.onnx.preview.training": 1}
COMMON = ("tensor(float)", "tensor(double)", "tensor(int64)", "tensor(int32)")
RULES: dict[str, Callable[[Maker], None]] = {}
Shape = tuple[int, ...]


def rule(*names: str) -> Callable[[Callable[[Maker], None]], Callable[[Maker], None]]:
    """What a schema cannot say of these operators: a function that gives a `Maker` inputs and attributes.

    Inputs that it does not give have the shape of the others or broadcast with them; attributes that it does not give
    are drawn by their defaults.
    """

    def register(function: Callable[[Maker], None]) -> Callable[[Maker], None]:
        RULES.update((name, function) for name in names)
        return function

    return register


@functools.cache
def schema_of(op: str) -> defs.OpSchema:
    """The newest that is not deprecated."""
    domain, _, name = op.rpartition(".")
    named = [s for s in defs.get_all_schemas_with_history() if (s.domain, s.name) == (domain, name)]
    return max((s for s in named if not s.deprecated), key=lambda s: s.since_version)


@functools.cache
def is_deprecated(op: str) -> bool:
    """Whether the newest is: its node is of an older opset then."""
    domain, _, name = op.rpartition(".")
    return any(s.deprecated and (s.domain, s.name) == (domain, name) for s in defs.get_all_schemas())


def make(op: str, seed: int, number: int) -> Case:
    maker = Maker(op, seed, number)
    case = maker.case()
    return spoiled(case, maker.schema, maker.rng) if number % EVERY == EVERY - 1 else case


class Maker:
    """Draws one case; each choice that is made here comes from `rng`, and so from the seed."""

    def __init__(self, op: str, seed: int, number: int) -> None:
        self.op, self.seed, self.number = op, seed, number
        self.rng = np.random.default_rng([seed, zlib.crc32(op.encode()), number])
        self.schema = schema_of(op)
        self._types: dict[str, str] = {}
        self._allowed = {c.type_param_str: list(c.allowed_type_strs) for c in self.schema.type_constraints}
        self._inputs: dict[str, list[Input | None]] = {}
        self._attrs: dict[str, onnx.AttributeProto | None] = {}
        self._count: int | None = None
        self.wanted: set[str] = set()  # optional outputs that are not left out
        self.unwanted: set[str] = set()  # and those that are
        self.summed, self.slack, self.steps = False, 1.0, 0

    # Numbers.

    def integer(self, low: int, high: int) -> int:
        """Both ends count."""
        return int(self.rng.integers(low, max(low, high), endpoint=True))

    def real(self, low: float, high: float) -> float:
        """One that f32 holds, as attributes do."""
        return float(np.float32(self.rng.uniform(low, high)))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choose(self, among: Sequence[Any]) -> Any:
        return among[int(self.rng.integers(len(among)))]

    def some(self, among: Sequence[Any], least: int = 0) -> list[Any]:
        """Some of them, in any order."""
        return [among[i] for i in self.rng.permutation(len(among))[: self.integer(least, len(among))]]

    # Dimensions.

    def dim(self, least: int = 0, most: int = 5) -> int:
        kind = self.rng.random()
        if kind < 0.04 and least <= 0:
            return 0
        if kind < 0.2 and least <= 1:
            return 1
        return self.integer(max(least, 1), most)

    def shape(self, low: int = 0, high: int = 4, least: int = 0, most: int = 5) -> Shape:
        """Of `low` to `high` dimensions."""
        return tuple(self.dim(least, most) for _ in range(self.integer(low, high)))

    def broadcast_to(self, shape: Shape) -> Shape:
        """One that broadcasts to `shape`."""
        kept = [1 if self.chance(0.25) else size for size in shape]
        return tuple(kept[self.integer(0, len(kept)) if self.chance(0.4) else 0 :])

    def axis(self, rank: int) -> int:
        return self.integer(-rank, rank - 1)

    def axes(self, rank: int, least: int = 0) -> list[int]:
        """Some, each once, some of them counted from the end."""
        return [axis - rank if self.chance(0.3) else axis for axis in self.some(range(rank), least)]

    # Types.

    def allow(self, variable: str, keep: Callable[[str], bool]) -> None:
        """Keeps types of a variable that is not drawn yet."""
        self._allowed[variable] = [type_ for type_ in self._allowed[variable] if keep(type_)]

    def bind(self, variable: str, type_: str) -> None:
        self._types[variable] = type_

    def type(self, name: str) -> str:
        """The type of an input or of a type variable; it is drawn when it is first asked for."""
        formal = next((f for f in self.schema.inputs if f.name == name), None)
        variable = name if formal is None else formal.type_str
        if variable not in self._allowed:
            return variable
        if variable not in self._types:
            tensors = sorted(t for t in self._allowed[variable] if t.startswith("tensor("))
            allowed = tensors or sorted(self._allowed[variable])
            common = [t for t in COMMON if t in allowed]
            self._types[variable] = self.choose(common if common and self.chance(0.5) else allowed)
        return self._types[variable]

    # Inputs.

    def input(
        self, name: str, shape: Shape, low: float | None = None, high: float | None = None, special: bool = False
    ) -> Any:
        """A tensor of random elements."""
        return self.give(name, values.draw(self.rng, self.type(name), tuple(shape), low, high, special))

    def optional(self, name: str, shape: Shape, low: float | None = None, high: float | None = None) -> Any:
        """The same half of the time, and else nothing."""
        return self.input(name, shape, low, high) if self.chance(0.5) else self.omit(name)

    def give(self, name: str, value: Any, fed: bool = False) -> Any:
        """A tensor of these elements. It stands in the model as a constant at times, unless it is to be `fed`."""
        type_ = self.type(name)
        if not isinstance(value, np.ndarray) or value.dtype != values.dtype(type_):
            value = np.array(value, values.dtype(type_))
        self._inputs.setdefault(name, []).append(Input(name, type_, value, not fed and self.chance(0.3)))
        return value

    def sequence(self, name: str, shapes: Sequence[Shape]) -> list[Any]:
        type_ = self.type(name)
        found = [values.draw(self.rng, type_, shape) for shape in shapes]
        self._inputs[name] = [Input(name, type_, found)]
        return found

    def raw(self, name: str, type_: str, value: Any) -> None:
        """A value of any kind, which is fed."""
        self._inputs[name] = [Input(name, type_, value)]

    def omit(self, name: str) -> None:
        """An input or an attribute that is left out."""
        if any(formal.name == name for formal in self.schema.inputs):
            self._inputs[name] = [None]
        else:
            self._attrs[name] = None

    # Attributes and outputs.

    def attr(self, name: str, value: Any) -> Any:
        """An attribute with this value, left out half of the time if that is its default."""
        known = self.schema.attributes[name]
        number = onnx.AttributeProto.AttributeType.Value(str(known.type).rpartition(".")[2])
        made = helper.make_attribute(name, value, attr_type=number)
        if not known.required and known.default_value.type == made.type:
            same = helper.get_attribute_value(known.default_value) == helper.get_attribute_value(made)
            if same and self.chance(0.5):
                self._attrs[name] = None
                return value
        self._attrs[name] = made
        return value

    def flag(self, name: str) -> bool:
        return bool(self.attr(name, self.integer(0, 1)))

    def one_of(self, name: str, *among: Any) -> Any:
        return self.attr(name, self.choose(among))

    def maybe(self, name: str, value: Any) -> Any:
        """An attribute that is left out half of the time; None then."""
        return self.attr(name, value) if self.chance(0.5) else self.omit(name)

    def outputs(self, count: int) -> None:
        """How many a variadic output gives."""
        self._count = count

    def sums(self, slack: float = 1.0) -> None:
        """Results are sums: errors are measured by the greatest of them."""
        self.summed, self.slack = True, slack

    # The whole.

    def case(self) -> Case:
        if self.op in RULES:
            RULES[self.op](self)
        self._elementwise_inputs()
        self._attributes_by_default()
        inputs = [item for formal in self.schema.inputs for item in self._inputs.get(formal.name, [None])]
        while inputs and inputs[-1] is None:
            inputs.pop()
        names, types = self._drawn_outputs()
        attrs = {name: made for name, made in self._attrs.items() if made is not None}
        domain = self.schema.domain
        opset = max(OPSETS[domain], self.schema.since_version)
        if is_deprecated(self.op):
            opset = self.schema.since_version
        return Case(
            self.op,
            self.seed,
            self.number,
            domain,
            opset,
            inputs,
            attrs,
            names,
            types,
            dynamic=self.chance(0.25),
            summed=self.summed,
            slack=self.slack,
            steps=self.steps,
        )

    def _elementwise_inputs(self) -> None:
        missing = [formal for formal in self.schema.inputs if formal.name not in self._inputs]
        given = [item.value for items in self._inputs.values() for item in items if item]
        shapes = [value.shape for value in given if isinstance(value, np.ndarray)]
        whole = shapes[0] if shapes else self.shape()
        for formal in missing:
            if formal.option == defs.OpSchema.FormalParameterOption.Optional and self.chance(0.5):
                self.omit(formal.name)
                continue
            many = formal.option == defs.OpSchema.FormalParameterOption.Variadic
            for _ in range(self.integer(1, 4) if many else 1):
                alone = len(self.schema.inputs) == 1 and not many
                self.input(formal.name, whole if alone else self.broadcast_to(whole), special=self.chance(0.3))

    def _attributes_by_default(self) -> None:
        kinds = defs.OpSchema.AttrType
        for name, known in self.schema.attributes.items():
            if name in self._attrs or known.default_value.type == onnx.AttributeProto.UNDEFINED:
                continue
            default = helper.get_attribute_value(known.default_value)
            if known.type == kinds.INT and default in (0, 1):
                self.flag(name)
            elif known.type == kinds.FLOAT:
                drawn = self.real(-1, 1) if default == 0 else float(np.float32(default * self.real(0.5, 2)))
                self.attr(name, default if self.chance(0.3) else drawn)

    def _drawn_outputs(self) -> tuple[list[str], list[str | None]]:
        names: list[str] = []
        types: list[str | None] = []
        option = defs.OpSchema.FormalParameterOption
        for formal in self.schema.outputs:
            type_ = self._types.get(formal.type_str)
            if formal.type_str not in self._allowed:
                type_ = formal.type_str
            elif type_ is None and len(self._allowed[formal.type_str]) == 1:
                type_ = self._allowed[formal.type_str][0]
            for _ in range(self._count or 1 if formal.option == option.Variadic else 1):
                left_out = formal.option == option.Optional and formal.name not in self.wanted and self.chance(0.4)
                names.append("" if left_out or formal.name in self.unwanted else formal.name)
                types.append(type_)
        while names and not names[-1]:
            names.pop()
        if not names:  # all of them may be left out, which leaves nothing to see
            names = [self.schema.outputs[0].name]
        return names, types
