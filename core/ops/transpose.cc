// Transpose: the dimensions of a tensor in another order.
#include "core/graph/expr.h"

namespace weft {
namespace {

// The permutation asked for; reversed if none is given.
Result<std::vector<int64_t>> permutation(const Attrs& attrs, int64_t rank) {
  std::vector<int64_t> perm = attrs.ints_or_empty("perm");
  if (!attrs.has("perm")) {
    for (int64_t i = rank; i-- > 0;) perm.push_back(i);
  }
  std::vector<bool> seen(rank, false);
  if (static_cast<int64_t>(perm.size()) != rank) {
    return invalid("attribute 'perm' has ", perm.size(), " entries for a tensor of rank ", rank);
  }
  for (int64_t axis : perm) {
    if (axis < 0 || axis >= rank || seen[axis])
      return invalid("attribute 'perm' [", join(perm), "] is not a permutation");
    seen[axis] = true;
  }
  return perm;
}

Status infer(InferContext& c) {
  if (!c.has_rank(0) && !c.attrs().has("perm")) return {};
  // What is no permutation of its own length is none of any rank, and the gradient inverts it.
  const int64_t rank = c.has_rank(0) ? c.rank(0) : static_cast<int64_t>(c.attrs().ints("perm").size());
  WEFT_TRY(std::vector<int64_t> perm, permutation(c.attrs(), rank));
  if (!c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(rank));
    return {};
  }
  Dims out;
  for (int64_t axis : perm) out.push_back(c.dims(0)[axis]);
  c.set_dims(0, std::move(out));
  return {};
}

Status grad(GradContext& c) {
  if (!c.attrs().has("perm")) {
    c.set_grad(0, make(c.scope(), "Transpose", {c.grad(0)}));
    return {};
  }
  const std::vector<int64_t>& perm = c.attrs().ints("perm");
  std::vector<int64_t> inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) inverse[perm[i]] = static_cast<int64_t>(i);
  c.set_grad(0, transpose(c.grad(0), inverse));
  return {};
}

}  // namespace

void define_op_transpose(OpRegistry& ops) {
  ops.add("Transpose")
      .group("shape")
      .since(25)
      .doc("`data` with its dimensions in another order.")
      .types("T", kAllTypes)
      .optional_attr("perm", AttrKind::kInts,
                     "Dimension i of the result is dimension perm[i] of the input; reversed if not given.")
      .input("data", "T", "Any tensor.")
      .output("transposed", "T", "The same elements.")
      .infer(infer)
      .grad(grad);
}

}  // namespace weft
