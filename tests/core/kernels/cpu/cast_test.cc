// Casts to and from types of 8 bits and fewer and strings; expected values from the Python package
// ml_dtypes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The values cast to `through` and then to f32.
std::vector<float> there_and_back(const std::vector<float>& values, DType through, Attrs attrs) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueType type = ValueType::tensor(DType::kF32, {static_cast<int64_t>(values.size())});
  Expr x(scope, *graph->add_input("x", std::move(type)));
  attrs.set("to", static_cast<int64_t>(through));
  Expr y = cast(make(scope, "Cast", {x}, std::move(attrs)), DType::kF32);
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  SessionOptions options;
  options.disabled_passes = {"*"};
  auto session = *Session::make(graph, options);
  std::vector<Tensor> outputs;
  Status status = session->run({{x.id()}, {y.id()}, {}}, {Tensor::vector<float>(values)}, {}, &outputs);
  EXPECT_TRUE(status.ok()) << status.text();
  if (!status.ok()) return {};
  return std::vector<float>(outputs[0].as<float>(), outputs[0].as<float>() + outputs[0].count());
}

void expect_same(const std::vector<float>& found, const std::vector<float>& wanted, DType dtype) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    bool same = found[i] == wanted[i] || (std::isnan(found[i]) && std::isnan(wanted[i]));
    EXPECT_TRUE(same) << dtype_name(dtype) << ", element " << i << ": " << found[i] << " where " << wanted[i]
                      << " is wanted";
    if (wanted[i] != 0) continue;
    EXPECT_EQ(std::signbit(found[i]), std::signbit(wanted[i])) << dtype_name(dtype) << ", element " << i;
  }
}

struct Row {
  DType dtype;
  std::vector<float> saturated, overflowing;
};
// clang-format off
const std::vector<float>& inputs() {
  static const std::vector<float> values = {0, -0.0f, 0.4789254665374756f, 0.48033666610717773f, -0.8191054463386536f, 1.0625f,
      1.1875f, 1.3125f, 3, -3.5f, 5, 7, 100, 448, 464, 465, 57344, 61439, 61441, 1000000,
      -1000000, 1.0000000116860974e-07f, -1.0000000116860974e-07f, 0.001953125f, 0.0009765625f,
      0.0009765626164153218f, kInf, -kInf};
  return values;
}
const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {DType::kF8E4M3FN,
       {0, -0.0f, 0.46875f, 0.46875f, -0.8125f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 448, 448, 448,
      448, 448, 448, 448, -448, 0, -0.0f, 0.001953125f, 0, 0.001953125f, 448, -448},
       {0, -0.0f, 0.46875f, 0.46875f, -0.8125f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 448, 448,
      kNan, kNan, kNan, kNan, kNan, kNan, 0, -0.0f, 0.001953125f, 0, 0.001953125f, kNan, kNan}},
      {DType::kF8E4M3FNUZ,
       {0, 0, 0.46875f, 0.46875f, -0.8125f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 240, 240, 240,
      240, 240, 240, 240, -240, 0, 0, 0.001953125f, 0.0009765625f, 0.0009765625f, 240, -240},
       {0, 0, 0.46875f, 0.46875f, -0.8125f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, kNan, kNan, kNan,
      kNan, kNan, kNan, kNan, kNan, 0, 0, 0.001953125f, 0.0009765625f, 0.0009765625f, kNan, kNan}},
      {DType::kF8E5M2,
       {0, -0.0f, 0.5f, 0.5f, -0.875f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 448, 448, 448, 57344,
      57344, 57344, 57344, -57344, 0, -0.0f, 0.001953125f, 0.0009765625f, 0.0009765625f, 57344,
      -57344},
       {0, -0.0f, 0.5f, 0.5f, -0.875f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 448, 448, 448, 57344,
      57344, kInf, kInf, -kInf, 0, -0.0f, 0.001953125f, 0.0009765625f, 0.0009765625f, kInf,
      -kInf}},
      {DType::kF8E5M2FNUZ,
       {0, 0, 0.5f, 0.5f, -0.875f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 448, 448, 448, 57344,
      57344, 57344, 57344, -57344, 0, 0, 0.001953125f, 0.0009765625f, 0.0009765625f, 57344,
      -57344},
       {0, 0, 0.5f, 0.5f, -0.875f, 1, 1.25f, 1.25f, 3, -3.5f, 5, 7, 96, 448, 448, 448, 57344,
      57344, kNan, kNan, kNan, 0, 0, 0.001953125f, 0.0009765625f, 0.0009765625f, kNan, kNan}},
      {DType::kF4E2M1,
       {0, -0.0f, 0.5f, 0.5f, -1, 1, 1, 1.5f, 3, -4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 6, -6, 0, -0.0f, 0,
      0, 0, 6, -6},
       {0, -0.0f, 0.5f, 0.5f, -1, 1, 1, 1.5f, 3, -4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 6, -6, 0, -0.0f, 0,
      0, 0, 6, -6}},
  };
  return all;
}
// clang-format on

TEST(Cast, SmallFloats) {
  for (const Row& row : rows()) {
    expect_same(there_and_back(inputs(), row.dtype, {}), row.saturated, row.dtype);
    expect_same(there_and_back(inputs(), row.dtype, {{"saturate", 0}}), row.overflowing, row.dtype);
    float back = there_and_back({kNan}, row.dtype, {})[0];
    if (row.dtype == DType::kF4E2M1) {
      EXPECT_EQ(back, 0);
    } else {
      EXPECT_TRUE(std::isnan(back));
    }
  }
}

TEST(Cast, PowersOfTwo) {
  const std::vector<float> values = {0, 0.124f, 0.25f, 0.5f, 1.1f, 2, 4, 8, 6, 5.9f};
  auto rounded = [&](const char* mode) { return there_and_back(values, DType::kF8E8M0, {{"round_mode", mode}}); };
  expect_same(rounded("up"), {0x1p-127f, 0.125f, 0.25f, 0.5f, 2, 2, 4, 8, 8, 8}, DType::kF8E8M0);
  expect_same(rounded("down"), {0x1p-127f, 0.0625f, 0.25f, 0.5f, 1, 2, 4, 8, 4, 4}, DType::kF8E8M0);
  expect_same(rounded("nearest"), {0x1p-127f, 0.125f, 0.25f, 0.5f, 1, 2, 4, 8, 8, 4}, DType::kF8E8M0);
  expect_same(there_and_back({kInf, kNan}, DType::kF8E8M0, {}), {0x1p127f, kNan}, DType::kF8E8M0);
  expect_same(there_and_back({kInf, 0, 3.3e38f}, DType::kF8E8M0, {{"saturate", 0}}), {kNan, kNan, kNan},
              DType::kF8E8M0);
}

TEST(Cast, PackedIntegersKeepLowBits) {
  std::vector<float> values;
  for (int i = -9; i < 16; ++i) values.push_back(static_cast<float>(i));
  expect_same(there_and_back(values, DType::kI4, {}),
              {7, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1}, DType::kI4);
  expect_same(there_and_back(values, DType::kU4, {}),
              {7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, DType::kU4);
  const std::vector<float> few = {-3, -2, -1, 0, 1, 2, 3};
  expect_same(there_and_back(few, DType::kI2, {}), {1, -2, -1, 0, 1, -2, -1}, DType::kI2);
  expect_same(there_and_back(few, DType::kU2, {}), {1, 2, 3, 0, 1, 2, 3}, DType::kU2);
}

}  // namespace
}  // namespace weft
