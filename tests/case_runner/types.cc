// Every type that a schema allows.
#include "tests/case_runner/types.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/case_runner/checks.h"

namespace weft {

namespace {

// Where results are not those of a wide type, cut to the narrow one.
struct Own {
  const char* op;
  DTypeSet types;
  const char* why;
};
constexpr DTypeSet kNarrowIntegers = set_of(DType::kI8, DType::kI16, DType::kU8, DType::kU16, DType::kU32, DType::kU64);
const Own kOwn[] = {
    {"BitCast", kAllTypes, "the type is what is asked for"},
    {"Cast", kAllTypes, "the type is what is asked for"},
    {"CastLike", kAllTypes, "the type is what is asked for"},
    {"ai.onnx.ml.CategoryMapper", set_of(DType::kString), "strings become integers, and integers strings"},
    {"CenterCropPad", set_of(DType::kString), "padding is the empty string"},
    {"Col2Im", set_of(DType::kString), "they have no sum, and what nothing lies on is the empty string"},
    {"GridSample", kNarrowIntegers, "what is not a number is another integer in each type"},
    {"GridSample", set_of(DType::kString), "what lies beyond the ends is the empty string"},
    {"weft.PlaceByKey", set_of(DType::kString), "what is left out is the empty string"},
    {"ai.onnx.ml.LabelEncoder", set_of(DType::kString), "each type has a default of its own"},
    {"QuantizeLinear", kAllTypes, "the type of the scale says what is divided in, and its results have a range"},
    {"RandomUniform", set_of(DType::kF16, DType::kBF16), "rounding does not reach the upper limit"},
    {"RandomUniformLike", set_of(DType::kF16, DType::kBF16), "rounding does not reach the upper limit"},
    {"weft.RandomUniform", set_of(DType::kF16, DType::kBF16), "rounding does not reach the upper limit"},
    {"ReduceLogSum", kNarrowIntegers, "the logarithm of 0 becomes the least number of the type"},
    {"ReduceMax", set_of(DType::kU64), "the least number of the type, where there are none"},
    {"ReduceMin", set_of(DType::kU64), "the greatest number of the type, where there are none"},
    {"Resize", kNarrowIntegers, "the nearest number of the type"},
    {"Shrink", kNarrowIntegers, "the nearest number of the type"},
    {"NonZero", set_of(DType::kString), "only the empty string counts as 0"},
    {"Trilu", set_of(DType::kString), "what is left out is the empty string"},
    {"Unique", set_of(DType::kString), "strings stand in the order of their letters"},
    {"Pad", set_of(DType::kString), "padding is the empty string"},
    {"Resize", set_of(DType::kString), "what lies outside is the empty string"},
};
bool has_own_results(const std::string& op, DType dtype) {
  return std::any_of(std::begin(kOwn), std::end(kOwn),
                     [&](const Own& row) { return row.op == op && contains(row.types, dtype); });
}

// What the numbers of a type are compared with: wide types hold all numbers that are narrower.
std::vector<DType> references_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF64:
    case DType::kI32:
    case DType::kI64: return {};   // cases have literals of these
    case DType::kBool: return {};  // what a truth value means, no number does
    default: break;
  }
  if (dtype == DType::kC128) return {DType::kF64, DType::kF32};
  if (is_float(dtype) || is_complex(dtype)) return {DType::kF32, DType::kF64};
  return {DType::kI64, DType::kI32, DType::kF32, DType::kF64};
}

// `from` as numbers of another type, without a sign where that has none. Complex numbers get no imaginary part.
Result<Tensor> converted(const Tensor& from, DType to) {
  if (from.dtype() == to) return from;
  if (is_complex(from.dtype()) || is_complex(to)) {
    const bool out = is_complex(to);
    const DType real = (out ? to : from.dtype()) == DType::kC64 ? DType::kF32 : DType::kF64;
    Tensor parts = from;
    if (out) {
      WEFT_TRY(parts, converted(from, real));
    }
    WEFT_TRY(Tensor y, Tensor::make(out ? to : real, from.shape()));
    for (int64_t i = 0; i < from.count(); ++i) {
      if (real == DType::kF32)
        y.as<float>()[out ? 2 * i : i] = parts.as<float>()[out ? i : 2 * i];
      else
        y.as<double>()[out ? 2 * i : i] = parts.as<double>()[out ? i : 2 * i];
      if (out && real == DType::kF32) y.as<float>()[2 * i + 1] = 0;
      if (out && real == DType::kF64) y.as<double>()[2 * i + 1] = 0;
    }
    return out ? y : converted(y, to);
  }
  WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(builtin_ops()));
  WEFT_TRY(ValueId x, graph->add_input("x", ValueType::tensor(from.dtype(), to_dims(from.shape()))));
  WEFT_TRY(NodeId node, graph->add("", "Cast", {x}, {{"to", static_cast<int64_t>(to)}}, {}));
  WEFT_TRY(std::shared_ptr<Session> session, Session::make(graph, {}));
  std::vector<Tensor> out;
  WEFT_CHECK(session->run({{x}, {graph->node(node).output(0)}, {}}, {from}, {}, &out));
  return out[0];
}

bool has_no_sign(DType dtype) {
  constexpr DTypeSet kUnsigned = set_of(DType::kU8, DType::kU16, DType::kU32, DType::kU64, DType::kU4, DType::kU2);
  return contains(kUnsigned, dtype);
}

// Numbers of the case that `dtype` holds.
Result<Tensor> rounded_to(const Tensor& value, DType dtype) {
  Tensor from = value;
  if (dtype == DType::kString && value.dtype() != DType::kString) {
    WEFT_TRY(from, converted(from, DType::kI32));
  }
  if (value.dtype() == DType::kString) {
    WEFT_TRY(from, Tensor::make(DType::kI32, value.shape()));
    for (int64_t i = 0; i < from.count(); ++i) from.as<int32_t>()[i] = static_cast<int32_t>(i % 5);
  }
  if (has_no_sign(dtype) && from.dtype() != DType::kBool) {
    WEFT_TRY(from, converted(from, is_integer(from.dtype()) ? DType::kI64 : DType::kF64));
    WEFT_TRY(from, from.copy());
    for (int64_t i = 0; i < from.count(); ++i) {
      if (from.dtype() == DType::kI64)
        from.as<int64_t>()[i] = std::abs(std::max(from.as<int64_t>()[i], -INT64_MAX));
      else  // no more than i64 holds too
        from.as<double>()[i] = std::min(std::fabs(from.as<double>()[i]), 1e15);
    }
  }
  return converted(from, dtype);
}

// A case with some of the operator's type variables as another type.
class Retyped {
 public:
  Retyped(const OpDef& op, const Case& c) : op_(op), case_(c) {}

  // The type that the case gives the variable; none if a sequence or nothing has it.
  DType bound(const std::string& variable) const {
    for (size_t i = 0; i < case_.inputs.size(); ++i) {
      const Formal* formal = op_.input_formal(static_cast<int>(i));
      if (formal == nullptr || formal->mixed || formal->type != variable || case_.inputs[i].omitted) continue;
      return case_.inputs[i].value.kind() == Kind::kTensor ? case_.inputs[i].value.dtype() : DType::kNone;
    }
    return made(variable);
  }

  // The variables as `dtype`, with numbers that `held` has.
  Result<Case> as(const std::set<std::string>& variables, DType held, DType dtype) const {
    Case out = case_;
    for (size_t i = 0; i < out.inputs.size(); ++i) {
      const Formal* formal = op_.input_formal(static_cast<int>(i));
      if (formal == nullptr || variables.count(formal->type) == 0 || out.inputs[i].omitted) continue;
      if (out.inputs[i].value.kind() != Kind::kTensor) return invalid("sequences stay");
      WEFT_TRY(out.inputs[i].value, rounded_to(out.inputs[i].value, held));
      WEFT_TRY(out.inputs[i].value, converted(out.inputs[i].value, dtype));
    }
    for (const AttrDef& def : op_.attrs()) {
      // A tensor that is what comes out.
      const AttrValue* tensor = out.attrs.find(def.name);
      for (const std::string& variable : variables) {
        if (tensor == nullptr || tensor->kind() != AttrKind::kTensor || by_input(variable)) continue;
        WEFT_TRY(Tensor value, rounded_to(tensor->tensor(), held));
        WEFT_TRY(value, converted(value, dtype));
        out.attrs.set(def.name, std::move(value));
        tensor = nullptr;
      }
      if (def.use != AttrUse::kDType) continue;
      // One that says what an output is, as the case has it or where it is left out.
      for (const std::string& variable : variables) {
        const AttrValue* value = out.attrs.find(def.name);
        const int64_t now = value != nullptr ? value->i() : def.default_value ? def.default_value->i() : 0;
        if (!by_input(variable) && now == static_cast<int64_t>(made(variable))) {
          out.attrs.set(def.name, static_cast<int64_t>(dtype));
        }
      }
    }
    return out;
  }

 private:
  bool by_input(const std::string& variable) const {
    return std::any_of(op_.inputs().begin(), op_.inputs().end(), [&](const Formal& f) { return f.type == variable; });
  }
  DType made(const std::string& variable) const {
    for (size_t i = 0; i < case_.outputs.size(); ++i) {
      const Formal* formal = op_.output_formal(static_cast<int>(i));
      if (formal != nullptr && formal->type == variable && case_.outputs[i].value.kind() == Kind::kTensor) {
        return case_.outputs[i].value.dtype();
      }
    }
    return DType::kNone;
  }

  const OpDef& op_;
  const Case& case_;
};

enum class Reached { kBuilt, kRun };

// The status of what failed, and which of the two it was.
Status run_case(const Case& c, Reached* step, std::vector<Tensor>* outputs) {
  *step = Reached::kBuilt;
  WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(builtin_ops()));
  std::vector<ValueId> inputs;
  Signature signature;
  std::vector<Tensor> feeds;
  for (const CaseInput& input : c.inputs) {
    inputs.push_back(kNoValue);
    if (input.omitted) continue;
    ValueType type;
    type.kind = input.value.kind();
    type.dtype = input.value.dtype();
    if (type.kind == Kind::kTensor) type = ValueType::tensor(type.dtype, to_dims(input.value.shape()));
    WEFT_TRY(inputs.back(), graph->add_input(input.name, type));
    signature.feeds.push_back(inputs.back());
    feeds.push_back(input.value);
  }
  auto [domain, name] = split_op_name(c.op);
  NodeOptions options;
  options.output_count = static_cast<int>(c.outputs.size());
  WEFT_TRY(NodeId node, graph->add(domain, name, inputs, c.attrs, options));
  for (int i = 0; i < graph->node(node).output_count; ++i) signature.fetches.push_back(graph->node(node).output(i));
  *step = Reached::kRun;
  WEFT_TRY(std::shared_ptr<Session> session, Session::make(graph, {}));
  return session->run(signature, feeds, {}, outputs);
}

// How far results in this type may be from those of a wide one: a few units in the last place, as operators made of others
// round in between.
double slack(DType dtype) {
  switch (dtype) {
    case DType::kF16: return 4e-3;
    case DType::kBF16: return 3e-2;
    case DType::kF32:
    case DType::kF64: return 1e-4;
    default: return is_float(dtype) ? 0.3 : 1e-6;
  }
}

double greatest(const Tensor& value) {
  double most = 1;
  for (int64_t i = 0; i < value.count(); ++i) {
    const double x = value.dtype() == DType::kF32   ? std::fabs(value.as<float>()[i])
                     : value.dtype() == DType::kF64 ? std::fabs(value.as<double>()[i])
                                                    : 0;
    if (std::isfinite(x)) most = std::max(most, x);
  }
  return most;
}

// In the numbers of `wanted`'s wide type, where compare has a way to read them.
Difference compare_as(const Tensor& found, const Tensor& wide, DType dtype, double tolerance) {
  Result<Tensor> wanted = converted(wide, dtype);
  if (!wanted.ok()) return {false, wanted.status().text()};
  if (found.kind() != Kind::kTensor || found.dtype() != dtype) return compare(found, *wanted, 0, 0);
  if (is_complex(dtype) || (is_float(dtype) && dtype_bits(dtype) < 16)) {
    Result<Tensor> a = converted(found, wide.dtype()), b = converted(*wanted, wide.dtype());
    if (!a.ok() || !b.ok()) return {false, "cannot be read"};
    return compare(*a, *b, tolerance, tolerance * greatest(*b));
  }
  if (dtype_bits(dtype) != 0 && dtype_bits(dtype) < 8) {
    return found.same_bits(*wanted) ? Difference{} : Difference{false, "has other bits"};
  }
  return compare(found, *wanted, tolerance, tolerance * greatest(wide));
}

}  // namespace

std::vector<std::string> check_all_types(const Case& c) {
  std::vector<std::string> problems;
  auto [domain, name] = split_op_name(c.op);
  Result<const OpDef*> found = builtin_ops().get(domain, name);
  if (!found.ok() || c.opset != 0) return problems;
  const OpDef& op = **found;
  const Retyped retyped(op, c);
  for (const TypeVar& variable : op.type_vars()) {
    const DType given = retyped.bound(variable.name);
    if (given == DType::kNone) continue;
    // All variables of one type together as well: they often must be alike.
    std::set<std::string> alike;
    for (const TypeVar& other : op.type_vars()) {
      if (retyped.bound(other.name) == given) alike.insert(other.name);
    }
    for (int number = 1; number < kDTypeCount; ++number) {
      const DType dtype = static_cast<DType>(number);
      if (!contains(variable.set, dtype) || dtype == given) continue;
      std::vector<std::set<std::string>> choices{{variable.name}};
      if (alike.size() > 1) choices.push_back(alike);
      for (const std::set<std::string>& variables : choices) {
        const std::string what = cat(c.op, " with ", variable.name, variables.size() > 1 ? " and others" : "", " as ",
                                     dtype_name(dtype), ": ");
        Result<Case> narrow = retyped.as(variables, dtype, dtype);
        if (!narrow.ok()) continue;
        Reached step;
        std::vector<Tensor> outputs;
        Status status = run_case(*narrow, &step, &outputs);
        if (!status.ok() && step == Reached::kBuilt) continue;  // the shape rule says why not
        if (status.code() == Code::kUnimplemented) {
          problems.push_back(cat(what, status.text()));
          continue;
        }
        Status wide_status;
        std::vector<Tensor> wide_outputs;
        bool compared = false;
        DType used = DType::kNone;
        const std::vector<DType> references =
            has_own_results(c.op, dtype) ? std::vector<DType>() : references_of(dtype);
        for (DType reference : references) {
          Result<Case> wide = retyped.as(variables, dtype, reference);
          if (!wide.ok()) continue;
          wide_status = run_case(*wide, &step, &wide_outputs);
          if (!wide_status.ok() && (step == Reached::kBuilt || wide_status.code() == Code::kUnimplemented)) continue;
          compared = true;
          used = reference;
          break;
        }
        if (!compared) {
          // Numbers that the case was not made for may be wrong, the library may not.
          if (status.code() == Code::kInternal) problems.push_back(cat(what, status.text()));
          continue;
        }
        if (status.code() != wide_status.code()) {
          problems.push_back(
              cat(what, "ended with '", status.text(), "', a wide type with '", wide_status.text(), "'"));
          continue;
        }
        for (size_t i = 0; status.ok() && i < c.outputs.size(); ++i) {
          if (!c.outputs[i].compared) continue;
          if (wide_outputs[i].kind() != Kind::kTensor) continue;
          const bool rounds = outputs[i].dtype() == dtype && wide_outputs[i].dtype() == used;
          const DType to = rounds ? dtype : wide_outputs[i].dtype();
          Difference d = compare_as(outputs[i], wide_outputs[i], to, std::max(slack(dtype), c.tolerance.value_or(0)));
          if (!d.same) problems.push_back(cat(what, "output '", c.outputs[i].name, "' ", d.text));
        }
      }
    }
  }
  return problems;
}

}  // namespace weft
