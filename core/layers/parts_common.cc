// What layers have in common.
#include "core/layers/parts_common.h"

namespace weft {

const char* const kActivationDoc = "\"\" for none, or relu, sigmoid, tanh, gelu, elu, leaky_relu, softplus, softmax.";

LayerDef& add_common_attrs(LayerDef& def) {
  return def.dtype_attr("dtype", DType::kF32, "Dtype of the variables: f32 or f64.")
      .attr("seed", int64_t{0}, "Key of the random initial values, together with the variable's name.");
}

Result<DType> layer_dtype(const Attrs& attrs) {
  const int64_t number = attrs.i("dtype");
  for (DType dtype : {DType::kF32, DType::kF64}) {
    if (number == static_cast<int64_t>(dtype)) return dtype;
  }
  const bool named = 0 < number && number < kDTypeCount;
  return invalid("attribute 'dtype' is ", named ? dtype_name(static_cast<DType>(number)) : cat(number).c_str(),
                 " but must be f32 or f64");
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

namespace {

struct Activation {
  const char* name;
  const char* op;
};
constexpr Activation kActivations[] = {{"relu", "Relu"},         {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"},
                                       {"gelu", "Gelu"},         {"elu", "Elu"},         {"leaky_relu", "LeakyRelu"},
                                       {"softplus", "Softplus"}, {"softmax", "Softmax"}};

const Activation* find_activation(std::string_view name) {
  for (const Activation& row : kActivations) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

}  // namespace

Status check_activation(const Attrs& attrs) {
  const std::string& name = attrs.s("activation");
  if (name.empty() || find_activation(name) != nullptr) return {};
  return invalid("'activation' is '", name, "' but must be ", kActivationDoc);
}

Expr activate(Expr x, const std::string& name) {
  const Activation* found = find_activation(name);
  return found == nullptr || !x.valid() ? x : make(x.scope(), found->op, {x});
}

}  // namespace weft
