// Shapes that only the values tell: fed shapes, computed ones, and plans of several segments one after another.
#include <pthread.h>

#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

using Ints = std::vector<int64_t>;

Tensor ints(Ints values) { return Tensor::vector<int64_t>(values); }
Tensor whole(int64_t value) { return Tensor::scalar<int64_t>(value); }

struct Shapes : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")});
  Expr fed(const char* name, int64_t count) { return input(name, DType::kI64, {count}); }
  Expr fed_scalar(const char* name) { return input(name, DType::kI64, {}); }
  // A number that is known only when x is: how many elements are positive.
  Expr positives() {
    Expr found = make(scope, "NonZero", {make(scope, "Greater", {x, scalar_like(x, 0)})});
    return squeeze(make(scope, "Shape", {found}, {{"start", int64_t{1}}}), {0});
  }
  void expect(const std::vector<Expr>& feeds, const std::vector<Tensor>& given, Expr y, const Shape& shape,
              const Values& wanted) {
    Result<std::vector<Tensor>> out = run(feeds, given, {y});
    ASSERT_TRUE(out.ok()) << out.status().text();
    EXPECT_EQ((*out)[0].shape(), shape);
    EXPECT_EQ(Values((*out)[0].as<double>(), (*out)[0].as<double>() + (*out)[0].count()), wanted);
  }
};

TEST(DataShapes, NonZeroThenGatherThenReduce) {
  Shapes m;
  Expr places = squeeze(make(m.scope, "NonZero", {m.x}), {0});
  Expr kept = make(m.scope, "Gather", {m.x, places});
  Expr mean = make(m.scope, "ReduceMean", {kept}, {{"keepdims", int64_t{0}}});
  Expr g = m.gradients(mean, {m.x})[0];
  Tensor value = numbers({0, 2, 0, 6, 4});
  m.expect({m.x}, {value}, kept, {3}, {2, 6, 4});
  m.expect({m.x}, {value}, mean, {}, {4});
  m.expect({m.x}, {value}, g, {5}, {0, 1.0 / 3, 0, 1.0 / 3, 1.0 / 3});
  m.expect({m.x}, {numbers({0, 8})}, mean, {}, {8});
  m.expect({m.x}, {numbers({0, 0})}, kept, {0}, {});
}

// A kernel that needs values which decide no shape: fed ones, through a view, and computed ones.
TEST(DataShapes, ValuesThatDecideNoShape) {
  Shapes m;
  Expr g = m.input("g", DType::kF64, {2}), like = m.input("like", DType::kF64, {4}), from = m.fed("from", 1);
  const auto zeros_around = [&](Expr start, Expr end) {
    return make(m.scope, "weft.SliceGrad", {g, like, start, end});
  };
  // A view that is seen to change nothing once the sizes are known.
  Expr open = m.input("open", DType::kI64, {Dim::symbol("k")});
  Expr fed = zeros_around(reshape(open, constant_ints(m.scope, {1})), constant_ints(m.scope, {4}));
  Expr computed = zeros_around(from - constant_int(m.scope, 1), from + constant_int(m.scope, 1));
  for (int round = 0; round < 2; ++round) {
    m.expect({g, like, open}, {numbers({5, 6}), numbers({0, 0, 0, 0}), ints({2})}, fed, {4}, {0, 0, 5, 6});
    m.expect({g, like, from}, {numbers({5, 6}), numbers({0, 0, 0, 0}), ints({2})}, computed, {4}, {0, 5, 6, 0});
    m.expect({g, like, from}, {numbers({5, 6}), numbers({0, 0, 0, 0}), ints({1})}, computed, {4}, {5, 6, 0, 0});
  }
}

TEST(DataShapes, ManySegmentsOneAfterAnother) {
  Shapes m;
  // Each round keeps the positive elements and takes one off: every round's size waits for the round before.
  Expr kept = m.x;
  for (int round = 0; round < 4; ++round) {
    Expr places = squeeze(make(m.scope, "NonZero", {make(m.scope, "Greater", {kept, scalar_like(kept, 0)})}), {0});
    kept = make(m.scope, "Gather", {kept, places}) - 1.0;
  }
  Expr g = m.gradients(kept * kept, {m.x})[0];
  Tensor value = numbers({5, 1, 4, 3, 2, 9});
  m.expect({m.x}, {value}, kept, {3}, {1, 0, 5});
  m.expect({m.x}, {value}, g, {6}, {2, 0, 0, 0, 0, 10});
  m.expect({m.x}, {numbers({-1})}, kept, {0}, {});
}

TEST(DataShapes, LetsManySegmentsGoOnASmallStack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need larger stacks";
#endif
  Shapes m;
  Expr kept = m.x;
  for (int round = 0; round < 300; ++round) {
    kept = make(m.scope, "Gather", {kept, squeeze(make(m.scope, "NonZero", {kept}), {0})});
  }
  m.expect({m.x}, {numbers({0, 3, 5})}, kept, {2}, {3, 5});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16 * 1024);
  pthread_t thread;
  auto let_go = [](void* user) -> void* {
    static_cast<Shapes*>(user)->session.reset();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, let_go, &m), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(DataShapes, Range) {
  Shapes m;
  Expr start = m.fed_scalar("start"), limit = m.fed_scalar("limit"), delta = m.fed_scalar("delta");
  Expr fed = cast(make(m.scope, "Range", {start, limit, delta}), DType::kF64);
  m.expect({start, limit, delta}, {whole(2), whole(9), whole(3)}, fed, {3}, {2, 5, 8});
  m.expect({start, limit, delta}, {whole(2), whole(-1), whole(-2)}, fed, {2}, {2, 0});
  m.expect({start, limit, delta}, {whole(2), whole(2), whole(1)}, fed, {0}, {});
  Expr computed =
      cast(make(m.scope, "Range", {constant_int(m.scope, 0), m.positives(), constant_int(m.scope, 1)}), DType::kF64);
  m.expect({m.x}, {numbers({-1, 3, 4})}, computed + 0.5, {2}, {0.5, 1.5});
  // Limits that are floats are values of a computation as well.
  Expr total = make(m.scope, "ReduceSum", {m.x}, {{"keepdims", int64_t{0}}});
  Expr floats = make(m.scope, "Range", {scalar(m.scope, DType::kF64, 1), total, scalar(m.scope, DType::kF64, 1.5)});
  m.expect({m.x}, {numbers({2, 3})}, floats * 2.0, {3}, {2, 5, 8});
}

TEST(DataShapes, Reshape) {
  Shapes m;
  Expr shape = m.fed("shape", 2);
  Expr y = reshape(m.x, shape);
  Expr g = m.gradients(y * y, {m.x})[0];
  m.expect({m.x, shape}, {numbers({1, 2, 3, 4}), ints({2, 2})}, transpose(y, {1, 0}), {2, 2}, {1, 3, 2, 4});
  m.expect({m.x, shape}, {numbers({1, 2, 3, 4}), ints({-1, 1})}, y, {4, 1}, {1, 2, 3, 4});
  m.expect({m.x, shape}, {numbers({1, 2, 3, 4}), ints({2, 2})}, g, {4}, {2, 4, 6, 8});
  expect_error(m.run({m.x, shape}, {numbers({1, 2, 3, 4}), ints({3, 2})}, {y}).status(), Code::kInvalidArgument, "3");
  Expr rows = concat({unsqueeze(m.positives(), {0}), constant_ints(m.scope, {-1})}, 0);
  m.expect({m.x}, {numbers({1, -2, 3, -4})}, reshape(m.x, rows), {2, 2}, {1, -2, 3, -4});
}

TEST(DataShapes, Slice) {
  Shapes m;
  Expr starts = m.fed("starts", 1), ends = m.fed("ends", 1), steps = m.fed("steps", 1);
  Expr y = make(m.scope, "Slice", {m.x, starts, ends, constant_ints(m.scope, {0}), steps});
  Expr g = m.gradients(y * y, {m.x})[0];
  std::vector<Expr> feeds{m.x, starts, ends, steps};
  Tensor value = numbers({1, 2, 3, 4, 5});
  m.expect(feeds, {value, ints({1}), ints({100}), ints({2})}, y, {2}, {2, 4});
  m.expect(feeds, {value, ints({-1}), ints({-100}), ints({-2})}, y, {3}, {5, 3, 1});
  m.expect(feeds, {value, ints({-1}), ints({-100}), ints({-2})}, g, {5}, {2, 0, 6, 0, 10});
  Expr head = make(m.scope, "Slice", {m.x, constant_ints(m.scope, {0}), unsqueeze(m.positives(), {0})});
  m.expect({m.x}, {numbers({1, -2, 3, -4})}, head, {2}, {1, -2});
  m.expect({m.x}, {numbers({-1})}, head, {0}, {});
}

TEST(DataShapes, Expand) {
  Shapes m;
  Expr shape = m.fed("shape", 2);
  Expr y = make(m.scope, "Expand", {m.x, shape});
  Expr g = m.gradients(y, {m.x})[0];
  m.expect({m.x, shape}, {numbers({1, 2}), ints({3, 1})}, y, {3, 2}, {1, 2, 1, 2, 1, 2});
  m.expect({m.x, shape}, {numbers({1, 2}), ints({3, 2})}, g, {2}, {3, 3});
  m.expect({m.x, shape}, {numbers({7}), ints({0, 2})}, g, {1}, {0});
  Expr rows = concat({unsqueeze(m.positives(), {0}), constant_ints(m.scope, {1})}, 0);
  m.expect({m.x}, {numbers({1, 2})}, make(m.scope, "Expand", {m.x, rows}), {2, 2}, {1, 2, 1, 2});
}

TEST(DataShapes, Tile) {
  Shapes m;
  Expr repeats = m.fed("repeats", 1);
  Expr y = make(m.scope, "Tile", {m.x, repeats});
  Expr g = m.gradients(y, {m.x})[0];
  m.expect({m.x, repeats}, {numbers({1, 2}), ints({3})}, y, {6}, {1, 2, 1, 2, 1, 2});
  m.expect({m.x, repeats}, {numbers({1, 2}), ints({0})}, y, {0}, {});
  m.expect({m.x, repeats}, {numbers({1, 2}), ints({3})}, g, {2}, {3, 3});
  Expr computed = make(m.scope, "Tile", {m.x, unsqueeze(m.positives(), {0})});
  m.expect({m.x}, {numbers({1, 2, -1})}, computed, {6}, {1, 2, -1, 1, 2, -1});
}

TEST(DataShapes, OneHot) {
  Shapes m;
  Expr depth = m.fed_scalar("depth"), off_on = constant(m.scope, numbers({0, 1}));
  Expr y = make(m.scope, "OneHot", {constant_ints(m.scope, {1, -1}), depth, off_on});
  m.expect({depth}, {whole(3)}, y, {2, 3}, {0, 1, 0, 0, 0, 1});
  m.expect({depth}, {whole(0)}, y, {2, 0}, {});
  expect_error(m.run({depth}, {whole(-1)}, {y}).status(), Code::kInvalidArgument, "depth is -1");
  Expr computed = make(m.scope, "OneHot", {constant_ints(m.scope, {0}), m.positives(), off_on});
  m.expect({m.x}, {numbers({4, 4})}, computed * 3.0, {1, 2}, {3, 0});
}

TEST(DataShapes, TopK) {
  Shapes m;
  Expr k = m.fed("k", 1);
  Expr y = make(m.scope, "TopK", {m.x, k});
  Expr g = m.gradients(y * y, {m.x})[0];
  Tensor value = numbers({3, 9, 5});
  m.expect({m.x, k}, {value, ints({2})}, y, {2}, {9, 5});
  m.expect({m.x, k}, {value, ints({2})}, g, {3}, {0, 18, 10});
  m.expect({m.x, k}, {value, ints({0})}, g, {3}, {0, 0, 0});
  expect_error(m.run({m.x, k}, {value, ints({4})}, {y}).status(), Code::kInvalidArgument, "K is 4");
  Expr computed = make(m.scope, "TopK", {m.x, unsqueeze(m.positives(), {0})});
  m.expect({m.x}, {numbers({-3, 9, 5})}, computed, {2}, {9, 5});
}

TEST(DataShapes, Pad) {
  Shapes m;
  Expr pads = m.fed("pads", 2);
  Expr y = make(m.scope, "Pad", {m.x, pads});
  Expr g = m.gradients(y * y, {m.x})[0];
  m.expect({m.x, pads}, {numbers({1, 2}), ints({1, 2})}, y, {5}, {0, 1, 2, 0, 0});
  m.expect({m.x, pads}, {numbers({1, 2, 3}), ints({-1, 1})}, g, {3}, {0, 4, 6});
  Expr computed = make(m.scope, "Pad", {m.x, concat({constant_ints(m.scope, {0}), unsqueeze(m.positives(), {0})}, 0)});
  m.expect({m.x}, {numbers({1, 2, -1})}, computed, {5}, {1, 2, -1, 0, 0});
}

TEST(DataShapes, OutputsOfSeveralSegmentsKeepTheirOrder) {
  Shapes m;
  Expr early = m.x + 1.0, places = make(m.scope, "NonZero", {m.x});
  Expr late = make(m.scope, "Gather", {m.x, squeeze(places, {0})}) * 2.0;
  Expr later = make(m.scope, "Tile", {m.x, make(m.scope, "Shape", {late})});
  auto out = m.run({m.x}, {numbers({0, 3})}, {later, m.x, late, places, early, late});
  ASSERT_TRUE(out.ok()) << out.status().text();
  std::vector<Tensor> wanted{numbers({0, 3}), numbers({0, 3}), numbers({6}), *ints({1}).reshaped({1, 1}),
                             numbers({1, 4}), numbers({6})};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE((*out)[i].same_bits(wanted[i])) << "output " << i;
}

TEST(DataShapes, PreparedCallsFollowTheValues) {
  Shapes m;
  Expr shape = m.fed("shape", 1), y = make(m.scope, "Expand", {unsqueeze(m.x, {1}), shape}) * 2.0;
  m.session = *Session::make(m.graph, {});
  auto call = *m.session->prepare({{m.x.id(), shape.id()}, {y.id()}, {}});
  Tensor value = numbers({1, 2}), wanted = ints({1});
  ASSERT_TRUE(call->bind_input(0, value).ok());
  ASSERT_TRUE(call->bind_input(1, wanted).ok());
  for (int64_t width : {1, 3, 2, 3}) {
    *wanted.as<int64_t>() = width;
    Status status = call->run({});
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_EQ((*call->output(0)).shape(), (Shape{2, width}));
    EXPECT_EQ((*call->output(0)).as<double>()[2 * width - 1], 4);
  }
}

// Shapes and sizes that only a run tells, and that do not fit each other.
TEST(DataShapes, BodiesCheckWhatIsFed) {
  Shapes m;
  Expr image = m.input("image", DType::kF64, {Dim(1), Dim::symbol("channels"), Dim(2)});
  Expr scale = m.input("scale", DType::kF64, {Dim::symbol("scales")}),
       bias = m.input("bias", DType::kF64, {Dim::symbol("biases")});
  Expr normal = make(m.scope, "InstanceNormalization", {image, scale, bias});
  const Tensor one = *numbers({1, 3}).reshaped({1, 1, 2}), two = *numbers({1, 3, 5, 2}).reshaped({1, 2, 2});
  const auto status = [&m](const std::vector<Expr>& feeds, const std::vector<Tensor>& given, Expr y) {
    return m.run(feeds, given, {y}).status();
  };
  EXPECT_TRUE(status({image, scale, bias}, {two, numbers({1, 2}), numbers({0, 1})}, normal).ok());
  expect_error(status({image, scale, bias}, {one, numbers({1, 2, 3}), numbers({0, 1, 2})}, normal),
               Code::kInvalidArgument, "input 1 must have one number for each channel, 1 of them, but is f64[3]");
  Expr grouped = make(m.scope, "GroupNormalization", {image, scale, bias}, {{"num_groups", int64_t{1}}});
  expect_error(status({image, scale, bias}, {two, numbers({1, 2}), numbers({0})}, grouped), Code::kInvalidArgument,
               "input 2 must have one number for each channel, 2 of them, but is f64[1]");

  Expr theta = m.input("theta", DType::kF64, {Dim::symbol("n"), Dim(2), Dim(3)}), size = m.fed("size", 4);
  Expr grid = make(m.scope, "AffineGrid", {theta, size});
  const Tensor maps = *numbers({1, 0, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0}).reshaped({2, 2, 3});
  m.expect({theta, size}, {maps, ints({2, 1, 1, 1})}, grid, {2, 1, 1, 2}, {0, 0, 0, 0});
  expect_error(status({theta, size}, {maps, ints({3, 1, 1, 1})}, grid), Code::kInvalidArgument,
               "'size' is for 3 images but 'theta' is f64[2, 2, 3]");

  Expr any(m.scope, *m.graph->add_input("any", ValueType::unranked(DType::kF64)));
  Expr eye = make(m.scope, "EyeLike", {any});
  m.expect({any}, {*two.reshaped({2, 2})}, eye, {2, 2}, {1, 0, 0, 1});
  expect_error(status({any}, {two}, eye), Code::kInvalidArgument, "must have two dimensions but is f64[1, 2, 2]");
}

}  // namespace
}  // namespace weft
