// weft.Forest: decision trees in the form that runs.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_forest(InferContext& c) {
  const Dim rows = c.has_rank(0) ? c.dims(0)[0] : c.fresh();
  for (int i = 0; i < c.output_count(); ++i) c.set_dims(i, {rows, Dim(c.attrs().i("n_targets"))});
  return {};
}

}  // namespace

void define_op_forest(OpRegistry& ops) {
  ops.add(kWeftDomain, "Forest")
      .group("classical")
      .doc("What decision trees make of rows; the trees of TreeEnsemble in the form that runs.")
      .types("T", set_of(DType::kF32, DType::kF64))
      .required_attr("features", AttrKind::kInts, "Of each node: which number of a row it looks at.")
      .required_attr("thresholds", AttrKind::kTensor, "[nodes], T: a row goes left where its number is at most this.")
      .required_attr("left", AttrKind::kInts, "Of each node: the node to the left; of a leaf itself.")
      .required_attr("right", AttrKind::kInts, "Of each node: the node to the right; of a leaf itself.")
      .required_attr("nan_left", AttrKind::kInts, "Of each node: whether NaN goes left, else right.")
      .required_attr("roots", AttrKind::kInts, "Of each tree: its first node.")
      .required_attr("vote_begin", AttrKind::kInts, "[nodes + 1]: where in the votes those of a leaf begin.")
      .required_attr("targets", AttrKind::kInts, "Of each vote: for which target.")
      .required_attr("weights", AttrKind::kTensor, "Of each vote: how much, T.")
      .required_attr("n_targets", AttrKind::kInt, "How many targets there are.")
      .required_attr("aggregate", AttrKind::kString,
                     "What is taken of votes: \"SUM\", \"AVERAGE\", \"MIN\" or \"MAX\".")
      .input("X", "T", "[N, F].")
      .output("Y", "T", "[N, targets]; 0 where there is no vote.")
      .optional_output("voted", "bool", "[N, targets]: whether there is a vote.")
      .infer(infer_forest)
      .no_gradient("it is constant but for steps")
      .internal();
}

}  // namespace weft
