// SelfAttention: every position looks at all.
#include "core/layers/parts_common.h"

namespace weft {
namespace {

Status make(LayerMake& c) {
  const int64_t units = c.attrs().i("units"), heads = c.attrs().i("heads");
  // Three times that is a size too.
  constexpr int64_t kMost = int64_t{1} << 30;
  if (units < 1 || units > kMost) return invalid("'units' is ", units, " but must be from 1 to 2^30");
  if (heads < 1 || units % heads != 0) return invalid("'heads' is ", heads, " but must divide 'units', ", units);
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  // Queries, keys and values are three layers that lie side by side, each with initial values of one.
  add_weight(c, "kernel", "kernel_init", dtype, {units, 3 * units}, units, units);
  add_weight(c, "out_kernel", "kernel_init", dtype, {units, units}, units, units);
  if (c.attrs().b("bias")) {
    add_weight(c, "bias", "bias_init", dtype, {3 * units}, units, units);
    add_weight(c, "out_bias", "bias_init", dtype, {units}, units, units);
  }
  return {};
}

Status call(LayerCall& c) {
  ExprScope& s = c.scope();
  Expr all = matmul(c.input(0), c.variable("kernel"));
  if (c.has_variable("bias")) all = all + c.variable("bias");
  const std::vector<Expr> parts = make_all(s, "Split", {all}, {{"axis", int64_t{-1}}, {"num_outputs", int64_t{3}}}, 3);
  WEFT_CHECK(s.status());
  const int64_t heads = c.attrs().i("heads");
  Attrs attrs{{"q_num_heads", heads}, {"kv_num_heads", heads}};
  if (c.attrs().b("causal")) attrs.set("is_causal", int64_t{1});
  Expr y = matmul(weft::make(s, "Attention", {parts[0], parts[1], parts[2]}, attrs), c.variable("out_kernel"));
  if (c.has_variable("out_bias")) y = y + c.variable("out_bias");
  c.add_output(y);
  return {};
}

}  // namespace

void define_layer_self_attention(LayerRegistry& layers) {
  add_common_attrs(
      layers.add("SelfAttention")
          .doc(
              "Multi-head attention of a sequence to itself (Vaswani et al., 2017). Its variables are `kernel` [units, "
              "3 * units], of queries, keys and values side by side, `out_kernel` [units, units], `bias` [3 * units] "
              "and `out_bias` [units]; PyTorch's `in_proj_weight` and `out_proj.weight` are the transposes of the "
              "first two. The operator Attention takes masks, caches and fewer heads of keys.")
          .required_attr("units", AttrKind::kInt, "Size of the last dimension of the input and of the output.")
          .required_attr("heads", AttrKind::kInt, "Number of heads; it divides `units`.")
          .flag("causal", false, "Whether each position looks only at those up to itself.")
          .flag("bias", true, "Whether there are biases.")
          .attr("kernel_init", "glorot_uniform", kInitialDoc)
          .attr("bias_init", "zeros", kInitialDoc)
          .input("[batch, positions, units].")
          .output("[batch, positions, units]."))
      .make(make)
      .call(call);
}

}  // namespace weft
