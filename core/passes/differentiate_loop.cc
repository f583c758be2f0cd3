// The gradient of Loop and Scan. The node is made once more with outputs that stack what the gradient of an iteration
// needs (rewriting makes one node of the two); then a Scan goes through these from their end, whose body is the gradient
// of the body. Where the shapes differ from iteration to iteration, sequences take the place of stacks and a Loop that of
// the Scan. Of a value that is a sequence itself, the items of all iterations are one long sequence, which is carried. All
// of these have gradients themselves. Where the node says `recompute`, what goes into an iteration is all that is kept, and
// the Scan or Loop, which says so too, computes the rest again.
#include "core/passes/differentiate_loop.h"

#include <algorithm>
#include <numeric>

#include "core/graph/subgraph.h"
#include "core/graph/walk.h"
#include "core/passes/differentiate.h"
#include "core/passes/merge_loops.h"

namespace weft {

namespace {

bool is_sequence(const ValueType& type) { return type.kind == Kind::kSequence && type.holds == Kind::kTensor; }

class LoopGradient {
 public:
  explicit LoopGradient(GradContext& context)
      : context_(context),
        scope_(context.scope()),
        graph_(scope_.graph()),
        node_(context.node()),
        body_(*node_.attrs.graph("body")),
        loop_(node_.is("Loop")),
        recompute_(node_.attrs.b("recompute")) {
    first_in_ = loop_ ? 2 : 0;
    first_out_ = loop_ ? 1 : 0;
    scanned_ = loop_ ? 0 : static_cast<size_t>(node_.attrs.i("num_scan_inputs"));
    carried_ = body_.inputs().size() - first_in_ - scanned_;
    stacked_ = body_.outputs().size() - first_out_ - carried_;
  }

  Status run() {
    WEFT_CHECK(copy_body());
    for (size_t k = 0; k < carried_; ++k) {
      if (!context_.has_grad(static_cast<int>(k)) || body_.type(carried_in(k)).alike(body_.type(carried_out(k))))
        continue;
      return unimplemented("what is carried in place ", k, " is ", body_.type(carried_in(k)).text(),
                           " but leaves 'body' as ", body_.type(carried_out(k)).text());
    }
    find_carried();
    WEFT_CHECK(differentiate_body());
    if (ys_.empty()) return {};
    find_needed();
    WEFT_CHECK(check_kept());
    const bool in_sequences = loop_ && !shapes_stay();
    if (kept_.empty() && loop_ && !has_stacks()) kept_.push_back(body_.inputs()[0]);
    WEFT_CHECK(in_sequences ? keep_sequences() : keep_stacks());
    return in_sequences ? go_back_by_loop() : go_back_by_scan();
  }

 private:
  ValueId carried_in(size_t k) const { return body_.inputs()[first_in_ + k]; }
  ValueId scanned_in(size_t i) const { return body_.inputs()[first_in_ + carried_ + i]; }
  ValueId carried_out(size_t k) const { return body_.outputs()[first_out_ + k]; }
  ValueId stacked_out(size_t k) const { return body_.outputs()[first_out_ + carried_ + k]; }
  int scanned_input(size_t i) const { return static_cast<int>(first_in_ + carried_ + i); }
  bool has_stacked_grad(size_t k) const { return context_.has_grad(static_cast<int>(carried_ + k)); }
  ValueId outer_of(size_t capture) const { return node_.inputs[static_cast<size_t>(node_.schema_inputs) + capture]; }

  // A graph in which the body and its gradient are built together.
  Status copy_body() {
    WEFT_TRY(both_, Graph::make_subgraph(graph_.shared_from_this()));
    map_.assign(body_.value_count(), kNoValue);
    for (ValueId id : body_.inputs()) {
      ValueType type = body_.type(id);
      type.ints = nullptr;
      WEFT_TRY(map_[id], both_->add_input(body_.value(id).name, std::move(type)));
    }
    for (size_t c = 0; c < body_.captures().size(); ++c) {
      const ValueId inner = body_.captures()[c].inner;
      WEFT_TRY(map_[inner], both_->capture(graph_, outer_of(c)));
      const int input = node_.schema_inputs + static_cast<int>(c);
      if (context_.needs(input) && std::find(captured_.begin(), captured_.end(), map_[inner]) == captured_.end()) {
        captured_.push_back(map_[inner]);
        captured_input_.push_back(input);
      }
    }
    WEFT_CHECK(copy_nodes(body_, body_.outputs(), *both_, &map_));
    forward_values_ = both_->value_count();
    origin_.assign(forward_values_, kNoValue);
    for (ValueId id = 0; id < body_.value_count(); ++id) {
      if (map_[id] != kNoValue) origin_[map_[id]] = id;
    }
    return {};
  }

  // What is carried has a gradient if it depends on what needs one, and if what has one depends on it: in this iteration
  // or in a later one.
  void find_carried() {
    std::vector<ValueId> roots;
    for (ValueId id : body_.outputs()) roots.push_back(map_[id]);
    const std::vector<NodeId> order = ordered_nodes(*both_, roots, {}, false);
    std::vector<bool> active(carried_);
    for (size_t k = 0; k < carried_; ++k) active[k] = context_.needs(static_cast<int>(first_in_ + k));
    for (bool changed = true; changed;) {
      changed = false;
      std::vector<bool> depends(forward_values_, false);
      for (ValueId id : captured_) depends[id] = true;
      for (size_t i = 0; i < scanned_; ++i) depends[map_[scanned_in(i)]] = context_.needs(scanned_input(i));
      for (size_t k = 0; k < carried_; ++k) depends[map_[carried_in(k)]] = active[k];
      for (NodeId id : order) {
        const Node& node = both_->node(id);
        bool any = false;
        for (ValueId input : node.inputs) any = any || (input != kNoValue && depends[input]);
        for (int i = 0; any && i < node.output_count; ++i) {
          depends[node.output(i)] = carries_gradient(*both_, node.output(i));
        }
      }
      for (size_t k = 0; k < carried_; ++k) {
        const ValueId out = map_[carried_out(k)];
        if (active[k] || !depends[out] || !carries_gradient(both_->type(out))) continue;
        active[k] = changed = true;
      }
    }
    std::vector<bool> useful(carried_);
    for (size_t k = 0; k < carried_; ++k) useful[k] = context_.has_grad(static_cast<int>(k));
    for (bool changed = true; changed;) {
      changed = false;
      std::vector<ValueId> from;
      for (size_t k = 0; k < carried_; ++k) {
        if (useful[k]) from.push_back(map_[carried_out(k)]);
      }
      for (size_t k = 0; k < stacked_; ++k) {
        if (has_stacked_grad(k)) from.push_back(map_[stacked_out(k)]);
      }
      const std::vector<bool> needed = needed_nodes(*both_, from);
      for (size_t k = 0; k < carried_; ++k) {
        if (useful[k] || !needed[both_->value(map_[carried_in(k)]).node]) continue;
        useful[k] = changed = true;
      }
    }
    for (size_t k = 0; k < carried_; ++k) {
      if (active[k] && useful[k]) with_grad_.push_back(k);
    }
  }

  Status add_weight(ValueId out) {
    ValueType type = body_.type(out);
    type.ints = nullptr;
    WEFT_TRY(ValueId weight, both_->add_input("", std::move(type)));
    ys_.push_back(map_[out]);
    weights_.push_back(weight);
    return {};
  }

  Status differentiate_body() {
    for (size_t k : with_grad_) WEFT_CHECK(add_weight(carried_out(k)));
    for (size_t k = 0; k < stacked_; ++k) {
      if (!has_stacked_grad(k)) continue;
      with_stacked_grad_.push_back(k);
      WEFT_CHECK(add_weight(stacked_out(k)));
    }
    if (ys_.empty()) return {};
    std::vector<ValueId> xs;
    for (size_t k : with_grad_) xs.push_back(map_[carried_in(k)]);
    std::vector<size_t> scanned;
    for (size_t i = 0; i < scanned_; ++i) {
      if (!context_.needs(scanned_input(i))) continue;
      scanned.push_back(i);
      xs.push_back(map_[scanned_in(i)]);
    }
    xs.insert(xs.end(), captured_.begin(), captured_.end());
    WEFT_TRY(std::vector<ValueId> grads, differentiate(*both_, ys_, xs, weights_, node_.origin));
    size_t next = 0;
    for (size_t k = 0; k < with_grad_.size(); ++k) carried_grads_.push_back(grads[next++]);
    for (size_t i : scanned) {
      const ValueId grad = grads[next++];
      if (grad == kNoValue) continue;
      with_scanned_grad_.push_back(i);
      scanned_grads_.push_back(grad);
    }
    for (size_t c = 0; c < captured_.size(); ++c) {
      const ValueId grad = grads[next++];
      if (grad == kNoValue) continue;
      added_to_.push_back(c);
      captured_grads_.push_back(grad);
    }
    return {};
  }

  // Which of the body's values the gradient needs. Those that are the same in all iterations, and those that cannot be
  // stacked, are computed again. (A Loop has sequences for those whose shape may differ.) With `recompute` all are that
  // come of what goes in. What might be another then is kept in any case, what branches and loops made of it too.
  void find_needed() {
    std::vector<bool> same(forward_values_, false);
    for (const Graph::Capture& capture : both_->captures()) {
      if (capture.inner < forward_values_) same[capture.inner] = true;
    }
    std::vector<bool> stops(both_->value_count(), false);
    for (NodeId id = 0; id < both_->node_count() && both_->node(id).first_output < forward_values_; ++id) {
      const Node& node = both_->node(id);
      const bool input = node.is(kWeftDomain, "Input");
      const bool repeatable = node.op->is_pure() && !input && graphs_all_pure(node);
      const bool constant = repeatable && std::all_of(node.inputs.begin(), node.inputs.end(),
                                                      [&](ValueId v) { return v == kNoValue || same[v]; });
      const bool again = recompute_ && repeatable;
      for (int i = 0; i < node.output_count; ++i) {
        const ValueId v = node.output(i);
        same[v] = same[v] || constant;
        const ValueType& type = both_->type(v);
        const bool kept = !again && type.kind == Kind::kTensor && (loop_ || stays(type));
        stops[v] = input || (!constant && (!repeatable || kept));
      }
    }
    for (ValueId id : weights_) stops[id] = true;
    std::vector<ValueId> wanted;
    for (const auto* grads : {&carried_grads_, &scanned_grads_, &captured_grads_}) {
      for (ValueId id : *grads) {
        if (id != kNoValue) wanted.push_back(id);
      }
    }
    auto note = [&](ValueId id) {
      if (id == kNoValue || !stops[id] || id >= forward_values_ || same[id]) return;
      const ValueId own = origin_[id];
      if (std::find(kept_.begin(), kept_.end(), own) == kept_.end()) kept_.push_back(own);
    };
    for (NodeId id : ordered_nodes(*both_, wanted, stops, false)) {
      for (ValueId input : both_->node(id).inputs) note(input);
    }
    for (ValueId id : wanted) note(id);
    wanted_ = std::move(wanted);
  }

  Status check_kept() const {
    for (ValueId id : kept_) {
      const ValueType& type = body_.type(id);
      if (type.kind == Kind::kTensor || is_sequence(type)) continue;
      return unimplemented("its gradient needs '", body_.value(id).name, "' of each iteration, which is ", type.text(),
                           "; only tensors and sequences of tensors can be kept");
    }
    return {};
  }

  bool has_stacks() const { return !with_stacked_grad_.empty(); }

  // Whether a value has the same shape in all iterations.
  bool stays(const ValueType& type) const {
    if (type.kind != Kind::kTensor) return true;
    std::vector<const ValueType*> given;
    for (int i = 0; i < node_.schema_inputs; ++i) {
      if (context_.has_input(i)) given.push_back(&context_.input(i).type());
    }
    return type.has_rank && std::all_of(type.dims.begin(), type.dims.end(),
                                        [&](const Dim& dim) { return known_outside(dim, body_, given); });
  }

  bool shapes_stay() const {
    return std::all_of(kept_.begin(), kept_.end(), [&](ValueId id) { return stays(body_.type(id)); }) &&
           std::all_of(with_grad_.begin(), with_grad_.end(),
                       [&](size_t k) { return stays(body_.type(carried_in(k))) && stays(body_.type(carried_out(k))); });
  }

  // -- The node once more.

  // The body with its inputs and captures, to be given more outputs; says where each value went. Inputs of the types `more`
  // come behind what is carried, and are carried too.
  Result<std::shared_ptr<Graph>> body_again(const std::vector<ValueType>& more, std::vector<ValueId>* map,
                                            std::vector<ValueId>* added) const {
    WEFT_TRY(std::shared_ptr<Graph> again, Graph::make_subgraph(graph_.shared_from_this()));
    map->assign(body_.value_count(), kNoValue);
    for (size_t i = 0; i <= body_.inputs().size(); ++i) {
      for (size_t m = 0; i == first_in_ + carried_ && m < more.size(); ++m) {
        std::string name = cat(node_.name, kTwinSuffix, m);
        while (body_.find(name) != kNoValue) name += '_';
        added->emplace_back();
        WEFT_TRY(added->back(), again->add_input(name, more[m]));
      }
      if (i == body_.inputs().size()) break;
      const ValueId id = body_.inputs()[i];
      WEFT_TRY((*map)[id], again->add_input(body_.value(id).name, body_.type(id)));
    }
    for (size_t c = 0; c < body_.captures().size(); ++c) {
      WEFT_TRY((*map)[body_.captures()[c].inner], again->capture(graph_, outer_of(c)));
    }
    WEFT_CHECK(copy_nodes(body_, body_.outputs(), *again, map));
    return again;
  }

  std::vector<Expr> own_inputs() const {
    std::vector<Expr> inputs;
    for (int32_t i = 0; i < node_.schema_inputs; ++i) inputs.push_back(context_.input(i));
    return inputs;
  }

  // Something to scan: from its begin, as the node did.
  struct Stack {
    Expr whole;
    int64_t axis = 0, direction = 0;
  };

  int64_t listed(const char* name, size_t i) const {
    const std::vector<int64_t> list = node_.attrs.ints_or_empty(name);
    return i < list.size() ? list[i] : 0;
  }

  // What the iterations gave, one behind the other. Of a value that is a sequence itself: all its items, and where those of
  // each iteration begin and how many they are.
  struct Sequence {
    Expr items, begins, lengths;
  };

  // Makes the node once more, to carry one sequence for each of the values `in_sequences` and to stack the values `more`,
  // places in `kept_` both. Of those that are sequences themselves the lengths are stacked last.
  Status make_twin(const std::vector<size_t>& in_sequences, const std::vector<size_t>& more) {
    const size_t first_scanned = first_in_ + carried_;
    std::vector<Expr> inputs = own_inputs(), empty;
    inputs.resize(std::max(inputs.size(), first_scanned));
    std::vector<ValueType> types;
    for (size_t j : in_sequences) {
      empty.push_back(make(scope_, "SequenceEmpty", std::initializer_list<Expr>{},
                           {{"dtype", static_cast<int64_t>(body_.type(kept_[j]).dtype)}}));
      types.push_back(empty.back().type());
    }
    WEFT_CHECK(scope_.status());
    inputs.insert(inputs.begin() + static_cast<std::ptrdiff_t>(first_scanned), empty.begin(), empty.end());
    std::vector<ValueId> map, added, outputs, lengths;
    WEFT_TRY(std::shared_ptr<Graph> body, body_again(types, &map, &added));
    ExprScope inner(*body, node_.origin);
    for (size_t k = 0; k < first_out_ + carried_; ++k) outputs.push_back(map[body_.outputs()[k]]);
    for (size_t s = 0; s < in_sequences.size(); ++s) {
      const ValueId id = kept_[in_sequences[s]];
      const Expr before(inner, added[s]), item(inner, map[id]);
      const bool several = is_sequence(body_.type(id));
      outputs.push_back(make(inner, several ? "weft.SequenceConcat" : "SequenceInsert", {before, item}).id());
      if (several) lengths.push_back(make(inner, "SequenceLength", {item}).id());
    }
    WEFT_CHECK(inner.status());
    for (size_t k = 0; k < stacked_; ++k) outputs.push_back(map[stacked_out(k)]);
    for (size_t j : more) outputs.push_back(map[kept_[j]]);
    outputs.insert(outputs.end(), lengths.begin(), lengths.end());
    WEFT_CHECK(body->set_outputs(outputs));
    Attrs attrs = node_.attrs;
    attrs.set("body", GraphRef(body));
    for (const char* name : {"scan_output_axes", "scan_output_directions"}) {
      std::vector<int64_t> list = attrs.ints_or_empty(name);
      if (list.empty()) continue;
      list.resize(stacked_ + more.size() + lengths.size(), 0);
      attrs.set(name, std::move(list));
    }
    made_ = make_all(scope_, node_.op->full_name(), inputs, std::move(attrs),
                     static_cast<int>(outputs.size() - first_out_), cat(node_.name, kTwinSuffix));
    size_t next = carried_;
    for (size_t j : in_sequences) sequences_[j].items = made_[next++];
    next += stacked_;
    for (size_t j : more) stacks_[j] = {made_[next++], 0, 0};
    for (size_t j : in_sequences) {
      if (!is_sequence(body_.type(kept_[j]))) continue;
      sequences_[j].lengths = made_[next++];
      sequences_[j].begins =
          make(scope_, "CumSum", {sequences_[j].lengths, constant_int(scope_, 0)}, {{"exclusive", int64_t{1}}});
    }
    return scope_.status();
  }

  Status keep_stacks() {
    std::vector<size_t> more, in_sequences;
    stacks_.resize(kept_.size());
    sequences_.resize(kept_.size());
    for (size_t j = 0; j < kept_.size(); ++j) {
      if (is_sequence(body_.type(kept_[j]))) {
        in_sequences.push_back(j);
        continue;
      }
      bool there = false;
      for (size_t i = 0; i < scanned_ && !there; ++i) {
        if (scanned_in(i) != kept_[j]) continue;
        stacks_[j] = {context_.input(scanned_input(i)), listed("scan_input_axes", i),
                      listed("scan_input_directions", i)};
        there = true;
      }
      for (size_t k = 0; k < stacked_ && !there; ++k) {
        const int output = static_cast<int>(carried_ + k);
        if (stacked_out(k) != kept_[j] || output >= context_.output_count()) continue;
        stacks_[j] = {context_.output(output), listed("scan_output_axes", k), listed("scan_output_directions", k)};
        there = true;
      }
      if (!there) more.push_back(j);
    }
    // A node may leave out what is carried, of which the gradient needs the shape.
    const bool enough = context_.output_count() >= static_cast<int>(carried_);
    return more.empty() && in_sequences.empty() && enough ? Status() : make_twin(in_sequences, more);
  }

  Status keep_sequences() {
    std::vector<size_t> all(kept_.size());
    std::iota(all.begin(), all.end(), 0);
    sequences_.resize(kept_.size());
    return make_twin(all, {});
  }

  // -- The way back.

  // The body of the way back so far: where values of `both_` went, what goes round in it and comes in at first.
  struct Back {
    std::shared_ptr<Graph> graph;
    std::vector<ValueId> map;
    std::vector<ValueId> before;  // gradients of what is carried, then what is added up
    std::vector<Expr> initial;
  };

  Status begin_back(Back* back) {
    WEFT_TRY(back->graph, Graph::make_subgraph(graph_.shared_from_this()));
    back->map.assign(both_->value_count(), kNoValue);
    return {};
  }

  Status add_carried(Back* back) {
    for (size_t g = 0; g < with_grad_.size(); ++g) {
      const int output = static_cast<int>(with_grad_[g]);
      const bool there = output < context_.output_count();
      back->initial.push_back(there ? context_.grad(output) : fill_like(made_[with_grad_[g]], 0));
      ValueType type = body_.type(carried_in(with_grad_[g]));
      type.ints = nullptr;
      WEFT_TRY(ValueId id, back->graph->add_input("", std::move(type)));
      back->map[weights_[g]] = id;
      back->before.push_back(id);
    }
    for (size_t a : added_to_) {
      const Expr outer = context_.input(captured_input_[a]);
      back->initial.push_back(fill_like(outer, 0));
      WEFT_TRY(ValueId id, back->graph->add_input("", back->initial.back().type()));
      back->before.push_back(id);
    }
    return scope_.status();
  }

  // Everything but what is scanned is there: builds the gradient, and says what goes round.
  Result<std::vector<ValueId>> finish_back(Back* back) {
    Graph& graph = *back->graph;
    for (const Graph::Capture& capture : both_->captures()) {
      WEFT_TRY(back->map[capture.inner], graph.capture(graph_, capture.outer));
    }
    WEFT_CHECK(copy_nodes(*both_, wanted_, graph, &back->map));
    ExprScope inner(graph, node_.origin);
    std::vector<ValueId> outputs;
    for (size_t g = 0; g < with_grad_.size(); ++g) {
      const ValueId grad = carried_grads_[g];
      outputs.push_back(grad != kNoValue ? back->map[grad] : fill_like(Expr(inner, back->before[g]), 0).id());
    }
    for (size_t a = 0; a < added_to_.size(); ++a) {
      const Expr sum(inner, back->before[with_grad_.size() + a]), part(inner, back->map[captured_grads_[a]]);
      outputs.push_back(sum_of_gradients(sum, part).id());
    }
    WEFT_CHECK(inner.status());
    return outputs;
  }

  void set_grads(const std::vector<Expr>& made) {
    for (size_t g = 0; g < with_grad_.size(); ++g) {
      context_.set_grad(static_cast<int>(first_in_ + with_grad_[g]), made[g]);
    }
    for (size_t a = 0; a < added_to_.size(); ++a) {
      context_.set_grad(captured_input_[added_to_[a]], made[with_grad_.size() + a]);
    }
  }

  // What the sequence `kept` of the body was in an iteration. The long sequences begin without items, so that of theirs no
  // rank is known.
  Expr stretch(Expr items, Expr begin, Expr length, ValueId kept) const {
    return ensure_rank(make(items.scope(), "weft.SequenceSlice", {items, begin, length}), body_.type(kept));
  }

  Status go_back_by_scan() {
    Back back;
    WEFT_CHECK(begin_back(&back));
    WEFT_CHECK(add_carried(&back));
    std::vector<Expr> inputs = back.initial;
    std::vector<int64_t> axes, directions, out_axes, out_directions;
    auto scan = [&](const Stack& stack, const ValueType& item) -> Result<ValueId> {
      inputs.push_back(stack.whole);
      axes.push_back(stack.axis);
      directions.push_back(1 - stack.direction);
      ValueType type = item;
      type.ints = nullptr;
      return back.graph->add_input("", std::move(type));
    };
    for (size_t s = 0; s < with_stacked_grad_.size(); ++s) {
      const size_t k = with_stacked_grad_[s];
      const Stack stack{context_.grad(static_cast<int>(carried_ + k)), listed("scan_output_axes", k),
                        listed("scan_output_directions", k)};
      WEFT_TRY(back.map[weights_[with_grad_.size() + s]], scan(stack, body_.type(stacked_out(k))));
    }
    ExprScope inner(*back.graph, node_.origin);
    for (size_t j = 0; j < kept_.size(); ++j) {
      ValueId& kept = back.map[map_[kept_[j]]];
      if (!is_sequence(body_.type(kept_[j]))) {
        WEFT_TRY(kept, scan(stacks_[j], body_.type(kept_[j])));
        continue;
      }
      const ValueType number = ValueType::tensor(DType::kI64, {});
      WEFT_TRY(const ValueId items, back.graph->capture(graph_, sequences_[j].items.id()));
      WEFT_TRY(const ValueId begin, scan({sequences_[j].begins, 0, 0}, number));
      WEFT_TRY(const ValueId length, scan({sequences_[j].lengths, 0, 0}, number));
      kept = stretch(Expr(inner, items), Expr(inner, begin), Expr(inner, length), kept_[j]).id();
    }
    WEFT_CHECK(inner.status());
    if (axes.empty()) {  // of a Scan: a Loop has kept the number of the iteration
      const Stack stack{context_.input(scanned_input(0)), listed("scan_input_axes", 0),
                        listed("scan_input_directions", 0)};
      WEFT_CHECK(scan(stack, body_.type(scanned_in(0))).status());
    }
    WEFT_TRY(std::vector<ValueId> outputs, finish_back(&back));
    for (size_t s = 0; s < scanned_grads_.size(); ++s) {
      outputs.push_back(back.map[scanned_grads_[s]]);
      out_axes.push_back(listed("scan_input_axes", with_scanned_grad_[s]));
      out_directions.push_back(1 - listed("scan_input_directions", with_scanned_grad_[s]));
    }
    const size_t round = back.before.size();
    if (outputs.empty()) return {};
    WEFT_CHECK(back.graph->set_outputs(outputs));
    Attrs attrs{{"body", GraphRef(back.graph)},
                {"num_scan_inputs", static_cast<int64_t>(axes.size())},
                {"scan_input_directions", directions},
                {"recompute", recompute_}};
    auto any = [](const std::vector<int64_t>& list) {
      return std::any_of(list.begin(), list.end(), [](int64_t n) { return n != 0; });
    };
    if (any(axes)) attrs.set("scan_input_axes", axes);
    if (any(out_axes)) attrs.set("scan_output_axes", out_axes);
    if (any(out_directions)) attrs.set("scan_output_directions", out_directions);
    const std::vector<Expr> made = make_all(scope_, "Scan", inputs, std::move(attrs), static_cast<int>(outputs.size()));
    WEFT_CHECK(scope_.status());
    set_grads(made);
    for (size_t s = 0; s < scanned_grads_.size(); ++s) {
      context_.set_grad(scanned_input(with_scanned_grad_[s]), made[round + s]);
    }
    return {};
  }

  // How often it went round: there is a sequence or a stack, and either tells.
  Expr iterations() {
    if (!sequences_.empty() && !sequences_[0].lengths.valid())
      return make(scope_, "SequenceLength", {sequences_[0].items});
    const Expr stack =
        sequences_.empty() ? context_.grad(static_cast<int>(carried_ + with_stacked_grad_[0])) : sequences_[0].lengths;
    return make(scope_, "Gather", {shape_of(stack), constant_int(scope_, 0)});
  }

  Status go_back_by_loop() {
    Back back;
    WEFT_CHECK(begin_back(&back));
    WEFT_TRY(ValueId number, back.graph->add_input("", ValueType::tensor(DType::kI64, {})));
    WEFT_TRY(ValueId condition, back.graph->add_input("", ValueType::tensor(DType::kBool, {})));
    WEFT_CHECK(add_carried(&back));
    ExprScope inner(*back.graph, node_.origin);
    auto captured = [&](Expr outer) -> Result<Expr> {
      WEFT_TRY(ValueId id, back.graph->capture(graph_, outer.id()));
      return Expr(inner, id);
    };
    const Expr count = iterations();
    WEFT_CHECK(scope_.status());
    WEFT_TRY(Expr all, captured(count));
    const Expr place = all - constant_int(inner, 1) - Expr(inner, number);
    for (size_t j = 0; j < kept_.size(); ++j) {
      WEFT_TRY(Expr items, captured(sequences_[j].items));
      ValueId& kept = back.map[map_[kept_[j]]];
      if (!is_sequence(body_.type(kept_[j]))) {
        kept = ensure_rank(make(inner, "SequenceAt", {items, place}), body_.type(kept_[j])).id();
        continue;
      }
      WEFT_TRY(Expr begins, captured(sequences_[j].begins));
      WEFT_TRY(Expr lengths, captured(sequences_[j].lengths));
      const Expr begin = make(inner, "Gather", {begins, place}), length = make(inner, "Gather", {lengths, place});
      kept = stretch(items, begin, length, kept_[j]).id();
    }
    for (size_t s = 0; s < with_stacked_grad_.size(); ++s) {
      WEFT_TRY(Expr stack, captured(context_.grad(static_cast<int>(carried_ + with_stacked_grad_[s]))));
      back.map[weights_[with_grad_.size() + s]] = make(inner, "Gather", {stack, place}).id();
    }
    WEFT_CHECK(inner.status());
    WEFT_TRY(std::vector<ValueId> outputs, finish_back(&back));
    if (outputs.empty()) return {};
    outputs.insert(outputs.begin(), condition);
    WEFT_CHECK(back.graph->set_outputs(outputs));
    std::vector<Expr> inputs{count, Expr()};
    inputs.insert(inputs.end(), back.initial.begin(), back.initial.end());
    const std::vector<Expr> made =
        make_all(scope_, "Loop", inputs, {{"body", GraphRef(back.graph)}, {"recompute", recompute_}},
                 static_cast<int>(outputs.size()) - 1);
    WEFT_CHECK(scope_.status());
    set_grads(made);
    return {};
  }

  GradContext& context_;
  ExprScope& scope_;
  Graph& graph_;
  const Node& node_;
  const Graph& body_;
  const bool loop_, recompute_;
  size_t first_in_ = 0, first_out_ = 0;
  size_t carried_ = 0, scanned_ = 0, stacked_ = 0;  // how many

  std::shared_ptr<Graph> both_;
  std::vector<ValueId> map_;         // by value of the body: which of `both_` it is
  std::vector<ValueId> origin_;      // the other way round
  ValueId forward_values_ = 0;       // of `both_`: those of the body come first
  std::vector<ValueId> captured_;    // of `both_`, that need a gradient
  std::vector<int> captured_input_;  // the node's input that each is
  std::vector<size_t> with_grad_;    // what is carried, by its place
  std::vector<size_t> with_stacked_grad_, with_scanned_grad_, added_to_;
  std::vector<ValueId> ys_, weights_;
  std::vector<ValueId> carried_grads_, scanned_grads_, captured_grads_, wanted_;  // of `both_`
  std::vector<ValueId> kept_;                                                     // values of the body
  std::vector<Expr> made_;     // outputs of the node once more, if it was made: what is carried comes first
  std::vector<Stack> stacks_;  // of `kept_`
  std::vector<Sequence> sequences_;
};

}  // namespace

Status differentiate_loop(GradContext& context) { return LoopGradient(context).run(); }

}  // namespace weft
