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

}  // namespace
}  // namespace weft
