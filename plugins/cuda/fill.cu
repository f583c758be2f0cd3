// Tensors made from nothing: Range, and ConstantOfShape where it makes zeros.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

namespace {

using RangeTypes = Types<float, double, __half, __nv_bfloat16, int16_t, int32_t, int64_t>;

// start + i * delta, each step rounded; integers wrap around.
template <typename T>
__global__ void range(const T* start, const T* delta, T* out, int64_t count) {
  using W = Wide<T>;
  const W first = widen(*start), step = widen(*delta);
  WEFT_FOR(i, count) {
    if constexpr (std::is_same_v<W, float>)
      out[i] = narrow<T>(__fadd_rn(first, __fmul_rn(static_cast<float>(i), step)));
    else if constexpr (std::is_same_v<W, double>)
      out[i] = __dadd_rn(first, __dmul_rn(static_cast<double>(i), step));
    else
      out[i] = static_cast<T>(static_cast<uint64_t>(first) + static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
  }
}

bool accepts_range(const Node& node) { return in_list(RangeTypes{}, node.output(0).dtype); }

Prepared prepare_range(const Node& node) {
  const int64_t count = node.output(0).count();
  Prepared made;
  with_type(RangeTypes{}, node.output(0).dtype, [&]<typename T>() {
    made.run = [count](const Launch& launch) {
      if (count == 0) return;
      start(launch, range<T>, blocks_for(count), kThreads, 0, launch.input<T>(0), launch.input<T>(2),
            launch.output<T>(0), count);
    };
  });
  return made;
}

bool accepts_zeros(const Node& node) { return !node.has_attr("value") && element_bytes(node.output(0).dtype) > 0; }

Prepared prepare_zeros(const Node& node) {
  const int64_t bytes = node.output(0).bytes();
  Prepared made;
  made.run = [bytes](const Launch& launch) {
    if (bytes == 0) return;
    check(cudaMemsetAsync(launch.out[0], 0, static_cast<size_t>(bytes), launch.stream.get()),
          "memory cannot be cleared");
  };
  return made;
}

}  // namespace

void define_fill(Definitions& all) {
  all.push_back({"Range", "plain", accepts_range, prepare_range});
  all.push_back({"ConstantOfShape", "zeros", accepts_zeros, prepare_zeros});
}

}  // namespace weft::cuda
