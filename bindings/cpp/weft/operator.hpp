// Operators that the program adds to those of the library.
#pragma once

#include <cstring>

#include "weft/graph.hpp"

namespace weft {

/// An input or output of an Operator.
struct Formal {
  std::string name;  ///< an identifier
  std::string type;  ///< a type variable or dtype ("T", "i64"), or seq(...), optional(...) or map(..., ...) of such
  bool optional = false;  ///< may be left out; those that may not come first
  bool variadic = false;  ///< once or more often, all of one type; the last one alone
  std::string doc{};      ///< for people
};

/// What an attribute is where a node says nothing: what Attrs::set takes, or nothing.
struct Default : std::optional<Attrs::Setting> {
  using std::optional<Attrs::Setting>::optional;
  Default() = default;                                                                  ///< nothing
  Default(DType dtype) : std::optional<Attrs::Setting>(static_cast<int64_t>(dtype)) {}  ///< an element type
};

/// An attribute of an Operator.
struct Attribute {
  std::string name;         ///< an identifier
  std::string kind;         ///< "int", "float", "string", "tensor", "bool", "dtype", "ints", "floats" or "strings"
  Default default_value{};  ///< where a node says nothing; without one, a node may lack it
  bool required = false;    ///< a node must have it
  std::string doc{};        ///< for people
};

/// An operator of the program's own: what it is called, takes and gives.
struct Operator {
  std::string name;                                   ///< a domain, a dot and an identifier: "com.acme.FastGelu"
  std::vector<Formal> inputs;                         ///< what it takes
  std::vector<Formal> outputs;                        ///< what it gives, at least one
  std::map<std::string, std::vector<DType>> types{};  ///< type variables: what is of one has one of these dtypes
  std::vector<Attribute> attributes{};                ///< its attributes
  int32_t version = 1;                                ///< of its domain, which saved files name
  std::string doc{};                                  ///< what it computes
};

/// Builds the body of a node in a graph of its own. It gets every input of the operator, an empty value for one that the
/// node has not, of a variadic one as many as it has; and the attributes with their defaults. It gives the outputs, at
/// least as many as the node has.
using BodyFunction =
    std::function<std::vector<Value>(Graph& graph, const std::vector<Value>& inputs, const Attrs& attrs)>;

namespace detail {

// What the library holds of an operator, for good.
struct AddedOperator {
  std::vector<std::pair<std::string, std::string>> attributes;  // names and kinds
  size_t most_outputs;                                          // 0 for any number
  BodyFunction body;
};

inline Attrs read_attrs(const weft_attrs* from, const AddedOperator& op) {
  Attrs out;
  for (const auto& [name, kind] : op.attributes) {
    auto* found = made<weft_tensor>([&](weft_tensor** held) { return weft_attrs_get(from, text(name), held); });
    if (found == nullptr) continue;
    const Tensor tensor(found);
    if (kind == "float")
      out.set(name, tensor.item<double>());
    else if (kind == "string")
      out.set(name, tensor.to_strings().at(0));
    else if (kind == "tensor")
      out.set(name, tensor);
    else if (kind == "ints")
      out.set(name, tensor.to_vector<int64_t>());
    else if (kind == "floats")
      out.set(name, tensor.to_vector<double>());
    else if (kind == "strings")
      out.set(name, tensor.to_strings());
    else
      out.set(name, tensor.item<int64_t>());
  }
  return out;
}

inline weft_status* call_body(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                              const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  try {
    Graph own(std::make_shared<GraphState>(graph));
    const auto& op = *static_cast<const AddedOperator*>(user);
    std::vector<Value> in;
    for (int32_t i = 0; i < input_count; ++i) {
      in.push_back(inputs[i] != 0 ? Value(own.state(), inputs[i]) : Value());
    }
    const std::vector<Value> out = op.body(own, in, read_attrs(attrs, op));
    if (count32(out) < output_count || (op.most_outputs > 0 && out.size() > op.most_outputs)) {
      throw Error(WEFT_INVALID_ARGUMENT, "it gave " + std::to_string(out.size()) + " values, but the node has " +
                                             std::to_string(output_count) + " outputs");
    }
    for (int32_t i = 0; i < output_count; ++i) out_values[i] = out[static_cast<size_t>(i)].id();
    return nullptr;
  } catch (const Error& error) {  // the error of the call says whose node it is, and what this one says
    const char* said = error.Error::what() + std::strlen(error.code_name()) + 2;
    return weft_status_new(error.code(), said, nullptr, nullptr, nullptr);
  } catch (...) {
    return current_exception_status();
  }
}

using SchemaHandle = Handle<weft_schema, weft_schema_free>;

inline int32_t form_of(const Formal& formal) {
  if (formal.optional && formal.variadic) {
    throw Error(WEFT_INVALID_ARGUMENT, "'" + formal.name + "' cannot be both optional and variadic");
  }
  return formal.optional ? WEFT_FORM_OPTIONAL : formal.variadic ? WEFT_FORM_VARIADIC : WEFT_FORM_ONE;
}

inline SchemaHandle make_schema(const Operator& op) {
  SchemaHandle schema(made<weft_schema>(
      [&](weft_schema** out) { return weft_schema_new(text(op.name), op.version, text(op.doc), out); }));
  for (const auto& [name, dtypes] : op.types) {
    std::string list;
    for (DType dtype : dtypes) list += (list.empty() ? "" : ", ") + dtype_name(dtype);
    check(weft_schema_add_type(schema.get(), text(name), list.c_str()));
  }
  for (const Formal& input : op.inputs) {
    check(weft_schema_add_input(schema.get(), text(input.name), text(input.type), form_of(input), text(input.doc)));
  }
  for (const Formal& output : op.outputs) {
    check(
        weft_schema_add_output(schema.get(), text(output.name), text(output.type), form_of(output), text(output.doc)));
  }
  for (const Attribute& one : op.attributes) {
    Handle<weft_attrs, weft_attrs_free> defaults;
    if (one.default_value) defaults = Attrs().set(one.name, *one.default_value).make();
    check(weft_schema_add_attribute(schema.get(), text(one.name), text(one.kind), one.required,
                                    one.default_value ? defaults.get() : nullptr, text(one.doc)));
  }
  return schema;
}

}  // namespace detail

/// Registers an operator for the process, for good: Graph::add takes it by its name, files that have nodes of it can be
/// loaded, and it is saved, differentiated and run as any other. Any thread, also while others build and run graphs.
///
/// `body` is called when a node is added, loaded, differentiated and made ready to run, several times for one node, on the
/// thread that does it or on several at once. What it builds must depend on the types, shapes and attributes alone, and be
/// built in the graph that it gets, of the values that it gets; it may use other operators of the program, but not its own.
/// It must not wait for another thread that uses a graph which was there before, as that one waits for whoever needs the
/// body. A weft::Error that it throws is told by the call that needed the body, with the node; what else it throws comes
/// out of that call as it is. ALREADY_EXISTS for an operator of that name, INVALID_ARGUMENT for what no operator can be
/// like.
inline void add_operator(const Operator& op, BodyFunction body) {
  if (body == nullptr) throw Error(WEFT_INVALID_ARGUMENT, "an operator needs a body");
  const detail::SchemaHandle schema = detail::make_schema(op);
  auto added = std::make_unique<detail::AddedOperator>();
  for (const Attribute& one : op.attributes) added->attributes.emplace_back(one.name, one.kind);
  const bool any_number = !op.outputs.empty() && op.outputs.back().variadic;
  added->most_outputs = any_number ? 0 : op.outputs.size();
  added->body = std::move(body);
  // Dropped by the call if it fails.
  detail::check(weft_op_add(schema.get(), 0, detail::call_body, added.release(), detail::drop<detail::AddedOperator>));
}

}  // namespace weft
