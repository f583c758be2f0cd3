"""Contenders that are programs in other languages than Python, which tools/bench builds.

A program is started with what it is to build ("bound", "named" or "training"), the number of threads and a folder with what
that is made of. It answers as child.py does, and its first answer has the numbers of its only result, or the losses of the
first steps, which are checked on this side."""

from __future__ import annotations

import pathlib

import numpy as np

from .net import Array, Dense, Training
from .process import ROOT, Failed
from .row import Eigen, Inference, Problem

BUILT = ROOT / "build" / "bench"
JAVA_CLASSES = {"weft_java": "Weft", "onnxruntime_java": "OnnxRuntime"}


def _start(name: str) -> list[str]:
    java = JAVA_CLASSES.get(name)
    program = BUILT / "java" / f"{java}.class" if java else BUILT / "programs" / name
    if not program.exists():
        raise Failed(f"{name} is not built: there is no {program}; what tools/bench says before it measures tells why")
    return ["java", "-cp", f"{program.parent}:{program.parent}/*", java] if java else [str(program)]


def _kind(problem: Problem) -> str:
    if isinstance(problem, Inference):
        return "named" if problem.arrays else "bound"
    return "training"


def _files(problem: Problem) -> dict[str, bytes]:
    """What a problem is made of, by the names of the files: numbers as they lie in memory."""

    def lying(arrays: dict[str, Array]) -> dict[str, bytes]:
        return {name: np.ascontiguousarray(array).tobytes() for name, array in arrays.items()}

    if isinstance(problem, Inference):
        return {"model.onnx": problem.model.SerializeToString(), **lying(problem.feeds)}
    if isinstance(problem, Eigen):
        raise Failed("no program finds eigenvalues")
    return lying({"inputs": problem.inputs, "labels": problem.labels, **_weights(problem)})


def _weights(problem: Training) -> dict[str, Array]:
    dense = [layer for layer in problem.layers if isinstance(layer, Dense)]
    kernels = {f"kernel{i}": layer.kernel for i, layer in enumerate(dense)}
    return {**kernels, **{f"bias{i}": layer.bias for i, layer in enumerate(dense)}}


def arguments(problem: Problem, threads: int, folder: pathlib.Path) -> list[str]:
    """What any program is given to build a problem, which is written into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in _files(problem).items():
        (folder / file).write_bytes(content)
    return [_kind(problem), str(threads), str(folder)]


def command(name: str, problem: Problem, threads: int, folder: pathlib.Path) -> list[str]:
    return [*_start(name), *arguments(problem, threads, folder)]
