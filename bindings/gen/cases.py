"""The cases of tests/ops/*.case, for the tests that are generated from them. docs/add_an_op.md has the grammar."""

import dataclasses
import math
import pathlib
import re
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOATS = {"f16", "bf16", "f32", "f64"}


@dataclasses.dataclass
class Literal:
    """A tensor; `values` are numbers, booleans or strings, None if they are not compared."""

    dtype: str
    shape: list
    values: list | None


@dataclasses.dataclass
class Case:
    name: str
    opset: int = 0
    attrs: dict = dataclasses.field(default_factory=dict)
    inputs: list = dataclasses.field(default_factory=list)  # (name, Literal | list of Literals | None)
    outputs: list = dataclasses.field(default_factory=list)  # the same; None is not compared
    tolerance: float | None = None
    fails: tuple | None = None  # (code, part of the message)

    def tolerance_of(self, dtype):
        """Relative and absolute."""
        if self.tolerance is not None:
            return self.tolerance, self.tolerance
        return {"f32": (1e-5, 1e-6), "f64": (1e-12, 1e-12)}.get(dtype, (1e-2, 1e-3) if dtype in FLOATS else (0, 0))

    @property
    def bounds(self):
        """The tolerances, relative and absolute, that all outputs and items of them keep to."""
        tensors = [item for _, value in self.outputs for item in (value if isinstance(value, list) else [value])]
        of_each = [self.tolerance_of(tensor.dtype) for tensor in tensors if tensor is not None]
        return tuple(float(max((bounds[i] for bounds in of_each), default=0)) for i in (0, 1))


@dataclasses.dataclass
class CaseFile:
    op: str  # full name
    cases: list

    @property
    def buildable(self):
        """The cases that a graph can be built for: of older versions, those of ONNX's own domain. Of others they are loaded."""
        return [case for case in self.cases if not case.opset or "." not in self.op]


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\[\]{}]+|[\[\]{},]')


def fits_dtype(value):
    """Whether the type of the languages' element types, an integer of 32 bits, holds the number."""
    return isinstance(value, int) and -(2**31) <= value < 2**31


def text(token):
    """What a string in quotes stands for: \\", \\\\, \\n and \\x02."""
    plain = {'"': '"', "\\": "\\", "n": "\n"}
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda found: plain.get(found[1]) or chr(int(found[1][1:], 16)), token[1:-1])


def number(token, dtype):
    if token.startswith('"'):
        return text(token)
    if dtype == "bool":
        return token in ("true", "1")
    if dtype in FLOATS:
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}.get(token) or float(token)
    return int(token)


def typed(word):
    """f32[2,3] -> its parts."""
    dtype, shape = re.fullmatch(r"(\w+)\[([\d,\s]*)\]", word).groups()
    return dtype, [int(n) for n in shape.split(",") if n.strip()]


def tensor(declaration, values):
    dtype, shape = typed(declaration)
    return Literal(dtype, shape, [number(token, dtype) for token in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', values)])


BRACED = re.compile(r"(\w+\[[\d,\s]*\])\{([^}]*)\}")


def attribute(value):
    value = value.strip()
    if BRACED.fullmatch(value):
        return tensor(*BRACED.fullmatch(value).groups())
    if value.startswith("["):
        return [attribute(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"|[^\s,\[\]]+', value)]
    if value.startswith('"'):
        return text(value)
    return int(value) if re.fullmatch(r"-?\d+", value) else float(value)


def value(line) -> tuple[str, Any]:
    """The rest of an `in` or `out` line."""
    name, rest = line.split(None, 1)
    rest = rest.strip()
    if rest in ("none", "-"):
        return name, None
    declaration, _, values = (part.strip() for part in rest.partition("="))
    if declaration == "seq":
        return name, [tensor(*found) for found in BRACED.findall(values)]
    return name, tensor(declaration, values)


def parse(path):
    cases, op, case = [], None, None
    for line in path.read_text().splitlines():
        words = line.split(None, 1)
        if not words or words[0].startswith("#"):
            continue
        kind, rest = words[0], words[1] if len(words) > 1 else ""
        if kind == "op":
            op = rest.strip()
        elif kind == "case":
            case = Case(rest.split()[0])  # a comment may follow
            cases.append(case)
        elif kind == "opset":
            case.opset = int(rest)
        elif kind == "attr":
            name, _, literal = rest.partition("=")
            case.attrs[name.strip()] = attribute(literal)
        elif kind == "in":
            case.inputs.append(value(rest))
        elif kind == "out":
            case.outputs.append(value(rest))
        elif kind == "tolerance":
            case.tolerance = float(rest)
        elif kind == "fails":
            code, message = rest.split(None, 1)
            case.fails = (code, text(message.strip()))
        elif kind != "gradient":
            raise ValueError(f"{path}: what is '{kind}'?")
    return CaseFile(op, cases)


def paths():
    return sorted((ROOT / "tests" / "ops").glob("*.case"))


def load():
    return [parse(path) for path in paths()]
