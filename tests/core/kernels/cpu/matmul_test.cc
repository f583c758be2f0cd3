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

// -- Numbers of 16 bits: products are those of f32, rounded once.

Tensor halves(DType dtype, const Shape& shape, uint32_t seed) {
  Tensor tensor = *Tensor::make(dtype, shape);
  uint16_t* to = static_cast<uint16_t*>(tensor.mutable_data());
  for (int64_t i = 0; i < tensor.count(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    const float x = static_cast<float>(seed >> 8) / 8388608.0f - 1;
    to[i] = dtype == DType::kBF16 ? float_to_bf16(x) : float_to_f16(x);
  }
  return tensor;
}

TEST(HalfProducts, AreThoseOfF32RoundedOnce) {
  struct Sizes {
    int64_t m, k, n;
  };
  // Of the last, A is widened in parts.
  for (const Sizes& s : {Sizes{1, 70, 300}, Sizes{2, 1024, 40}, Sizes{33, 5, 7}, Sizes{150, 64, 8000}}) {
    for (DType dtype : {DType::kBF16, DType::kF16}) {
      for (int way = 0; way < 16; ++way) {
        RuleTest t;
        const bool turned_a = way & 1, turned_b = way & 2, constant_b = way & 4, with_c = way & 8;
        Expr a = t.input(to_dims(turned_a ? Shape{s.k, s.m} : Shape{s.m, s.k}),
                         halves(dtype, turned_a ? Shape{s.k, s.m} : Shape{s.m, s.k}, 1));
        const Shape b_shape = turned_b ? Shape{s.n, s.k} : Shape{s.k, s.n};
        Expr b = constant_b ? constant(t.scope, halves(dtype, b_shape, 2))
                            : t.input(to_dims(b_shape), halves(dtype, b_shape, 2));
        std::vector<Expr> inputs = {a, b};
        if (with_c) inputs.push_back(t.input(to_dims({s.n}), halves(dtype, {s.n}, 3)));
        Attrs attrs;
        attrs.set("transA", int64_t{turned_a});
        attrs.set("transB", int64_t{turned_b});
        if (turned_a && turned_b) attrs.set("alpha", 0.75);
        Tensor found = t.run(make(t.scope, "Gemm", inputs, Attrs(attrs)), {"*"});
        for (Expr& input : inputs) input = cast(input, DType::kF32);
        Tensor wanted = t.run(cast(make(t.scope, "Gemm", inputs, std::move(attrs)), dtype), {"*"});
        ASSERT_EQ(found.dtype(), dtype);
        ASSERT_EQ(found.bytes(), wanted.bytes());
        ASSERT_EQ(std::memcmp(found.data(), wanted.data(), static_cast<size_t>(found.bytes())), 0)
            << s.m << " x " << s.n << " x " << s.k << ", way " << way;
      }
    }
  }
}

// Many matrices, more than are computed at once, and a matrix in an order of its own.
TEST(HalfProducts, OfManyMatrices) {
  for (DType dtype : {DType::kBF16, DType::kF16}) {
    RuleTest t;
    Expr a = t.input(to_dims({4, 9, 5, 6}), halves(dtype, {4, 9, 5, 6}, 1));
    Expr b = t.input(to_dims({9, 6, 3}), halves(dtype, {9, 6, 3}, 2));
    Expr y = make(t.scope, "MatMul", {a, b});
    Expr same = cast(make(t.scope, "MatMul", {cast(a, DType::kF32), cast(b, DType::kF32)}), dtype);
    t.expect_same_bits(y);
    t.expect_same_bits(y + y);  // which goes over what the product hands on
    Tensor found = t.run(y, {"*"}), wanted = t.run(same, {"*"});
    EXPECT_EQ(std::memcmp(found.data(), wanted.data(), static_cast<size_t>(found.bytes())), 0);
    // weft.FusedMatMul reads A where it lies.
    Expr moved =
        make(t.scope, "MatMul", {transpose(a, {0, 2, 1, 3}), t.input(to_dims({6, 2}), halves(dtype, {6, 2}, 3))});
    t.expect_same_bits(moved);
  }
}

}  // namespace
}  // namespace weft
