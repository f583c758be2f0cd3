"""Where Weft is wrong and is to be mended. An entry that nothing fits any more fails a full run."""

from __future__ import annotations

import numpy as np

from case import Case
from judges import REFERENCE
from listed import ANY, Entry, always


def nothing(case: Case) -> bool:
    """Whether the first input has no elements."""
    return bool(np.size(case.inputs[0].value) == 0)  # type: ignore[union-attr]


FAULTS: list[Entry] = [
    Entry("Hardmax", ANY, nothing, "of no elements there is a result of no elements", "Weft refuses"),
    Entry("LRN", ANY, nothing, "of no elements there is a result of no elements", "Weft refuses"),
    Entry(
        "ai.onnx.ml.TreeEnsembleClassifier",
        REFERENCE,
        lambda case: case.attr("post_transform") == "SOFTMAX_ZERO",
        "the 'Top class' is not that of the greatest score, but of the greatest before the transform, which leaves 0",
        "Y[",
    ),
]
