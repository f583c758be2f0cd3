"""Decompositions of matrices, which ONNX has no operators for."""

import numpy as np

from ..row import Eigen


def eigen(size: int, symmetric: bool) -> Eigen:
    values = np.random.RandomState(0).standard_normal((size, size)) * size**-0.5
    return Eigen(values.astype(np.float32), symmetric)
