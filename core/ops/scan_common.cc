// Scan as it was in opset 8.
#include "core/ops/scan_common.h"

#include "core/graph/expr.h"
#include "core/graph/subgraph.h"

namespace weft {

Status upgrade_scan_of_batches(UpgradeContext& c) {
  Graph& graph = c.graph();
  const AttrValue *body_attr = c.attrs.find("body"), *scanned_attr = c.attrs.find("num_scan_inputs");
  if (body_attr == nullptr || body_attr->kind() != AttrKind::kGraph || scanned_attr == nullptr ||
      scanned_attr->kind() != AttrKind::kInt) {
    return invalid("Scan needs the attributes 'body', a graph, and 'num_scan_inputs', a number");
  }
  const Graph& body = *body_attr->graph();
  const int64_t scanned = scanned_attr->i();
  const size_t count = c.inputs.empty() ? 0 : c.inputs.size() - 1;
  if (scanned < 1 || scanned > static_cast<int64_t>(count)) {
    return invalid("'num_scan_inputs' is ", scanned, " but must be from 1 to the number of inputs, ", count);
  }
  if (body.inputs().size() != count) {
    return invalid("'body' has ", body.inputs().size(), " inputs but must have ", count);
  }
  const size_t carried = count - static_cast<size_t>(scanned);
  const bool lengths = c.inputs[0] != kNoValue;
  // What one of the batch goes through.
  WEFT_TRY(std::shared_ptr<Graph> one, Graph::make_subgraph(graph.shared_from_this()));
  ExprScope scope(*one);
  std::vector<ValueId> batches(c.inputs.begin() + 1, c.inputs.end());
  if (lengths) batches.push_back(c.inputs[0]);
  std::vector<Expr> given;
  for (ValueId id : batches) {
    if (id == kNoValue) return invalid("an input of Scan is omitted");
    ValueType type = graph.type(id);
    type.ints = nullptr;
    if (type.has_rank && type.dims.empty()) return invalid("an input of Scan is ", type.text(), " but needs a batch");
    if (type.has_rank) type.dims.erase(type.dims.begin());
    WEFT_TRY(ValueId inner, one->add_input("", std::move(type)));
    given.emplace_back(scope, inner);
  }
  std::vector<Expr> inputs(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(count));
  Expr all, length;
  if (lengths) {
    const Expr first = constant_ints(scope, {0});
    length = reshape(given.back(), constant_ints(scope, {1}));
    all = make(scope, "Slice", {shape_of(inputs[carried]), first, constant_ints(scope, {1})});
    for (size_t i = carried; i < count; ++i) inputs[i] = make(scope, "Slice", {inputs[i], first, length, first});
  }
  std::vector<ValueId> outer;
  for (const Graph::Capture& capture : body.needed_captures()) {
    WEFT_TRY(ValueId inner, one->capture(graph, capture.outer));
    outer.push_back(inner);
  }
  std::vector<ValueType> types;
  for (ValueId id : body.inputs()) types.push_back(body.type(id));
  WEFT_TRY(std::shared_ptr<Graph> own, copy_subgraph(body, one, types, outer));
  Attrs attrs{{"num_scan_inputs", scanned}};
  const size_t outputs = own->outputs().size();
  attrs.set("body", GraphRef(std::move(own)));
  if (const AttrValue* directions = c.attrs.find("directions")) attrs.set("scan_input_directions", *directions);
  const AttrValue* recompute_attr = c.attrs.find("recompute");
  const AttrValue recompute = recompute_attr != nullptr ? *recompute_attr : AttrValue(false);
  attrs.set("recompute", recompute);
  std::vector<Expr> made = make_all(scope, "Scan", inputs, std::move(attrs), static_cast<int>(outputs));
  std::vector<ValueId> results;
  for (size_t k = 0; k < outputs; ++k) {
    if (lengths && k >= carried) {
      // Zeros behind the end of a shorter sequence.
      const Expr pads = concat({constant_ints(scope, {0}), all - length}, 0);
      made[k] = make(scope, "Pad", {made[k], pads, Expr(), constant_ints(scope, {0})});
    }
    results.push_back(made[k].id());
  }
  WEFT_CHECK(scope.status());
  WEFT_CHECK(one->set_outputs(std::move(results)));
  c.inputs = std::move(batches);
  c.attrs = Attrs{{"num_scan_inputs", static_cast<int64_t>(c.inputs.size())}, {"recompute", recompute}};
  c.attrs.set("body", GraphRef(std::move(one)));
  return {};
}

}  // namespace weft
