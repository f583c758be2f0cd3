// What is built on graphs: nodes by their inputs, operators, layers.
#pragma once

#include "weft/graph.hpp"

namespace weft {

// Adds a node to the graph of the first input that is not empty: what the functions of ops.hpp do.
inline std::vector<Value> add_node(const char* op, const std::vector<Value>& inputs, const Attrs& attrs,
                                   int32_t outputs, const char* name, const Origin& origin) {
  for (const Value& input : inputs) {
    if (!input.empty()) return Graph(input.graph_state()).add(op, inputs, attrs, outputs, name, origin);
  }
  throw Error(WEFT_INVALID_ARGUMENT, std::string(op) + " needs at least one value among its inputs");
}

namespace detail {
// A number as a constant of the value's dtype.
inline Value number_like(const Value& like, double number, const Origin& origin) {
  Tensor tensor = Tensor::scalar<double>(number);
  int64_t id = 0;
  check(weft_graph_add_constant(like.state().get(), tensor.handle(), nullptr, origin.text.c_str(), &id));
  Value constant(like.graph_state(), id);
  if (like.dtype() == DType::f64) return constant;
  return add_node("Cast", {constant}, Attrs().set("to", static_cast<int64_t>(like.dtype())), 1, nullptr, origin)[0];
}
}  // namespace detail

// A value or number beside an operator, with the line that it stands on.
struct Operand {
  Value value;
  double number = 0;
  Origin origin;
  Operand(const Value& v, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : value(v), origin(file, line) {}
  Operand(double n, const char* file = __builtin_FILE(), int line = __builtin_LINE()) : number(n), origin(file, line) {}
  Value like(const Value& other) const { return value.empty() ? detail::number_like(other, number, origin) : value; }
};

// A number on the left of an operator.
struct NumberOperand {
  double number;
  Origin origin;
  NumberOperand(double n, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : number(n), origin(file, line) {}
};

#define WEFT_BINARY_OPERATOR(symbol, op)                                                               \
  inline Value operator symbol(const Value& a, const Operand& b) {                                     \
    return add_node(op, {a, b.like(a)}, {}, 1, nullptr, b.origin)[0];                                  \
  }                                                                                                    \
  inline Value operator symbol(const NumberOperand& a, const Value& b) {                               \
    return add_node(op, {detail::number_like(b, a.number, a.origin), b}, {}, 1, nullptr, a.origin)[0]; \
  }
WEFT_BINARY_OPERATOR(+, "Add")
WEFT_BINARY_OPERATOR(-, "Sub")
WEFT_BINARY_OPERATOR(*, "Mul")
WEFT_BINARY_OPERATOR(/, "Div")
#undef WEFT_BINARY_OPERATOR
inline Value operator-(const Operand& a) { return add_node("Neg", {a.value}, {}, 1, nullptr, a.origin)[0]; }

// A layer: variables made once, used as often as it is called. See layers.hpp.
class Layer {
 public:
  Layer(Graph& graph, const char* type, const std::string& name, const Attrs& attrs, const Origin& origin = Origin())
      : state_(graph.state()) {
    auto made = attrs.make();
    weft_layer* out = nullptr;
    detail::check(weft_layer_new(graph.handle(), type, made.get(), name.c_str(), origin.text.c_str(), &out));
    handle_ = std::make_shared<Owned>(out);
  }
  // Adds one use. `training`: dropout drops, batch normalization uses the batch.
  Value operator()(const Value& x, bool training = false, const Origin& origin = Origin()) const {
    int64_t in = x.id(), out = 0;
    detail::check(weft_layer_call(handle_->get(), &in, 1, training, origin.text.c_str(), &out, 1));
    return Value(state_, out);
  }
  std::vector<Value> variables() const {
    std::vector<Value> out;
    for (int32_t i = 0; i < weft_layer_variable_count(handle_->get()); ++i) {
      out.emplace_back(state_, weft_layer_variable(handle_->get(), i));
    }
    return out;
  }

 private:
  using Owned = detail::Handle<weft_layer, weft_layer_free>;
  std::shared_ptr<detail::GraphState> state_;
  std::shared_ptr<Owned> handle_;
};

}  // namespace weft
