// Graphs of the C ABI.
#include "weft/graph.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "c_api/src/handles.h"
#include "core/graph/print.h"
#include "core/graph/subgraph.h"
#include "core/graph/svg.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"

namespace weft::c_api {

int64_t to_value(const Graph& graph, ValueId id) {
  return id == kNoValue ? 0 : (static_cast<int64_t>(graph.number()) << 32) | (static_cast<int64_t>(id) + 1);
}

namespace {

// Whose graph and which of its values a number says; neither may exist.
uint32_t number_of(int64_t value) { return static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32); }
ValueId id_of(int64_t value) { return static_cast<ValueId>((value & 0xffffffff) - 1); }

// The graphs that have handles, by number: errors about their values are made where another graph is at hand.
class KnownGraphs {
 public:
  // Never destroyed, as handles may be freed while the process ends.
  static KnownGraphs& all() {
    static KnownGraphs* known = new KnownGraphs;
    return *known;
  }
  void add(const std::shared_ptr<Graph>& graph) {
    std::lock_guard lock(mutex_);
    graphs_[graph->number()] = graph;
  }
  void remove(const Graph& graph) {
    std::lock_guard lock(mutex_);
    graphs_.erase(graph.number());
  }
  // Null if there is none.
  std::shared_ptr<const Graph> find(uint32_t number) {
    std::lock_guard lock(mutex_);
    auto at = graphs_.find(number);
    return at == graphs_.end() ? nullptr : at->second.lock();
  }

 private:
  std::mutex mutex_;
  std::map<uint32_t, std::weak_ptr<const Graph>> graphs_;
};

// What an error says a value is that belongs to another graph than the one at hand: its name and line as far as they
// are known, and why it cannot be used there.
std::string foreign_value(int64_t value) {
  const ValueId id = id_of(value);
  if (const std::shared_ptr<const Graph> owner = KnownGraphs::all().find(number_of(value))) {
    // Two threads, each of which builds a graph with a value of the other's, must not wait for each other.
    GraphReading reading(*owner, std::try_to_lock);
    if (reading.entered() && owner->has_value(id)) {
      const std::string name = value_in_errors(*owner, id);
      if (owner->is_subgraph()) return cat(name, ": it belongs to ", body_in_errors(*owner), "; ", kBodyGives);
      return cat(name, ": it belongs to another graph");
    }
  }
  return cat("value ", id, " of graph ", number_of(value), ": it belongs to another graph");
}

// An error, with a value's name, if the graph is a finished body, one of whose values is to be used.
Status check_unfinished(const Graph& graph, const std::vector<int64_t>& values) {
  if (!graph.finished()) return {};
  for (size_t i = 0; i < values.size(); ++i) {
    const ValueId id = id_of(values[i]);
    if (number_of(values[i]) != graph.number() || !graph.has_value(id)) continue;
    return failed_precondition("input ", i, " is ", value_in_errors(graph, id), ": it belongs to ",
                               body_in_errors(graph), "; ", kBodyGives);
  }
  return {};
}

}  // namespace

Result<ValueId> from_value(const Graph& graph, int64_t value, const char* what) {
  uint32_t number = number_of(value);
  ValueId id = id_of(value);
  if (value == 0) return invalid(what, " is 0, which is no value");
  if (number != graph.number()) {
    if (number == 0) return invalid(what, " is ", value, ", which is no value of any graph");
    return invalid(what, " is ", foreign_value(value));
  }
  GraphReading reading(graph);
  if (!graph.has_value(id)) return invalid(what, " is not a value of this graph");
  return id;
}

Result<ValueId> from_value(Graph& graph, int64_t value, const char* what, bool may_capture) {
  uint32_t number = number_of(value);
  if (may_capture && value != 0 && number != graph.number()) {
    for (const Graph* outer = graph.parent(); outer != nullptr; outer = outer->parent()) {
      if (outer->number() != number) continue;
      WEFT_TRY(ValueId id, from_value(*outer, value, what));
      return graph.capture(*outer, id);
    }
  }
  return from_value(static_cast<const Graph&>(graph), value, what);
}

Result<std::vector<ValueId>> from_values(const Graph& graph, const int64_t* values, int32_t count, const char* what) {
  const char* plural = std::string_view(what) == "fetch" ? "es" : "s";
  if (count < 0) return invalid("the number of ", what, plural, " is negative");
  if (count > 0 && values == nullptr) return invalid("argument '", what, plural, "' is NULL");
  std::vector<ValueId> out;
  if (count > 0) {
    GraphReading reading(graph);
    for (int32_t i = 0; i < count && number_of(values[i]) == graph.number() && graph.has_value(id_of(values[i])); ++i) {
      out.push_back(id_of(values[i]));
    }
  }
  for (int32_t i = static_cast<int32_t>(out.size()); i < count; ++i) {  // the first that is wrong, by its name
    std::string name = cat(what, " ", i);
    WEFT_TRY(ValueId id, from_value(graph, values[i], name.c_str()));
    out.push_back(id);
  }
  return out;
}

namespace {

std::vector<int64_t> copied(const int64_t* values, int32_t count) {
  return values == nullptr || count <= 0 ? std::vector<int64_t>() : std::vector<int64_t>(values, values + count);
}

std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : std::string(text); }

// The error of adding a node, with what is known of it.
Status failed(const Graph& graph, const Status& status, const char* name, const char* op, const char* origin) {
  if (!status.op().empty()) return status;
  GraphReading reading(graph);  // another thread may be opening a scope
  return status.at(name_in_errors(graph, text_or_empty(name), op), op, text_or_empty(origin));
}

}  // namespace

}  // namespace weft::c_api

using namespace weft;
using namespace weft::c_api;

weft_graph::weft_graph(std::shared_ptr<weft::Graph> made) : graph(std::move(made)) { KnownGraphs::all().add(graph); }
weft_graph::~weft_graph() { KnownGraphs::all().remove(*graph); }

weft_status* weft_graph_new(int32_t opset, weft_graph** out_graph) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_graph);
    *out_graph = nullptr;
    WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(builtin_ops(), opset));
    *out_graph = new weft_graph(std::move(graph));
    return {};
  });
}
weft_status* weft_graph_new_sub(weft_graph* parent, weft_graph** out_graph) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_graph);
    *out_graph = nullptr;
    WEFT_NOT_NULL(parent);
    WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make_subgraph(parent->graph));
    *out_graph = new weft_graph(std::move(graph));
    return {};
  });
}
weft_status* weft_graph_new_body(weft_graph* parent, const char* op, const int64_t* inputs, int32_t input_count,
                                 const weft_attrs* attrs, weft_graph** out_graph) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_graph);
    *out_graph = nullptr;
    WEFT_NOT_NULL(parent);
    WEFT_NOT_NULL(op);
    if (input_count < 0) return invalid("a count is negative");
    if (input_count > 0) WEFT_NOT_NULL(inputs);
    Graph& g = *parent->graph;
    GraphWriting writing(g);
    WEFT_CHECK(writing.check());
    auto [domain, name] = split_op_name(op);
    WEFT_TRY(const OpDef* def, g.ops().get(domain, name));
    std::vector<ValueId> ids;
    for (int32_t i = 0; i < input_count; ++i) {
      ids.push_back(kNoValue);
      if (inputs[i] == 0) continue;
      WEFT_TRY(ids.back(), from_value(g, inputs[i], cat("input ", i).c_str(), true));
    }
    WEFT_TRY(std::shared_ptr<Graph> graph,
             make_body(parent->graph, *def, ids, attrs != nullptr ? attrs->attrs : Attrs()));
    *out_graph = new weft_graph(std::move(graph));
    return {};
  });
}
void weft_graph_free(weft_graph* graph) { delete graph; }

weft_status* weft_attrs_new(weft_attrs** out_attrs) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_attrs);
    *out_attrs = nullptr;
    *out_attrs = new weft_attrs;
    return {};
  });
}
void weft_attrs_free(weft_attrs* attrs) { delete attrs; }

namespace {
weft_status* set_attr(weft_attrs* attrs, const char* name, bool value_given, AttrValue (*make)(const void*),
                      const void* from) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(attrs);
    WEFT_NOT_NULL(name);
    if (!value_given) return null_argument("value");
    attrs->attrs.set(name, make(from));
    return {};
  });
}
template <typename T>
struct List {
  const T* values;
  int64_t count;
};
Status check_list(const void* values, int64_t count) {
  if (count < 0) return invalid("argument 'count' is negative");
  if (count > kMostElements) return invalid("argument 'count' is ", count, ", more than any list has");
  if (count > 0 && values == nullptr) return null_argument("values");
  return {};
}
}  // namespace

weft_status* weft_attrs_set_int(weft_attrs* attrs, const char* name, int64_t value) {
  return set_attr(
      attrs, name, true, [](const void* v) { return AttrValue(*static_cast<const int64_t*>(v)); }, &value);
}
weft_status* weft_attrs_set_float(weft_attrs* attrs, const char* name, double value) {
  return set_attr(
      attrs, name, true, [](const void* v) { return AttrValue(*static_cast<const double*>(v)); }, &value);
}
weft_status* weft_attrs_set_string(weft_attrs* attrs, const char* name, const char* value) {
  return set_attr(
      attrs, name, value != nullptr, [](const void* v) { return AttrValue(static_cast<const char*>(v)); }, value);
}
weft_status* weft_attrs_set_ints(weft_attrs* attrs, const char* name, const int64_t* values, int64_t count) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(attrs);
    WEFT_NOT_NULL(name);
    WEFT_CHECK(check_list(values, count));
    attrs->attrs.set(name, std::vector<int64_t>(values, values + count));
    return {};
  });
}
weft_status* weft_attrs_set_floats(weft_attrs* attrs, const char* name, const double* values, int64_t count) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(attrs);
    WEFT_NOT_NULL(name);
    WEFT_CHECK(check_list(values, count));
    attrs->attrs.set(name, std::vector<double>(values, values + count));
    return {};
  });
}
weft_status* weft_attrs_set_strings(weft_attrs* attrs, const char* name, const char* const* values, int64_t count) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(attrs);
    WEFT_NOT_NULL(name);
    WEFT_CHECK(check_list(values, count));
    std::vector<std::string> strings;
    for (int64_t i = 0; i < count; ++i) {
      if (values[i] == nullptr) return invalid("string ", i, " is NULL");
      strings.emplace_back(values[i]);
    }
    attrs->attrs.set(name, std::move(strings));
    return {};
  });
}
weft_status* weft_attrs_set_tensor(weft_attrs* attrs, const char* name, const weft_tensor* value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(attrs);
    WEFT_NOT_NULL(name);
    WEFT_NOT_NULL(value);
    WEFT_TRY(Tensor tensor, value->tensor.moved_to(nullptr));
    attrs->attrs.set(name, AttrValue(std::move(tensor)));
    return {};
  });
}
weft_status* weft_attrs_set_graph(weft_attrs* attrs, const char* name, const weft_graph* value) {
  return set_attr(
      attrs, name, value != nullptr,
      [](const void* v) { return AttrValue(GraphRef(static_cast<const weft_graph*>(v)->graph)); }, value);
}

namespace {

// In the kinds that a file has for it; a graph is none.
Result<Tensor> as_tensor(const AttrValue& value) {
  switch (value.kind()) {
    case AttrKind::kFloat: return Tensor::scalar<double>(value.f());
    case AttrKind::kInt: return Tensor::scalar<int64_t>(value.i());
    case AttrKind::kString: return Tensor::from_strings({}, {value.s()});
    case AttrKind::kTensor: return value.tensor().read_only();  // nodes and defaults share its elements
    case AttrKind::kGraph: return invalid("it is a graph, which no tensor can be");
    case AttrKind::kFloats: return Tensor::vector<double>(value.floats());
    case AttrKind::kInts: return Tensor::vector<int64_t>(value.ints());
    case AttrKind::kStrings:
      return Tensor::from_strings({static_cast<int64_t>(value.strings().size())}, value.strings());
  }
  return internal_error("an attribute of no kind");
}

}  // namespace

weft_status* weft_attrs_get(const weft_attrs* attrs, const char* name, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(attrs);
    WEFT_NOT_NULL(name);
    const AttrValue* value = attrs->attrs.find(name);
    if (value == nullptr) return {};
    Result<Tensor> tensor = as_tensor(*value);
    if (!tensor.ok()) return tensor.status().within(cat("attribute '", name, "': "));
    *out_tensor = new weft_tensor{std::move(*tensor), {}};
    return {};
  });
}

weft_status* weft_graph_add_input(weft_graph* graph, const char* name, int32_t dtype, const char* shape,
                                  const char* origin, int64_t* out_value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_value);
    *out_value = 0;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(name);
    auto where = [&](const Status& status) { return failed(*graph->graph, status, name, "weft.Input", origin); };
    GraphWriting writing(*graph->graph);
    if (Status status = writing.alone(); !status.ok()) return where(status);
    Result<DType> type = checked_dtype(dtype);
    if (!type.ok()) return where(type.status());
    ValueType value = ValueType::unranked(*type);
    if (shape != nullptr) {
      Result<Dims> dims = parse_dims(shape, name);
      if (!dims.ok()) return where(dims.status());
      value = ValueType::tensor(*type, std::move(*dims));
    }
    Result<ValueId> id = graph->graph->add_input(name, std::move(value), text_or_empty(origin));
    if (!id.ok()) return where(id.status());
    *out_value = to_value(*graph->graph, *id);
    return {};
  });
}
weft_status* weft_graph_add_constant(weft_graph* graph, const weft_tensor* tensor, const char* name, const char* origin,
                                     int64_t* out_value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_value);
    *out_value = 0;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(tensor);
    WEFT_TRY(Tensor value, tensor->tensor.moved_to(nullptr));  // before the graph is held
    GraphWriting writing(*graph->graph);
    WEFT_CHECK(writing.alone());
    WEFT_TRY(ValueId id, graph->graph->add_constant(std::move(value), text_or_empty(name), text_or_empty(origin)));
    *out_value = to_value(*graph->graph, id);
    return {};
  });
}
weft_status* weft_graph_add_variable(weft_graph* graph, const char* name, int64_t initial, int32_t trainable,
                                     const char* origin, int64_t* out_value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_value);
    *out_value = 0;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(name);
    auto where = [&](const Status& status) { return failed(*graph->graph, status, name, "weft.Variable", origin); };
    GraphWriting writing(*graph->graph);
    if (Status status = writing.alone(); !status.ok()) return where(status);
    Result<ValueId> from = from_value(static_cast<const Graph&>(*graph->graph), initial, "the initial value");
    if (!from.ok()) return where(from.status());
    Result<ValueId> id = graph->graph->add_variable(name, *from, trainable != 0, text_or_empty(origin));
    if (!id.ok()) return where(id.status());
    *out_value = to_value(*graph->graph, *id);
    return {};
  });
}
weft_status* weft_graph_add(weft_graph* graph, const char* op, const int64_t* inputs, int32_t input_count,
                            const weft_attrs* attrs, const char* name, const char* origin, int64_t* out_values,
                            int32_t output_count) {
  return guard([&]() -> Status {
    if (output_count < 0 || input_count < 0) return invalid("a count is negative");
    if (output_count > 0) WEFT_NOT_NULL(out_values);
    // The outputs may be written where the inputs stand.
    const std::vector<int64_t> given = copied(inputs, input_count);
    std::fill_n(out_values, output_count, 0);
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(op);
    if (input_count > 0) WEFT_NOT_NULL(inputs);
    const std::shared_ptr<Graph> kept = graph->graph;  // a body that this calls may free the handle
    Graph& g = *kept;
    GraphWriting writing(g);
    if (Status status = writing.alone(); !status.ok()) return failed(g, status, name, op, origin);
    if (Status status = check_unfinished(g, given); !status.ok()) return failed(g, status, name, op, origin);
    auto [domain, op_name] = split_op_name(op);
    std::vector<ValueId> ids;
    for (int32_t i = 0; i < input_count; ++i) {
      if (given[i] == 0) {
        ids.push_back(kNoValue);
        continue;
      }
      std::string what = cat("input ", i);
      Result<ValueId> id = from_value(g, given[i], what.c_str(), true);
      if (!id.ok()) return failed(g, id.status(), name, op, origin);
      ids.push_back(*id);
    }
    NodeOptions options;
    options.name = text_or_empty(name);
    options.origin = text_or_empty(origin);
    options.output_count = output_count;
    Result<NodeId> node =
        g.add(domain, op_name, std::move(ids), attrs != nullptr ? attrs->attrs : Attrs(), std::move(options));
    if (!node.ok()) return failed(g, node.status(), name, op, origin);
    for (int32_t i = 0; i < output_count; ++i) out_values[i] = to_value(g, g.node(*node).output(i));
    return {};
  });
}
weft_status* weft_graph_attach(weft_graph* graph, int64_t value, int64_t assignment) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(graph);
    GraphWriting writing(*graph->graph);
    WEFT_CHECK(writing.alone());
    const Graph& g = *graph->graph;
    WEFT_TRY(ValueId id, from_value(g, value, "argument 'value'"));
    WEFT_TRY(ValueId assigned, from_value(g, assignment, "argument 'assignment'"));
    return graph->graph->attach(g.value(id).node, assigned);
  });
}
weft_status* weft_graph_differentiate(weft_graph* graph, const int64_t* ys, int32_t y_count, const int64_t* xs,
                                      int32_t x_count, const int64_t* weights, const char* origin,
                                      int64_t* out_values) {
  return guard([&]() -> Status {
    if (x_count > 0) WEFT_NOT_NULL(out_values);
    // The gradients may be written where ys, xs or weights stand.
    const auto given_ys = copied(ys, y_count), given_xs = copied(xs, x_count), given_weights = copied(weights, y_count);
    for (int32_t i = 0; i < x_count; ++i) out_values[i] = 0;
    WEFT_NOT_NULL(graph);
    const std::shared_ptr<Graph> kept = graph->graph;  // a body that this calls may free the handle
    Graph& g = *kept;
    GraphWriting writing(g);
    WEFT_CHECK(writing.alone());
    WEFT_TRY(std::vector<ValueId> y_ids, from_values(g, ys == nullptr ? nullptr : given_ys.data(), y_count, "y"));
    WEFT_TRY(std::vector<ValueId> x_ids, from_values(g, xs == nullptr ? nullptr : given_xs.data(), x_count, "x"));
    std::vector<ValueId> weight_ids;
    for (int64_t weight : given_weights) {
      ValueId id = kNoValue;
      if (weight != 0) {
        WEFT_TRY(id, from_value(g, weight, "a weight"));
      }
      weight_ids.push_back(id);
    }
    WEFT_TRY(std::vector<ValueId> gradients, differentiate(g, y_ids, x_ids, weight_ids, text_or_empty(origin)));
    for (int32_t i = 0; i < x_count; ++i) out_values[i] = to_value(g, gradients[static_cast<size_t>(i)]);
    return {};
  });
}
weft_status* weft_graph_open_scope(weft_graph* graph, const char* name) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(name);
    return graph->graph->push_scope(name);
  });
}
weft_status* weft_graph_close_scope(weft_graph* graph) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(graph);
    return graph->graph->pop_scope();
  });
}
weft_status* weft_graph_set_outputs(weft_graph* graph, const int64_t* values, int32_t count) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(graph);
    if (count > 0) WEFT_NOT_NULL(values);
    if (count < 0) return invalid("argument 'count' is negative");
    GraphWriting writing(*graph->graph);
    WEFT_CHECK(writing.alone());
    std::vector<ValueId> ids;
    for (int32_t i = 0; i < count; ++i) {
      WEFT_TRY(ValueId id, from_value(*graph->graph, values[i], "an output", true));
      ids.push_back(id);
    }
    return graph->graph->set_outputs(std::move(ids));
  });
}
weft_status* weft_graph_set_name(weft_graph* graph, int64_t value, const char* name) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(name);
    GraphWriting writing(*graph->graph);
    WEFT_CHECK(writing.alone());
    WEFT_TRY(ValueId id, from_value(static_cast<const Graph&>(*graph->graph), value, "argument 'value'"));
    return graph->graph->set_value_name(id, name);
  });
}

weft_status* weft_graph_find(const weft_graph* graph, const char* name, int64_t* out_value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_value);
    *out_value = 0;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(name);
    GraphReading reading(*graph->graph);
    WEFT_TRY(ValueId id, graph->graph->get(name));
    *out_value = to_value(*graph->graph, id);
    return {};
  });
}
namespace {

// read(graph) while no other thread changes the graph; 0 for NULL.
template <typename Read>
auto reading(const weft_graph* graph, Read read) {
  using Out = decltype(read(std::declval<const Graph&>()));
  if (graph == nullptr) return Out{0};
  GraphReading reading(*graph->graph);
  return read(*graph->graph);
}

int64_t at(const Graph& graph, const std::vector<ValueId>& values, int32_t i) {
  return i < 0 || i >= static_cast<int32_t>(values.size()) ? 0 : to_value(graph, values[static_cast<size_t>(i)]);
}

}  // namespace

int32_t weft_graph_node_count(const weft_graph* graph) {
  return reading(graph, [](const Graph& g) { return g.node_count(); });
}
int32_t weft_graph_input_count(const weft_graph* graph) {
  return reading(graph, [](const Graph& g) { return static_cast<int32_t>(g.inputs().size()); });
}
int32_t weft_graph_output_count(const weft_graph* graph) {
  return reading(graph, [](const Graph& g) { return static_cast<int32_t>(g.outputs().size()); });
}
int32_t weft_graph_variable_count(const weft_graph* graph) {
  return reading(graph, [](const Graph& g) { return static_cast<int32_t>(g.variables().size()); });
}
int64_t weft_graph_input(const weft_graph* graph, int32_t i) {
  return reading(graph, [i](const Graph& g) { return at(g, g.inputs(), i); });
}
int64_t weft_graph_output(const weft_graph* graph, int32_t i) {
  return reading(graph, [i](const Graph& g) { return at(g, g.outputs(), i); });
}
int64_t weft_graph_variable(const weft_graph* graph, int32_t i) {
  return reading(graph, [i](const Graph& g) -> int64_t {
    if (i < 0 || i >= static_cast<int32_t>(g.variables().size())) return 0;
    return to_value(g, g.variables()[static_cast<size_t>(i)].value);
  });
}
weft_status* weft_graph_value(const weft_graph* graph, int64_t value, const char** out_name, int32_t* out_kind,
                              int32_t* out_dtype, int32_t* out_rank) {
  return guard([&]() -> Status {
    if (out_name != nullptr) *out_name = nullptr;
    if (out_kind != nullptr) *out_kind = 0;
    if (out_dtype != nullptr) *out_dtype = 0;
    if (out_rank != nullptr) *out_rank = 0;
    WEFT_NOT_NULL(graph);
    const Graph& g = *graph->graph;
    GraphReading reading(g);
    WEFT_TRY(ValueId id, from_value(g, value, "argument 'value'"));
    const Value& v = g.value(id);
    if (out_name != nullptr) *out_name = v.name.c_str();
    if (out_kind != nullptr) *out_kind = static_cast<int32_t>(v.type.kind);
    if (out_dtype != nullptr) *out_dtype = static_cast<int32_t>(v.type.dtype);
    if (out_rank != nullptr) *out_rank = v.type.has_rank ? static_cast<int32_t>(v.type.dims.size()) : -1;
    return {};
  });
}
weft_status* weft_graph_value_dims(const weft_graph* graph, int64_t value, int64_t* out_dims, int32_t rank) {
  return guard([&]() -> Status {
    if (rank > 0) WEFT_NOT_NULL(out_dims);
    for (int32_t i = 0; i < rank; ++i) out_dims[i] = 0;
    WEFT_NOT_NULL(graph);
    const Graph& g = *graph->graph;
    GraphReading reading(g);
    WEFT_TRY(ValueId id, from_value(g, value, "argument 'value'"));
    const ValueType& type = g.type(id);
    if (!type.has_rank || static_cast<int32_t>(type.dims.size()) != rank) {
      return invalid("argument 'rank' is ", rank, " but the value is ", type.text());
    }
    for (int32_t i = 0; i < rank; ++i) {
      const Dim& dim = type.dims[static_cast<size_t>(i)];
      out_dims[i] = dim.known() ? dim.value() : -1;
    }
    return {};
  });
}
weft_status* weft_graph_value_shape(const weft_graph* graph, int64_t value, weft_bytes** out_text) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_text);
    *out_text = nullptr;
    WEFT_NOT_NULL(graph);
    const Graph& g = *graph->graph;
    GraphReading reading(g);
    WEFT_TRY(ValueId id, from_value(g, value, "argument 'value'"));
    *out_text = make_bytes(g.type(id).has_rank ? dims_text(g.type(id).dims) : "[...]");
    return {};
  });
}
weft_status* weft_graph_convert(const weft_graph* graph, const char* format, weft_bytes** out_bytes) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_bytes);
    *out_bytes = nullptr;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(format);
    std::string_view wanted(format);
    if (wanted != "text" && wanted != "dot" && wanted != "svg") {
      return invalid("format '", format, "' is not one of text, dot, svg");
    }
    std::string text;
    {
      GraphReading reading(*graph->graph);
      text = wanted == "text" ? graph_text(*graph->graph) : graph_dot(*graph->graph);
    }
    if (wanted == "svg") {
      WEFT_TRY(text, graph_svg(text));
    }
    *out_bytes = make_bytes(std::move(text));
    return {};
  });
}
