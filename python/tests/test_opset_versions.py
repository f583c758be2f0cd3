"""Every form that an operator has had in opsets 13 to 27, read, and saved as of 26; its cases beside onnxruntime."""

import json
import pathlib
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, defs, helper, numpy_helper

import weft

from test_onnx_cases import DIFFERS, NUMBERS, RANDOM, UNSUPPORTED, agree, cases, literal

ALL = json.loads((cases.ROOT / "bindings" / "ops.json").read_text())["ops"]
OPS = [op["name"] for op in ALL if op["domain"] == ""]
CASES = {file.op: file.cases for file in cases.load()}
NOT_SAID = {"If", "Loop", "Scan", "SequenceMap", "Optional"}  # sub-graphs and optionals, which no case can say
UNRELEASED = {"CausalConvWithState", "LinearAttention"}  # a file with one of them is of opset 27
NO_TYPES = {"SequenceEmpty"}  # no case says of what type a sequence without items is
# onnxruntime has no kernel for it, or none for today's version, or one of its own; or it takes strings alone, or optionals
# alone in some version.
NOT_THERE = {"GlobalLpPool", "MaxRoiPool", "RoiAlign", "Swish", *RANDOM, "StringConcat", "StringNormalizer", "StringSplit",
             "OptionalGetElement", "OptionalHasElement", "ImageDecoder", "RegexFullMatch"}
LEFT_OUT = {
    **DIFFERS,
    **{(op, "without_seed"): "the case says no numbers" for op in RANDOM},
    ("MeanVarianceNormalization", "single"): "the function of onnx wants the axes, though they have a default",
    ("QuantizeLinear", "precision_of_the_scale"): "before opset 23, x and its scale are of one type",
    ("SplitToSequence", "by_size"): "onnxruntime drops the axis although sizes are given",
    ("SequenceAt", "second"): "items of two ranks; the checker wants one of the output, and a file that is saved has none",
}
NAMES = {"f16": "FLOAT16", "f32": "FLOAT", "f64": "DOUBLE", "bool": "BOOL"}


def forms(op: str) -> list[list[int]]:
    """The opsets that have an operator, by the version that they have."""
    found: dict[int, list[int]] = {}
    for opset in range(13, 28):
        try:
            schema = defs.get_schema(op, opset, "")
        except defs.SchemaError:  # it is younger
            continue
        if not schema.deprecated:  # the checker refuses it then
            found.setdefault(schema.since_version, []).append(opset)
    return list(found.values())


def element(dtype: str) -> int:
    name = NAMES.get(dtype) or dtype.replace("i", "int").replace("u", "uint").upper()
    return int(TensorProto.DataType.Value(name))


def info(name: str, value: Any) -> onnx.ValueInfoProto:
    """What a file says of an input or output; no more than its name if the case says nothing."""
    if isinstance(value, list):
        return helper.make_tensor_sequence_value_info(name, element(value[0].dtype), None)
    if value is None:
        return helper.make_empty_tensor_value_info(name)
    return helper.make_tensor_value_info(name, element(value.dtype), value.shape)


def older(op: str, version: int, case: cases.Case) -> tuple[list[Any], dict[str, Any]]:
    """The inputs and attributes of a case as that version has them, where it says the same in another way."""
    inputs, attrs = [value for _, value in case.inputs], dict(case.attrs)
    if op.startswith("Reduce") and op != "ReduceSum" and version < 18 and len(inputs) == 2:
        if inputs[1] is None:
            inputs.pop()
        elif inputs[1].values:
            attrs["axes"] = inputs.pop().values
    if op == "Split" and version < 18 and inputs[0].shape[attrs.get("axis", 0)] % attrs.get("num_outputs", 1) == 0:
        attrs.pop("num_outputs", None)
    if op == "GridSample" and version < 20:
        attrs = {key: {"linear": "bilinear", "cubic": "bicubic"}.get(value, value) for key, value in attrs.items()}
    # Before opset 16 there was one way of counting pixels, which is not today's default.
    if op == "RoiAlign" and version < 16 and attrs.get("coordinate_transformation_mode") == "output_half_pixel":
        del attrs["coordinate_transformation_mode"]
    elif op == "RoiAlign" and version < 16:
        attrs["coordinate_transformation_mode"] = "half_pixel"
    return inputs, attrs


def model(nodes: list[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any], opset: int) -> onnx.ModelProto:
    """A file with inputs and outputs like these literals."""
    graph = helper.make_graph(
        nodes, "g", [info(*item) for item in inputs.items()], [info(*item) for item in outputs.items()]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def of_case(op: str, case: cases.Case, opset: int) -> tuple[onnx.ModelProto, dict[str, Any]] | None:
    """A file that does what the case says, and what to feed it; None if the operator was not able to."""
    schema = defs.get_schema(op, opset, "")
    inputs, attrs = older(op, schema.since_version, case)
    if not schema.min_input <= len(inputs) <= schema.max_input or not attrs.keys() <= schema.attributes.keys():
        return None
    fed: dict[str, Any] = {}
    nodes, names = [], []
    for i, value in enumerate(inputs):
        if isinstance(value, list):
            parts = {f"in{i}_{j}": part for j, part in enumerate(value)}
            nodes.append(helper.make_node("SequenceConstruct", list(parts), [f"in{i}"]))
            fed |= parts
        elif value is not None:
            types = schema.inputs[min(i, len(schema.inputs) - 1)].types
            if f"tensor({TensorProto.DataType.Name(element(value.dtype)).lower()})" not in types:
                return None
            fed[f"in{i}"] = value
        names.append("" if value is None else f"in{i}")
    outputs = {f"out{i}": value for i, (_, value) in enumerate(case.outputs)}
    node = helper.make_node(op, names, list(outputs))
    for key, value in attrs.items():
        made = numpy_helper.from_array(literal(value)) if isinstance(value, cases.Literal) else value
        node.attribute.append(helper.make_attribute(key, made, attr_type=int(schema.attributes[key].type.value)))
    return model([*nodes, node], fed, outputs, opset), {name: literal(value) for name, value in fed.items()}


def check(
    made: onnx.ModelProto, feeds: dict[str, Any], case: cases.Case, path: pathlib.Path, beside: bool = True
) -> bool:
    """An error if the file, or the one that is saved of it, is not what the case says; whether onnxruntime has run it."""
    onnx.checker.check_model(made, full_check=True)
    graph = weft.Graph.load(made.SerializeToString())
    agree(case, weft.Session(graph).run({x: feeds[x.name] for x in graph.inputs}, graph.outputs))
    graph.save(path, graph.outputs)
    saved = onnx.load(path)
    onnx.checker.check_model(saved, full_check=True)
    assert [(opset.domain, opset.version) for opset in saved.opset_import] == [
        ("", 27 if made.graph.node[-1].op_type in UNRELEASED else 26)
    ]
    for file in (made, saved) if beside else ():
        try:
            session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception as error:
            assert any(text in str(error) for text in UNSUPPORTED), str(error)
            return False
        known = [item.name for item in session.get_inputs()]
        agree(case, session.run(None, {name: feeds[name] for name in known}))
    return beside


def usable(op: str, opsets: list[int]) -> list[cases.Case]:
    """The cases in which onnxruntime ought to agree; of those with the same inputs, attributes and outputs the first."""
    found: dict[Any, cases.Case] = {}
    for case in CASES[op]:
        values = [value for _, value in case.inputs + case.outputs if value is not None]
        dtypes = {part.dtype for value in values for part in (value if isinstance(value, list) else [value])}
        # Division of integers by zero ends onnxruntime's process.
        safe = op not in ("Div", "Mod") or all(dtype[0] == "f" for dtype in dtypes)
        if case.opset in (0, *opsets) and not case.fails and (op, case.name) not in LEFT_OUT and dtypes <= NUMBERS and safe:
            given = tuple(value is not None for _, value in case.inputs)
            found.setdefault((case.opset, given, tuple(sorted(case.attrs)), len(case.outputs)), case)
    return list(found.values())


@pytest.mark.parametrize("op", [op for op in OPS if op not in NOT_SAID | NO_TYPES])
def test_every_form_is_read(op: str, tmp_path: pathlib.Path) -> None:
    problems = []
    for opsets in forms(op):
        for opset in {opsets[0], opsets[-1]}:
            compared = 0
            for case in usable(op, opsets):
                try:
                    made = of_case(op, case, opset)
                    compared += made is not None and check(*made, case, tmp_path / f"{case.name}.onnx", op not in RANDOM)
                except Exception as error:
                    problems.append(f"opset {opset}, {case.name}: {str(error).strip()[:300]}")
            if compared == 0 and op not in NOT_THERE:
                problems.append(f"opset {opset}: no case was compared with onnxruntime")
    assert not problems, "\n".join(problems)


def test_every_form_of_if_is_read(tmp_path: pathlib.Path) -> None:
    x, y = cases.Literal("f32", [2], [1.5, -2.0]), cases.Literal("f32", [2], [10.0, 20.0])
    branches = {
        name: helper.make_graph([helper.make_node(inner, ["x", "y"], ["z"])], name, [], [info("z", x)])
        for name, inner in (("then_branch", "Add"), ("else_branch", "Mul"))
    }
    node = helper.make_node("If", ["condition"], ["out"], **branches)
    for opsets in forms("If"):
        for opset in {opsets[0], opsets[-1]}:
            for truth, values in ((True, [11.5, 18.0]), (False, [15.0, -40.0])):
                case = cases.Case("If", outputs=[("out", cases.Literal("f32", [2], values))])
                fed = {"condition": cases.Literal("bool", [], [truth]), "x": x, "y": y}
                feeds = {name: literal(value) for name, value in fed.items()}
                assert check(model([node], fed, dict(case.outputs), opset), feeds, case, tmp_path / "if.onnx")


def test_a_saved_file_says_which_versions_it_is_of(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph(opset=13)
    x = graph.input("x", "f32", [2, 2])
    for outputs, wanted in (([weft.relu(x)], {"": 26}), ([weft.cholesky(x @ x)], {"": 26, "weft": 1})):
        graph.save(tmp_path / "saved.onnx", outputs)
        assert {opset.domain: opset.version for opset in onnx.load(tmp_path / "saved.onnx").opset_import} == wanted


def test_empty_inputs_of_old_files_are_left_out(tmp_path: pathlib.Path) -> None:
    """In opsets 11 and 12 Resize has scales, and empty ones are none; later it may not have both scales and sizes."""
    x = cases.Literal("f32", [1, 1, 1, 2], [1.0, 3.0])
    constants = {"roi": np.zeros(0, "f4"), "scales": np.zeros(0, "f4"), "sizes": np.array([1, 1, 1, 4])}
    made = model([helper.make_node("Resize", ["x", *constants], ["y"])], {"x": x}, {"y": None}, 11)
    made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph = weft.Graph.load(made.SerializeToString())
    found = [weft.Session(graph).run({graph.inputs[0]: literal(x)}, graph.outputs[0])]
    graph.save(tmp_path / "saved.onnx", graph.outputs)
    saved = onnx.load(tmp_path / "saved.onnx")
    onnx.checker.check_model(saved, full_check=True)
    assert [bool(name) for node in saved.graph.node for name in node.input] == [True, False, False, True]
    for file in (made, saved):
        session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
        found += session.run(None, {"x": literal(x)})
    np.testing.assert_array_equal(found, [[[[[1, 1, 3, 3]]]]] * 3)
