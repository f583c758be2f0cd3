// QuantizeLinear and DequantizeLinear for types of 8 bits and fewer, which case files cannot say; expected values from ONNX's
// backend tests and, where there is none, from the Python package ml_dtypes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

using Floats = std::vector<float>;

struct Scratch {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};

  Expr floats(const Floats& values) { return constant(scope, Tensor::vector<float>(values)); }
  // Numbers that the dtype holds.
  Expr exact(const Floats& values, DType dtype) { return cast(floats(values), dtype); }

  Floats run(Expr y) {
    y = cast(y, DType::kF32);
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    auto session = *Session::make(graph, {});
    std::vector<Tensor> out;
    Status status = session->run({{}, {y.id()}, {}}, {}, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    if (!status.ok()) return {};
    return Floats(out[0].as<float>(), out[0].as<float>() + out[0].count());
  }
};

Attrs to(DType dtype) { return {{"output_dtype", static_cast<int64_t>(dtype)}}; }

// Rows of four by scales of 2, 3 and 4.
Floats quantize_rows(const Floats& x, DType dtype, float zero_point) {
  Scratch s;
  Expr rows = reshape(s.floats(x), constant_ints(s.scope, {3, 4}));
  Expr zero = s.exact(Floats(3, zero_point), dtype);
  return s.run(make(s.scope, "QuantizeLinear", {rows, s.floats({2, 3, 4}), zero}, {{"axis", int64_t{0}}}));
}

TEST(Quantize, FourAndTwoBitsSaturate) {
  const Floats x = {0, 2.5f, 4.8f, 8.6f, -30, -20, 6, 9, 12, 15, 16, 40};
  EXPECT_EQ(quantize_rows(x, DType::kI4, 1), (Floats{1, 2, 3, 5, -8, -6, 3, 4, 4, 5, 5, 7}));
  EXPECT_EQ(quantize_rows(x, DType::kU4, 1), (Floats{1, 2, 3, 5, 0, 0, 3, 4, 4, 5, 5, 11}));
  EXPECT_EQ(quantize_rows({0, 2.5f, 4.8f, 8.6f, -4, -3, 1, 2, -0.0f, -2.5f, -4.8f, -8.6f}, DType::kI2, 0),
            (Floats{0, 1, 1, 1, -1, -1, 0, 1, 0, -1, -1, -2}));
  EXPECT_EQ(quantize_rows({0, 2.5f, 4.8f, 8.6f, -2, -1, 1, 3, 4, 5, 6, 7}, DType::kU2, 0),
            (Floats{0, 1, 2, 3, 0, 0, 0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(quantize_rows({0, 2.5f, 4.8f, 8.6f, -30, -20, 6, 9, -0.0f, -2.5f, -4.8f, -8.6f}, DType::kF4E2M1, 0),
            (Floats{0, 1, 2, 4, -6, -6, 2, 3, 0, -0.5f, -1, -2}));
}

TEST(Quantize, NotANumberIsTheLowest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (auto [dtype, lowest] :
       {std::pair{DType::kI8, -128.0f}, {DType::kU8, 0.0f}, {DType::kI4, -8.0f}, {DType::kI2, -2.0f}}) {
    Scratch s;
    EXPECT_EQ(s.run(make(s.scope, "QuantizeLinear", {s.floats({nan}), s.floats({2})}, to(dtype))), Floats{lowest})
        << dtype_name(dtype);
  }
}

TEST(Quantize, EightBitFloatsSaturateUnlessToldNotTo) {
  const Floats x = {0, 1, 2, 100000, 200};
  auto quantized = [&](DType dtype, bool saturate) {
    Scratch s;
    Attrs attrs = {{"saturate", int64_t{saturate}}};
    return s.run(make(s.scope, "QuantizeLinear", {s.floats(x), s.floats({2}), s.exact({0}, dtype)}, attrs));
  };
  EXPECT_EQ(quantized(DType::kF8E4M3FN, true), (Floats{0, 0.5f, 1, 448, 96}));
  EXPECT_EQ(quantized(DType::kF8E5M2, true), (Floats{0, 0.5f, 1, 49152, 96}));
  EXPECT_TRUE(std::isnan(quantized(DType::kF8E4M3FN, false)[3]));
}

TEST(Quantize, ScalesArePowersOfTwoToo) {
  Scratch s;
  Expr scale = s.exact({0.25f}, DType::kF8E8M0);
  EXPECT_EQ(s.run(make(s.scope, "QuantizeLinear", {s.floats({-1, 0.5f, 3}), scale}, to(DType::kI4))),
            (Floats{-4, 2, 7}));
  Expr x = s.exact({-4, 2, 7}, DType::kI4);
  EXPECT_EQ(s.run(make(s.scope, "DequantizeLinear", {x, scale}, to(DType::kF32))), (Floats{-1, 0.5f, 1.75f}));
  make(s.scope, "DequantizeLinear", {x, scale});
  EXPECT_NE(s.scope.status().text().find("'output_dtype' must be given"), std::string::npos) << s.scope.status().text();
}

TEST(Dequantize, TakesEveryTypeOfEightBitsAndFewer) {
  struct Row {
    DType dtype;
    Floats x;
    float zero_point;
    Floats y;
  };
  const Row rows[] = {
      {DType::kF8E4M3FN, {0, 0.5f, 1, 448, -104}, 0, {0, 1, 2, 896, -208}},
      {DType::kF8E5M2, {0, 0.5f, 1, 49152, -96}, 0, {0, 1, 2, 98304, -192}},
      {DType::kF4E2M1, {0, 1, -1, 1.5f, -4}, 0, {0, 2, -2, 3, -8}},
      {DType::kI4, {0, 1, 7, -4, -8}, 1, {-2, 0, 12, -10, -18}},
      {DType::kU4, {0, 1, 7, 10, 15}, 1, {-2, 0, 12, 18, 28}},
      {DType::kI2, {0, 1, -1, -2}, 1, {-2, 0, -4, -6}},
      {DType::kU2, {0, 1, 2, 3}, 1, {-2, 0, 2, 4}},
  };
  for (const Row& row : rows) {
    Scratch s;
    Expr zero = s.exact({row.zero_point}, row.dtype);
    EXPECT_EQ(s.run(make(s.scope, "DequantizeLinear", {s.exact(row.x, row.dtype), s.floats({2}), zero})), row.y)
        << dtype_name(row.dtype);
  }
}

TEST(Dequantize, ABlockMayBeLongerThanItsAxis) {
  for (int64_t size : {int64_t{3}, int64_t{1} << 62, std::numeric_limits<int64_t>::max()}) {
    Scratch s;
    Expr x = reshape(s.exact({1, 2, 3, 4}, DType::kI8), constant_ints(s.scope, {2, 2}));
    Expr scale = reshape(s.floats({0.5f, 2}), constant_ints(s.scope, {2, 1}));
    EXPECT_EQ(s.run(make(s.scope, "DequantizeLinear", {x, scale}, {{"block_size", size}})), (Floats{0.5f, 1, 6, 8}));
  }
}

// As ONNX writes what is not given.
TEST(Quantize, NoTypeIsAskedForByZero) {
  Scratch s;
  Attrs attrs = {{"output_dtype", int64_t{0}}, {"precision", int64_t{0}}};
  Expr y = make(s.scope, "QuantizeLinear", {s.floats({3}), s.floats({0.5f}), s.exact({1}, DType::kI8)}, attrs);
  EXPECT_EQ(y.dtype(), DType::kI8);
  EXPECT_EQ(s.run(y), Floats{7});
}

// A vector of scales whose length only a run tells must fit x then, and not stretch it.
TEST(Quantize, SizesThatARunTellsAreChecked) {
  Scratch s;
  Expr x(s.scope, *s.graph->add_input("x", ValueType::tensor(DType::kF32, {Dim::symbol("n"), Dim(1)})));
  Expr scale(s.scope, *s.graph->add_input("scale", ValueType::tensor(DType::kF32, {Dim::symbol("m")})));
  Expr y = make(s.scope, "QuantizeLinear", {x, scale});
  ASSERT_TRUE(s.scope.status().ok()) << s.scope.status().text();
  auto session = *Session::make(s.graph, {});
  auto run = [&](const Floats& scales) {
    std::vector<Tensor> out;
    Tensor data = *Tensor::make(DType::kF32, {2, 1});
    std::fill_n(data.as<float>(), 2, 4.0f);
    return session->run({{x.id(), scale.id()}, {y.id()}, {}}, {data, Tensor::vector<float>(scales)}, {}, &out);
  };
  EXPECT_TRUE(run({2}).ok());
  Status status = run({1, 2, 3});
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.text();
  EXPECT_NE(status.text().find("u8[2, 3]"), std::string::npos) << status.text();
}

}  // namespace
}  // namespace weft
