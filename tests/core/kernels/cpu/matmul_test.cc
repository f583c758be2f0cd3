// Products with constant matrices, which are packed once for all that read them alike.
#include <gtest/gtest.h>

#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr gemm(RuleTest& t, Expr a, Expr b, bool turned) {
  Attrs attrs;
  attrs.set("transB", int64_t{turned});
  return make(t.scope, "Gemm", {a, b}, std::move(attrs));
}

// A column is the matrix of one product as it lies, and of another when turned, with equal strides.
TEST(ConstantMatrix, ReadInTwoWaysIsPackedTwice) {
  for (bool turned_first : {false, true}) {
    RuleTest t;
    Expr w(t.scope, *t.graph->add_constant(*Tensor::vector<float>({2, 3, 4}).reshaped({3, 1})));
    Expr plain = gemm(t, t.input<float>({1, 3}, {1, 10, 100}), w, false);
    Expr turned = gemm(t, t.input<float>({1, 1}, {5}), w, true);
    Tensor y = t.run(turned_first ? turned + plain : plain + turned, {});
    ASSERT_EQ(y.shape(), (Shape{1, 3}));
    EXPECT_EQ(std::vector<float>(y.as<float>(), y.as<float>() + 3), (std::vector<float>{442, 447, 452}));
  }
}

// Both sessions have one copy of what is packed.
TEST(ConstantMatrix, IsPackedOnceForTwoSessions) {
  constexpr int64_t kSide = 512, kBytes = kSide * kSide * 4;
  RuleTest t;
  Expr w(t.scope, *t.graph->add_constant(
                      *Tensor::vector<float>(std::vector<float>(kSide * kSide, 0.5f)).reshaped({kSide, kSide})));
  Expr x = t.input<float>({1, kSide}, std::vector<float>(kSide, 1));
  Expr y = make(t.scope, "MatMul", {x, w});
  auto bytes_of_session = [&](std::shared_ptr<Session>* session) {
    const int64_t before = buffer_bytes_in_use();
    *session = *Session::make(t.graph, {});
    std::vector<Tensor> out;
    EXPECT_TRUE((*session)->run({t.feeds, {y.id()}, {}}, t.values, {}, &out).ok());
    EXPECT_EQ(out[0].as<float>()[kSide - 1], kSide / 2);
    out.clear();
    return buffer_bytes_in_use() - before;
  };
  std::shared_ptr<Session> first, second;
  EXPECT_GE(bytes_of_session(&first), kBytes);
  EXPECT_LT(bytes_of_session(&second), kBytes);
}

// -- The option "weight_dtype".

std::vector<float> run_with(const std::string& weight_dtype, RuleTest& t, Expr y) {
  SessionOptions options;
  options.weight_dtype = weight_dtype;
  std::vector<Tensor> out;
  const Status status = (*Session::make(t.graph, options))->run({t.feeds, {y.id()}, {}}, t.values, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  if (!status.ok()) return {};
  return {out[0].as<float>(), out[0].as<float>() + out[0].count()};
}

// Half way between two bf16, of which 1 is even; whatever is a sum of 1s is exact.
constexpr float kTie = 1 + 1.0f / 256;

Expr ties(RuleTest& t, const Shape& shape) {
  std::vector<float> elements(static_cast<size_t>(shape[0] * shape[1]), kTie);
  return constant(t.scope, *Tensor::vector<float>(elements).reshaped(shape));
}

TEST(WeightDtype, ProductsReadConstantMatricesAsBf16) {
  for (int64_t m : {1, 2, 3, 40}) {
    RuleTest t;
    Expr w = ties(t, {128, 130});
    Expr x = t.input<float>({m, 128}, std::vector<float>(m * 128, 1)),
         narrow = t.input<float>({m, 130}, std::vector<float>(m * 130, 1));
    const Expr products[] = {
        make(t.scope, "MatMul", {x, w}),
        make(t.scope, "MatMul", {narrow, transpose(w, {1, 0})}),
        gemm(t, narrow, w, true),
        make(t.scope, "Relu",
             {make(t.scope, "MatMul", {x, w}) + constant(t.scope, Tensor::vector<float>(std::vector<float>(130, 0)))}),
    };
    for (const Expr& y : products) {
      const float sum = y.id() == products[1].id() || y.id() == products[2].id() ? 130 : 128;
      for (float element : run_with("f32", t, y)) ASSERT_EQ(element, sum * kTie);
      for (float element : run_with("bf16", t, y)) ASSERT_EQ(element, sum);
    }
  }
}

TEST(WeightDtype, OtherReadersOfTheMatrixHaveItAsItIs) {
  RuleTest t;
  Expr w = ties(t, {128, 128});
  Expr rows = make(t.scope, "Gather", {w, t.input<int64_t>({1}, {5})});
  for (float element : run_with("bf16", t, make(t.scope, "MatMul", {rows, w}))) ASSERT_EQ(element, 128 * kTie);
}

TEST(WeightDtype, LeavesSmallMatricesVariablesAndPlainKernels) {
  RuleTest t;
  Expr x = t.input<float>({1, 128}, std::vector<float>(128, 1));
  EXPECT_EQ(run_with("bf16", t, make(t.scope, "MatMul", {x, ties(t, {128, 127})}))[0], 128 * kTie);
  Expr variable(t.scope, *t.graph->add_variable("w", ties(t, {128, 128}).id(), true));
  EXPECT_EQ(run_with("bf16", t, make(t.scope, "MatMul", {x, variable}))[0], 128 * kTie);
  // Not those that are a variable's initial value either.
  Expr initial(t.scope, *t.graph->add_variable(
                            "v", make(t.scope, "MatMul", {ties(t, {1, 128}), ties(t, {128, 128})}).id(), true));
  EXPECT_EQ(run_with("bf16", t, initial)[0], 128 * kTie * kTie);
  SessionOptions plain;
  plain.weight_dtype = "bf16";
  plain.reference_kernels = true;
  std::vector<Tensor> out;
  Expr y = make(t.scope, "MatMul", {x, ties(t, {128, 128})});
  ASSERT_TRUE((*Session::make(t.graph, plain))->run({t.feeds, {y.id()}, {}}, t.values, {}, &out).ok());
  EXPECT_EQ(out[0].as<float>()[0], 128 * kTie);
}

TEST(WeightDtype, TakesHalfTheMemory) {
  RuleTest t;
  Expr w = ties(t, {512, 512});
  Expr y = make(t.scope, "MatMul", {t.input<float>({1, 512}, std::vector<float>(512, 1)), w});
  SessionOptions options;
  options.weight_dtype = "bf16";
  const int64_t before = buffer_bytes_in_use();
  auto session = *Session::make(t.graph, options);
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run({t.feeds, {y.id()}, {}}, t.values, {}, &out).ok());
  const int64_t packed = buffer_bytes_in_use() - before;
  EXPECT_GE(packed, 512 * 512 * 2);
  EXPECT_LT(packed, 512 * 512 * 3);
}

TEST(WeightDtype, AnotherValueIsAnErrorThatListsTheRightOnes) {
  RuleTest t;
  SessionOptions options;
  options.weight_dtype = "f16";
  const Status status = Session::make(t.graph, options).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "option 'weight_dtype' is 'f16' but must be 'f32' or 'bf16'");
}

}  // namespace
}  // namespace weft
