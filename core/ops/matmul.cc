// Matrix products: MatMul and Gemm.
#include "core/graph/downgrade.h"
#include "core/ops/limits_common.h"
#include "core/ops/product_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

constexpr DTypeSet kTypes = kFloatTypes | set_of(DType::kI32, DType::kI64, DType::kU32, DType::kU64);

Status infer_matmul(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, matmul_dims(c, 0, 1));
  c.set_dims(0, std::move(out));
  return {};
}

// Where only a run knows whether there are vectors: these are matrices of one row or one column, all by their shapes.
void grad_matmul_unranked(GradContext& c) {
  ExprScope& s = c.scope();
  Expr a = c.input(0), b = c.input(1), dy = c.grad(0);
  Expr zero = constant_ints(s, {0}), one = constant_ints(s, {1}), two = constant_ints(s, {2});
  // 1 for a matrix or more, 0 for a vector.
  Expr is_matrix_a = make(s, "Min", {rank_of(a) - one, one}), is_matrix_b = make(s, "Min", {rank_of(b) - one, one});
  Expr all_b = concat({shape_of(b), one}, 0), a2 = with_two_axes(a);
  Expr b2 = reshape(b, make(s, "Slice", {all_b, zero, make(s, "Max", {rank_of(b), two})}));
  Expr batch = make(s, "Slice", {shape_of(dy), zero, rank_of(dy) - is_matrix_a - is_matrix_b});
  Expr rows = make(s, "Gather", {shape_of(a2), constant_ints(s, {-2})});
  Expr columns = make(s, "Gather", {shape_of(b2), constant_ints(s, {-1})});
  dy = reshape(dy, concat({batch, rows, columns}, 0));
  if (c.needs(0)) c.set_grad(0, reshape_like(sum_to(matmul(dy, swap_last_two(b2)), a2), a));
  if (c.needs(1)) c.set_grad(1, reshape_like(sum_to(matmul(swap_last_two(a2), dy), b2), b));
}

Status grad_matmul(GradContext& c) {
  Expr a = c.input(0), b = c.input(1), dy = c.grad(0);
  if (!a.has_rank() || !b.has_rank()) {
    grad_matmul_unranked(c);
    return {};
  }
  // As matrices throughout; what was added to a vector is squeezed out of its gradient.
  Expr a2 = a, b2 = b;
  if (a.rank() == 1) {
    a2 = unsqueeze(a, {0});
    dy = unsqueeze(dy, {b.rank() == 1 ? -1 : -2});
  }
  if (b.rank() == 1) {
    b2 = unsqueeze(b, {1});
    dy = unsqueeze(dy, {-1});
  }
  if (c.needs(0)) c.set_grad(0, reshape_like(sum_to(matmul(dy, swap_last_two(b2)), a2), a));
  if (!c.needs(1)) return {};
  if (b2.rank() == 2 && a2.rank() > 2) {
    // One product over all rows, not one for each matrix and a sum of those.
    a2 = make(c.scope(), "Flatten", {a2}, {{"axis", int64_t{-1}}});
    dy = make(c.scope(), "Flatten", {dy}, {{"axis", int64_t{-1}}});
  }
  c.set_grad(1, reshape_like(sum_to(matmul(swap_last_two(a2), dy), b2), b));
  return {};
}

Status infer_gemm(InferContext& c) {
  for (int i = 0; i < 2; ++i) {
    if (c.has_rank(i) && c.rank(i) != 2) {
      return invalid("input '", c.op().inputs()[i].name, "' must be a matrix but is ", c.input(i).text());
    }
  }
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  bool ta = c.attrs().b("transA"), tb = c.attrs().b("transB");
  const Dim &k = c.dims(0)[ta ? 0 : 1], &k2 = c.dims(1)[tb ? 1 : 0];
  if (k.known() && k2.known() && k.value() != k2.value()) {
    return invalid("A ", c.input(0).text(), ta ? " transposed" : "", " has ", k.text(), " columns but B ",
                   c.input(1).text(), tb ? " transposed" : "", " has ", k2.text(), " rows");
  }
  Dims out{c.dims(0)[ta ? 1 : 0], c.dims(1)[tb ? 0 : 1]};
  if (c.has_rank(2)) {
    WEFT_TRY(Dims with_c, broadcast(out, c.dims(2)));
    for (size_t i = 0; i < with_c.size(); ++i) {
      bool fits = with_c.size() == 2 && (!with_c[i].known() || !out[i].known() || with_c[i] == out[i]);
      if (!fits) return invalid("C ", c.input(2).text(), " does not broadcast to the result ", dims_text(out));
    }
  }
  c.set_dims(0, std::move(out));
  return {};
}

Status grad_gemm(GradContext& c) {
  Expr a = c.input(0), b = c.input(1), dy = c.grad(0);
  const int64_t ta = c.attrs().i("transA") != 0, tb = c.attrs().i("transB") != 0;
  double alpha = c.attrs().f("alpha"), beta = c.attrs().f("beta");
  auto product = [&](Expr x, int64_t tx, Expr y, int64_t ty) {
    return make(c.scope(), "Gemm", {x, y}, {{"alpha", alpha}, {"transA", tx}, {"transB", ty}});
  };
  if (c.needs(0)) c.set_grad(0, ta == 0 ? product(dy, 0, b, 1 - tb) : product(b, tb, dy, 1));
  if (c.needs(1)) c.set_grad(1, tb == 0 ? product(a, 1 - ta, dy, 0) : product(dy, 1, a, ta));
  if (c.needs(2)) c.set_grad(2, sum_to(beta == 1 ? dy : dy * beta, c.input(2)));
  return {};
}

Status fused_matmul_body(BodyContext& c) {
  const auto operand = [&c](int i, const char* perm) {
    return c.attrs().has(perm) ? transpose(c.input(i), c.attrs().ints(perm)) : c.input(i);
  };
  Expr y = matmul(operand(0, "permA"), operand(1, "permB"));
  if (c.has_input(2)) y = y + c.input(2);
  c.set_output(0, limited(y, c.attrs()));
  return {};
}

Status fused_gemm_body(BodyContext& c) {
  std::vector<Expr> inputs = {c.input(0), c.input(1)};
  if (c.has_input(2)) inputs.push_back(c.input(2));
  c.set_output(0, limited(make(c.scope(), "Gemm", inputs, without_limits(c.attrs())), c.attrs()));
  return {};
}

// Before opset 7 an attribute said whether C broadcasts.
Status forget_broadcast(UpgradeContext& c) {
  c.attrs.erase("broadcast");
  return {};
}

// Before opset 11 C had to be given.
Status with_zero_c(DowngradeContext& c) {
  if (c.has_input(2)) return {};
  c.inputs.resize(3);
  c.inputs[2] = scalar_like(c.inputs[0], 0);
  return c.scope().status();
}

OpDef& gemm_schema(OpDef& op) {
  return op.group("math")
      .types("T", kTypes)
      .attr("alpha", 1.0, "Weight of the product.")
      .attr("beta", 1.0, "Weight of C.")
      .flag("transA", false, "Whether A is transposed.")
      .flag("transB", false, "Whether B is transposed.")
      .input("A", "T", "[m, k], or [k, m] if transposed.")
      .input("B", "T", "[k, n], or [n, k] if transposed.")
      .optional_input("C", "T", "Broadcasts to [m, n].")
      .output("Y", "T", "[m, n].");
}

}  // namespace

void define_op_matmul(OpRegistry& ops) {
  ops.add("MatMul")
      .group("math")
      .since(13)
      .doc(
          "The matrix product, as numpy.matmul: the last two dimensions are matrices, the others broadcast; a vector "
          "on "
          "the left is a row, on the right a column.")
      .types("T", kTypes)
      .input("A", "T", "[..., m, k] or [k].")
      .input("B", "T", "[..., k, n] or [k].")
      .output("Y", "T", "[..., m, n].")
      .infer(infer_matmul)
      .grad(grad_matmul);
  gemm_schema(ops.add("Gemm"))
      .since(13)
      .doc(
          "`alpha * A' * B' + beta * C`, where A' and B' are A and B or their transposes. Of integers the fraction of "
          "the result is cut off.")
      .infer(infer_gemm)
      .grad(grad_gemm)
      .upgrade(7, forget_broadcast)
      .downgrade(11, with_zero_c);
  with_limits(gemm_schema(ops.add(kWeftDomain, "FusedGemm")))
      .doc("Gemm and limits of its results in one pass.")
      .body(fused_gemm_body)
      .internal();
  with_limits(ops.add(kWeftDomain, "FusedMatMul"))
      .group("math")
      .doc("MatMul, of operands read as if they were transposed, a bias and limits of the results in one pass.")
      .types("T", kTypes)
      .optional_attr("permA", AttrKind::kInts, "As in Transpose, before the product; A as it is if not given.")
      .optional_attr("permB", AttrKind::kInts, "As in Transpose, before the product; B as it is if not given.")
      .input("A", "T", "As in MatMul.")
      .input("B", "T", "[..., k, n].")
      .optional_input("C", "T", "Bias, [n].")
      .output("Y", "T", "[..., m, n].")
      .body(fused_matmul_body)
      .internal();
}

}  // namespace weft
