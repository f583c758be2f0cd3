// Learns XOR, saves the model and runs it from the file.
#include <cstdio>

#include "weft.hpp"

int main() {
  // Build a network of two layers, its loss and a step that lowers it.
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "batch,2");
  auto wanted = graph.input("wanted", weft::DType::f32, "batch,1");
  weft::layers::DenseAttrs first{2, 8}, second{8, 1};
  first.activation = "tanh";
  first.seed = 1;
  second.seed = 2;
  auto hidden = weft::layers::Dense(graph, "hidden", first)(x);
  auto y = weft::layers::Dense(graph, "y", second)(hidden);
  auto error = y - wanted;
  auto loss = weft::reduce_mean(error * error, {}, {false}, "loss");
  auto step = weft::Adam(0.05).minimize(loss);

  // Train it.
  auto rows = weft::Tensor::from<float>({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1});
  auto truth = weft::Tensor::from<float>({4, 1}, {0, 1, 1, 0});
  weft::Session session(graph);
  for (int i = 0; i < 40; ++i) {
    auto results = session.run({{x, rows}, {wanted, truth}}, {loss}, {step});
    std::printf("loss %.8e\n", results[0].to_vector<float>()[0]);
  }

  // Save the model, load it and predict.
  graph.save("xor.onnx", {y}, &session);
  auto model = weft::Graph::load("xor.onnx");
  auto predicted = weft::Session(model).run({{model.inputs()[0], rows}}, {model.outputs()[0]});
  for (float value : predicted[0].to_vector<float>()) std::printf("%.3f\n", value);
}
