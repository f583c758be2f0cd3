"""Reductions, running sums, softmax and order."""

import torch
import torch.nn.functional as F

from golden.making import apart, case, real


def axes_of(x: torch.Tensor, axes: list[int] | None) -> list[int]:
    return list(range(x.dim())) if axes is None else axes


def product(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    for axis in sorted((a % x.dim() for a in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


REDUCTIONS = {
    "ReduceL1": lambda x, d, k: x.abs().sum(d, keepdim=k),
    "ReduceL2": lambda x, d, k: torch.linalg.vector_norm(x, 2, d, keepdim=k),
    "ReduceLogSum": lambda x, d, k: x.sum(d, keepdim=k).log(),
    "ReduceLogSumExp": lambda x, d, k: torch.logsumexp(x, d, keepdim=k),
    "ReduceMax": lambda x, d, k: torch.amax(x, d, keepdim=k),
    "ReduceMean": lambda x, d, k: x.mean(d, keepdim=k),
    "ReduceMin": lambda x, d, k: torch.amin(x, d, keepdim=k),
    "ReduceProd": product,
    "ReduceSum": lambda x, d, k: x.sum(d, keepdim=k),
    "ReduceSumSquare": lambda x, d, k: (x * x).sum(d, keepdim=k),
}
CURVED = {"ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "ReduceSumSquare"}
for op, function in REDUCTIONS.items():
    for shape, axes, keep in (
        ((2, 3), None, 1),
        ((2, 3), [1], 0),
        ((2, 3), [0], 1),
        ((2, 3, 2), [0, 2], 0),
        ((2, 3, 2), [-2], 1),
        ((2, 3, 2), [-1, 0], 1),
        ((2, 3), [0, 1], 0),
        ((4,), [0], 0),
    ):
        if op in ("ReduceMax", "ReduceMin"):
            x = apart(*shape)
        elif op == "ReduceLogSum":
            x = real(*shape, low=0.2, high=2)
        else:
            x = real(*shape)
        case(
            op,
            [x] if axes is None else [x, axes],
            lambda x, *_, f=function, a=axes, k=keep: f(x, axes_of(x, a), bool(k)),
            {"keepdims": keep},
            f"{shape} over {axes} keepdims {keep}",
            op in CURVED and len(shape) < 3,
        )
case("ReduceMax", [[1.0, 3.0, 3.0, 3.0]], lambda x: torch.amax(x, 0), {"keepdims": 0}, "of equals")
case("ReduceMin", [[[1.0, 3.0], [1.0, 3.0]], [0]], lambda x, _: torch.amin(x, 0), {"keepdims": 0}, "of equals")
case("ReduceL1", [[1.0, 0.0, -2.0]], lambda x: x.abs().sum(), {"keepdims": 0}, "at 0")
case(
    "ReduceL2",
    [[[0.0, 0.0], [3.0, 4.0]], [1]],
    lambda x, _: torch.linalg.vector_norm(x, 2, 1),
    {"keepdims": 0},
    "of zeros",
)
for zeros in ([1.5, 0.0, 2.0, -3.0], [0.0, 0.0, 2.0, -3.0], [0.0, 0.0, 0.0, 2.0]):
    count = zeros.count(0.0)
    case("ReduceProd", [zeros], lambda x: torch.prod(x, 0), {"keepdims": 0}, f"with {count} zeros", True)
    case("CumProd", [zeros, 0], lambda x, _: torch.cumprod(x, 0), {}, f"with {count} zeros", True)
case("ReduceLogSumExp", [[700.0, 710.0, -5.0]], lambda x: torch.logsumexp(x, 0), {"keepdims": 0}, "of large ones", True)

for op, function in (("Softmax", torch.softmax), ("LogSoftmax", torch.log_softmax)):
    for shape, axis in (((2, 3), -1), ((2, 3), 0), ((2, 3, 2), 1), ((4,), 0), ((2, 2, 3), -3), ((2, 1), -1)):
        case(op, [real(*shape)], lambda x, f=function, a=axis: f(x, a), {"axis": axis}, f"{shape} along {axis}", True)
    case(op, [[[800.0, 1.0, 799.5], [-900.0, -900.5, -1e5]]], lambda x, f=function: f(x, -1), {}, "of large ones", True)

MINUS = float("-inf")
case("Softmax", [[[1.0, MINUS, 2.0], [MINUS, 0.5, MINUS]]], lambda x: torch.softmax(x, -1), {}, "with minus infinity")
case("ReduceLogSumExp", [[1.0, MINUS, 2.0]], lambda x: torch.logsumexp(x, 0), {"keepdims": 0}, "with minus infinity")


def running(function: object, axis: int, exclusive: int, reverse: int) -> object:
    def run(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        x = x.flip(axis) if reverse else x
        y = function(x, axis)
        if exclusive:
            first = torch.ones_like(y) if function is torch.cumprod else torch.zeros_like(y)
            y = torch.cat([first.narrow(axis, 0, 1), y.narrow(axis, 0, y.shape[axis] - 1)], axis)
        return y.flip(axis) if reverse else y

    return run


for op, function in (("CumSum", torch.cumsum), ("CumProd", torch.cumprod)):
    for shape, axis in (((4,), 0), ((2, 3), 1), ((2, 3), -2), ((2, 3, 2), 1)):
        for exclusive, reverse in ((0, 0), (1, 0), (0, 1), (1, 1)) if shape == (2, 3) else ((0, 0), (1, 1)):
            case(
                op,
                [real(*shape), axis],
                running(function, axis, exclusive, reverse),
                {"exclusive": exclusive, "reverse": reverse},
                f"{shape} along {axis} exclusive {exclusive} reverse {reverse}",
                op == "CumProd" and len(shape) < 3,
            )

for shape, axis, k, largest in (
    ((5,), 0, 2, 1),
    ((2, 4), -1, 3, 0),
    ((3, 2), 0, 2, 1),
    ((2, 4, 2), 1, 1, 1),
    ((2, 3), 1, 3, 1),
):
    case(
        "TopK",
        [apart(*shape), [k]],
        lambda x, _, a=axis, k=k, l=largest: torch.topk(x, k, a, bool(l)),
        {"axis": axis, "largest": largest},
        f"{shape} {k} along {axis} largest {largest}",
    )

for p in (1, 2):
    for shape, axis in (((2, 3), -1), ((2, 3, 2), 1)):
        case(
            "LpNormalization",
            [real(*shape)],
            lambda x, p=p, a=axis: F.normalize(x, p, a),
            {"axis": axis, "p": p},
            f"{shape} along {axis} p {p}",
            True,
        )
