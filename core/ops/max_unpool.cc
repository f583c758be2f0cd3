// MaxUnpool: maxima back where they came from.
#include "core/graph/expr.h"
#include "core/op/window.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// The shape of what was pooled, as the attributes have it.
Result<Dims> unpooled(const Attrs& attrs, const Dims& x) {
  const int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  WEFT_TRY(Window window, read_window(attrs, spatial, {}));
  Dims out{x[0], x[1]};
  for (int64_t i = 0; i < spatial; ++i) {
    const size_t d = static_cast<size_t>(i);
    Dim size = (x[d + 2] - Dim(1)) * Dim(window.strides[d]) + window.kernel[d] -
               Dim(window.begin_pads[d] + window.end_pads[d]);
    if (size.known() && size.value() < 0) {
      return invalid("spatial axis ", i, " of the output would have ", size.text(), " elements");
    }
    out.push_back(std::move(size));
  }
  return out;
}

Status infer_max_unpool(InferContext& c) {
  WEFT_CHECK(c.check_vector(2));
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 3) return invalid("X must be [N, C, D1, ...] but is ", c.input(0).text());
  WEFT_CHECK(c.check_shape(1, c.dims(0), "X"));
  WEFT_TRY(Dims out, unpooled(c.attrs(), c.dims(0)));
  if (!c.has_input(2)) {
    c.set_dims(0, std::move(out));
    return {};
  }
  if (c.has_rank(2) && c.dims(2)[0].known() && !c.dims(2)[0].is(c.rank(0))) {
    return invalid("'output_shape' has ", c.dims(2)[0].text(), " sizes but X has ", c.rank(0), " axes");
  }
  if (c.ints(2) == nullptr) {
    c.set_dims(0, c.fresh_dims(c.rank(0)));
    return {};
  }
  const Dims& given = *c.ints(2);
  for (size_t d = 0; d < given.size(); ++d) {
    if (given[d].known() && out[d].known() && given[d].value() < out[d].value()) {
      return invalid("'output_shape' has ", given[d].text(), " for axis ", d, ", which needs ", out[d].text());
    }
  }
  c.set_dims(0, given);
  return {};
}

// Indices count in the shape that the attributes say; what a larger output has beyond it are zeros.
Status max_unpool(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = with_rank(c.input(0), static_cast<int64_t>(c.attrs().ints("kernel_shape").size()) + 2);
  WEFT_TRY(Window window, read_window(c.attrs(), x.rank() - 2, {}));
  std::vector<int64_t> ones, more;
  for (size_t d = 0; d < window.strides.size(); ++d) {
    ones.push_back(1);
    more.push_back(window.kernel[d].value() - window.begin_pads[d] - window.end_pads[d]);
  }
  Expr space = make(s, "Shape", {x}, {{"start", int64_t{2}}});
  space = (space - constant_ints(s, ones)) * constant_ints(s, window.strides) + constant_ints(s, more);
  Expr shape = concat({make(s, "Shape", {x}, {{"end", int64_t{2}}}), space}, 0);
  Expr count = make(s, "ReduceProd", {shape}, {{"keepdims", int64_t{1}}});
  Expr all = constant_ints(s, {-1});
  Expr zeros = make(s, "Expand", {scalar_like(x, 0), count});
  Expr flat = make(s, "ScatterElements", {zeros, make(s, "Reshape", {c.input(1), all}), make(s, "Reshape", {x, all})});
  Expr y = reshape(flat, shape);
  if (c.has_input(2)) {
    Expr behind = c.input(2) - shape;
    y = make(s, "Pad", {y, concat({behind - behind, behind}, 0)});
  }
  c.set_output(0, make(s, "Identity", {y}));
  return {};
}

}  // namespace

void define_op_max_unpool(OpRegistry& ops) {
  ops.add("MaxUnpool")
      .group("nn/pool")
      .since(22)
      .doc(
          "Zeros in the shape of what MaxPool was given, with the maxima where they came from. Of several for one "
          "place the last counts.")
      .types("T1", kFloatTypes)
      .required_attr("kernel_shape", AttrKind::kInts, "Size of the window along each spatial axis.")
      .optional_attr("pads", AttrKind::kInts, "Padding before each spatial axis, then after each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step along each spatial axis; 1 if not given.")
      .input("X", "T1", "[N, C, D1, ...]: the maxima.")
      .input("I", "i64", "The shape of X: where they were, as MaxPool says, in the shape that the attributes give.")
      .optional_input("output_shape", "i64",
                      "The shape of the output, which has zeros behind what the attributes give; sizes are no smaller.")
      .shapes_outputs()
      .output("output", "T1", "[N, C, (D - 1) * stride + kernel - pads, ...], or output_shape.")
      .infer(infer_max_unpool)
      .body_by_shapes(max_unpool);
}

}  // namespace weft
