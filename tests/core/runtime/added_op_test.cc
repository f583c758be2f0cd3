// Operators of programs' own: random numbers in their bodies, bodies in sub-graphs and of each other, halves, and how
// often functions are called.
#include "core/graph/function_body.h"
#include "core/op/schema.h"
#include "tests/core/runtime/subgraph_common.h"

namespace weft {

void define_all_ops(OpRegistry& ops);

namespace {

using Build = std::function<Expr(Expr x)>;

// The library's operators and these, apart from those that other tests look at.
class AddedOp : public testing::Test {
 protected:
  AddedOp() { define_all_ops(ops_); }

  // com.acme.<name>, from x of a type T to y of the same.
  void add(const char* name, const char* types, Build build) {
    Result<Schema> schema = Schema::make(cat("com.acme.", name), 1, "");
    ASSERT_TRUE(schema.ok()) << schema.status().text();
    Formal formal;
    formal.name = "x";
    formal.type = "T";
    EXPECT_TRUE(schema->add_type("T", types).ok() && schema->add_input(formal).ok() && schema->add_output(formal).ok());
    Result<std::unique_ptr<OpDef>> op = schema->define();
    ASSERT_TRUE(op.ok()) << op.status().text();
    (*op)->body_function(function_body({},
                                       [build](const std::shared_ptr<Graph>& graph, const std::vector<ValueId>& inputs,
                                               const Attrs&, std::vector<ValueId>* outputs) -> Status {
                                         ExprScope scope(*graph);
                                         (*outputs)[0] = build(Expr(scope, inputs[0])).id();
                                         return scope.status();
                                       }));
    EXPECT_TRUE(ops_.publish(std::move(*op)).ok());
  }

  OpRegistry ops_;
};

Expr noisy(Expr x) { return x * make(x.scope(), "RandomNormalLike", {x}); }

// What weft.RandomNormal draws, as RandomNormalLike without a seed does in a node of that name.
Expr drawn(Expr x, const char* stream) {
  return make(x.scope(), "weft.RandomNormal", {shape_of(x), constant_int(x.scope(), 0)},
              {{"dtype", static_cast<int64_t>(x.dtype())}, {"stream", stream}});
}

TEST_F(AddedOp, GradientSeesTheRandomNumbersOfTheValue) {
  add("Noisy", "f32, f64", noisy);
  TestModel m(ops_);
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n")});
  Expr y = make(m.scope, "com.acme.Noisy", {x}, {}, "drop");
  Expr slope = m.gradients(y, {x})[0], noise = drawn(x, "drop/RandomNormalLike");
  Result<std::vector<Tensor>> out = m.run({x}, {numbers({1, 2, 4})}, {y, slope, noise});
  ASSERT_TRUE(out.ok()) << out.status().text();
  const double *value = (*out)[0].as<double>(), *gradient = (*out)[1].as<double>(), *wanted = (*out)[2].as<double>();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(gradient[i], wanted[i]);
    EXPECT_EQ(value[i], wanted[i] * (1 << i));
  }
}

TEST_F(AddedOp, RandomNumbersAreNamedThroughBodiesInBodies) {
  add("Noisy", "f32, f64", noisy);
  add("Twice", "f64", [](Expr x) {
    const Expr once = make(x.scope(), "com.acme.Noisy", {x});
    return make(x.scope(), "com.acme.Noisy", {once});
  });
  TestModel m(ops_);
  Expr x = m.input("x", DType::kF64, {2});
  Expr y = make(m.scope, "com.acme.Twice", {x}, {}, "outer");
  Expr slope = m.gradients(y, {x})[0];
  Expr noise = drawn(x, "outer/Noisy/RandomNormalLike") * drawn(x, "outer/Noisy_1/RandomNormalLike");
  Result<std::vector<Tensor>> out = m.run({x}, {numbers({1, 1})}, {y, slope, noise});
  ASSERT_TRUE(out.ok()) << out.status().text();
  for (int i = 0; i < 2; ++i) {
    EXPECT_NEAR((*out)[0].as<double>()[i], (*out)[2].as<double>()[i], 1e-12);
    EXPECT_NEAR((*out)[1].as<double>()[i], (*out)[2].as<double>()[i], 1e-12);
  }
}

TEST_F(AddedOp, WorksInTheBodyOfALoop) {
  add("Square", "f64", [](Expr x) { return x * x; });
  TestModel m(ops_);
  Expr x = m.input("x", DType::kF64, {2});
  LoopBody body(m.graph, {x});
  body.returns({body.condition, make(*body.scope, "com.acme.Square", {body.carried[0]})});
  Expr y = loop(m.scope, constant_int(m.scope, 2), Expr(), {x}, body)[0];
  EXPECT_EQ(m.values({x}, {numbers({2, 3})}, y), (Values{16, 81}));
  EXPECT_EQ(m.values({x}, {numbers({2, 3})}, m.gradients(y, {x})[0]), (Values{32, 108}));  // 4 x^3
}

// The body sees constants as such: what it says of shapes may depend on them.
TEST_F(AddedOp, BodyKnowsSizes) {
  std::vector<std::string> seen;
  add("Flat", "f64", [&seen](Expr x) {
    seen.push_back(x.type().text());
    return reshape(x, constant_ints(x.scope(), {-1}));
  });
  TestModel m(ops_);
  Expr x = m.input("x", DType::kF64, {Dim::symbol("n"), 3});
  Expr y = make(m.scope, "com.acme.Flat", {x});
  EXPECT_EQ(y.type().text(), "f64[3*n]");
  EXPECT_EQ(seen, std::vector<std::string>{"f64[n, 3]"});  // adding a node calls it once
  Result<Tensor> value = Tensor::from_bytes(DType::kF64, {1, 3}, std::vector<double>{5, 6, 7}.data(), 24);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(m.values({x}, {*value}, y), (Values{5, 6, 7}));
}

TEST_F(AddedOp, HalvesAreComputedWide) {
  add("Grow", "f16, f32", [](Expr x) { return (x * 1000.0) * 1000.0 / 1000000.0; });  // f16 ends at 65504
  TestModel m(ops_);
  Expr x = m.input("x", DType::kF64, {2});
  Expr y = cast(make(m.scope, "com.acme.Grow", {cast(x, DType::kF16)}), DType::kF64);
  EXPECT_EQ(m.values({x}, {numbers({1, 3})}, y), (Values{1, 3}));
}

TEST_F(AddedOp, ErrorsOfTheBodyNameTheNode) {
  add("Broken", "f64", [](Expr x) {
    return make(x.scope(), "MatMul", {x, constant(x.scope(), Tensor::scalar<float>(1))});
  });
  TestModel m(ops_);
  Expr x = m.input("x", DType::kF64, {2});
  m.scope.set_origin("user.py:3");
  (void)make(m.scope, "com.acme.Broken", {x}, {}, "mine");
  EXPECT_EQ(m.scope.status().node(), "mine");
  EXPECT_EQ(m.scope.status().op(), "com.acme.Broken");
  EXPECT_EQ(m.scope.status().origin(), "user.py:3");
  expect_error(m.scope.status(), Code::kInvalidArgument, "its body cannot be built: ");
  expect_error(m.scope.status(), Code::kInvalidArgument, "[MatMul");
}

TEST_F(AddedOp, AttributesAreHeldAsFilesHaveThem) {
  Result<Schema> schema = Schema::make("com.acme.Held", 1, "");
  ASSERT_TRUE(schema.ok());
  Formal formal;
  formal.name = "x";
  formal.type = "f32";
  EXPECT_TRUE(schema->add_input(formal).ok() && schema->add_output(formal).ok());
  AttrDef def{};
  def.name = "alpha";
  def.kind = AttrKind::kFloat;
  def.default_value = 0.1;
  EXPECT_TRUE(schema->add_attr(std::move(def)).ok());
  Result<std::unique_ptr<OpDef>> op = schema->define();
  ASSERT_TRUE(op.ok());
  double held = 0;
  (*op)->body_function(function_body({},
                                     [&held](const std::shared_ptr<Graph>&, const std::vector<ValueId>& inputs,
                                             const Attrs& attrs, std::vector<ValueId>* outputs) -> Status {
                                       held = attrs.f("alpha");
                                       (*outputs)[0] = inputs[0];
                                       return {};
                                     }));
  EXPECT_TRUE(ops_.publish(std::move(*op)).ok());
  TestModel m(ops_);
  (void)make(m.scope, "com.acme.Held", {m.input("x", DType::kF32, {})});
  EXPECT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(held, double{0.1f});
}

}  // namespace
}  // namespace weft
