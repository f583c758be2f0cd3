"""Gradients of random cases against finite differences in f64, first and second order; tools/gradients runs many."""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

sys.dont_write_bytecode = True
sys.path[:0] = [
    str(pathlib.Path(__file__).resolve().parent),
    str(pathlib.Path(__file__).resolve().parent.parent / "differential"),
]

import numpy as np  # noqa: E402
import weft  # noqa: E402
from case import Case, Input  # noqa: E402
from golden_file import salt_of_gradient, weights  # noqa: E402
from left_out import LEFT_OUT  # noqa: E402
from onnx import TensorProto  # noqa: E402
from own import RULES, SYMMETRIC  # noqa: E402
from smooth import make  # noqa: E402
from unchecked import STILL, UNCHECKED  # noqa: E402

STEP = 1e-4
TOLERANCE = 1e-6
DIRECTIONS = 3  # tried until one is not near a kink


def operators() -> list[str]:
    """Those that have a gradient, of the domain weft those that have a rule."""
    left_out = {*LEFT_OUT, *UNCHECKED}
    standard = (name for name in weft.operators() if not name.startswith("weft.") and name not in left_out)
    return sorted([*RULES, *(name for name in standard if differentiable(name))])


def differentiable(name: str) -> bool:
    return bool(weft.describe_operator(name)["differentiable"])


class Node:
    """The graph of a case. What moves are arrays in f64: inputs, items of sequences, and later the outputs' cotangents."""

    def __init__(self, case: Case) -> None:
        self.graph = weft.Graph(None if case.domain else case.opset)
        self.moving: list[weft.Value] = []
        self.arrays: list[np.ndarray] = []
        self._unknown = case.dynamic
        arguments = [None if item is None else self._argument(case, item) for item in case.inputs]
        attrs = {name: case.attr(name) for name in case.attrs}
        made = self.graph.add(case.op, arguments, attrs, outputs=len(case.outputs))
        self.outputs = list(made) if isinstance(made, tuple) else [made]

    def moves(self, array: np.ndarray) -> weft.Value:
        number = len(self.moving)
        shape = [f"d{number}_{axis}" for axis in range(array.ndim)] if self._unknown else array.shape
        self.moving.append(self.graph.input(f"x{number}", "f64", shape))
        self.arrays.append(array)
        return self.moving[-1]

    def _argument(self, case: Case, item: Input) -> weft.Value:
        if isinstance(item.value, list):
            if not item.value:
                return self.graph.add("SequenceEmpty", [], {"dtype": TensorProto.DOUBLE})
            return self.graph.add("SequenceConstruct", [self.moves(part) for part in item.value])
        if item.value.dtype == np.float64 and item.formal not in STILL.get(case.op, ()):
            return self._symmetric(item.value) if case.op in SYMMETRIC else self.moves(item.value)
        return self.graph.constant(item.value)

    def _symmetric(self, array: np.ndarray) -> weft.Value:
        x, (*batch, last, previous) = self.moves(array), range(array.ndim)
        return (x + self.graph.add("Transpose", [x], {"perm": [*batch, previous, last]})) * 0.5

    def run(self, values: Sequence[weft.Value]) -> list[Any]:
        return weft.Session(self.graph).run(dict(zip(self.moving, self.arrays)), list(values))

    def flowing(self) -> list[weft.Value]:
        """The outputs in f64, or the items of those that are sequences."""
        found = []
        for value, result in zip(self.outputs, self.run(self.outputs)):
            if value.kind == "sequence":
                found += [self.graph.add("SequenceAt", [value, np.int64(i)]) for i in range(len(result))]
            elif value.kind == "tensor":
                found.append(value)
        return [value for value in found if value.dtype == "f64"]


class Check:
    """What the gradients of a case are worth: `problems`, and how many were compared or lie too near to kinks. What the
    operator refuses (tests/differential says whether it should) has none."""

    def __init__(self, case: Case) -> None:
        self.problems: list[str] = []
        self.compared = self.skipped = 0
        self._rng = np.random.default_rng(case.number)
        try:
            node = self._node = Node(case)
            ys = node.flowing() if node.moving else []
        except weft.InvalidArgumentError:
            return
        if not ys:
            return
        inputs = list(node.moving)
        self._inputs = len(inputs)  # behind which the cotangents are
        for k, array in enumerate(node.run(ys)):
            node.moves(np.where(np.isfinite(array), weights(np.shape(array), k), 0.0))
        first = node.graph.gradients(ys, inputs, node.moving[len(inputs) :])
        flowing = [
            (g, weights(node.arrays[i].shape, salt_of_gradient(i))) for i, g in enumerate(first) if g is not None
        ]
        second: list[weft.Value | None] = [None] * len(node.moving)
        if flowing:
            factors = [node.graph.constant(w) for _, w in flowing]
            second = node.graph.gradients([g for g, _ in flowing], node.moving, factors)
        self._session = weft.Session(node.graph)
        self._order("first", ys, lambda results, arrays: total(results, arrays[len(inputs) :]), first)
        if flowing:
            factors_of = [w for _, w in flowing]
            self._order("second", [g for g, _ in flowing], lambda results, _: total(results, factors_of), second)

    def _order(
        self,
        order: str,
        values: list[weft.Value],
        loss: Callable[[list[np.ndarray], list[np.ndarray]], float],
        gradients: Sequence[weft.Value | None],
    ) -> None:
        """Compares the gradients of a loss of `values` by what moves."""
        arrays = self._node.arrays
        wanted = iter(self._run([g for g in gradients if g is not None], arrays))
        for k, gradient in enumerate(gradients):
            analytic = np.zeros_like(arrays[k]) if gradient is None else next(wanted)
            if analytic.shape != arrays[k].shape:
                self.problems.append(f"{order} order by x{k} is of shape {analytic.shape} and not {arrays[k].shape}")
            elif arrays[k].size:
                self._compare(
                    f"{order} order by x{k}", k, analytic, lambda moved: loss(self._run(values, moved), moved)
                )

    def _compare(self, what: str, k: int, analytic: np.ndarray, loss: Callable[[list[np.ndarray]], float]) -> None:
        arrays = self._node.arrays
        for _ in range(DIRECTIONS):
            direction = self._rng.uniform(0.5, 1.5, arrays[k].shape) * self._rng.choice([-1, 1], arrays[k].shape)
            if k >= self._inputs:
                direction = np.where(arrays[k] == 0, 0.0, direction)  # what weighs nothing is not finite

            def slope(step: float) -> float:
                ends = [[*arrays[:k], arrays[k] + sign * step * direction, *arrays[k + 1 :]] for sign in (1, -1)]
                return (loss(ends[0]) - loss(ends[1])) / (2 * step)

            coarse, fine = slope(STEP), slope(STEP / 2)
            exact = total([analytic], [direction])
            largest = float(np.abs(analytic[np.isfinite(analytic)]).max(initial=0))
            scale = max(1.0, abs(fine), largest, abs(loss(arrays)) * 1e-2)
            if not np.isfinite(coarse) or not abs(coarse - fine) <= TOLERANCE * scale:
                continue  # a kink, or too steep to tell
            self.compared += 1
            if not abs((4 * fine - coarse) / 3 - exact) <= TOLERANCE * scale:
                self.problems.append(f"{what} is {exact} along a direction, but finite differences say {fine}")
            return
        self.skipped += 1

    def _run(self, values: list[weft.Value], arrays: list[np.ndarray]) -> list[np.ndarray]:
        return self._session.run(dict(zip(self._node.moving, arrays)), values) if values else []


def total(results: Sequence[np.ndarray], factors: Sequence[np.ndarray]) -> float:
    """The sum of results times factors; where a factor is 0 the result may be anything."""
    return sum(float(np.sum(result * factor, where=factor != 0)) for result, factor in zip(results, factors))


def report(case: Case) -> tuple[list[str], int, int]:
    """What is wrong with a case's gradients, with how to see it alone; how many were compared, and skipped."""
    try:
        with np.errstate(all="ignore"):  # numbers that are not finite tell so themselves
            check = Check(case)
        problems, counts = check.problems, (check.compared, check.skipped)
    except weft.WeftError as error:
        problems, counts = [f"{type(error).__name__}: {error}"], (0, 0)
    if problems:
        problems = [f"{case.op} seed {case.seed} case {case.number}: {text}" for text in problems]
        problems += [
            f"    {case.text()}",
            f"    alone: tools/gradients {case.op} --seed {case.seed} --case {case.number}",
        ]
    return problems, *counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/gradients", description=__doc__)
    parser.add_argument("operators", nargs="*", help="their names; all if none is given")
    parser.add_argument("--cases", type=int, default=20, help="of each operator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this one alone")
    parser.add_argument("--most", type=int, default=3, help="cases of each operator that are told of")
    options = parser.parse_args()
    unknown = set(options.operators) - set(operators())
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))} is not run; these are: {', '.join(operators())}")
    bad, start = 0, time.monotonic()
    for op in options.operators or operators():
        numbers = range(options.cases) if options.case is None else [options.case]
        compared = skipped = told = 0
        for number in numbers:
            problems, more, left = report(make(op, options.seed, number))
            compared, skipped, told = compared + more, skipped + left, told + bool(problems)
            if problems and told <= options.most:
                print("\n".join(problems), flush=True)
        bad += told
        print(
            f"{op}: {len(numbers)} cases, {compared} gradients compared, {skipped} near kinks, {told} cases wrong",
            flush=True,
        )
    print(f"{bad} cases wrong; {time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
