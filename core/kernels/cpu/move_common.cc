// Moving elements without looking at them.
#include "core/kernels/cpu/move_common.h"

#include <algorithm>

namespace weft {

namespace {

constexpr int64_t kBlockElements = 16384;

template <typename T>
void copy_rows(const StridedCopy& copy, const T* in, T* out, int64_t begin, int64_t end) {
  int64_t inner = copy.shape.back(), in_step = copy.in_stride.back(), out_step = copy.out_stride.back();
  int rank = static_cast<int>(copy.shape.size()) - 1;
  for (int64_t row = begin; row < end; ++row) {
    const T* x = in + copy.in_start;
    T* y = out + copy.out_start;
    int64_t rest = row;
    for (int d = rank - 1; d >= 0; --d) {
      int64_t at = rest % copy.shape[d];
      rest /= copy.shape[d];
      x += at * copy.in_stride[d];
      y += at * copy.out_stride[d];
    }
    if (in_step == 1 && out_step == 1) {
      std::memcpy(y, x, inner * sizeof(T));
    } else if (in_step == 0 && out_step == 1) {
      std::fill_n(y, inner, *x);
    } else {
      for (int64_t i = 0; i < inner; ++i) y[i * out_step] = x[i * in_step];
    }
  }
}

}  // namespace

std::vector<int64_t> row_major(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

StridedCopy StridedCopy::make(const Shape& shape, std::vector<int64_t> in_stride, std::vector<int64_t> out_stride,
                              int64_t element_size) {
  StridedCopy copy;
  copy.element_size = element_size;
  copy.count = 1;
  for (int64_t dim : shape) copy.count *= dim;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    bool joins = !copy.shape.empty() && copy.in_stride.back() == in_stride[i] * shape[i] &&
                 copy.out_stride.back() == out_stride[i] * shape[i];
    if (joins) {
      copy.shape.back() *= shape[i];
      copy.in_stride.back() = in_stride[i];
      copy.out_stride.back() = out_stride[i];
    } else {
      copy.shape.push_back(shape[i]);
      copy.in_stride.push_back(in_stride[i]);
      copy.out_stride.push_back(out_stride[i]);
    }
  }
  if (copy.shape.empty()) {
    copy.shape = {1};
    copy.in_stride = {1};
    copy.out_stride = {1};
  }
  return copy;
}

void StridedCopy::run(const Parallel& parallel, const void* in, void* out) const {
  if (count == 0) return;
  int64_t rows = count / shape.back();
  int64_t block = std::max<int64_t>(1, kBlockElements / shape.back());
  with_element(element_size, [&](auto element) {
    using T = decltype(element);
    parallel_for(parallel, rows, block, 0.5 * static_cast<double>(shape.back()), [&](int64_t begin, int64_t end) {
      copy_rows<T>(*this, static_cast<const T*>(in), static_cast<T*>(out), begin, end);
    });
  });
}

void run_strided(const StridedCopy& copy, const RunArgs& args) { copy.run(*args.parallel, args.in[0], args.out[0]); }

}  // namespace weft
