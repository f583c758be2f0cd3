// If: one of two sub-graphs.
#include <algorithm>

#include "core/graph/downgrade.h"
#include "core/graph/subgraph.h"

namespace weft {
namespace {

Status check_branch(const Graph& branch, const char* name) {
  if (branch.outputs().empty()) return invalid("'", name, "' has no outputs; set what it returns first");
  if (branch.inputs().empty()) return {};
  return invalid("'", name, "' has an input '", branch.value(branch.inputs()[0]).name,
                 "', but nothing is fed to a branch; it uses values of the graphs around it");
}

Status infer(InferContext& c) {
  if (c.has_rank(0)) {
    for (const Dim& dim : c.dims(0)) {
      if (dim.known() && !dim.is(1)) return invalid("the condition must have one element but is ", c.input(0).text());
    }
  }
  const Graph& yes = *c.attrs().graph("then_branch");
  const Graph& no = *c.attrs().graph("else_branch");
  WEFT_CHECK(check_branch(yes, "then_branch"));
  WEFT_CHECK(check_branch(no, "else_branch"));
  if (yes.outputs().size() != no.outputs().size()) {
    return invalid("'then_branch' has ", yes.outputs().size(), " outputs but 'else_branch' has ", no.outputs().size());
  }
  if (static_cast<size_t>(c.output_count()) > yes.outputs().size()) {
    return invalid("the branches have ", yes.outputs().size(), " outputs but ", c.output_count(), " are asked for");
  }
  for (int i = 0; i < c.output_count(); ++i) {
    const ValueType& a = yes.type(yes.outputs()[i]);
    const ValueType& b = no.type(no.outputs()[i]);
    if (!a.alike(b)) {
      return invalid("output ", i, " is ", a.text(), " in 'then_branch' but ", b.text(), " in 'else_branch'");
    }
    ValueType& out = c.output(i);
    out.kind = a.kind;
    out.dtype = a.dtype;
    out.holds = a.holds;
    out.keys = a.keys;
    if (!a.has_rank || !b.has_rank || a.dims.size() != b.dims.size()) continue;
    Dims dims;
    for (size_t d = 0; d < a.dims.size(); ++d) {
      bool same = a.dims[d] == b.dims[d] && known_outside(a.dims[d], yes) && known_outside(b.dims[d], no);
      dims.push_back(same ? a.dims[d] : c.fresh());
    }
    c.set_dims(i, std::move(dims));
  }
  return {};
}

// Before opset 11 both branches had to give the same shapes.
Status same_shapes_of_branches(DowngradeContext& c) {
  const Graph& yes = *c.attrs.graph("then_branch");
  const Graph& no = *c.attrs.graph("else_branch");
  for (size_t i = 0; i < yes.outputs().size(); ++i) {
    const ValueType &a = yes.type(yes.outputs()[i]), &b = no.type(no.outputs()[i]);
    if (!a.has_rank || !b.has_rank || may_equal(a.dims, b.dims)) continue;
    return unimplemented("output ", i, " of its branches is ", a.text(), " and ", b.text(), ", which is not one shape");
  }
  return {};
}

}  // namespace

void define_op_if(OpRegistry& ops) {
  ops.add("", "If")
      .group("graph")
      .doc(
          "Computes one of two sub-graphs, whichever `cond` says, and gives its outputs. Both use values of the graphs "
          "around them; the one that is not taken costs nothing. Differentiable through both.")
      .since(25)
      .types("B", set_of(DType::kBool))
      .types("V", kAllTypes)
      .required_attr("then_branch", AttrKind::kGraph, "What is computed if `cond` is true; a graph without inputs.")
      .required_attr("else_branch", AttrKind::kGraph, "What is computed if `cond` is false; as many outputs.")
      .input("cond", "B", "One element.")
      .variadic_output("outputs", "V", "The outputs of the branch that was taken.")
      .mixed_outputs()
      .infer(infer)
      .downgrade(11, same_shapes_of_branches);
}

}  // namespace weft
