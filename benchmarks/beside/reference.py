"""The results that every contender of a row is compared with: of inference from the reference implementation of ONNX.
python -m benchmarks.beside.reference <row> <file>"""

from __future__ import annotations

import sys

import numpy as np
import onnx.reference

from .row import Array, Inference
from .rows import named


def inference(problem: Inference) -> list[Array]:
    return list(onnx.reference.ReferenceEvaluator(problem.model).run(None, problem.feeds))


def main() -> None:
    row, file = sys.argv[1:]
    problem = named(row).make()
    if isinstance(problem, Inference):
        np.savez(file, *inference(problem))


if __name__ == "__main__":
    main()
