"""Cases of tests/differential, with the same rules, for gradients: all that may be is f64, and lies away from kinks."""

from __future__ import annotations

import dataclasses

import numpy as np
import own
import rules  # noqa: F401
import values
from case import Case
from maker import Maker, Shape
from unchecked import SIZED

DOUBLE = "tensor(double)"
# Where functions are steep or end, and numbers without a rule of their own would lie there.
WITHIN = {
    ("Acos", "input"): (-0.9, 0.9),
    ("Acosh", "input"): (1.2, 6.0),
    ("Asin", "input"): (-0.9, 0.9),
    ("Atanh", "input"): (-0.9, 0.9),
    ("Div", "B"): (0.4, 3.0),
    ("Log", "input"): (0.3, 6.0),
    ("Mod", "B"): (0.5, 3.0),
    ("Pow", "X"): (0.3, 3.0),
    ("Reciprocal", "X"): (0.4, 3.0),
    ("Sqrt", "X"): (0.3, 6.0),
    ("Tan", "input"): (-1.2, 1.2),
}
# Operators that a 0 is no kink of, though a gradient that divides by what it multiplied would be wrong there.
ZEROS = ("CumProd", "Einsum", "Gemm", "MatMul", "Mul", "ReduceProd", "Where")
# Inputs that are places or counts, though they may be floats.
WHOLE = {("OneHot", "T1"), ("OneHot", "T2")}


class SmoothMaker(Maker):
    def type(self, name: str) -> str:
        """f64 wherever that is allowed, but of some inputs (masks, exponents) another type that is no float at times."""
        formal = next((f for f in self.schema.inputs if f.name == name), None)
        variable = name if formal is None else formal.type_str
        if variable in self._types or variable not in self._allowed:
            return super().type(name)
        allowed = self._allowed[variable]
        single = "tensor(float)" in allowed
        others = [t for t in allowed if t.startswith("tensor(") and t != DOUBLE and not values.is_float(t)]
        whole = (self.op, variable) in WHOLE
        if whole or (others and single and variable != self.schema.inputs[0].type_str and self.chance(0.25)):
            self._types[variable] = self.choose(
                [t for t in others if values.is_integer(t) or values.element(t) == "bool"]
            )
        elif single:  # f64 too, though ONNX may leave it out
            self._types[variable] = DOUBLE
        elif f"seq({DOUBLE})" in allowed:
            self._types[variable] = f"seq({DOUBLE})"
        return super().type(name)

    def bind(self, variable: str, type_: str) -> None:
        taken = any(formal.type_str == variable for formal in self.schema.inputs)
        super().bind(variable, DOUBLE if taken and type_ == "tensor(float)" else type_)

    def input(
        self, name: str, shape: Shape, low: float | None = None, high: float | None = None, special: bool = False
    ) -> np.ndarray:
        if not values.is_float(self.type(name)):
            return super().input(name, shape, low, high)
        if (self.op, name) in WITHIN:
            low, high = WITHIN[self.op, name]
        least = -3.0 if low is None else low
        most = max(least, least + 6 if high is None else high)
        array = np.asarray(self.rng.uniform(least, most, shape))
        if self._takes_zeros() and self.chance(0.4):
            array[self.rng.random(shape) < 0.25] = 0
        return self.give(name, array)

    def _takes_zeros(self) -> bool:
        reduction = self._attrs.get("reduction")
        return self.op in ZEROS or (self.op.startswith("Scatter") and reduction is not None and reduction.s == b"mul")


def make(op: str, seed: int, number: int) -> Case:
    if op in own.RULES:
        return own.Draw(op, seed, number).case()
    case = SmoothMaker(op, seed, number).case()
    return dataclasses.replace(case, dynamic=case.dynamic and op not in SIZED)
