// Zeros like tensors and sequences, and sums of them.
#include "core/kernels/cpu/sequence_common.h"

#include <cstring>

#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

template <typename T>
void add_elements(const Tensor& a, const Tensor& b, Tensor* sum) {
  const T *x = a.as<T>(), *y = b.as<T>();
  T* out = sum->as<T>();
  for (int64_t i = 0; i < a.count(); ++i)
    out[i] = static_cast<T>(static_cast<Wide<T>>(x[i]) + static_cast<Wide<T>>(y[i]));
}

Result<Tensor> sum_of_tensors(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return invalid("what is added is ", a.summary(), " and ", b.summary(), " but must be alike");
  }
  WEFT_TRY(Tensor sum, Tensor::make(a.dtype(), a.shape()));
  if (!with_type(Types<float, double, F16, BF16>{}, a.dtype(), [&]<typename T>() { add_elements<T>(a, b, &sum); })) {
    return unimplemented("sums of ", dtype_name(a.dtype()));
  }
  return sum;
}

}  // namespace

Result<Tensor> zeros_like(const Tensor& value) {
  if (value.kind() == Kind::kTensor) {
    WEFT_TRY(Tensor zeros, Tensor::make(value.dtype(), value.shape()));
    if (zeros.bytes() > 0) std::memset(zeros.mutable_data(), 0, static_cast<size_t>(zeros.bytes()));
    return zeros;
  }
  std::vector<Tensor> items;
  for (const Tensor& item : value.items()) {
    items.emplace_back();
    WEFT_TRY(items.back(), zeros_like(item));
  }
  return Tensor::sequence(std::move(items));
}

Result<Tensor> sum_of(const Tensor& a, const Tensor& b) {
  if (a.kind() == Kind::kTensor && b.kind() == Kind::kTensor) return sum_of_tensors(a, b);
  const std::vector<Tensor>&x = a.items(), &y = b.items();
  if (x.size() != y.size()) return invalid("the sequences have ", x.size(), " and ", y.size(), " items");
  std::vector<Tensor> sums;
  for (size_t i = 0; i < x.size(); ++i) {
    sums.emplace_back();
    WEFT_TRY(sums.back(), sum_of_tensors(x[i], y[i]));
  }
  return Tensor::sequence(std::move(sums));
}

}  // namespace weft
