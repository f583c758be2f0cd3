// Rewriting programs: the walk.
#include "core/passes/rewrite.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "core/graph/walk.h"
#include "core/passes/merge_loops.h"
#include "core/passes/widen.h"

namespace weft {

namespace {

// Larger results than this are not computed ahead, unless they are smaller than what goes in.
constexpr int64_t kMaxFoldedBytes = int64_t{1} << 20;
constexpr int kMaxWalks = 10;

uint64_t mix(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x9e3779b97f4a7c15u + (hash >> 29); }

bool foldable(const Graph& graph, const Node& node) {
  if (!node.op->is_pure() || node.inputs.empty() || node.op->domain() == kWeftDomain) {
    // Operators of the weft domain keep state or are random or call the host; those that do not gain little.
    if (!node.op->is_pure() || node.inputs.empty()) return false;
    if (node.op->domain() == kWeftDomain && node.op->name() != "SumTo") return false;
  }
  int64_t in_bytes = 0;
  for (ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    const Value& value = graph.value(id);
    if (value.constant == nullptr) return false;
    in_bytes += value.constant->bytes();
  }
  for (const auto& [name, attr] : node.attrs) {
    if (attr.kind() == AttrKind::kGraph) return false;
  }
  for (int i = 0; i < node.output_count; ++i) {
    const ValueType& type = graph.type(node.output(i));
    if (type.kind != Kind::kTensor) return false;
    if (!type.concrete()) continue;
    Result<int64_t> count = element_count(to_shape(type.dims));
    if (!count.ok()) return false;
    int64_t bytes = dtype_bytes(type.dtype, *count);
    // A constant that is cast would be cast in every run.
    if (bytes > kMaxFoldedBytes && bytes > in_bytes && !node.is("Cast")) return false;
  }
  return true;
}

class Walk {
 public:
  Walk(const Program& program, const KernelRegistry& kernels, const RewriteOptions& options, bool* changed)
      : program_(program), from_(*program.graph), kernels_(kernels), options_(options), changed_(*changed) {}

  Result<Program> run(const std::vector<KnownInput>& known) {
    WEFT_TRY(out_.graph, Graph::make(from_.ops()));
    out_.graph->spare_names(&from_);
    scope_.emplace(*out_.graph);
    map_.resize(from_.value_count());
    WEFT_CHECK(copy_inputs(known));
    std::vector<NodeId> order = ordered_nodes(from_, program_.outputs, {}, false);
    uses_.assign(from_.value_count(), 0);
    for (NodeId id : order) {
      for (ValueId input : from_.node(id).inputs) {
        if (input != kNoValue) ++uses_[input];
      }
    }
    for (ValueId id : program_.outputs) ++uses_[id];
    if (options_.share_equal_nodes) merges_ = merge_loops(from_, order);
    done_.assign(from_.node_count(), false);
    for (NodeId id : order) WEFT_CHECK(visit(id));
    for (ValueId id : program_.outputs) {
      out_.outputs.push_back(map_[id].id());
      const Node& node = from_.producer(id);
      WEFT_CHECK(check_kept_type(from_.type(id), out_.graph->type(out_.outputs.back()))
                     .at(node.name, node.op->full_name(), node.origin));
    }
    out_.graph->spare_names(nullptr);
    return std::move(out_);
  }

 private:
  Status visit(NodeId id) {
    const Node& node = from_.node(id);
    if (done_[id] || node.is(kWeftDomain, "Input")) return {};
    done_[id] = true;
    if (!merges_.empty() && merges_[id].by >= 0) return merge(node, merges_[id]);
    scope_->set_origin(node.origin);
    return step(node).at(node.name, node.op->full_name(), node.origin);
  }

  // The outputs of the other loop, which comes now if it has not yet.
  Status merge(const Node& node, const LoopMerge& merge) {
    const Node& other = from_.node(merge.by);
    for (NodeId id : ordered_nodes(from_, {other.output(0)}, {}, false)) WEFT_CHECK(visit(id));
    changed_ = true;
    for (int i = 0; i < node.output_count; ++i) map_[node.output(i)] = map_[other.output(merge.outputs[i])];
    return {};
  }

  Status copy_inputs(const std::vector<KnownInput>& known) {
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      const Value& value = from_.value(program_.inputs[i]);
      ValueType type = value.type;
      const Tensor* constant = nullptr;
      if (i < known.size()) {
        if (known[i].type) {
          note_sizes(type.dims, known[i].type->dims);
          type = *known[i].type;
        }
        constant = known[i].value;
      }
      WEFT_TRY(ValueId id,
               out_.graph->add_input(value.name, std::move(type), from_.producer(program_.inputs[i]).origin));
      out_.inputs.push_back(id);
      if (constant != nullptr) {
        WEFT_TRY(id, out_.graph->add_constant(*constant));
      }
      map_[program_.inputs[i]] = Expr(*scope_, id);
    }
    return {};
  }

  void note_sizes(const Dims& named, const Dims& known) {
    if (named.size() != known.size()) return;
    for (size_t d = 0; d < named.size(); ++d) {
      if (!named[d].known() && known[d].known()) sizes_.emplace(named[d].text(), known[d].value());
    }
  }

  bool gets_sizes(const Node& node) const {
    return !sizes_.empty() && node.is(kWeftDomain, "HostCall") && node.attrs.has("shapes");
  }

  // The shapes that a host function declares for its outputs, in numbers where the inputs tell them: they are held to
  // these, and what follows need not wait for the call to know them.
  Result<Attrs> with_sizes(const Node& node) const {
    Attrs attrs = node.attrs;
    std::vector<std::string> shapes = attrs.strings("shapes");
    for (std::string& shape : shapes) {
      if (shape == "...") continue;
      WEFT_TRY(Dims dims, parse_dims(shape, ""));
      std::vector<std::string> texts;
      for (const Dim& dim : dims) {
        const std::string text = dim.text();
        auto size = sizes_.find(text);
        texts.push_back(size != sizes_.end() ? std::to_string(size->second) : text[0] == '?' ? "?" : text);
      }
      shape = join(texts, ",");
    }
    attrs.set("shapes", std::move(shapes));
    return attrs;
  }

  Status step(const Node& node) {
    const std::string op = node.op->full_name();
    for (const Rule* rule : options_.rules) {
      if (rule->op[0] != '*' && op != rule->op) continue;
      RuleContext context(from_, uses_, map_, *scope_, node, kernels_, cpu_kernels());
      WEFT_CHECK(rule->apply(context));
      WEFT_CHECK(scope_->status());
      if (!context.replaced()) continue;
      changed_ = true;
      for (int i = 0; i < node.output_count; ++i) map_[node.output(i)] = context.outputs()[i];
      return {};
    }
    std::vector<Expr> inputs;
    for (ValueId id : node.inputs) inputs.push_back(id == kNoValue ? Expr() : map_[id]);
    if (has_kernel(node)) return copy(node, inputs);
    if (std::optional<Widening> widening = find_widening(node)) return widen(node, *widening, std::move(inputs));
    if (options_.expand_bodies && node.op->body_fn() != nullptr && !waits(node)) {
      changed_ = true;
      if (node.op->has_body_by_shapes() && node.op->infer_fn() != nullptr) WEFT_CHECK(check_shapes(node, inputs));
      WEFT_TRY(std::vector<Expr> outputs,
               expand_body(*scope_, *node.op, node.attrs, std::move(inputs), node.output_count, node.name));
      for (int i = 0; i < node.output_count; ++i) {
        // Here an error names the node that it is of; what goes out is looked at in any case.
        if (node.op->is_added()) WEFT_CHECK(check_kept_type(from_.type(node.output(i)), outputs[i].type()));
        map_[node.output(i)] = outputs[i];
      }
      return {};
    }
    return copy(node, inputs);
  }

  bool any_shape_open(const Node& node) const {
    for (ValueId id : node.inputs) {
      if (id != kNoValue && !from_.type(id).concrete()) return true;
    }
    return false;
  }

  // Of the inputs that decide on the shapes of the outputs.
  bool any_value_open(const Node& node) const {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      const Formal* formal = node.op->input_formal(static_cast<int>(i));
      if (id == kNoValue || formal == nullptr || !formal->shapes_outputs) continue;
      if (from_.value(id).constant == nullptr && known_integers(from_.type(id)) == nullptr) return true;
    }
    return false;
  }

  // For shapes by which its body is built, and for the values that decide on shapes.
  bool waits(const Node& node) const {
    return node.op->has_body_by_shapes() && (any_shape_open(node) || any_value_open(node));
  }

  // What the operator itself says of shapes that were symbols before, better than the parts of its body.
  Status check_shapes(const Node& node, const std::vector<Expr>& inputs) {
    std::vector<const ValueType*> types;
    std::vector<const Tensor*> constants;
    for (const Expr& input : inputs) {
      types.push_back(input.valid() ? &input.type() : nullptr);
      constants.push_back(input.valid() ? out_.graph->value(input.id()).constant.get() : nullptr);
    }
    InferContext context(*node.op, node.attrs, std::move(types), std::move(constants), node.output_count, node.name);
    return node.op->infer_fn()(context);
  }

  // Once the shapes are numbers, one that takes them; before, any. What needs none counts as well.
  bool has_kernel(const Node& node) const {
    if (node.op->is_view()) return true;
    // Nothing else could be done with the node.
    if (node.op->body_fn() == nullptr && !may_widen(from_, node)) return true;
    if (accepted_by(kernels_, node)) return true;
    if (node.op->body_fn() != nullptr) return false;
    if (!cpu_kernels().has(node.op->full_name())) return true;
    // Nodes that a device has no kernel for run on the processor.
    return &kernels_ != &cpu_kernels() && accepted_by(cpu_kernels(), node);
  }

  bool accepted_by(const KernelRegistry& kernels, const Node& node) const {
    const std::string op = node.op->full_name();
    if (!kernels.has(op)) return false;
    if (any_shape_open(node)) return true;
    for (int i = 0; i < node.output_count && !node.op->sizes_own_outputs(); ++i) {
      const ValueType& type = from_.type(node.output(i));
      if (type.kind == Kind::kTensor && !type.concrete()) return true;
    }
    return kernels.accepts(op, kernel_context(from_, node));
  }

  const KernelRegistry& cpu_kernels() const {
    return options_.folding_kernels != nullptr ? *options_.folding_kernels : kernels_;
  }

  // Of a node that has no kernel as it is.
  std::optional<Widening> find_widening(const Node& node) const {
    if (auto found = widening_for(kernels_, node)) return found;
    if (node.op->body_fn() != nullptr) return widen_halves(from_, node);
    return &kernels_ != &cpu_kernels() ? widening_for(cpu_kernels(), node) : std::nullopt;
  }

  std::optional<Widening> widening_for(const KernelRegistry& kernels, const Node& node) const {
    const std::string op = node.op->full_name();
    if (!kernels.has(op)) return std::nullopt;
    return weft::find_widening(from_, node, [&](const KernelContext& c) { return kernels.accepts(op, c); });
  }

  // The node keeps its name and origin for errors.
  Status widen(const Node& node, const Widening& widening, std::vector<Expr> inputs) {
    changed_ = true;
    std::vector<ValueId> ids;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (widening.inputs[i] != DType::kNone) inputs[i] = cast(inputs[i], widening.inputs[i]);
      WEFT_CHECK(scope_->status());
      ids.push_back(inputs[i].id());
    }
    NodeOptions options = NodeOptions::copy_of(from_, node);
    options.copied_from = nullptr;  // its attributes may be others
    WEFT_TRY(NodeId id, out_.graph->add_node(*node.op, std::move(ids), widening.attrs, std::move(options)));
    for (int i = 0; i < node.output_count; ++i) {
      const ValueId old = node.output(i);
      map_[old] = cast(Expr(*scope_, out_.graph->node(id).output(i)), from_.type(old).dtype);
    }
    return scope_->status();
  }

  Status copy(const Node& node, const std::vector<Expr>& inputs) {
    std::vector<ValueId> ids;
    for (const Expr& input : inputs) ids.push_back(input.id());
    uint64_t hash = 0;
    bool shareable = options_.share_equal_nodes && node.op->is_pure();
    if (shareable) {
      hash = hash_of(node, ids);
      auto [begin, end] = seen_.equal_range(hash);
      for (auto at = begin; at != end; ++at) {
        const Node& twin = out_.graph->node(at->second);
        if (twin.op != node.op || twin.inputs != ids || twin.output_count != node.output_count ||
            !(twin.attrs == node.attrs)) {
          continue;
        }
        for (int i = 0; i < node.output_count; ++i) map_[node.output(i)] = Expr(*scope_, twin.output(i));
        return {};
      }
    }
    NodeOptions options = NodeOptions::copy_of(from_, node);
    Attrs attrs = node.attrs;
    if (gets_sizes(node)) {
      options.copied_from = nullptr;
      WEFT_TRY(attrs, with_sizes(node));
    }
    WEFT_TRY(NodeId id, out_.graph->add_node(*node.op, std::move(ids), std::move(attrs), std::move(options)));
    const Node& made = out_.graph->node(id);
    for (int i = 0; i < node.output_count && node.op->is_added(); ++i) {
      WEFT_CHECK(check_kept_type(from_.type(node.output(i)), out_.graph->type(made.output(i))));
    }
    if (shareable) seen_.emplace(hash, id);
    if (options_.fold_constants && foldable(*out_.graph, made) && options_.awaited.count(made.op->full_name()) == 0) {
      if (auto values = evaluate_node(*out_.graph, made, cpu_kernels())) {
        changed_ = true;
        for (int i = 0; i < node.output_count; ++i) {
          map_[node.output(i)] = constant(*scope_, std::move((*values)[i]));
        }
        return scope_->status();
      }
    }
    // What inference knows of integers is a constant too, though nothing was computed.
    for (int i = 0; i < node.output_count; ++i) {
      map_[node.output(i)] = Expr(*scope_, made.output(i));
      if (!options_.fold_constants || node.is("Constant")) continue;
      if (auto known = known_integers(out_.graph->type(made.output(i)))) {
        map_[node.output(i)] = constant(*scope_, *known);
        changed_ = true;
      }
    }
    return scope_->status();
  }

  static uint64_t hash_of(const Node& node, const std::vector<ValueId>& ids) {
    uint64_t hash = reinterpret_cast<uintptr_t>(node.op);
    for (ValueId id : ids) hash = mix(hash, static_cast<uint64_t>(id) + 1);
    if (node.is("Constant")) {
      const Tensor& tensor = node.attrs.tensor("value");
      hash = mix(hash, static_cast<uint64_t>(tensor.count()));
      if (tensor.buffer() != nullptr && tensor.buffer()->unfilled()) {
        // To look at the elements of such a one would bring it into memory.
        hash = mix(hash, reinterpret_cast<uintptr_t>(tensor.buffer().get()));
      } else if (tensor.dtype() != DType::kString) {
        const unsigned char* bytes = tensor.as<unsigned char>();
        for (int64_t i = 0; i < std::min<int64_t>(tensor.bytes(), 64); ++i) hash = mix(hash, bytes[i]);
      }
    }
    return hash;
  }

  const Program& program_;
  const Graph& from_;
  const KernelRegistry& kernels_;
  const RewriteOptions& options_;
  bool& changed_;
  Program out_;
  std::optional<ExprScope> scope_;
  std::vector<Expr> map_;
  std::map<std::string, int64_t> sizes_;  // of the symbols in the shapes of the inputs
  std::vector<int32_t> uses_;
  std::vector<LoopMerge> merges_;
  std::vector<bool> done_;  // by node
  std::unordered_multimap<uint64_t, NodeId> seen_;
};

}  // namespace

const Node* RuleContext::producer_of(ValueId id, std::string_view op, bool sole) const {
  if (id == kNoValue || (sole && uses_[id] != 1)) return nullptr;
  const Node& producer = from.producer(id);
  auto [domain, name] = split_op_name(op);
  return producer.is(domain, name) ? &producer : nullptr;
}

std::optional<double> RuleContext::constant_number(ValueId id) const {
  const Tensor* value = constant(id);
  if (value == nullptr || value->count() == 0 || value->count() > 4096) return std::nullopt;
  auto read = [&](int64_t i) -> std::optional<double> {
    switch (value->dtype()) {
      case DType::kF32: return value->as<float>()[i];
      case DType::kF64: return value->as<double>()[i];
      case DType::kI32: return value->as<int32_t>()[i];
      case DType::kI64: return static_cast<double>(value->as<int64_t>()[i]);
      default: return std::nullopt;
    }
  };
  std::optional<double> first = read(0);
  for (int64_t i = 1; first && i < value->count(); ++i) {
    if (read(i) != first) return std::nullopt;
  }
  return first;
}

Expr RuleContext::make_with_kernel(std::string_view op, const std::vector<Expr>& inputs, Attrs attrs) {
  for (const Expr& input : inputs) {
    if (input.valid() && !input.type().concrete()) return {};
  }
  const Expr y = make(scope_, op, inputs, std::move(attrs));
  if (!y.valid()) return y;
  const Graph& graph = scope_.graph();
  return kernels.accepts(op, kernel_context(graph, graph.producer(y.id()))) ? y : Expr();
}

Result<Program> rewrite(const Program& program, const KernelRegistry& kernels, const RewriteOptions& options,
                        const std::vector<KnownInput>& known, bool* changed) {
  return Walk(program, kernels, options, changed).run(known);
}

namespace {
std::set<std::string> operators_of(const Program& program) {
  std::set<const OpDef*> present;
  for (NodeId id = 0; id < program.graph->node_count(); ++id) present.insert(program.graph->node(id).op);
  std::set<std::string> names;
  for (const OpDef* op : present) names.insert(op->full_name());
  return names;
}

// The rules that look for operators before these come apart, of those in the program.
RewriteOptions rules_ahead(const std::set<std::string>& names, const RewriteOptions& options) {
  RewriteOptions ahead = options;
  std::erase_if(ahead.rules, [&](const Rule* rule) { return rule->whole == nullptr || names.count(rule->whole) == 0; });
  ahead.expand_bodies = false;
  return ahead;
}
}  // namespace

Result<Program> optimize(Program program, const KernelRegistry& kernels, const RewriteOptions& options,
                         const std::vector<KnownInput>& known) {
  bool new_knowledge = !known.empty();
  const auto walk = [&](const RewriteOptions& with, bool* changed) -> Status {
    WEFT_TRY(program, rewrite(program, kernels, with, new_knowledge ? known : std::vector<KnownInput>(), changed));
    new_knowledge = false;
#ifndef NDEBUG
    WEFT_CHECK(program.graph->verify());
#endif
    return {};
  };
  bool changed = false;
  const auto walk_until_same = [&](const RewriteOptions& with) -> Status {
    for (int i = 0; i < kMaxWalks; ++i) {
      // Rules look at the graph before the walk, so what is known of the inputs counts from the walk after on.
      const bool again = new_knowledge;
      changed = false;
      WEFT_CHECK(walk(with, &changed));
      if (!changed && !again) return {};
    }
    // What rules made of constants in the last walk is not to be computed in every run.
    RewriteOptions without_rules = with;
    without_rules.rules.clear();
    return walk(without_rules, &changed);
  };
  const std::set<std::string> names = operators_of(program);
  RewriteOptions rest = options;
  std::erase_if(rest.rules, [](const Rule* rule) { return rule->whole != nullptr; });
  if (!options.fold_constants) std::erase_if(rest.rules, [](const Rule* rule) { return rule->folds; });
  if (rest.rules.size() < options.rules.size()) {
    const RewriteOptions ahead = rules_ahead(names, options);
    if (!ahead.rules.empty()) WEFT_CHECK(walk(ahead, &changed));
  }
  RewriteOptions early = rest;
  bool waits = false;
  std::erase_if(early.rules, [&](const Rule* rule) {
    if (!rule->late) return false;
    waits = waits || names.count(rule->op) != 0;
    early.awaited.insert(rule->op);
    return true;
  });
  if (waits) WEFT_CHECK(walk_until_same(early));
  WEFT_CHECK(walk_until_same(rest));
  return program;
}

namespace {
// Passes that are no rules.
struct Switch {
  const char* name;
  bool RewriteOptions::*flag;
};
constexpr Switch kSwitches[] = {{"fold_constants", &RewriteOptions::fold_constants},
                                {"share_equal_nodes", &RewriteOptions::share_equal_nodes},
                                {"fuse_elementwise", &RewriteOptions::fuse_elementwise},
                                {"branches", &RewriteOptions::branches}};
}  // namespace

RewriteOptions rewrite_options(const RuleRegistry& registry, const std::vector<std::string>& disabled) {
  auto off = [&](std::string_view name) {
    return std::any_of(disabled.begin(), disabled.end(),
                       [&](const std::string& item) { return item == "*" || item == name; });
  };
  RewriteOptions options;
  for (const Rule& rule : registry.rules()) {
    if (!off(rule.name)) options.rules.push_back(&rule);
  }
  // What is said of one operator goes before what is said of all.
  std::stable_partition(options.rules.begin(), options.rules.end(),
                        [](const Rule* rule) { return rule->op[0] != '*'; });
  for (const Switch& item : kSwitches) options.*item.flag = !off(item.name);
  return options;
}

Status check_pass_names(const RuleRegistry& registry, const std::vector<std::string>& names) {
  std::set<std::string_view> known{"*"};
  for (const Switch& item : kSwitches) known.insert(item.name);
  for (const Rule& rule : registry.rules()) known.insert(rule.name);
  for (const std::string& name : names) {
    if (known.count(name) != 0) continue;
    std::string list;
    for (std::string_view item : known) list += cat(list.empty() ? "" : ", ", item);
    return invalid("there is no pass '", name, "'; the passes are ", list);
  }
  return {};
}

}  // namespace weft
