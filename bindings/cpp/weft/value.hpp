// The values of a graph.
#pragma once

#include "weft/tensor.hpp"

namespace weft {

namespace detail {

// What a graph and its values share. A sub-graph keeps the graph around it alive.
struct GraphState {
  explicit GraphState(weft_graph* graph, std::shared_ptr<GraphState> outer = nullptr)
      : handle(graph), parent(std::move(outer)), depth(parent != nullptr ? parent->depth + 1 : 0) {}
  GraphState& root() { return parent != nullptr ? parent->root() : *this; }

  Handle<weft_graph, weft_graph_free> handle;
  std::shared_ptr<GraphState> parent;
  int depth;
  std::shared_ptr<GraphState> current;  // of a root: the branch that is being built
};
using GraphPointer = std::shared_ptr<GraphState>;

// The graph that what is added goes to.
inline GraphPointer target(const GraphPointer& graph) {
  const GraphPointer& current = graph->root().current;
  return current != nullptr && current->depth > graph->depth ? current : graph;
}

}  // namespace detail

class Operand;

/// A value of a graph: what a node will compute. It keeps its graph alive. Copies are the same value. An empty one
/// (`Value()`) stands for an input or output that is left out; what else it is used for throws INVALID_ARGUMENT.
///
/// `+ - * / %`, unary `-`, `< <= > >=`, and on bools `& | ^ !`, add nodes; one side may be a number. `==` does not: it
/// says whether two are the same value (weft::equal compares elements).
class Value {
 public:
  /// An empty one.
  Value() = default;
  /// The value of a graph that has this number in the C functions.
  Value(detail::GraphPointer graph, int64_t id) : graph_(std::move(graph)), id_(id) {}

  /// Whether it stands for nothing.
  bool empty() const { return graph_ == nullptr; }
  /// The number that it has in the C functions; 0 for an empty one.
  int64_t id() const { return id_; }
  /// The name, unique in the graph.
  std::string name() const {
    const char* name = nullptr;
    about(&name, nullptr, nullptr, nullptr);
    return name;
  }
  /// Renames it; ALREADY_EXISTS if another value has the name.
  void set_name(const std::string& name) { detail::check(weft_graph_set_name(graph(), id_, detail::text(name))); }
  /// What a run gives for it.
  Kind kind() const {
    int32_t kind = 0;
    about(nullptr, &kind, nullptr, nullptr);
    return static_cast<Kind>(kind);
  }
  /// The type of the elements; DType::unknown if only a run tells.
  DType dtype() const {
    int32_t dtype = 0;
    about(nullptr, nullptr, &dtype, nullptr);
    return static_cast<DType>(dtype);
  }
  /// The dimensions, -1 for those that a run decides; nothing if the rank is not known.
  std::optional<Shape> dims() const {
    int32_t rank = 0;
    about(nullptr, nullptr, nullptr, &rank);
    if (rank < 0) return std::nullopt;
    Shape out(static_cast<size_t>(rank));
    detail::check(weft_graph_value_dims(graph(), id_, out.data(), rank));
    return out;
  }
  /// The shape as text, with the names of dimensions: "[batch, 3]"; "[...]" if the rank is not known.
  std::string shape() const {
    return detail::take(
        detail::made<weft_bytes>([&](weft_bytes** out) { return weft_graph_value_shape(graph(), id_, out); }));
  }

  /// The matrix product with `other`; this and the methods below add nodes, as the functions of ops.hpp do.
  Value matmul(const Value& other, const Origin& origin = Origin()) const;
  /// Whether each element is that of `other`: bools. The operator == compares the values themselves.
  Value equal(const Operand& other) const;
  /// Whether each element is another than that of `other`: bools.
  Value not_equal(const Operand& other) const;
  /// The sum over the axes, over all elements without any. `keepdims` leaves the axes, with the size 1.
  Value sum(const std::vector<int64_t>& axes = {}, bool keepdims = false, const Origin& origin = Origin()) const {
    return reduced("ReduceSum", axes, keepdims, origin);
  }
  /// The mean over the axes: see sum.
  Value mean(const std::vector<int64_t>& axes = {}, bool keepdims = false, const Origin& origin = Origin()) const {
    return reduced("ReduceMean", axes, keepdims, origin);
  }
  /// The largest element over the axes: see sum.
  Value max(const std::vector<int64_t>& axes = {}, bool keepdims = false, const Origin& origin = Origin()) const {
    return reduced("ReduceMax", axes, keepdims, origin);
  }
  /// The smallest element over the axes: see sum.
  Value min(const std::vector<int64_t>& axes = {}, bool keepdims = false, const Origin& origin = Origin()) const {
    return reduced("ReduceMin", axes, keepdims, origin);
  }
  /// The product over the axes: see sum.
  Value prod(const std::vector<int64_t>& axes = {}, bool keepdims = false, const Origin& origin = Origin()) const {
    return reduced("ReduceProd", axes, keepdims, origin);
  }
  /// The elements in another shape; one dimension may be -1, and 0 is that of this value.
  Value reshape(const std::vector<int64_t>& dims, const Origin& origin = Origin()) const;
  /// The axes in the order `perm`; without it they are reversed.
  Value transpose(const std::vector<int64_t>& perm = {}, const Origin& origin = Origin()) const;
  /// The axes reversed.
  Value t(const Origin& origin = Origin()) const { return transpose({}, origin); }
  /// The elements as another type.
  Value cast(DType to, const Origin& origin = Origin()) const;
  /// The absolute value.
  Value abs(const Origin& origin = Origin()) const { return unary("Abs", origin); }
  /// e to the power of each element.
  Value exp(const Origin& origin = Origin()) const { return unary("Exp", origin); }
  /// The natural logarithm.
  Value log(const Origin& origin = Origin()) const { return unary("Log", origin); }
  /// The square root.
  Value sqrt(const Origin& origin = Origin()) const { return unary("Sqrt", origin); }
  /// The elements where they are positive, else 0.
  Value relu(const Origin& origin = Origin()) const { return unary("Relu", origin); }
  /// 1 / (1 + e^-x).
  Value sigmoid(const Origin& origin = Origin()) const { return unary("Sigmoid", origin); }
  /// The hyperbolic tangent.
  Value tanh(const Origin& origin = Origin()) const { return unary("Tanh", origin); }
  /// Probabilities of scores along an axis.
  Value softmax(int64_t axis = -1, const Origin& origin = Origin()) const;
  /// The part at index `i` of an axis, which is left out; a negative index counts from the end, a negative axis too.
  Value at(int64_t i, int64_t axis = 0, const Origin& origin = Origin()) const;
  /// The parts first, first + step, ... before `last` along an axis, as Python's value[first:last:step]: negative
  /// bounds count from the end, those past it are the end. Without `last` it goes on to the end, or with a negative
  /// step to the start.
  Value slice(int64_t first, std::optional<int64_t> last = std::nullopt, int64_t axis = 0, int64_t step = 1,
              const Origin& origin = Origin()) const;

  /// Whether both are the same value of the same graph.
  friend bool operator==(const Value& a, const Value& b) { return a.graph_ == b.graph_ && a.id_ == b.id_; }
  /// Whether they are not.
  friend bool operator!=(const Value& a, const Value& b) { return !(a == b); }

  /// For this header: the graph that made it.
  const detail::GraphPointer& graph_state() const {
    if (graph_ == nullptr) throw Error(WEFT_INVALID_ARGUMENT, "this value is empty: no graph made it");
    return graph_;
  }

 private:
  Value unary(const char* op, const Origin& origin) const;
  Value reduced(const char* op, const std::vector<int64_t>& axes, bool keepdims, const Origin& origin) const;
  weft_graph* graph() const { return graph_state()->handle.get(); }
  void about(const char** name, int32_t* kind, int32_t* dtype, int32_t* rank) const {
    detail::check(weft_graph_value(graph(), id_, name, kind, dtype, rank));
  }

  detail::GraphPointer graph_;
  int64_t id_ = 0;
};

namespace detail {
// The numbers of values; 0 for empty ones.
inline std::vector<int64_t> ids(const std::vector<Value>& values) {
  std::vector<int64_t> out;
  for (const Value& value : values) out.push_back(value.id());
  return out;
}
}  // namespace detail

}  // namespace weft
