// Layers: what they compute, the variables they make, training beside inference, wrong attributes.
#include <gtest/gtest.h>

#include <cmath>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "core/train/optimizer.h"

namespace weft {
namespace {

struct Model {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  std::shared_ptr<Session> session = *Session::make(graph, {});

  ValueId input(Dims dims) { return *graph->add_input("x", ValueType::tensor(DType::kF32, std::move(dims))); }
  std::shared_ptr<Layer> layer(const char* type, Attrs attrs) {
    Result<std::shared_ptr<Layer>> made = Layer::make(graph, builtin_layers(), type, std::move(attrs), "layer", "here");
    EXPECT_TRUE(made.ok()) << made.status().text();
    return *made;
  }
  Status error(const char* type, Attrs attrs) {
    return Layer::make(graph, builtin_layers(), type, std::move(attrs), "layer", "here").status();
  }
  std::vector<float> run(ValueId x, ValueId y, const Tensor& feed) {
    std::vector<Tensor> out;
    Status status = session->run({{x}, {y}, {}}, {feed}, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    return std::vector<float>(out[0].as<float>(), out[0].as<float>() + out[0].count());
  }
  void set(const char* name, const Shape& shape, const std::vector<float>& values) {
    Status status = session->set_variable(
        name, *Tensor::from_bytes(DType::kF32, shape, values.data(), static_cast<int64_t>(values.size() * 4)));
    EXPECT_TRUE(status.ok()) << status.text();
  }
};

Tensor tensor(Shape shape, const std::vector<float>& values) {
  return *Tensor::from_bytes(DType::kF32, std::move(shape), values.data(), static_cast<int64_t>(values.size() * 4));
}

TEST(Layers, DenseIsAMatrixProductAndABias) {
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 2});
  auto layer = m.layer("Dense", {{"inputs", 2}, {"units", 2}, {"activation", "relu"}});
  ValueId y = (*layer->call({x}, false, ""))[0];
  m.set("layer/kernel", {2, 2}, {1, 2, 3, 4});
  m.set("layer/bias", {2}, {10, -100});
  EXPECT_EQ(m.run(x, y, tensor({1, 2}, {1, 1})), (std::vector<float>{14, 0}));
}

TEST(Layers, Conv2dSlidesItsKernel) {
  Model m;
  ValueId x = m.input({1, 1, 3, 3});
  auto layer = m.layer("Conv2d", {{"inputs", 1}, {"filters", 1}, {"kernel", std::vector<int64_t>{2}}});
  ValueId y = (*layer->call({x}, false, ""))[0];
  m.set("layer/kernel", {1, 1, 2, 2}, {1, 0, 0, 1});
  m.set("layer/bias", {1}, {100});
  // Each element plus the one below to the right.
  EXPECT_EQ(m.run(x, y, tensor({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})), (std::vector<float>{106, 108, 112, 114}));
}

TEST(Layers, Conv2dKnowsItsShapes) {
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 4, 8, 6});
  auto shape = [&](Attrs attrs) {
    std::string name = cat("c", m.graph->node_count());
    auto layer = Layer::make(m.graph, builtin_layers(), "Conv2d", std::move(attrs), name, "");
    EXPECT_TRUE(layer.ok()) << layer.status().text();
    return m.graph->type((*(*layer)->call({x}, false, ""))[0]).text();
  };
  using Ints = std::vector<int64_t>;
  EXPECT_EQ(shape({{"inputs", 4}, {"filters", 5}, {"kernel", Ints{3}}, {"pads", Ints{1}}}), "f32[n, 5, 8, 6]");
  EXPECT_EQ(shape({{"inputs", 4}, {"filters", 5}, {"kernel", Ints{3, 1}}, {"strides", Ints{2}}}), "f32[n, 5, 3, 3]");
  EXPECT_EQ(shape({{"inputs", 4}, {"filters", 8}, {"kernel", Ints{3}}, {"groups", 4}, {"same", 1}}), "f32[n, 8, 8, 6]");
  EXPECT_EQ(shape({{"inputs", 4}, {"filters", 2}, {"kernel", Ints{1}}, {"pads", Ints{1, 0, 2, 0}}}),
            "f32[n, 2, 11, 6]");
}

TEST(Layers, BatchNormTrainsOnTheBatchAndMovesItsAverages) {
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 1});
  auto layer = m.layer("BatchNorm", {{"channels", 1}, {"momentum", 0.5}, {"epsilon", 0.0}});
  ValueId train = (*layer->call({x}, true, ""))[0], infer = (*layer->call({x}, false, ""))[0];
  Tensor batch = tensor({2, 1}, {1, 5});  // mean 3, variance 4
  EXPECT_EQ(m.run(x, infer, batch), (std::vector<float>{1, 5}));
  EXPECT_EQ(m.run(x, train, batch), (std::vector<float>{-1, 1}));
  EXPECT_EQ(*(*m.session->get_variable("layer/mean")).as<float>(), 1.5f);
  EXPECT_EQ(*(*m.session->get_variable("layer/variance")).as<float>(), 2.5f);
  std::vector<float> after = m.run(x, infer, batch);
  EXPECT_FLOAT_EQ(after[0], (1 - 1.5f) / std::sqrt(2.5f));
  EXPECT_FLOAT_EQ(after[1], (5 - 1.5f) / std::sqrt(2.5f));
  EXPECT_EQ(*(*m.session->get_variable("layer/mean")).as<float>(), 1.5f) << "inference moves nothing";
}

TEST(Layers, BatchNormUsedTwiceInOneRunMovesItsAveragesTwice) {
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 1});
  auto layer = m.layer("BatchNorm", {{"channels", 1}, {"momentum", 0.5}});
  ValueId once = (*layer->call({x}, true, ""))[0], twice = (*layer->call({x}, true, ""))[0];
  std::vector<Tensor> out;
  ASSERT_TRUE(m.session->run({{x}, {once, twice}, {}}, {tensor({2, 1}, {1, 5})}, {}, &out).ok());
  EXPECT_EQ(*(*m.session->get_variable("layer/mean")).as<float>(), 2.25f);  // 0 -> 1.5 -> 2.25
}

TEST(Layers, BatchNormTrains) {
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 1});
  auto layer = m.layer("BatchNorm", {{"channels", 1}});
  ExprScope scope(*m.graph);
  Expr y(scope, (*layer->call({x}, true, ""))[0]);
  Expr loss = reduce_sum((y - 1.0) * (y - 1.0), {0, 1}, false);
  auto step = add_train_step(*m.graph, {"Sgd", 0.01, {}, 0}, loss.id(), {}, kNoValue, "", differentiate);
  ASSERT_TRUE(step.ok()) << step.status().text();
  std::vector<Tensor> out;
  float first = 0, last = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(m.session->run({{x}, {loss.id()}, {*step}}, {tensor({4, 1}, {1, 5, 2, 7})}, {}, &out).ok());
    (i == 0 ? first : last) = *out[0].as<float>();
  }
  EXPECT_LT(last, 0.2f * first);
  EXPECT_NE(*(*m.session->get_variable("layer/mean")).as<float>(), 0.0f);
}

TEST(Layers, LayerNormNormalizesRows) {
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 2});
  auto layer = m.layer("LayerNorm", {{"units", 2}, {"epsilon", 0.0}});
  ValueId y = (*layer->call({x}, true, ""))[0];
  EXPECT_EQ(m.run(x, y, tensor({2, 2}, {1, 3, -10, 10})), (std::vector<float>{-1, 1, -1, 1}));
}

TEST(Layers, SayWhichAttributeIsWrong) {
  Model m;
  using Ints = std::vector<int64_t>;
  EXPECT_NE(
      m.error("Conv2d", {{"inputs", 3}, {"filters", 4}, {"kernel", Ints{3}}, {"groups", 2}}).text().find("groups"),
      std::string::npos);
  EXPECT_NE(m.error("Conv2d", {{"inputs", 3}, {"filters", 4}, {"kernel", Ints{3, 3, 3}}}).text().find("kernel"),
            std::string::npos);
  EXPECT_NE(m.error("Conv2d", {{"inputs", 3}, {"filters", 4}}).text().find("kernel"), std::string::npos);
  EXPECT_NE(m.error("BatchNorm", {{"channels", 0}}).text().find("channels"), std::string::npos);
  EXPECT_EQ(m.error("Densse", {}).code(), Code::kNotFound);
}

TEST(Layers, InitialValuesTakeNumbers) {
  Model m;
  m.layer("Dense", {{"inputs", int64_t{1000}},
                    {"units", int64_t{10}},
                    {"kernel_init", "normal(0.02)"},
                    {"bias_init", "constant(0.5)"}});
  Tensor bias = *m.session->get_variable("layer/bias");
  EXPECT_EQ(bias.as<float>()[9], 0.5f);
  Tensor kernel = *m.session->get_variable("layer/kernel");
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < kernel.count(); ++i) {
    double x = kernel.as<float>()[i];
    sum += x;
    squares += x * x;
  }
  // Five standard errors.
  EXPECT_NEAR(sum / 10000, 0, 5 * 0.02 / 100);
  EXPECT_NEAR(std::sqrt(squares / 10000), 0.02, 5 * 0.02 / std::sqrt(20000));
}

TEST(Layers, WrongNamesAreRefusedWhenTheLayerIsMade) {
  Model m;
  auto text = [&](Attrs attrs) {
    attrs.set("inputs", int64_t{2});
    attrs.set("units", int64_t{2});
    return m.error("Dense", std::move(attrs)).text();
  };
  EXPECT_NE(text({{"activation", "rleu"}}).find("'activation' is 'rleu' but must be"), std::string::npos);
  EXPECT_NE(text({{"kernel_init", "normal"}}).find("'normal' is no initial value"), std::string::npos);
}

TEST(Layers, OneThatFailsLeavesItsNamesToTheNext) {
  Model m;
  EXPECT_EQ(m.error("Dense", {{"inputs", 2}, {"units", 2}, {"bias_init", "zeroes"}}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(m.graph->variables().empty());
  auto layer = m.layer("Dense", {{"inputs", 2}, {"units", 2}});
  EXPECT_EQ(layer->variables().size(), 2u);
}

// Of 2^82 weights, too, the initial value wants to know how many go in and out.
TEST(Layers, WeightsThatNoMemoryHoldsAreAnError) {
  Model m;
  const std::vector<int64_t> kernel(2, int64_t{1} << 40);
  Status status = m.error("Conv2d", {{"inputs", 2}, {"filters", 2}, {"kernel", kernel}});
  if (status.ok()) status = m.session->get_variable("layer/kernel").status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), Code::kInternal) << status.text();
}

TEST(Layers, InitialValuesThatNoMemoryHoldsAreAnError) {
  for (const char* kind : {"zeros", "he_normal", "orthogonal"}) {
    Model m;
    ExprScope scope(*m.graph);
    const Attrs attrs{{"kind", kind}, {"shape", std::vector<int64_t>{2, 2, int64_t{1} << 40, int64_t{1} << 40}}};
    const Expr value = make(scope, "weft.InitialValue", std::vector<Expr>(), attrs);
    Status status = scope.status();
    std::vector<Tensor> out;
    if (status.ok()) status = m.session->run({{}, {value.id()}, {}}, {}, {}, &out);
    EXPECT_FALSE(status.ok()) << kind;
    EXPECT_NE(status.code(), Code::kInternal) << status.text();
  }
}

}  // namespace
}  // namespace weft
