"""Whether results are those that are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .net import Array


class WrongResults(Exception):
    """A contender computes something else; the message says where."""


def check(found: Sequence[Array], wanted: Sequence[Array], rtol: float, least: float = 0.1) -> None:
    """Elements that are smaller than a share of the largest one count as that share, which stands for the sums that they
    come from. Labels, which are integers or strings, must be equal."""
    if len(found) != len(wanted):
        raise WrongResults(f"there are {len(found)} results and not {len(wanted)}")
    for i, (values, expected) in enumerate(zip(found, wanted)):
        values = np.asarray(values)
        if values.shape != expected.shape:
            raise WrongResults(f"result {i} has the shape {values.shape} and not {expected.shape}")
        if expected.dtype.kind in "fc":
            allowed = rtol * np.maximum(np.abs(expected), least * np.abs(expected).max())
            # Written so that NaN is wrong.
            wrong, within = ~(np.abs(values - expected) <= allowed), f" within a relative {rtol}"
        else:
            wrong, within = values != expected, ""
        if wrong.any():
            at = tuple(int(index) for index in np.argwhere(wrong)[0])
            raise WrongResults(
                f"{np.count_nonzero(wrong)} of {wrong.size} elements of result {i} are wrong; the first is "
                f"{values[at]} at {at}, where {expected[at]} is wanted{within}"
            )
