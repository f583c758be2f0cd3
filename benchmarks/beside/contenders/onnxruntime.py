"""ONNX Runtime, through its Python package; bound memory is an IoBinding."""

from __future__ import annotations

import functools

import numpy as np
import onnxruntime

from ..net import Array, Training
from ..row import Eigen, Problem
from . import Contender, Unsupported

# Of the memory that outputs are bound to.
DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


def prepare(problem: Problem, threads: int) -> Contender:
    if isinstance(problem, Training):
        raise Unsupported("the package on PyPI does not train")
    if isinstance(problem, Eigen):
        raise Unsupported("it has no eigenvalues")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        problem.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    if problem.arrays:
        call = functools.partial(session.run, names, problem.feeds)
        return Contender(onnxruntime.__version__, call, call)
    inputs = {name: onnxruntime.OrtValue.ortvalue_from_numpy(values) for name, values in problem.feeds.items()}
    outputs = [
        onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(output.shape, DTYPES[output.type]))
        for output in session.get_outputs()
    ]
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_ortvalue_input(name, value)
    for name, value in zip(names, outputs):
        binding.bind_ortvalue_output(name, value)
    run = functools.partial(session.run_with_iobinding, binding)

    def results() -> list[Array]:
        run()
        return [value.numpy().copy() for value in outputs]  # which may lie over memory that goes with the value

    return Contender(onnxruntime.__version__, run, results)
