// Gradients straight through quantization, which finite differences cannot tell; expected values from PyTorch's
// fake_quantize_per_tensor_affine and fake_quantize_per_channel_affine and, by the scale, from
// _fake_quantize_learnable_per_channel_affine, where no other source is named.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

using Floats = std::vector<float>;

constexpr float kInfinite = std::numeric_limits<float>::infinity();

class Fed {
 public:
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};

  Expr floats(const Floats& values) { return constant(scope, Tensor::vector<float>(values)); }
  // A value that is fed.
  Expr input(const Floats& values, const Shape& shape, bool ranked = true) {
    Tensor value = *Tensor::vector<float>(values).reshaped(shape);
    ValueType type = ranked ? ValueType::tensor(DType::kF32, to_dims(shape)) : ValueType::unranked(DType::kF32);
    signature_.feeds.push_back(*graph->add_input(cat("x", feeds_.size()), std::move(type)));
    feeds_.push_back(std::move(value));
    return Expr(scope, signature_.feeds.back());
  }
  // Of the sum of y weighed by dy, by each x.
  std::vector<Expr> gradients(Expr y, Expr dy, const std::vector<Expr>& xs) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    std::vector<ValueId> ids;
    for (Expr x : xs) ids.push_back(x.id());
    Result<std::vector<ValueId>> made = differentiate(*graph, {y.id()}, ids, {dy.valid() ? dy.id() : kNoValue});
    EXPECT_TRUE(made.ok()) << made.status().text();
    std::vector<Expr> out;
    for (ValueId id : *made) out.emplace_back(scope, id);
    return out;
  }
  Floats run(Expr y) {
    y = cast(y, DType::kF32);
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    signature_.fetches = {y.id()};
    std::vector<Tensor> out;
    Status status = (*Session::make(graph, {}))->run(signature_, feeds_, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    if (!status.ok()) return {};
    return Floats(out[0].as<float>(), out[0].as<float>() + out[0].count());
  }

 private:
  Signature signature_;
  std::vector<Tensor> feeds_;
};

Attrs with(Attrs attrs, const char* name, int64_t value) {
  attrs.set(name, value);
  return attrs;
}

// To `dtype` and back.
Expr quantized(Expr x, Expr scale, DType dtype, Expr zero = {}, Attrs attrs = {}, Attrs back = {}) {
  ExprScope& s = x.scope();
  const Attrs forth = with(attrs, "output_dtype", static_cast<int64_t>(dtype));
  for (const auto& [name, value] : attrs) {
    if (name != "saturate") back.set(name, value);
  }
  if (zero.valid()) zero = cast(zero, dtype);
  return make(s, "DequantizeLinear", {make(s, "QuantizeLinear", {x, scale, zero}, forth), scale, zero}, back);
}

void expect_each_near(const Floats& found, const Floats& wanted, float tolerance = 1e-6f) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(found[i], wanted[i], tolerance * (1 + std::abs(wanted[i]))) << "element " << i;
  }
}

// What is rounded to a limit is in range, though it lies beyond.
TEST(QuantizeGradient, PassesWhereNothingIsCutOff) {
  struct Row {
    DType dtype;
    float scale, zero;
    Floats x, gradient;  // of elements weighed 1, 2, 3...
  };
  const Row rows[] = {
      {DType::kI8, 0.25f, 3, {-33, -32.875f, -32.75f, 0, 31, 31.1f, 31.25f, kInfinite}, {0, 0, 3, 4, 5, 6, 0, 0}},
      {DType::kU8, 0.25f, 128, {-32.125f, -32.13f, -32.2f, 31.75f, 31.87f, 31.88f}, {1, 0, 0, 4, 5, 0}},
      {DType::kI16, 0.5f, 256, {-16512, -16512.3f, 16255.5f, 16256, -kInfinite}, {1, 0, 3, 0, 0}},
      {DType::kU16, 0.5f, 0, {-0.25f, -0.26f, 32767.5f, 32768}, {1, 0, 3, 0}},
      {DType::kI4, 0.5f, 1, {-4.6f, -4.7f, -5, 3, 3.2f, 3.3f}, {1, 2, 0, 4, 5, 0}},
      {DType::kU4, 0.5f, 1, {-0.7f, -0.8f, 7.2f, 7.3f}, {1, 0, 3, 0}},
      {DType::kI2, 1, 0, {-2.5f, -2.6f, 1.4f, 1.5f}, {1, 0, 3, 0}},
      {DType::kU2, 1, 0, {-0.5f, -0.6f, 3.4f, 3.5f}, {1, 0, 3, 0}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(dtype_name(row.dtype));
    Floats weights;
    for (size_t i = 0; i < row.x.size(); ++i) weights.push_back(static_cast<float>(i + 1));
    for (bool ranked : {true, false}) {
      Fed s;
      Expr x = s.input(row.x, {static_cast<int64_t>(row.x.size())}, ranked);
      Expr scale = scalar(s.scope, DType::kF32, row.scale), zero = scalar(s.scope, DType::kI32, row.zero);
      Expr y = quantized(x, scale, row.dtype, zero);
      EXPECT_EQ(s.run(s.gradients(y, s.floats(weights), {x})[0]), row.gradient);
    }
  }
}

TEST(QuantizeGradient, OfNotANumberIsNone) {
  Fed s;
  Expr x = s.input({std::numeric_limits<float>::quiet_NaN(), 1}, {2});
  Expr y = quantized(x, scalar(s.scope, DType::kF32, 2), DType::kI8);
  EXPECT_EQ(s.run(s.gradients(y, {}, {x})[0]), (Floats{0, 1}));
}

struct ScaledCase {
  const char* name;
  Shape x_shape, scale_shape;
  Floats scale, zero;
  Attrs attrs;
  Floats by_x, by_scale;
};

const Floats kQuantizedX = {-31.53f, -7.34f, -0.67f, 0.23f,  3.96f,  14.21f,
                            -13.17f, 5.58f,  0.94f,  -2.43f, 30.16f, 12.47f};
const Floats kQuantizedWeights = {0.96f,  -0.42f, -0.85f, 0.63f, 0.68f,  -0.81f,
                                  -0.48f, 0.93f,  1.17f,  0.25f, -0.73f, 0.54f};

// To i8, of one scale, of one for each row and for each column, and of one for each block of two rows or of two columns: in
// PyTorch channels of what is laid out so.
TEST(QuantizeGradient, GoesToScalesToo) {
  const ScaledCase kinds[] = {
      {"one scale",
       {3, 4},
       {},
       {0.2f},
       {5},
       {},
       {0, -0.42f, -0.85f, 0.63f, 0.68f, -0.81f, -0.48f, 0.93f, 1.17f, 0.25f, 0, 0.54f},
       {-216.465f}},
      {"rows",
       {3, 4},
       {3},
       {0.2f, 0.05f, 0.15f},
       {5, -7, 0},
       {{"axis", int64_t{0}}},
       {0, -0.42f, -0.85f, 0.63f, 0.68f, 0, 0, 0.93f, 1.17f, 0.25f, 0, 0.54f},
       {-127.946f, -50.224f, -93.044f}},
      {"columns",
       {3, 4},
       {4},
       {0.2f, 0.05f, 0.15f, 0.1f},
       {5, -7, 0, 1},
       {{"axis", int64_t{1}}},
       {0, 0, -0.85f, 0.63f, 0.68f, 0, -0.48f, 0.93f, 1.17f, 0.25f, 0, 0.54f},
       {-127.193f, -57.82f, -93.01067f, 0.1590011f}},
      {"blocks of columns",
       {3, 4},
       {3, 2},
       {0.2f, 0.05f, 0.15f, 0.1f, 0.3f, 0.07f},
       {5, -7, 0, 1, 2, 3},
       {{"axis", int64_t{1}}, {"block_size", int64_t{2}}},
       {0, -0.42f, -0.85f, 0.63f, 0.68f, -0.81f, 0, 0.93f, 1.17f, 0.25f, 0, 0},
       {-127.554f, -0.08800012f, -0.4880023f, 62.106f, -0.1309999f, -23.56001f}},
      {"blocks of rows, the last shorter",
       {3, 4},
       {2, 4},
       {0.2f, 0.05f, 0.15f, 0.1f, 0.3f, 0.07f, 0.25f, 0.11f},
       {5, -7, 0, 1, 2, 3, 4, -5},
       {{"axis", int64_t{0}}, {"block_size", int64_t{2}}},
       {0, 0, -0.85f, 0.63f, 0.68f, 0, -0.48f, 0.93f, 1.17f, 0.25f, -0.73f, 0.54f},
       {-127.544f, -57.72f, -0.3006652f, -0.002998516f, -0.1559998f, -0.07142837f, -0.2628005f, -0.1963653f}},
  };
  for (const ScaledCase& kind : kinds) {
    SCOPED_TRACE(kind.name);
    Fed s;
    Expr x = s.input(kQuantizedX, kind.x_shape), scale = s.input(kind.scale, kind.scale_shape);
    Expr zero = constant(s.scope, *Tensor::vector<float>(kind.zero).reshaped(kind.scale_shape));
    Expr y = quantized(x, scale, DType::kI8, zero, kind.attrs);
    Expr dy = constant(s.scope, *Tensor::vector<float>(kQuantizedWeights).reshaped(kind.x_shape));
    const std::vector<Expr> found = s.gradients(y, dy, {x, scale});
    EXPECT_EQ(found[0].dims(), x.dims());
    EXPECT_EQ(found[1].dims(), scale.dims());
    expect_each_near(s.run(found[0]), kind.by_x);
    expect_each_near(s.run(found[1]), kind.by_scale, 5e-5f);  // numbers up to 128 cancel
  }
}

// Floats of 8 and 4 bits have a greatest number as well, whether what is greater becomes that, an infinity or NaN. The gradient
// is of the type of x, and not rounded to theirs on its way.
TEST(QuantizeGradient, OfSmallFloatsPassesUpToTheGreatest) {
  for (auto [dtype, greatest] : {std::pair{DType::kF8E4M3FN, 448.0f},
                                 {DType::kF8E4M3FNUZ, 240.0f},
                                 {DType::kF8E5M2, 57344.0f},
                                 {DType::kF8E5M2FNUZ, 57344.0f},
                                 {DType::kF4E2M1, 6.0f}}) {
    SCOPED_TRACE(dtype_name(dtype));
    for (int64_t saturate : {1, 0}) {
      Fed s;
      Expr x = s.input({-2.01f * greatest, -2 * greatest, 0.3f, 2 * greatest, 2.01f * greatest}, {5});
      Expr y = quantized(x, scalar(s.scope, DType::kF32, 2), dtype, {}, {{"saturate", saturate}});
      Expr dy = s.floats({0.1f, 0.2f, 0.3f, 0.4f, 0.5f});
      EXPECT_EQ(s.run(s.gradients(y, dy, {x})[0]), (Floats{0, 0.2f, 0.3f, 0.4f, 0}));
    }
  }
}

// A gradient times the scale would be less than any f16.
TEST(QuantizeGradient, OfHalvesIsComputedInSingles) {
  Fed s;
  Expr x = s.input({0.0625f, 1}, {2});
  Expr scale = scalar(s.scope, DType::kF16, 0x1p-10);
  Expr y = quantized(cast(x, DType::kF16), scale, DType::kI8);
  EXPECT_EQ(y.dtype(), DType::kF16);
  EXPECT_EQ(s.run(s.gradients(y, cast(s.floats({0x1p-20f, 1}), DType::kF16), {x})[0]), (Floats{0x1p-20f, 0}));
}

// x / 0.25 + x, of what is read with its scale and without.
TEST(QuantizeGradient, OfSeveralReadersIsTheirSum) {
  Fed s;
  Expr x = s.input({-1, 2, 70}, {3}), scale = scalar(s.scope, DType::kF32, 0.25);
  Expr q = make(s.scope, "QuantizeLinear", {x, scale}, {{"output_dtype", static_cast<int64_t>(DType::kI8)}});
  Expr y = make(s.scope, "DequantizeLinear", {q, scale}) + cast(cast(q, DType::kF64), DType::kF32);
  EXPECT_EQ(s.run(s.gradients(y, {}, {x})[0]), (Floats{5, 5, 0}));
}

TEST(QuantizeGradient, FlowsByNoOtherIntegers) {
  Fed s;
  Expr x = s.input({1, 2}, {2}), scale = scalar(s.scope, DType::kF32, 0.25);
  Expr q = make(s.scope, "QuantizeLinear", {x, scale});
  Expr moved = make(s.scope, "DequantizeLinear", {reshape(q, constant_ints(s.scope, {2, 1})), scale});
  EXPECT_FALSE(s.gradients(moved, {}, {x})[0].valid());
  Expr power = make(s.scope, "Pow", {x, q});
  EXPECT_EQ(s.run(s.gradients(power, {}, {x})[0]), (Floats{4, 1024}));
  Expr read = make(s.scope, "DequantizeLinear", {q, scale});
  EXPECT_FALSE(s.gradients(read, {}, {q})[0].valid());
}

// Of y * y it is 2 y where nothing is cut off, and that of this 2. By the scale it is what rounding moves, which does not
// change with x.
TEST(QuantizeGradient, HasAGradient) {
  Fed s;
  Expr x = s.input({-1.1f, 2.3f, 40, -40}, {4}), scale = s.input({0.25f}, {1});
  Expr y = quantized(x, scale, DType::kI8);
  Expr first = s.gradients(y * y, {}, {x})[0];
  EXPECT_EQ(s.run(first), (Floats{-2, 4.5f, 0, 0}));
  EXPECT_EQ(s.run(s.gradients(first, {}, {x})[0]), (Floats{2, 2, 0, 0}));
  Expr by_scale = s.gradients(y, {}, {scale})[0];
  expect_each_near(s.run(by_scale), {-0.8f});
  expect_each_near(s.run(s.gradients(by_scale, {}, {x})[0]), {0, 0, 0, 0});
}

// PyTorch's gradient of the same in its own operators, with `v + (v.round() - v).detach()` for the rounding of x / scale.
TEST(QuantizeGradient, OfWhatIsQuantizedByItsRange) {
  Fed s;
  Expr x = s.input({1.3f, -2.2f, 0.4f, 3.1f, -0.9f}, {5});
  std::vector<Expr> made = make_all(s.scope, "DynamicQuantizeLinear", {x}, {}, 3);
  Expr y = make(s.scope, "DequantizeLinear", {made[0], made[1], made[2]});
  const std::vector<Expr> found = s.gradients(y, s.floats({0.96f, -0.42f, -0.85f, 0.63f, 0.68f}), {x});
  expect_each_near(s.run(found[0]), {0.96f, -0.4232032f, -0.85f, 0.6332031f, 0.68f});
}

}  // namespace
}  // namespace weft
