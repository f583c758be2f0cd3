"""ONNX's backend suite through weft.backend: each test gives what tests/conformance/expected.txt says."""

import os
import pathlib
import unittest
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ["ONNX_HOME"] = str(ROOT / "build" / "conformance")  # where the suite writes the values of its light models

import numpy as np  # noqa: E402
import onnx.backend.test  # noqa: E402
import onnx.backend.test.runner  # noqa: E402
import pytest  # noqa: E402

import weft.backend  # noqa: E402

KINDS = {
    "Node": "node",
    "PyTorchConverted": "pytorch-converted",
    "PyTorchOperator": "pytorch-operator",
    "Real": "real",
    "Simple": "simple",
}
LIST = ROOT / "tests" / "conformance" / "expected.txt"
EXPECTED = dict(line.split(" ", 1) for line in LIST.read_text().splitlines() if not line.startswith("#"))


class Runner(onnx.backend.test.runner.Runner):
    """The suite's, which cannot compare items of a sequence that are scalars: it asks for their length."""

    @classmethod
    def assert_similar_outputs(
        cls, ref_outputs: Any, outputs: Any, rtol: float, atol: float, model_dir: str | None = None
    ) -> None:
        if isinstance(ref_outputs, np.ndarray) and ref_outputs.ndim == 0:
            assert np.shape(outputs) == (), f"the shape is {np.shape(outputs)}, not ()"
            ref_outputs, outputs = [ref_outputs], [outputs]
        super().assert_similar_outputs(ref_outputs, outputs, rtol, atol, model_dir)


def suite() -> dict[str, unittest.TestCase]:
    """The tests for the CPU by the names of the list, each as an object whose `debug()` runs it."""
    found = {}
    for name, case in Runner(weft.backend, __name__).test_cases.items():
        kind = KINDS[name.removeprefix("OnnxBackend").removesuffix("ModelTest").removesuffix("Test")]
        for test in unittest.defaultTestLoader.getTestCaseNames(case):
            if test.endswith("_cpu"):
                found[f"{kind}/{test.removesuffix('_cpu')}"] = case(test)
    return found


SUITE = suite()


def test_the_list_names_every_test() -> None:
    assert sorted(SUITE) == sorted(EXPECTED), "tools/conformance --write writes the list anew"


@pytest.mark.parametrize("name", sorted(SUITE))
def test_backend(name: str) -> None:
    expected = EXPECTED.get(name, "")
    try:
        SUITE[name].debug()
    except Exception:
        if expected == "pass":
            raise
    else:
        assert expected == "pass", f"it passes, but the list says: {expected}; tools/conformance --write writes it anew"
