// Limits of results, which operators made by fusion have instead of a Relu or Clip behind them.
#include "core/ops/limits_common.h"

namespace weft {

OpDef& with_limits(OpDef& op) {
  return op.optional_attr("low", AttrKind::kFloat, "What smaller results become.")
      .optional_attr("high", AttrKind::kFloat, "What larger results become.");
}

Attrs without_limits(Attrs attrs) {
  attrs.erase("low");
  attrs.erase("high");
  return attrs;
}

Expr limited(Expr x, const Attrs& attrs) {
  const bool low = attrs.has("low"), high = attrs.has("high");
  if (!x.valid() || (!low && !high)) return x;
  if (low && !high && attrs.f("low") == 0) return make(x.scope(), "Relu", {x});
  return make(x.scope(), "Clip",
              {x, low ? scalar_like(x, attrs.f("low")) : Expr(), high ? scalar_like(x, attrs.f("high")) : Expr()});
}

}  // namespace weft
