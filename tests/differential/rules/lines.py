"""Operators along axes: reductions, running sums, order, softmax."""

import numpy as np

import values
from maker import Maker, rule

REDUCTIONS = (
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"
).split()


@rule(*REDUCTIONS)
def reduction(m: Maker) -> None:
    m.sums()
    shape = m.shape()
    low, high = (0.5, 9) if m.op == "ReduceLogSum" else (-2, 2) if m.op == "ReduceProd" else (None, None)
    m.input("data", shape, low, high)
    if m.chance(0.75):
        m.give("axes", np.array(m.axes(len(shape)), np.int64))
    else:
        m.omit("axes")


@rule("ArgMax", "ArgMin")
def place(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    shape = tuple(max(size, 1) if i == axis % len(shape) else size for i, size in enumerate(shape))
    m.input("data", shape, -4, 4)


@rule("CumSum", "CumProd")
def running(m: Maker) -> None:
    m.sums()
    shape = m.shape(1)
    m.input("x", shape, -3, 3)
    m.give("axis", m.axis(len(shape)))


@rule("TopK")
def top(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    m.attr("sorted", 1)  # otherwise any order will do
    m.input("X", shape, -9, 9)
    m.give("K", [m.integer(0, shape[axis])])


@rule("Softmax", "LogSoftmax", "Hardmax")
def softmax(m: Maker) -> None:
    shape = m.shape(1)
    m.attr("axis", m.axis(len(shape)))
    m.input("input", shape)


@rule("LpNormalization")
def lp(m: Maker) -> None:
    shape = m.shape(1)
    m.attr("axis", m.axis(len(shape)))
    m.attr("p", m.integer(1, 2))
    m.input("input", shape)


@rule("NonZero")
def places(m: Maker) -> None:
    m.input("X", m.shape(), -1, 1)


@rule("Unique")
def unique(m: Maker) -> None:
    shape = m.shape(1, 3)
    m.maybe("axis", m.axis(len(shape)))
    m.input("X", shape, -2, 2)


@rule("Compress")
def compress(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.maybe("axis", m.axis(len(shape)))
    m.input("input", shape)
    m.input("condition", (m.integer(0, int(np.prod(shape)) if axis is None else shape[axis]),))


@rule("Range")
def numbers(m: Maker) -> None:
    delta = m.choose([1, 2, 3, -1, -2]) if values.is_integer(m.type("T")) else m.choose([1, 0.5, 0.25, -0.5, -1.5])
    m.attr("stash_type", 1)
    m.give("start", m.integer(-9, 9))
    m.give("limit", m.integer(-9, 9))
    m.give("delta", delta)


@rule("Sum", "Mean", "Max", "Min")
def variadic(m: Maker) -> None:
    shape = m.shape()
    for _ in range(m.integer(1, 4)):
        m.input("data_0", m.broadcast_to(shape), special=m.op in ("Sum", "Mean") and m.chance(0.2))
