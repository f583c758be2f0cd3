// What operators over images whose channels lie side by side, [N, D1, ..., C], are made of: those over ONNX's images.
#pragma once

#include "core/graph/expr.h"
#include "core/op/layout.h"

namespace weft {

inline Dims permuted(const Dims& dims, const std::vector<int64_t>& perm) {
  Dims out;
  for (int64_t axis : perm) out.push_back(dims[axis]);
  return out;
}

// Images as ONNX has them.
inline Result<Expr> channels_first(BodyContext& c, int input) {
  Expr x = c.input(input);
  if (!x.has_rank()) return unimplemented("input ", input, " needs a rank to have its channels moved");
  return transpose(x, to_channels_first(x.rank()));
}

// The operator over images as ONNX has them: inputs 0 and, if there is one, `image` are images, and so is the output unless
// it is a weight.
template <const char* const& op, int image = 0, bool weight = false>
Status between_transposes(BodyContext& c) {
  std::vector<Expr> inputs;
  for (int i = 0; i < c.input_count(); ++i) {
    inputs.push_back(c.input(i));
    if (i != 0 && i != image) continue;
    WEFT_TRY(inputs.back(), channels_first(c, i));
  }
  Expr y = make(c.scope(), op, inputs, c.attrs());
  c.set_output(0, weight ? y : transpose(y, to_channels_last(inputs[0].rank())));
  return {};
}

// What the rule for images as ONNX has them says of input 0 and output 0. The body would tell the same, and take far longer.
template <Status (*rule)(InferContext&)>
Status infer_between_transposes(InferContext& c) {
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 3) return invalid("X must be [N, D1, ..., C] but is ", c.input(0).text());
  ValueType x = c.input(0);
  x.dims = permuted(x.dims, to_channels_first(c.rank(0)));
  InferContext plain = c;
  plain.set_input(0, x);
  WEFT_CHECK(rule(plain));
  const ValueType& y = plain.output(0);
  if (y.has_rank) c.set_dims(0, permuted(y.dims, to_channels_last(c.rank(0))));
  return {};
}

}  // namespace weft
