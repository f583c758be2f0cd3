"""Runs each language's program of benchmarks/programs: all compute what Python does, and time it when they are told to. And
models of the benchmark, small: Weft and ONNX Runtime compute what the reference does."""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from benchmarks.beside import contenders, programs, reference
from benchmarks.beside.check import check
from benchmarks.beside.contenders import weft
from benchmarks.beside.models import recurrent, resampling, text, tiny, training, trees, unet
from benchmarks.beside.process import Child
from benchmarks.beside.row import Inference, Problem
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


SMALL: dict[str, Callable[[], Inference]] = {
    "lstm": lambda: recurrent.lstm(2, 8, 5, batch=3),
    "gru": lambda: recurrent.gru(2, 8, 5, batch=3),
    "resize": lambda: resampling.resize(3, 5, 2),
    "unet": lambda: unet.unet(16, 8),
    "gridsample": lambda: resampling.grid_sample(3, 6),
    "forest": lambda: trees.forest(5, 4, features=6, rows=50),
    "boosting": lambda: trees.boosting(5, 4, features=6, rows=50),
    "text": lambda: text.classes(12, words=60),
}


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("contender", ["weft", "onnxruntime"])
def test_models_give_what_the_reference_gives(contender: str, model: str) -> None:
    problem = SMALL[model]()
    check(contenders.prepare(contender, problem, 1).results(), reference.results(problem), rtol=1e-4)


def test_trees_are_as_deep_as_they_may_be_and_give_means() -> None:
    x, y = np.float32([[1], [2], [3], [4], [5], [6], [7], [8]]), np.arange(8.0)[:, None]
    nodes, found = trees.grown(np.random.RandomState(0), x, y, 1)
    assert len(nodes) == 3 and nodes[0].mean is None and (nodes[0].below, nodes[0].above) == (1, 2)
    low = x[:, 0] <= nodes[0].threshold
    assert 0 < low.sum() < 8
    # The mean of 0 to n - 1 is (n - 1) / 2.
    assert nodes[1].mean == (low.sum() - 1) / 2
    assert found[low].tolist() == [nodes[1].mean.tolist()] * low.sum()
    assert len(trees.grown(np.random.RandomState(0), x, y, 0)[0]) == 1


def test_labels_are_not_all_the_same() -> None:
    labels = contenders.prepare("weft", SMALL["forest"](), 1).results()[0]
    assert sorted(set(labels.tolist())) == [0, 1, 2]
    words = contenders.prepare("weft", SMALL["text"](), 1).results()[0]
    assert set(words.tolist()) <= set(text.CLASSES) and len(set(words.tolist())) > 1
