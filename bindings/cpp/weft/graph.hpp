// Graphs: inputs, constants, variables, nodes, branches, gradients, files.
#pragma once

#include <functional>

#include "weft/attrs.hpp"

namespace weft {

class Layer;
class Session;

/// How a model file is read.
struct LoadOptions {
  /// The weights that become trainable variables; {"*"} is all of f32 and f64 that are parameters: not scalars, masks,
  /// running averages, where recurrent nodes begin, and what PyTorch's exporter marked as a buffer; of a file that Weft
  /// saved, those that were trainable there. The others are constants.
  std::vector<std::string> trainable;
  /// Maps the files instead of reading them: large weights stay there until somebody asks for their elements, and those
  /// that kernels have in a form of their own stay there for good, which halves the memory of most models. The files must
  /// then not change or be made shorter as long as the graph or a session of it lives.
  bool map = false;
  /// Where load_bytes looks for external weights; "" has none.
  std::string folder;
};

/// How a model file is written.
struct SaveOptions {
  /// Keeps variables, initial values, assignments and every node, to go on building and training where it is loaded.
  bool training = false;
  /// The name of a safetensors file to write beside the model for tensors of 1 KiB and more; "": they are in the model.
  std::string weights;
  /// The version of ONNX's operators that the file is of, 7 to 27, for readers that know no later one; 0: the newest
  /// released, or 27 where an operator needs it. What no operators of that version stand for is UNIMPLEMENTED, with the node
  /// and the version that it needs; with `training` it is INVALID_ARGUMENT.
  int32_t opset = 0;
};

/// An output of Graph::host_call.
struct HostOutput {
  DType dtype;                       ///< the type of its elements
  std::optional<std::string> shape;  ///< as in Graph::input: "batch,3"; nothing leaves the rank open
};

/// A dataflow graph. One thread at a time builds it; sessions run it, also while it grows. Copies are the same graph.
class Graph {
 public:
  /// Makes an empty graph. `opset` is the version of ONNX's operators that `add` speaks; 0 is the newest.
  explicit Graph(int32_t opset = 0)
      : state_(std::make_shared<detail::GraphState>(
            detail::made<weft_graph>([&](weft_graph** out) { return weft_graph_new(opset, out); }))) {}
  /// Makes an empty graph that is to be an attribute of a node of this one, such as a branch of If. Values of this
  /// graph may be used in it; what takes a value of each is added to it.
  Graph new_sub() {
    return Graph(std::make_shared<detail::GraphState>(
        detail::made<weft_graph>([&](weft_graph** out) { return weft_graph_new_sub(adding(), out); }),
        detail::target(state_)));
  }
  /// Reads an ONNX model of opset 1 to 27. DATA_LOSS for a damaged file, UNIMPLEMENTED for an unknown operator.
  static Graph load(const std::string& path, const LoadOptions& options = {}) {
    detail::OptionsHandle given = load_options(options);
    return Graph(std::make_shared<detail::GraphState>(detail::made<weft_graph>(
        [&](weft_graph** out) { return weft_graph_load(detail::text(path), given.get(), out); })));
  }
  /// The same from `bytes` bytes at `data`, which are not needed after.
  static Graph load_bytes(const void* data, size_t bytes, const LoadOptions& options = {}) {
    detail::OptionsHandle given = load_options(options);
    const char* folder = options.folder.empty() ? nullptr : detail::text(options.folder);
    return Graph(std::make_shared<detail::GraphState>(detail::made<weft_graph>(
        [&](weft_graph** out) { return weft_graph_load_bytes(data, bytes, folder, given.get(), out); })));
  }

  /// Adds an input. `shape` is text: numbers, names and "?" with commas, such as "batch,3,?"; "" is a scalar, nothing
  /// leaves the rank open. Equal names mean equal dimensions. ALREADY_EXISTS if the graph has the name.
  Value input(const std::string& name, DType dtype, const std::optional<std::string>& shape = std::nullopt,
              const Origin& origin = Origin()) {
    return one([&](int64_t* out) {
      return weft_graph_add_input(adding(), detail::text(name), static_cast<int32_t>(dtype),
                                  shape ? detail::text(*shape) : nullptr, origin.text.c_str(), out);
    });
  }
  /// Adds a tensor as a constant; it shares the elements, which must not change.
  Value constant(const Tensor& value, const std::string& name = "", const Origin& origin = Origin()) {
    return one([&](int64_t* out) {
      return weft_graph_add_constant(adding(), value.handle(), or_null(name), origin.text.c_str(), out);
    });
  }
  /// Adds a number as a constant without dimensions, of the number's own type: 2.0f is f32, 2.0 f64, int64_t{2} i64.
  template <typename T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Value constant(T value, const std::string& name = "", const Origin& origin = Origin()) {
    return constant(Tensor::scalar(value), name, origin);
  }
  /// Adds a list of numbers as a constant with one dimension, of the numbers' own type.
  template <typename T>
  Value constant(const std::vector<T>& values, const std::string& name = "", const Origin& origin = Origin()) {
    return constant(Tensor::from({static_cast<int64_t>(values.size())}, values), name, origin);
  }
  /// Adds a variable with an initial value that depends on no input and has a shape of numbers. The result is its value
  /// as it was when a run began; weft::assign changes it. Optimizers train those that are `trainable`.
  Value variable(const std::string& name, const Value& initial, bool trainable = true,
                 const Origin& origin = Origin()) {
    return one([&](int64_t* out) {
      return weft_graph_add_variable(adding(), detail::text(name), initial.id(), trainable, origin.text.c_str(), out);
    });
  }
  /// A variable that begins as a tensor.
  Value variable(const std::string& name, const Tensor& initial, bool trainable = true,
                 const Origin& origin = Origin()) {
    return variable(name, constant(initial, "", origin), trainable, origin);
  }
  /// A variable without dimensions that begins as a number, of the number's own type.
  template <typename T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Value variable(const std::string& name, T initial, bool trainable = true, const Origin& origin = Origin()) {
    return variable(name, Tensor::scalar(initial), trainable, origin);
  }
  /// Adds a node of any operator, by its full name ("MatMul", "weft.Assign"); gives its first `outputs` outputs. An
  /// empty value is an input that is left out. NOT_FOUND for the operator; INVALID_ARGUMENT, with shapes and what was
  /// expected, for what it cannot take.
  std::vector<Value> add(const std::string& op, const std::vector<Value>& inputs, const Attrs& attrs = {},
                         const std::string& name = "", int32_t outputs = 1, const Origin& origin = Origin()) {
    detail::Handle<weft_attrs, weft_attrs_free> given = attrs.make();
    std::vector<int64_t> in = detail::ids(inputs);
    return many(static_cast<size_t>(outputs), [&](int64_t* out) {
      return weft_graph_add(adding(), detail::text(op), in.data(), detail::count32(in), given.get(), or_null(name),
                            origin.text.c_str(), out, outputs);
    });
  }
  /// Makes a layer of any type, by its name ("Dense"). See layers.hpp for a class of each.
  Layer layer(const std::string& type, const Attrs& attrs, const std::string& name, const Origin& origin = Origin());
  /// Makes `assignment`, an output of weft::assign, happen in every run that computes `value`, but for those of calls that
  /// were prepared before.
  void attach(const Value& value, const Value& assignment) {
    detail::check(weft_graph_attach(adding(), value.id(), assignment.id()));
  }
  /// Adds the gradient of the sum of `ys`, each times its weight, by each of `xs`: an empty value where no y depends on
  /// x. Without `weights` they are ones; if there are, there must be as many as `ys`, and an empty one is ones. What
  /// constants hold may be built into the gradient: what runs are to feed with other values must be an input.
  std::vector<Value> gradients(const std::vector<Value>& ys, const std::vector<Value>& xs,
                               const std::vector<Value>& weights = {}, const Origin& origin = Origin()) {
    if (!weights.empty() && weights.size() != ys.size()) {
      throw Error(WEFT_INVALID_ARGUMENT, "there are " + std::to_string(weights.size()) + " weights for " +
                                             std::to_string(ys.size()) + " values to differentiate");
    }
    std::vector<int64_t> from = detail::ids(ys), by = detail::ids(xs), factors = detail::ids(weights);
    return many(by.size(), [&](int64_t* out) {
      return weft_graph_differentiate(adding(), from.data(), detail::count32(from), by.data(), detail::count32(by),
                                      weights.empty() ? nullptr : factors.data(), origin.text.c_str(), out);
    });
  }
  /// What `then` builds if the condition, a bool without dimensions, holds, else what `otherwise` builds; only one is
  /// run. Both are called at once, and must give as many values, of the same types.
  std::vector<Value> if_(const Value& condition, const std::function<std::vector<Value>()>& then,
                         const std::function<std::vector<Value>()>& otherwise, const Origin& origin = Origin());
  /// Runs what `body` builds again and again: at most `count` times (an i64), and as long as its condition holds, from
  /// `condition` (a bool) on; an empty value is none. `body` is called at once, with the number of the iteration, the
  /// condition and what is carried, which is `initial` at first. It gives the condition for the next iteration, what is
  /// carried on, and then anything of which every iteration's is wanted. The result is what is carried, as the last
  /// iteration left it, and then the others, stacked along a new first axis. `attrs` are further attributes of Loop: with
  /// "recompute" a gradient keeps of each iteration only what goes into it and computes the rest again, in less memory and
  /// more time.
  std::vector<Value> loop(const Value& count, const Value& condition, const std::vector<Value>& initial,
                          const std::function<std::vector<Value>(const std::vector<Value>&)>& body,
                          Attrs attrs = Attrs(), const Origin& origin = Origin());
  /// Runs what `body` builds once for each item along an axis, the first unless `attrs` says otherwise (with the
  /// attributes of Scan), of the `scanned` values, which are of one length. `body` is called at once, with what is carried,
  /// which is `initial` at first, and an item of each. It gives what is carried on, and then anything of which every
  /// iteration's is wanted. The result is what is carried, as the last iteration left it, and then the others, stacked.
  std::vector<Value> scan(const std::vector<Value>& initial, const std::vector<Value>& scanned,
                          const std::function<std::vector<Value>(const std::vector<Value>&)>& body,
                          Attrs attrs = Attrs(), const Origin& origin = Origin());
  /// Computes what `body` builds for each item of sequences of one length: the first of `inputs`, and others that are
  /// sequences. `body` is called at once, with an item of each sequence and each other input as it is. The result is, for
  /// each value that it gives, the sequence of what that was.
  std::vector<Value> sequence_map(const std::vector<Value>& inputs,
                                  const std::function<std::vector<Value>(const std::vector<Value>&)>& body,
                                  const Origin& origin = Origin());
  /// Attention whose scores and weights go through what functions build (ONNX's ai.onnx.preview.FlexAttention):
  /// `prob_mod(softmax(score_mod(scale * query key^T))) value` for each head, with a query [N, heads, L, features], a key
  /// [N, heads of keys, S, features] and a value [N, heads of keys, S, features of values]; each head of the key is shared
  /// by as many neighbours of the query's. Each function is called at once, with a value [N, heads, L, S], and gives one
  /// like it; a score of -inf is where a query does not look. An empty function changes nothing. `attrs` are "scale" and
  /// "softmax_precision", as the operator has them.
  Value flex_attention(const Value& query, const Value& key, const Value& value,
                       const std::function<Value(const Value&)>& score_mod = {},
                       const std::function<Value(const Value&)>& prob_mod = {}, const Attrs& attrs = Attrs(),
                       const Origin& origin = Origin());
  /// Adds a node that calls the host function of that name (see set_host_function) on the thread that runs. `gradient`
  /// names the function that differentiates it: it gets the inputs and then the gradient of each output, and gives the
  /// gradient of each input; "": there is none. In a branch, and in a loop inside of another, the function is called
  /// again for it and must give the same.
  std::vector<Value> host_call(const std::string& function, const std::vector<Value>& inputs,
                               const std::vector<HostOutput>& outputs, const std::string& gradient = "",
                               const std::string& name = "", const Origin& origin = Origin()) {
    std::vector<std::string> dtypes, shapes;
    for (const HostOutput& output : outputs) {
      dtypes.push_back(dtype_name(output.dtype));
      shapes.push_back(output.shape.value_or("..."));
    }
    Attrs attrs;
    attrs.set("name", function).set("dtypes", dtypes).set("shapes", shapes);
    if (!gradient.empty()) attrs.set("gradient", gradient);
    return add("weft.HostCall", inputs, attrs, name, detail::count32(outputs), origin);
  }

  /// Names of what is added to a graph while the scope lives begin with "name/".
  class Scope {
   public:
    /// Opens the scope; in a branch that is being built, it is the branch's.
    Scope(Graph& graph, const std::string& name) : state_(detail::target(graph.state_)) {
      detail::check(weft_graph_open_scope(state_->handle.get(), detail::text(name)));
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { weft_status_free(weft_graph_close_scope(state_->handle.get())); }

   private:
    detail::GraphPointer state_;
  };

  /// The input, variable or other value of that name; NOT_FOUND if there is none.
  Value find(const std::string& name) const {
    int64_t id = 0;
    detail::check(weft_graph_find(handle(), detail::text(name), &id));
    return Value(state_, id);
  }
  /// How many steps the optimizer of that name has made: an i64 scalar, made at first use, so that a learning rate can be
  /// computed from it before the optimizer adds its step.
  Value optimizer_step(const std::string& name = "optimizer") {
    int64_t id = 0;
    detail::check(weft_optimizer_step(handle(), detail::text(name), &id));
    return Value(state_, id);
  }
  /// The inputs, in the order that they were added.
  std::vector<Value> inputs() const { return each(weft_graph_input_count, weft_graph_input); }
  /// What set_outputs set, or the file that it was loaded from.
  std::vector<Value> outputs() const { return each(weft_graph_output_count, weft_graph_output); }
  /// The variables, in the order that they were added.
  std::vector<Value> variables() const { return each(weft_graph_variable_count, weft_graph_variable); }
  /// The values that a sub-graph returns, or that a saved graph shows as its outputs.
  void set_outputs(const std::vector<Value>& values) {
    std::vector<int64_t> out = detail::ids(values);
    detail::check(weft_graph_set_outputs(handle(), out.data(), detail::count32(out)));
  }
  /// The number of nodes, inputs and constants among them.
  int32_t node_count() const { return weft_graph_node_count(handle()); }

  /// Writes an ONNX model of what `outputs` need (the graph's own outputs if there are none), with the values that the
  /// variables have in `session`, or their initial ones without it. A failure leaves the old file. UNIMPLEMENTED, with
  /// the node, for what ONNX cannot say, unless options.training is set.
  void save(const std::string& path, const std::vector<Value>& outputs = {}, const Session* session = nullptr,
            const SaveOptions& options = {}) const;
  /// The graph for people: as text, ...
  std::string text() const { return convert("text"); }
  /// ... for Graphviz, ...
  std::string dot() const { return convert("dot"); }
  /// ... and as a picture, which needs the program dot.
  std::string svg() const { return convert("svg"); }

  /// The handle for the C functions; it stays this object's.
  weft_graph* handle() const { return state()->handle.get(); }
  /// For this header: what the graph and its values share.
  const detail::GraphPointer& state() const {
    if (state_ == nullptr) throw Error(WEFT_FAILED_PRECONDITION, "this graph is empty: it was moved from");
    return state_;
  }
  /// For this header: the graph of that state.
  explicit Graph(detail::GraphPointer state) : state_(std::move(state)) {}

 private:
  static detail::OptionsHandle load_options(const LoadOptions& options) {
    detail::OptionsHandle out("load");
    out.set("map", options.map);
    for (const std::string& name : options.trainable) out.add("trainable", name);
    return out;
  }
  static const char* or_null(const std::string& name) { return name.empty() ? nullptr : detail::text(name); }
  weft_graph* adding() const { return detail::target(state())->handle.get(); }
  template <typename Add>
  std::vector<Value> many(size_t count, Add add) const {
    std::vector<int64_t> made(count);
    detail::check(add(made.data()));
    std::vector<Value> out;
    for (int64_t id : made) out.push_back(id != 0 ? Value(detail::target(state_), id) : Value());
    return out;
  }
  template <typename Add>
  Value one(Add add) const {
    return many(1, add)[0];
  }
  std::vector<Value> each(int32_t (*count)(const weft_graph*), int64_t (*at)(const weft_graph*, int32_t)) const {
    std::vector<Value> out;
    for (int32_t i = 0; i < count(handle()); ++i) out.emplace_back(state_, at(handle(), i));
    return out;
  }
  // The first `own` outputs of the body are none of the node.
  std::vector<Value> repeat(const char* op, const std::vector<Value>& inputs, Attrs attrs,
                            const std::function<std::vector<Value>(const std::vector<Value>&)>& build, int32_t own,
                            const Origin& origin);
  // A sub-graph with the inputs that such a node gives it.
  Graph body_of(const char* op, const std::vector<Value>& inputs, const Attrs& attrs,
                const std::function<std::vector<Value>(const std::vector<Value>&)>& build);
  Graph branch(const std::function<std::vector<Value>()>& build);
  // Builds in a sub-graph.
  void fill(Graph& made, const std::function<std::vector<Value>()>& build);
  std::string convert(const char* format) const {
    return detail::take(
        detail::made<weft_bytes>([&](weft_bytes** out) { return weft_graph_convert(handle(), format, out); }));
  }

  detail::GraphPointer state_;
};

inline Attrs& Attrs::set(const std::string& name, const Graph& value) { return set(name, Setting(value.state())); }

}  // namespace weft

#include "weft/branch.hpp"
