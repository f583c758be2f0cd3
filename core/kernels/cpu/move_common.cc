// Moving elements without looking at them.
#include "core/kernels/cpu/move_common.h"

#include <algorithm>

#include "core/simd/turn.h"

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

// Where the output goes along its rows, the input goes along those of another axis: planes are turned, some rows at a time.
constexpr int64_t kPlaneRows = 64;

// The axis along which the input's elements lie side by side, where that is not the last one; -1 if there is none.
int turned_axis(const StridedCopy& copy) {
  const int last = static_cast<int>(copy.shape.size()) - 1;
  if (copy.out_stride[last] != 1 || copy.in_stride[last] <= 1) return -1;
  for (int d = 0; d < last; ++d) {
    if (copy.in_stride[d] == 1) return d;
  }
  return -1;
}

// Blocks of rows of planes: all axes but the last, the turned one in blocks.
int64_t turned_blocks(const StridedCopy& copy, int turned) {
  int64_t blocks = (copy.shape[turned] + kPlaneRows - 1) / kPlaneRows;
  for (int d = 0; d + 1 < static_cast<int>(copy.shape.size()); ++d) blocks *= d == turned ? 1 : copy.shape[d];
  return blocks;
}

template <typename T>
void turn_planes(const StridedCopy& copy, int turned, const T* in, T* out, int64_t begin, int64_t end) {
  const int last = static_cast<int>(copy.shape.size()) - 1;
  const int64_t columns = copy.shape[last], in_step = copy.in_stride[last], out_step = copy.out_stride[turned];
  const int64_t blocks = (copy.shape[turned] + kPlaneRows - 1) / kPlaneRows;
  const Isa isa = current_isa();
  for (int64_t block = begin; block < end; ++block) {
    const T* x = in + copy.in_start;
    T* y = out + copy.out_start;
    int64_t rest = block, rows = 0;
    for (int d = last - 1; d >= 0; --d) {
      int64_t at = rest % (d == turned ? blocks : copy.shape[d]);
      rest /= d == turned ? blocks : copy.shape[d];
      if (d == turned) {
        at *= kPlaneRows;
        rows = std::min(kPlaneRows, copy.shape[d] - at);
      }
      x += at * copy.in_stride[d];
      y += at * copy.out_stride[d];
    }
    if constexpr (sizeof(T) <= sizeof(uint64_t)) {
      turn(isa, x, in_step, columns, rows, y, out_step);
    } else {
      for (int64_t j = 0; j < rows; ++j) {
        for (int64_t i = 0; i < columns; ++i) y[j * out_step + i] = x[i * in_step + j];
      }
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
  if (const int turned = turned_axis(*this); turned >= 0) {
    const int64_t blocks = turned_blocks(*this, turned), of_block = count / blocks;
    with_element(element_size, [&](auto element) {
      using T = decltype(element);
      parallel_for(parallel, blocks, std::max<int64_t>(1, kBlockElements / std::max<int64_t>(of_block, 1)),
                   copy_cost_ns(of_block * element_size), [&](int64_t begin, int64_t end) {
                     turn_planes<T>(*this, turned, static_cast<const T*>(in), static_cast<T*>(out), begin, end);
                   });
    });
    return;
  }
  int64_t rows = count / shape.back();
  int64_t block = std::max<int64_t>(1, kBlockElements / shape.back());
  with_element(element_size, [&](auto element) {
    using T = decltype(element);
    parallel_for(parallel, rows, block, 0.5 * static_cast<double>(shape.back()), [&](int64_t begin, int64_t end) {
      copy_rows<T>(*this, static_cast<const T*>(in), static_cast<T*>(out), begin, end);
    });
  });
}

double StridedCopy::cost_ns() const {
  if (turned_axis(*this) >= 0) return copy_cost_ns(count * element_size);
  if (in_stride.back() != 1 || out_stride.back() != 1) return 0.5 * static_cast<double>(count);
  const int64_t rows = count / std::max<int64_t>(shape.back(), 1);
  return copy_cost_ns(count * element_size) + 5 * static_cast<double>(rows);
}

namespace {
void run_strided(const StridedCopy& copy, const RunArgs& args) { copy.run(*args.parallel, args.in[0], args.out[0]); }
}  // namespace

void use_strided(StridedCopy copy, PreparedKernel* prepared) {
  prepared->cost_ns = copy.cost_ns();
  prepared->use<&run_strided>(std::move(copy));
}

}  // namespace weft
