"""Cases of tests/ops, saved for opsets 7 to 26: onnx.checker takes the files, onnx.reference and onnxruntime give what
the cases say, and nothing is refused but what refused_opsets.txt says.

    tools/with_package -m pytest python/tests/test_saved_cases.py                 some cases, where the operator changed
    tools/with_package -m pytest python/tests/test_saved_cases.py --all-opsets    every case, every opset
    tools/with_package python/tests/test_saved_cases.py                           writes refused_opsets.txt
"""

import dataclasses
import pathlib
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import defs
from onnx.reference import ReferenceEvaluator

import weft

import test_onnx_cases
from test_onnx_cases import DIFFERS, RANDOM, agree, build, cases, plain

sys.path.insert(0, str(cases.ROOT / "tests" / "differential"))
from judges import ONNXRUNTIME, REFERENCE, UNSUPPORTED  # noqa: E402

OPSETS = range(7, 27)
VERSIONS: dict[str, set[int]] = defaultdict(set)  # of each operator
for schema in defs.get_all_schemas_with_history():
    if schema.domain == "":
        VERSIONS[schema.name].add(schema.since_version)
CHECKER = "onnx.checker"
FILES = [file for file in cases.load() if "." not in file.op]  # an opset is one of ONNX's own domain
LIST = pathlib.Path(__file__).with_name("refused_opsets.txt")
HEADER = """# The first opset that each case of tests/ops can be saved for, where its first input is fed and the others are constants;
# 27: none of 7 to 26. Those that are not named can be saved for 7.
# Written by `tools/with_package python/tests/test_saved_cases.py`; do not edit.
"""
CAN_NOT = {
    REFERENCE: (
        *UNSUPPORTED[REFERENCE],
        "No implementation for operator",
        "Not implemented for mode",
        "Unable to find output name",  # a third one, of LSTM
    ),
    ONNXRUNTIME: (*UNSUPPORTED[ONNXRUNTIME], *test_onnx_cases.UNSUPPORTED),
    CHECKER: (),
}


@dataclasses.dataclass(frozen=True)
class Known:
    """Where a judge is wrong about the saved files, or cannot read them."""

    op: str
    judge: str
    last: int  # of opsets
    why: str
    names: str = ""  # of cases, with spaces between them; all if there is none

    def fits(self, op: str, name: str, judge: str, opset: int) -> bool:
        return (op, judge) == (self.op, self.judge) and opset <= self.last and name in (self.names.split() or [name])


KNOWN = [
    Known("BatchNormalization", REFERENCE, 13, "it trains whenever there is a momentum, which has a default"),
    Known("GridSample", REFERENCE, 19, "it knows the names that modes have since 20 alone"),
    Known("LRN", REFERENCE, 26, "it normalizes as many channels as there are images"),
    Known("LpNormalization", REFERENCE, 26, "its norm sums the elements, not their absolute values",
          "norm_1_axis_0 norm_1_axis_1 norm_1_axis_m1 zeros_1"),
    Known("OneHot", REFERENCE, 26, "it takes indices beyond the depth modulo the depth"),
    Known("RNN", REFERENCE, 13, "without a layout it swaps the batch and the steps"),
    Known("Resize", REFERENCE, 10, "it does not read the scales, which were the second input"),
]
# Which onnx.reference would make the padding of: gigabytes.
TOO_LARGE = {("AveragePool", "window_far_larger_than_the_plane"), ("MaxPool", "window_far_larger_than_the_plane")}
used: set[Known] = set()


def usable(file: Any) -> list[cases.Case]:
    """The cases that judges know of today's opset."""
    return [case for case in file.cases if plain(file.op, case) and (file.op, case.name) not in DIFFERS]


def some(file: Any) -> list[cases.Case]:
    """The first cases that differ in what they are given, three at most."""
    found: dict[Any, cases.Case] = {}
    for case in usable(file):
        given = tuple(value is not None for _, value in case.inputs)
        found.setdefault((given, tuple(sorted(case.attrs)), len(case.outputs)), case)
    return list(found.values())[:3]


def changes(op: str) -> list[int]:
    """The last opsets that have each of an operator's older versions, and the first of all."""
    return sorted({OPSETS.start} | {version - 1 for version in VERSIONS[op] if version - 1 in OPSETS})


def save(graph: weft.Graph, outputs: list[weft.Value], opset: int, path: pathlib.Path) -> str:
    """Saves it for that opset, or says why it cannot be."""
    try:
        graph.save(path, outputs, opset=opset)
    except weft.UnimplementedError as error:
        return str(error)
    return ""


def refusals(op: str, case: cases.Case, path: pathlib.Path) -> dict[int, str]:
    graph, outputs, _ = build(op, case, fed=1)
    whys = ((opset, save(graph, outputs, opset, path)) for opset in OPSETS)
    return {opset: why for opset, why in whys if why}


def read() -> dict[tuple[str, str], int]:
    """The first opsets by operator and case."""
    found = {}
    for line in LIST.read_text().splitlines():
        if not line.startswith("#"):
            op, first, *names = line.split()
            found |= {(op, name): int(first) for name in names}
    return found


def reference(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    with np.errstate(all="ignore"):
        found = [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feeds)]
    return [value.astype(object) if value.dtype.kind in "US" else value for value in found]


def runtime(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


JUDGES: dict[str, Callable[[onnx.ModelProto, dict[str, Any]], list[Any]]] = {REFERENCE: reference, ONNXRUNTIME: runtime}


def complaints(op: str, case: cases.Case, opset: int, path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """What the judges say against the file of that opset: each with its name."""
    graph, outputs, feeds = build(op, case, fed=1)
    graph.save(path, outputs, opset=opset)
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        yield CHECKER, str(error)
        return
    # The files of the first opsets name their constants as inputs; and what nothing reads is no input.
    known = {item.name for item in model.graph.input} - {item.name for item in model.graph.initializer}
    feeds = {name: value for name, value in feeds.items() if name in known}
    for judge, run in JUDGES.items() if op not in RANDOM else ():
        if judge == REFERENCE and (op, case.name) in TOO_LARGE:
            continue
        try:
            agree(case, run(model, feeds))
        except Exception as error:
            if not any(text in f"{type(error).__name__}: {error}" for text in CAN_NOT[judge]):
                yield judge, str(error)


def problem_of(op: str, case: cases.Case, opset: int, path: pathlib.Path) -> Iterator[str]:
    for judge, text in complaints(op, case, opset, path):
        entries = [entry for entry in KNOWN if entry.fits(op, case.name, judge, opset)]
        used.update(entries)
        if not entries:
            yield f"{case.name}, opset {opset}, {judge}: {' '.join(text.split())[:300]}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.op)
def test_judges_agree(file: Any, tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> None:
    everything, listed, problems = request.config.getoption("--all-opsets"), read(), []
    for case in usable(file) if everything else some(file):
        path = tmp_path / f"{case.name}.onnx"
        refused, first = refusals(file.op, case, path), listed.get((file.op, case.name), OPSETS.start)
        found = max(refused, default=OPSETS.start - 1) + 1
        if found != first or len(refused) != found - OPSETS.start:
            why = list(refused.values())[-1:]
            problems.append(f"{case.name} is refused for opsets {sorted(refused)}, not below {first}: {why}")
        for opset in OPSETS if everything else changes(file.op):
            if opset not in refused:
                problems += problem_of(file.op, case, opset, path)
    assert not problems, "\n".join(problems)


def test_the_list_names_cases_that_there_are() -> None:
    known = {(file.op, case.name) for file in FILES for case in usable(file)}
    assert set(read()) <= known, set(read()) - known


def test_every_entry_is_needed(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--all-opsets"):
        pytest.skip("only all cases tell")
    assert set(KNOWN) == used, "\n".join(f"{entry.op}: {entry.why}" for entry in set(KNOWN) - used)


def write() -> None:
    lines: dict[tuple[str, int], list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for file in FILES:
            for case in usable(file):
                refused = refusals(file.op, case, pathlib.Path(folder) / "case.onnx")
                if refused:
                    lines[file.op, max(refused) + 1].append(case.name)
    text = "".join(f"{op} {first} {' '.join(names)}\n" for (op, first), names in sorted(lines.items()))
    LIST.write_text(HEADER + text)


if __name__ == "__main__":
    write()
