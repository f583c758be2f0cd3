// What each layer of the C++ header gives for a few numbers, with weights of ones.
#include <algorithm>

#include "support.h"

namespace {

using weft::Tensor;
using weft::Value;

struct Layers : NoLeaks {
  weft::Graph graph;

  Value floats(const weft::Shape& shape, const std::vector<float>& values) {
    return graph.constant(Tensor::from(shape, values));
  }

  void gives(const Value& y, const weft::Shape& shape, const std::vector<float>& wanted) const {
    const Tensor found = weft::Session(graph).run({}, {y})[0];
    ASSERT_EQ(found.shape(), shape);
    const std::vector<float> numbers = found.to_vector<float>();
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(numbers[i], wanted[i], 1e-5) << i;
  }
};

TEST_F(Layers, SumsOfWhatIsUnderTheKernel) {
  weft::layers::Conv2dAttrs attrs{1, 1, {2}};
  attrs.kernel_init = "ones";
  weft::layers::Conv2d conv(graph, "conv", attrs);
  gives(conv(floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})), {1, 1, 2, 2}, {12, 16, 24, 28});
}

// Numbers whose variance, or mean square, is that of a square with what is added to it.
TEST_F(Layers, Normalizations) {
  weft::layers::BatchNorm batch(graph, "batch", {2, 0.9, 3});  // by the running ones, a mean of 0 and a variance of 1
  gives(batch(floats({2, 2}, {2, 4, -6, 0})), {2, 2}, {1, 2, -3, 0});
  weft::layers::LayerNorm layer(graph, "layer", {2, 3});
  gives(layer(floats({2, 2}, {1, 3, 7, 5})), {2, 2}, {-0.5, 0.5, 0.5, -0.5});
  weft::layers::GroupNorm group(graph, "group", {4, 2, 3});
  gives(group(floats({1, 4, 1}, {1, 3, 7, 5})), {1, 4, 1}, {-0.5, 0.5, 0.5, -0.5});
  weft::layers::RMSNorm rms(graph, "rms", {2, 75});
  gives(rms(floats({1, 2}, {1, 7})), {1, 2}, {0.1f, 0.7f});
}

TEST_F(Layers, RowsOfATable) {
  weft::layers::Embedding words(graph, "words", {3, 2});
  Value y = words(graph.constant(Tensor::from<int64_t>({2}, {2, 0})));
  weft::Session session(graph);
  session.set("words/table", Tensor::from<float>({3, 2}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(session.run({}, {y})[0].to_vector<float>(), (std::vector<float>{5, 6, 1, 2}));
}

TEST_F(Layers, WhatHasNoWeights) {
  weft::layers::Flatten flat(graph, "flat");
  weft::layers::Dropout drop(graph, "drop");
  gives(drop(flat(floats({2, 1, 2}, {1, 2, 3, 4}))), {2, 2}, {1, 2, 3, 4});
  const std::vector<float> kept = computed<float>(graph, drop(floats({1000}, std::vector<float>(1000, 3)), true));
  EXPECT_TRUE(std::all_of(kept.begin(), kept.end(), [](float x) { return x == 0 || x == 6; }));
  EXPECT_NEAR(static_cast<double>(std::count(kept.begin(), kept.end(), 6.0f)), 500, 100);
}

// By the formulas of torch.nn.LSTM and torch.nn.GRU in f64.
TEST_F(Layers, Recurrences) {
  weft::layers::LSTM all(graph, "all", {1, 1, false, true, "ones", "ones"});
  gives(all(floats({1, 2, 1}, {1, 0})), {1, 2, 1}, {0.36960635f, 0.29081304f});
  weft::layers::GRU last(graph, "last", {1, 1, false, false, "ones", "ones"});
  gives(last(floats({1, 2, 1}, {1, 0})), {1, 1}, {0.16332249f});
}

// The sums of the positions, 1 and 2, are queries, keys and values: the second position weighs them by the exponentials of
// 2 sqrt(2) and 4 sqrt(2). Its result in f64.
TEST_F(Layers, PositionsThatLookBack) {
  weft::layers::SelfAttention look(graph, "look", {2, 1, true, true, "ones"});
  gives(look(floats({1, 2, 2}, {1, 0, 0, 2})), {1, 2, 2}, {2, 2, 3.8883856f, 3.8883856f});
}

}  // namespace
