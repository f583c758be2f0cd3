"""Runs each language's program of benchmarks/: all measure the rows that tools/bench asks weft_bench for."""

import pathlib
import re

import pytest
from driver import LIBRARY, ROOT, Programs


@pytest.mark.parametrize("language", ["cpp", "python", "java", "go"])
def test_all_measure_the_same_rows(language: str, tmp_path: pathlib.Path) -> None:
    programs = Programs(LIBRARY, tmp_path, ROOT / "benchmarks" / "bench")
    programs.build(language)
    rows = [line.split("\t") for line in programs.output(language).splitlines()]
    asked = re.findall(r'weft_bench .*--tabs "(.*)"', (ROOT / "tools" / "bench").read_text())
    assert len(asked) == 3 and [name for name, _, _ in rows] == asked
    assert all(float(least) <= float(median) for _, least, median in rows)
