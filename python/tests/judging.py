"""What judges ONNX files, in this process or in others. Each gives a model's outputs or raises what it says."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)


def check(model: bytes) -> list[Any]:
    onnx.checker.check_model(model, full_check=True)
    return []


def reference(model: bytes, feeds: dict[str, Any]) -> list[Any]:
    with np.errstate(all="ignore"):
        found = [np.asarray(value) for value in ReferenceEvaluator(onnx.load_from_string(model)).run(None, feeds)]
    return [value.astype(object) if value.dtype.kind in "US" else value for value in found]


def runtime(model: bytes, feeds: dict[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def answer(judge: Callable[..., list[Any]], *given: Any) -> list[Any] | str:
    """What a judge gives, or what it says instead."""
    try:
        return judge(*given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class Apart:
    """`answer` in a process of each judge's own, which is started anew where the judge ended it."""

    ENDED = "it ended the process"

    def __init__(self) -> None:
        self._pools: dict[Callable[..., list[Any]], ProcessPoolExecutor] = {}

    def __call__(self, judge: Callable[..., list[Any]], *given: Any) -> list[Any] | str:
        if judge not in self._pools:
            self._pools[judge] = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            return self._pools[judge].submit(answer, judge, *given).result()
        except BrokenProcessPool:
            self._pools.pop(judge).shutdown()
            return self.ENDED

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown()
