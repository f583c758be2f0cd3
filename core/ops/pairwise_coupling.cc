// Likelihoods of classes from those within pairs of them.
#include "core/ops/linalg_common.h"

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

// The classes of each pair, and for each i and j where r[i, j] lies among r of all pairs, 1 - r of all pairs, and a 0.
struct PairPlaces {
  std::vector<int64_t> firsts, seconds, places;

  explicit PairPlaces(int64_t classes) : places(static_cast<size_t>(classes * classes)) {
    const int64_t pairs = classes * (classes - 1) / 2;
    for (int64_t i = 0; i < classes; ++i) {
      places[static_cast<size_t>(i * classes + i)] = 2 * pairs;
      for (int64_t j = i + 1; j < classes; ++j) {
        const auto pair = static_cast<int64_t>(firsts.size());
        places[static_cast<size_t>(i * classes + j)] = pair;
        places[static_cast<size_t>(j * classes + i)] = pairs + pair;
        firsts.push_back(i);
        seconds.push_back(j);
      }
    }
  }
};

Expr columns(Expr x, const std::vector<int64_t>& places) {
  return make(x.scope(), "Gather", {x, constant_ints(x.scope(), places)}, {{"axis", 1}});
}

// The matrix Q of the sum of squares p' Q p, with a row and a column of ones: what has to be 0, besides the sum of p - 1.
Expr bordered_matrix(Expr r, int64_t classes, const PairPlaces& pairs) {
  ExprScope& s = r.scope();
  const Expr none = fill_like(columns(r, {0}), 0);
  const Expr all = columns(concat({r, 1.0 - r, none}, 1), pairs.places);
  const Expr beside = reshape(all, constant_ints(s, {-1, classes, classes}));
  const Expr q = linalg::with_diagonal(reduce_sum(beside * beside, {1}, false), -(beside * swap_last_two(beside)));
  const Expr zero = unsqueeze(none, {2}), ones = make(s, "Tile", {zero + 1.0, constant_ints(s, {1, classes, 1})});
  return concat({concat({q, ones}, 2), concat({swap_last_two(ones), zero}, 2)}, 1);
}

// By the exact minimum, where the search would end: with z for which bordered(z) = (dY, 0), the gradient by Q is -z p'.
Status grad_pairwise_coupling(GradContext& c) {
  ExprScope& s = c.scope();
  const int64_t classes = c.attrs().i("classes");
  const PairPlaces pairs(classes);
  const Expr r = c.input(0), dy = unsqueeze(c.grad(0), {2});
  const Expr matrix = bordered_matrix(r, classes, pairs);
  const Expr zero = fill_like(columns(dy, {0}), 0), zeros = fill_like(dy, 0);
  const Expr right = concat({concat({dy, zero}, 1), concat({zeros, zero + 1.0}, 1)}, 2);  // [N, classes + 1, 2]
  const Expr solved = make(s, "weft.Solve", {matrix, right});
  const auto vector = [&](int64_t i) { return make(s, "Gather", {solved, constant_int(s, i)}, {{"axis", 2}}); };
  const Expr z = vector(0), p = vector(1);
  const Expr zi = columns(z, pairs.firsts), zj = columns(z, pairs.seconds);
  const Expr pi = columns(p, pairs.firsts), pj = columns(p, pairs.seconds);
  const Expr other = 1.0 - r;  // r[j, i]
  c.set_grad(0, (zi * pi * other - zj * pj * r) * 2.0 + (zi * pj + zj * pi) * (other - r));
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
          "estimates for multi-class classification by pairwise coupling\", which ends where libsvm does. Its gradient "
          "is "
          "that of the least sum.")
      .types("T", set_of(DType::kF64))
      .required_attr("classes", AttrKind::kInt, "How many classes there are.")
      .input("X", "T", "[N, pairs]: r[i, j] for i < j: (0, 1), (0, 2), ..., (1, 2), ...")
      .output("Y", "T", "[N, classes].")
      .infer(infer_pairwise_coupling)
      .grad(grad_pairwise_coupling)
      .internal();
}

}  // namespace weft
