"""Windows over images: convolutions, pools, and what samples images."""

import numpy as np

import values
from maker import Maker, Shape, rule


class Window:
    """A window's attributes over `rank` axes, drawn so that it fits `size` padded elements at least."""

    def __init__(self, m: Maker, rank: int, same: bool = True, kernel: bool = True) -> None:
        self.kernel = [m.integer(1, 3) for _ in range(rank)]
        self.strides = [m.integer(1, 3) for _ in range(rank)] if m.chance(0.6) else [1] * rank
        self.dilations = [m.integer(1, 2) for _ in range(rank)] if m.chance(0.4) else [1] * rank
        self.auto = m.one_of("auto_pad", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER") if same else "NOTSET"
        if self.auto.startswith("SAME"):
            self.dilations = [1] * rank
        self.span = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations)]
        # At most as much padding as keeps every window on the image.
        self.pads = [m.integer(0, (s - 1) // 2 if m.chance(0.7) else s - 1) for s in self.span * 2]
        if kernel:
            m.attr("kernel_shape", self.kernel)
        if self.strides != [1] * rank or m.chance(0.5):
            m.attr("strides", self.strides)
        if self.dilations != [1] * rank or m.chance(0.3):
            m.attr("dilations", self.dilations)
        if self.auto == "NOTSET" and m.chance(0.6):
            m.attr("pads", self.pads)
        else:
            self.pads = [0] * 2 * rank

    def image(self, m: Maker) -> Shape:
        """Sizes over which the window fits once at least."""
        rank = len(self.kernel)
        return tuple(max(1, self.span[i] - self.pads[i] - self.pads[rank + i]) + m.integer(0, 5) for i in range(rank))

    def places(self, image: Shape) -> list[int]:
        """How often it fits along each axis."""
        rank = len(image)
        padded = [size + self.pads[i] + self.pads[rank + i] for i, size in enumerate(image)]
        return [(size - span) // stride + 1 for size, span, stride in zip(padded, self.span, self.strides)]


@rule("Conv", "ConvInteger")
def conv(m: Maker) -> None:
    m.sums()
    window = Window(m, m.integer(1, 3), kernel=False)
    if m.chance(0.5):
        m.attr("kernel_shape", window.kernel)
    group, per_in, per_out = m.integer(1, 3), m.integer(1, 3), m.integer(1, 3)
    m.attr("group", group)
    image, filters = ("X", "W") if m.op == "Conv" else ("x", "w")
    m.input(image, (m.dim(), group * per_in, *window.image(m)))
    m.input(filters, (group * per_out, per_in, *window.kernel))
    if m.op == "Conv":
        m.optional("B", (group * per_out,))
    else:
        m.optional("x_zero_point", ())
        m.optional("w_zero_point", (group * per_out,) if m.chance(0.3) else ())


@rule("QLinearConv")
def qlinear_conv(m: Maker) -> None:
    m.steps = 1
    window = Window(m, m.integer(1, 2))
    group, per_in, per_out = m.integer(1, 2), m.integer(1, 3), m.integer(1, 3)
    m.attr("group", group)
    each = (group * per_out,) if m.chance(0.4) else ()
    m.input("x", (m.dim(1, 3), group * per_in, *window.image(m)), -50, 50)
    m.input("w", (group * per_out, per_in, *window.kernel), -50, 50)
    m.input("x_scale", (), 0.01, 0.3)
    m.input("w_scale", each, 0.01, 0.3)
    m.input("y_scale", (), 0.1, 1)
    m.input("x_zero_point", (), -5, 5)
    m.give("w_zero_point", np.full(each, m.integer(0, 5)))
    m.input("y_zero_point", (), -5, 5)
    m.optional("B", (group * per_out,))


@rule("ConvTranspose")
def conv_transpose(m: Maker) -> None:
    m.sums()
    rank = m.integer(1, 3)
    window = Window(m, rank)
    group, per_in, per_out = m.integer(1, 2), m.integer(1, 3), m.integer(1, 3)
    m.attr("group", group)
    m.input("X", (m.dim(), group * per_in, *window.image(m)))
    m.input("W", (group * per_in, per_out, *window.kernel))
    m.optional("B", (group * per_out,))
    if window.auto == "NOTSET" and m.chance(0.4):
        m.attr("output_padding", [m.integer(0, s - 1) for s in window.strides])


@rule("DeformConv")
def deform(m: Maker) -> None:
    m.sums()
    window = Window(m, 2, same=False)
    image = window.image(m)
    group, per_in, per_out, shifts = m.integer(1, 2), m.integer(1, 2), m.integer(1, 2), m.integer(1, 2)
    m.attr("group", group)
    channels = group * per_in * shifts
    m.attr("offset_group", shifts)
    out = window.places(image)
    taps = window.kernel[0] * window.kernel[1] * shifts
    batch = m.dim(1, 2)
    m.input("X", (batch, channels, *image))
    m.input("W", (group * per_out, channels // group, *window.kernel))
    m.input("offset", (batch, 2 * taps, *out), -1.4, 1.4)
    m.optional("B", (group * per_out,))
    m.optional("mask", (batch, taps, *out), 0, 1)


@rule("AveragePool", "MaxPool", "LpPool")
def pool(m: Maker) -> None:
    m.summed = m.op != "MaxPool"
    window = Window(m, m.integer(1, 3))
    if window.auto == "NOTSET":
        m.flag("ceil_mode")
    else:
        m.omit("ceil_mode")
    if m.op == "LpPool":
        m.attr("p", m.integer(1, 3))
    shape = (m.dim(), m.dim(1), *window.image(m))
    if m.op != "MaxPool":
        m.input("X", shape)
        return
    # All different, so that there is one greatest element.
    count = int(np.prod(shape))
    if values.bits(m.type("X")) < 16 or (values.element(m.type("X")) == "bfloat16" and count > 256):
        m.input("X", shape)
    else:
        m.give("X", m.rng.permutation(count).reshape(shape) - count // 2)


@rule("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def whole(m: Maker) -> None:
    m.summed = m.op != "GlobalMaxPool"
    m.input("X", (m.dim(), m.dim(), *m.shape(1, 3, least=1)))
    if m.op == "GlobalLpPool":
        m.attr("p", m.integer(1, 3))


@rule("MaxUnpool")
def unpool(m: Maker) -> None:
    rank = m.integer(1, 2)
    kernel = [m.integer(1, 3) for _ in range(rank)]
    strides = [m.integer(1, 3) for _ in range(rank)] if m.chance(0.6) else [1] * rank
    m.attr("kernel_shape", kernel)
    if strides != [1] * rank:
        m.attr("strides", strides)
    shape = (m.dim(1, 2), m.dim(1, 2), *(m.dim(1, 4) for _ in range(rank)))
    out = [(n - 1) * s + k for n, s, k in zip(shape[2:], strides, kernel)]
    whole_size = int(np.prod([*shape[:2], *out]))
    m.input("X", shape)
    m.give("I", m.rng.permutation(whole_size)[: int(np.prod(shape))].reshape(shape))
    m.omit("output_shape")


@rule("Col2Im")
def col2im(m: Maker) -> None:
    m.sums()
    window = Window(m, m.integer(2, 3), same=False, kernel=False)
    image = window.image(m)
    m.allow("T", lambda t: values.element(t) != "string")  # which have no sum
    m.give("image_shape", image)
    m.give("block_shape", window.kernel)
    m.input("input", (m.dim(1, 3), m.dim(1, 3) * int(np.prod(window.kernel)), int(np.prod(window.places(image)))))


@rule("Upsample")
def upsample(m: Maker) -> None:
    m.sums()
    mode = m.one_of("mode", "nearest", "linear")
    m.bind("T", "tensor(float)")  # what onnxruntime has both modes for
    shape = (*((1, 1) if mode == "linear" else (m.dim(1), m.dim(1))), m.dim(1), m.dim(1))
    m.input("X", shape)
    m.give("scales", [1, 1, m.choose([1, 1.5, 2, 3]), m.choose([1, 2, 2.5])])


@rule("Resize")
def resize(m: Maker) -> None:
    m.sums()
    mode = m.one_of("mode", "nearest", "linear", "cubic")
    rank = m.choose([2, 4, 4, 3, 1])
    shape = tuple(m.dim(1) for _ in range(rank))
    if mode == "cubic":  # over two axes
        shape = (*(1 if m.chance(0.5) else n for n in shape[:-2]), *shape[-2:])
    m.omit("axes")
    m.omit("extrapolation_value")
    coordinates = m.one_of(
        "coordinate_transformation_mode", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
        "asymmetric", "tf_crop_and_resize",
    )  # fmt: skip
    if mode == "nearest":
        m.one_of("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        m.omit("antialias")
        m.omit("exclude_outside")
    else:
        m.flag("antialias")
        if mode == "cubic":
            m.flag("exclude_outside")
            m.attr("cubic_coeff_a", m.choose([-0.75, -0.5]))
        else:
            m.omit("exclude_outside")
    axes = list(range(rank))
    if m.chance(0.3):
        axes = m.some(axes, 1)
        m.attr("axes", axes)
    turned = [axis for axis in axes if axis >= rank - 2]
    m.input("X", shape)
    if coordinates == "tf_crop_and_resize":
        m.attr("extrapolation_value", m.real(-3, 3))
        roi = m.input("roi", (2 * len(axes),), 0, 1)
        roi[:] = np.sort(roi.reshape(2, -1), 0).ravel()  # starts before ends
        for i, axis in enumerate(axes):
            if axis not in turned:
                roi[i], roi[len(axes) + i] = 0, 1
    else:
        m.omit("roi")
    if m.chance(0.5):
        m.give("scales", [m.choose([0.5, 2.0, 1.5, 0.75, 3.0, 1.0]) if axis in turned else 1.0 for axis in axes])
        m.omit("sizes")
        m.omit("keep_aspect_ratio_policy")
    else:
        m.omit("scales")
        m.give("sizes", [m.integer(1, 8) if axis in turned else shape[axis] for axis in axes])
        if len(turned) == len(axes) and coordinates != "tf_crop_and_resize":
            m.one_of("keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller")
        else:
            m.omit("keep_aspect_ratio_policy")


@rule("GridSample")
def grid_sample(m: Maker) -> None:
    m.sums()
    rank = m.choose([2, 2, 3, 1])
    m.one_of("mode", "linear", "nearest", *(["cubic"] if rank == 2 else []))
    m.one_of("padding_mode", "zeros", "border", "reflection")
    batch = m.dim(1, 2)
    m.input("X", (batch, m.dim(1, 3), *(m.dim(1) for _ in range(rank))))
    m.input("grid", (batch, *(m.dim(1, 4) for _ in range(rank)), rank), -1.3, 1.3)


@rule("AffineGrid")
def affine(m: Maker) -> None:
    m.sums()
    rank = m.integer(2, 3)
    batch = m.dim(1, 3)
    m.input("theta", (batch, rank, rank + 1))
    m.give("size", [batch, m.dim(1), *(m.dim(1) for _ in range(rank))])


def regions(m: Maker, count: int, height: int, width: int, scale: float) -> list[list[float]]:
    """Corners x1, y1, x2, y2 in order."""
    found = []
    for _ in range(count):
        x, y = sorted(m.real(0, width / scale) for _ in range(2)), sorted(m.real(0, height / scale) for _ in range(2))
        found.append([x[0], y[0], x[1], y[1]])
    return found


@rule("RoiAlign")
def roi_align(m: Maker) -> None:
    m.sums()
    m.one_of("coordinate_transformation_mode", "half_pixel", "output_half_pixel")
    m.one_of("mode", "avg", "max")
    scale = m.attr("spatial_scale", m.choose([1.0, 0.5]))
    m.attr("output_height", m.integer(1, 3))
    m.attr("output_width", m.integer(1, 3))
    m.attr("sampling_ratio", m.integer(0, 3))
    batch, height, width, count = m.dim(1, 3), m.dim(2, 6), m.dim(2, 6), m.dim()
    m.input("X", (batch, m.dim(1, 3), height, width))
    m.give("rois", np.reshape(regions(m, count, height, width, scale), (count, 4)))
    m.input("batch_indices", (count,), 0, batch - 1)


@rule("MaxRoiPool")
def max_roi_pool(m: Maker) -> None:
    scale = m.attr("spatial_scale", m.choose([1.0, 0.5]))
    m.attr("pooled_shape", [m.integer(1, 3), m.integer(1, 3)])
    batch, height, width, count = m.dim(1, 3), m.dim(2, 6), m.dim(2, 6), m.dim()
    m.input("X", (batch, m.dim(1, 3), height, width))
    rows = [[m.integer(0, batch - 1), *np.floor(region)] for region in regions(m, count, height - 1, width - 1, scale)]
    m.give("rois", np.reshape(rows, (count, 5)))


@rule("NonMaxSuppression")
def suppression(m: Maker) -> None:
    batch, classes, boxes = m.dim(1, 3), m.dim(1, 3), m.dim(1, 6)
    center = m.flag("center_point_box")
    corners = np.sort(m.rng.random((batch, boxes, 2, 2)), 2).reshape(batch, boxes, 4)
    if center:
        corners[..., 2:] -= corners[..., :2]
    m.give("boxes", corners)
    count = batch * classes * boxes  # no two scores are the same
    m.give("scores", m.rng.permutation(count).reshape(batch, classes, boxes) / count)
    m.give("max_output_boxes_per_class", [m.integer(0, boxes + 1)])
    m.optional("iou_threshold", (1,), 0, 1)
    m.optional("score_threshold", (1,), 0, 1)
