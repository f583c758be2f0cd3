// Col2Im: an image from the blocks that cover it, and Im2Col, which takes them out again.
#include "core/graph/expr.h"
#include "core/op/window.h"

namespace weft {
namespace {

// How many there are, if that is known; the inputs that are lists of sizes must agree.
Result<std::optional<int64_t>> spatial_axes(const InferContext& c, std::optional<int64_t> image_axes) {
  std::optional<int64_t> spatial = image_axes;
  for (int i = 1; i < c.input_count(); ++i) {
    WEFT_CHECK(c.check_vector(i));
    if (!c.has_rank(i) || !c.dims(i)[0].known()) continue;
    const int64_t own = c.dims(i)[0].value();
    if (spatial && *spatial != own) {
      return invalid("the image has ", *spatial, " axes but '", c.op().inputs()[static_cast<size_t>(i)].name, "' has ",
                     own, " sizes");
    }
    spatial = own;
  }
  if (spatial && (*spatial < 1 || *spatial > kMostAxes - 2)) {
    return invalid("the image has ", *spatial, " axes but must have 1 to ", kMostAxes - 2);
  }
  return spatial;
}

struct Blocks {
  Dim elements, count;  // of a block, and of blocks
};

Result<Blocks> blocks_of(const Window& window, const Dims& image) {
  Blocks out{Dim(1), Dim(1)};
  for (size_t i = 0; i < image.size(); ++i) {
    if (image[i].known() && image[i].value() < 0) {
      return invalid("the image would have ", image[i].value(), " pixels along axis ", i);
    }
    out.elements = out.elements * window.kernel[i];
    WEFT_TRY(Dim along, window.output_size(static_cast<int64_t>(i), image[i], false));
    out.count = out.count * along;
  }
  return out;
}

Status infer_col2im(InferContext& c) {
  if (c.has_rank(0) && c.rank(0) != 3) {
    return invalid("'input' must be [N, C * elements of a block, L] but is ", c.input(0).text());
  }
  WEFT_TRY(std::optional<int64_t> spatial, spatial_axes(c, std::nullopt));
  if (!spatial) return {};
  const Dims image = c.ints(1) != nullptr ? *c.ints(1) : c.fresh_dims(*spatial);
  Dims out{c.has_rank(0) ? c.dims(0)[0] : c.fresh(), c.fresh()};
  const Dims* block = c.ints(2);
  WEFT_TRY(Window window, read_window(c.attrs(), *spatial, block != nullptr ? *block : c.fresh_dims(*spatial)));
  WEFT_TRY(Blocks blocks, blocks_of(window, image));
  if (c.has_rank(0)) {
    const Dim &columns = c.dims(0)[1], &given = c.dims(0)[2];
    if (columns.known() && blocks.elements.known() && columns.value() % blocks.elements.value() != 0) {
      return invalid("'input' ", c.input(0).text(), " has ", columns.text(), " elements for each block, which ",
                     blocks.elements.text(), " for each channel do not divide");
    }
    if (blocks.count.known() && given.known() && !(blocks.count == given)) {
      return invalid("an image of ", dims_text(image), " has ", blocks.count.text(), " blocks of ",
                     dims_text(window.kernel), " but 'input' ", c.input(0).text(), " has ", given.text());
    }
    Result<Dim> channels = columns.exact_div(blocks.elements);
    if (channels.ok()) out[1] = *channels;
  }
  out.insert(out.end(), image.begin(), image.end());
  c.set_dims(0, std::move(out));
  return {};
}

Status infer_im2col(InferContext& c) {
  if (c.has_rank(0) && c.rank(0) < 3) {
    return invalid("'image' must be [N, C, D1, ...] but is ", c.input(0).text());
  }
  WEFT_TRY(std::optional<int64_t> spatial,
           spatial_axes(c, c.has_rank(0) ? std::optional<int64_t>(c.rank(0) - 2) : std::nullopt));
  if (!spatial || !c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(3));
    return {};
  }
  const Dims& x = c.dims(0);
  const Dims* block = c.ints(1);
  WEFT_TRY(Window window, read_window(c.attrs(), *spatial, block != nullptr ? *block : c.fresh_dims(*spatial)));
  WEFT_TRY(Blocks blocks, blocks_of(window, Dims(x.begin() + 2, x.end())));
  c.set_dims(0, {x[0], x[1] * blocks.elements, blocks.count});
  return {};
}

Status grad_col2im(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.Im2Col", {c.grad(0), c.input(2)}, c.attrs()));
  return {};
}

Status grad_im2col(GradContext& c) {
  Expr sizes = make(c.scope(), "Shape", {c.input(0)}, {{"start", int64_t{2}}});
  c.set_grad(0, make(c.scope(), "Col2Im", {c.grad(0), sizes, c.input(1)}, c.attrs()));
  return {};
}

OpDef& block_schema(OpDef& op, DTypeSet types) {
  return op.types("T", types)
      .optional_attr("dilations", AttrKind::kInts, "Distance of the pixels of a block; 1 if not given.")
      .optional_attr("pads", AttrKind::kInts, "Padding before each axis of the image, then after each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step of the blocks along each axis of the image; 1 if not given.");
}

}  // namespace

void define_op_col2im(OpRegistry& ops) {
  block_schema(ops.add("Col2Im"), kTensorTypes)
      .group("nn/conv")
      .since(18)
      .doc(
          "An image from the blocks that cover it: each element of each block is added to the pixel that it lies on; "
          "what lies on padding is dropped. Truth values are joined by or. Strings have no sum: no two may lie on one "
          "pixel, and one that none lies on is the empty string. The gradient takes the blocks out of an image again.")
      .input("input", "T", "[N, C * elements of a block, L], with L blocks in the order of their places, row by row.")
      .input("image_shape", "i64", "[axes]: the sizes of the image in pixels.")
      .shapes_outputs()
      .input("block_shape", "i64", "[axes]: the sizes of a block.")
      .shapes_outputs()
      .output("output", "T", "[N, C, the sizes of the image].")
      .infer(infer_col2im)
      .grad(grad_col2im);
  block_schema(ops.add(kWeftDomain, "Im2Col"), kNumberTypes | kComplexTypes)
      .group("gradient/conv")
      .doc("The blocks that cover an image, with zeros for its padding. The gradient of Col2Im.")
      .input("image", "T", "[N, C, D1, ...].")
      .input("block_shape", "i64", "[axes]: the sizes of a block.")
      .shapes_outputs()
      .output("output", "T", "[N, C * elements of a block, L].")
      .infer(infer_im2col)
      .grad(grad_im2col);
}

}  // namespace weft
