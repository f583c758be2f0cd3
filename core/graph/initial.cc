// Initial values as graph.
#include "core/graph/initial.h"

#include <cmath>

#include "core/base/text.h"

namespace weft {

const char* const kInitialDoc =
    "Initial value: zeros, ones, constant(v), uniform(half width), normal(deviation), truncated_normal(deviation), "
    "glorot_uniform, glorot_normal, he_uniform, he_normal or orthogonal; as in \"normal(0.02)\".";

namespace {

// The number of "normal(0.02)"; nothing if there is none. `kind` is left with the name.
std::optional<double> split_number(std::string_view* kind) {
  size_t open = kind->find('(');
  if (open == std::string_view::npos || kind->back() != ')') return std::nullopt;
  std::optional<double> number = parse_double(kind->substr(open + 1, kind->size() - open - 2));
  if (number) *kind = kind->substr(0, open);
  return number;
}

}  // namespace

Expr initial_value(ExprScope& scope, const Initial& initial, DType dtype, const Shape& shape) {
  std::string_view kind = initial.kind;
  const std::optional<double> number = split_number(&kind);
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
  if (number && kind == "constant") return fill(*number);
  if (number && *number >= 0) {
    if (kind == "uniform") return uniform(*number);
    if (kind == "normal") return normal(*number);
    if (kind == "truncated_normal") return random("weft.RandomTruncatedNormal", "mean", 0, "scale", *number, dims);
  }
  if (number) kind = "";  // no other kind takes one
  if (kind == "zeros") return fill(0);
  if (kind == "ones") return fill(1);
  if (kind == "glorot_uniform") return uniform(std::sqrt(6.0 / fan_sum));
  if (kind == "glorot_normal") return normal(std::sqrt(2.0 / fan_sum));
  if (kind == "he_uniform") return uniform(std::sqrt(6.0 / fan_in));
  if (kind == "he_normal") return normal(std::sqrt(2.0 / fan_in));
  if (kind == "orthogonal" && shape.size() >= 2) {
    Dim columns(1);  // as a Dim, which stays as large as it gets
    for (size_t i = 1; i < shape.size(); ++i) columns = columns * Dim(shape[i]);
    Expr matrix = random("weft.RandomNormal", "mean", 0, "scale", 1, constant_ints(scope, {shape[0], columns.value()}));
    return reshape(make(scope, "weft.Orthogonalize", {matrix}), dims);
  }
  if (kind == "orthogonal") {
    scope.fail(invalid("an orthogonal initial value needs two dimensions, not the shape ", shape_text(shape)));
  } else {
    scope.fail(invalid("'", initial.kind, "' is no initial value. ", kInitialDoc));
  }
  return {};
}

}  // namespace weft
