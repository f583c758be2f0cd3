"""Cases of tests/ops, saved for opsets 7 to 26: onnx.checker takes the files, onnx.reference and onnxruntime give what
the cases say, and nothing is refused but what refused_opsets.txt says.

Refusals are those of every case and opset. Judges are asked

    tools/with_package -m pytest python/tests/test_saved_cases.py                 of some cases, where the operator changed
    tools/with_package -m pytest python/tests/test_saved_cases.py --all-opsets    of every case and opset
and the list is written by
    tools/with_package python/tests/test_saved_cases.py
"""

import contextlib
import os
import pathlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import onnx
import pytest
from onnx import defs

import weft

import judging
from test_onnx_cases import DIFFERS, RANDOM, agree, build, cases, plain
from wrong_judges import CAN_NOT, CHECKER, KNOWN, ONNXRUNTIME, REFERENCE, TOO_MUCH, Known

OPSETS = range(7, 27)
VERSIONS: dict[str, set[int]] = defaultdict(set)  # of each operator
for schema in defs.get_all_schemas_with_history():
    if schema.domain == "":
        VERSIONS[schema.name].add(schema.since_version)
JUDGES = {REFERENCE: judging.reference, ONNXRUNTIME: judging.runtime}
Ask = Callable[..., list[Any] | str]  # judging.answer, in one process or another
FILES = [file for file in cases.load() if "." not in file.op]  # an opset is one of ONNX's own domain
LIST = pathlib.Path(__file__).with_name("refused_opsets.txt")
HEADER = """# The first opset that each case of tests/ops can be saved for, where its first input is fed and the others are constants;
# 27: none of 7 to 26. Those that are not named can be saved for 7.
# Written by `tools/with_package python/tests/test_saved_cases.py`; do not edit.
"""
used: set[tuple[Known, str]] = set()  # with the names of cases


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


@contextlib.contextmanager
def scratch() -> Iterator[pathlib.Path]:
    """Where a file may be, in memory if there is such a folder: saving waits for the disk."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield pathlib.Path(folder) / "case.onnx"


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
    found: dict[tuple[str, str], int] = {}
    for line in LIST.read_text().splitlines():
        if not line.startswith("#"):
            op, first, *names = line.split()
            found |= {(op, name): int(first) for name in names}
    return found


@pytest.fixture(scope="session")
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Judges of some cases are asked in this process, which takes less time."""
    if not request.config.getoption("--all-opsets"):
        yield judging.answer
        return
    with contextlib.closing(judging.Apart()) as apart:
        yield apart


def complaints(op: str, case: cases.Case, opset: int, ask: Ask, path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """What the judges say against the file of that opset: each with its name."""
    graph, outputs, feeds = build(op, case, fed=1)
    graph.save(path, outputs, opset=opset)
    model = path.read_bytes()
    found = ask(judging.check, model)
    if isinstance(found, str):
        yield CHECKER, found
        return
    # The files of the first opsets name their constants as inputs; and what nothing reads is no input.
    written = onnx.load_from_string(model).graph
    known = {item.name for item in written.input} - {item.name for item in written.initializer}
    feeds = {name: value for name, value in feeds.items() if name in known}
    for judge, gives in JUDGES.items() if op not in RANDOM else ():
        if judge == REFERENCE and (op, case.name) in TOO_MUCH:
            continue
        found = ask(gives, model, feeds)
        if not isinstance(found, str):
            try:
                agree(case, found)
            except Exception as error:
                yield judge, str(error)
        elif not any(text in found for text in CAN_NOT[judge]):
            yield judge, found


def problems_of(op: str, case: cases.Case, opsets: Iterable[int], ask: Ask, path: pathlib.Path) -> list[str]:
    found: dict[str, list[int]] = defaultdict(list)  # opsets by what is wrong there
    for opset in opsets:
        for judge, text in complaints(op, case, opset, ask, path):
            entries = [entry for entry in KNOWN if entry.fits(op, case.name, judge, opset)]
            used.update((entry, case.name) for entry in entries)
            if not entries:
                found[f"{judge}: {' '.join(text.split())[:300]}"].append(opset)
    return [f"{case.name}, opsets {opsets}, {text}" for text, opsets in found.items()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.op)
def test_refused_are_those_of_the_list(file: Any) -> None:
    listed, problems = read(), []
    with scratch() as path:
        for case in usable(file):
            refused, first = refusals(file.op, case, path), listed.get((file.op, case.name), OPSETS.start)
            if list(refused) != list(range(OPSETS.start, first)):
                why = list(refused.values())[-1:]
                problems.append(f"{case.name} is refused for opsets {list(refused)}, not below {first}: {why}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.op)
def test_judges_agree(file: Any, ask: Ask, request: pytest.FixtureRequest) -> None:
    everything, listed, problems = request.config.getoption("--all-opsets"), read(), []
    with scratch() as path:
        for case in usable(file) if everything else some(file):
            first = listed.get((file.op, case.name), OPSETS.start)
            opsets = [opset for opset in (OPSETS if everything else changes(file.op)) if opset >= first]
            problems += problems_of(file.op, case, opsets, ask, path)
    assert not problems, "\n".join(problems)


def test_a_judge_may_end_its_process() -> None:
    with contextlib.closing(judging.Apart()) as apart:
        assert [apart(os._exit, code) for code in (0, 1)] == [judging.Apart.ENDED] * 2
        assert "ValidationError" in apart(judging.check, b"no model")


def test_the_list_names_cases_that_there_are() -> None:
    known = {(file.op, case.name) for file in FILES for case in usable(file)}
    assert set(read()) <= known, set(read()) - known


def test_every_entry_is_needed(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--all-opsets"):
        pytest.skip("only all cases tell")
    needed = {entry for entry, _ in used}
    idle = [f"{entry.op}: {entry.why}" for entry in KNOWN if entry not in needed]
    idle += [f"{entry.op}: {name}" for entry in KNOWN for name in entry.names.split() if (entry, name) not in used]
    assert not idle, "\n".join(idle)


def write() -> None:
    lines: dict[tuple[str, int], list[str]] = defaultdict(list)
    with scratch() as path:
        for file in FILES:
            for case in usable(file):
                refused = refusals(file.op, case, path)
                if refused:
                    lines[file.op, max(refused) + 1].append(case.name)
    text = "".join(f"{op} {first} {' '.join(names)}\n" for (op, first), names in sorted(lines.items()))
    LIST.write_text(HEADER + text)


if __name__ == "__main__":
    write()
