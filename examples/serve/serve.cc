// Answers requests on many threads with one session.
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "weft.hpp"

int main() {
  // Load the model once, and plan for the shape of requests before the first one comes.
  weft::LoadOptions mapped;
  mapped.map = true;
  auto graph = weft::Graph::load("examples/exported/pytorch.onnx", mapped);
  auto x = graph.inputs()[0], digit = weft::arg_max(graph.outputs()[0], {1, false});
  weft::SessionOptions single;
  single.threads = 1;
  const weft::Session session(graph, single);
  session.run({{x, weft::Tensor::from<float>({1, 64}, std::vector<float>(64))}}, {digit});

  // Answer a request, on any thread.
  auto answer = [&](const float* row) {
    weft::RunOptions options;
    options.timeout_s = 5;
    auto in = weft::Tensor::from<float>({1, 64}, row, 64);
    return session.run({{x, in}}, {digit}, {}, options)[0].to_vector<int64_t>()[0];
  };

  // Here requests are digits that the model was not trained on, and four threads answer them.
  auto digits = weft::load_tensors("examples/data/digits.safetensors");
  auto pixels = digits.at("images").data<float>();
  auto labels = digits.at("labels").data<int64_t>();
  const int64_t count = digits.at("labels").count();
  std::atomic<int64_t> right{0};
  std::vector<std::thread> threads;
  for (int first = 0; first < 4; ++first) {
    threads.emplace_back([&, first] {
      for (int64_t i = 1500 + first; i < count; i += 4) right += answer(pixels + 64 * i) == labels[i];
    });
  }
  for (auto& thread : threads) thread.join();
  std::printf("%d of %d digits are right\n", static_cast<int>(right), static_cast<int>(count - 1500));
}
