"""Operators that move elements."""

import torch
import torch.nn.functional as F

from golden.making import apart, case, real

for shape, axis, indices in (
    ((3, 2), 0, [2, 0, 2]), ((2, 3), 1, [[0, 2], [1, 0]]), ((2, 3), -1, [-1, 0]), ((4,), 0, 1), ((2, 3, 2), 1, [2, 2]),
    ((2, 3, 2), -3, [[1]]),
):  # fmt: skip

    def gather(x, i, axis=axis):  # type: ignore[no-untyped-def]
        axis %= x.dim()
        picked = torch.index_select(x, axis, i.reshape(-1) % x.shape[axis])
        return picked.reshape([*x.shape[:axis], *i.shape, *x.shape[axis + 1 :]])

    case("Gather", [real(*shape), indices], gather, {"axis": axis}, f"{shape} {indices} along {axis}")
for shape, axis, indices in (
    ((2, 3), 1, [[0, 2], [2, 2]]), ((3, 2), 0, [[2, 0]]), ((4,), -1, [3, -4, 3]), ((2, 2, 2), 1, [[[0, 1], [1, 1], [0, 0]]]),
):  # fmt: skip
    case(
        "GatherElements",
        [real(*shape), indices],
        lambda x, i, a=axis: torch.gather(x, a, i % x.shape[a]),
        {"axis": axis},
        f"{shape} {indices} along {axis}",
    )
for shape, batch, indices in (
    ((2, 3), 0, [[0, 1], [1, 2], [1, 2]]), ((3, 2), 0, [[2], [0], [-1]]), ((2, 2, 2), 1, [[1], [0]]), ((2, 2, 3), 1, [[1, -1], [0, 0]]),
    ((2, 3), 0, [[[0], [1]]]),
):  # fmt: skip

    def gather_nd(x, i, batch=batch):  # type: ignore[no-untyped-def]
        if batch:
            return torch.stack([gather_nd(a, b, batch - 1) for a, b in zip(x, i)])
        return x[tuple(i[..., k] for k in range(i.shape[-1]))]

    case("GatherND", [real(*shape), indices], gather_nd, {"batch_dims": batch}, f"{shape} {indices} batch {batch}")

REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
for shape, axis, indices in (((2, 3), 1, [[0, 2], [2, 1]]), ((3, 2), 0, [[2, 0], [1, 1]]), ((4,), -1, [3, -4])):
    size = torch.tensor(indices).shape
    case(
        "ScatterElements",
        [real(*shape), indices, real(*size)],
        lambda x, i, u, a=axis: torch.scatter(x, a, i % x.shape[a], u),
        {"axis": axis},
        f"{shape} {indices} along {axis}",
    )
for shape, axis, indices in (((2, 3), 1, [[0, 0, 2], [2, 2, 2]]), ((3, 2), 0, [[2, 0], [2, 1]]), ((4,), 0, [3, -1, 0])):
    size = torch.tensor(indices).shape
    for reduction, name in REDUCE.items():
        case(
            "ScatterElements",
            [apart(*shape), indices, real(*size)],
            lambda x, i, u, a=axis, n=name: torch.scatter_reduce(x, a, i % x.shape[a], u, n),
            {"axis": axis, "reduction": reduction},
            f"{reduction} {shape} {indices} along {axis}",
            reduction == "mul" and len(shape) == 1,
        )
case(
    "ScatterElements",
    [[1.0, 2.0], [0, 0], [1.0, 1.0]],
    lambda x, i, u: torch.scatter_reduce(x, 0, i, u, "amax"),
    {"reduction": "max"},
    "max of equals",
)
case(
    "ScatterElements",
    [[0.0, 2.0, 3.0], [0, 0, 1, 2], [1.5, -2.0, 0.0, 0.5]],
    lambda x, i, u: torch.scatter_reduce(x, 0, i, u, "prod"),
    {"reduction": "mul"},
    "mul with zeros",
)


def scatter_nd(x, i, u, name):  # type: ignore[no-untyped-def]
    depth = i.shape[-1]
    inside, rest = x.shape[:depth], x.shape[depth:]
    flat = torch.zeros(i.shape[:-1], dtype=torch.int64)
    for k, n in enumerate(inside):
        flat = flat * n + i[..., k] % n
    table = x.reshape(inside.numel(), rest.numel())
    rows = flat.reshape(-1, 1).expand(-1, rest.numel())
    updates = u.reshape(rows.shape)
    return (
        torch.scatter(table, 0, rows, updates) if name is None else torch.scatter_reduce(table, 0, rows, updates, name)
    ).reshape(x.shape)


for shape, indices, once in (
    ((3, 2), [[2], [0]], True), ((2, 3), [[0, 1], [1, -1]], True), ((2, 2, 2), [[[1, 0]], [[0, 1]]], True),
    ((3, 2), [[2], [0], [2]], False), ((4,), [[3], [-1], [0]], False), ((2, 2), [[0, 1], [0, 1]], False),
):  # fmt: skip
    places = torch.tensor(indices)
    size = (*places.shape[:-1], *shape[places.shape[-1] :])
    for reduction, name in {"none": None, **REDUCE}.items():
        if once == (reduction == "none"):
            case(
                "ScatterND",
                [apart(*shape), indices, real(*size)],
                lambda x, i, u, n=name: scatter_nd(x, i, u, n),
                {"reduction": reduction},
                f"{reduction} {shape} {indices}",
            )

# Pad: torch has the other modes for the last axes of images.
for mode, name, shape, pads in (
    ("constant", "constant", (2, 3), [1, 0, 0, 2]), ("constant", "constant", (2, 3, 2), [0, 1, 0, 0, -1, 1]),
    ("constant", "constant", (3,), [-1, 2]), ("reflect", "reflect", (1, 2, 4), [0, 0, 2, 0, 0, 3]),
    ("reflect", "reflect", (1, 1, 3, 3), [0, 0, 1, 2, 0, 0, 2, 0]), ("edge", "replicate", (1, 2, 3), [0, 0, 2, 0, 0, 1]),
    ("edge", "replicate", (1, 1, 2, 3), [0, 0, 1, 0, 0, 0, 2, 2]), ("wrap", "circular", (1, 1, 4), [0, 0, 2, 0, 0, 1]),
    ("wrap", "circular", (1, 1, 2, 3), [0, 0, 1, 2, 0, 0, 2, 0]), ("edge", "replicate", (1, 1, 2, 2, 2), [0, 0, 1, 0, 1, 0, 0, 0, 1, 0]),
    ("reflect", "reflect", (1, 1, 2, 3, 2), [0, 0, 1, 2, 0, 0, 0, 0, 1, 1]),
):  # fmt: skip

    def pad(x, p, value=None, mode=name):  # type: ignore[no-untyped-def]
        rank = x.dim()
        pairs = [int(n) for i in reversed(range(rank)) for n in (p[i], p[rank + i])]
        if mode != "constant":
            return F.pad(x, pairs[:-4], mode)
        return F.pad(x, pairs) + (0 if value is None else value * (1 - F.pad(torch.ones_like(x), pairs)))

    case("Pad", [real(*shape), pads], pad, {"mode": mode}, f"{mode} {shape} {pads}")
    if mode == "constant":
        case("Pad", [real(*shape), pads, 1.5], pad, {"mode": mode}, f"{mode} {shape} {pads} with a value")

BIG = 2**63 - 1
for shape, starts, ends, axes, steps in (
    ((4,), [1], [3], None, None), ((2, 5), [0, 1], [2, 5], None, [1, 2]), ((2, 5), [-4], [-1], [1], None),
    ((3, 4), [3], [-BIG], [1], [-1]), ((2, 5), [4], [0], [-1], [-2]), ((2, 3, 2), [1, 0], [BIG, 1], [1, 2], None),
):  # fmt: skip

    def cut(x, s, e, a=None, t=None):  # type: ignore[no-untyped-def]
        for k in range(len(s)):
            axis = int(a[k]) if a is not None else k
            step = int(t[k]) if t is not None else 1
            at = range(x.shape[axis])[int(s[k]) : (None if int(e[k]) < -1000 else int(e[k])) : step]
            x = x.index_select(axis, torch.tensor(list(at)))
        return x

    case(
        "Slice",
        [real(*shape), starts, ends, axes, steps][: 5 if steps else 4 if axes else 3],
        cut,
        name=f"{shape} {starts} {ends} {axes} {steps}",
    )

for shapes, axis in (
    (((2, 2), (2, 1)), 1),
    (((1, 3), (2, 3), (1, 3)), 0),
    (((2, 1, 2), (2, 2, 2)), -2),
    (((3,), (2,)), 0),
):
    case(
        "Concat",
        [real(*s) for s in shapes],
        lambda *x, a=axis: torch.cat(x, a),
        {"axis": axis},
        f"{shapes} along {axis}",
    )
for shape, sizes, axis in (((5,), [2, 3], 0), ((2, 4), [1, 2, 1], 1), ((3, 2), [1, 2], -2)):
    case(
        "Split",
        [real(*shape), sizes],
        lambda x, _, n=sizes, a=axis: torch.split(x, n, a),
        {"axis": axis},
        f"{shape} {sizes} along {axis}",
    )
case("Split", [real(5, 2)], lambda x: torch.split(x, 2), {"num_outputs": 3}, "in three uneven ones")
for shape, repeats in (((3,), [2]), ((2, 3), [1, 2]), ((2, 1), [3, 2]), ((1, 2, 2), [2, 1, 2])):
    case("Tile", [real(*shape), repeats], lambda x, r: x.repeat(r.tolist()), name=f"{shape} {repeats}")
for shape, wide in (((3,), [2, 3]), ((2, 1), [2, 3]), ((), [2, 2]), ((2, 1, 2), [1, 3, 1]), ((2, 3), [1])):
    size = torch.broadcast_shapes(shape, tuple(wide))
    case("Expand", [real(*shape), wide], lambda x, _, s=size: x.expand(s), name=f"{shape} {wide}")
for shape, perm in (
    ((2, 3), None),
    ((2, 3), [1, 0]),
    ((2, 3, 2), [2, 0, 1]),
    ((1, 2, 2, 3), [0, 2, 1, 3]),
    ((2, 3, 2), None),
):
    case(
        "Transpose",
        [real(*shape)],
        lambda x, p=perm: x.permute(p or list(reversed(range(x.dim())))),
        {} if perm is None else {"perm": perm},
        f"{shape} {perm}",
    )
for shape, k, upper in (
    ((3, 3), None, 1),
    ((3, 4), 1, 1),
    ((3, 3), -1, 0),
    ((2, 2, 3), None, 0),
    ((2, 3), -2, 1),
    ((4, 2), 3, 0),
):
    case(
        "Trilu",
        [real(*shape), *([] if k is None else [k])],
        lambda x, _=None, k=k, u=upper: (torch.triu if u else torch.tril)(x, k or 0),
        {"upper": upper},
        f"{shape} {k} {upper}",
    )
case("Unsqueeze", [real(2, 3), [0, -1]], lambda x, _: x[None, ..., None], name="two")
case("Squeeze", [real(1, 2, 1), [0]], lambda x, _: x.squeeze(0), name="one")
case("Squeeze", [real(1, 2, 1)], lambda x: x.squeeze(), name="all")
case("Reshape", [real(2, 3), [3, -1]], lambda x, _: x.reshape(3, -1), name="(2, 3)")
case("Reshape", [real(2, 3, 2), [0, -1]], lambda x, _: x.reshape(2, -1), name="(2, 3, 2)")
case("Flatten", [real(2, 2, 3)], lambda x: x.reshape(4, 3), {"axis": 2}, "(2, 2, 3)")
case("DepthToSpace", [real(1, 8, 1, 2)], lambda x: F.pixel_shuffle(x, 2), {"blocksize": 2, "mode": "CRD"}, "CRD")
case(
    "DepthToSpace",
    [real(1, 8, 1, 2)],
    lambda x: x.reshape(1, 2, 2, 2, 1, 2).permute(0, 3, 4, 1, 5, 2).reshape(1, 2, 2, 4),
    {"blocksize": 2},
    "DCR",
)
case(
    "SpaceToDepth",
    [real(1, 2, 2, 4)],
    lambda x: F.pixel_unshuffle(x, 2).reshape(1, 2, 4, 1, 2).transpose(1, 2).reshape(1, 8, 1, 2),
    {"blocksize": 2},
    "2",
)
case("Compress", [real(3, 2), [True, False, True]], lambda x, c: x[c], {"axis": 0}, "rows")
case(
    "OneHot",
    [[0, 2, -1], 3, [0.5, 2.5]],
    lambda i, n, v: v[0] + (v[1] - v[0]) * F.one_hot(i % n, 3).double(),
    {},
    "values",
)
case(
    "ReverseSequence",
    [real(3, 2), [2, 3]],
    lambda x, _: torch.stack([torch.cat([x[:2, 0].flip(0), x[2:, 0]]), x[:, 1].flip(0)], 1),
    {},
    "two lengths",
)
