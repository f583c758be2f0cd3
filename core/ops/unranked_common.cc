// What gradients do with tensors whose number of axes only a run knows.
#include "core/ops/unranked_common.h"

#include <algorithm>
#include <numeric>

namespace weft {

Expr with_rank(Expr x, int64_t rank) {
  if (!x.valid() || x.has_rank()) return x;
  return make(x.scope(), "weft.EnsureRank", {x}, {{"rank", rank}});
}

Expr rank_of(Expr x) { return shape_of(shape_of(x)); }

Expr count_behind(Expr x, int64_t axis) {
  if (!x.valid()) return x;
  if (axis == -1) return constant_ints(x.scope(), {1});
  const Expr sizes = make(x.scope(), "Shape", {x}, {{"start", axis + 1}});
  return make(x.scope(), "ReduceProd", {sizes}, {{"keepdims", int64_t{1}}});
}

Expr axes_from(Expr x, int64_t first) {
  if (!x.valid()) return x;
  ExprScope& s = x.scope();
  return make(s, "Range", {constant_int(s, first), squeeze(rank_of(x), {0}), constant_int(s, 1)});
}

Expr with_two_axes(Expr x) {
  if (!x.valid()) return x;
  if (x.has_rank()) return x.rank() == 1 ? unsqueeze(x, {0}) : x;
  ExprScope& s = x.scope();
  const Expr one = constant_ints(s, {1}), all = concat({one, shape_of(x)}, 0);
  const Expr start = make(s, "Min", {rank_of(x) - one, one});
  return reshape(x, make(s, "Slice", {all, start, shape_of(all)}));
}

Expr with_rank_of_places(Expr image, Expr places) {
  image = ensure_rank(image, places.type());
  if (image.has_rank() || !places.has_rank() || !places.dims().back().known()) return image;
  return with_rank(image, places.dims().back().value() + 2);
}

Expr laid_along(Expr vector, Expr shape, int64_t axis) {
  if (!vector.valid()) return vector;
  ExprScope& s = vector.scope();
  if (axis >= 0 && shape.has_rank() && shape.dims()[0].known()) {
    axis = std::min<int64_t>(axis - shape.dims()[0].value(), -1);
  }
  if (axis < 0) {
    std::vector<int64_t> behind(static_cast<size_t>(-axis - 1));
    std::iota(behind.begin(), behind.end(), int64_t{1});
    return behind.empty() ? vector : unsqueeze(vector, behind);
  }
  const Expr behind = make(s, "Max", {shape_of(shape) - constant_ints(s, {axis + 1}), constant_ints(s, {0})});
  const Expr ones = make(s, "Expand", {constant_int(s, 1), behind});
  return reshape(vector, concat({shape_of(vector), ones}, 0));
}

Expr with_one_space(Expr x) {
  if (!x.valid()) return x;
  ExprScope& s = x.scope();
  const auto count = [&](int64_t first, int64_t end) {  // a vector of one, however many axes there are
    const Expr sizes = make(s, "Shape", {x}, {{"start", first}, {"end", end}});
    return make(s, "ReduceProd", {sizes}, {{"keepdims", int64_t{1}}});
  };
  return reshape(x, concat({count(0, 1), count(1, 2), count_behind(x, 1)}, 0));
}

Expr sum_of_channels(Expr x) {
  if (!x.valid()) return x;
  if (x.has_rank()) {
    std::vector<int64_t> axes{0};
    for (int64_t i = 2; i < x.rank(); ++i) axes.push_back(i);
    return reduce_sum(x, axes, false);
  }
  return reduce_sum(with_one_space(x), {0, 2}, false);
}

}  // namespace weft
