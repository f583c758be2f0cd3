// Pieces of HardSwish, as exporters write them: which become the operator.
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr hard_sigmoid(Expr x, double alpha = 1.0 / 6, double beta = 0.5) {
  return make(x.scope(), "HardSigmoid", {x}, {{"alpha", alpha}, {"beta", beta}});
}
Expr clip(Expr x, double low, double high) {
  return make(x.scope(), "Clip", {x, scalar_like(x, low), scalar_like(x, high)});
}

TEST(FuseHardSwish, EveryForm) {
  using Form = Expr (*)(Expr x);
  const Form forms[] = {
      [](Expr x) { return x * hard_sigmoid(x); },
      [](Expr x) { return hard_sigmoid(x) * x; },
      [](Expr x) { return x * clip(x + 3.0, 0, 6) / 6.0; },
      [](Expr x) { return x * (clip(3.0 + x, 0, 6) / 6.0); },
      [](Expr x) { return clip(x + 3.0, 0, 6) * (1.0 / 6) * x; },
      [](Expr x) { return x * clip(x + 3.0, 0, 6) * static_cast<double>(1.0f / 6); },
  };
  for (Form form : forms) {
    FuseTest t;
    t.expect("HardSwish", form(t.in({3, 37})));
  }
}

TEST(FuseHardSwish, GivesTheNumbersOfTheFormula) {
  FuseTest t;
  Expr x = t.input<float>({6}, {-4, -3, -1.5f, 0, 1.5f, 4});
  const float wanted[] = {0, 0, -0.375f, 0, 1.125f, 4};
  for (Expr form : {x * hard_sigmoid(x), x * clip(x + 3.0, 0, 6) / 6.0}) {
    EXPECT_EQ(t.left(form), "HardSwish");
    const Tensor got = t.run(form, {});
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(got.as<float>()[i], wanted[i], 2e-7) << i;
  }
}

TEST(FuseHardSwish, WhatIsNoneStays) {
  FuseTest t;
  Expr x = t.in({3, 5}), other = t.in({3, 5});
  t.expect("HardSigmoid Mul", other * hard_sigmoid(x));
  t.expect("HardSigmoid Mul", x * hard_sigmoid(x, 0.2));
  t.expect("HardSigmoid Mul", x * hard_sigmoid(x, 1.0 / 6, 0.25));
  t.expect("Add Clip Mul Div", x * clip(x + 3.0, 0, 6) / 5.0);
  t.expect("Add Clip Mul Div", x * clip(x + 2.0, 0, 6) / 6.0);
  t.expect("Add Clip Mul Div", x * clip(x + 3.0, 0, 5) / 6.0);
  t.expect("Add Clip Mul Div", x * clip(x + 3.0, -1, 6) / 6.0);
  t.expect("Add Clip Mul", x * clip(x + 3.0, 0, 6));
  Expr gate = hard_sigmoid(x);
  EXPECT_EQ(t.left(x * gate + gate), "HardSigmoid Mul Add") << "the gate is needed by itself";
  EXPECT_EQ(t.left(x * hard_sigmoid(x), {"fuse_hard_swish"}), "HardSigmoid Mul");
}

}  // namespace
}  // namespace weft
