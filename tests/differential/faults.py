"""Where Weft is wrong and is to be mended. An entry that nothing fits any more fails a full run."""

from __future__ import annotations

from judges import REFERENCE
from listed import Entry

FAULTS: list[Entry] = [
    Entry(
        "ai.onnx.ml.TreeEnsembleClassifier",
        REFERENCE,
        lambda case: case.attr("post_transform") == "SOFTMAX_ZERO",
        "the 'Top class' is not that of the greatest score, but of the greatest before the transform, which leaves 0",
        "Y[",
    ),
]
