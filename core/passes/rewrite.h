// Rewriting programs: a walk that copies a program node by node, and tables of rules that put something better in place.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph/expr.h"
#include "core/kernel/registry.h"
#include "core/passes/program.h"

namespace weft {

// What a rule sees: a node of the program as it was, everything before it already copied. Patterns are looked for in
// the old graph (producers, numbers of users); the replacement is built in the new one.
class RuleContext {
 public:
  RuleContext(const Graph& from, const std::vector<int32_t>& uses, const std::vector<Expr>& map, ExprScope& scope,
              const Node& node, const KernelRegistry& kernels, const KernelRegistry& folding_kernels)
      : node(node),
        from(from),
        kernels(kernels),
        folding_kernels(folding_kernels),
        uses_(uses),
        map_(map),
        scope_(scope),
        outputs_(node.output_count) {}

  const Node& node;
  const Graph& from;
  const KernelRegistry& kernels;
  const KernelRegistry& folding_kernels;  // of the CPU: what constants are computed with

  ExprScope& scope() { return scope_; }
  const Attrs& attrs() const { return node.attrs; }
  // The node that makes input i, if it is of this operator; null otherwise. `sole` asks that nobody else uses it.
  const Node* input_from(int i, std::string_view op, bool sole) const { return producer_of(input(i), op, sole); }
  const Node* producer_of(ValueId id, std::string_view op, bool sole) const;
  ValueId input(int i) const { return i < static_cast<int>(node.inputs.size()) ? node.inputs[i] : kNoValue; }
  const ValueType& type(ValueId id) const { return from.type(id); }
  const Tensor* constant(ValueId id) const { return id == kNoValue ? nullptr : from.value(id).constant.get(); }
  // The number, if it is a constant of floats or integers with one value throughout.
  std::optional<double> constant_number(ValueId id) const;
  int32_t uses(ValueId id) const { return uses_[id]; }  // outputs of the program count as uses

  // Where a value of the old graph is in the new one.
  Expr mapped(ValueId id) const { return id == kNoValue ? Expr() : map_[id]; }
  Expr mapped_input(int i) const { return mapped(input(i)); }
  std::vector<Expr> mapped_inputs(const Node& node) const {
    std::vector<Expr> inputs;
    for (ValueId id : node.inputs) inputs.push_back(mapped(id));
    return inputs;
  }

  // A node in the new graph, if all its inputs have shapes in numbers and there is a kernel for it; else not valid.
  Expr make_with_kernel(std::string_view op, const std::vector<Expr>& inputs, Attrs attrs);

  void replace(Expr value) { replace(0, value); }
  void replace(int output, Expr value) {
    outputs_[output] = value;
    replaced_ = true;
  }
  bool replaced() const { return replaced_; }
  const std::vector<Expr>& outputs() const { return outputs_; }

 private:
  const std::vector<int32_t>& uses_;
  const std::vector<Expr>& map_;
  ExprScope& scope_;
  std::vector<Expr> outputs_;
  bool replaced_ = false;
};

// Leaves the node alone unless it calls `replace`, for every output that is used.
using RuleFn = Status (*)(RuleContext& context);

struct Rule {
  const char* name;  // what an option switches off: "fuse_matmul_bias"
  const char* op;    // full name of the operator at the pattern's end, or "*"
  RuleFn apply;
  // An operator made of others that the pattern contains: the rule sees a program that has one in a walk of its own,
  // before operators come apart and others join what it looks for.
  const char* whole = nullptr;
  // What other rules do not know to look through: the rule waits until they find nothing any more. What they ask of
  // constants may hold some walks later only, as what is computed of constants is one from the next walk on.
  bool late = false;
  // It computes with constants of the graph, so that it is of use only where these are folded.
  bool folds = false;
};

class RuleRegistry {
 public:
  void add(const Rule& rule) { rules_.push_back(rule); }
  const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
};

struct RewriteOptions {
  std::vector<const Rule*> rules;
  // Operators that a rule waits for: not to be computed ahead as long as that may put another in their place, whose results
  // have other bits.
  std::set<std::string> awaited;
  bool fold_constants = true;
  bool share_equal_nodes = true;  // common sub-expressions
  bool expand_bodies = true;      // operators without a kernel become what they are made of
  bool fuse_elementwise = true;   // done by planning, which knows shapes and kernels
  bool branches = true;           // steps side by side: done by planning too
  // What constants are computed with; null for the program's own kernels, if they are those of the CPU.
  const KernelRegistry* folding_kernels = nullptr;
};

// What is known of an input beyond the program: its shape in numbers, perhaps its value.
struct KnownInput {
  std::optional<ValueType> type;
  const Tensor* value = nullptr;  // becomes a constant; the input stays in the list, unused
};

// One walk. Nodes that nothing needs are left out. `changed` is set if a rule or folding did something.
Result<Program> rewrite(const Program& program, const KernelRegistry& kernels, const RewriteOptions& options,
                        const std::vector<KnownInput>& known, bool* changed);

// Walks until nothing changes (at most ten times, and as often before late rules); checks the graph between walks in builds with assertions.
Result<Program> optimize(Program program, const KernelRegistry& kernels, const RewriteOptions& options,
                         const std::vector<KnownInput>& known = {});

// The options with the rules of `registry` whose names are not in `disabled`; "*" disables all of them. The names
// "fold_constants", "share_equal_nodes", "fuse_elementwise" and "branches" are known too.
RewriteOptions rewrite_options(const RuleRegistry& registry, const std::vector<std::string>& disabled);
// An error that lists all names if one of these is none.
Status check_pass_names(const RuleRegistry& registry, const std::vector<std::string>& names);

// What a kernel of the node would be prepared with.
KernelContext kernel_context(const Graph& graph, const Node& node);
// What inference found out without a constant; null if it knows less than all numbers.
std::shared_ptr<const Tensor> known_integers(const ValueType& type);

// Runs the node's kernel on constants. Nothing (and no error) if it has no kernel for them or the kernel fails.
std::optional<std::vector<Tensor>> evaluate_node(const Graph& graph, const Node& node, const KernelRegistry& kernels);

}  // namespace weft
