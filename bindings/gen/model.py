"""Operators and layers as bindings/ops.json describes them."""

import dataclasses
import json
import pathlib
import re
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPS_JSON = ROOT / "bindings" / "ops.json"


@dataclasses.dataclass
class Formal:
    name: str
    type: str
    doc: str
    optional: bool = False
    variadic: bool = False
    min_count: int = 0


@dataclasses.dataclass
class Attr:
    name: str
    kind: str  # int, bool, dtype, float, string, tensor, graph, ints, floats, strings
    required: bool
    doc: str
    default: Any = None


@dataclasses.dataclass
class Op:
    name: str
    domain: str
    group: str
    since: int
    doc: str
    inputs: list
    outputs: list
    attrs: list
    types: dict
    differentiable: bool
    no_gradient: str = ""

    @property
    def chapter(self):
        """Of docs/operators.md: the first word of the group."""
        return self.group.partition("/")[0]

    @property
    def file(self):
        """The name of a file that has the operators of the group alone."""
        return self.group.replace("/", "_")

    @property
    def full_name(self):
        return f"{self.domain}.{self.name}" if self.domain else self.name

    def prefix(self, taken):
        """What a generated function's name begins with: "ml" for the domain ai.onnx.ml, "preview" for ai.onnx.preview.training,
        "weft" for an operator of that domain if ONNX has one of its name (`taken`)."""
        always = {"ai.onnx.ml": "ml", "ai.onnx.preview.training": "preview"}
        return always.get(self.domain, "weft" if self.domain and taken else "")

    @property
    def variadic_output(self):
        return bool(self.outputs) and self.outputs[-1].variadic

    @property
    def required_outputs(self):
        return sum(not output.optional for output in self.outputs)

    @property
    def is_plain(self):
        """What a generated function can make; the others have functions written by hand."""
        by_hand = {"weft.Input", "weft.Variable", "weft.HostCall", "Constant", "If", "Loop", "Scan", "SequenceMap",
                   "ai.onnx.preview.FlexAttention"}
        return self.full_name not in by_hand


@dataclasses.dataclass
class Layer:
    name: str
    doc: str
    input: str
    output: str
    attrs: list


def load():
    """The operators and the layers."""
    data = json.loads(OPS_JSON.read_text())
    ops = []
    for op in data["ops"]:
        op["inputs"] = [Formal(**formal) for formal in op["inputs"]]
        op["outputs"] = [Formal(**formal) for formal in op["outputs"]]
        op["attrs"] = [Attr(**attr) for attr in op["attrs"]]
        ops.append(Op(**op))
    layers = []
    for layer in data["layers"]:
        layer["attrs"] = [Attr(**attr) for attr in layer["attrs"]]
        layers.append(Layer(**layer))
    return ops, layers


def test_name(full_name):
    """weft.Adam -> WeftAdam, ai.onnx.ml.Scaler -> MlScaler, ai.onnx.preview.training.Adam -> PreviewAdam."""
    domain, _, name = full_name.rpartition(".")
    return {"": "", "ai.onnx.ml": "Ml"}.get(domain, domain.removeprefix("ai.onnx.").split(".")[0].capitalize()) + name


def snake(name):
    """MatMul -> mat_mul, ReduceL1 -> reduce_l1, IsNaN -> is_nan, LayerNormalization -> layer_normalization."""
    name = name.replace("NaN", "Nan")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def camel(name):
    """keep_dims -> keepDims, MatMul -> matMul."""
    words = snake(name).split("_")
    return words[0] + "".join(word.capitalize() for word in words[1:])


def pascal(name):
    """keep_dims -> KeepDims; names of operators stay as they are."""
    return name if name[:1].isupper() and "_" not in name else "".join(word.capitalize() for word in snake(name).split("_"))
