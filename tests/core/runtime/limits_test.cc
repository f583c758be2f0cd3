// What no memory can hold, and runs that ask for nothing: errors or nothing, never a step outside.
#include <cstring>

#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

// x expanded to [2, 4, n], and an operator that would read it.
Status run_on_expanded(DType dtype, int64_t n, const char* op, std::vector<std::vector<int64_t>> more) {
  TestModel m;
  Expr x = m.input("x", dtype, {2, 4, 1});
  Expr wide = make(m.scope, "Expand", {x, constant_ints(m.scope, {2, 4, n})});
  std::vector<Expr> inputs{wide};
  for (const std::vector<int64_t>& list : more) inputs.push_back(constant_ints(m.scope, list));
  Expr y = make(m.scope, op, inputs);
  Result<Tensor> value = Tensor::make(dtype, {2, 4, 1});
  std::memset(value->mutable_data(), 0, static_cast<size_t>(value->bytes()));
  return m.run({x}, {*value}, {y}).status();
}

TEST(Limits, AnIntermediateWhoseBytesWrapAroundIsRefused) {
  const char* part = "[2, 4, 2305843009213693953] is too large";
  // 2^61 + 1 elements of 4 bytes, eight times: 32 bytes in 64 bits.
  int64_t wraps = (int64_t{1} << 61) + 1;
  for (const char* op : {"ReduceSum", "ReduceMax", "ReduceMean"}) {
    expect_error(run_on_expanded(DType::kF32, wraps, op, {{2}}), Code::kResourceExhausted, part);
  }
  expect_error(run_on_expanded(DType::kF32, wraps, "Slice", {{0}, {1}, {2}}), Code::kResourceExhausted, part);
  Status status = run_on_expanded(DType::kF32, wraps, "ReduceSum", {{2}});
  EXPECT_EQ(status.node(), "Expand");
  EXPECT_EQ(status.op(), "Expand");
}

TEST(Limits, SizesThatWrapToNothingOrBelowAreRefused) {
  for (int64_t n : {int64_t{1} << 60, int64_t{1} << 62, (int64_t{1} << 62) + 1, int64_t{1} << 45}) {
    expect_error(run_on_expanded(DType::kF32, n, "ReduceSum", {{2}}), Code::kResourceExhausted, "is too large");
    expect_error(run_on_expanded(DType::kBool, n, "ReduceMax", {{2}}), Code::kResourceExhausted, "is too large");
  }
}

TEST(Limits, AnEmptyAxisDoesNotExcuseTheOthers) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {0, 1, 1});
  int64_t huge = int64_t{1} << 40;
  Expr wide = make(m.scope, "Expand", {x, constant_ints(m.scope, {0, huge, huge})});
  Expr y = make(m.scope, "ReduceSum", {wide, constant_ints(m.scope, {0, 1, 2})});
  expect_error(m.run({x}, {*Tensor::make(DType::kF64, {0, 1, 1})}, {y}).status(), Code::kResourceExhausted,
               "is too large");
}

// A file may write any number as a dimension: with the padding it does not fit 63 bits.
TEST(Limits, WindowsOverTheLargestDimensionAreCounted) {
  TestModel m;
  Expr x = m.input("x", DType::kF32, {1, 1, INT64_MAX});
  Expr y = make(m.scope, "MaxPool", {x},
                {{"kernel_shape", std::vector<int64_t>{1}}, {"pads", std::vector<int64_t>{1, 1}}, {"ceil_mode", 1}});
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_TRUE(y.dims()[2].is(INT64_MAX));
}

TEST(Limits, ManyLargeValuesThatLiveTogetherAreRefused) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {1});
  std::vector<Expr> parts;
  for (int i = 0; i < 20; ++i) {
    parts.push_back(make(m.scope, "Expand", {x + static_cast<double>(i), constant_ints(m.scope, {int64_t{1} << 44})}));
  }
  Expr y = make(m.scope, "ReduceSum", {make(m.scope, "Sum", parts)});
  EXPECT_EQ(m.run({x}, {Tensor::vector<double>({1})}, {y}).status().code(), Code::kResourceExhausted);
}

TEST(Limits, ARunThatFetchesNothing) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {2});
  Expr y = x + 1.0;
  Result<std::vector<Tensor>> out = m.run({x}, {Tensor::vector<double>({1, 2})}, {});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_TRUE(out->empty());
  out = m.run({}, {}, {});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_EQ(m.values({x}, {Tensor::vector<double>({1, 2})}, y), (std::vector<double>{2, 3}));
}

TEST(Limits, ShapesThatAreNotKnownYetAreNotFolded) {
  for (const char* op : {"Expand", "Tile", "Reshape"}) {
    TestModel m;
    const std::vector<double> numbers{1, 2};
    const std::vector<int64_t> twos{2, 2};
    Expr data = constant(m.scope, *Tensor::from_bytes(DType::kF64, {2, 1}, numbers.data(), 16));
    Expr list = constant(m.scope, *Tensor::from_bytes(DType::kI64, {2, 1}, twos.data(), 16));
    Expr y = make(m.scope, op, {data, list});
    expect_error(m.run({}, {}, {y}).status(), Code::kInvalidArgument, "must have one dimension but is i64[2, 1]");
  }
}

TEST(Limits, StringsWhoseShapeATensorStepFinds) {
  TestModel m;
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Expr count = make(m.scope, "Shape", {make(m.scope, "NonZero", {x})}, {{"start", int64_t{1}}});
  Expr text = constant(m.scope, *Tensor::from_strings({1}, {"a"}));
  // Equal of strings has a kernel of tensors, made for shapes.
  Expr chosen = make(m.scope, "Where", {make(m.scope, "Greater", {x, scalar_like(x, 0)}), text, text});
  Expr places = make(m.scope, "NonZero", {make(m.scope, "Equal", {chosen, text})});
  Expr wide = make(m.scope, "ConstantOfShape", {count}, {{"value", *Tensor::from_bytes(DType::kBool, {1}, "\1", 1)}});
  Expr picked = make(m.scope, "Where", {wide, text, text});
  Expr equal = cast(make(m.scope, "Equal", {picked, text}), DType::kF64);
  EXPECT_EQ(m.values({x}, {Tensor::vector<double>({0, 2, 3})}, equal), (std::vector<double>{1, 1}));
  EXPECT_TRUE(m.run({x}, {Tensor::vector<double>({0, 2, 3})}, {places}).ok());
}

// What a run or a gradient cannot take names the node that it concerns, and the line that made it.
TEST(Limits, ErrorsNameTheNodeAndItsLine) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph, "model.py:9");
  ValueId x = *graph->add_input("x", ValueType::tensor(DType::kF32, {2}), "model.py:3");
  Expr whole = cast(Expr(scope, x), DType::kI64);
  ValueId zero = *graph->add_constant(Tensor::scalar<float>(0));
  ASSERT_TRUE(graph->add_variable("v", zero, true, "model.py:5").ok());
  auto session = *Session::make(graph, {});
  auto expect = [](const Status& status, const char* node, const char* op, const char* origin) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(status.node(), node) << status.text();
    EXPECT_EQ(status.op(), op) << status.text();
    EXPECT_EQ(status.origin(), origin) << status.text();
  };
  std::vector<Tensor> out;
  expect(session->run({{x}, {x}, {}}, {Tensor::vector<float>({1, 2, 3})}, {}, &out), "x", "weft.Input", "model.py:3");
  expect(session->run({{x}, {x}, {}}, {Tensor::vector<double>({1, 2})}, {}, &out), "x", "weft.Input", "model.py:3");
  auto prepared = *session->prepare({{x}, {x}, {}});
  expect(prepared->bind_input(0, Tensor::vector<double>({1, 2})), "x", "weft.Input", "model.py:3");
  expect(session->set_variable("v", Tensor::vector<float>({1})), "v", "weft.Variable", "model.py:5");
  expect(differentiate(*graph, {whole.id()}, {x}, {}).status(), "Cast", "Cast", "model.py:9");
}

// Shapes are those of numpy's windows.
TEST(Limits, PoolsOfNoChannelsThatLieLast) {
  for (DType dtype : {DType::kF32, DType::kI8}) {
    TestModel m;
    Expr x = m.input("x", dtype, {1, 4, 4, 0});
    const Attrs window{{"kernel_shape", std::vector<int64_t>{2, 2}}};
    Expr y = make(m.scope, dtype == DType::kF32 ? "AveragePool" : "MaxPool", {transpose(x, {0, 3, 1, 2})}, window);
    auto out = m.run({x}, {*Tensor::make(dtype, {1, 4, 4, 0})}, {y});
    ASSERT_TRUE(out.ok()) << out.status().text();
    EXPECT_EQ((*out)[0].shape(), (Shape{1, 0, 3, 3}));
  }
}

}  // namespace
}  // namespace weft
