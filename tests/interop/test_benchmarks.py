"""Runs each language's program of benchmarks/programs: all compute what Python does, and time it when they are told to."""

import pathlib

import numpy as np
import pytest
from benchmarks.beside import programs
from benchmarks.beside.contenders import weft
from benchmarks.beside.models import tiny, training
from benchmarks.beside.process import Child
from benchmarks.beside.row import Problem
from driver import LIBRARY, ROOT, Programs


def answers_like_python(command: list, problem: Problem, folder: pathlib.Path) -> None:
    arguments = programs.arguments(problem, 1, folder / "problem")
    with Child("program", [str(part) for part in command] + arguments, folder / "log", 1) as child:
        wanted = weft.prepare(problem, 1).results()[0].astype(np.float32)
        assert np.array(child.ready["results"], np.float32).tobytes() == wanted.tobytes()
        first, second = child.sample(), child.sample()
        assert 0 < first["seconds"] < 1 and 0 < second["processor_seconds"] < 1


@pytest.mark.parametrize("language", ["c", "cpp", "java", "go"])
def test_programs_compute_what_python_does(language: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_LIBRARY", str(LIBRARY))
    built = Programs(LIBRARY, tmp_path, ROOT / "benchmarks" / "programs" / "weft")
    built.build(language)
    answers_like_python(built.commands[language], training.mlp(32), tmp_path)
    if language != "cpp":
        answers_like_python(built.commands[language], tiny.adds(1), tmp_path)
    if language == "c":
        answers_like_python(built.commands[language], tiny.adds(1, arrays=True), tmp_path)
