// Trains a two-layer network on handwritten digits.
#include <algorithm>
#include <cstdio>

#include "weft.hpp"

int main() {
  auto data = weft::Dataset::load("examples/data/digits.safetensors", {"images", "labels"});
  auto train = data.rows(0, 1500), test = data.rows(1500, 297);

  weft::Graph graph;
  auto images = graph.input("images", weft::DType::f32, "batch,64");
  auto labels = graph.input("labels", weft::DType::i64, "batch");
  weft::layers::DenseAttrs hidden{64, 64}, scores{64, 10};
  hidden.activation = "relu";
  hidden.seed = 1;
  scores.seed = 2;
  auto logits = weft::layers::Dense(graph, "scores", scores)(weft::layers::Dense(graph, "hidden", hidden)(images));
  auto loss = weft::softmax_cross_entropy_loss(logits, labels);
  auto step = weft::Adam(1e-3).minimize(loss);

  weft::Session session(graph);
  weft::FitOptions options;
  options.epochs = 20;
  options.batch_size = 32;
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
