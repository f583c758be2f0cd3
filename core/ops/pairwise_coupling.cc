// Likelihoods of classes from those within pairs of them.
#include "core/op/infer_context.h"
#include "core/op/registry.h"

namespace weft {
namespace {

Status infer_pairwise_coupling(InferContext& c) {
  const int64_t classes = c.attrs().i("classes"), pairs = classes * (classes - 1) / 2;
  if (classes < 2 || classes > 65535) return invalid("attribute 'classes' must be 2 to 65535 but is ", classes);
  if (c.has_rank(0) && (c.rank(0) != 2 || (c.dims(0)[1].known() && !c.dims(0)[1].is(pairs)))) {
    return invalid("X must be [N, ", pairs, "] but is ", c.input(0).text());
  }
  c.set_dims(0, {c.has_rank(0) ? c.dims(0)[0] : c.fresh(), Dim(classes)});
  return {};
}

}  // namespace

void define_op_pairwise_coupling(OpRegistry& ops) {
  ops.add(kWeftDomain, "PairwiseCoupling")
      .group("classical")
      .doc(
          "Likelihoods of classes `p` from those within pairs `r`, where `r[i, j] + r[j, i] = 1`: about the ones with "
          "the "
          "least sum of `(r[j, i] p[i] - r[i, j] p[j])^2`, by the second method of Wu, Lin and Weng, \"Probability "
          "estimates for multi-class classification by pairwise coupling\", which ends where libsvm does.")
      .types("T", set_of(DType::kF64))
      .required_attr("classes", AttrKind::kInt, "How many classes there are.")
      .input("X", "T", "[N, pairs]: r[i, j] for i < j: (0, 1), (0, 2), ..., (1, 2), ...")
      .output("Y", "T", "[N, classes].")
      .infer(infer_pairwise_coupling)
      .no_gradient("it is what a search that stops early has found")
      .internal();
}

}  // namespace weft
