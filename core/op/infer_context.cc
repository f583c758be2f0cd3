// What a shape rule sees.
#include "core/op/infer_context.h"

#include <algorithm>
#include <optional>

#include "core/op/op_def.h"

namespace weft {

bool ValueType::operator==(const ValueType& other) const {
  const bool same_ints = ints == other.ints || (ints != nullptr && other.ints != nullptr && *ints == *other.ints);
  return alike(other) && has_rank == other.has_rank && dims == other.dims && same_ints;
}

ValueType ValueType::held() const {
  ValueType out = *this;
  out.kind = holds;
  out.holds = Kind::kTensor;
  return out;
}

ValueType ValueType::within(Kind around) const {
  ValueType out = *this;
  out.holds = kind;
  out.kind = around;
  out.ints = nullptr;
  return out;
}

std::string ValueType::text() const {
  switch (kind) {
    case Kind::kTensor: return cat(dtype_name(dtype), has_rank ? dims_text(dims) : "[...]");
    case Kind::kSequence: return cat("sequence(", held().text(), ")");
    case Kind::kOptional: return cat("optional(", held().text(), ")");
    case Kind::kMap: return cat("map(", dtype_name(keys), ", ", dtype_name(dtype), ")");
  }
  return {};
}

namespace {

// What stands in the parentheses of a type of that name.
std::optional<std::string_view> inside(std::string_view text, std::string_view name) {
  if (!text.starts_with(name) || !text.ends_with(')')) return std::nullopt;
  text.remove_prefix(name.size());
  if (!text.starts_with('(')) return std::nullopt;
  return text.substr(1, text.size() - 2);
}

std::optional<ValueType> read_tensor_type(std::string_view text) {
  ValueType type;
  const size_t bracket = text.find('[');
  if (bracket != std::string_view::npos) {
    if (!text.ends_with(']')) return std::nullopt;
    const std::string_view dims = text.substr(bracket + 1, text.size() - bracket - 2);
    text = text.substr(0, bracket);
    if (dims != "...") {
      Result<Dims> read = parse_dims(dims, "");
      if (!read.ok()) return std::nullopt;
      type.dims = std::move(*read);
      type.has_rank = true;
    }
  }
  const Result<DType> dtype = parse_dtype(text);
  if (!dtype.ok()) return std::nullopt;
  type.dtype = *dtype;
  return type;
}

std::optional<ValueType> read_map_type(std::string_view text) {
  const size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const Result<DType> keys = parse_dtype(text.substr(0, comma));
  if (!keys.ok() || !is_map_key(*keys)) return std::nullopt;
  text.remove_prefix(comma + 1);
  if (text.starts_with(' ')) text.remove_prefix(1);
  std::optional<ValueType> type = read_tensor_type(text);
  if (!type || type->has_rank) return std::nullopt;
  type->kind = Kind::kMap;
  type->keys = *keys;
  return type;
}

std::optional<ValueType> read_value_type(std::string_view text) {
  if (const auto held = inside(text, "optional")) {
    const std::optional<ValueType> type = read_value_type(*held);
    const bool sequence = type && type->kind == Kind::kSequence && type->holds == Kind::kTensor;
    if (!type || (type->kind != Kind::kTensor && !sequence)) return std::nullopt;
    return type->within(Kind::kOptional);
  }
  for (const char* name : {"seq", "sequence"}) {
    const auto item = inside(text, name);
    if (!item) continue;
    const std::optional<ValueType> type = read_value_type(*item);
    if (!type || (type->kind != Kind::kTensor && type->kind != Kind::kMap)) return std::nullopt;
    return type->within(Kind::kSequence);
  }
  if (const auto parts = inside(text, "map")) return read_map_type(*parts);
  return read_tensor_type(text);
}

}  // namespace

bool is_map_key(DType dtype) { return dtype == DType::kI64 || dtype == DType::kString; }

Result<ValueType> ValueType::parse(std::string_view text) {
  std::optional<ValueType> type = read_value_type(text);
  if (type) return std::move(*type);
  return invalid("'", text,
                 "' is no type; types are like \"f32\", \"f32[batch, 3]\", \"seq(f32)\", \"optional(f32)\" and "
                 "\"map(string, f32)\"");
}

InferContext::InferContext(const OpDef& op, const Attrs& attrs, std::vector<const ValueType*> inputs,
                           std::vector<const Tensor*> constants, int output_count, std::string fresh_prefix)
    : op_(op),
      attrs_(attrs),
      inputs_(std::move(inputs)),
      constants_(std::move(constants)),
      outputs_(output_count),
      fresh_prefix_(std::move(fresh_prefix)) {}

std::optional<std::vector<int64_t>> InferContext::numbers(int i) const {
  const Dims* known = ints(i);
  if (known == nullptr || !all_known(*known)) return std::nullopt;
  return to_shape(*known);
}

namespace {

std::string_view name_of(const OpDef& op, int input) { return op.input_formal(input)->name; }

}  // namespace

Status InferContext::check_vector(int i) const {
  if (!has_rank(i) || rank(i) == 1) return {};
  return invalid("input '", name_of(op_, i), "' must have one dimension but is ", input(i).text());
}

Status InferContext::check_scalar(int i) const {
  if (!has_rank(i) || rank(i) == 0) return {};
  return invalid("input '", name_of(op_, i), "' must be a scalar but is ", input(i).text());
}

Status InferContext::check_number(int i) const {
  if (!has_rank(i) || rank(i) == 0 || (rank(i) == 1 && (!dims(i)[0].known() || dims(i)[0].is(1)))) return {};
  return invalid("input '", name_of(op_, i), "' must be one number but is ", input(i).text());
}

Status InferContext::check_shape(int i, const Dims& wanted, std::string_view whose) const {
  if (!has_rank(i) || may_equal(dims(i), wanted)) return {};
  return invalid("input '", name_of(op_, i), "' must have the shape of ", whose, ", ", dims_text(wanted), ", but is ",
                 input(i).text());
}

Dim InferContext::fresh() { return Dim::symbol(cat("?", fresh_prefix_, ".", fresh_count_++)); }

Dims InferContext::fresh_dims(int64_t rank) {
  Dims out;
  rank = std::min(rank, kMostAxes + 1);
  for (int64_t i = 0; i < rank; ++i) out.push_back(fresh());
  return out;
}

Result<int64_t> InferContext::axis(int64_t axis, int64_t rank) {
  if (rank == 0) return invalid("axis ", axis, " was given, but a scalar has no axis");
  if (axis < -rank || axis >= rank) {
    return invalid("axis ", axis, " is outside rank ", rank, "; it must be in [", -rank, ", ", rank - 1, "]");
  }
  return axis < 0 ? axis + rank : axis;
}

Status infer_same_as_first(InferContext& c) {
  if (!c.has_rank(0)) return {};
  for (int i = 0; i < c.output_count(); ++i) c.set_dims(i, c.dims(0));
  return {};
}

Status infer_broadcast(InferContext& c) {
  Dims out;
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_rank(i)) return {};
    WEFT_TRY(out, broadcast(out, c.dims(i)));
  }
  c.set_dims(0, std::move(out));
  return {};
}

namespace {

// Arithmetic that wraps around in the dtype is not worth following.
bool fits(const Dim& value, DType dtype) {
  if (!value.known()) return true;
  switch (dtype) {
    case DType::kI64: return true;
    case DType::kU64: return value.value() >= 0;
    case DType::kBool: return value.value() == 0 || value.value() == 1;
    default: break;
  }
  if (!is_integer(dtype)) return false;
  bool is_signed = contains(set_of(DType::kI32, DType::kI16, DType::kI8, DType::kI4, DType::kI2), dtype);
  int64_t span = int64_t{1} << dtype_bits(dtype);
  return is_signed ? value.value() >= -span / 2 && value.value() < span / 2
                   : value.value() >= 0 && value.value() < span;
}

}  // namespace

void infer_ints(InferContext& c, IntsFn fn) {
  const ValueType& out = c.output(0);
  if (!out.has_rank || out.dims.size() > 1) return;
  int64_t count = 1;
  if (out.dims.size() == 1) {
    if (!out.dims[0].known() || out.dims[0].value() > kMaxKnownInts) return;
    count = out.dims[0].value();
  }
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.ints(i) == nullptr) return;
  }
  Dims values;
  std::vector<Dim> operands(c.input_count());
  for (int64_t e = 0; e < count; ++e) {
    for (int i = 0; i < c.input_count(); ++i) {
      const Dims& known = *c.ints(i);
      operands[i] = known.size() == 1 ? known[0] : known[e];
    }
    std::optional<Dim> value = fn(operands);
    if (!value || !fits(*value, out.dtype)) return;
    values.push_back(std::move(*value));
  }
  c.set_ints(0, std::move(values));
}

}  // namespace weft
