// Pieces of Gelu, as exporters write them: which become one operator, and that the results stay close.
#include <cmath>

#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

constexpr double kRoot2 = 1.4142135623730951, kRootTwoOverPi = 0.7978845608028654;

Expr erf(Expr x) { return make(x.scope(), "Erf", {x}); }
Expr tanh(Expr x) { return make(x.scope(), "Tanh", {x}); }
Expr cubed(Expr x) { return make(x.scope(), "Pow", {x, scalar_like(x, 3)}); }
Expr bent(Expr x) { return (x + cubed(x) * 0.044715) * kRootTwoOverPi; }
Expr gelu_with(Expr x, double by) { return x * (erf(x * by) + 1.0) * 0.5; }

using GeluForm = Expr (*)(Expr x);

// On an f32[3, 40] from -4 to 4. What is left is one Gelu in the given form.
void expect_gelu(const char* approximate, const std::vector<GeluForm>& forms) {
  for (size_t i = 0; i < forms.size(); ++i) {
    SCOPED_TRACE(i);
    FuseTest t;
    std::vector<float> values = t.numbers({3, 40});
    for (float& value : values) value *= 4;
    Expr x = t.input<float>({3, 40}, values), y = forms[i](x);
    t.expect("Gelu", y);
    Expr plain = make(t.scope, "Gelu", {x}, {{"approximate", approximate}});
    Tensor found = t.run(y, {}), wanted = t.run(plain, {});
    EXPECT_EQ(std::memcmp(found.data(), wanted.data(), static_cast<size_t>(wanted.bytes())), 0);
  }
}

TEST(FuseGelu, EveryExactForm) {
  expect_gelu("none", {
                          [](Expr x) { return x * (erf(x / kRoot2) + 1.0) * 0.5; },
                          [](Expr x) { return 0.5 * x * (1.0 + erf(x / kRoot2)); },
                          [](Expr x) { return (0.5 * (1.0 + erf(0.7071067811865476 * x))) * x; },
                          [](Expr x) { return x * ((1.0 + erf(x * 0.7071067811865476)) * 0.5); },
                          [](Expr x) { return x * (1.0 + erf(x / kRoot2)) / 2.0; },
                          [](Expr x) { return (x / 2.0) * (1.0 + erf(x * std::sqrt(0.5))); },
                          [](Expr x) {
                            Expr root = make(x.scope(), "Sqrt", {scalar_like(x, 2)});
                            return x * (0.5 * (1.0 + erf(x / root)));
                          },
                      });
}

TEST(FuseGelu, EveryFormThroughTanh) {
  expect_gelu("tanh", {
                          [](Expr x) { return 0.5 * x * (1.0 + tanh(kRootTwoOverPi * (x + 0.044715 * cubed(x)))); },
                          [](Expr x) { return x * 0.5 * (tanh(bent(x)) + 1.0); },
                          [](Expr x) { return x * (0.5 * (1.0 + tanh(bent(x)))); },
                          [](Expr x) { return 0.5 * x * (1.0 + tanh((0.044715 * x * x * x + x) * kRootTwoOverPi)); },
                          [](Expr x) { return 0.5 * x * (1.0 + tanh((x + (x * x) * x * 0.044715) * kRootTwoOverPi)); },
                          [](Expr x) { return 0.5 * x * (1.0 + tanh(x * 0.7978845608 * (1.0 + 0.044715 * x * x))); },
                          [](Expr x) { return x * 0.5 * (1.0 + tanh(0.79788456 * x * (0.044715 * x * x + 1.0))); },
                      });
}

TEST(FuseGelu, GivesTheNumbersOfTheFormulas) {
  FuseTest t;
  Expr x = t.input<float>({6}, {-3, -1, -0.25, 0, 0.5, 2});
  struct Row {
    Expr y;
    double wanted[6];
  };
  const Row rows[] = {
      {gelu_with(x, 1 / kRoot2),
       {-0.00404969409489031, -0.15865525393145707, -0.10032341857926907, 0, 0.34573123063700656, 1.9544997361036416}},
      {x * 0.5 * (1.0 + tanh(bent(x))),
       {-0.0036373920817729943, -0.1588080093917233, -0.100324649298315, 0, 0.34571400982514394, 1.954597694087775}}};
  for (const Row& row : rows) {
    EXPECT_EQ(t.left(row.y), "Gelu");
    Tensor out = t.run(row.y, {});
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(out.as<float>()[i], row.wanted[i], 2e-7) << i;
  }
}

TEST(FuseGelu, ConstantsAsTheyAreRounded) {
  FuseTest t;
  Expr x = t.in({50});
  // f32, its neighbours, f16 (of the number and of its inverse), and that of the first BERT.
  for (double by : {0.7071067811865476, 0.70710684, 0.7071067, 0.70703125, 1 / 1.4140625, 1 / 1.4142099618911743}) {
    EXPECT_EQ(t.left(gelu_with(x, by)), "Gelu") << by;
  }
  for (double by : {0.7071, 0.70711, 0.7072, 0.5}) {
    EXPECT_EQ(t.left(gelu_with(x, by)), "Mul Erf Add Mul Mul") << by;
  }
  t.expect_close(gelu_with(x, 0.70710684));
  Expr wide = cast(x, DType::kF64);
  EXPECT_EQ(t.left(gelu_with(wide, 0.7071067811865476)), "Cast Gelu");
  EXPECT_EQ(t.left(gelu_with(wide, 0.70710678)), "Cast Mul Erf Add Mul Mul");
}

TEST(FuseGelu, WhatIsNoneStays) {
  auto untouched = [](GeluForm form) {
    FuseTest t;
    Expr y = form(t.in({3, 5}));
    EXPECT_EQ(t.left(y).find("Gelu"), std::string::npos);
    t.expect_close(y);
  };
  untouched([](Expr x) { return x * (erf(x / kRoot2) + 1.0); });
  untouched([](Expr x) { return x * (erf(x / kRoot2) + 1.0) * 0.25; });
  untouched([](Expr x) { return x * (erf(x / kRoot2) - 1.0) * 0.5; });
  untouched([](Expr x) { return x * (erf(x / kRoot2) + 2.0) * 0.5; });
  untouched([](Expr x) { return x * (erf(kRoot2 / x) + 1.0) * 0.5; });
  untouched([](Expr x) { return (erf(x / kRoot2) + 1.0) / x * 0.5; });
  untouched([](Expr x) { return (x * 2.0) * (erf(x / kRoot2) + 1.0) * 0.5; });
  untouched([](Expr x) { return (-x) * (erf(x / kRoot2) + 1.0) * 0.5; });
  untouched([](Expr x) { return x * (tanh(x / kRoot2) + 1.0) * 0.5; });
  untouched([](Expr x) { return x * (erf(bent(x)) + 1.0) * 0.5; });
  untouched([](Expr x) { return x * (tanh((x + x * x * 0.044715) * kRootTwoOverPi) + 1.0) * 0.5; });
  untouched([](Expr x) { return x * (tanh((-x + cubed(x) * 0.044715) * kRootTwoOverPi) + 1.0) * 0.5; });
  untouched([](Expr x) { return x * (tanh((x + cubed(x) * 0.0447) * kRootTwoOverPi) + 1.0) * 0.5; });
  untouched([](Expr x) { return x * (tanh((x + cubed(x) * 0.044715) * 0.8) + 1.0) * 0.5; });
}

TEST(FuseGelu, WhatIsNeededElsewhereStays) {
  FuseTest t;
  Expr x = t.in({3, 5}), e = erf(x / kRoot2);
  EXPECT_EQ(t.left(x * (e + 1.0) * 0.5 + e), "Div Erf Add Mul Mul Add");
  Expr y = reduce_sum(gelu_with(x, 1 / kRoot2), {0, 1}, false);
  std::vector<ValueId> grads = *differentiate(*t.graph, {y.id()}, {x.id()}, {});
  Expr both = Expr(t.scope, grads[0]) + y;
  EXPECT_EQ(t.left(both).find("Gelu"), std::string::npos) << t.left(both);
  t.expect_close(both);
}

TEST(FuseGelu, ConstantsThatBroadcastStay) {
  FuseTest t;
  Expr x = t.in({5}), half = constant(t.scope, *Tensor::vector<float>({0.5f}).reshaped({1, 1}));
  EXPECT_EQ(t.left(x * (erf(x / kRoot2) + 1.0) * half), "Div Erf Add Mul Mul");
  Expr halves = constant(t.scope, *Tensor::vector<float>({0.5f, 0.5f}).reshaped({2, 1}));
  EXPECT_EQ(t.left(x * (erf(x / kRoot2) + 1.0) * halves), "Div Erf Add Mul Mul");
}

TEST(FuseGelu, CanBeSwitchedOff) {
  FuseTest t;
  EXPECT_EQ(t.left(gelu_with(t.in({5}), 1 / kRoot2), {"fuse_gelu"}), "Mul Erf Add Mul Mul");
}

}  // namespace
}  // namespace weft
