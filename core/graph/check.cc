// Checks a node against its schema and infers what its outputs will be.
#include <algorithm>

#include "core/graph/expr.h"
#include "core/graph/graph.h"
#include "core/graph/subgraph.h"

namespace weft {

namespace {

struct TypeText {
  Kind kind = Kind::kTensor, holds = Kind::kTensor;
  std::string_view element;  // a type variable or dtype; of maps that of the values
  std::string_view keys;     // of maps
};

TypeText read_type(std::string_view type) {
  TypeText out;
  if (type.starts_with("seq(")) {
    out = read_type(type.substr(4, type.size() - 5));
    out.holds = out.kind;
    out.kind = Kind::kSequence;
  } else if (type.starts_with("optional(")) {
    out.kind = Kind::kOptional;
    out.element = type.substr(9, type.size() - 10);
  } else if (type.starts_with("map(")) {
    const size_t comma = type.find(", ");
    out.kind = Kind::kMap;
    out.keys = type.substr(4, comma - 4);
    out.element = type.substr(comma + 2, type.size() - comma - 3);
  } else {
    out.element = type;
  }
  return out;
}

bool same_kind(const TypeText& want, const ValueType& have) {
  if (want.kind != have.kind) return false;
  return want.kind != Kind::kSequence || want.element == "any" || want.holds == have.holds;
}

const char* kind_text(const TypeText& type) {
  switch (type.kind) {
    case Kind::kTensor: return "tensor";
    case Kind::kSequence: return type.holds == Kind::kMap ? "sequence of maps" : "sequence of tensors";
    case Kind::kOptional: return "optional";
    case Kind::kMap: return "map";
  }
  return "";
}

// The types that the variables of a schema have so far.
class BoundTypes {
 public:
  explicit BoundTypes(const OpDef& op) : op_(op) {}

  // `text` is a variable or a dtype, `what` what is of the type that input `i` has.
  Status meet(const Formal& formal, size_t i, std::string_view what, std::string_view text, DType have) {
    const TypeVar* variable = op_.find_type_var(text);
    DTypeSet allowed;
    if (variable != nullptr) {
      allowed = variable->set;
    } else {
      WEFT_TRY(DType only, parse_dtype(text));
      allowed = set_of(only);
    }
    if (have == DType::kNone) return {};  // an empty sequence
    if (!contains(allowed, have)) {
      const std::string wanted = dtype_set_text(allowed);
      const bool several = wanted.find(',') != std::string::npos;
      return invalid(what, "input ", label(formal, i), " is ", dtype_name(have), " but must be ",
                     several ? "one of " : "", wanted);
    }
    if (variable == nullptr || formal.mixed) return {};
    const auto at =
        std::find_if(bound_.begin(), bound_.end(), [&](const Bound& b) { return b.variable == variable->name; });
    if (at == bound_.end()) {
      bound_.push_back({variable->name, have, &formal, i});
    } else if (at->dtype != have) {
      return invalid("inputs ", label(*at->by, at->input), " and ", label(formal, i), " must have one dtype but are ",
                     dtype_name(at->dtype), " and ", dtype_name(have), "; convert one of them with Cast");
    }
    return {};
  }

  // kNone for what no input has told.
  Result<DType> dtype(std::string_view text) const {
    if (op_.find_type_var(text) == nullptr) return parse_dtype(text);
    for (const Bound& b : bound_) {
      if (b.variable == text) return b.dtype;
    }
    return DType::kNone;
  }

 private:
  struct Bound {
    std::string_view variable;
    DType dtype;
    const Formal* by;
    size_t input;
  };
  // All inputs of a list have one name.
  static std::string label(const Formal& formal, size_t i) {
    return formal.variadic ? cat("'", formal.name, "' (input ", i, ")") : cat("'", formal.name, "'");
  }

  const OpDef& op_;
  std::vector<Bound> bound_;
};

// Whether inference cannot tell one value from the other.
bool looks_the_same(const Value& a, const Value& b) {
  if (!(a.type == b.type) || (a.constant == nullptr) != (b.constant == nullptr)) return false;
  if (a.constant == nullptr) return true;
  return a.constant->buffer() != nullptr && a.constant->buffer() == b.constant->buffer() &&
         a.constant->offset() == b.constant->offset();
}

}  // namespace

Status bind_types(const OpDef& op, const std::vector<const ValueType*>& inputs, std::vector<ValueType>* outputs) {
  BoundTypes bound(op);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    const Formal& formal = *op.input_formal(static_cast<int>(i));
    const TypeText want = read_type(formal.type);
    const ValueType& have = *inputs[i];
    if (want.element == "any" && want.kind == Kind::kTensor) continue;
    if (!same_kind(want, have)) {
      return invalid("input '", formal.name, "' must be a ", kind_text(want), " but is ", have.text());
    }
    if (want.element == "any") continue;
    const bool map = !want.keys.empty();
    if (map) WEFT_CHECK(bound.meet(formal, i, "the type of keys of ", want.keys, have.keys));
    WEFT_CHECK(bound.meet(formal, i, map ? "the type of values of " : "", want.element, have.dtype));
  }
  for (size_t i = 0; i < outputs->size(); ++i) {
    const Formal& formal = *op.output_formal(static_cast<int>(i));
    const TypeText want = read_type(formal.type);
    ValueType& out = (*outputs)[i];
    out.kind = want.kind;
    out.holds = want.holds;
    if (want.element == "any" || formal.mixed) continue;
    WEFT_TRY(const DType dtype, bound.dtype(want.element));
    if (dtype != DType::kNone) out.dtype = dtype;
    if (want.keys.empty()) continue;
    WEFT_TRY(out.keys, bound.dtype(want.keys));
  }
  return {};
}

Status Graph::complete_attrs(const OpDef& op, Attrs* attrs) const {
  WEFT_CHECK(weft::complete_attrs(op.full_name(), op.attrs(), attrs));
  for (const AttrDef& def : op.attrs()) {
    const AttrValue* value = attrs->find(def.name);
    if (value == nullptr) continue;
    // The library's own operators say it themselves, but none looks at hints; functions of programs are given what their
    // languages have for it.
    if (op.is_added() || def.is_hint) WEFT_CHECK(check_use(def, *value));
    attrs->set(def.name, op.held(*value));
  }
  return {};
}

Status Graph::check_inputs(const OpDef& op, const ValueId* inputs, int count) const {
  if (count < op.min_inputs()) {
    return invalid("needs at least ", op.min_inputs(), op.min_inputs() == 1 ? " input" : " inputs", " but has ", count,
                   ": '", op.input_formal(count)->name, "' is missing");
  }
  for (int i = 0; i < count; ++i) {
    const Formal* formal = op.input_formal(i);
    if (formal == nullptr) return invalid("takes at most ", op.inputs().size(), " inputs but has ", count);
    if (inputs[i] == kNoValue) {
      if (!formal->optional) return invalid("input '", formal->name, "' must be given");
    } else if (!has_value(inputs[i])) {
      return invalid("input '", formal->name, "' is not a value of this graph");
    }
  }
  return {};
}

Result<int> Graph::output_count(const OpDef& op, const Attrs& attrs, const NodeOptions& options) const {
  // A node always has the outputs that its operator always makes: rules and kernels rely on them.
  int always = 0, variadic = 0;
  for (const Formal& formal : op.outputs()) {
    if (formal.optional) break;
    (formal.variadic ? variadic : always) += formal.variadic ? formal.min_count : 1;
  }
  int count = std::max(options.output_count, always);
  if (options.output_count == 0) {
    count += variadic;
    // Control flow returns what its sub-graphs do.
    for (const auto& [name, attr] : attrs) {
      if (attr.kind() == AttrKind::kGraph) count = std::max<int>(count, attr.graph()->outputs().size());
    }
  }
  if (count > 0 && op.output_formal(count - 1) == nullptr) {
    return invalid("has at most ", op.outputs().size(), " outputs but ", count, " are asked for");
  }
  return count;
}

InferContext Graph::infer_context(const OpDef& op, const Attrs& attrs, const std::vector<ValueId>& inputs,
                                  int32_t schema_inputs, std::string_view name, int output_count) const {
  std::vector<const ValueType*> types;
  std::vector<const Tensor*> constants;
  for (int32_t i = 0; i < schema_inputs; ++i) {
    bool given = inputs[i] != kNoValue;
    types.push_back(given ? &values_[inputs[i]].type : nullptr);
    constants.push_back(given ? values_[inputs[i]].constant.get() : nullptr);
  }
  return InferContext(op, attrs, std::move(types), std::move(constants), output_count, fresh_prefix(name));
}

Status Graph::infer(const OpDef& op, const Attrs& attrs, const std::vector<ValueId>& inputs, int32_t schema_inputs,
                    std::string_view name, std::vector<ValueType>* outputs) const {
  InferContext context = infer_context(op, attrs, inputs, schema_inputs, name, static_cast<int>(outputs->size()));
  std::vector<const ValueType*> types;
  for (int32_t i = 0; i < schema_inputs; ++i) types.push_back(context.has_input(i) ? &context.input(i) : nullptr);
  WEFT_CHECK(bind_types(op, types, &context.outputs()));
  if (op.infer_fn() != nullptr) {
    WEFT_CHECK(op.infer_fn()(context));
  } else if (op.body_fn() != nullptr) {
    WEFT_CHECK(infer_through_body(op, attrs, inputs, fresh_prefix(name), &context.outputs()));
  }
  for (int i = 0; i < context.output_count(); ++i) {
    ValueType& type = context.output(i);
    if (type.kind == Kind::kTensor && type.dtype == DType::kNone) {
      return internal_error("the shape rule of ", op.full_name(), " left the dtype of output ", i, " open");
    }
    if (static_cast<int64_t>(type.dims.size()) > kMostAxes) {
      return invalid("output ", i, " would have more than ", kMostAxes, " dimensions, which no value has");
    }
    for (const Dim& dim : type.dims) {
      if (dim.known() && dim.value() < 0) return invalid("output ", i, " would have the shape ", dims_text(type.dims));
    }
    if (type.ints != nullptr && type.ints->size() > static_cast<size_t>(kMaxKnownInts)) type.ints = nullptr;
  }
  *outputs = std::move(context.outputs());
  return {};
}

bool Graph::known_outputs(const std::vector<ValueId>& inputs, const std::string& name, const NodeOptions& options,
                          std::vector<ValueType>* outputs) const {
  if (options.copied_from == nullptr) return false;
  const Graph& from = *options.copied_from;
  const Node& copied = *options.copied;
  // Dimensions that only a run will tell are called after their node and the depth of its graph.
  if (from.depth_ != depth_ || copied.name != name || copied.inputs.size() != inputs.size()) return false;
  if (copied.output_count != static_cast<int>(outputs->size())) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if ((copied.inputs[i] == kNoValue) != (inputs[i] == kNoValue)) return false;
    if (inputs[i] != kNoValue && !looks_the_same(from.values_[copied.inputs[i]], values_[inputs[i]])) return false;
  }
  for (int i = 0; i < copied.output_count; ++i) (*outputs)[i] = from.type(copied.output(i));
  return true;
}

Status Graph::infer_through_body(const OpDef& op, const Attrs& attrs, const std::vector<ValueId>& inputs,
                                 const std::string& prefix, std::vector<ValueType>* outputs) const {
  WEFT_TRY(std::shared_ptr<Graph> scratch, body_graph(op));
  // Sizes that only a run will tell are called after nodes, of which every body has some of the same name.
  if (!prefix.empty()) WEFT_CHECK(scratch->push_scope(prefix));
  ExprScope scope(*scratch);
  WEFT_TRY(const std::vector<ValueId> given, add_stand_ins(*this, inputs, *scratch));
  std::vector<Expr> arguments;
  for (ValueId id : given) arguments.push_back(id == kNoValue ? Expr() : Expr(scope, id));
  Result<std::vector<Expr>> results =
      expand_body(scope, op, attrs, std::move(arguments), static_cast<int>(outputs->size()), "");
  // The error is this operator's, at the line that adds it, whatever it is made of.
  if (!results.ok()) return results.status().without_place();
  GraphReading reading(*scratch);  // whoever built it may have kept it
  for (size_t i = 0; i < results->size(); ++i) {
    const Expr& result = (*results)[i];
    if (result.valid()) (*outputs)[i] = result.type();
  }
  return {};
}

Status UpgradeContext::attr_to_input(std::string_view attr, size_t input) {
  const AttrValue* value = attrs.find(attr);
  if (value == nullptr) return {};
  Tensor tensor =
      value->kind() == AttrKind::kInt ? Tensor::scalar<int64_t>(value->i()) : Tensor::vector<int64_t>(value->ints());
  WEFT_TRY(ValueId id, graph_.add_constant(std::move(tensor)));
  while (inputs.size() <= input) inputs.push_back(kNoValue);
  inputs[input] = id;
  attrs.erase(attr);
  return {};
}

}  // namespace weft
