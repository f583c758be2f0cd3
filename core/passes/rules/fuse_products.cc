// Matrix products and convolutions take up the bias that follows, and the limits of a Relu or Clip; matrix products, what
// transposes their operands.
#include <algorithm>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

bool has_fused_kernel(const RuleContext& c) {
  DType dtype = c.type(c.node.output(0)).dtype;
  return dtype == DType::kF32 || dtype == DType::kF64;
}

bool same_dims(const ValueType& a, const ValueType& b) { return a.has_rank && b.has_rank && a.dims == b.dims; }

// A number for each of the last axis: [N], [1, N] or the like.
bool by_last(const ValueType& type, const Dim& last) {
  return type.has_rank && !type.dims.empty() && type.dims.back() == last &&
         std::all_of(type.dims.begin(), type.dims.end() - 1, [](const Dim& dim) { return dim.is(1); });
}

// A MatMul by matrices and a vector along its last axis.
bool fuse_matmul_bias(RuleContext& c, int side) {
  const Node* product = c.input_from(side, "MatMul", true);
  if (product == nullptr) return false;
  const ValueType &out = c.type(product->output(0)), &bias = c.type(c.input(1 - side));
  const ValueType& right = c.type(product->inputs[1]);
  bool fits = same_dims(out, c.type(c.node.output(0))) && right.has_rank && right.dims.size() >= 2 &&
              !out.dims.empty() && by_last(bias, out.dims.back());
  if (!fits) return false;
  Expr vector = c.mapped_input(1 - side);
  if (bias.dims.size() > 1) vector = reshape(vector, constant_ints(c.scope(), {-1}));
  c.replace(make(c.scope(), "weft.FusedMatMul", {c.mapped(product->inputs[0]), c.mapped(product->inputs[1]), vector}));
  return true;
}

// A Conv or ConvTranspose without a bias and one number for each channel.
bool fuse_conv_bias(RuleContext& c, int side) {
  const Node* conv = c.input_from(side, "Conv", true);
  if (conv == nullptr) conv = c.input_from(side, "ConvTranspose", true);
  if (conv == nullptr || conv->inputs.size() > 2) return false;
  const ValueType &out = c.type(conv->output(0)), &bias = c.type(c.input(1 - side));
  if (!same_dims(out, c.type(c.node.output(0))) || !bias.has_rank) return false;
  size_t rank = out.dims.size(), given = bias.dims.size();
  if (given + 1 != rank && given != rank) return false;
  for (size_t i = 0; i < given; ++i) {
    size_t axis = i + rank - given;
    if (axis == 1 ? !(bias.dims[i] == out.dims[1]) : !bias.dims[i].is(1)) return false;
  }
  std::vector<Expr> inputs = c.mapped_inputs(*conv);
  inputs.push_back(reshape(c.mapped_input(1 - side), constant_ints(c.scope(), {-1})));
  c.replace(make(c.scope(), conv->op->full_name(), inputs, conv->attrs));
  return true;
}

Status fuse_bias(RuleContext& c) {
  if (!has_fused_kernel(c)) return {};
  for (int side : {0, 1}) {
    if (fuse_matmul_bias(c, side) || fuse_conv_bias(c, side)) return {};
  }
  return {};
}

// A product that brings its results to limits, in place of the one before the node.
void take_limits(RuleContext& c, std::optional<double> low, std::optional<double> high) {
  struct Row {
    const char* from;
    const char* to;
  };
  constexpr Row kRows[] = {{"MatMul", "weft.FusedMatMul"},
                           {"weft.FusedMatMul", "weft.FusedMatMul"},
                           {"Gemm", "weft.FusedGemm"},
                           {"Conv", "weft.FusedConv"},
                           {"weft.ChannelsLastConvTranspose", "weft.ChannelsLastConvTranspose"}};
  for (const Row& row : kRows) {
    const Node* product = c.input_from(0, row.from, true);
    if (product == nullptr) continue;
    const Attrs& attrs = product->attrs;
    if (attrs.has("low") || attrs.has("high")) return;
    bool weighs_c = attrs.has("beta") && product->inputs.size() > 2 && attrs.f("beta") != 0 && attrs.f("beta") != 1;
    const ValueType& type = c.type(product->output(0));
    if (weighs_c || !type.has_rank || type.dims.size() > 5) return;
    Attrs fused = attrs;
    if (low) fused.set("low", *low);
    if (high) fused.set("high", *high);
    c.replace(make(c.scope(), row.to, c.mapped_inputs(*product), fused));
    return;
  }
}

Status fuse_relu(RuleContext& c) {
  if (has_fused_kernel(c)) take_limits(c, 0, std::nullopt);
  return {};
}

Status fuse_clip(RuleContext& c) {
  if (!has_fused_kernel(c)) return {};
  std::optional<double> limits[2];
  for (int i : {0, 1}) {
    if (c.input(i + 1) == kNoValue) continue;
    limits[i] = c.constant_number(c.input(i + 1));
    // Attributes hold what f32 does.
    if (!limits[i] || static_cast<double>(static_cast<float>(*limits[i])) != *limits[i]) return {};
  }
  if (limits[0] || limits[1]) take_limits(c, limits[0], limits[1]);
  return {};
}

// Whether a product had better read a transposed operand from where it is: rows, if the last axis stays the last, are as near
// as before; a matrix that is turned is copied by the product in any case.
bool read_in_place(const std::vector<int64_t>& perm) {
  return perm.size() >= 2 && (perm.back() + 1 == static_cast<int64_t>(perm.size()) || perm.size() == 2);
}

Status fuse_transpose(RuleContext& c) {
  if (!has_fused_kernel(c)) return {};
  std::vector<Expr> inputs = c.mapped_inputs(c.node);
  Attrs attrs = c.attrs();
  bool found = false;
  for (int i : {0, 1}) {
    const char* name = i == 0 ? "permA" : "permB";
    const Node* turn = c.input_from(i, "Transpose", true);
    if (turn == nullptr || attrs.has(name)) continue;
    const std::vector<int64_t> perm = turn->attrs.ints_or_empty("perm");
    if (!read_in_place(perm)) continue;
    inputs[static_cast<size_t>(i)] = c.mapped(turn->inputs[0]);
    attrs.set(name, perm);
    found = true;
  }
  if (!found) return {};
  const Expr y = c.make_with_kernel("weft.FusedMatMul", inputs, std::move(attrs));
  if (y.valid()) c.replace(y);
  return {};
}

}  // namespace

void add_rule_fuse_products(RuleRegistry& rules) {
  rules.add({"fuse_bias", "Add", fuse_bias});
  rules.add({"fuse_relu", "Relu", fuse_relu});
  rules.add({"fuse_clip", "Clip", fuse_clip});
  for (const char* op : {"MatMul", "weft.FusedMatMul"}) rules.add({"fuse_transpose", op, fuse_transpose});
}

}  // namespace weft
