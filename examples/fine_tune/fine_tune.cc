// Trains nets of PyTorch, Keras and scikit-learn further, and runs a forest.
#include <cstdio>

#include "weft.hpp"

static void count_right(const std::string& maker, const std::string& path, const weft::Dataset& test) {
  auto model = weft::Graph::load(path);
  auto results = weft::Session(model).predict(test, {model.inputs()[0], {}}, {model.outputs()[0]});
  auto predicted = results[0].to_vector<int64_t>(), labels = test.at(1).to_vector<int64_t>();
  int right = 0;
  for (size_t i = 0; i < labels.size(); ++i) right += predicted[i] == labels[i];
  std::printf("%s: %d of %zu digits are right\n", maker.c_str(), right, labels.size());
}

int main() {
  auto digits = weft::Dataset::load("examples/data/digits.safetensors", {"images", "labels"});
  auto train = digits.rows(0, 1500), test = digits.rows(1500, 297);

  for (std::string maker : {"pytorch", "torchscript", "keras", "sklearn_mlp"}) {
    weft::LoadOptions all;
    all.trainable = {"*"};
    auto graph = weft::Graph::load("examples/exported/" + maker + ".onnx", all);
    auto images = graph.inputs()[0], scores = graph.outputs().back();
    // Of scikit-learn there are labels, and then probabilities, whose logarithms are as good as scores.
    if (maker == "sklearn_mlp") scores = weft::log(scores);
    auto labels = graph.input("labels", weft::DType::i64, "batch");
    auto loss = weft::softmax_cross_entropy_loss(scores, labels);
    auto accuracy = weft::accuracy(scores, labels);
    auto step = weft::Adam(2e-3).minimize(loss);

    weft::Session session(graph);
    auto before = session.evaluate(test, {images, labels}, {accuracy});
    std::printf("%s: accuracy %.6f as exported\n", maker.c_str(), before[accuracy.name()]);
    weft::FitOptions options;
    options.epochs = 5;
    options.batch_size = 32;
    options.seed = 1;
    auto history = session.fit(train, {images, labels}, step, {loss}, options);
    int epoch = 0;
    for (double mean : history[loss.name()]) std::printf("epoch %d  loss %.6f\n", ++epoch, mean);

    // What is saved gives the digit itself.
    graph.save(maker + "_tuned.onnx", {weft::arg_max(scores, {1, false})}, &session);
    count_right(maker, maker + "_tuned.onnx", test);
  }
  count_right("sklearn", "examples/exported/sklearn.onnx", test);
}
