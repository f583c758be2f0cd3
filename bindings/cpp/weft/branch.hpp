// The functions of Graph that build sub-graphs: branches, bodies of loops, and what attention goes through.
#pragma once

#include "weft/graph.hpp"

namespace weft {

inline std::vector<Value> Graph::if_(const Value& condition, const std::function<std::vector<Value>()>& then,
                                     const std::function<std::vector<Value>()>& otherwise, const Origin& origin) {
  const Graph branches[] = {branch(then), branch(otherwise)};
  const int32_t counts[] = {weft_graph_output_count(branches[0].handle()),
                            weft_graph_output_count(branches[1].handle())};
  if (counts[0] != counts[1]) {
    throw Error(WEFT_INVALID_ARGUMENT, "the branches give " + std::to_string(counts[0]) + " and " +
                                           std::to_string(counts[1]) + " values; they must give as many");
  }
  Attrs attrs;
  attrs.set("then_branch", branches[0]).set("else_branch", branches[1]);
  return add("If", {condition}, attrs, "", counts[0], origin);
}

inline std::vector<Value> Graph::loop(const Value& count, const Value& condition, const std::vector<Value>& initial,
                                      const std::function<std::vector<Value>(const std::vector<Value>&)>& body,
                                      Attrs attrs, const Origin& origin) {
  std::vector<Value> inputs{count, condition};
  inputs.insert(inputs.end(), initial.begin(), initial.end());
  return repeat("Loop", inputs, std::move(attrs), body, 1, origin);
}

inline std::vector<Value> Graph::scan(const std::vector<Value>& initial, const std::vector<Value>& scanned,
                                      const std::function<std::vector<Value>(const std::vector<Value>&)>& body,
                                      Attrs attrs, const Origin& origin) {
  std::vector<Value> inputs = initial;
  inputs.insert(inputs.end(), scanned.begin(), scanned.end());
  attrs.set("num_scan_inputs", static_cast<int64_t>(scanned.size()));
  return repeat("Scan", inputs, std::move(attrs), body, 0, origin);
}

inline std::vector<Value> Graph::sequence_map(const std::vector<Value>& inputs,
                                              const std::function<std::vector<Value>(const std::vector<Value>&)>& body,
                                              const Origin& origin) {
  return repeat("SequenceMap", inputs, Attrs(), body, 0, origin);
}

inline Value Graph::flex_attention(const Value& query, const Value& key, const Value& value,
                                   const std::function<Value(const Value&)>& score_mod,
                                   const std::function<Value(const Value&)>& prob_mod, const Attrs& attrs,
                                   const Origin& origin) {
  const char* op = "ai.onnx.preview.FlexAttention";
  const std::vector<Value> inputs{query, key, value};
  Attrs all = attrs;
  std::vector<Graph> bodies;
  const auto modify = [&](const char* name, const std::function<Value(const Value&)>& f) {
    if (!f) return;
    bodies.push_back(
        body_of(op, inputs, attrs, [&](const std::vector<Value>& in) { return std::vector<Value>{f(in.at(0))}; }));
    all.set(name, bodies.back());
  };
  modify("score_mod", score_mod);
  modify("prob_mod", prob_mod);
  return add(op, inputs, all, "", 1, origin)[0];
}

inline std::vector<Value> Graph::repeat(const char* op, const std::vector<Value>& inputs, Attrs attrs,
                                        const std::function<std::vector<Value>(const std::vector<Value>&)>& build,
                                        int32_t own, const Origin& origin) {
  const Graph body = body_of(op, inputs, attrs, build);
  const int32_t outputs = weft_graph_output_count(body.handle());
  if (outputs < own) throw Error(WEFT_INVALID_ARGUMENT, "the body gives no condition");
  attrs.set("body", body);
  return add(op, inputs, attrs, "", outputs - own, origin);
}

inline Graph Graph::body_of(const char* op, const std::vector<Value>& inputs, const Attrs& attrs,
                            const std::function<std::vector<Value>(const std::vector<Value>&)>& build) {
  const std::vector<int64_t> ids = detail::ids(inputs);
  Graph body(std::make_shared<detail::GraphState>(
      detail::made<weft_graph>([&](weft_graph** out) {
        return weft_graph_new_body(adding(), op, ids.data(), detail::count32(ids), attrs.make().get(), out);
      }),
      detail::target(state_)));
  fill(body, [&] { return build(body.inputs()); });
  return body;
}

inline Graph Graph::branch(const std::function<std::vector<Value>()>& build) {
  Graph made = new_sub();
  fill(made, build);
  return made;
}

inline void Graph::fill(Graph& made, const std::function<std::vector<Value>()>& build) {
  struct Inside {  // what is built meanwhile goes to the branch
    detail::GraphState& root;
    detail::GraphPointer outer;
    Inside(detail::GraphState& r, const detail::GraphPointer& now) : root(r), outer(r.current) { root.current = now; }
    ~Inside() { root.current = outer; }
  } inside(state_->root(), made.state_);
  std::vector<Value> results;
  for (const Value& value : build()) {  // values from around it come in through a node of the branch
    const bool own = !value.empty() && value.graph_state() == made.state_;
    results.push_back(own ? value : made.add("Identity", {value})[0]);
  }
  made.set_outputs(results);
}

}  // namespace weft
