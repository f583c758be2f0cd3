// Trilu: the upper or lower triangle of matrices.
#include <algorithm>
#include <optional>

#include "core/graph/downgrade.h"
#include "core/ops/heads_common.h"

namespace weft {
namespace {

Status infer_trilu(InferContext& c) {
  WEFT_CHECK(c.check_number(1));
  WEFT_CHECK(infer_same_as_first(c));
  if (!c.has_rank(0) || c.rank(0) >= 2) return {};
  return invalid("'input' must have at least two dimensions but is ", c.input(0).text());
}

Status grad_trilu(GradContext& c) {
  c.set_grad(0, make(c.scope(), "Trilu", {c.grad(0), c.input(1)}, c.attrs()));
  return {};
}

// Masks of so many elements are constants in a file, where their sizes are known; larger ones are computed.
constexpr int64_t kMostMasked = 1 << 20;

Result<Expr> constant_mask(ExprScope& s, int64_t rows, int64_t columns, int64_t k, bool upper) {
  WEFT_TRY(Tensor mask, Tensor::make(DType::kBool, {rows, columns}));
  bool* kept = mask.as<bool>();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      *kept++ = upper ? column - row >= k : column - row <= k;
    }
  }
  return constant(s, std::move(mask));
}

// Before opset 14 a mask said what is kept.
Status mask_of_triangle(DowngradeContext& c) {
  ExprScope& s = c.scope();
  const Expr x = c.inputs[0];
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  const Dim &rows = x.dims()[static_cast<size_t>(rank - 2)], &columns = x.dims()[static_cast<size_t>(rank - 1)];
  const bool upper = c.attrs.b("upper");
  const auto is_below = [](const Dim& dim) { return dim.known() && dim.value() < kMostMasked; };
  const bool is_small = is_below(rows) && is_below(columns) && rows.value() * columns.value() <= kMostMasked;
  std::optional<std::vector<int64_t>> k = c.numbers(1);
  if (!c.has_input(1)) k = std::vector<int64_t>{0};
  // Far beyond the corners all is kept, or nothing, as at the corners.
  const bool is_known = k && k->size() == 1;
  Expr mask;
  if (is_small && is_known) {
    const int64_t above = std::clamp((*k)[0], -kMostMasked, kMostMasked);
    WEFT_TRY(mask, constant_mask(s, rows.value(), columns.value(), above, upper));
  } else {
    const auto places = [&](int64_t axis) {
      const Expr size = squeeze(dims_of(x, axis, axis + 1), {0});
      return make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)});
    };
    // Differences of places are small, where a sum with k might overflow.
    const Expr above = places(rank - 1) - unsqueeze(places(rank - 2), {1});
    const Expr least = c.has_input(1) ? reshape(c.inputs[1], constant_ints(s, {})) : constant_int(s, 0);
    mask = make(s, upper ? "GreaterOrEqual" : "LessOrEqual", {above, least});
  }
  c.replace({where(mask, x, scalar_like(x, 0))});
  return s.status();
}

}  // namespace

void define_op_trilu(OpRegistry& ops) {
  ops.add("Trilu")
      .group("shape")
      .since(14)
      .doc(
          "Matrices with zeros outside of a triangle: what is kept is `column - row >= k` if upper, else "
          "`column - row <= k`.")
      .types("T", kAllTypes)
      .flag("upper", true, "Whether the upper triangle is kept, else the lower one.")
      .input("input", "T", "[..., rows, columns].")
      .optional_input("k", "i64", "A number: how far above the main diagonal the kept part ends; 0 if not given.")
      .output("output", "T", "The shape of the input.")
      .inplace(0, 0)
      .infer(infer_trilu)
      .grad(grad_trilu)
      .downgrade(14, mask_of_triangle);
}

}  // namespace weft
