// Trains a small convolutional network on handwritten digits.
#include <algorithm>
#include <cstdio>

#include "weft.hpp"

int main() {
  auto data = weft::Dataset::load("examples/data/digits.safetensors", {"images", "labels"});
  auto train = data.rows(0, 1500), test = data.rows(1500, 297);

  weft::Graph graph;
  auto images = graph.input("images", weft::DType::f32, "batch,64");
  auto labels = graph.input("labels", weft::DType::i64, "batch");
  std::vector<weft::Layer> convs, norms;
  const int64_t channels[] = {1, 32, 32, 64};
  for (int i = 0; i < 3; ++i) {
    weft::layers::Conv2dAttrs conv{channels[i], channels[i + 1], {3}};
    conv.pads = {1};
    conv.seed = 1;
    convs.push_back(weft::layers::Conv2d(graph, "conv" + std::to_string(i + 1), conv));
    norms.push_back(weft::layers::BatchNorm(graph, "norm" + std::to_string(i + 1), {channels[i + 1]}));
  }
  weft::layers::DenseAttrs last{64, 10};
  last.seed = 1;
  weft::layers::Dense scores(graph, "scores", last);
  auto shape = graph.constant(std::vector<int64_t>{-1, 1, 8, 8});
  auto network = [&](bool training) {
    auto x = weft::reshape(images, shape);
    weft::MaxPoolAttrs pool{{2, 2}};
    pool.strides = {2, 2};
    for (size_t i = 0; i < 3; ++i) {
      x = weft::relu(norms[i](convs[i](x), training));
      if (i == 1) x = weft::max_pool(x, pool);
    }
    return scores(weft::flatten(weft::global_average_pool(x)));
  };
  auto loss = weft::softmax_cross_entropy_loss(network(true), labels);
  auto step = weft::Adam(1e-3).minimize(loss);
  auto logits = network(false);

  weft::Session session(graph);
  weft::FitOptions options;
  options.epochs = 20;
  options.seed = 1;
  auto history = session.fit(train, {images, labels}, step, {loss}, options);
  int epoch = 0;
  for (double mean : history[loss.name()]) {
    std::printf("epoch %2d  loss %.6f\n", ++epoch, mean);
  }
  auto predicted = session.predict(test, {images, {}}, {logits})[0].to_vector<float>();
  auto wanted = test.at(1).to_vector<int64_t>();
  int right = 0;
  for (size_t row = 0; row < wanted.size(); ++row) {
    const float* first = predicted.data() + row * 10;
    right += std::max_element(first, first + 10) - first == wanted[row];
  }
  std::printf("test accuracy %.1f%%\n", 100.0 * right / static_cast<double>(wanted.size()));
}
