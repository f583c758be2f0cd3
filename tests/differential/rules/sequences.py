"""Sequences and optionals."""

import values
from maker import Maker, Shape, rule


def like(m: Maker, variable: str, other: str) -> None:
    """Binds a tensor's type to that of the sequence's elements, or the other way round."""
    element = values.element(m.type(other))
    m.bind(variable, f"seq(tensor({element}))" if variable == "S" else f"tensor({element})")


def shapes(m: Maker, least: int = 0) -> list[Shape]:
    """Of the items: of one rank."""
    rank = m.integer(0, 3)
    return [tuple(m.dim() for _ in range(rank)) for _ in range(m.integer(least, 4))]


def position(m: Maker, low: int, high: int) -> None:
    if m.chance(0.7):
        m.give("position", m.integer(low, high))
    else:
        m.omit("position")


@rule("SequenceAt")
def at(m: Maker) -> None:
    found = m.sequence("input_sequence", shapes(m, 1))
    like(m, "T", "S")
    m.give("position", m.axis(len(found)))


@rule("SequenceConstruct")
def construct(m: Maker) -> None:
    like(m, "S", "T")
    for shape in shapes(m, 1):
        m.input("inputs", shape)


@rule("SequenceEmpty")
def empty(m: Maker) -> None:
    element = values.element(m.type("S"))
    if element == "float" and m.chance(0.5):
        m.omit("dtype")
    else:
        m.attr("dtype", values.number(m.type("S")))


@rule("SequenceErase")
def erase(m: Maker) -> None:
    count = len(m.sequence("input_sequence", shapes(m, 1)))
    position(m, -count, count - 1)


@rule("SequenceInsert")
def insert(m: Maker) -> None:
    found = m.sequence("input_sequence", shapes(m))
    like(m, "T", "S")
    m.input("tensor", found[0].shape if found else m.shape())
    position(m, -len(found), len(found))


@rule("SequenceLength")
def length(m: Maker) -> None:
    m.sequence("input_sequence", shapes(m))


@rule("SplitToSequence")
def split(m: Maker) -> None:
    shape = m.shape(1, least=1)
    axis = m.attr("axis", m.axis(len(shape)))
    m.input("input", shape)
    like(m, "S", "T")
    kind = m.integer(0, 2)
    if kind == 0:
        m.omit("split")
        m.flag("keepdims")
    elif kind == 1:
        m.give("split", m.integer(1, shape[axis] + 1))
    else:
        first = m.integer(0, shape[axis])
        m.give("split", [first, shape[axis] - first])


@rule("ConcatFromSequence")
def concat(m: Maker) -> None:
    new = m.flag("new_axis")
    shape = m.shape(0 if new else 1, 3)
    axis = m.attr("axis", m.axis(len(shape) + new))
    at_axis = axis % (len(shape) + new)
    items = [shape if new else (*shape[:at_axis], m.dim(), *shape[at_axis + 1 :]) for _ in range(m.integer(1, 4))]
    m.sequence("input_sequence", items)
    like(m, "T", "S")


@rule("Optional")
def optional(m: Maker) -> None:
    kind = m.type("V") if m.chance(0.6) else m.choose([t for t in m._allowed["V"] if t.startswith("seq(")])
    m.bind("V", kind)
    m.bind("O", f"optional({kind})")
    if kind.startswith("seq("):
        m.sequence("input", shapes(m))
    else:
        m.input("input", m.shape())
    m.omit("type")


@rule("OptionalGetElement", "OptionalHasElement")
def element(m: Maker) -> None:
    kind = m.choose(sorted(m._allowed["O"]))
    m.bind("O", kind)
    inner = kind.removeprefix("optional(").removesuffix(")") if kind.startswith("optional(") else kind
    if m.op == "OptionalGetElement":
        m.bind("V", inner)
    items = [values.draw(m.rng, inner, shape) for shape in shapes(m, 1)]
    value = items if inner.startswith("seq(") else items[0]
    if m.op == "OptionalHasElement" and kind.startswith("optional(") and m.chance(0.4):
        value = None
    m.raw("input", kind, value)
