// Times of prepared graphs from C++: the rows of weft_bench that every language has.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "weft.hpp"

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Samples of at least 5 ms each, for half a second.
void measure(const char* name, weft::Prepared& prepared) {
  auto time_of = [&](int64_t runs) {
    const double begin = seconds();
    for (int64_t i = 0; i < runs; ++i) prepared.run();
    return (seconds() - begin) / static_cast<double>(runs);
  };
  time_of(3);
  const int64_t runs = std::max<int64_t>(1, static_cast<int64_t>(5e-3 / time_of(100)));
  std::vector<double> samples;
  for (const double begin = seconds(); samples.size() < 5 || seconds() - begin < 0.5;) samples.push_back(time_of(runs));
  std::sort(samples.begin(), samples.end());
  std::printf("%s\t%.2f\t%.2f\n", name, samples[0] * 1e6, samples[samples.size() / 2] * 1e6);
}

weft::SessionOptions one_thread() {
  weft::SessionOptions options;
  options.threads = 1;
  return options;
}

void adds(const char* name, int count) {
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "4"), other = graph.input("other", weft::DType::f32, "4"), y = x;
  for (int i = 0; i < count; ++i) y = y + other;
  weft::Session session(graph, one_thread());
  auto prepared = session.prepare({x, other}, {y});
  auto ones = weft::Tensor::from<float>({4}, {1, 1, 1, 1});
  prepared.bind_input(0, ones);
  prepared.bind_input(1, ones);
  prepared.bind_output(0, weft::Tensor::zeros(weft::DType::f32, {4}));
  measure(name, prepared);
}

void training(const char* name) {
  std::vector<float> rows(32 * 64);
  std::vector<int64_t> classes(32);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = 2 * static_cast<float>(i) / 2047 - 1;
  for (size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<int64_t>(i % 10);
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "32,64"), labels = graph.input("labels", weft::DType::i64, "32");
  weft::layers::DenseAttrs attrs{64, 64};
  attrs.activation = "relu";
  weft::layers::Dense hidden(graph, "hidden", attrs), scores(graph, "scores", {64, 10});
  auto step = weft::Adam(1e-3).minimize(weft::softmax_cross_entropy_loss(scores(hidden(x)), labels));
  weft::Session session(graph, one_thread());
  auto prepared = session.prepare({x, labels}, {}, {step});
  prepared.bind_input(0, weft::Tensor::from({32, 64}, rows));
  prepared.bind_input(1, weft::Tensor::from({32}, classes));
  measure(name, prepared);
}

}  // namespace

int main() {
  adds("one Add of 4", 1);
  adds("chain of 100 Adds of 4", 100);
  training("MLP 64-64-10, a step of Adam, batch 32");
}
