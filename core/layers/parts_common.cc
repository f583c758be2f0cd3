// What layers have in common.
#include "core/layers/parts_common.h"

#include "core/graph/initial.h"

namespace weft {

const char* const kActivationDoc = "\"\" for none, or relu, sigmoid, tanh, gelu, elu, leaky_relu, softplus, softmax.";
const char* const kInitialDoc =
    "Initial value: zeros, ones, glorot_uniform, glorot_normal, he_uniform, he_normal or orthogonal.";

LayerDef& add_common_attrs(LayerDef& def) {
  return def.attr("dtype", "f32", "Dtype of the variables: f32 or f64.")
      .attr("seed", int64_t{0}, "Key of the random initial values, together with the variable's name.");
}

Result<DType> layer_dtype(const Attrs& attrs) {
  WEFT_TRY(DType dtype, parse_dtype(attrs.s("dtype")));
  if (dtype != DType::kF32 && dtype != DType::kF64) return invalid("attribute 'dtype' must be f32 or f64");
  return dtype;
}

void add_weight(LayerMake& c, std::string_view name, std::string_view init, DType dtype, const Shape& shape,
                int64_t fan_in, int64_t fan_out) {
  std::string stream = c.full_name(name);
  Initial initial;
  initial.kind = c.attrs().s(init);
  initial.seed = c.attrs().i("seed");
  initial.stream = stream;
  initial.fan_in = fan_in;
  initial.fan_out = fan_out;
  Expr value = initial_value(c.scope(), initial, dtype, shape);
  if (c.scope().status().ok()) c.add_variable(name, value, true);
}

Expr activate(Expr x, const std::string& name) {
  struct Row {
    const char* name;
    const char* op;
  };
  constexpr Row kRows[] = {{"relu", "Relu"},         {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"},
                           {"gelu", "Gelu"},         {"elu", "Elu"},         {"leaky_relu", "LeakyRelu"},
                           {"softplus", "Softplus"}, {"softmax", "Softmax"}};
  if (name.empty() || !x.valid()) return x;
  for (const Row& row : kRows) {
    if (name == row.name) return make(x.scope(), row.op, {x});
  }
  x.scope().fail(invalid("activation '", name, "' is not one of ", kActivationDoc));
  return {};
}

}  // namespace weft
