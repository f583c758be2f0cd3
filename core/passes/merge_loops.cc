// Loops of which one does all that another does and more, as those made for gradients do.
#include "core/passes/merge_loops.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/graph/walk.h"

namespace weft {

namespace {

bool is_loop(const Node& node) { return node.is("Loop") || node.is("Scan"); }

size_t scanned_count(const Node& node) {
  return node.is("Loop") ? 0 : static_cast<size_t>(node.attrs.i("num_scan_inputs"));
}
// Of the inputs that the schema has: what is carried, and for a Loop the count and the condition before that.
size_t unscanned_count(const Node& node) { return static_cast<size_t>(node.schema_inputs) - scanned_count(node); }
size_t carried_count(const Node& node) {
  const size_t unscanned = unscanned_count(node);
  return node.is("Loop") ? std::max<size_t>(unscanned, 2) - 2 : unscanned;
}
size_t first_output(const Node& node) { return node.is("Loop") ? 1 : 0; }
// Where an input stands: that of what is scanned, from the end, as more may be carried before it.
std::pair<bool, size_t> place_of(const Node& node, size_t input) {
  const bool scanned = input >= unscanned_count(node);
  return {scanned, scanned ? static_cast<size_t>(node.schema_inputs) - input : input};
}

// Whether differentiation made the first of the second: they are one piece of work, whatever the body calls.
bool is_twin(const Node& more, const Node& less) {
  const size_t at = more.name.find(cat(less.name, kTwinSuffix));
  return at == 0 || (at != std::string::npos && more.name[at - 1] == '/');  // behind a scope
}

// Whether the pairs of values are computed alike, given that those in `map` are (by value of `a`).
bool same_values(const Graph& a, const Graph& b, std::vector<std::pair<ValueId, ValueId>> pairs,
                 std::vector<ValueId> map) {
  while (!pairs.empty()) {
    const auto [x, y] = pairs.back();
    pairs.pop_back();
    if (x == kNoValue || y == kNoValue) {
      if (x != y) return false;
      continue;
    }
    if (map[x] != kNoValue) {
      if (map[x] != y) return false;
      continue;
    }
    const Node &nx = a.producer(x), &ny = b.producer(y);
    const bool alike = nx.op == ny.op && nx.inputs.size() == ny.inputs.size() && nx.schema_inputs == ny.schema_inputs &&
                       nx.output_count == ny.output_count && a.value(x).output_index == b.value(y).output_index &&
                       !nx.is(kWeftDomain, "Input") && nx.attrs == ny.attrs;
    if (!alike) return false;
    for (int i = 0; i < nx.output_count; ++i) map[nx.output(i)] = ny.output(i);
    for (size_t i = 0; i < nx.inputs.size(); ++i) pairs.emplace_back(nx.inputs[i], ny.inputs[i]);
  }
  return true;
}

// What two Scans say of their first `count` outputs or of all inputs.
bool same_list(const Node& a, const Node& b, const char* name, size_t count) {
  std::vector<int64_t> x = a.attrs.ints_or_empty(name), y = b.attrs.ints_or_empty(name);
  x.resize(count, 0);
  y.resize(count, 0);
  return x == y;
}

bool does_all(const Node& more, const Node& less) {
  if (more.op != less.op) return false;
  // What is carried beside stands behind what both carry, and before what a Scan scans.
  const size_t scanned = scanned_count(less), unscanned = unscanned_count(less);
  if (scanned != scanned_count(more) || unscanned > unscanned_count(more)) return false;
  const auto less_scanned = less.inputs.begin() + static_cast<std::ptrdiff_t>(unscanned);
  const auto more_scanned = more.inputs.begin() + static_cast<std::ptrdiff_t>(unscanned_count(more));
  if (!std::equal(less.inputs.begin(), less_scanned, more.inputs.begin()) ||
      !std::equal(less_scanned, less_scanned + static_cast<std::ptrdiff_t>(scanned), more_scanned)) {
    return false;
  }
  // Nor may a Loop have a count or a condition that the other one was not given.
  for (size_t i = unscanned; less.is("Loop") && i < std::min<size_t>(unscanned_count(more), 2); ++i) {
    if (more.inputs[i] != kNoValue) return false;
  }
  const Graph &a = *less.attrs.graph("body"), &b = *more.attrs.graph("body");
  const size_t carried = carried_count(less), first = first_output(less);
  const size_t stacked = a.outputs().size() - first - carried;
  if (carried > carried_count(more) || stacked > b.outputs().size() - first - carried_count(more)) return false;
  if (less.is("Scan")) {
    for (const char* name : {"scan_input_axes", "scan_input_directions"}) {
      if (!same_list(less, more, name, scanned)) return false;
    }
    for (const char* name : {"scan_output_axes", "scan_output_directions"}) {
      if (!same_list(less, more, name, stacked)) return false;
    }
  }
  std::vector<ValueId> map(a.value_count(), kNoValue);
  const size_t more_carried = b.inputs().size() - a.inputs().size();
  for (size_t i = 0; i < a.inputs().size(); ++i) {
    const bool is_scanned = i >= a.inputs().size() - scanned;
    map[a.inputs()[i]] = b.inputs()[is_scanned ? i + more_carried : i];
  }
  for (size_t i = 0; i < a.captures().size(); ++i) {
    const ValueId outer = less.inputs[static_cast<size_t>(less.schema_inputs) + i];
    for (size_t j = 0; j < b.captures().size(); ++j) {
      if (more.inputs[static_cast<size_t>(more.schema_inputs) + j] != outer) continue;
      map[a.captures()[i].inner] = b.captures()[j].inner;
    }
  }
  std::vector<std::pair<ValueId, ValueId>> pairs;
  for (size_t k = 0; k < first + carried; ++k) pairs.emplace_back(a.outputs()[k], b.outputs()[k]);
  for (size_t k = 0; k < stacked; ++k) {
    pairs.emplace_back(a.outputs()[first + carried + k], b.outputs()[first + carried_count(more) + k]);
  }
  return same_values(a, b, std::move(pairs), std::move(map)) && (all_pure(a) || is_twin(more, less));
}

// Whether a node comes before another one, also by what loops are merged into so far.
bool comes_before(const Graph& graph, const std::vector<NodeId>& loops, const std::vector<LoopMerge>& merges,
                  NodeId first, NodeId second) {
  std::vector<ValueId> roots{graph.node(second).output(0)};
  for (;;) {
    const std::vector<bool> needed = needed_nodes(graph, roots);
    if (needed[first]) return true;
    const size_t known = roots.size();
    for (NodeId id : loops) {
      const NodeId by = merges[id].by;
      if (needed[id] && by >= 0 && !needed[by]) roots.push_back(graph.node(by).output(0));
    }
    if (roots.size() == known) return false;
  }
}

}  // namespace

std::vector<LoopMerge> merge_loops(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<NodeId> loops;
  for (NodeId id : order) {
    if (is_loop(graph.node(id))) loops.push_back(id);
  }
  std::vector<LoopMerge> merges;
  if (loops.size() < 2) return merges;
  merges.resize(graph.node_count());
  // What does all that another does takes what that one takes, at the same places: few loops do.
  std::map<std::pair<std::pair<bool, size_t>, ValueId>, std::vector<size_t>> taking;
  std::vector<size_t> all, body_outputs;
  for (size_t i = 0; i < loops.size(); ++i) {
    const Node& node = graph.node(loops[i]);
    all.push_back(i);
    body_outputs.push_back(node.attrs.graph("body")->outputs().size());
    for (size_t p = 0; p < static_cast<size_t>(node.schema_inputs); ++p) {
      taking[{place_of(node, p), node.inputs[p]}].push_back(i);
    }
  }
  for (size_t i = 0; i < loops.size(); ++i) {
    const Node& less = graph.node(loops[i]);
    const std::vector<size_t>* others = &all;
    for (size_t p = 0; p < static_cast<size_t>(less.schema_inputs); ++p) {
      const std::vector<size_t>& alike = taking[{place_of(less, p), less.inputs[p]}];
      if (alike.size() < others->size()) others = &alike;
    }
    const int carried = static_cast<int>(carried_count(less));
    LoopMerge& merge = merges[loops[i]];
    size_t best = body_outputs[i];
    for (size_t j : *others) {
      const Node& more = graph.node(loops[j]);
      const size_t outputs = body_outputs[j];
      // Of equal ones, the first stays.
      const bool candidate = outputs > best || (outputs == best && j < i && merge.by < 0);
      if (i == j || !candidate || !does_all(more, less)) continue;
      if (comes_before(graph, loops, merges, loops[i], loops[j])) continue;
      std::vector<int> places;
      for (int k = 0; k < less.output_count; ++k) {
        places.push_back(k < carried ? k : k - carried + static_cast<int>(carried_count(more)));
      }
      if (!places.empty() && places.back() >= more.output_count) continue;
      best = outputs;
      merge = {loops[j], std::move(places)};
    }
  }
  return merges;
}

}  // namespace weft
