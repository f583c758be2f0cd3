// A whole training has the same bits on any number of threads, and whatever floating-point mode its caller has set.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <cstring>

#include "weft.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {

// More threads than some machines have, set before the pool is first used.
[[maybe_unused]] const int set_threads = setenv("WEFT_THREADS", "4", 1);

// The caller's mode while it lives.
class CallersMode {
 public:
#if defined(__x86_64__)
  static constexpr unsigned kFlush = 0x8040;    // results to zero, and denormals are zero
  static constexpr unsigned kUpwards = 0x4000;  // rounding
  explicit CallersMode(unsigned mode) : saved_(_mm_getcsr()) {
    _mm_setcsr(saved_ | mode);
    set_ = _mm_getcsr() & 0xffc0;
  }
  ~CallersMode() {
    EXPECT_EQ(_mm_getcsr() & 0xffc0, set_) << "the caller's mode is not back";
    _mm_setcsr(saved_);
  }

 private:
  unsigned saved_, set_;
#else
  static constexpr unsigned kFlush = 0, kUpwards = 0;
  explicit CallersMode(unsigned) {}
#endif
};

weft::Tensor numbers(const weft::Shape& shape, float scale) {
  weft::Tensor out = weft::Tensor::zeros(weft::DType::f32, shape);
  float* data = out.mutable_data<float>();
  for (int64_t i = 0; i < out.count(); ++i) data[i] = scale * static_cast<float>((i * 37 + i / 11) % 101 - 50);
  return out;
}

// What a training leaves: the loss of each epoch, and the variables.
struct Trained {
  std::vector<double> losses;
  std::map<std::string, weft::Tensor> variables;
};

weft::Dataset data() {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 80; ++i) labels.push_back(i * 7 % 10);
  // Inputs so faint that Adam keeps denormal numbers for their weights.
  return weft::Dataset({numbers({80, 1, 8, 8}, 0.03f), numbers({80, 3}, 3e-21f), weft::Tensor::from({80}, labels)});
}

// Convolution, batch normalization, dropout, clipping and Adam, all of it in one mode of the caller.
Trained train(int threads, unsigned mode) {
  const weft::Dataset dataset = data();
  CallersMode callers_mode(mode);
  weft::Graph graph;
  weft::Value images = graph.input("images", weft::DType::f32, "n,1,8,8");
  weft::Value faint = graph.input("faint", weft::DType::f32, "n,3"),
              labels = graph.input("labels", weft::DType::i64, "n");
  weft::layers::Conv2dAttrs conv{1, 16, {3}};
  conv.pads = {1};
  weft::layers::DropoutAttrs drop;
  drop.rate = 0.3;
  weft::layers::DenseAttrs whisper{3, 10};
  whisper.bias = false;
  weft::Value x = weft::layers::Conv2d(graph, "conv", conv)(images);
  x = weft::relu(weft::layers::BatchNorm(graph, "norm", {16})(x, true));
  x = weft::layers::Dropout(graph, "drop", drop)(weft::flatten(x), true);
  x = weft::layers::Dense(graph, "scores", {1024, 10})(x);
  weft::Value y = weft::layers::Dense(graph, "faint", whisper)(faint);
  weft::Value loss = weft::softmax_cross_entropy_loss(x + y, labels, {}, {}, "loss");
  weft::Optimizer adam = weft::Adam(0.01);
  adam.clip_norm = 1;
  weft::Value step = adam.minimize(loss);
  weft::SessionOptions options;
  options.threads = threads;
  weft::Session session(graph, options);
  weft::FitOptions fit;
  fit.epochs = 3;
  Trained out;
  out.losses = session.fit(dataset, {images, faint, labels}, step, {loss}, fit)["loss"];
  for (const weft::Value& variable : graph.variables()) out.variables[variable.name()] = session.get(variable.name());
  return out;
}

void expect_same(const Trained& found, const Trained& want) {
  EXPECT_EQ(found.losses, want.losses);
  ASSERT_EQ(found.variables.size(), want.variables.size());
  for (const auto& [name, value] : want.variables) {
    const weft::Tensor& other = found.variables.at(name);
    ASSERT_EQ(other.text(), value.text());
    const void *a = weft_tensor_data(other.handle()), *b = weft_tensor_data(value.handle());
    EXPECT_EQ(std::memcmp(a, b, weft_tensor_bytes(value.handle())), 0) << name;
  }
}

// In the processor's own mode, on one thread.
class SameBits : public testing::Test {
 protected:
  const Trained plain_ = train(1, 0);
};

TEST_F(SameBits, TheTrainingLearnsAndMeetsDenormals) {
  ASSERT_EQ(plain_.losses.size(), 3u);
  EXPECT_LT(plain_.losses[2], plain_.losses[0]);
  int denormals = 0;
  for (float moment : plain_.variables.at("optimizer/faint/kernel/second_moment").to_vector<float>()) {
    denormals += std::fpclassify(moment) == FP_SUBNORMAL;
  }
  EXPECT_GT(denormals, 0);
}

TEST_F(SameBits, OnAnyNumberOfThreads) {
  for (int threads : {1, 2, 3, 4}) {
    SCOPED_TRACE(threads);
    expect_same(train(threads, 0), plain_);
  }
}

TEST_F(SameBits, InAnyModeOfTheCaller) {
  for (unsigned mode : {CallersMode::kFlush, CallersMode::kUpwards, CallersMode::kFlush | CallersMode::kUpwards}) {
    for (int threads : {1, 4}) {
      SCOPED_TRACE(mode);
      SCOPED_TRACE(threads);
      expect_same(train(threads, mode), plain_);
    }
  }
}

}  // namespace
