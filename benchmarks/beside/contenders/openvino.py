"""OpenVINO, through its Python package."""

from __future__ import annotations

import functools
import re
from typing import Any

import openvino

from ..net import Array, Training
from ..row import Eigen, Problem
from . import Contender, Unsupported


def _read(core: Any, text: bytes) -> Any:
    try:
        return core.read_model(text)
    except RuntimeError as error:
        lacking = re.search(r"No conversion rule found for operations: (.+)", str(error))
        if lacking is None:
            raise
        raise Unsupported(f"it has no {lacking[1]}") from None


def prepare(problem: Problem, threads: int) -> Contender:
    if isinstance(problem, Training):
        raise Unsupported("it does not train")
    if isinstance(problem, Eigen):
        raise Unsupported("it has no eigenvalues")
    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Otherwise some processors compute in bf16 what the others compute in f32.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    text = problem.model.SerializeToString()  # whose bytes the weights are until the model is compiled
    compiled = core.compile_model(_read(core, text), "CPU", settings)
    request = compiled.create_infer_request()
    version = openvino.__version__.split("-")[0]
    if problem.arrays:

        def arrays() -> list[Array]:
            return list(request.infer(problem.feeds).values())

        return Contender(version, arrays, arrays)
    for name, values in problem.feeds.items():
        request.set_tensor(name, openvino.Tensor(values, shared_memory=True))
    run = functools.partial(request.infer, share_inputs=True, share_outputs=True)
    return Contender(version, run, lambda: list(run().values()), keep=problem)
