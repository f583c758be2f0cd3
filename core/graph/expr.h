// Building graphs in C++: expressions over values, for gradients, bodies, layers and passes.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "core/graph/graph.h"

namespace weft {

// Where expressions are built. The first error sticks; later ones build nothing.
class ExprScope {
 public:
  explicit ExprScope(Graph& graph, std::string origin = {}) : graph_(graph), origin_(std::move(origin)) {}

  Graph& graph() { return graph_; }
  const Status& status() const { return status_; }
  void fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  void set_origin(std::string origin) { origin_ = std::move(origin); }
  const std::string& origin() const { return origin_; }

 private:
  Graph& graph_;
  std::string origin_;
  Status status_;
};

// A value under construction, or none. One that an error kept from being made still knows its scope, so that rules need
// not look for errors after every step. Copies are cheap.
class Expr {
 public:
  Expr() = default;
  Expr(ExprScope& scope, ValueId id) : scope_(&scope), id_(id) {}

  bool valid() const { return scope_ != nullptr && id_ != kNoValue; }
  ValueId id() const { return id_; }
  ExprScope& scope() const { return *scope_; }
  // Of a value that an error kept from being made: a scalar of no dtype.
  const ValueType& type() const {
    static const ValueType nothing;
    return valid() ? scope_->graph().type(id_) : nothing;
  }
  DType dtype() const { return type().dtype; }
  bool has_rank() const { return valid() && type().has_rank; }
  const Dims& dims() const { return type().dims; }
  int64_t rank() const { return static_cast<int64_t>(type().dims.size()); }

 private:
  ExprScope* scope_ = nullptr;
  ValueId id_ = kNoValue;
};

// The first output of a new node; an operator with a dot in its name is of that domain ("weft.SumTo").
Expr make(ExprScope& scope, std::string_view op, std::initializer_list<Expr> inputs, Attrs attrs = {},
          std::string_view name = {});
Expr make(ExprScope& scope, std::string_view op, const std::vector<Expr>& inputs, Attrs attrs = {},
          std::string_view name = {});
// All outputs.
std::vector<Expr> make_all(ExprScope& scope, std::string_view op, const std::vector<Expr>& inputs, Attrs attrs,
                           int output_count, std::string_view name = {});

Expr constant(ExprScope& scope, Tensor value);
Expr constant_ints(ExprScope& scope, const std::vector<int64_t>& values);  // i64[n]
Expr constant_int(ExprScope& scope, int64_t value);                        // i64 scalar
// A scalar of the dtype of `like`.
Expr scalar_like(Expr like, double value);
Expr scalar(ExprScope& scope, DType dtype, double value);
// Zeros or another number in the shape and dtype of `like`; zeros like a sequence too. An optional without an element
// stands for zeros like any.
Expr fill_like(Expr like, double value);

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator-(Expr a);
Expr operator+(Expr a, double b);
Expr operator-(Expr a, double b);
Expr operator*(Expr a, double b);
Expr operator/(Expr a, double b);
Expr operator+(double a, Expr b);
Expr operator-(double a, Expr b);
Expr operator*(double a, Expr b);
Expr operator/(double a, Expr b);

Expr where(Expr condition, Expr x, Expr y);
Expr cast(Expr x, DType to);
Expr shape_of(Expr x);  // i64[rank]
Expr reshape(Expr x, Expr shape);
Expr reshape_like(Expr x, Expr like);
Expr expand_like(Expr x, Expr like);
Expr transpose(Expr x, const std::vector<int64_t>& perm);
Expr swap_last_two(Expr x);
Expr reduce_sum(Expr x, const std::vector<int64_t>& axes, bool keep_dims);
Expr unsqueeze(Expr x, const std::vector<int64_t>& axes);
Expr squeeze(Expr x, const std::vector<int64_t>& axes);
Expr concat(const std::vector<Expr>& parts, int64_t axis);
Expr matmul(Expr a, Expr b);
// The same value, known to be of the rank of `like` where its own is not known; of a sequence, its items.
Expr ensure_rank(Expr x, const ValueType& like);
// What numbers of elements, and what is divided by them, are computed in: f16 ends at 65504.
inline DType counting_dtype(DType dtype) { return dtype == DType::kF64 ? DType::kF64 : DType::kF32; }
// Sums a gradient over the axes along which `like` was broadcast to it.
Expr sum_to(Expr gradient, Expr like);
// dy * slope and dy / x, but 0 wherever dy is exactly 0: an infinite slope there must not make a NaN.
Expr grad_mul(Expr dy, Expr slope);
Expr grad_div(Expr dy, Expr x);

// What a gradient rule sees: the node's inputs and outputs, the gradients of its outputs; where it leaves those of
// its inputs. Rules are called only if an output has a gradient and an input needs one.
class GradContext {
 public:
  GradContext(ExprScope& scope, const Node& node, std::vector<Expr> inputs, std::vector<Expr> outputs,
              std::vector<Expr> grads, std::vector<bool> needed)
      : scope_(scope),
        node_(node),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        grads_(std::move(grads)),
        needed_(std::move(needed)),
        input_grads_(inputs_.size()) {}

  ExprScope& scope() { return scope_; }
  const Node& node() const { return node_; }
  const Attrs& attrs() const { return node_.attrs; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[i].valid(); }
  Expr input(int i) const { return i < input_count() ? inputs_[i] : Expr(); }  // an omitted one is not valid
  Expr output(int i) const { return outputs_[i]; }
  bool has_grad(int i) const { return i < output_count() && grads_[i].valid(); }
  // Zeros if the output has none.
  Expr grad(int i) const { return grads_[i].valid() ? grads_[i] : fill_like(outputs_[i], 0); }
  bool needs(int i) const { return i < input_count() && needed_[i]; }
  // Dropped if the input is omitted or needs none.
  void set_grad(int i, Expr gradient) {
    if (needs(i)) input_grads_[i] = gradient;
  }
  const std::vector<Expr>& input_grads() const { return input_grads_; }
  // Leaves the gradients to those of the operator's body.
  void use_body() { uses_body_ = true; }
  bool uses_body() const { return uses_body_; }

 private:
  bool uses_body_ = false;
  ExprScope& scope_;
  const Node& node_;
  std::vector<Expr> inputs_, outputs_, grads_;
  std::vector<bool> needed_;
  std::vector<Expr> input_grads_;
};

// What an operator's body sees: its inputs as expressions of the graph to build in.
class BodyContext {
 public:
  BodyContext(ExprScope& scope, const OpDef& op, const Attrs& attrs, std::vector<Expr> inputs, int output_count,
              std::string_view node_name)
      : scope_(scope),
        op_(op),
        attrs_(attrs),
        inputs_(std::move(inputs)),
        outputs_(output_count),
        node_name_(node_name) {}

  ExprScope& scope() { return scope_; }
  const OpDef& op() const { return op_; }
  const Attrs& attrs() const { return attrs_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[i].valid(); }
  Expr input(int i) const { return inputs_[i]; }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  // "" where only types and shapes are asked for, in a graph that was made for that.
  std::string_view node_name() const { return node_name_; }
  void set_output(int i, Expr value) { outputs_[i] = value; }
  const std::vector<Expr>& outputs() const { return outputs_; }

 private:
  ExprScope& scope_;
  const OpDef& op_;
  const Attrs& attrs_;
  std::vector<Expr> inputs_;
  std::vector<Expr> outputs_;
  std::string_view node_name_;
};

// Builds the body of `op` in `scope`, for a node of that name; or what its gradient flows through.
Result<std::vector<Expr>> expand_body(ExprScope& scope, const OpDef& op, const Attrs& attrs, std::vector<Expr> inputs,
                                      int output_count, std::string_view node_name);
Result<std::vector<Expr>> expand_gradient_body(ExprScope& scope, const OpDef& op, const Attrs& attrs,
                                               std::vector<Expr> inputs, int output_count, std::string_view node_name);

}  // namespace weft
