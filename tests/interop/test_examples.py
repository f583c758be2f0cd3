"""Runs every program of examples/ as its reader would, compares the languages, and holds the programs to their lengths."""

import concurrent.futures
import pathlib
import re

import pytest
from driver import LANGUAGES, LIBRARY, ROOT, Programs

EXAMPLES = ROOT / "examples"
# The least test accuracy in percent: above what least squares on the pixels gets (numpy.linalg.lstsq: 85.9), and at least
# 97 %, of which 288 digits of 297 fall short although they print as 97.0.
DIGITS = {"digits_mlp": 86.0, "digits_cnn": 97.3}
# How many of the test digits the models of examples/exported read rightly: onnxruntime 1.32's outputs for those of PyTorch
# and Keras, what scikit-learn's own pipelines predict.
EXPORTED = {"pytorch": 242, "torchscript": 203, "keras": 225, "sklearn": 219, "sklearn_mlp": 246}
# What scikit-learn's own pipeline of examples/exported/sklearn_text.onnx gives, which its script prints.
PIPELINE = {
    "login": {"billing": 0.06190618, "fault": 0.23089108, "login": 0.70720274},
    "billing": {"billing": 0.71551281, "fault": 0.07042494, "login": 0.21406225},
    "fault": {"billing": 0.07409885, "fault": 0.91661031, "login": 0.00929084},
}
# The most lines of code, comments and blanks not counted.
MOST_LINES = {"c": 90, "cpp": 45, "python": 30, "java": 40, "go": 45}
MORE_LINES = {"digits_mlp": 0, "digits_cnn": 15, "fine_tune": 15, "pipeline": 0, "serve": 15}
NO_CODE = re.compile(r'\s*($|//|/?\*|#([^a-z]|$)|""".*"""$)')


def built(example: str, name: str, folder: pathlib.Path) -> Programs:
    programs = Programs(LIBRARY, folder, EXAMPLES / example / name)
    for language in LANGUAGES:
        programs.build(language)
    return programs


@pytest.mark.parametrize("example", DIGITS)
def test_digits_are_learned_alike_everywhere(example: str, tmp_path: pathlib.Path) -> None:
    programs = built(example, "digits", tmp_path)

    def last_line(language: str) -> str:
        # Its comment has Go's program run with -C examples.
        return programs.output(language, cwd=EXAMPLES if language == "go" else ROOT).splitlines()[-1]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        lines = dict(zip(LANGUAGES, pool.map(last_line, LANGUAGES)))
    accuracy = re.fullmatch(r"test accuracy (\d+\.\d)%", lines["c"])
    assert accuracy and float(accuracy[1]) >= DIGITS[example], lines["c"]
    assert lines == dict.fromkeys(LANGUAGES, lines["c"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("example", MORE_LINES)
def test_programs_stay_short(example: str, language: str) -> None:
    name = "digits" if example in DIGITS else example
    source = Programs(LIBRARY, ROOT, EXAMPLES / example / name).file(language)
    code = [line for line in source.read_text().splitlines() if not NO_CODE.match(line)]
    assert 10 < len(code) <= MOST_LINES[language] + MORE_LINES[example]


def test_the_tour_prints_the_same_everywhere(tmp_path: pathlib.Path) -> None:
    programs = built("tour", "tour", tmp_path)
    printed = {}
    for language in LANGUAGES:
        folder = tmp_path / f"in_{language}"
        folder.mkdir()
        printed[language] = programs.output(language, cwd=folder)
        # Its reader runs it in the checkout, which stays clean.
        assert [file.name for file in folder.iterdir()] == ["xor.onnx"]
    assert "xor.onnx" in (ROOT / ".gitignore").read_text().splitlines()
    *losses, zero, one, another, nought = printed["c"].splitlines()
    # Nine digits tell any f32 from its neighbours, so equal text is equal bits.
    assert all(re.fullmatch(r"loss \d\.\d{8}e[-+]\d\d", line) for line in losses)
    assert [round(float(line)) for line in (zero, one, another, nought)] == [0, 1, 1, 0]
    assert printed == dict.fromkeys(LANGUAGES, printed["c"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_requests_are_answered_everywhere(language: str, tmp_path: pathlib.Path) -> None:
    programs = Programs(LIBRARY, tmp_path, EXAMPLES / "serve" / "serve")
    programs.build(language)
    printed = programs.output(language, cwd=EXAMPLES if language == "go" else ROOT)
    assert printed.splitlines() == [f"{EXPORTED['pytorch']} of 297 digits are right"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pipeline_takes_strings_and_gives_maps_everywhere(language: str, tmp_path: pathlib.Path) -> None:
    programs = Programs(LIBRARY, tmp_path, EXAMPLES / "pipeline" / "pipeline")
    programs.build(language)
    printed = programs.output(language, cwd=EXAMPLES if language == "go" else ROOT).splitlines()
    assert [line.split(":")[0] for line in printed] == list(PIPELINE)
    for line, wanted in zip(printed, PIPELINE.values(), strict=True):
        words = line.split()[1:]
        shares = dict(zip(words[::2], map(float, words[1::2]), strict=True))
        # Six digits are printed of f32, which sums up a few of them.
        assert shares == pytest.approx(wanted, abs=1e-6, rel=0)


def test_exported_nets_are_trained_further_alike_everywhere(tmp_path: pathlib.Path) -> None:
    programs = built("fine_tune", "fine_tune", tmp_path)
    printed = {}
    for language in LANGUAGES:
        folder = tmp_path / f"in_{language}"
        folder.mkdir()
        inputs = {"examples": EXAMPLES, "data": EXAMPLES / "data", "exported": EXAMPLES / "exported"}
        for name, target in inputs.items():
            (folder / name).symlink_to(target)
        printed[language] = programs.output(language, cwd=folder)
        written = sorted({file.name for file in folder.iterdir()} - set(inputs))
        assert written == [f"{maker}_tuned.onnx" for maker in ("keras", "pytorch", "sklearn_mlp", "torchscript")]
    assert set(written) <= set((ROOT / ".gitignore").read_text().splitlines())
    lines = printed["c"].splitlines()
    assert lines[-1] == f"sklearn: {EXPORTED['sklearn']} of 297 digits are right"
    for maker in ("pytorch", "torchscript", "keras", "sklearn_mlp"):
        right = EXPORTED[maker]
        at = lines.index(f"{maker}: accuracy {right / 297:.6f} as exported")
        losses = [float(line.split()[-1]) for line in lines[at + 1 : at + 6]]
        assert losses == sorted(losses, reverse=True)
        tuned = re.fullmatch(rf"{maker}: (\d+) of 297 digits are right", lines[at + 6])
        assert tuned and int(tuned[1]) > right, lines[at + 6]
    assert printed == dict.fromkeys(LANGUAGES, printed["c"])
