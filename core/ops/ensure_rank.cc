// EnsureRank: what rules for gradients say of a value whose rank the graph does not tell.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_ensure_rank(InferContext& c) {
  const int64_t rank = c.attrs().i("rank");
  if (rank < 0 || rank > kMostAxes) return invalid("'rank' is ", rank, " but must be from 0 to ", kMostAxes);
  const ValueType& in = c.input(0);
  if (in.kind != Kind::kTensor && (in.kind != Kind::kSequence || in.holds != Kind::kTensor)) {
    return invalid("the input is ", in.text(), "; only tensors and sequences of tensors have a rank");
  }
  if (in.has_rank && c.rank(0) != rank) return invalid("the input must be of rank ", rank, " but is ", in.text());
  c.output(0) = in;
  if (!in.has_rank) c.set_dims(0, c.fresh_dims(rank));
  return {};
}

}  // namespace

void define_op_ensure_rank(OpRegistry& ops) {
  ops.add(kWeftDomain, "EnsureRank")
      .group("graph")
      .doc(
          "Its input, a tensor of that many dimensions or a sequence of such. Any other number is an error. Of what "
          "comes out of a sequence that was empty at first no rank is known before the run. The rules for gradients "
          "know it from the value that a gradient is of, and say it so for those who differentiate again.")
      .required_attr("rank", AttrKind::kInt, "How many dimensions the input has, or each of its items.")
      .input("input", "any", "A tensor or a sequence of tensors.")
      .output("output", "any", "The same value.")
      .view()
      .inplace(0, 0)
      .infer(infer_ensure_rank)
      .grad([](GradContext& c) -> Status {
        c.set_grad(0, c.grad(0));
        return {};
      })
      // For files that others read.
      .body([](BodyContext& c) -> Status {
        c.set_output(0, make(c.scope(), "Identity", {c.input(0)}));
        return {};
      })
      .unlisted();
}

}  // namespace weft
