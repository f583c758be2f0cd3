// Weft, called from C++: a training.
#include "weft.hpp"

#include "child.h"

namespace {

template <class T>
weft::Tensor tensor(const std::string& folder, const char* name, const weft::Shape& shape) {
  weft::Tensor made = weft::Tensor::zeros(weft::dtype_of<T>(), shape);
  read_values(folder.c_str(), name, made.mutable_data<T>(), made.bytes());
  return made;
}

struct Training {
  weft::Prepared step, with_loss;
};

void run_step(void* self) { static_cast<Training*>(self)->step.run(); }

size_t losses(void* self, double* values) {
  weft::Prepared& with_loss = static_cast<Training*>(self)->with_loss;
  for (int i = 0; i < STEPS; ++i) {
    with_loss.run();
    values[i] = with_loss.output(0).data<float>()[0];
  }
  return STEPS;
}

void time_training(const std::string& folder, int64_t threads) {
  weft::Graph graph;
  const weft::Value inputs = graph.input("inputs", weft::DType::f32, "32,64");
  const weft::Value labels = graph.input("labels", weft::DType::i64, "32");
  auto variable = [&](const char* name, const weft::Shape& shape) {
    return graph.variable(name, tensor<float>(folder, name, shape));
  };
  const weft::Value hidden =
      weft::relu(weft::gemm(inputs, variable("kernel0", {INPUTS, HIDDEN}), variable("bias0", {HIDDEN})));
  const weft::Value scores = weft::gemm(hidden, variable("kernel1", {HIDDEN, CLASSES}), variable("bias1", {CLASSES}));
  const weft::Value loss = weft::softmax_cross_entropy_loss(scores, labels);
  const weft::Value step = weft::Adam(1e-3).minimize(loss);

  weft::SessionOptions options;
  options.threads = threads;
  weft::Session session(graph, options);
  Training training{session.prepare({inputs, labels}, {}, {step}), session.prepare({inputs, labels}, {loss}, {step})};
  const weft::Tensor rows = tensor<float>(folder, "inputs", {BATCH, INPUTS});
  const weft::Tensor classes = tensor<int64_t>(folder, "labels", {BATCH});
  for (weft::Prepared* prepared : {&training.step, &training.with_loss}) {
    prepared->bind_input(0, rows);
    prepared->bind_input(1, classes);
  }
  const std::string version = weft::version();
  const Contender who{version.c_str(), run_step, losses, &training};
  serve(&who);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || argv[1] != std::string("training")) fail("weft_cpp training <threads> <folder>");
  time_training(argv[3], std::atoll(argv[2]));
  return 0;
}
