// Products of matrices of 8-bit numbers: MatMulInteger and QLinearMatMul.
#include "core/graph/expr.h"
#include "core/ops/product_common.h"

namespace weft {
namespace {

constexpr DTypeSet kBytes = set_of(DType::kI8, DType::kU8);
constexpr DTypeSet kQuantized = kBytes | kFloat8Types;
constexpr DTypeSet kScales = set_of(DType::kF32, DType::kF16, DType::kBF16);

bool is_one(const Dims& dims) { return dims.empty() || (dims.size() == 1 && dims[0].is(1)); }

// That a zero point or scale is one number, [count], or has the rank of its matrices, for each row (else column) of which it
// has one.
Status check_along(const InferContext& c, int at, int at_matrix, bool rows) {
  if (!c.has_rank(at) || !c.has_rank(at_matrix) || is_one(c.dims(at))) return {};
  const Dims &dims = c.dims(at), &matrix = c.dims(at_matrix);
  const size_t rank = matrix.size();
  const auto fits = [](const Dim& have, const Dim& want) {
    return have.is(1) || !have.known() || !want.known() || have == want;
  };
  const Dim count = rank < 2 ? Dim(1) : matrix[rank - (rows ? 2 : 1)];
  bool right = dims.size() == 1 && fits(dims[0], count);
  if (dims.size() == rank && rank > 1) {
    right = true;
    for (size_t i = 0; i < rank; ++i) {
      const bool summed = i == rank - (rows ? 1 : 2);
      right = right && fits(dims[i], summed ? Dim(1) : matrix[i]);
    }
  }
  if (right) return {};
  const std::string &name = c.op().inputs()[static_cast<size_t>(at)].name,
                    &of = c.op().inputs()[static_cast<size_t>(at_matrix)].name;
  Dims whole = matrix;
  if (rank > 1) whole[rank - (rows ? 1 : 2)] = Dim(1);
  return invalid("input '", name, "' is ", c.input(at).text(), " but must be one number",
                 rank < 2 ? std::string()
                          : cat(", ", dims_text({count}), " or ", dims_text(whole), ": one for each ",
                                rows ? "row" : "column", " of ", of, " ", c.input(at_matrix).text()));
}

// That a scale has the shape of its zero point.
Status check_pair(const InferContext& c, int at_scale, int at_zero) {
  if (!c.has_rank(at_scale) || !c.has_rank(at_zero)) return {};
  const Dims &scale = c.dims(at_scale), &zero = c.dims(at_zero);
  if ((is_one(scale) && is_one(zero)) || may_equal(scale, zero)) return {};
  return invalid("input '", c.op().inputs()[static_cast<size_t>(at_scale)].name, "' is ", c.input(at_scale).text(),
                 " but must have the shape of input '", c.op().inputs()[static_cast<size_t>(at_zero)].name,
                 "', which is ", c.input(at_zero).text());
}

Status infer_matmul_integer(InferContext& c) {
  WEFT_CHECK(check_along(c, 2, 0, true));
  WEFT_CHECK(check_along(c, 3, 1, false));
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, matmul_dims(c, 0, 1));
  c.set_dims(0, std::move(out));
  return {};
}

Status infer_qlinear_matmul(InferContext& c) {
  WEFT_CHECK(check_along(c, 1, 0, true));
  WEFT_CHECK(check_along(c, 2, 0, true));
  WEFT_CHECK(check_pair(c, 1, 2));
  WEFT_CHECK(check_along(c, 4, 3, false));
  WEFT_CHECK(check_along(c, 5, 3, false));
  WEFT_CHECK(check_pair(c, 4, 5));
  WEFT_CHECK(c.check_number(6));
  WEFT_CHECK(c.check_number(7));
  if (!c.has_rank(0) || !c.has_rank(3)) return {};
  WEFT_TRY(Dims out, matmul_dims(c, 0, 3));
  c.set_dims(0, std::move(out));
  return {};
}

Status infer_biased_qlinear_matmul(InferContext& c) {
  WEFT_CHECK(infer_qlinear_matmul(c));
  if (!c.has_rank(3) || c.rank(3) < 2) return {};
  return c.check_shape(8, {c.dims(3).back()}, "a row of the product");
}

// One for each row as it broadcasts to the matrices.
Expr as_column(Expr x, Expr matrix) {
  if (is_one(x.dims())) return x.rank() == 0 ? x : squeeze(x, {0});
  return x.rank() == 1 && matrix.rank() > 1 ? unsqueeze(x, {1}) : x;
}
Expr as_row(Expr x) { return is_one(x.dims()) && x.rank() == 1 ? squeeze(x, {0}) : x; }

Status qlinear_matmul(BodyContext& c) {
  ExprScope& s = c.scope();
  for (int i : {0, 1, 2, 3, 4, 5}) {
    if (!c.input(i).has_rank()) return unimplemented("the ranks of all inputs must be known");
  }
  Expr a = c.input(0), b = c.input(3);
  const DType to = c.input(7).dtype();
  const auto wide = [](Expr x) { return cast(x, DType::kF32); };
  Expr scale = as_column(wide(c.input(1)), a) * as_row(wide(c.input(4))) / as_row(wide(c.input(6)));
  Expr product;
  if (is_integer(a.dtype()) && is_integer(b.dtype())) {
    const Expr sums = make(s, "MatMulInteger", {a, b, c.input(2), c.input(5)});
    product = wide(c.has_input(8) ? sums + c.input(8) : sums);
  } else {
    product = matmul(wide(a) - as_column(wide(c.input(2)), a), wide(b) - as_row(wide(c.input(5))));
  }
  Expr y = product * scale;
  if (is_integer(to)) y = make(s, "Round", {y});
  c.set_output(0, cast(y + as_row(wide(c.input(7))), to));
  return {};
}

OpDef& qlinear_matmul_schema(OpDef& op, DTypeSet quantized) {
  return op.types("TS", kScales)
      .types("T1", quantized)
      .types("T2", quantized)
      .types("T3", quantized)
      .input("a", "T1", "[..., m, k] or [k].")
      .input("a_scale", "TS", "One number, or one for each row of a, [m] or [..., m, 1].")
      .input("a_zero_point", "T1", "The shape of a_scale.")
      .input("b", "T2", "[..., k, n] or [k].")
      .input("b_scale", "TS", "One number, or one for each column of b, [n] or [..., 1, n].")
      .input("b_zero_point", "T2", "The shape of b_scale.")
      .input("y_scale", "TS", "One number.")
      .input("y_zero_point", "T3", "One number.")
      .output("y", "T3", "[..., m, n].")
      .no_gradient("its output is rounded, and changes in steps")
      .body(qlinear_matmul);
}

}  // namespace

void define_op_matmul_integer(OpRegistry& ops) {
  constexpr const char* kZeroA =
      "Zero point: one number, or one for each row of A, [m] or [..., m, 1]; 0 if not given.";
  constexpr const char* kZeroB =
      "Zero point: one number, or one for each column of B, [n] or [..., 1, n]; 0 if not given.";
  ops.add("MatMulInteger")
      .group("math")
      .since(10)
      .doc(
          "The product of `A - a_zero_point` and `B - b_zero_point` as MatMul, exact in 32 bits; sums that do not fit "
          "wrap "
          "around.")
      .types("T1", kBytes)
      .types("T2", kBytes)
      .input("A", "T1", "[..., m, k] or [k].")
      .input("B", "T2", "[..., k, n] or [k].")
      .optional_input("a_zero_point", "T1", kZeroA)
      .optional_input("b_zero_point", "T2", kZeroB)
      .output("Y", "i32", "[..., m, n].")
      .no_gradient("its inputs are whole numbers")
      .infer(infer_matmul_integer);
  qlinear_matmul_schema(ops.add("QLinearMatMul"), kQuantized)
      .group("math")
      .since(21)
      .doc(
          "The product of quantized matrices, quantized: `round(p * (a_scale * b_scale / y_scale)) + y_zero_point`, "
          "where p is "
          "the exact product of `a - a_zero_point` and `b - b_zero_point` as MatMul, scales are in f32, halves are "
          "rounded to "
          "the even number, and what is out of range becomes the nearest in range. Of 8-bit floats p is in f32 and "
          "nothing is "
          "rounded before the last step.")
      .infer(infer_qlinear_matmul);
  qlinear_matmul_schema(ops.add(kWeftDomain, "BiasedQLinearMatMul"), kBytes)
      .internal()
      .doc("QLinearMatMul of `p + B` in place of p.")
      .input("B", "i32", "Bias, [n], in units of `a_scale * b_scale`.")
      .infer(infer_biased_qlinear_matmul);
}

}  // namespace weft
