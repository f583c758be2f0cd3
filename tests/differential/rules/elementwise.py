"""Operators on single elements whose operands have limits, and casts."""

import numpy as np

import values
from maker import Maker, rule


@rule("BitShift")
def shift(m: Maker) -> None:
    m.one_of("direction", "LEFT", "RIGHT")
    shape = m.shape()
    m.input("X", m.broadcast_to(shape), special=True)
    m.input("Y", m.broadcast_to(shape), 0, values.bits(m.type("Y")) - 1)


@rule("Acosh")
def from_one(m: Maker) -> None:
    m.input("input", m.shape(), 0.5, 9)


@rule("Acos", "Asin", "Atanh")
def to_one(m: Maker) -> None:
    m.input("input", m.shape(), -1.1, 1.1)


@rule("Clip")
def clip(m: Maker) -> None:
    m.input("input", m.shape(), special=m.chance(0.3))
    m.optional("min", (), -3, 3)
    m.optional("max", (), -3, 6)


@rule("Div", "Mod")
def divided(m: Maker) -> None:
    shape = m.shape()
    m.input("A", m.broadcast_to(shape))
    if values.is_float(m.type("B")):
        m.input("B", m.broadcast_to(shape))
    else:  # dividing by 0 is left open
        divisors = m.rng.integers(1, 9, size=m.broadcast_to(shape))
        signs = 1 if values.is_unsigned(m.type("B")) else m.rng.choice([-1, 1], size=divisors.shape)
        m.give("B", divisors * signs)
    if m.op == "Mod":
        if values.is_float(m.type("A")):
            m.attr("fmod", 1)
        else:
            m.flag("fmod")


@rule("Pow")
def power(m: Maker) -> None:
    shape = m.shape()
    if values.is_float(m.type("X")):
        m.input("X", m.broadcast_to(shape), 0.1, 4)
        m.input("Y", m.broadcast_to(shape), -3, 3)
    else:  # integers may not overflow, which is left open
        m.input("X", m.broadcast_to(shape), -4, 4)
        m.input("Y", m.broadcast_to(shape), 0, 5)


@rule("PRelu")
def slope(m: Maker) -> None:
    x = m.input("X", m.shape(), special=m.chance(0.3))
    m.input("slope", m.broadcast_to(x.shape))


@rule("Celu", "Elu")
def exponential(m: Maker) -> None:
    m.attr("alpha", m.choose([1.0, m.real(0.2, 3)]))


@rule("Gelu")
def gelu(m: Maker) -> None:
    m.one_of("approximate", "none", "tanh")


@rule("IsInf", "IsNaN", "Sign", "Floor", "Ceil", "Round", "Relu", "Abs", "Neg", "Sqrt", "Log", "Reciprocal")
def special(m: Maker) -> None:
    m.input(m.schema.inputs[0].name, m.shape(), special=True)


@rule("Dropout")
def dropout(m: Maker) -> None:
    """Not in training, where it is random."""
    m.input("data", m.shape(), special=m.chance(0.2))
    m.optional("ratio", (), 0, 0.9)
    if m.chance(0.5):
        m.give("training_mode", False)
    else:
        m.omit("training_mode")


def numbers_that_fit(m: Maker, name: str, source: str, target: str) -> None:
    """What lies outside of the target's range is left open, but for most of the small floats."""
    shape = m.shape()
    if values.element(source) == "string":
        whole = values.is_integer(target) or values.element(target) == "bool"
        low = 0 if values.is_unsigned(target) else -2
        drawn = m.rng.integers(low, 2, size=shape)
        texts = [str(v) if whole or m.chance(0.3) else f"{v + 0.25}" for v in np.ravel(drawn)]
        m.give(name, np.array(texts, object).reshape(shape))
    elif values.element(target) == "float8e8m0":  # negative ones are left open
        m.input(name, shape, 1 if values.is_integer(source) else 0.01, 100)
    elif values.is_integer(target):
        least, greatest = values.limits(target)
        m.input(name, shape, max(least, -100), min(greatest, 100))
    else:
        m.input(name, shape, special=values.is_float(source) and values.element(target) != "string" and m.chance(0.3))


@rule("Cast")
def cast(m: Maker) -> None:
    source, target = m.type("T1"), m.type("T2")
    m.attr("to", values.number(target))
    numbers_that_fit(m, "input", source, target)
    if "float8" in target:
        m.flag("saturate")
    if target == "tensor(float8e8m0)":
        m.one_of("round_mode", "up", "down", "nearest")


@rule("CastLike")
def cast_like(m: Maker) -> None:
    source, target = m.type("T1"), m.type("T2")
    numbers_that_fit(m, "input", source, target)
    m.input("target_type", m.shape())
    if "float8" in target:
        m.flag("saturate")
    if target == "tensor(float8e8m0)":
        m.one_of("round_mode", "up", "down", "nearest")


@rule("BitCast")
def bit_cast(m: Maker) -> None:
    m.allow("T1", lambda t: t != "tensor(string)")
    size = values.bits(m.type("T1"))
    m.allow("T2", lambda t: t != "tensor(string)" and values.bits(t) == size)
    m.attr("to", values.number(m.type("T2")))
    m.input("input", m.shape(), low=0, high=1) if m.type("T2") == "tensor(bool)" else m.input("input", m.shape())


@rule("Identity")
def identity(m: Maker) -> None:
    kind = m.rng.random()
    if kind < 0.2:
        m.allow("V", lambda t: t.startswith("seq("))
        m.sequence("input", [m.shape() for _ in range(m.integer(0, 3))])
    else:
        m.input("input", m.shape(), special=True)
