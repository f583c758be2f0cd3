// Pieces of Swish, as exporters write them: which become the operator, with the same bits.
#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr sigmoid_of(Expr x) { return make(x.scope(), "Sigmoid", {x}); }

TEST(FuseSwish, EveryForm) {
  using Form = Expr (*)(Expr x);
  const Form forms[] = {
      [](Expr x) { return x * sigmoid_of(x); },        [](Expr x) { return sigmoid_of(x) * x; },
      [](Expr x) { return x * sigmoid_of(x * 1.5); },  [](Expr x) { return sigmoid_of(1.702 * x) * x; },
      [](Expr x) { return x * sigmoid_of(x * -2.0); },
  };
  for (Form form : forms) {
    FuseTest t;
    Expr y = form(t.in({3, 37}));
    EXPECT_EQ(t.left(y), "Swish");
    t.expect_same_bits(y);
  }
}

TEST(FuseSwish, GivesTheNumbersOfTheFormula) {
  FuseTest t;
  Expr x = t.input<float>({4}, {-2.75f, -0.4f, 0.3f, 1.6f});
  const double plain[] = {-0.16523828797852097, -0.1605249359550192, 0.1723327550434977, 1.3312294162142793};
  const double steep[] = {-0.0028386353510757535, -0.10757656854799806, 0.20375360975261786, 1.5712220640606536};
  Tensor one = t.run(x * sigmoid_of(x), {}), other = t.run(x * sigmoid_of(x * 2.5), {});
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(one.as<float>()[i], plain[i], 2e-7) << i;
    EXPECT_NEAR(other.as<float>()[i], steep[i], 2e-7) << i;
  }
}

TEST(FuseSwish, WhatIsNoneStays) {
  FuseTest t;
  Expr x = t.in({3, 5}), other = t.in({3, 5});
  t.expect("Sigmoid Mul", other * sigmoid_of(x));
  t.expect("Add Sigmoid Mul", x * sigmoid_of(x + 1.0));
  t.expect("Mul Sigmoid Mul", x * sigmoid_of(x * other));
  t.expect("Sigmoid Add", x + sigmoid_of(x));
  // A factor that makes the result larger, and one that an attribute would round.
  t.expect("Mul Sigmoid Mul", x * sigmoid_of(x * t.fixed({1, 1, 1})));
  Expr wide = cast(x, DType::kF64);
  EXPECT_EQ(t.left(wide * sigmoid_of(wide * 1.702)), "Cast Mul Sigmoid Mul");
  EXPECT_EQ(t.left(wide * sigmoid_of(wide * 1.5)), "Cast Swish");
}

TEST(FuseSwish, WhatIsNeededElsewhereStays) {
  FuseTest t;
  Expr x = t.in({3, 5}), s = sigmoid_of(x);
  EXPECT_EQ(t.left(x * s + s), "Sigmoid Mul Add");
  Expr y = reduce_sum(x * s, {0, 1}, false);
  std::vector<ValueId> grads = *differentiate(*t.graph, {y.id()}, {x.id()}, {});
  Expr both = Expr(t.scope, grads[0]) + y;
  EXPECT_EQ(t.left(both).find("Swish"), std::string::npos) << t.left(both);
  t.expect_close(both);
}

TEST(FuseSwish, CanBeSwitchedOff) {
  FuseTest t;
  Expr x = t.in({5});
  EXPECT_EQ(t.left(x * sigmoid_of(x), {"fuse_swish"}), "Sigmoid Mul");
}

}  // namespace
}  // namespace weft
