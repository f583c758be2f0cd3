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

// Numbers that f32 holds, and that differ enough to tell places apart.
std::vector<float> spread(int64_t count, int64_t step) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i * step % 7 - 3) / 8);
  return values;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 2e-6) << "at " << i;
}

// What PyTorch 2.15's nn.LSTM and nn.GRU give, whose gates have another order, with batch_first and bidirectional.
struct Recurrent {
  const char* type;
  int64_t gates;
  std::vector<float> states;  // [2, 2, 2 * 2]
};

class RecurrentLayers : public testing::TestWithParam<Recurrent> {};

TEST_P(RecurrentLayers, GiveTheStatesOfPyTorch) {
  const int64_t rows = GetParam().gates * 2;
  auto run = [&](int64_t sequences) {
    Model m;
    ValueId x = m.input({Dim::symbol("n"), Dim::symbol("t"), 3});
    auto layer =
        m.layer(GetParam().type, {{"inputs", 3}, {"units", 2}, {"bidirectional", 1}, {"sequences", sequences}});
    ValueId y = (*layer->call({x}, false, ""))[0];
    EXPECT_EQ(m.graph->type(y).text(), sequences == 1 ? "f32[n, t, 4]" : "f32[n, 4]");
    m.set("layer/kernel", {2, rows, 3}, spread(2 * rows * 3, 5));
    m.set("layer/recurrent_kernel", {2, rows, 2}, spread(2 * rows * 2, 2));
    m.set("layer/bias", {2, rows}, spread(2 * rows, 4));
    if (GetParam().gates == 3) m.set("layer/recurrent_bias", {2, rows}, spread(2 * rows, 6));
    return m.run(x, y, tensor({2, 2, 3}, spread(2 * 2 * 3, 3)));
  };
  const std::vector<float>& y = GetParam().states;
  expect_near(run(1), y);
  // Of each sequence the forward state after its last step, and the backward one after its first.
  expect_near(run(0), {y[4], y[5], y[2], y[3], y[12], y[13], y[10], y[11]});
}

INSTANTIATE_TEST_SUITE_P(Kinds, RecurrentLayers,
                         testing::Values(Recurrent{"LSTM",
                                                   4,
                                                   {-0.03860611f, -0.07726883f, -0.1135978f, 0.07020477f, -0.01657387f,
                                                    -0.1081741f, -0.07481091f, 0.04164813f, 0, -0.1331379f, -0.1968035f,
                                                    -0.01316971f, 0.01013911f, -0.2190335f, -0.1457305f, 0.0032647f}},
                                         Recurrent{
                                             "GRU",
                                             3,
                                             {-0.1960948f, 0.03754817f, 0.3199707f, -0.2215569f, -0.1117288f,
                                              0.1265393f, 0.09633087f, -0.05105981f, -0.04425609f, 0.1331244f, 0.34858f,
                                              -0.09154228f, -0.1154398f, 0.1952526f, 0.2271989f, -0.1108841f}}),
                         [](const auto& info) { return std::string(info.param.type); });

TEST(Layers, RecurrentOnesSayWhatInputTheyWant) {
  Model m;
  Result<std::vector<ValueId>> made =
      m.layer("GRU", {{"inputs", 3}, {"units", 2}})->call({m.input({Dim::symbol("n"), 3})}, false, "");
  EXPECT_NE(made.status().text().find("the input must be [batch, steps, inputs] but is f32[n, 3]"), std::string::npos)
      << made.status().text();
}

TEST(Layers, DirectionsOfARecurrentLayerBeginApart) {
  Model m;
  m.layer("LSTM", {{"inputs", 3}, {"units", 2}, {"bidirectional", 1}});
  for (const char* name : {"layer/kernel", "layer/recurrent_kernel"}) {
    Tensor w = *m.session->get_variable(name);
    const float* first = w.as<float>();
    EXPECT_FALSE(std::equal(first, first + w.count() / 2, first + w.count() / 2)) << name;
  }
  // Orthogonal: the columns of a direction's [4 * 2, 2] matrix have the length 1.
  Tensor w = *m.session->get_variable("layer/recurrent_kernel");
  float squares = 0;
  for (int64_t i = 0; i < 8; ++i) squares += w.as<float>()[16 + 2 * i] * w.as<float>()[16 + 2 * i];
  EXPECT_NEAR(squares, 1, 1e-5);
}

// PyTorch 2.15's nn.MultiheadAttention, whose weights are the transposes.
TEST(Layers, SelfAttentionGivesThatOfPyTorch) {
  auto run = [](int64_t causal) {
    Model m;
    ValueId x = m.input({Dim::symbol("n"), Dim::symbol("t"), 4});
    auto layer = m.layer("SelfAttention", {{"units", 4}, {"heads", 2}, {"causal", causal}});
    ValueId y = (*layer->call({x}, false, ""))[0];
    EXPECT_EQ(m.graph->type(y).text(), "f32[n, t, 4]");
    m.set("layer/kernel", {4, 12}, spread(48, 5));
    m.set("layer/bias", {12}, spread(12, 4));
    m.set("layer/out_kernel", {4, 4}, spread(16, 2));
    m.set("layer/out_bias", {4}, spread(4, 6));
    return m.run(x, y, tensor({1, 3, 4}, spread(12, 3)));
  };
  expect_near(run(0), {-0.4074487f, 0.334435f, 0.3740349f, 0.2357294f, -0.4082114f, 0.3333701f, 0.3730015f, 0.2365599f,
                       -0.4064785f, 0.3353778f, 0.3741156f, 0.2352506f});
  expect_near(run(1), {-0.4277344f, 0.2792969f, 0.4804688f, 0.2441406f, -0.4414498f, 0.2933752f, 0.3919087f, 0.2552769f,
                       -0.4064785f, 0.3353778f, 0.3741156f, 0.2352506f});
}

// nn.GroupNorm and nn.RMSNorm.
TEST(Layers, GroupNormAndRmsNormGiveThoseOfPyTorch) {
  {
    Model m;
    ValueId x = m.input({Dim::symbol("n"), 4, 2});
    auto layer = m.layer("GroupNorm", {{"channels", 4}, {"groups", 2}});
    ValueId y = (*layer->call({x}, false, ""))[0];
    m.set("layer/scale", {4}, spread(4, 3));
    m.set("layer/bias", {4}, spread(4, 5));
    expect_near(m.run(x, y, tensor({1, 4, 2}, spread(8, 3))),
                {0.1012814f, -0.4182983f, 0.25f, 0.25f, 0.4547201f, -0.272832f, -0.340944f, -0.09842665f});
  }
  Model m;
  ValueId x = m.input({Dim::symbol("n"), 4});
  auto layer = m.layer("RMSNorm", {{"units", 4}});
  ValueId y = (*layer->call({x}, false, ""))[0];
  m.set("layer/scale", {4}, spread(4, 3));
  expect_near(m.run(x, y, tensor({2, 4}, spread(8, 3))),
              {0.5161507f, 0, 0.5161507f, 0.05735007f, -0.3535283f, 0, 0.1767641f, 0.1767641f});
}

// Through all of them at once, with numbers of steps that only the run knows.
TEST(Layers, SequencesAreLearned) {
  Model m;
  ExprScope scope(*m.graph);
  auto add = [&](const char* type, const char* name, Attrs attrs, ValueId x) {
    auto layer = Layer::make(m.graph, builtin_layers(), type, std::move(attrs), name, "");
    EXPECT_TRUE(layer.ok()) << layer.status().text();
    auto y = (*layer)->call({x}, true, "");
    EXPECT_TRUE(y.ok()) << y.status().text();
    return (*y)[0];
  };
  ValueId x = m.input({Dim::symbol("n"), Dim::symbol("t"), 3});
  ValueId h = add("LSTM", "lstm", {{"inputs", 3}, {"units", 4}, {"bidirectional", 1}, {"seed", 1}}, x);
  h = add("SelfAttention", "attention", {{"units", 8}, {"heads", 2}, {"seed", 2}}, h);
  h = add("RMSNorm", "norm", {{"units", 8}}, h);
  h = add("GRU", "gru", {{"inputs", 8}, {"units", 4}, {"sequences", 0}, {"seed", 3}}, h);
  h = add("Dense", "dense", {{"inputs", 4}, {"units", 1}, {"seed", 4}}, h);
  Expr wanted = reduce_sum(Expr(scope, x), {1, 2}, false);
  Expr error = reshape(Expr(scope, h), constant_ints(scope, {-1})) - wanted;
  Expr loss = reduce_sum(error * error, {0}, false);
  auto step = add_train_step(*m.graph, {"Adam", 0.02, {}, 0}, loss.id(), {}, kNoValue, "", differentiate);
  ASSERT_TRUE(step.ok()) << step.status().text();
  std::vector<Tensor> out;
  float first = 0, last = 0;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(m.session->run({{x}, {loss.id()}, {*step}}, {tensor({4, 5, 3}, spread(60, 3))}, {}, &out).ok());
    (i == 0 ? first : last) = *out[0].as<float>();
  }
  EXPECT_LT(last, 0.1f * first);
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
  EXPECT_NE(
      m.error("GroupNorm", {{"channels", 6}, {"groups", 4}}).text().find("'groups' is 4 but must divide 'channels', 6"),
      std::string::npos);
  EXPECT_NE(
      m.error("SelfAttention", {{"units", 6}, {"heads", 4}}).text().find("'heads' is 4 but must divide 'units', 6"),
      std::string::npos);
  EXPECT_NE(m.error("LSTM", {{"inputs", 3}, {"units", 0}}).text().find("'units' 0; both must be from 1"),
            std::string::npos);
  EXPECT_NE(m.error("GRU", {{"inputs", 3}, {"units", int64_t{1} << 40}}).text().find("2^30"), std::string::npos);
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
