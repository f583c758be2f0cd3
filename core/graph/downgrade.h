// Nodes as older opsets know them: what a rewrite sees of a node.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph/expr.h"

namespace weft {

// A node in the form that opsets from some version on know, to be changed in place into the form that those below know; or
// replaced by other operators of today, which are then written for the older opset in their turn. What it needs besides is
// built in `scope`. An error is about the node ("its axes ...") and says why neither can be.
class DowngradeContext {
 public:
  // `inputs` are values of the scope's graph; what is a constant is one there too.
  DowngradeContext(ExprScope& scope, const OpDef& op_def, std::vector<Expr> inputs, Attrs attrs,
                   std::vector<ValueType> outputs)
      : op(op_def.name()),
        inputs(std::move(inputs)),
        attrs(std::move(attrs)),
        scope_(scope),
        op_def_(op_def),
        outputs_(std::move(outputs)) {}

  std::string op;
  std::vector<Expr> inputs;  // those that are omitted are not valid
  Attrs attrs;               // with their defaults

  ExprScope& scope() { return scope_; }
  bool has_input(int i) const { return i < static_cast<int>(inputs.size()) && inputs[i].valid(); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  const ValueType& output(int i) const { return outputs_[i]; }

  // What an input is in every run; null, or nothing, where only a run tells.
  const Tensor* constant(int i) const;
  std::optional<std::vector<int64_t>> numbers(int i) const;
  // The same, or an error.
  Result<std::vector<int64_t>> known_numbers(int i) const;
  Result<double> known_float(int i) const;  // of one element, of a floating-point type, which an attribute can hold
  Result<int64_t> known_rank(int i) const;
  // Takes an input of integers away, which must be known, and sets a list attribute to them; nothing if it is not given.
  Status input_to_attr(int i, std::string_view attr);
  void drop_input(int i) {
    if (has_input(i)) inputs[i] = Expr();
  }

  // Values in the place of the node's outputs.
  void replace(std::vector<Expr> by) { replacements_ = std::move(by); }
  bool is_replaced() const { return !replacements_.empty(); }
  const std::vector<Expr>& replacements() const { return replacements_; }

 private:
  const std::string& input_name(int i) const { return op_def_.input_formal(i)->name; }

  ExprScope& scope_;
  const OpDef& op_def_;
  std::vector<ValueType> outputs_;
  std::vector<Expr> replacements_;
};

}  // namespace weft
