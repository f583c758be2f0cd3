"""The results that every contender of a row is compared with: of inference from the reference implementation of ONNX, of
training from PyTorch in double precision, of eigenvalues from numpy. python -m benchmarks.beside.reference <row> <file>"""

from __future__ import annotations

import sys

import numpy as np
import onnx.reference

from . import reference_operators
from .net import Array, Training
from .row import Eigen, Problem
from .rows import named


def results(problem: Problem) -> list[Array]:
    if isinstance(problem, Training):
        # Imported here because it takes seconds, which inference needs not wait.
        import torch

        from .contenders.torch_training import Trainer

        return [Trainer(problem, torch.float64).losses()]
    if isinstance(problem, Eigen):
        a = problem.a.astype(np.float64)
        return [np.linalg.eigvalsh(a @ a.T)]
    operators = list(reference_operators.OPERATORS)
    return list(onnx.reference.ReferenceEvaluator(problem.model, new_ops=operators).run(None, problem.feeds))


def main() -> None:
    row, file = sys.argv[1:]
    np.savez(file, *results(named(row).make()))


if __name__ == "__main__":
    main()
