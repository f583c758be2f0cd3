"""Normalization and losses."""

import torch
import torch.nn.functional as F

from golden.making import case, real

EPSILON = 0.0009765625  # a power of two, which f32 holds


def each(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One number for each channel of x."""
    return v.reshape(1, -1, *[1] * (x.dim() - 2))


def infer(x, s, b, m, v):  # type: ignore[no-untyped-def]
    return (x - each(m, x)) * torch.rsqrt(each(v, x) + EPSILON) * each(s, x) + each(b, x)


def train(x, s, b, m, v):  # type: ignore[no-untyped-def]
    """With ONNX's running statistics, of the biased variance, which torch.nn has not."""
    axes = [0, *range(2, x.dim())]
    y = F.batch_norm(x, None, None, s, b, training=True, eps=EPSILON)
    return y, 0.75 * m + 0.25 * x.mean(axes), 0.75 * v + 0.25 * x.var(axes, correction=0)


for shape in ((3, 2), (2, 2, 3), (2, 1, 2, 2)):
    inputs = [real(*shape), *(real(shape[1]) for _ in range(3)), real(shape[1], low=0.5, high=2)]
    case("BatchNormalization", inputs, infer, {"epsilon": EPSILON}, f"inference {shape}", True)
    case(
        "BatchNormalization",
        inputs,
        lambda *i: train(*i)[0],
        {"epsilon": EPSILON, "training_mode": 1},
        f"training {shape}",
        True,
    )
    case(
        "BatchNormalization",
        inputs,
        train,
        {"epsilon": EPSILON, "training_mode": 1, "momentum": 0.75},
        f"training {shape} with statistics",
        True,
    )

for shape, axis in (((2, 3), -1), ((2, 3), 0), ((2, 2, 3), 1), ((2, 2, 3), -1), ((4,), 0)):
    inner = shape[axis:]
    attrs = {"axis": axis, "epsilon": EPSILON}
    case(
        "LayerNormalization",
        [real(*shape), real(*inner), real(*inner)],
        lambda x, s, b, i=inner: F.layer_norm(x, i, s, b, EPSILON),
        attrs,
        f"{shape} {axis}",
        True,
    )
    case(
        "LayerNormalization",
        [real(*shape), real(*inner)],
        lambda x, s, i=inner: F.layer_norm(x, i, s, None, EPSILON),
        attrs,
        f"{shape} {axis} no bias",
        len(shape) < 3,
    )
    case(
        "RMSNormalization",
        [real(*shape), real(*inner)],
        lambda x, s, i=inner: F.rms_norm(x, i, s, EPSILON),
        attrs,
        f"{shape} {axis}",
        True,
    )


def with_statistics(x, s, b):  # type: ignore[no-untyped-def]
    mean = x.mean(-1, keepdim=True)
    inverse = torch.rsqrt(x.var(-1, correction=0, keepdim=True) + EPSILON)
    return (x - mean) * inverse * s + b, mean, inverse


case(
    "LayerNormalization",
    [real(2, 3), real(3), real(3)],
    with_statistics,
    {"epsilon": EPSILON, "stash_type": 11},
    "with statistics",
    True,
)

for shape, groups in (((2, 4, 2), 2), ((1, 2, 2, 2), 1), ((1, 3, 2), 3), ((1, 4, 1, 2), 2)):
    channels = [real(shape[1]), real(shape[1])]
    case(
        "GroupNormalization",
        [real(*shape), *channels],
        lambda x, s, b, g=groups: F.group_norm(x, g, s, b, EPSILON),
        {"num_groups": groups, "epsilon": EPSILON},
        f"{shape} {groups}",
        True,
    )
for shape in ((2, 2, 3), (1, 2, 2, 2), (1, 1, 2, 1, 2)):
    channels = [real(shape[1]), real(shape[1])]
    case(
        "InstanceNormalization",
        [real(*shape), *channels],
        lambda x, s, b: F.instance_norm(x, weight=s, bias=b, eps=EPSILON),
        {"epsilon": EPSILON},
        f"{shape}",
        True,
    )
for shape, size in (((1, 4, 2), 3), ((2, 3, 2), 5), ((1, 3, 2, 2), 1), ((1, 5, 1, 2), 3)):
    case(
        "LRN",
        [real(*shape)],
        lambda x, n=size: F.local_response_norm(x, n, 0.5, 0.75, 1.25),
        {"size": size, "alpha": 0.5, "beta": 0.75, "bias": 1.25},
        f"{shape} {size}",
        True,
    )


def even_window(x: torch.Tensor) -> torch.Tensor:
    """Four channels: one before and two behind, where PyTorch has two before and one behind."""
    squares = F.pad(x * x, [0, 0, 1, 2])
    around = sum(squares[:, i : i + x.shape[1]] for i in range(4))
    return x / (1.25 + 0.5 / 4 * around) ** 0.75


case("LRN", [real(1, 5, 2)], even_window, {"size": 4, "alpha": 0.5, "beta": 0.75, "bias": 1.25}, "even", True)


def log_loss(scores, labels, weight, reduction, ignored):  # type: ignore[no-untyped-def]
    """As torch.nn.functional.nll_loss, which has no gradient by the weights."""
    known = labels != (ignored if ignored is not None else -9)
    safe = torch.where(known, labels, 0)
    factor = known.double() if weight is None else weight[safe] * known
    each = -scores.gather(1, safe[:, None]).squeeze(1) * factor
    if reduction == "none":
        found = each
    else:
        found = each.sum() if reduction == "sum" else each.sum() / factor.sum()
    given = None if weight is None else weight.detach()
    wanted = F.nll_loss(scores, labels, given, ignore_index=-9 if ignored is None else ignored, reduction=reduction)
    torch.testing.assert_close(found, wanted)
    return found


for shape, labels in (((3, 3), [1, 0, 2]), ((2, 3, 2), [[0, 2], [1, 1]]), ((1, 2, 2, 2), [[[0, 1], [1, 1]]])):
    for reduction in ("mean", "sum", "none"):
        for weighted, ignored in ((False, None), (True, None), (True, 1), (False, 0)):
            if len(shape) > 2 and (ignored == 0 or reduction == "sum" or (len(shape) > 3 and ignored is None)):
                continue
            attrs = {"reduction": reduction, **({} if ignored is None else {"ignore_index": ignored})}
            inputs = [real(*shape), labels, *([real(shape[1], low=0.25, high=2)] if weighted else [])]
            name = (
                f"{shape} {reduction}{' weights' if weighted else ''}{'' if ignored is None else f' without {ignored}'}"
            )
            case(
                "NegativeLogLikelihoodLoss",
                inputs,
                lambda x, y, w=None, r=reduction, i=ignored: log_loss(x, y, w, r, i),
                attrs,
                name,
                weighted,
            )
            case(
                "SoftmaxCrossEntropyLoss",
                inputs,
                lambda x, y, w=None, r=reduction, i=ignored: log_loss(torch.log_softmax(x, 1), y, w, r, i),
                attrs,
                name,
                len(shape) < 4,
            )
case(
    "SoftmaxCrossEntropyLoss",
    [real(3, 4), [1, 0, 3]],
    lambda x, y: (log_loss(torch.log_softmax(x, 1), y, None, "mean", None), torch.log_softmax(x, 1)),
    {},
    "with log_prob",
    True,
)
case(
    "SoftmaxCrossEntropyLoss",
    [real(3, 4), [1, -1, 3]],
    lambda x, y: log_loss(torch.log_softmax(x, 1), y, None, "mean", -1),
    {"ignore_index": -1},
    "without -1",
)
for shape, axes in (((2, 2, 2, 1), [0, 2, 3]), ((2, 3), [0]), ((2, 3, 2), [1, -1])):
    case(
        "MeanVarianceNormalization",
        [real(*shape)],
        lambda x, a=axes: (x - x.mean(a, keepdim=True)) / (x.var(a, correction=0, keepdim=True).sqrt() + 1e-9),
        {"axes": axes},
        f"{shape} {axes}",
        True,
        1e-7,
        "Weft adds 1e-9 to the deviation, as ONNX's function of it does, which PyTorch has no operator for",
    )
