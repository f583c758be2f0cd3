"""Convolutions, pools, and what samples images."""

import torch
import torch.nn.functional as F

from golden.making import Typed, apart, case, real

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def uneven(x: torch.Tensor, pads: list[int]) -> torch.Tensor:
    """Zeros around the spatial axes, by ONNX's list of all starts and all ends."""
    rank = len(pads) // 2
    return F.pad(x, [n for i in reversed(range(rank)) for n in (pads[i], pads[rank + i])])


def title(*parts: object) -> str:
    """Shapes, and attributes in few words."""
    words = [" ".join(f"{k}={v}" for k, v in p.items()) if isinstance(p, dict) else str(p) for p in parts]
    return " ".join(words).replace("kernel_shape", "kernel").replace(", ", ",").strip() or "plain"


def attributes(**given: object) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


for image, filters, bias, strides, dilations, pads, group, second in (
    ((1, 2, 5), (2, 2, 3), True, None, None, None, 1, True),
    ((1, 2, 6), (2, 2, 2), False, [2], [2], [1, 2], 1, True),
    ((2, 2, 4), (4, 1, 2), True, None, None, [1, 1], 2, True),
    ((1, 2, 3, 3), (2, 2, 2, 2), True, None, None, None, 1, True),
    ((1, 1, 4, 4), (1, 1, 3, 3), False, None, None, [1, 1, 1, 1], 1, True),
    ((1, 1, 5, 5), (2, 1, 2, 2), True, [2, 1], [1, 2], [1, 0, 0, 1], 1, True),
    ((1, 3, 2, 3), (3, 1, 2, 2), True, None, None, [0, 0, 1, 1], 3, True),
    ((1, 4, 2, 3), (2, 2, 2, 2), False, [2, 2], None, [1, 1, 1, 1], 2, False),
    ((2, 3, 2, 2), (2, 3, 1, 1), True, None, None, None, 1, False),
    ((1, 2, 3, 3), (4, 1, 3, 1), False, None, None, [1, 0, 1, 0], 2, False),
    ((1, 1, 6, 5), (1, 1, 3, 2), False, [3, 2], [2, 3], [2, 1, 1, 2], 1, False),
    ((1, 1, 3, 3, 3), (1, 1, 2, 2, 2), True, None, None, None, 1, True),
    ((1, 2, 3, 3, 2), (2, 1, 2, 2, 1), False, [1, 2, 2], [2, 1, 1], [0, 1, 0, 1, 1, 0], 2, False),
):
    rank = len(image) - 2
    attrs = attributes(strides=strides, dilations=dilations, pads=pads, group=group if group > 1 else None)
    case(
        "Conv",
        [real(*image), real(*filters), *([real(filters[0])] if bias else [])],
        lambda x, w, b=None, r=rank, s=strides, d=dilations, p=pads, g=group: CONV[r](
            uneven(x, p or [0] * 2 * r), w, b, stride=s or 1, dilation=d or 1, groups=g
        ),
        attrs,
        title(image, filters, attrs),
        second,
    )
case(
    "Conv",
    [real(1, 1, 4, 4), real(1, 1, 2, 3)],
    lambda x, w: F.conv2d(x, w, padding="same"),
    {"auto_pad": "SAME_UPPER"},
    "same upper",
)
case(
    "Conv",
    [real(1, 1, 4, 4), real(1, 1, 2, 3)],
    lambda x, w: F.conv2d(uneven(x, [1, 1, 0, 1]), w),
    {"auto_pad": "SAME_LOWER"},
    "same lower",
)


def causal(x, w, b, past):  # type: ignore[no-untyped-def]
    seen = torch.cat([past, x], 2)
    return F.silu(F.conv1d(seen, w, b, groups=x.shape[1])), seen[..., x.shape[2] :]


case(
    "CausalConvWithState",
    [real(1, 2, 3), real(2, 1, 3), real(2), real(1, 2, 2)],
    causal,
    {"activation": "silu"},
    "silu",
    True,
)

for image, filters, bias, strides, dilations, pads, more, group, second in (
    ((1, 2, 3), (2, 2, 3), True, None, None, None, None, 1, True),
    ((1, 2, 3), (2, 1, 2), False, [3], [2], [1, 1], [2], 1, True),
    ((1, 2, 2, 3), (2, 1, 2, 2), True, None, None, None, None, 1, True),
    ((1, 1, 3, 2), (1, 2, 3, 3), True, [2, 2], None, [1, 1, 1, 1], [1, 0], 1, True),
    ((1, 4, 2, 2), (4, 1, 2, 2), True, [2, 1], None, None, None, 2, True),
    ((1, 2, 2, 2), (2, 2, 2, 2), False, [2, 3], [2, 2], [1, 0, 1, 0], [1, 1], 2, False),
    ((1, 1, 3, 3), (1, 1, 2, 2), False, None, None, [0, 1, 0, 1], None, 1, False),
    ((1, 1, 2, 2, 2), (1, 1, 2, 1, 2), True, [1, 2, 2], None, None, [0, 1, 0], 1, True),
):
    rank = len(image) - 2
    attrs = attributes(
        strides=strides, dilations=dilations, pads=pads, output_padding=more, group=group if group > 1 else None
    )
    case(
        "ConvTranspose",
        [real(*image), real(*filters), *([real(filters[1] * group)] if bias else [])],
        lambda x, w, b=None, r=rank, s=strides, d=dilations, p=pads, m=more, g=group: CONV_TRANSPOSE[r](
            x, w, b, stride=s or 1, dilation=d or 1, padding=(p or [0] * r)[:r], output_padding=m or 0, groups=g
        ),
        attrs,
        title(image, filters, attrs),
        second,
    )

for image, kernel, strides, dilations, pads, ceil, second in (
    ((1, 2, 6), [2], None, None, None, 0, True),
    ((1, 1, 7), [3], [2], [2], [1], 0, False),
    ((1, 1, 4, 4), [2, 2], [2, 2], None, None, 0, True),
    ((1, 2, 4, 3), [3, 2], None, None, [1, 1], 0, False),
    ((1, 1, 5, 5), [2, 2], [2, 2], None, None, 1, False),
    ((1, 1, 5, 6), [3, 3], [2, 2], None, [1, 1], 1, False),
    ((1, 1, 5, 5), [2, 2], [1, 2], [2, 1], [1, 0], 0, False),
    ((1, 1, 3, 4, 3), [2, 2, 2], [1, 2, 1], None, None, 0, False),
    ((1, 1, 4, 3, 3), [2, 2, 1], [2, 1, 2], [1, 2, 1], [1, 1, 0], 1, False),
):
    rank = len(kernel)
    attrs = attributes(
        kernel_shape=kernel, strides=strides, dilations=dilations, pads=pads and pads * 2, ceil_mode=ceil or None
    )
    case(
        "MaxPool",
        [apart(*image)],
        lambda x, r=rank, k=kernel, s=strides, d=dilations, p=pads, c=ceil: MAX_POOL[r](
            x, k, stride=s or [1] * r, padding=p or 0, dilation=d or 1, ceil_mode=bool(c)
        ),
        attrs,
        title(image, attrs),
        second,
    )
EQUALS = [[[[1.0, 1.0, 0.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
case("MaxPool", [EQUALS], lambda x: F.max_pool2d(x, [2, 2]), {"kernel_shape": [2, 2], "strides": [2, 2]}, "of equals")

for image, kernel, strides, pads, ceil, padding, second in (
    ((1, 2, 5), [2], None, None, 0, 0, True),
    ((1, 1, 6), [3], [2], [1], 0, 1, False),
    ((1, 1, 4, 4), [2, 2], [2, 2], None, 0, 0, True),
    ((1, 1, 4, 3), [3, 2], None, [1, 1], 0, 0, False),
    ((1, 1, 4, 3), [3, 2], None, [1, 1], 0, 1, False),
    ((1, 1, 5, 5), [2, 2], [2, 2], None, 1, 0, False),
    ((1, 1, 5, 6), [3, 3], [2, 2], [1, 1], 1, 0, False),
    ((1, 1, 5, 6), [3, 3], [2, 2], [1, 1], 1, 1, False),
    ((1, 1, 4, 4), [2, 2], [3, 3], None, 1, 1, False),
    ((1, 1, 3, 3, 4), [2, 2, 2], [1, 1, 2], [1, 0, 1], 0, 1, False),
    ((1, 1, 3, 3, 4), [2, 2, 3], [2, 1, 2], [0, 1, 1], 1, 0, False),
):
    rank = len(kernel)
    attrs = attributes(
        kernel_shape=kernel,
        strides=strides,
        pads=pads and pads * 2,
        ceil_mode=ceil or None,
        count_include_pad=padding or None,
    )
    case(
        "AveragePool",
        [real(*image)],
        lambda x, r=rank, k=kernel, s=strides, p=pads, c=ceil, n=padding: AVERAGE_POOL[r](
            x, k, stride=s or [1] * r, padding=p or 0, ceil_mode=bool(c), count_include_pad=bool(n)
        ),
        attrs,
        title(image, attrs),
        second,
    )
for p in (1, 2, 3):
    case(
        "LpPool",
        [real(1, 1, 4, 3)],
        lambda x, p=p: F.lp_pool2d(x.abs(), p, [2, 2], [2, 1]),
        {"kernel_shape": [2, 2], "strides": [2, 1], "p": p},
        f"two axes p {p}",
        True,
    )
    case(
        "LpPool",
        [real(1, 2, 5)],
        lambda x, p=p: F.lp_pool1d(x.abs(), p, 3, 1),
        {"kernel_shape": [3], "p": p},
        f"one axis p {p}",
    )
    case(
        "GlobalLpPool",
        [real(1, 2, 2, 3)],
        lambda x, p=p: torch.linalg.vector_norm(x, p, (2, 3), keepdim=True),
        {"p": p},
        f"p {p}",
        True,
    )
case(
    "LpPool",
    [real(1, 1, 3, 3, 3)],
    lambda x: F.lp_pool3d(x, 2, [2, 2, 3], [1, 1, 1]),
    {"kernel_shape": [2, 2, 3]},
    "three axes",
)
for shape in ((1, 2, 3), (2, 1, 2, 3), (1, 1, 2, 2, 2)):
    axes = tuple(range(2, len(shape)))
    case("GlobalAveragePool", [real(*shape)], lambda x, a=axes: x.mean(a, keepdim=True), name=f"{shape}")
    case("GlobalMaxPool", [apart(*shape)], lambda x, a=axes: torch.amax(x, a, keepdim=True), name=f"{shape}")

PLACES = [[[[5, 1], [8, 10]]]]
case(
    "MaxUnpool",
    [real(1, 1, 2, 2), PLACES],
    lambda x, i: F.max_unpool2d(x, i, 2, 2),
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    "two axes",
)
for strides, pads, dilations in ((None, None, None), ([2, 1], [1, 1, 1, 1], None), (None, [0, 1, 0, 1], [2, 1])):
    window = {"stride": strides or 1, "padding": (pads or [0, 0])[:2], "dilation": dilations or 1}
    attrs = attributes(strides=strides, pads=pads, dilations=dilations)
    count = F.unfold(torch.zeros(1, 1, 4, 3), [2, 2], **window).shape[2]
    case(
        "Col2Im",
        [real(1, 4, count), [4, 3], [2, 2]],
        lambda x, *_, w=window: F.fold(x, [4, 3], [2, 2], **w),
        attrs,
        title(attrs),
    )
    case(
        "weft.Im2Col", [real(1, 2, 4, 3), [2, 2]], lambda x, _, w=window: F.unfold(x, [2, 2], **w), attrs, title(attrs)
    )

# Resize: where both mean the same. A half pixel for align_corners=False, edges repeated.
MODES = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}, "cubic": {2: "bicubic"}}
for mode, shape, sizes in (
    ("linear", (1, 2, 4), [6]), ("linear", (1, 1, 5), [3]), ("linear", (1, 1, 3, 2), [4, 5]), ("linear", (1, 2, 4, 3), [2, 2]),
    ("linear", (1, 1, 2, 3, 2), [3, 2, 4]), ("cubic", (1, 1, 3, 3), [5, 4]), ("cubic", (1, 1, 5, 4), [3, 2]),
    ("cubic", (1, 2, 2, 3), [2, 5]),
):  # fmt: skip
    for corners in (False, True):
        how = {"mode": mode, "coordinate_transformation_mode": "align_corners" if corners else "half_pixel"}
        case(
            "Resize",
            [real(*shape), None, None, [*shape[:2], *sizes]],
            lambda x, *_, s=sizes, m=MODES[mode][len(sizes)], c=corners: F.interpolate(x, s, mode=m, align_corners=c),
            how,
            f"{mode} {shape} to {sizes}{' corners' if corners else ''}",
        )
for shape, sizes in (((1, 1, 4), [7]), ((1, 1, 5, 3), [3, 4]), ((1, 1, 2, 2, 3), [3, 1, 5])):
    case(
        "Resize",
        [real(*shape), None, None, [*shape[:2], *sizes]],
        lambda x, *_, s=sizes: F.interpolate(x, s, mode="nearest"),
        {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
        f"nearest {shape} to {sizes}",
    )
    case(
        "Resize",
        [real(*shape), None, None, [*shape[:2], *sizes]],
        lambda x, *_, s=sizes: F.interpolate(x, s, mode="nearest-exact"),
        {"mode": "nearest", "nearest_mode": "round_prefer_ceil", "coordinate_transformation_mode": "half_pixel"},
        f"nearest exact {shape} to {sizes}",
    )
case(
    "Resize",
    [real(1, 1, 4, 3), None, Typed("f32", [1.0, 1.0, 1.5, 2.0])],
    lambda x, *_: F.interpolate(x, scale_factor=(1.5, 2.0), mode="bilinear", align_corners=False),
    {"mode": "linear"},
    "linear by scales",
)
case(
    "Resize",
    [real(1, 1, 5, 5), None, Typed("f32", [1.0, 1.0, 0.75, 0.5])],
    lambda x, *_: F.interpolate(x, scale_factor=(0.75, 0.5), mode="bicubic", align_corners=False),
    {"mode": "cubic"},
    "cubic by scales",
)
for mode, torch_mode, more in (("linear", "bilinear", {}), ("cubic", "bicubic", {"cubic_coeff_a": -0.5})):
    for shape, sizes in (((1, 1, 6, 5), [3, 2]), ((1, 1, 4, 7), [6, 3])):
        case(
            "Resize",
            [real(*shape), None, None, [*shape[:2], *sizes]],
            lambda x, *_, s=sizes, m=torch_mode: F.interpolate(x, s, mode=m, align_corners=False, antialias=True),
            {"mode": mode, "antialias": 1, "exclude_outside": 1, **more},
            f"{mode} antialias {shape} to {sizes}",
        )

GRID_MODES = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}
for mode, torch_mode in GRID_MODES.items():
    for padding in ("zeros", "border", "reflection"):
        for corners in (0, 1):
            case(
                "GridSample",
                [
                    real(1, 2 if (mode, padding) == ("linear", "zeros") else 1, 3, 3),
                    real(1, 2, 2, 2, low=-1.3, high=1.3),
                ],
                lambda x, g, m=torch_mode, p=padding, c=corners: F.grid_sample(x, g, m, p, bool(c)),
                {"mode": mode, "padding_mode": padding, "align_corners": corners},
                f"{mode} {padding} {corners}",
                mode == "linear" and padding == "zeros",
            )
for mode, padding, corners in (
    ("linear", "zeros", 0),
    ("linear", "border", 1),
    ("linear", "reflection", 0),
    ("nearest", "zeros", 1),
):
    case(
        "GridSample",
        [real(1, 1, 2, 3, 3), real(1, 1, 2, 2, 3, low=-1.2, high=1.2)],
        lambda x, g, m=GRID_MODES[mode], p=padding, c=corners: F.grid_sample(x, g, m, p, bool(c)),
        {"mode": mode, "padding_mode": padding, "align_corners": corners},
        f"{mode} {padding} {corners} of volumes",
    )
for mode in ("linear", "cubic"):
    case(
        "GridSample",
        [real(1, 1, 3, 3), [[[[0.0, 0.0], [0.0, 0.25], [-0.75, 0.0]]]]],
        lambda x, g, m=GRID_MODES[mode]: F.grid_sample(x, g, m, "zeros", True),
        {"mode": mode, "align_corners": 1},
        f"{mode} on pixels",
    )
for corners in (0, 1):
    case(
        "AffineGrid",
        [real(2, 2, 3), [2, 1, 2, 3]],
        lambda t, _, c=corners: F.affine_grid(t, [2, 1, 2, 3], bool(c)),
        {"align_corners": corners},
        f"images {corners}",
    )
    case(
        "AffineGrid",
        [real(1, 3, 4), [1, 1, 2, 2, 3]],
        lambda t, _, c=corners: F.affine_grid(t, [1, 1, 2, 2, 3], bool(c)),
        {"align_corners": corners},
        f"volumes {corners}",
    )
