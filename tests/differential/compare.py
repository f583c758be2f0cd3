"""Whether two results are the same but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from case import Case

# Relative, by the name of the dtype: what differs by its order of sums or by its last bits.
TOLERANCE = {
    "float32": 1e-4, "float64": 1e-7, "float16": 2e-3, "bfloat16": 1.6e-2, "complex64": 1e-4, "complex128": 1e-7,
    "float8_e4m3fn": 0.13, "float8_e4m3fnuz": 0.13, "float8_e5m2": 0.26, "float8_e5m2fnuz": 0.26,
    "float4_e2m1fn": 0.01, "float8_e8m0fnu": 0.01,
}  # fmt: skip


def differences(case: Case, ours: list[Any], theirs: list[Any], rounded: bool = False) -> str:
    """Where two lists of outputs differ first, with both elements; "" if nowhere.

    Args:
        case: What was run.
        ours: What Weft gave.
        theirs: What a judge gave.
        rounded: Theirs are of other types, and rounded to ours before they are compared.
    """
    names = [name for name in case.outputs if name]
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs and {len(theirs)}"
    if len(names) != len(ours):
        names = [case.outputs[0]] * len(ours)
    for name, a, b in zip(names, ours, theirs):
        found = different(case, a, b, rounded)
        if found:
            return f"{name}{found}"
    return ""


def different(case: Case, a: Any, b: Any, rounded: bool) -> str:
    if isinstance(a, list) or isinstance(b, list):
        if not (isinstance(a, list) and isinstance(b, list)) or len(a) != len(b):
            return f" is {kind(a)} and {kind(b)}"
        found = ((i, different(case, x, y, rounded)) for i, (x, y) in enumerate(zip(a, b)))
        return next((f", item {i}{text}" for i, text in found if text), "")
    if a is None or b is None:
        return "" if a is b else f" is {kind(a)} and {kind(b)}"
    coarse = 0.0
    if rounded and a.dtype != b.dtype and object not in (a.dtype, b.dtype):
        coarse = TOLERANCE.get(b.dtype.name, 0.0)
        with np.errstate(all="ignore"):
            b = b.astype(a.dtype)
    if a.dtype != b.dtype or a.shape != b.shape:
        return f" is {kind(a)} and {kind(b)}"
    if a.size == 0:
        return ""
    bad = np.argwhere(np.atleast_1d(~same(case, a, b, coarse)))
    if not bad.size:
        return ""
    at = tuple(int(i) for i in bad[0])
    one, other = np.atleast_1d(a)[at], np.atleast_1d(b)[at]
    return f"{list(at) if a.ndim else ''} is {one!s} and {other!s} ({len(bad)} of {a.size} differ)"


def kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a sequence of {len(value)}"
    return "nothing" if value is None else f"{value.dtype}{list(value.shape)}"


def same(case: Case, a: Any, b: Any, coarse: float = 0.0) -> Any:
    """For each element, whether it is; `coarse` is a tolerance that is allowed at least."""
    name = a.dtype.name
    if name not in TOLERANCE:
        if not case.steps or a.dtype == object or a.dtype == bool:
            return a == b
        return np.abs(a.astype(np.int64) - b.astype(np.int64)) <= case.steps
    wide = np.complex128 if name.startswith("complex") else np.float64
    a, b = a.astype(wide), b.astype(wide)
    tolerance = max(TOLERANCE[name], coarse) * case.slack
    with np.errstate(all="ignore"):
        size = np.abs(b)
        greatest = min(float(np.max(np.abs(v), where=np.isfinite(v), initial=0)) for v in (a, b))
        floor = greatest if case.summed else min(1.0, max(greatest, 1e-6))
        close = np.abs(a - b) <= tolerance * (size + floor)
        return (a == b) | (np.isnan(a) & np.isnan(b)) | (np.isfinite(a) & np.isfinite(b) & close)
