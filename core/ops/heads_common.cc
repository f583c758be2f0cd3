// What operators over heads of features share.
#include "core/ops/heads_common.h"

namespace weft {

Expr dims_of(Expr x, int64_t start, int64_t end) {
  return make(x.scope(), "Shape", {x}, {{"start", start}, {"end", end}});
}

Expr wide(Expr x) { return x.dtype() == DType::kF16 || x.dtype() == DType::kBF16 ? cast(x, DType::kF32) : x; }

Result<Expr> by_heads(BodyContext& c, int input, const char* name, const char* attr) {
  Expr x = c.input(input);
  const int64_t heads = c.attrs().i_or(attr, 0);
  if (!x.has_rank() || (x.rank() != 3 && x.rank() != 4)) {
    return invalid("input '", name, "' must be [N, heads, L, features] or [N, L, heads * features] but is ",
                   x.type().text());
  }
  if (x.rank() == 4) {
    const Dim& have = x.dims()[1];
    if (heads == 0 || !have.known() || have.is(heads)) return x;
    return invalid("attribute '", attr, "' is ", heads, " but input '", name, "' is ", x.type().text());
  }
  const Dim& all = x.dims()[2];
  if (heads < 1 || (all.known() && all.value() % heads != 0)) {
    return invalid("attribute '", attr, "' is ", heads, " but must be positive and divide the ", all.text(),
                   " features of input '", name, "'");
  }
  Expr count = constant_ints(c.scope(), {heads});
  return reshape(x, concat({dims_of(x, 0, 2), count, dims_of(x, 2, 3) / count}, 0));
}

}  // namespace weft
