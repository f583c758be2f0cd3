"""What runs a case: Weft, and the two that judge it. Each function gives the outputs or raises what it says."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

import values
from case import Case, Input

REFERENCE, ONNXRUNTIME = "onnx.reference", "onnxruntime"
# What a judge has no code for says so in one of these ways; that is its limit and no judgement.
UNSUPPORTED = {
    REFERENCE: (
        "No registered implementation",
        "Issues with types",
        "NotImplementedError",
        "Unknown activation function",
        "not implemented",
        "only applies on 4D tensors",
    ),
    ONNXRUNTIME: (
        "NOT_IMPLEMENTED",
        "Could not find an implementation",
        "Failed to find kernel",
        "Failed to construct locale",
        "not currently registered or supported",
        "data type is not supported",
        "of input parameter",
    ),
    "weft": (),
}
# Where onnxruntime has kernels of an older version alone, which means the same.
OLDER_OPSETS = {"GlobalLpPool": 21, "MaxRoiPool": 21}
# Element types that numpy lacks, by number.
SMALL_INTEGERS = {values.number(f"tensor({name})") for name in ("int2", "int4", "uint2", "uint4")}
SMALL_FLOATS = {
    values.number(f"tensor({name})")
    for name in "bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 float4e2m1".split()
}
SMALL = SMALL_FLOATS | SMALL_INTEGERS


@dataclasses.dataclass
class Outcome:
    """What one of them made of a case: `outputs`, or else `error` says why there are none."""

    outputs: list[Any] | None = None
    error: str = ""
    kind: str = "refused"  # or "unsupported", "crashed", "broken"


def weft() -> Callable[[Case], list[Any]]:
    import weft as package
    import weft.backend

    def run(case: Case) -> list[Any]:
        model = weft.backend.prepare(case.model(), threads=1)
        return list(model.run(case.feeds()))

    globals()["WEFT_ERROR"] = package.WeftError
    return run


def reference() -> Callable[[Case], list[Any]]:
    from onnx.reference import ReferenceEvaluator

    def run(case: Case) -> list[Any]:
        with np.errstate(all="ignore"):
            return list(ReferenceEvaluator(case.model()).run(None, case.feeds()))

    return run


def onnxruntime() -> Callable[[Case], list[Any]]:
    import onnxruntime as package

    package.set_default_logger_severity(4)
    options = package.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = package.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(case: Case) -> list[Any]:
        # Elements that numpy lacks go in as constants, and come out as f32 or i32.
        inputs = [frozen(item) for item in case.inputs]
        opset = OLDER_OPSETS.get(case.op, case.opset)
        model = dataclasses.replace(case, inputs=inputs, opset=opset).model()
        inferred = onnx.shape_inference.infer_shapes(model)
        for i, (output, known) in enumerate(zip(model.graph.output, inferred.graph.output)):
            number = known.type.tensor_type.elem_type
            if number and number in SMALL:
                wide = onnx.TensorProto.FLOAT if number in SMALL_FLOATS else onnx.TensorProto.INT32
                name = f"{output.name}_wide"
                model.graph.node.append(helper.make_node("Cast", [output.name], [name], to=wide))
                model.graph.output[i].CopyFrom(helper.make_empty_tensor_value_info(name))
        session = package.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feeds = {f"in{i}": item.value for i, item in enumerate(inputs) if item is not None and not item.constant}
        found = session.run(None, feeds)
        for i, known in enumerate(inferred.graph.output):
            number = known.type.tensor_type.elem_type
            if number and number in SMALL:
                found[i] = found[i].astype(helper.tensor_dtype_to_np_dtype(number))
        return list(found)

    return run


START = {"weft": weft, REFERENCE: reference, ONNXRUNTIME: onnxruntime}


def frozen(item: Input | None) -> Input | None:
    small = item is not None and item.type.startswith("tensor(") and values.number(item.type) in SMALL
    return dataclasses.replace(item, constant=True) if item is not None and small else item


def kind_of(name: str, error: Exception) -> str:
    if name == "weft":
        return "refused" if isinstance(error, globals()["WEFT_ERROR"]) else "broken"
    if any(text in f"{type(error).__name__}: {error}" for text in UNSUPPORTED[name]):
        return "unsupported"
    return "refused"


def plain(value: Any) -> Any:
    """Arrays of their own, whatever the library's were."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if value is None:
        return None
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "US" else np.array(array)


def serve(name: str, connection: Any) -> None:
    """Runs the lists of cases that come through a connection until it is closed."""
    run = START[name]()
    while True:
        try:
            cases = connection.recv()
        except (EOFError, KeyboardInterrupt):
            sys.exit(0)
        for case in cases:
            try:
                outcome = Outcome(outputs=[plain(output) for output in run(case)])
            except Exception as error:
                text = f"{type(error).__name__}: {' '.join(str(error).split())}"
                outcome = Outcome(error=text[:400], kind=kind_of(name, error))
            connection.send(outcome)
