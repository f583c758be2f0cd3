// Kernel of NonZero.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct State {};

template <typename T>
Status non_zero_of(const Tensor& x, Tensor* y) {
  const T* data = x.as<T>();
  auto set = [&](int64_t i) {
    if constexpr (kIsHalf<T>)
      return static_cast<float>(data[i]) != 0;
    else
      return data[i] != T{};
  };
  int64_t count = 0, rank = x.rank();
  for (int64_t i = 0; i < x.count(); ++i) count += set(i);
  WEFT_TRY(*y, Tensor::make(DType::kI64, {rank, count}));
  int64_t* out = y->as<int64_t>();
  int64_t column = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    if (!set(i)) continue;
    int64_t rest = i;
    for (int64_t axis = rank - 1; axis >= 0; --axis) {
      int64_t size = x.shape()[static_cast<size_t>(axis)];
      out[axis * count + column] = rest % size;
      rest /= size;
    }
    ++column;
  }
  return {};
}

Status non_zero(const State&, TensorArgs& args) {
  const Tensor& x = args.in[0];
  Status status;
  if (x.dtype() == DType::kBool) return non_zero_of<uint8_t>(x, &args.out[0]);
  with_type(NumberElements{}, x.dtype(), [&]<typename T>() { status = non_zero_of<T>(x, &args.out[0]); });
  return status;
}

Status prepare(const KernelContext&, PreparedKernel* prepared) {
  prepared->use_tensors<&non_zero>(State{});
  return {};
}

}  // namespace

void add_cpu_one_hot(KernelRegistry& kernels) {
  kernels.add("NonZero", {"plain",
                          [](const KernelContext& c) {
                            return c.dtype(0) == DType::kBool ||
                                   with_type(NumberElements{}, c.dtype(0), []<typename T>() {});
                          },
                          prepare});
}

}  // namespace weft
