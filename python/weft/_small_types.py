"""Element types that numpy lacks and the package ml_dtypes has: bf16, floats of 8 bits and fewer, integers of 4 and 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _native
from ._errors import UnimplementedError
from ._types import Array

# By the names that ml_dtypes gives them.
NAMES = {
    "bfloat16": "bf16",
    "float8_e4m3fn": "f8e4m3fn",
    "float8_e4m3fnuz": "f8e4m3fnuz",
    "float8_e5m2": "f8e5m2",
    "float8_e5m2fnuz": "f8e5m2fnuz",
    "float8_e8m0fnu": "f8e8m0",
    "float4_e2m1fn": "f4e2m1",
    "int4": "i4",
    "uint4": "u4",
    "int2": "i2",
    "uint2": "u2",
}
_BY_NAME = {ours: theirs for theirs, ours in NAMES.items()}


def has(name: str) -> bool:
    """Whether it is the library's name of such a type."""
    return name in _BY_NAME


def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of arrays for the library's name of it."""
    try:
        import ml_dtypes
    except ImportError:
        raise UnimplementedError(
            f"numpy has no element type {name}; install the package ml_dtypes, cast to f32 in the graph, or use DLPack"
        ) from None
    return np.dtype(getattr(ml_dtypes, _BY_NAME[name]))


def to_pointer(array: Array) -> Any:
    """A tensor of a copy of the elements, which arrays keep in a byte each where tensors pack them."""
    number = int(_native.weft_dtype_find(NAMES[array.dtype.name]))
    codes = np.ascontiguousarray(array).ravel().view(np.uint8)
    bits = int(_native.weft_dtype_bits(number))
    if bits < 8:
        each = 8 // bits
        padded = np.zeros(-(-codes.size // each) * each, np.uint8)
        padded[: codes.size] = codes & (1 << bits) - 1
        shifts = np.arange(each, dtype=np.uint8) * np.uint8(bits)
        codes = np.bitwise_or.reduce(padded.reshape(-1, each) << shifts, axis=1)
    return _native.tensor_from_bytes(number, array.shape, codes.tobytes())


def to_array(handle: Any, name: str) -> Array:
    """The elements of a tensor: over its memory, or copies of packed ones."""
    dtype = dtype_of(name)
    shape = tuple(_native.tensor_dims(handle))
    codes = _native.tensor_bytes(handle)
    bits = int(_native.weft_dtype_bits(_native.weft_tensor_dtype(handle)))
    if bits < 8:
        shifts = np.arange(8 // bits, dtype=np.uint8) * np.uint8(bits)
        codes = (codes[:, None] >> shifts & (1 << bits) - 1).astype(np.uint8).ravel()
        codes = codes[: int(np.prod(shape, dtype=np.int64))]
    return codes.view(dtype).reshape(shape)
