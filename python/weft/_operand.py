"""What numbers and lists become where an operator takes a value: the one rule for their element type.

Arrays, Tensors and Values have a type of their own. Numbers and lists of them take that of another input that the
operator wants of the same type; without one, the only type that it allows there; else what numpy makes of them, but
that floats are f32.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _native
from ._errors import InvalidArgumentError, NotFoundError
from ._tensor import Tensor, as_tensor

# Inputs that are lists of whole numbers: a number is a list of one.
_LISTS = {"axes", "ends", "repeats", "shape", "starts", "steps"}
# What numbers beside each other are: the latest of their types.
_WIDER = ("bool", "i64", "f32", "f64")


class _Formal(NamedTuple):
    name: str
    variable: str  # inputs of equal ones are of one type
    allowed: tuple[str, ...]  # empty: any


@functools.cache
def _formals(op: str) -> tuple[tuple[_Formal, ...], bool]:
    """The inputs as the operator's definition has them, and whether the last one may be given many times."""
    known = json.loads(_native.weft_op_inspect(op))
    kinds = {name: tuple(text.split(", ")) for name, text in known["types"].items()}
    formals = []
    for formal in known["inputs"]:
        variable = formal["type"]
        if op == "Pow":  # ONNX lets the exponent be of another type; in numpy power(2, x) is of x's
            variable = "T"
        any_type = variable == "any" or "(" in variable
        formals.append(_Formal(formal["name"], variable, kinds.get(variable, () if any_type else (variable,))))
    return tuple(formals), bool(known["inputs"]) and bool(known["inputs"][-1].get("variadic"))


def _formal(op: str, i: int) -> _Formal:
    try:
        formals, variadic = _formals(op)
    except NotFoundError:  # adding the node says so better
        return _Formal("", str(i), ())
    if i < len(formals):
        return formals[i]
    return formals[-1] if variadic else _Formal("", str(i), ())


def listed(inputs: tuple[Any, ...]) -> list[Any]:
    """The inputs of an operator that takes any number of them: given one by one, or as one list."""
    from ._graph import Value

    (only,) = inputs if len(inputs) == 1 else (None,)
    if isinstance(only, (list, tuple)) and any(isinstance(item, Value) for item in only):
        return list(only)
    return list(inputs)


def operands(op: str, inputs: Sequence[Any], origin: str) -> list[Any]:
    """The inputs of an operator, with a Tensor in place of each that is neither None nor a Value."""
    from ._graph import Value

    out = [as_tensor(item) if _is_typed(item) else item for item in inputs]
    plain = [i for i, item in enumerate(out) if item is not None and not isinstance(item, (Value, Tensor))]
    if not plain:
        return out
    formals = [_formal(op, i) for i in range(len(out))]
    made = list(out)
    for i in plain:
        formal = formals[i]
        same = [item for item, other in zip(out, formals) if item is not None and other.variable == formal.variable]
        like = next((item for item in same if isinstance(item, (Value, Tensor)) and item.dtype), None)
        item = [out[i]] if formal.name in _LISTS and np.ndim(out[i]) == 0 else out[i]
        try:
            if isinstance(item, bool) and (op == "Where" and i == 0 if like is None else like.dtype != "bool"):
                # What == and != of Values are, more often than not.
                raise InvalidArgumentError(f"{item} is no '{formal.name}'; elements are compared by weft.equal")
            if like is not None:
                made[i] = _converted(item, like.dtype, f"the dtype of {like!r}; cast one of them")
            elif len(formal.allowed) == 1:
                made[i] = _converted(item, formal.allowed[0], f"which '{formal.name}' of {op} is")
            else:
                made[i] = as_tensor(item, _inferred(item, same, formal, op))
        except InvalidArgumentError as error:
            raise InvalidArgumentError(error.message, op=op, origin=origin) from None
    return made


def _is_typed(item: Any) -> bool:
    """Whether it is an array or the like, which has an element type that was meant."""
    return isinstance(item, Tensor) or hasattr(item, "__dlpack__") or getattr(item, "ndim", 0) > 0


def _converted(item: Any, dtype: str, why: str) -> Tensor:
    """Numbers as elements of a type that has them."""
    tensor = as_tensor(item)
    if tensor.dtype == dtype:
        return tensor
    made = as_tensor(item, dtype)
    before, after = tensor.numpy(), made.numpy()
    floating = dtype[0] in "fc" or dtype == "bf16"  # numpy does not know that those of ml_dtypes are
    exact = floating or (before.dtype.kind in "biu" and np.array_equal(before, after))
    if not exact and before.size > 0:
        raise InvalidArgumentError(f"{item!r} is no {dtype}, {why}")
    return made


def _inferred(item: Any, same: Sequence[Any], formal: _Formal, op: str) -> str:
    """The type of numbers that nothing but themselves decides: `same` has those that must be of one type."""
    types = {as_tensor(other).dtype for other in same}
    dtype = max(types, key=_WIDER.index) if types <= set(_WIDER) else as_tensor(item).dtype
    if not formal.allowed or dtype in formal.allowed:
        return dtype
    if dtype == "i64" and "f32" in formal.allowed:  # whole numbers where fractions are wanted
        return "f32"
    raise InvalidArgumentError(f"{item!r} is {dtype}, but '{formal.name}' of {op} takes {', '.join(formal.allowed)}")
