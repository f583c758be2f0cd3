// What is built on graphs: nodes by their inputs, arithmetic, layers.
#pragma once

#include <cmath>
#include <limits>

#include "weft/graph.hpp"

namespace weft {

/// Adds a node to the graph that its inputs are of: what the functions of ops.hpp do. See Graph::add.
inline std::vector<Value> add_node(const std::string& op, const std::vector<Value>& inputs, const Attrs& attrs = {},
                                   const std::string& name = "", int32_t outputs = 1, const Origin& origin = Origin()) {
  detail::GraphPointer graph;
  for (const Value& input : inputs) {  // the innermost: values of the graphs around it may be used in it
    if (!input.empty() && (graph == nullptr || input.graph_state()->depth > graph->depth)) graph = input.graph_state();
  }
  if (graph == nullptr) {
    throw Error(WEFT_INVALID_ARGUMENT, "at least one input must be a value that a graph made; none is", op,
                origin.text);
  }
  return Graph(graph).add(op, inputs, attrs, name, outputs, origin);
}

/// A number or a value beside an operator (make neither by hand), with the line that it stands on. A number becomes a
/// constant of the other side's type; INVALID_ARGUMENT if that type has no such number.
class Operand {
 public:
  /// The value itself.
  Operand(const Value& value, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : is_number_(false), value_(value), origin_(file, line) {}
  /// A number, exactly if it is an integer.
  template <typename T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Operand(T number, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : is_number_(true), real_(static_cast<double>(number)), origin_(file, line) {
    if constexpr (std::is_integral_v<T>) {
      if (std::is_signed_v<T> || sizeof(T) < 8 || real_ < 0x1p63) whole_ = static_cast<int64_t>(number);
    } else if (std::fabs(real_) <= 0x1p53 && std::trunc(real_) == real_) {
      whole_ = static_cast<int64_t>(real_);
    }
  }

  /// Where it stands.
  const Origin& origin() const { return origin_; }
  /// Whether it is a number.
  bool is_number() const { return is_number_; }
  /// The value; INVALID_ARGUMENT if it is a number.
  const Value& value() const {
    if (is_number_)
      throw Error(WEFT_INVALID_ARGUMENT, "a value is wanted, but there are numbers alone", "", origin_.text);
    return value_;
  }
  /// The value, or the number as a constant of the type of `other`.
  Value beside(const Operand& other) const { return is_number_ ? constant_like(other.value()) : value_; }

 private:
  Value constant_like(const Value& other) const {
    Graph graph(other.graph_state());
    switch (other.dtype()) {
      case DType::f32: return graph.constant(static_cast<float>(real_), "", origin_);
      case DType::f64: return graph.constant(real_, "", origin_);
      case DType::f16:
      case DType::bf16: return cast(graph, other.dtype());
      case DType::boolean: return whole<bool>(graph);
      case DType::i8: return whole<int8_t>(graph);
      case DType::i16: return whole<int16_t>(graph);
      case DType::i32: return whole<int32_t>(graph);
      case DType::i64: return whole<int64_t>(graph);
      case DType::u8: return whole<uint8_t>(graph);
      case DType::u16: return whole<uint16_t>(graph);
      case DType::u32: return whole<uint32_t>(graph);
      case DType::u64: return whole<uint64_t>(graph);
      default: throw wrong(other.dtype());
    }
  }
  Error wrong(DType dtype) const {
    return Error(WEFT_INVALID_ARGUMENT,
                 "the number " + std::to_string(real_) + " stands beside elements of " + dtype_name(dtype) +
                     ", of which none has that value; cast them, or make a constant of the type that is meant",
                 "", origin_.text);
  }
  Value cast(Graph& graph, DType dtype) const {
    Value wide = graph.constant(real_, "", origin_);
    return graph.add("Cast", {wide}, Attrs().set("to", dtype), "", 1, origin_)[0];
  }
  template <typename T>
  Value whole(Graph& graph) const {
    const T number = static_cast<T>(whole_.value_or(0));
    const bool same = static_cast<int64_t>(number) == whole_ && (number < T{1}) == (whole_ < 1);
    if (!same) throw wrong(dtype_of<T>());
    return graph.constant(number, "", origin_);
  }

  bool is_number_;
  Value value_;
  double real_ = 0;
  std::optional<int64_t> whole_;  // the number, if it is one
  Origin origin_;
};

namespace detail {
inline Value binary(const char* op, const Operand& a, const Operand& b, const Attrs& attrs = {}) {
  return add_node(op, {a.beside(b), b.beside(a)}, attrs, "", 1, b.origin())[0];
}
inline Value unary(const char* op, const Operand& a) { return add_node(op, {a.value()}, {}, "", 1, a.origin())[0]; }
}  // namespace detail

/// The sum, elementwise; shapes broadcast as in NumPy, here and below.
inline Value operator+(const Operand& a, const Operand& b) { return detail::binary("Add", a, b); }
/// The difference, elementwise.
inline Value operator-(const Operand& a, const Operand& b) { return detail::binary("Sub", a, b); }
/// The product, elementwise.
inline Value operator*(const Operand& a, const Operand& b) { return detail::binary("Mul", a, b); }
/// The quotient, elementwise; of integers without its fraction.
inline Value operator/(const Operand& a, const Operand& b) { return detail::binary("Div", a, b); }
/// Whether a is less, elementwise: bools.
inline Value operator<(const Operand& a, const Operand& b) { return detail::binary("Less", a, b); }
/// Whether a is not larger, elementwise: bools.
inline Value operator<=(const Operand& a, const Operand& b) { return detail::binary("LessOrEqual", a, b); }
/// Whether a is larger, elementwise: bools.
inline Value operator>(const Operand& a, const Operand& b) { return detail::binary("Greater", a, b); }
/// Whether a is not less, elementwise: bools.
inline Value operator>=(const Operand& a, const Operand& b) { return detail::binary("GreaterOrEqual", a, b); }
/// Whether both bools are true, elementwise.
inline Value operator&(const Operand& a, const Operand& b) { return detail::binary("And", a, b); }
/// Whether one of the bools is true, elementwise.
inline Value operator|(const Operand& a, const Operand& b) { return detail::binary("Or", a, b); }
/// Whether just one of the bools is true, elementwise.
inline Value operator^(const Operand& a, const Operand& b) { return detail::binary("Xor", a, b); }
/// The remainder, elementwise. It has the sign of b for integers, as in Python, that of a for floating point, as in
/// C++.
inline Value operator%(const Operand& a, const Operand& b) {
  const std::string dtype = dtype_name((a.is_number() ? b : a).value().dtype());
  const bool whole = dtype != "unknown" && (dtype[0] == 'i' || dtype[0] == 'u');
  return detail::binary("Mod", a, b, Attrs().set("fmod", whole ? 0 : 1));
}
/// a to the power of b, elementwise.
inline Value pow(const Operand& a, const Operand& b) { return detail::binary("Pow", a, b); }
/// The negated elements.
inline Value operator-(const Operand& a) { return detail::unary("Neg", a); }
/// The other bools.
inline Value operator!(const Operand& a) { return detail::unary("Not", a); }

inline Value Value::matmul(const Value& other, const Origin& origin) const {
  return add_node("MatMul", {*this, other}, {}, "", 1, origin)[0];
}
inline Value Value::equal(const Operand& other) const { return detail::binary("Equal", *this, other); }
inline Value Value::not_equal(const Operand& other) const {
  return add_node("Not", {equal(other)}, {}, "", 1, other.origin())[0];
}
inline Value Value::reduced(const char* op, const std::vector<int64_t>& axes, bool keepdims,
                            const Origin& origin) const {
  std::vector<Value> inputs{*this};
  if (!axes.empty()) inputs.push_back(Graph(graph_state()).constant(axes, "", origin));
  return add_node(op, inputs, Attrs().set("keepdims", keepdims), "", 1, origin)[0];
}
inline Value Value::reshape(const std::vector<int64_t>& dims, const Origin& origin) const {
  return add_node("Reshape", {*this, Graph(graph_state()).constant(dims, "", origin)}, {}, "", 1, origin)[0];
}
inline Value Value::transpose(const std::vector<int64_t>& perm, const Origin& origin) const {
  return add_node("Transpose", {*this}, perm.empty() ? Attrs() : Attrs().set("perm", perm), "", 1, origin)[0];
}
inline Value Value::cast(DType to, const Origin& origin) const {
  return add_node("Cast", {*this}, Attrs().set("to", to), "", 1, origin)[0];
}
inline Value Value::unary(const char* op, const Origin& origin) const {
  return add_node(op, {*this}, {}, "", 1, origin)[0];
}
inline Value Value::softmax(int64_t axis, const Origin& origin) const {
  return add_node("Softmax", {*this}, Attrs().set("axis", axis), "", 1, origin)[0];
}
inline Value Value::at(int64_t i, int64_t axis, const Origin& origin) const {
  Value index = Graph(graph_state()).constant(i, "", origin);
  return add_node("Gather", {*this, index}, Attrs().set("axis", axis), "", 1, origin)[0];
}
inline Value Value::slice(int64_t first, std::optional<int64_t> last, int64_t axis, int64_t step,
                          const Origin& origin) const {
  using Limits = std::numeric_limits<int64_t>;
  std::vector<Value> inputs{*this};
  for (int64_t number : {first, last.value_or(step > 0 ? Limits::max() : Limits::min()), axis, step}) {
    inputs.push_back(Graph(graph_state()).constant(std::vector<int64_t>{number}, "", origin));
  }
  return add_node("Slice", inputs, {}, "", 1, origin)[0];
}

/// A layer: variables made once, used as often as it is called. Copies are the same layer. See layers.hpp.
class Layer {
 public:
  /// Makes a layer of that type ("Dense") and its variables, named "name/kernel" and so on. NOT_FOUND for the type,
  /// INVALID_ARGUMENT for its attributes.
  Layer(Graph& graph, const std::string& type, const Attrs& attrs, const std::string& name,
        const Origin& origin = Origin())
      : state_(detail::target(graph.state())) {
    detail::Handle<weft_attrs, weft_attrs_free> given = attrs.make();
    handle_ = Owned(detail::made<weft_layer>([&](weft_layer** out) {
      return weft_layer_new(state_->handle.get(), detail::text(type), given.get(), detail::text(name),
                            origin.text.c_str(), out);
    }));
  }
  /// Adds one use. `training`: dropout drops, and batch normalization uses the batch and moves its running averages.
  /// Give the loss to train by what is made in training, predictions what is made without.
  Value operator()(const Value& input, bool training = false, const Origin& origin = Origin()) const {
    return call({input}, training, 1, origin)[0];
  }
  /// The same for layers with several inputs or outputs.
  std::vector<Value> call(const std::vector<Value>& inputs, bool training = false, int32_t outputs = 1,
                          const Origin& origin = Origin()) const {
    std::vector<int64_t> in = detail::ids(inputs), made(static_cast<size_t>(outputs));
    detail::check(weft_layer_call(handle_.get(), in.data(), detail::count32(in), training, origin.text.c_str(),
                                  made.data(), outputs));
    std::vector<Value> out;
    for (int64_t id : made) out.emplace_back(state_, id);
    return out;
  }
  /// Its variables.
  std::vector<Value> variables() const {
    std::vector<Value> out;
    for (int32_t i = 0; i < weft_layer_variable_count(handle_.get()); ++i) {
      out.emplace_back(state_, weft_layer_variable(handle_.get(), i));
    }
    return out;
  }

 private:
  using Owned = detail::SharedHandle<weft_layer, weft_layer_free>;
  detail::GraphPointer state_;
  Owned handle_;
};

inline Layer Graph::layer(const std::string& type, const Attrs& attrs, const std::string& name, const Origin& origin) {
  return Layer(*this, type, attrs, name, origin);
}

}  // namespace weft
