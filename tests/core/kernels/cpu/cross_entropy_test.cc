// Losses of class labels: what is said of one that was stopped.
#include <gtest/gtest.h>

#include "core/base/cancel.h"
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

// Of a run that is over before its first block; the memory that the kernel gets holds something else than zeros.
Status stopped_loss(const char* op, const KernelContext& context, bool reference) {
  PreparedKernel kernel;
  WEFT_CHECK(cpu_kernels().prepare(op, context, reference, &kernel));
  std::vector<float> scores(4 * 8192, 0.0f), slopes(4, 1.0f), out(4 * 8192);
  const std::vector<int64_t> labels(4, 0);
  std::vector<uint64_t> scratch(static_cast<size_t>(kernel.scratch_bytes) / 8 + 1, 0x0101010101010101);
  CancelToken token;
  token.cancel();
  StopCondition stop;
  stop.set_token(&token);
  Parallel parallel{1, &stop, 0};
  const void* in[] = {scores.data(), labels.data(), slopes.data()};
  void* outputs[] = {out.data(), nullptr};
  Status status;
  kernel.run(kernel.state.get(), RunArgs{in, outputs, scratch.data(), &parallel, &status});
  return status;
}

TEST(CrossEntropy, AStoppedLossBlamesNoLabel) {
  const Shape shape{4, 8192};  // a block for each label
  const KernelContext::Slot scores = slot_of(DType::kF32, shape), labels = slot_of(DType::kI64, {4});
  const Attrs mean{{"reduction", "mean"}}, none{};
  const KernelContext loss(mean, {scores, labels}, {slot_of(DType::kF32, {})});
  const KernelContext gradient(none, {scores, labels, slot_of(DType::kF32, {4})}, {scores});
  for (bool reference : {false, true}) {
    const Status of_loss = stopped_loss("SoftmaxCrossEntropyLoss", loss, reference);
    EXPECT_TRUE(of_loss.ok()) << of_loss.text();
    const Status of_gradient = stopped_loss("weft.SoftmaxCrossEntropyGrad", gradient, reference);
    EXPECT_TRUE(of_gradient.ok()) << of_gradient.text();
  }
}

}  // namespace
}  // namespace weft
