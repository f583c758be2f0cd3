"""Every case of an ONNX operator, saved: the file passes onnx.checker, and onnxruntime gives what the case says."""

import pathlib
import sys
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import weft

from running import tensor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bindings" / "gen"))
import cases  # noqa: E402

onnxruntime.set_default_logger_severity(4)
NUMBERS = {"f16", "f32", "f64", "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"}
# What onnxruntime has no kernel for says so in one of these ways; that is its limit and not ours.
UNSUPPORTED = ("NOT_IMPLEMENTED", "Could not find an implementation")
# Where onnxruntime differs from the standard.
DIFFERS: dict[tuple[str, str], str] = {}


def literal(value: Any) -> Any:
    return tensor(value.dtype, value.shape, value.values) if isinstance(value, cases.Literal) else value


def plain(op: str, case: cases.Case) -> bool:
    """Only tensors that numpy and both runtimes hold alike; and no division that may trap in onnxruntime."""
    values = [value for _, value in case.inputs + case.outputs if value is not None]
    if case.fails or not all(isinstance(value, cases.Literal) and value.dtype in NUMBERS for value in values):
        return False
    return op not in ("Div", "Mod") or all(value.dtype[0] == "f" for value in values)


@pytest.mark.parametrize("file", [f for f in cases.load() if not f.op.startswith("weft.")], ids=lambda file: file.op)
def test_onnxruntime_agrees(file: Any, tmp_path: pathlib.Path) -> None:
    compared = 0
    for case in file.cases:
        if not plain(file.op, case) or (file.op, case.name) in DIFFERS:
            continue
        graph = weft.Graph(opset=case.opset)
        inputs, feeds = [], {}
        for i, (_, value) in enumerate(case.inputs):
            if value is None:
                inputs.append(None)
                continue
            feeds[f"in{i}"] = literal(value)
            inputs.append(graph.input(f"in{i}", value.dtype, value.shape))
        attrs = {key: literal(value) for key, value in case.attrs.items()}
        made = graph.add(file.op, inputs, attrs, outputs=len(case.outputs) or 1)
        values = list(made) if isinstance(made, tuple) else [made]
        path = tmp_path / f"{case.name}.onnx"
        graph.save(path, values)
        onnx.checker.check_model(str(path), full_check=True)
        try:
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:
            assert any(text in str(error) for text in UNSUPPORTED), f"{case.name}: {error}"
            continue
        known = {item.name for item in session.get_inputs()}
        found = session.run(None, {name: value for name, value in feeds.items() if name in known})
        for (name, wanted), got in zip(case.outputs, found, strict=True):
            if wanted is None:
                continue
            expected = literal(wanted)
            assert got.dtype == expected.dtype and got.shape == expected.shape, f"{case.name} {name}"
            # The two runtimes round and order sums differently.
            close = 1e-3 if wanted.dtype == "f16" else 1e-4
            np.testing.assert_allclose(
                got.astype("f8"), expected.astype("f8"), close, close, err_msg=f"{case.name} {name}"
            )
            compared += 1
    assert compared or not any(plain(file.op, case) for case in file.cases) or file.op in NOTHING, "nothing was compared"


# Operators of which onnxruntime runs no case.
NOTHING: set[str] = set()
