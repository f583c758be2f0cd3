// Blocks of pixels moved between channels and space: DepthToSpace and SpaceToDepth.
#include "core/graph/downgrade.h"
#include "core/ops/heads_common.h"

namespace weft {
namespace {

Result<int64_t> block_size(const Attrs& attrs) {
  const int64_t size = attrs.i("blocksize");
  if (size >= 1 && size <= kMostElements) return size;
  return invalid("attribute 'blocksize' is ", size, " but must be at least 1");
}

// `dim` in parts of `by`, if that divides it.
Result<Dim> divided(InferContext& c, const Dim& dim, const Dim& by, const char* what) {
  if (dim.known() && by.known() && by.value() > 0 && dim.value() % by.value() != 0) {
    return invalid("'input' ", c.input(0).text(), " has ", dim.text(), " ", what, ", which ", by.text(),
                   " does not divide");
  }
  Result<Dim> exact = dim.exact_div(by);
  return exact.ok() ? *exact : c.fresh();
}

Status check_image(const InferContext& c) {
  if (c.rank(0) == 4) return {};
  return invalid("'input' must be [N, C, H, W] but is ", c.input(0).text());
}

Status infer_depth_to_space(InferContext& c) {
  const std::string& mode = c.attrs().s("mode");
  if (mode != "DCR" && mode != "CRD") {
    return invalid("attribute 'mode' is \"", mode, "\" but must be \"DCR\" or \"CRD\"");
  }
  WEFT_TRY(int64_t size, block_size(c.attrs()));
  if (!c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(4));
    return {};
  }
  WEFT_CHECK(check_image(c));
  const Dims& x = c.dims(0);
  WEFT_TRY(Dim channels, divided(c, x[1], Dim(size) * Dim(size), "channels"));
  c.set_dims(0, {x[0], std::move(channels), x[2] * Dim(size), x[3] * Dim(size)});
  return {};
}

Status infer_space_to_depth(InferContext& c) {
  WEFT_TRY(int64_t size, block_size(c.attrs()));
  if (!c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(4));
    return {};
  }
  WEFT_CHECK(check_image(c));
  const Dims& x = c.dims(0);
  WEFT_TRY(Dim height, divided(c, x[2], Dim(size), "rows"));
  WEFT_TRY(Dim width, divided(c, x[3], Dim(size), "columns"));
  c.set_dims(0, {x[0], x[1] * Dim(size) * Dim(size), std::move(height), std::move(width)});
  return {};
}

// What lay by channel first is put so again.
Status grad_depth_to_space(GradContext& c) {
  ExprScope& s = c.scope();
  const int64_t size = c.attrs().i("blocksize");
  Expr dx = make(s, "SpaceToDepth", {c.grad(0)}, {{"blocksize", size}});
  if (c.attrs().s("mode") == "CRD") {
    auto sizes = [&](int64_t begin, int64_t end) { return make(s, "Shape", {dx}, {{"start", begin}, {"end", end}}); };
    Expr places = constant_ints(s, {size}) * constant_ints(s, {size});
    Expr parts = reshape(dx, concat({sizes(0, 1), places, sizes(1, 2) / places, sizes(2, 4)}, 0));
    dx = reshape(transpose(parts, {0, 2, 1, 3, 4}), shape_of(dx));
  }
  c.set_grad(0, dx);
  return {};
}

// Before opset 11 channels lay by place in the block first; those that lie by channel first are put so.
Status channels_by_place(DowngradeContext& c) {
  if (c.attrs.s("mode") == "DCR") return {};
  ExprScope& s = c.scope();
  const Expr x = c.inputs[0], size = constant_ints(s, {c.attrs.i("blocksize")});
  const Expr places = size * size;
  const Expr parts = reshape(x, concat({dims_of(x, 0, 1), dims_of(x, 1, 2) / places, places, dims_of(x, 2, 4)}, 0));
  c.inputs[0] = reshape(transpose(parts, {0, 2, 1, 3, 4}), shape_of(x));
  c.attrs.set("mode", "DCR");
  return s.status();
}

Status grad_space_to_depth(GradContext& c) {
  c.set_grad(0, make(c.scope(), "DepthToSpace", {c.grad(0)}, {{"blocksize", c.attrs().i("blocksize")}}));
  return {};
}

}  // namespace

void define_op_depth_to_space(OpRegistry& ops) {
  ops.add("DepthToSpace")
      .group("shape")
      .since(13)
      .doc(
          "Channels moved into blocks of pixels: with blocks of b x b, pixel (h * b + i, w * b + j) of channel c is "
          "pixel (h, w) of channel `(i * b + j) * K + c` (DCR), or `c * b * b + i * b + j` (CRD), of K channels "
          "that there are then.")
      .types("T", kTensorTypes)
      .required_attr("blocksize", AttrKind::kInt, "b, the height and width of a block in pixels.")
      .attr("mode", "DCR", "\"DCR\": channels lie by place in the block first; \"CRD\": by channel first.")
      .input("input", "T", "[N, C, H, W].")
      .output("output", "T", "[N, C / b / b, H * b, W * b].")
      .infer(infer_depth_to_space)
      .grad(grad_depth_to_space)
      .downgrade(11, channels_by_place);
  ops.add("SpaceToDepth")
      .group("shape")
      .since(13)
      .doc(
          "Blocks of pixels moved into channels: channel `(i * b + j) * C + c` at (h, w) is pixel "
          "(h * b + i, w * b + j) of channel c.")
      .types("T", kTensorTypes)
      .required_attr("blocksize", AttrKind::kInt, "b, the height and width of a block in pixels.")
      .input("input", "T", "[N, C, H, W].")
      .output("output", "T", "[N, C * b * b, H / b, W / b].")
      .infer(infer_space_to_depth)
      .grad(grad_space_to_depth);
}

}  // namespace weft
