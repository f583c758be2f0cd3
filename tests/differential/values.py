"""Types as the standard writes them ("tensor(float)"), and random elements of each."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from onnx import TensorProto, TypeProto, helper

WORDS = ("", "a", "b", "abc", "Zebra", "x y", "tree", "Ärger", "日本", "-1", "12")
COMPLEX = {"complex64", "complex128"}


def element(type_: str) -> str:
    """The element type inside tensors, sequences and optionals: "float" of "seq(tensor(float))"."""
    return re.sub(r".*\(([a-z0-9]+)\)+$", r"\1", type_)


def number(type_: str) -> int:
    """The standard's number of the element type."""
    return int(TensorProto.DataType.Value(element(type_).upper()))


def dtype(type_: str) -> np.dtype[Any]:
    return np.dtype(object) if element(type_) == "string" else np.dtype(helper.tensor_dtype_to_np_dtype(number(type_)))


def is_float(type_: str) -> bool:
    return element(type_) in ("double",) or "float" in element(type_)


def is_integer(type_: str) -> bool:
    return "int" in element(type_)


def is_unsigned(type_: str) -> bool:
    return "uint" in element(type_)


def is_half(type_: str) -> bool:
    """A float that has fewer digits than f32."""
    return is_float(type_) and element(type_) not in ("float", "double")


def bits(type_: str) -> int:
    name = element(type_)
    known = {"bool": 8, "float": 32, "double": 64, "bfloat16": 16, "complex64": 64, "complex128": 128, "string": 0}
    if name in known:
        return known[name]
    return int(re.search(r"float(\d+)|int(\d+)", name).group(0).lstrip("floatin"))  # type: ignore[union-attr]


def limits(type_: str) -> tuple[int, int]:
    """The least and the greatest integer."""
    size = bits(type_)
    return (0, 2**size - 1) if is_unsigned(type_) else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)


def proto(type_: str, shape: Any) -> TypeProto:
    """The type of a value with these dimensions (sequences and optionals get none)."""
    if type_.startswith("seq("):
        return helper.make_sequence_type_proto(proto(type_[4:-1], None))
    if type_.startswith("optional("):
        return helper.make_optional_type_proto(proto(type_[9:-1], None))
    return helper.make_tensor_type_proto(number(type_), shape)


def draw(
    rng: np.random.Generator,
    type_: str,
    shape: tuple[int, ...],
    low: float | None = None,
    high: float | None = None,
    special: bool = False,
) -> Any:
    """Random elements, within limits if they are given; `special` adds infinities, NaN, both zeros, the type's limits."""
    name = element(type_)
    if name == "string":
        array = np.empty(shape, object)
        array.ravel()[:] = [WORDS[i] for i in rng.integers(len(WORDS), size=array.size)] if array.size else []
        return array
    if name == "bool":
        return rng.random(shape) < 0.5
    if is_integer(type_):
        least, greatest = limits(type_)
        start = max(least, -9 if low is None else int(np.ceil(low)))
        stop = min(greatest, 9 if high is None else int(np.floor(high)))
        values = np.array(rng.integers(start, max(start, stop), size=shape, endpoint=True), np.int64)
        wide = values.astype(np.uint64 if name == "uint64" else np.int64)
        if special:
            at = rng.random(shape) < 0.1
            extremes = np.array([least, greatest], wide.dtype)[rng.integers(2, size=shape)]
            wide = np.where(at, extremes, wide)
        return wide.astype(dtype(type_))
    if name == "float8e8m0" and high is not None:
        numbers = rng.uniform(0, np.log2(max(high, 1)), shape)
    elif low is None and high is None:
        numbers = rng.standard_normal(shape) * 3
        if rng.random() < 0.25:  # ties and halves
            numbers = np.round(numbers * 2) / 2
    else:
        lowest = -3.0 if low is None else low
        numbers = rng.uniform(lowest, max(lowest, lowest + 6 if high is None else high), shape)
    if name in COMPLEX:
        return (numbers + 1j * rng.standard_normal(shape)).astype(dtype(type_))
    if name == "float8e8m0":
        return np.exp2(np.round(numbers)).astype(np.float32).astype(dtype(type_))
    if special:
        extra = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -1.0])[rng.integers(7, size=shape)]
        numbers = np.where(rng.random(shape) < 0.15, extra, numbers)
    with np.errstate(all="ignore"):
        return np.asarray(numbers).astype(np.float64 if name == "double" else np.float32).astype(dtype(type_))
