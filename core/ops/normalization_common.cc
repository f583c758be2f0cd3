// What normalizations are made of.
#include "core/ops/normalization_common.h"

#include <numeric>

namespace weft {

Expr along_channels(Expr vector, int64_t rank) {
  if (rank < 3) return vector;
  std::vector<int64_t> axes(static_cast<size_t>(rank - 2));
  std::iota(axes.begin(), axes.end(), int64_t{1});
  return unsqueeze(vector, axes);
}

Expr mean_over(Expr x, const std::vector<int64_t>& axes, bool keep_dims) {
  return mean_over(x, constant_ints(x.scope(), axes), keep_dims);
}

Expr mean_over(Expr x, Expr axes, bool keep_dims) {
  return make(x.scope(), "ReduceMean", {x, axes}, {{"keepdims", int64_t{keep_dims}}});
}

Expr inverse_root(Expr variance, double epsilon) {
  ExprScope& s = variance.scope();
  return make(s, "Reciprocal", {make(s, "Sqrt", {variance + epsilon})});
}

Status check_channels(BodyContext& c, Expr x, int last) {
  if (!x.has_rank() || x.rank() < 2) {
    return invalid("the input needs a batch and a channel axis but is ", x.type().text());
  }
  Dim channels = x.dims()[1];
  for (int i = 1; i <= last; ++i) {
    const ValueType& type = c.input(i).type();
    if (!type.has_rank) continue;
    if (type.dims.size() == 1 && !channels.known()) channels = type.dims[0];
    bool fits = type.dims.size() == 1 && (type.dims[0] == channels || !type.dims[0].known() || !channels.known());
    if (!fits) {
      return invalid("input ", i, " must have one number for each channel, ", channels.text(), " of them, but is ",
                     type.text());
    }
  }
  return {};
}

Result<DType> stash_type(BodyContext& c) {
  int64_t stash = c.attrs().i("stash_type");
  if (stash != static_cast<int64_t>(DType::kF32) && stash != static_cast<int64_t>(DType::kF64) &&
      stash != static_cast<int64_t>(DType::kF16) && stash != static_cast<int64_t>(DType::kBF16)) {
    const bool named = 0 < stash && stash < kDTypeCount;
    return invalid("attribute 'stash_type' is ", named ? dtype_name(static_cast<DType>(stash)) : cat(stash).c_str(),
                   " but must be f32, f64, f16 or bf16");
  }
  return static_cast<DType>(stash);
}

DType statistics_dtype(DType dtype, DType stash) {
  return dtype == DType::kF64 || stash == DType::kF64 ? DType::kF64 : DType::kF32;
}

}  // namespace weft
