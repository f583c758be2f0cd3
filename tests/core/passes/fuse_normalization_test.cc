// Pieces of normalizations, as exporters write them: which become one operator, and that the results stay close.
#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

using Axes = std::vector<int64_t>;

struct NormTest : FuseTest {
  Expr x, scale, bias;
  explicit NormTest(const Shape& shape = {3, 5, 8}) : x(in(shape)) {
    scale = fixed({shape.back()}, 1.5f);
    bias = fixed({shape.back()});
  }
};

Expr mean(Expr x, const Axes& axes = {-1}, bool keep = true) {
  return make(x.scope(), "ReduceMean", {x, constant_ints(x.scope(), axes)}, {{"keepdims", keep}});
}
Expr sqrt(Expr x) { return make(x.scope(), "Sqrt", {x}); }
Expr inverse(Expr x) { return make(x.scope(), "Reciprocal", {x}); }
Expr power(Expr x, double exponent) { return make(x.scope(), "Pow", {x, scalar_like(x, exponent)}); }
Expr centre(Expr x, const Axes& axes = {-1}) { return x - mean(x, axes); }
// sqrt(mean(d^2) + epsilon)
Expr root(Expr d, const Axes& axes = {-1}, double epsilon = 1e-5) { return sqrt(mean(power(d, 2), axes) + epsilon); }
Expr normalized(Expr x) {
  Expr d = centre(x);
  return d / root(d);
}

using NormForm = Expr (*)(NormTest&);

void expect_forms(const std::string& wanted, const std::vector<NormForm>& forms) {
  for (size_t i = 0; i < forms.size(); ++i) {
    SCOPED_TRACE(i);
    NormTest t;
    t.expect(wanted, forms[i](t));
  }
}

TEST(FuseLayerNorm, EveryFormWithScaleAndBias) {
  expect_forms("LayerNormalization",
               {
                   [](NormTest& t) { return normalized(t.x) * t.scale + t.bias; },
                   [](NormTest& t) { return t.bias + t.scale * normalized(t.x); },
                   [](NormTest& t) {
                     Expr d = centre(t.x);
                     return d * inverse(sqrt(1e-5 + mean(d * d))) * t.scale + t.bias;
                   },
                   [](NormTest& t) {
                     Expr d = centre(t.x);
                     return t.bias + d * (t.scale * (1.0 / root(d)));
                   },
                   [](NormTest& t) {
                     Expr d = centre(t.x);
                     return t.scale * d / root(d) + t.bias;
                   },
                   [](NormTest& t) {
                     Expr d = centre(t.x);
                     return d / power(mean(d * d) + 1e-5, 0.5) * t.scale + t.bias;
                   },
                   [](NormTest& t) { return centre(t.x) / root(centre(t.x)) * t.scale + t.bias; },
                   [](NormTest& t) { return cast(normalized(t.x), DType::kF32) * t.scale + t.bias; },
                   [](NormTest& t) {
                     return normalized(t.x) * unsqueeze(t.scale, {0, 1}) + t.bias;
                   },
               });
}

TEST(FuseLayerNorm, TheProductAndShiftOfTensorFlow) {
  for (bool scaled : {true, false}) {
    for (bool turned : {false, true}) {
      NormTest t;
      Expr m = mean(t.x), d = t.x - m, s = inverse(root(d));
      if (scaled) s = s * t.scale;
      Expr y = turned ? (t.bias - s * m) + s * t.x : t.x * s + (t.bias - m * s);
      t.expect("LayerNormalization", y);
    }
  }
}

// What is added is the mean with its sign turned.
TEST(FuseLayerNorm, TheProductAndShiftOfKeras) {
  for (bool scaled : {true, false}) {
    for (bool turned : {false, true}) {
      NormTest t;
      Expr m = mean(t.x), d = t.x - m, s = inverse(root(d));
      if (scaled) s = s * t.scale;
      Expr less = make(t.scope, "Neg", {m});
      Expr y = turned ? (t.bias + s * less) + s * t.x : t.x * s + (less * s + t.bias);
      t.expect("LayerNormalization", y);
    }
  }
  NormTest t;
  Expr m = mean(t.x), s = inverse(root(t.x - m)), other = mean(t.bias * t.x);
  const std::string plus = t.left(t.x * s + (m * s + t.bias)),
                    another = t.left(t.x * s + (make(t.scope, "Neg", {other}) * s + t.bias));
  EXPECT_EQ(plus.find("LayerNormalization"), std::string::npos) << plus;
  EXPECT_EQ(another.find("LayerNormalization"), std::string::npos) << another;
}

TEST(FuseLayerNorm, WithoutScaleOrBias) {
  expect_forms("LayerNormalization",
               {[](NormTest& t) { return normalized(t.x); }, [](NormTest& t) { return normalized(t.x) * t.scale; },
                [](NormTest& t) { return t.bias + normalized(t.x); }});
}

TEST(FuseLayerNorm, TheOperatorTakesWhatFollows) {
  for (int64_t n : {8, 5000}) {
    NormTest t({3, n});
    Expr ones = constant(t.scope, Tensor::vector<float>(std::vector<float>(static_cast<size_t>(n), 1.0f)));
    t.expect("LayerNormalization", make(t.scope, "LayerNormalization", {t.x, ones}) * t.scale + t.bias);
    t.expect("RMSNormalization", t.scale * make(t.scope, "RMSNormalization", {t.x, ones}));
  }
}

TEST(FuseLayerNorm, TheOperatorKeepsTheScaleAndBiasItHas) {
  NormTest t;
  Expr other = t.fixed({8}), norm = make(t.scope, "LayerNormalization", {t.x, t.scale});
  t.expect("LayerNormalization Mul", norm * other);
  t.expect("LayerNormalization Add", make(t.scope, "LayerNormalization", {t.x, t.scale, t.bias}) + other);
  t.expect("RMSNormalization Mul", make(t.scope, "RMSNormalization", {t.x, t.scale}) * other);
  t.expect("RMSNormalization Add", make(t.scope, "RMSNormalization", {t.x, t.scale}) + other);
  EXPECT_EQ(t.left((norm + other) * norm), "LayerNormalization Add Mul") << "it is needed by itself";
  std::vector<Expr> all = make_all(t.scope, "LayerNormalization", {t.x, t.scale}, {}, 2);
  EXPECT_EQ(t.left((all[0] + other) * all[1]), "LayerNormalization Add Mul") << "with its mean";
}

TEST(FuseLayerNorm, SeveralAxes) {
  NormTest t;
  Expr scale = t.fixed({5, 8}, 1.5f), bias = t.fixed({5, 8});
  for (const Axes& axes : {Axes{-1, -2}, Axes{1, 2}}) {
    Expr d = centre(t.x, axes);
    t.expect("LayerNormalization", d / root(d, axes) * scale + bias);
  }
  // A scale for the last axis alone is not one number for each element of what is normalized.
  Expr d = centre(t.x, {1, 2});
  t.expect("LayerNormalization Mul", d / root(d, {1, 2}) * t.scale);
}

TEST(FuseLayerNorm, GivesTheNumbersOfNumpy) {
  FuseTest t;
  Expr x = t.input<float>({2, 4}, {1, 2, 4, 7, -3, 0, 1, 0});
  auto fixed = [&](const std::vector<float>& values) { return constant(t.scope, Tensor::vector<float>(values)); };
  Expr y = normalized(x) * fixed({1, 2, -1, 0.5}) + fixed({0.5, 0, -2, 1});
  EXPECT_EQ(t.left(y), "LayerNormalization");
  const float wanted[] = {-0.59108841f, -1.30930609f, -2.21821768f, 1.76376189f,
                          -1.16666296f, 0.66666519f,  -2.99999778f, 1.1666663f};
  Tensor out = t.run(y, {});
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(out.as<float>()[i], wanted[i], 1e-6) << i;
}

TEST(FuseLayerNorm, WhatIsNoNormalizationStays) {
  auto untouched = [](NormForm form) {
    NormTest t;
    Expr y = form(t);
    std::string names = t.left(y);
    EXPECT_EQ(names.find("Normalization"), std::string::npos) << names;
    EXPECT_EQ(names, t.left(y, {"fuse_layer_norm", "fuse_rms_norm"}));
    t.expect_close(y);
  };
  // Another axis, or two; means that lose it; one of another value.
  untouched([](NormTest& t) { return centre(t.x, {1}) / root(centre(t.x, {1}), {1}); });
  untouched([](NormTest& t) { return centre(t.x, {0, 2}) / root(centre(t.x, {0, 2}), {0, 2}); });
  untouched([](NormTest& t) { return centre(t.x) / root(centre(t.x), {-1, -2}); });
  untouched([](NormTest& t) { return centre(t.x) / root(t.x * 2.0); });
  untouched([](NormTest& t) { return (t.x - mean(t.x * 2.0)) / root(centre(t.x)); });
  untouched([](NormTest& t) { return (mean(t.x) - t.x) / root(centre(t.x)); });
  // Another power, root or factor; no epsilon, and one for each row.
  untouched([](NormTest& t) {
    Expr d = centre(t.x);
    return d / sqrt(mean(power(d, 4)) + 1e-5);
  });
  untouched([](NormTest& t) {
    Expr d = centre(t.x);
    return d / power(mean(d * d) + 1e-5, 0.25);
  });
  untouched([](NormTest& t) {
    Expr d = centre(t.x);
    return d * 2.0 / root(d);
  });
  untouched([](NormTest& t) {
    Expr d = centre(t.x);
    return d / sqrt(mean(d * d * 2.0) + 1e-5);
  });
  untouched([](NormTest& t) {
    Expr d = centre(t.x);
    return d / sqrt(mean(d * d));
  });
  untouched([](NormTest& t) {
    Expr d = centre(t.x);
    return d / sqrt(mean(d * d) + constant(t.scope, *Tensor::vector<float>({1, 2, 3}).reshaped({3, 1, 1})));
  });
  untouched([](NormTest& t) { return root(centre(t.x)) / centre(t.x); });
}

TEST(FuseLayerNorm, WhatIsNeededElsewhereStays) {
  NormTest t;
  Expr d = centre(t.x), r = root(d);
  Expr y = d / r * t.scale + t.bias;
  EXPECT_EQ(t.left(y * r), "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add Mul");
  Expr m = mean(t.x), e = t.x - m;
  EXPECT_EQ(t.left(e / root(e) * t.scale + m), "ReduceMean Sub RMSNormalization Add") << "what the mean is taken from";
}

TEST(FuseLayerNorm, PiecesThatAGradientNeedsStay) {
  NormTest t;
  Expr y = reduce_sum(normalized(t.x) * t.scale, {0, 1, 2}, false);
  std::vector<ValueId> grads = *differentiate(*t.graph, {y.id()}, {t.x.id()}, {});
  Expr both = Expr(t.scope, grads[0]) + y;
  EXPECT_EQ(t.left(both).find("Normalization"), std::string::npos) << t.left(both);
  t.expect_close(both);
}

TEST(FuseLayerNorm, ScalesThatAreNotOfARowStayOutside) {
  NormTest t;
  t.expect("LayerNormalization Mul", normalized(t.x) * t.fixed({5, 1}));
  t.expect("LayerNormalization Add", normalized(t.x) * t.scale + t.in({3, 5, 8}));
  // What broadcasts the result is no scale either.
  t.expect("ReduceMean Sub Mul Pow ReduceMean Add Sqrt Div", t.fixed({2, 1, 1, 1}) * centre(t.x) / root(centre(t.x)));
}

TEST(FuseLayerNorm, HalvesStayAndDoublesWantAnEpsilonThatAnAttributeHolds) {
  NormTest t;
  EXPECT_EQ(t.left(normalized(cast(t.x, DType::kF16))),
            "Cast Cast ReduceMean Cast Cast Sub Cast Cast Pow Cast Cast ReduceMean Cast Cast Add Cast Cast Sqrt Cast "
            "Cast Div "
            "Cast");
  Expr wide = cast(t.x, DType::kF64), d = centre(wide);
  EXPECT_EQ(t.left(d / root(d, {-1}, 0.0009765625)), "Cast LayerNormalization");
  EXPECT_EQ(t.left(d / root(d)), "Cast ReduceMean Sub Pow ReduceMean Add Sqrt Div");
}

TEST(FuseLayerNorm, WaitsForShapesInNumbers) {
  NormTest t;
  Expr x = t.input({Dim::symbol("n"), 8}, *Tensor::vector<float>(t.numbers({2, 8})).reshaped({2, 8}));
  Expr y = normalized(x) * t.scale + t.bias;
  EXPECT_EQ(t.left(y), "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add");
  Trace trace;
  RunOptions run;
  run.trace = &trace;
  std::vector<Tensor> out;
  ASSERT_TRUE((*Session::make(t.graph, {}))->run({t.feeds, {y.id()}, {}}, t.values, run, &out).ok());
  EXPECT_NE(trace.json().find("\"LayerNormalization\""), std::string::npos) << trace.json();
  t.expect_close(y);
}

TEST(FuseLayerNorm, CanBeSwitchedOff) {
  NormTest t;
  Expr y = normalized(t.x) * t.scale + t.bias;
  EXPECT_EQ(t.left(y, {"fuse_layer_norm"}), "ReduceMean Sub RMSNormalization Add");
  EXPECT_EQ(t.left(y, {"fuse_layer_norm", "fuse_rms_norm"}), "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add");
}

TEST(FuseRmsNorm, EveryForm) {
  expect_forms("RMSNormalization",
               {
                   [](NormTest& t) { return t.scale * (t.x * inverse(root(t.x))); },
                   [](NormTest& t) { return t.x * (1.0 / root(t.x)) * t.scale; },
                   [](NormTest& t) { return t.x / root(t.x) * t.scale; },
                   [](NormTest& t) { return t.x * t.scale / sqrt(1e-5 + mean(t.x * t.x)); },
                   [](NormTest& t) { return t.scale * cast(t.x * inverse(root(t.x)), DType::kF32); },
                   [](NormTest& t) { return t.x / root(t.x); },
                   [](NormTest& t) { return t.x * (inverse(root(t.x)) * t.scale); },
               });
  NormTest t;
  t.expect("RMSNormalization", t.x / root(t.x, {1, 2}) * t.fixed({5, 8}));
}

TEST(FuseRmsNorm, GivesTheNumbersOfNumpy) {
  FuseTest t;
  Expr x = t.input<float>({2, 4}, {1, 2, 4, 7, -3, 0, 1, 0});
  Expr y = constant(t.scope, Tensor::vector<float>({1, 2, -1, 0.5})) * (x * inverse(root(x)));
  EXPECT_EQ(t.left(y), "RMSNormalization");
  const float wanted[] = {0.23904565f, 0.95618261f, -0.95618261f, 0.83665979f, -1.8973628f, 0, -0.63245427f, 0};
  Tensor out = t.run(y, {});
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(out.as<float>()[i], wanted[i], 1e-6) << i;
}

TEST(FuseRmsNorm, WhatIsNoneStays) {
  NormTest t;
  t.expect("Pow ReduceMean Add Sqrt Reciprocal Mul", t.in({3, 5, 8}) * inverse(root(t.x)));
  t.expect("Pow ReduceMean Add Sqrt Div", t.x / root(t.x, {1}));
  t.expect("Pow ReduceMean Add Sqrt Mul", t.x * root(t.x));
  Expr r = inverse(root(t.x));
  EXPECT_EQ(t.left(t.x * r + r), "Pow ReduceMean Add Sqrt Reciprocal Mul Add") << "the inverse root is needed";
  EXPECT_EQ(t.left(t.x / root(t.x) * t.scale, {"fuse_rms_norm"}), "Pow ReduceMean Add Sqrt Div Mul");
}

}  // namespace
}  // namespace weft
