// Graphs.
#pragma once

#include <functional>

#include "weft/value.hpp"

namespace weft {

class Session;

// A dataflow graph. Build it from one thread at a time; sessions run it. Copies are the same graph.
class Graph {
 public:
  // `opset` is the version of ONNX's operators that `add` speaks; 0 is the newest.
  explicit Graph(int32_t opset = 0) : state_(std::make_shared<detail::GraphState>(make(opset))) {}

  // Reads an ONNX model. `trainable` names the weights that become trainable variables; {"*"} is all.
  static Graph load(const std::string& path, const std::vector<std::string>& trainable = {}, bool map = false) {
    detail::OptionsHandle options("load");
    options.set("map", int64_t{map});
    for (const std::string& name : trainable) options.add("trainable", name);
    weft_graph* out = nullptr;
    detail::check(weft_graph_load(path.c_str(), options.get(), &out));
    return Graph(std::make_shared<detail::GraphState>(out));
  }
  // The same from memory, which is not needed after; weights outside of it are looked for in `folder`.
  static Graph load_bytes(const void* data, size_t bytes, const std::vector<std::string>& trainable = {},
                          const std::string& folder = "") {
    detail::OptionsHandle options("load");
    for (const std::string& name : trainable) options.add("trainable", name);
    weft_graph* out = nullptr;
    detail::check(weft_graph_load_bytes(data, bytes, folder.empty() ? nullptr : folder.c_str(), options.get(), &out));
    return Graph(std::make_shared<detail::GraphState>(out));
  }

  // Adds an input. `shape` is text: numbers, names and "?" with commas, such as "batch,3,?"; "" is a scalar.
  Value input(const std::string& name, DType dtype, const std::string& shape, const Origin& origin = Origin()) {
    int64_t id = 0;
    detail::check(weft_graph_add_input(handle(), name.c_str(), static_cast<int32_t>(dtype), shape.c_str(),
                                       origin.text.c_str(), &id));
    return Value(state_, id);
  }
  Value constant(const Tensor& tensor, const char* name = nullptr, const Origin& origin = Origin()) {
    int64_t id = 0;
    detail::check(weft_graph_add_constant(handle(), tensor.handle(), name, origin.text.c_str(), &id));
    return Value(state_, id);
  }
  // Adds a variable with an initial value that depends on no input.
  Value variable(const std::string& name, const Value& initial, bool trainable = true,
                 const Origin& origin = Origin()) {
    int64_t id = 0;
    detail::check(weft_graph_add_variable(handle(), name.c_str(), initial.id(), trainable, origin.text.c_str(), &id));
    return Value(state_, id);
  }
  Value variable(const std::string& name, const Tensor& initial, bool trainable = true,
                 const Origin& origin = Origin()) {
    return variable(name, constant(initial, nullptr, origin), trainable, origin);
  }
  // Adds a node of any operator; gives its first `outputs` outputs. An empty value is an omitted input.
  std::vector<Value> add(const char* op, const std::vector<Value>& inputs, const Attrs& attrs = {}, int32_t outputs = 1,
                         const char* name = nullptr, const Origin& origin = Origin()) {
    auto made = attrs.make();
    return add_node(op, inputs, made.get(), outputs, name, origin);
  }
  // Makes `assignment` happen in every run that computes `value`.
  void attach(const Value& value, const Value& assignment) {
    detail::check(weft_graph_attach(handle(), value.id(), assignment.id()));
  }
  // Adds the gradient of the sum of `ys` by each of `xs`; an empty value where no y depends on x.
  std::vector<Value> gradients(const std::vector<Value>& ys, const std::vector<Value>& xs,
                               const std::vector<Value>& weights = {}, const Origin& origin = Origin()) {
    if (!weights.empty() && weights.size() != ys.size()) {
      throw Error(WEFT_INVALID_ARGUMENT, "there must be as many weights as values to differentiate");
    }
    std::vector<int64_t> y_ids = ids(ys), x_ids = ids(xs), factors = ids(weights), out(xs.size());
    detail::check(weft_graph_differentiate(
        handle(), y_ids.data(), static_cast<int32_t>(y_ids.size()), x_ids.data(), static_cast<int32_t>(x_ids.size()),
        weights.empty() ? nullptr : factors.data(), origin.text.c_str(), out.data()));
    return values(out);
  }
  // What `then` builds if the condition, a bool scalar, holds, else what `otherwise` builds; only one is run.
  std::vector<Value> cond(const Value& condition, const std::function<std::vector<Value>()>& then,
                          const std::function<std::vector<Value>()>& otherwise, const Origin& origin = Origin());

  // Names of what is added while the scope lives begin with "name/".
  class Scope {
   public:
    Scope(Graph& graph, const std::string& name) : state_(graph.state_) {
      detail::check(weft_graph_open_scope(state_->get(), name.c_str()));
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { weft_status_free(weft_graph_close_scope(state_->get())); }

   private:
    std::shared_ptr<detail::GraphState> state_;
  };

  // The input, variable or other value of that name.
  Value find(const std::string& name) const {
    int64_t id = 0;
    detail::check(weft_graph_find(handle(), name.c_str(), &id));
    return Value(state_, id);
  }
  std::vector<Value> inputs() const { return each(weft_graph_input_count, weft_graph_input); }
  std::vector<Value> outputs() const { return each(weft_graph_output_count, weft_graph_output); }
  std::vector<Value> variables() const { return each(weft_graph_variable_count, weft_graph_variable); }
  void set_outputs(const std::vector<Value>& outputs) {
    std::vector<int64_t> out = ids(outputs);
    detail::check(weft_graph_set_outputs(handle(), out.data(), static_cast<int32_t>(out.size())));
  }
  int32_t node_count() const { return weft_graph_node_count(handle()); }

  // Writes an ONNX model of what `outputs` need, with the session's values of the variables. With `training` all is kept,
  // to go on where it is loaded; `weights` names a safetensors file beside it for the larger tensors.
  void save(const std::string& path, const std::vector<Value>& outputs, const Session* session = nullptr,
            bool training = false, const std::string& weights = "") const;

  // One line a node; for Graphviz; as a picture, which needs the program dot.
  std::string text() const { return convert("text"); }
  std::string dot() const { return convert("dot"); }
  std::string svg() const { return convert("svg"); }

  weft_graph* handle() const { return state_->get(); }
  const std::shared_ptr<detail::GraphState>& state() const { return state_; }

  static std::vector<int64_t> ids(const std::vector<Value>& values) {
    std::vector<int64_t> out;
    for (const Value& value : values) out.push_back(value.id());
    return out;
  }

 private:
  friend std::vector<Value> add_node(const char*, const std::vector<Value>&, const Attrs&, int32_t, const char*,
                                     const Origin&);
  explicit Graph(std::shared_ptr<detail::GraphState> state) : state_(std::move(state)) {}
  static weft_graph* make(int32_t opset) {
    weft_graph* out = nullptr;
    detail::check(weft_graph_new(opset, &out));
    return out;
  }
  std::vector<Value> add_node(const char* op, const std::vector<Value>& inputs, const weft_attrs* attrs,
                              int32_t outputs, const char* name, const Origin& origin) {
    std::vector<int64_t> in = ids(inputs), out(static_cast<size_t>(outputs));
    detail::check(weft_graph_add(handle(), op, in.data(), static_cast<int32_t>(in.size()), attrs, name,
                                 origin.text.c_str(), out.data(), outputs));
    return values(out);
  }
  std::vector<Value> values(const std::vector<int64_t>& ids) const {
    std::vector<Value> out;
    for (int64_t id : ids) out.push_back(id != 0 ? Value(state_, id) : Value());
    return out;
  }
  std::vector<Value> each(int32_t (*count)(const weft_graph*), int64_t (*at)(const weft_graph*, int32_t)) const {
    std::vector<Value> out;
    for (int32_t i = 0; i < count(handle()); ++i) out.emplace_back(state_, at(handle(), i));
    return out;
  }
  std::string convert(const char* format) const {
    weft_bytes* out = nullptr;
    detail::check(weft_graph_convert(handle(), format, &out));
    return detail::take(out);
  }

  std::shared_ptr<detail::GraphState> state_;
};

inline std::vector<Value> Graph::cond(const Value& condition, const std::function<std::vector<Value>()>& then,
                                      const std::function<std::vector<Value>()>& otherwise, const Origin& origin) {
  weft_attrs* made = nullptr;
  detail::check(weft_attrs_new(&made));
  detail::Handle<weft_attrs, weft_attrs_free> attrs(made);
  size_t counts[2];
  const char* const names[] = {"then_branch", "else_branch"};
  for (int i = 0; i < 2; ++i) {
    weft_graph* sub = nullptr;
    detail::check(weft_graph_new_sub(handle(), &sub));
    detail::Handle<weft_graph, weft_graph_free> branch(sub);
    struct Inside {  // what is built meanwhile goes to the branch
      detail::GraphState& state;
      weft_graph* outer;
      Inside(detail::GraphState& s, weft_graph* sub) : state(s), outer(s.current) { state.current = sub; }
      ~Inside() { state.current = outer; }
    };
    std::vector<Value> results;
    {
      Inside inside(*state_, sub);
      // Values of the outer graph come in through a node of the branch.
      for (const Value& value : i == 0 ? then() : otherwise()) results.push_back(add("Identity", {value})[0]);
      set_outputs(results);
    }
    counts[i] = results.size();
    detail::check(weft_attrs_set_graph(made, names[i], sub));
  }
  if (counts[0] != counts[1]) throw Error(WEFT_INVALID_ARGUMENT, "the branches must give as many values");
  return add_node("If", {condition}, made, static_cast<int32_t>(counts[0]), nullptr, origin);
}

}  // namespace weft
