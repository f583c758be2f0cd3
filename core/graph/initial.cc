// Initial values as graph.
#include "core/graph/initial.h"

#include <cmath>

namespace weft {

const char* initial_kinds() {
  return "zeros, ones, constant, uniform, normal, truncated_normal, glorot_uniform, glorot_normal, he_uniform, "
         "he_normal, orthogonal";
}

Expr initial_value(ExprScope& scope, const Initial& initial, DType dtype, const Shape& shape) {
  std::string_view kind = initial.kind;
  Expr dims = constant_ints(scope, shape);
  auto fill = [&](double value) { return make(scope, "Expand", {weft::scalar(scope, dtype, value), dims}); };
  auto random = [&](const char* op, const char* first, double a, const char* second, double b, Expr size) {
    Attrs attrs{
        {"dtype", static_cast<int64_t>(dtype)}, {"seed", initial.seed}, {"stream", std::string(initial.stream)}};
    attrs.set(first, a);
    attrs.set(second, b);
    return make(scope, op, {size, constant_int(scope, 0)}, std::move(attrs));
  };
  auto uniform = [&](double width) { return random("weft.RandomUniform", "low", -width, "high", width, dims); };
  auto normal = [&](double scale) { return random("weft.RandomNormal", "mean", 0, "scale", scale, dims); };
  double fan_in = static_cast<double>(initial.fan_in), fan_sum = fan_in + static_cast<double>(initial.fan_out);
  if (kind == "zeros") return fill(0);
  if (kind == "ones") return fill(1);
  if (kind == "constant") return fill(initial.value);
  if (kind == "uniform") return uniform(initial.value);
  if (kind == "normal") return normal(initial.value);
  if (kind == "truncated_normal") {
    return random("weft.RandomTruncatedNormal", "mean", 0, "scale", initial.value, dims);
  }
  if (kind == "glorot_uniform") return uniform(std::sqrt(6.0 / fan_sum));
  if (kind == "glorot_normal") return normal(std::sqrt(2.0 / fan_sum));
  if (kind == "he_uniform") return uniform(std::sqrt(6.0 / fan_in));
  if (kind == "he_normal") return normal(std::sqrt(2.0 / fan_in));
  if (kind == "orthogonal" && shape.size() >= 2) {
    int64_t rows = shape[0], columns = 1;
    for (size_t i = 1; i < shape.size(); ++i) columns *= shape[i];
    Expr matrix = random("weft.RandomNormal", "mean", 0, "scale", 1, constant_ints(scope, {rows, columns}));
    return reshape(make(scope, "weft.Orthogonalize", {matrix}), dims);
  }
  scope.fail(invalid("initial value '", kind, "' for the shape ", shape_text(shape), " is not one of ", initial_kinds(),
                     kind == "orthogonal" ? " (orthogonal needs two dimensions)" : ""));
  return {};
}

}  // namespace weft
