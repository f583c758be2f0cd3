"""Operators that move elements: shapes, slices, indices."""

import numpy as np

import values
from case import tensor
from maker import Maker, rule


def spread(m: Maker, count: int, parts: int) -> list[int]:
    """`parts` sizes whose sum is `count`."""
    cuts = sorted(m.integer(0, count) for _ in range(parts - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, count])]


@rule("Reshape")
def reshape(m: Maker) -> None:
    shape = m.shape()
    m.input("data", shape, special=True)
    if m.chance(0.5):
        wanted = list(m.rng.permutation(shape)) if m.chance(0.5) else [int(np.prod(shape[:1])), int(np.prod(shape[1:]))]
    else:
        wanted = [*shape, 1] if m.chance(0.5) else [1, *shape]
    wanted = [int(size) for size in wanted]
    allow_zero = m.flag("allowzero")
    if wanted and 0 not in wanted and m.chance(0.4):
        wanted[m.integer(0, len(wanted) - 1)] = -1
    if not allow_zero:
        for i, size in enumerate(wanted):
            if i < len(shape) and shape[i] == size and m.chance(0.3):
                wanted[i] = 0
    m.give("shape", np.array(wanted, np.int64))


@rule("Transpose")
def transpose(m: Maker) -> None:
    shape = m.shape(high=5)
    m.input("data", shape)
    m.maybe("perm", [int(axis) for axis in m.rng.permutation(len(shape))])


@rule("Flatten")
def flatten(m: Maker) -> None:
    shape = m.shape()
    m.input("input", shape)
    m.attr("axis", m.integer(-len(shape), len(shape)))


@rule("Squeeze")
def squeeze(m: Maker) -> None:
    shape = m.shape()
    m.input("data", shape)
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    if m.chance(0.3):
        m.omit("axes")
    else:
        m.give("axes", np.array([axis - len(shape) if m.chance(0.3) else axis for axis in m.some(ones)], np.int64))


@rule("Unsqueeze")
def unsqueeze(m: Maker) -> None:
    shape = m.shape(high=3)
    m.input("data", shape)
    rank = len(shape) + m.integer(0, 2)
    axes = m.rng.permutation(rank)[: rank - len(shape)]
    m.give("axes", np.array([axis - rank if m.chance(0.3) else axis for axis in axes], np.int64))


@rule("Expand")
def expand(m: Maker) -> None:
    shape = m.shape()
    m.input("input", m.broadcast_to(shape))
    m.give("shape", np.array(m.broadcast_to(shape), np.int64))


@rule("Tile")
def tile(m: Maker) -> None:
    shape = m.shape(high=3)
    m.input("input", shape)
    m.give("repeats", np.array([m.integer(0, 3) if m.chance(0.7) else 1 for _ in shape], np.int64))


@rule("Concat")
def concat(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape))) % len(shape)
    for _ in range(m.integer(1, 4)):
        m.input("inputs", (*shape[:axis], m.dim(), *shape[axis + 1 :]))


@rule("Split")
def split(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    parts = m.integer(1, 4)
    m.input("input", shape)
    m.outputs(parts)
    if m.chance(0.5):
        m.give("split", np.array(spread(m, shape[axis], parts), np.int64))
    else:
        m.omit("split")
        m.attr("num_outputs", parts)


@rule("Slice")
def slices(m: Maker) -> None:
    shape = m.shape(1)
    m.input("data", shape)
    axes = m.axes(len(shape))
    if m.chance(0.3):
        axes = list(range(len(axes)))
    count = len(axes)
    far = values.limits(m.type("starts"))
    starts = [m.choose([m.integer(-7, 7), 0, *far]) for _ in axes]
    ends = [m.choose([m.integer(-7, 7), m.integer(-7, 7), *far]) for _ in axes]
    m.give("starts", starts)
    m.give("ends", ends)
    if axes == list(range(count)) and m.chance(0.5):
        m.omit("axes")
    else:
        m.give("axes", axes)
    if m.chance(0.6):
        m.give("steps", [m.choose([1, 2, 3, -1, -2, far[0] + 1, far[1]]) for _ in axes])
    else:
        m.omit("steps")


@rule("Pad")
def pad(m: Maker) -> None:
    mode = m.one_of("mode", "constant", "constant", "reflect", "edge", "wrap")
    shape = m.shape(1, least=0 if mode == "constant" else 1)
    m.input("data", shape)
    axes = m.axes(len(shape)) if m.chance(0.4) else list(range(len(shape)))

    def size(axis: int) -> int:
        room = shape[axis] - 1 if mode == "reflect" else shape[axis]
        if mode == "constant" and m.chance(0.2) and shape[axis] > 1:
            return -m.integer(0, shape[axis] // 2)
        return m.integer(0, min(room, 3) if mode in ("reflect", "wrap") else 3)

    m.give("pads", np.array([size(axis) for axis in axes] + [size(axis) for axis in axes], np.int64))
    if mode == "constant":
        m.optional("constant_value", ())
    else:
        m.omit("constant_value")
    if axes == list(range(len(shape))) and m.chance(0.6):
        m.omit("axes")
    else:
        m.give("axes", axes)


@rule("CenterCropPad")
def crop(m: Maker) -> None:
    shape = m.shape(1)
    m.input("input_data", shape)
    axes = m.maybe("axes", m.axes(len(shape), 1))
    m.give("shape", [m.integer(0, 7) for _ in (shape if axes is None else axes)])


def indices(m: Maker, name: str, shape: tuple[int, ...], size: int) -> None:
    m.input(name, shape, -size, size - 1)


@rule("Gather")
def gather(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    m.input("data", shape)
    indices(m, "indices", m.shape(high=2) if shape[axis] else (0, *m.shape(high=1)), shape[axis])


@rule("GatherElements")
def gather_elements(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    m.input("data", shape)
    size = shape[axis]
    picked = [m.integer(0, n) for n in shape]
    picked[axis] = m.integer(0, 6) if size else 0
    indices(m, "indices", tuple(picked), size)


def reduction(m: Maker) -> str:
    """How updates are joined, of types that can be."""
    drawn: str = m.one_of("reduction", "none", "add", "mul", "max", "min")
    if drawn != "none":
        without = {"string", "bool"} | (values.COMPLEX if drawn in ("max", "min") else set())
        m.allow("T", lambda t: values.element(t) not in without)
    return drawn


@rule("ScatterElements", "Scatter")
def scatter_elements(m: Maker) -> None:
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    adds = m.op == "ScatterElements" and reduction(m) != "none"
    m.input("data", shape)
    picked = [m.integer(0, n) for n in shape]
    if adds:
        picked[axis] = m.integer(0, 6) if shape[axis] else 0
        indices(m, "indices", tuple(picked), shape[axis])
    else:  # an index may not come twice
        lines = [size if i == axis % len(shape) else n for i, (n, size) in enumerate(zip(picked, shape))]
        order = np.argsort(m.rng.random(lines), axis)
        found = np.take(order, range(picked[axis]), axis)
        m.give("indices", np.where(m.rng.random(found.shape) < 0.3, found - shape[axis], found))
    m.input("updates", tuple(picked))


@rule("GatherND")
def gather_nd(m: Maker) -> None:
    batch = m.attr("batch_dims", m.integer(0, 2))
    shape = m.shape(batch + 1, batch + 3, least=1)
    m.input("data", shape)
    depth = m.integer(1, len(shape) - batch)
    places = (*shape[:batch], *m.shape(high=2), depth)
    columns = [m.rng.integers(-n, n, size=places[:-1]) for n in shape[batch : batch + depth]]
    m.give("indices", np.stack(columns, -1))


@rule("ScatterND")
def scatter_nd(m: Maker) -> None:
    shape = m.shape(1, least=1)
    adds = reduction(m) != "none"
    m.input("data", shape)
    depth = m.integer(1, len(shape))
    inside = shape[:depth]
    if adds:
        places = m.shape(high=2)
        flat = m.rng.integers(int(np.prod(inside)), size=places)
    else:  # an index may not come twice
        places = (m.integer(0, int(np.prod(inside))),)
        flat = m.rng.permutation(int(np.prod(inside)))[: places[0]]
    found = np.stack(np.unravel_index(flat, inside), -1)
    m.give("indices", np.where(m.rng.random(found.shape) < 0.3, found - np.array(inside), found))
    m.input("updates", (*places, *shape[depth:]))


@rule("OneHot")
def one_hot(m: Maker) -> None:
    shape = m.shape(1, 3)
    depth = m.integer(1, 5)
    m.attr("axis", m.integer(-len(shape) - 1, len(shape)))
    indices = m.input("indices", shape, -depth - 1, depth)
    indices[:] = np.round(indices)
    m.give("depth", depth if m.chance(0.5) else [depth])
    m.input("values", (2,))


@rule("Where")
def where(m: Maker) -> None:
    shape = m.shape()
    for name in ("condition", "X", "Y"):
        m.input(name, m.broadcast_to(shape), special=True)


@rule("Trilu")
def triangle(m: Maker) -> None:
    m.input("input", m.shape(2))
    if m.chance(0.7):
        m.give("k", m.integer(-6, 6))
    else:
        m.omit("k")


@rule("EyeLike")
def eye(m: Maker) -> None:
    m.input("input", m.shape(2, 2))
    m.attr("k", m.integer(-4, 4))
    if m.chance(0.5):
        m.attr("dtype", values.number(m.type("T2")))
    else:
        m.bind("T2", m.type("T1"))


@rule("Shape")
def shape_of(m: Maker) -> None:
    m.input("data", m.shape(high=5))
    m.attr("start", m.integer(-6, 6))
    m.maybe("end", m.integer(-6, 6))


@rule("ConstantOfShape")
def filled(m: Maker) -> None:
    m.give("input", np.array(m.shape(), np.int64))
    if m.chance(0.7):
        m.attr("value", tensor(values.draw(m.rng, m.type("T2"), (1,), special=True), m.type("T2")))
    else:
        m.omit("value")
        m.bind("T2", "tensor(float)")


@rule("Constant")
def constant(m: Maker) -> None:
    count = m.integer(1, 4)
    if m.chance(0.3):
        m.attr("value", tensor(values.draw(m.rng, m.type("T"), m.shape(), special=True), m.type("T")))
        return
    name = m.choose(["float", "floats", "int", "ints", "string", "strings"])
    each: dict[str, list[object]] = {
        "float": [m.real(-3, 3) for _ in range(count)],
        "int64": [m.integer(-9, 9) for _ in range(count)],
        "string": [m.choose(values.WORDS) for _ in range(count)],
    }
    element = {"f": "float", "i": "int64", "s": "string"}[name[0]]
    m.bind("T", f"tensor({element})")
    m.attr(f"value_{name}", each[element] if name[-1] == "s" else each[element][0])


@rule("ReverseSequence")
def reverse(m: Maker) -> None:
    time = m.attr("time_axis", m.integer(0, 1))
    m.attr("batch_axis", 1 - time)
    shape = m.shape(2)
    m.input("input", shape)
    m.input("sequence_lens", (shape[1 - time],), 1 if shape[time] else 0, shape[time])


@rule("DepthToSpace", "SpaceToDepth")
def blocks(m: Maker) -> None:
    block = m.attr("blocksize", m.integer(1, 3))
    n, c, h, w = m.dim(), m.dim(), m.dim(), m.dim()
    if m.op == "DepthToSpace":
        m.one_of("mode", "DCR", "CRD")
        m.input("input", (n, c * block * block, h, w))
    else:
        m.input("input", (n, c, h * block, w * block))


@rule("TensorScatter")
def into_cache(m: Maker) -> None:
    shape = m.shape(2, 4, least=1)
    rank = len(shape)
    axis = m.attr("axis", m.choose([a for a in range(-rank, rank) if a % rank]))
    circular = m.one_of("mode", "linear", "circular") == "circular"
    size = shape[axis]
    count = m.integer(1, size)
    m.input("past_cache", shape)
    m.input("update", tuple(count if i == axis % rank else n for i, n in enumerate(shape)))
    if m.chance(0.7):
        m.input("write_indices", shape[:1], 0, size - 1 if circular else size - count)
    else:
        m.omit("write_indices")
