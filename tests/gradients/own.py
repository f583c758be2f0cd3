"""Random cases of operators of the domain weft, of which ONNX has no schemas."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from case import Case, Input
from onnx import helper

Shape = tuple[int, ...]
RULES: dict[str, Callable[[Draw], None]] = {}
# Operators of symmetric matrices, which read a triangle: they are given the mean of what moves and its transpose.
SYMMETRIC = ("weft.Cholesky", "weft.Eigh")


class Draw:
    """What a rule draws with: each choice comes from `rng`, and so from the seed."""

    def __init__(self, op: str, seed: int, number: int) -> None:
        self.op, self.seed, self.number = op, seed, number
        self.rng = np.random.default_rng([seed, zlib.crc32(op.encode()), number])
        self.inputs: list[Input] = []
        self.attrs: dict[str, Any] = {}
        self.outputs = 1

    def integer(self, low: int, high: int) -> int:
        """Both ends count."""
        return int(self.rng.integers(low, high, endpoint=True))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choose(self, among: Sequence[Any]) -> Any:
        return among[self.integer(0, len(among) - 1)]

    def shape(self, low: int, high: int, least: int = 1) -> Shape:
        return tuple(self.integer(least, 4) for _ in range(self.integer(low, high)))

    def axis(self, rank: int) -> int:
        return self.integer(-rank, rank - 1)

    def input(self, name: str, shape: Shape, add: float = 0.0) -> None:
        """Numbers between -1 and 1, with `add` on the diagonals of matrices."""
        array = self.rng.uniform(-1, 1, shape)
        self.give(name, array + add * np.eye(shape[-2], shape[-1]) if add else array)

    def give(self, name: str, array: np.ndarray) -> None:
        array = np.asarray(array)
        type_ = "tensor(double)" if array.dtype == np.float64 else "tensor(int64)"
        self.inputs.append(Input(name, type_, array))

    def case(self) -> Case:
        RULES[self.op](self)
        attrs = {name: helper.make_attribute(name, value) for name, value in self.attrs.items()}
        names = [f"output{i}" for i in range(self.outputs)]
        types: list[str | None] = [None] * self.outputs
        dynamic = self.chance(0.25)
        return Case(self.op, self.seed, self.number, "weft", 1, list(self.inputs), attrs, names, types, dynamic)


def rule(*names: str) -> Callable[[Callable[[Draw], None]], Callable[[Draw], None]]:
    def register(function: Callable[[Draw], None]) -> Callable[[Draw], None]:
        RULES.update((f"weft.{name}", function) for name in names)
        return function

    return register


@rule("Cholesky", "Eig", "Eigh", "Inverse", "MatrixExp", "SlogDet")
def square(d: Draw) -> None:
    n = d.integer(1, 4)
    d.outputs = {"weft.SlogDet": 2, "weft.Eigh": 2, "weft.Eig": 4}.get(d.op, 1)
    d.input("A", (*d.shape(0, 2, 0), n, n), 0.0 if d.op == "weft.MatrixExp" else 2.5)
    if d.op in ("weft.Eig", "weft.Eigh"):  # apart from one another, so that which is which does not change
        d.inputs[0].value += np.diag(np.arange(n) * 3.0)


@rule("Solve", "TriangularSolve")
def solve(d: Draw) -> None:
    n, batch = d.integer(1, 4), d.shape(0, 2, 0)
    d.input("A", (*batch, n, n), 2.5)
    d.input("B", (*batch, n, d.integer(1, 3)))
    if d.op == "weft.TriangularSolve":
        for name in ("lower", "transposed", "unit_diagonal"):
            d.attrs[name] = d.integer(0, 1)


@rule("Pinv", "Lstsq", "Qr", "Svd")
def factors(d: Draw) -> None:
    batch, m, n = d.shape(0, 1, 0), d.integer(1, 4), d.integer(1, 4)
    array = d.rng.uniform(-1, 1, (*batch, m, n))
    array += 2 * np.eye(m, n) * (1 + np.arange(n))  # singular values are apart
    d.give("A", array)
    d.outputs = {"weft.Qr": 2, "weft.Svd": 3}.get(d.op, 1)
    if d.op == "weft.Lstsq":
        d.input("B", (*batch, m, d.integer(1, 3)))


@rule("Kron")
def kron(d: Draw) -> None:
    d.input("A", d.shape(0, 3))
    d.input("B", d.shape(0, 3))


@rule("Cross")
def cross(d: Draw) -> None:
    whole = list(d.shape(1, 3))
    axis = d.axis(len(whole))
    d.attrs["axis"] = axis
    for name in ("A", "B"):
        shape = [1 if d.chance(0.25) else size for size in whole]
        shape[axis] = 3
        d.input(name, tuple(shape))


@rule("Fft", "Ifft", "Rfft", "Irfft")
def transform(d: Draw) -> None:
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))
    d.attrs["axis"] = axis
    d.attrs["norm"] = d.choose(["backward", "ortho", "forward"])
    if d.op == "weft.Irfft" or d.chance(0.4):
        d.attrs["n"] = d.integer(1, 7)
    pairs = () if d.op == "weft.Rfft" else (2,) if d.op != "weft.Fft" or d.chance(0.7) else (1,)
    d.input("X", (*shape, *pairs))


@rule("Im2Col")
def blocks(d: Draw) -> None:
    rank = d.integer(1, 2)
    d.attrs["strides"] = [d.integer(1, 2) for _ in range(rank)]
    d.attrs["dilations"] = [d.integer(1, 2) for _ in range(rank)]
    d.attrs["pads"] = [d.integer(0, 1) for _ in range(2 * rank)]
    d.input("image", (d.integer(1, 2), d.integer(1, 2), *(d.integer(5, 6) for _ in range(rank))))
    d.give("block_shape", np.array([d.integer(1, 2) for _ in range(rank)]))
