// RotateHalves: what rewriting makes of rotary embeddings.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer(InferContext& c) {
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 1) return invalid("X ", c.input(0).text(), " must have an axis of features");
  c.set_dims(0, c.dims(0));
  return {};
}

Status body(BodyContext& c) {
  const Expr x = c.input(0), cos = c.input(1), sin = c.input(2);
  const std::vector<Expr> parts =
      make_all(c.scope(), "Split", {x}, {{"axis", int64_t{-1}}, {"num_outputs", int64_t{2}}}, 2);
  WEFT_CHECK(c.scope().status());
  const Expr a = parts[0], b = parts[1];
  const int64_t last = x.rank() - 1;
  if (c.attrs().b("angles_of_pairs"))
    c.set_output(0, concat({a * cos - b * sin, a * sin + b * cos}, last));
  else
    c.set_output(0, x * cos + concat({-b, a}, last) * sin);
  return {};
}

}  // namespace

void define_op_rotate_halves(OpRegistry& ops) {
  ops.add(kWeftDomain, "RotateHalves")
      .group("nn/attention")
      .doc("`X cos + [-b, a] sin` for the halves `a` and `b` of the features of X: rotary position embedding.")
      .types("T", set_of(DType::kF32, DType::kF64))
      .flag("angles_of_pairs", false, "Whether cos and sin have one number for a feature of `a` and that of `b`.")
      .input("X", "T", "[..., features], an even number of them.")
      .input("cos", "T", "Broadcasts to X; with `angles_of_pairs`, to a half of its features.")
      .input("sin", "T", "The same of sines.")
      .output("Y", "T", "The shape of X.")
      .infer(infer)
      .body(body)
      .internal();
}

}  // namespace weft
