// Operator definitions as JSON.
#include "core/op/describe.h"

#include <cmath>

#include "core/base/json.h"

namespace weft {

namespace {

std::string formals_text(const std::vector<Formal>& formals) {
  std::string out = "[";
  for (const Formal& formal : formals) {
    if (out.size() > 1) out += ", ";
    out += cat("{\"name\": ", json_string(formal.name), ", \"type\": ", json_string(formal.type));
    if (formal.optional) out += ", \"optional\": true";
    if (formal.variadic) out += cat(", \"variadic\": true, \"min_count\": ", formal.min_count);
    out += cat(", \"doc\": ", json_string(formal.doc), "}");
  }
  return out + "]";
}

// JSON has no number for those that are not finite: they are strings, "inf", "-inf" and "nan".
std::string json_number(double value) { return std::isfinite(value) ? cat(value) : json_string(cat(value)); }

std::string default_text(const AttrDef& attr) {
  const AttrValue& value = *attr.default_value;
  if (attr.use == AttrUse::kFlag) return value.i() != 0 ? "true" : "false";
  if (attr.use == AttrUse::kDType) return json_string(dtype_name(static_cast<DType>(value.i())));
  switch (value.kind()) {
    case AttrKind::kInt: return cat(value.i());
    case AttrKind::kFloat: return json_number(value.f());
    case AttrKind::kString: return json_string(value.s());
    case AttrKind::kInts: return cat("[", join(value.ints()), "]");
    case AttrKind::kFloats: {
      std::vector<std::string> items;
      for (double item : value.floats()) items.push_back(json_number(item));
      return cat("[", join(items), "]");
    }
    case AttrKind::kStrings: {
      std::string out = "[";
      for (const std::string& item : value.strings()) out += cat(out.size() > 1 ? ", " : "", json_string(item));
      return out + "]";
    }
    case AttrKind::kTensor:
    case AttrKind::kGraph: return "null";
  }
  return "null";
}

}  // namespace

std::string describe_attrs(const std::vector<AttrDef>& attrs) {
  std::string out = "[";
  for (const AttrDef& attr : attrs) {
    out += cat(out.size() > 1 ? ", " : "", "{\"name\": ", json_string(attr.name),
               ", \"kind\": ", json_string(attr.kind_text()), ", \"required\": ", attr.required);
    if (attr.default_value) out += cat(", \"default\": ", default_text(attr));
    out += cat(", \"doc\": ", json_string(attr.doc), "}");
  }
  return out + "]";
}

std::string describe_op(const OpDef& op) {
  std::string out = cat("{\"name\": ", json_string(op.name()), ", \"domain\": ", json_string(op.domain()),
                        ", \"group\": ", json_string(op.group_name()), ", \"since\": ", op.since_version(),
                        ", \"doc\": ", json_string(op.doc_text()), ", \"inputs\": ", formals_text(op.inputs()),
                        ", \"outputs\": ", formals_text(op.outputs()), ", \"attrs\": ");
  out += cat(describe_attrs(op.attrs()), ", \"types\": {");
  bool first = true;
  for (const TypeVar& variable : op.type_vars()) {
    out += cat(first ? "" : ", ", json_string(variable.name), ": ", json_string(dtype_set_text(variable.set)));
    first = false;
  }
  const bool differentiable = op.no_gradient_reason().empty();
  out += cat("}, \"differentiable\": ", differentiable);
  if (!op.no_gradient_reason().empty()) out += cat(", \"no_gradient\": ", json_string(op.no_gradient_reason()));
  return out + "}";
}

std::string describe_ops(const OpRegistry& ops) {
  std::string out = "[";
  for (const OpDef* op : ops.all()) {
    if (!op->is_listed()) continue;
    out += cat(out.size() > 1 ? ",\n" : "\n", describe_op(*op));
  }
  return out + "\n]\n";
}

}  // namespace weft
