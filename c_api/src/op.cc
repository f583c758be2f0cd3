// Operators of the C ABI.
#include "weft/op.h"

#include "c_api/src/handles.h"
#include "core/graph/function_body.h"
#include "core/op/describe.h"
#include "core/runtime/builtin.h"

using namespace weft;
using namespace weft::c_api;

namespace {

std::string doc_of(const char* doc) { return doc == nullptr ? std::string() : std::string(doc); }

Result<Formal> to_formal(const char* name, const char* type, int32_t form, const char* doc) {
  WEFT_NOT_NULL(name);
  WEFT_NOT_NULL(type);
  if (form < WEFT_FORM_ONE || form > WEFT_FORM_VARIADIC) {
    return invalid("argument 'form' is ", form, " but must be 0 (once), 1 (optional) or 2 (variadic)");
  }
  Formal formal;
  formal.name = name;
  formal.type = type;
  formal.doc = doc_of(doc);
  formal.optional = form == WEFT_FORM_OPTIONAL;
  formal.variadic = form == WEFT_FORM_VARIADIC;
  return formal;
}

// What `body` builds in a graph that it is given for good.
BuildBody through(std::shared_ptr<Callback<weft_body_fn>> body) {
  return [body = std::move(body)](const std::shared_ptr<Graph>& graph, const std::vector<ValueId>& inputs,
                                  const Attrs& attrs, std::vector<ValueId>* outputs) -> Status {
    std::vector<int64_t> in, out(outputs->size(), 0);
    for (ValueId id : inputs) in.push_back(to_value(*graph, id));
    const weft_attrs given{attrs, {}};
    WEFT_CHECK(from_handle(body->function(body->user, new weft_graph(graph), in.data(), static_cast<int32_t>(in.size()),
                                          &given, out.data(), static_cast<int32_t>(out.size()))));
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i] == 0) continue;  // which the core says better
      WEFT_TRY((*outputs)[i], from_value(static_cast<const Graph&>(*graph), out[i], cat("output ", i).c_str()));
    }
    return {};
  };
}

}  // namespace

int32_t weft_op_count(void) { return builtin_ops().public_count(); }
const char* weft_op_name(int32_t i) {
  const OpDef* op = i >= 0 ? builtin_ops().public_at(i) : nullptr;
  return op != nullptr ? op->full_name().c_str() : nullptr;
}
weft_status* weft_op_inspect(const char* name, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(name);
    auto [domain, op_name] = split_op_name(name);
    WEFT_TRY(const OpDef* op, builtin_ops().get(domain, op_name));
    *out_json = make_bytes(describe_op(*op));
    return {};
  });
}

weft_status* weft_schema_new(const char* name, int32_t version, const char* doc, weft_schema** out_schema) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_schema);
    *out_schema = nullptr;
    WEFT_NOT_NULL(name);
    WEFT_TRY(Schema schema, Schema::make(name, version, doc_of(doc)));
    *out_schema = new weft_schema{std::move(schema), {}};
    return {};
  });
}
void weft_schema_free(weft_schema* schema) { delete schema; }
weft_status* weft_schema_add_type(weft_schema* schema, const char* name, const char* dtypes) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(schema);
    WEFT_NOT_NULL(name);
    WEFT_NOT_NULL(dtypes);
    return schema->schema.add_type(name, dtypes);
  });
}
weft_status* weft_schema_add_input(weft_schema* schema, const char* name, const char* type, int32_t form,
                                   const char* doc) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(schema);
    WEFT_TRY(Formal formal, to_formal(name, type, form, doc));
    return schema->schema.add_input(std::move(formal));
  });
}
weft_status* weft_schema_add_output(weft_schema* schema, const char* name, const char* type, int32_t form,
                                    const char* doc) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(schema);
    WEFT_TRY(Formal formal, to_formal(name, type, form, doc));
    return schema->schema.add_output(std::move(formal));
  });
}
weft_status* weft_schema_add_attribute(weft_schema* schema, const char* name, const char* kind, int32_t required,
                                       const weft_attrs* defaults, const char* doc) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(schema);
    WEFT_NOT_NULL(name);
    WEFT_NOT_NULL(kind);
    AttrDef def{};
    def.name = name;
    def.doc = doc_of(doc);
    def.required = required != 0;
    WEFT_CHECK(read_attr_kind(kind, &def));
    if (defaults != nullptr) {
      const AttrValue* value = defaults->attrs.find(name);
      if (value == nullptr) return invalid("argument 'defaults' has no attribute '", name, "'");
      def.default_value = *value;
    }
    return schema->schema.add_attr(std::move(def));
  });
}

weft_status* weft_op_add(const weft_schema* schema, int32_t opset, weft_body_fn body, void* user, weft_drop drop) {
  std::shared_ptr<Callback<weft_body_fn>> held;
  if (weft_status* failed = hold(body, user, drop, &held); failed != nullptr) return failed;
  return guard([&]() -> Status {
    WEFT_NOT_NULL(schema);
    WEFT_NOT_NULL(body);
    WEFT_TRY(std::unique_ptr<OpDef> op, schema->schema.define());
    WEFT_TRY(const std::shared_ptr<Graph> speaks, Graph::make(builtin_ops(), opset));
    op->body_function(function_body(speaks->opsets(), through(std::move(held))));
    return builtin_ops().publish(std::move(op));
  });
}
