// Attributes, and the values of a graph.
#pragma once

#include <optional>

#include "weft/tensor.hpp"

namespace weft {

namespace detail {

// What a graph and its values share. `current` is the sub-graph under construction, if there is one.
struct GraphState {
  explicit GraphState(weft_graph* graph) : handle(graph) {}
  Handle<weft_graph, weft_graph_free> handle;
  weft_graph* current = nullptr;
  weft_graph* get() const { return current != nullptr ? current : handle.get(); }
};

}  // namespace detail

// Attributes of a node or layer by name.
class Attrs {
 public:
  using Value = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                             std::vector<std::string>, Tensor>;
  Attrs() = default;
  Attrs& set(const char* name, Value value) {
    items_.emplace_back(name, std::move(value));
    return *this;
  }
  // Leaves the attribute out if there is no value.
  template <typename T>
  Attrs& set(const char* name, const std::optional<T>& value) {
    if (value) set(name, Value(*value));
    return *this;
  }

  detail::Handle<weft_attrs, weft_attrs_free> make() const {
    weft_attrs* attrs = nullptr;
    detail::check(weft_attrs_new(&attrs));
    detail::Handle<weft_attrs, weft_attrs_free> out(attrs);
    for (const auto& [name, value] : items_) set_one(attrs, name.c_str(), value);
    return out;
  }

 private:
  static void set_one(weft_attrs* attrs, const char* name, const Value& value) {
    if (auto* i = std::get_if<int64_t>(&value)) detail::check(weft_attrs_set_int(attrs, name, *i));
    if (auto* f = std::get_if<double>(&value)) detail::check(weft_attrs_set_float(attrs, name, *f));
    if (auto* s = std::get_if<std::string>(&value)) detail::check(weft_attrs_set_string(attrs, name, s->c_str()));
    if (auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
      detail::check(weft_attrs_set_ints(attrs, name, ints->data(), static_cast<int64_t>(ints->size())));
    }
    if (auto* floats = std::get_if<std::vector<double>>(&value)) {
      detail::check(weft_attrs_set_floats(attrs, name, floats->data(), static_cast<int64_t>(floats->size())));
    }
    if (auto* strings = std::get_if<std::vector<std::string>>(&value)) {
      std::vector<const char*> pointers;
      for (const std::string& string : *strings) pointers.push_back(string.c_str());
      detail::check(weft_attrs_set_strings(attrs, name, pointers.data(), static_cast<int64_t>(pointers.size())));
    }
    if (auto* tensor = std::get_if<Tensor>(&value)) {
      detail::check(weft_attrs_set_tensor(attrs, name, tensor->handle()));
    }
  }
  std::vector<std::pair<std::string, Value>> items_;
};

// A value of a graph: what a node computes. It keeps its graph alive. Copies are the same value.
class Value {
 public:
  Value() = default;
  Value(std::shared_ptr<detail::GraphState> graph, int64_t id) : graph_(std::move(graph)), id_(id) {}

  bool empty() const { return graph_ == nullptr; }
  int64_t id() const { return id_; }
  std::string name() const {
    const char* name = nullptr;
    about(&name, nullptr, nullptr);
    return name;
  }
  void set_name(const std::string& name) { detail::check(weft_graph_set_name(state().get(), id_, name.c_str())); }
  // 0 if it is not known.
  DType dtype() const {
    int32_t dtype = 0;
    about(nullptr, &dtype, nullptr);
    return static_cast<DType>(dtype);
  }
  // The dimensions, -1 for those that a run decides; nothing if the rank is not known.
  std::optional<Shape> shape() const {
    int32_t rank = 0;
    weft_graph* owner = about(nullptr, nullptr, &rank);
    if (rank < 0) return std::nullopt;
    Shape dims(static_cast<size_t>(rank));
    detail::check(weft_graph_value_dims(owner, id_, dims.data(), rank));
    return dims;
  }

  // The dimensions as text, such as "[batch, 3, ?]".
  std::string shape_text() const {
    weft_bytes* out = nullptr;
    detail::check(weft_graph_value_shape(about(nullptr, nullptr, nullptr), id_, &out));
    return detail::take(out);
  }

  detail::GraphState& state() const {
    if (graph_ == nullptr) throw Error(WEFT_INVALID_ARGUMENT, "this value is empty: no graph made it");
    return *graph_;
  }
  const std::shared_ptr<detail::GraphState>& graph_state() const { return graph_; }

 private:
  // Asks the graph that has the value: the branch under construction, or the graph around it.
  weft_graph* about(const char** name, int32_t* dtype, int32_t* rank) const {
    weft_graph* inner = state().get();
    weft_graph* outer = state().handle.get();
    weft_status* status = weft_graph_value(inner, id_, name, nullptr, dtype, rank);
    if (status == nullptr || inner == outer) {
      detail::check(status);
      return inner;
    }
    weft_status_free(status);
    detail::check(weft_graph_value(outer, id_, name, nullptr, dtype, rank));
    return outer;
  }

  std::shared_ptr<detail::GraphState> graph_;
  int64_t id_ = 0;
};

}  // namespace weft
