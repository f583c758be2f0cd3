// Kernels that do not get through: nobody takes what they left out for something, and no memory is a status.
#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "core/kernels/cpu/matrices_common.h"
#include "core/runtime/builtin.h"

namespace weft {
namespace {

KernelContext::Slot slot_of(DType dtype, Shape shape) {
  KernelContext::Slot slot;
  slot.given = true;
  slot.dtype = dtype;
  slot.shape = std::move(shape);
  return slot;
}

// What a run is given that has been cancelled.
struct Cancelled {
  CancelToken token;
  StopCondition stop;
  Parallel parallel;

  Cancelled() {
    token.cancel();
    stop.set_token(&token);
    parallel.max_threads = 1;
    parallel.stop = &stop;
  }
};

TEST(Stopped, MovesOfStringsGiveEmptyOnes) {
  const Attrs attrs{};
  const KernelContext context(attrs, {slot_of(DType::kString, {64, 128})}, {slot_of(DType::kString, {128, 64})});
  PreparedKernel kernel;
  const Status prepared = cpu_kernels().prepare("Transpose", context, false, &kernel);
  ASSERT_TRUE(prepared.ok()) << prepared.text();
  ASSERT_TRUE(kernel.run_tensors != nullptr);
  std::vector<Tensor> dirty;
  for (int i = 0; i < 8; ++i) {  // so that the heap does not give zeros
    dirty.push_back(*Tensor::make(DType::kI64, {128, 64}));
    std::memset(dirty.back().mutable_data(), 0x7f, static_cast<size_t>(dirty.back().bytes()));
  }
  dirty.clear();
  Cancelled run;
  std::vector<Tensor> x{*Tensor::from_strings({64, 128}, std::vector<std::string>(64 * 128, "a"))}, y(1);
  TensorArgs args{x, y, &run.parallel};
  const Status status = kernel.run_tensors(kernel.state.get(), args);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(y[0].strings(), std::vector<std::string>(64 * 128));
}

TEST(Stopped, LossesBlameNoLabel) {
  const Attrs mean{{"reduction", "mean"}}, none{};
  const std::vector<KernelContext::Slot> given{slot_of(DType::kF32, {4, 20000}), slot_of(DType::kI64, {4}),
                                               slot_of(DType::kF32, {4})};
  const std::vector<float> scores(80000), slopes(4);
  const std::vector<int64_t> labels(4);
  std::vector<float> y(80000);
  for (bool gradient : {false, true}) {
    const KernelContext context(gradient ? none : mean, {given.begin(), given.begin() + (gradient ? 3 : 2)},
                                {gradient ? given[0] : slot_of(DType::kF32, {})});
    PreparedKernel kernel;
    const char* op = gradient ? "weft.SoftmaxCrossEntropyGrad" : "SoftmaxCrossEntropyLoss";
    const Status prepared = cpu_kernels().prepare(op, context, false, &kernel);
    ASSERT_TRUE(prepared.ok()) << prepared.text();
    ASSERT_TRUE(kernel.run != nullptr);
    const std::shared_ptr<Buffer> scratch = *Buffer::allocate(kernel.scratch_bytes);
    std::memset(scratch->data(), 1, static_cast<size_t>(kernel.scratch_bytes));
    Cancelled run;
    const void* in[] = {scores.data(), labels.data(), slopes.data()};
    void* out[] = {y.data()};
    Status status;
    kernel.run(kernel.state.get(), RunArgs{in, out, scratch->data(), &run.parallel, &status});
    EXPECT_TRUE(status.ok()) << status.text();
  }
}

// Sums over windows, in one block: of 10^10 elements, and back.
TEST(Stopped, LongWindowsAreLeft) {
  const int64_t kernel = 100'000, size = 200'000;
  const Attrs window{{"kernel_shape", std::vector<int64_t>{kernel}}, {"strides", std::vector<int64_t>{1}}};
  const Shape wide{1, 1, size}, pooled{1, 1, size - kernel + 1};
  const std::vector<float> x(static_cast<size_t>(size), 1.0f);
  std::vector<float> y(static_cast<size_t>(size));
  for (bool back : {false, true}) {
    std::vector<KernelContext::Slot> given{slot_of(DType::kF32, back ? pooled : wide)};
    if (back) given.push_back(slot_of(DType::kF32, wide));
    const KernelContext context(window, std::move(given), {slot_of(DType::kF32, back ? wide : pooled)});
    PreparedKernel kernel_of;
    const Status prepared =
        cpu_kernels().prepare(back ? "weft.SumPoolGrad" : "weft.SumPool", context, false, &kernel_of);
    ASSERT_TRUE(prepared.ok()) << prepared.text();
    StopCondition stop;
    const int64_t begin = monotonic_ns();
    stop.set_deadline_ns(begin + 50'000'000);
    Parallel parallel;
    parallel.max_threads = 1;
    parallel.stop = &stop;
    const void* in[] = {x.data(), x.data()};
    void* out[] = {y.data()};
    Status status;
    kernel_of.run(kernel_of.state.get(), RunArgs{in, out, nullptr, &parallel, &status});
    EXPECT_EQ(stop.check().code(), Code::kDeadlineExceeded);
    EXPECT_LT(monotonic_ns() - begin, 500'000'000) << "some seconds in one go";
  }
}

// A line in one block, whose best element is its last.
TEST(Stopped, LongLinesAreLeft) {
  const int64_t size = 1 << 24;
  const Attrs attrs{{"axis", int64_t{0}}, {"keepdims", int64_t{1}}, {"select_last_index", int64_t{0}}};
  const KernelContext context(attrs, {slot_of(DType::kF32, {size})}, {slot_of(DType::kI64, {1})});
  PreparedKernel kernel;
  const Status prepared = cpu_kernels().prepare("ArgMax", context, false, &kernel);
  ASSERT_TRUE(prepared.ok()) << prepared.text();
  std::vector<float> x(static_cast<size_t>(size));
  x.back() = 1;
  StopCondition stop;
  stop.set_deadline_ns(monotonic_ns() + 500'000);
  Parallel parallel;
  parallel.max_threads = 1;
  parallel.stop = &stop;
  int64_t place = -1;
  const void* in[] = {x.data()};
  void* out[] = {&place};
  Status status;
  kernel.run(kernel.state.get(), RunArgs{in, out, nullptr, &parallel, &status});
  EXPECT_EQ(stop.check().code(), Code::kDeadlineExceeded);
  EXPECT_NE(place, size - 1);
}

// Rows of an image that go through filters, in one block: what stops at the first of them ends before the last.
TEST(Stopped, RowsOfAnImageAreLeft) {
  const int64_t side = 64, channels = 64;
  const Tensor filters = *Tensor::make(DType::kF32, {channels, 1, 3, 3});
  const Attrs attrs{{"group", channels}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  const KernelContext::Slot image = slot_of(DType::kF32, {1, side, side, channels}), none;
  KernelContext::Slot weight = slot_of(DType::kF32, filters.shape());
  weight.constant = &filters;
  const KernelContext context(attrs, {image, none, none, weight}, {image});
  PreparedKernel kernel;
  const Status prepared = cpu_kernels().prepare("weft.DepthwiseBlock", context, false, &kernel);
  ASSERT_TRUE(prepared.ok()) << prepared.text();
  const std::shared_ptr<Buffer> scratch = *Buffer::allocate(kernel.scratch_bytes);
  const std::vector<float> x(static_cast<size_t>(side * side * channels));
  std::vector<float> y(x.size());

  struct Ended {
    CancelToken token;
    int64_t elements = 0;
  } ended;
  const Finish finish{[](const void* self, int64_t begin, int64_t end) {
                        Ended* at = static_cast<Ended*>(const_cast<void*>(self));
                        at->elements += end - begin;
                        at->token.cancel();
                      },
                      &ended, 0};
  StopCondition stop;
  stop.set_token(&ended.token);
  Parallel parallel;
  parallel.max_threads = 1;
  parallel.stop = &stop;
  const void* in[] = {x.data(), nullptr, nullptr, filters.data()};
  void* out[] = {y.data()};
  Status status;
  kernel.run(kernel.state.get(), RunArgs{in, out, scratch->data(), &parallel, &status, &finish});
  EXPECT_GT(ended.elements, 0);
  EXPECT_LT(ended.elements, side * side * channels);
}

TEST(NoMemory, IsAStatusOnEveryThread) {
  const linalg::State matrices{64, 300, 0, 64, 0};  // of so many rows that it is worth waking others
  const Parallel parallel{};
  Status status;
  const RunArgs args{nullptr, nullptr, nullptr, &parallel, &status};
  linalg::each_matrix(matrices, args, "weft.Inverse", [](int64_t, void*) -> const char* { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.text();
}

TEST(NoMemory, LeavesTheFirstErrorAlone) {
  const linalg::State matrices{4, 2, 0, 4, 0};
  const Parallel parallel{};
  Status status;
  const RunArgs args{nullptr, nullptr, nullptr, &parallel, &status};
  linalg::each_matrix(matrices, args, "weft.Inverse",
                      [](int64_t i, void*) -> const char* { return i % 2 == 1 ? "is singular" : nullptr; });
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.text().find("matrix 1 of weft.Inverse is singular"), std::string::npos) << status.text();
}

}  // namespace
}  // namespace weft
