"""Cases that are made wrong: what all judges refuse, Weft is to refuse too."""

from __future__ import annotations

import dataclasses

import numpy as np
from onnx import defs, helper

import values
from case import Case, Input

EVERY = 20  # of so many cases of an operator the last one is made wrong


def spoiled(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case:
    """The case with one thing changed that may well be an error."""
    ways = [other_type, without_input, one_input_more, more_dimensions, unknown_attribute, far_axis, without_attribute]
    for index in rng.permutation(len(ways)):
        changed = ways[index](case, schema, rng)
        if changed is not None:
            return changed
    return case


def tensors(case: Case) -> list[int]:
    """The places of inputs that are tensors of numbers."""
    known = [i for i, item in enumerate(case.inputs) if item is not None and item.type.startswith("tensor(")]
    types = {i: case.inputs[i].type for i in known}  # type: ignore[union-attr]
    return [i for i, type_ in types.items() if values.is_float(type_) or values.is_integer(type_)]


def with_input(case: Case, place: int, item: Input | None, what: str) -> Case:
    inputs = [*case.inputs[:place], item, *case.inputs[place + 1 :]]
    return dataclasses.replace(case, inputs=inputs, spoiled=what)


def other_type(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    places = tensors(case)
    if not places:
        return None
    place = int(rng.choice(places))
    item = case.inputs[place]
    assert item is not None
    type_ = "tensor(int16)" if values.is_float(item.type) else "tensor(float)"
    with np.errstate(all="ignore"):
        value = np.asarray(item.value).astype(np.float32).astype(values.dtype(type_))
    return with_input(case, place, dataclasses.replace(item, type=type_, value=value), f"{item.formal} is of {type_}")


def without_input(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    if schema.min_input == 0:
        return None
    return with_input(case, 0, None, "the first input is left out")


def one_input_more(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    if schema.max_input > 99 or not case.inputs or case.inputs[0] is None:
        return None
    missing: list[Input | None] = [None] * (schema.max_input - len(case.inputs))
    return dataclasses.replace(case, inputs=[*case.inputs, *missing, case.inputs[0]], spoiled="one input too many")


def more_dimensions(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    places = tensors(case)
    if not places:
        return None
    place = int(rng.choice(places))
    item = case.inputs[place]
    assert item is not None
    value = np.stack([np.asarray(item.value)] * 3)
    return with_input(case, place, dataclasses.replace(item, value=value), f"{item.formal} has another dimension of 3")


def unknown_attribute(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    attrs = {**case.attrs, "nonsense": helper.make_attribute("nonsense", 1)}
    return dataclasses.replace(case, attrs=attrs, spoiled="an attribute that there is not")


def far_axis(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    if "axis" not in schema.attributes:
        return None
    attrs = {**case.attrs, "axis": helper.make_attribute("axis", int(rng.choice([-9, 9])))}
    return dataclasses.replace(case, attrs=attrs, spoiled="an axis that there is not")


def without_attribute(case: Case, schema: defs.OpSchema, rng: np.random.Generator) -> Case | None:
    required = [name for name, known in schema.attributes.items() if known.required and name in case.attrs]
    if not required:
        return None
    attrs = {name: made for name, made in case.attrs.items() if name != required[0]}
    return dataclasses.replace(case, attrs=attrs, spoiled=f"{required[0]} is left out")
