// Pieces of GroupNormalization, as PyTorch's exporters write them: which become the operator, and that the results stay close.
#include "core/passes/differentiate.h"
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

struct GroupNormTest : FuseTest {
  Expr x = in({2, 6, 3, 5});
  Expr scale = fixed({6, 1, 1}, 1.5f), bias = fixed({6, 1, 1});

  Expr ints(const std::vector<int64_t>& values) { return constant_ints(scope, values); }
  Expr numbers_of_groups(int64_t groups, float value) {
    return constant(scope, Tensor::vector<float>(std::vector<float>(static_cast<size_t>(groups), value)));
  }
  // `of` in groups, normalized, in its own shape again.
  Expr in_groups(Expr of, int64_t groups, Expr by, Expr plus) {
    Expr split = make(scope, "Reshape", {of, ints({0, groups, -1})});
    Expr normal = make(scope, "InstanceNormalization", {split, by, plus}, {{"epsilon", 0.0078125}});
    return reshape(normal, shape_of(of));
  }
  Expr in_groups(Expr of, int64_t groups) {
    return in_groups(of, groups, numbers_of_groups(groups, 1), numbers_of_groups(groups, 0));
  }
};

TEST(FuseGroupNorm, WithScaleAndBias) {
  for (int64_t groups : {1, 2, 3, 6}) {
    SCOPED_TRACE(groups);
    GroupNormTest t;
    Expr y = t.in_groups(t.x, groups);
    t.expect("GroupNormalization", y);
    t.expect("GroupNormalization", t.scale * y);
    t.expect("GroupNormalization", y * t.scale + t.bias);
    t.expect("GroupNormalization", t.bias + t.scale * y);
    t.expect("GroupNormalization", y * unsqueeze(t.scale, {0}) + unsqueeze(t.bias, {0}));
  }
}

TEST(FuseGroupNorm, NumbersOfGroupsAreThoseOfTheirChannels) {
  GroupNormTest t;
  Expr y = t.in_groups(t.x, 3, t.fixed({3}, 1.5f), t.fixed({3}));
  t.expect("GroupNormalization", y);
  // What was scaled and shifted before is not taken twice.
  t.expect("GroupNormalization Mul Add", y * t.scale + t.bias);
}

TEST(FuseGroupNorm, GivesTheNumbersOfTheFormula) {
  FuseTest t;
  // Means 2.5 and 2, variances 1.25 and 16.5; without epsilon to speak of.
  Expr x = t.input<float>({1, 4, 2}, {1, 2, 3, 4, -3, 0, 8, 3});
  const auto fixed = [&](const Shape& shape, const std::vector<float>& values) {
    return constant(t.scope, *Tensor::vector<float>(values).reshaped(shape));
  };
  Expr split = make(t.scope, "Reshape", {x, constant_ints(t.scope, {0, 2, -1})});
  Expr normal =
      make(t.scope, "InstanceNormalization", {split, fixed({2}, {1, 1}), fixed({2}, {0, 0})}, {{"epsilon", 1e-12}});
  Expr y = reshape(normal, constant_ints(t.scope, {1, 4, 2})) * fixed({4, 1}, {1, 2, 0.5, -1}) +
           fixed({4, 1}, {0, 1, -1, 0});
  EXPECT_EQ(t.left(y), "GroupNormalization");
  const double wanted[] = {-1.3416407864998738, -0.4472135954999579, 1.8944271909999157,  3.6832815729997477,
                           -1.6154574548966636, -1.2461829819586654, -1.4770978917519928, -0.24618298195866545};
  Tensor out = t.run(y, {});
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(out.as<float>()[i], wanted[i], 2e-6) << i;
}

TEST(FuseGroupNorm, WhatIsNoneStays) {
  const auto stays = [](auto make_it) {
    GroupNormTest t;
    Expr y = make_it(t);
    EXPECT_EQ(t.left(y).find("GroupNormalization"), std::string::npos) << t.left(y);
    t.expect_close(y);
  };
  // Groups that begin amid a channel, or lie in several images; another shape behind.
  stays([](GroupNormTest& t) { return t.in_groups(t.x, 9); });
  stays([](GroupNormTest& t) {
    Expr split = reshape(t.x, t.ints({1, 4, -1}));
    Expr normal = make(t.scope, "InstanceNormalization", {split, t.numbers_of_groups(4, 1), t.numbers_of_groups(4, 0)});
    return reshape(normal, shape_of(t.x));
  });
  stays([](GroupNormTest& t) {
    Expr split = make(t.scope, "Reshape", {t.x, t.ints({0, 3, -1})});
    Expr normal = make(t.scope, "InstanceNormalization", {split, t.numbers_of_groups(3, 1), t.numbers_of_groups(3, 0)});
    return reshape(normal, t.ints({2, 3, 6, 5}));
  });
}

TEST(FuseGroupNorm, OtherFactorsStayOutside) {
  GroupNormTest t;
  Expr y = t.in_groups(t.x, 3);
  t.expect("GroupNormalization Mul", y * t.fixed({5}, 1.5f));
  t.expect("GroupNormalization Mul", y * t.fixed({2, 6, 1, 1}, 1.5f));
  t.expect("GroupNormalization Mul", y * 3.0);
  t.expect("GroupNormalization Add", y * t.scale + t.in({2, 6, 3, 5}));
}

TEST(FuseGroupNorm, WhatIsNeededElsewhereStays) {
  GroupNormTest t;
  Expr y = t.in_groups(t.x, 3), scaled = y * t.scale;
  EXPECT_EQ(t.left((scaled + t.bias) * scaled), "GroupNormalization Add Mul");
  Expr split = make(t.scope, "Reshape", {t.x, t.ints({0, 3, -1})});
  Expr normal = make(t.scope, "InstanceNormalization", {split, t.numbers_of_groups(3, 1), t.numbers_of_groups(3, 0)});
  Expr both = reshape(normal, shape_of(t.x)) + reduce_sum(normal, {0, 1, 2}, false);
  EXPECT_EQ(t.left(both).find("GroupNormalization"), std::string::npos) << t.left(both);
  t.expect_close(both);
}

TEST(FuseGroupNorm, CanBeSwitchedOff) {
  GroupNormTest t;
  Expr y = t.in_groups(t.x, 3) * t.scale + t.bias;
  EXPECT_EQ(t.left(y, {"fuse_group_norm"}), "Reshape InstanceNormalization Reshape Mul Add");
}

TEST(FuseGroupNorm, AGradientStaysThatOfThePieces) {
  GroupNormTest t;
  Expr y = reduce_sum(t.in_groups(t.x, 3) * t.scale + t.bias, {0, 1, 2, 3}, false);
  std::vector<ValueId> grads = *differentiate(*t.graph, {y.id()}, {t.x.id()}, {});
  t.expect_close(Expr(t.scope, grads[0]) + y);
}

}  // namespace
}  // namespace weft
