// TopK: a block for each line collects what may be among the first k, and sorts it whenever there is no room for more.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

namespace {

constexpr int kHeld = 2048;       // candidates of a line
constexpr int64_t kMostK = 1024;  // so that there is always room for as many as there are threads

struct Lines {
  int64_t outer, size, inner, k;
  bool largest;
};

// A number whose order among those without a sign is the order in which elements come: equal ones have equal numbers,
// and NaN is the largest.
template <typename T>
__device__ uint64_t code_of(T value, bool largest) {
  const Wide<T> x = widen(value);
  uint64_t code;
  if constexpr (std::is_same_v<Wide<T>, float>) {
    const uint32_t bits = __float_as_uint(x == 0 ? 0.0f : x);
    code = isnan(x) ? ~uint64_t{0} : static_cast<uint64_t>((bits >> 31) != 0 ? ~bits : bits | 0x80000000u);
  } else if constexpr (std::is_same_v<Wide<T>, double>) {
    const uint64_t bits = static_cast<uint64_t>(__double_as_longlong(x == 0 ? 0.0 : x));
    code = isnan(x) ? ~uint64_t{0} : (bits >> 63) != 0 ? ~bits : bits | (uint64_t{1} << 63);
  } else if constexpr (std::is_signed_v<T>) {
    code = static_cast<uint64_t>(static_cast<int64_t>(x)) ^ (uint64_t{1} << 63);
  } else {
    code = x;
  }
  return largest ? ~code : code;
}

__device__ bool comes_first(uint64_t code_a, uint32_t a, uint64_t code_b, uint32_t b) {
  return code_a < code_b || (code_a == code_b && a < b);
}

// Sorts the first `count` candidates; all threads of the block take part.
__device__ void sort_held(uint64_t* codes, uint32_t* places, int count) {
  int n = 2;
  while (n < count) n *= 2;
  for (int i = count + threadIdx.x; i < n; i += blockDim.x) {
    codes[i] = ~uint64_t{0};
    places[i] = 0xffffffffu;  // behind all others
  }
  __syncthreads();
  for (int run = 2; run <= n; run *= 2) {
    for (int distance = run / 2; distance > 0; distance /= 2) {
      for (int i = threadIdx.x; i < n / 2; i += blockDim.x) {
        const int a = 2 * i - (i & (distance - 1)), b = a + distance;
        const bool ascends = (a & run) == 0;
        if (comes_first(codes[b], places[b], codes[a], places[a]) == ascends) {
          const uint64_t code = codes[a];
          const uint32_t place = places[a];
          codes[a] = codes[b];
          places[a] = places[b];
          codes[b] = code;
          places[b] = place;
        }
      }
      __syncthreads();
    }
  }
}

template <typename T>
__global__ void top_k(const T* in, T* values, int64_t* indices, Lines s) {
  __shared__ uint64_t codes[kHeld];
  __shared__ uint32_t places[kHeld];
  __shared__ int held;
  const int k = static_cast<int>(s.k);
  for (int64_t line = blockIdx.x; line < s.outer * s.inner; line += gridDim.x) {
    const int64_t o = line / s.inner, i = line % s.inner;
    const T* x = in + o * s.size * s.inner + i;
    if (threadIdx.x == 0) held = 0;
    __syncthreads();
    // What comes behind the k-th of those that were sorted cannot be among the first k.
    bool limited = false;
    uint64_t last_code = 0;
    uint32_t last_place = 0;
    for (int64_t base = 0; base < s.size; base += blockDim.x) {
      const int64_t at = base + threadIdx.x;
      if (at < s.size) {
        const uint64_t code = code_of(x[at * s.inner], s.largest);
        const uint32_t place = static_cast<uint32_t>(at);
        if (!limited || comes_first(code, place, last_code, last_place)) {
          const int slot = atomicAdd(&held, 1);
          codes[slot] = code;
          places[slot] = place;
        }
      }
      __syncthreads();
      const int now = held;
      if (now + static_cast<int>(blockDim.x) > kHeld && base + blockDim.x < s.size) {
        sort_held(codes, places, now);
        if (now >= k) {
          limited = true;
          last_code = codes[k - 1];
          last_place = places[k - 1];
          if (threadIdx.x == 0) held = k;
        }
      }
      __syncthreads();
    }
    sort_held(codes, places, held);
    for (int j = threadIdx.x; j < k; j += blockDim.x) {
      const int64_t to = (o * s.k + j) * s.inner + i;
      values[to] = x[places[j] * s.inner];
      indices[to] = places[j];
    }
    __syncthreads();
  }
}

using NumberTypes = Types<float, double, __half, __nv_bfloat16, int32_t, int64_t, uint8_t, int8_t>;

bool accepts_top_k(const Node& node) {
  const Value &x = node.input(0), &y = node.output(0);
  if (!in_list(NumberTypes{}, x.dtype) || x.rank() == 0 || !node.makes(0) || !node.makes(1)) return false;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += x.rank();
  const int64_t size = x.shape[static_cast<size_t>(axis)], k = y.shape[static_cast<size_t>(axis)];
  return k <= size && size < (int64_t{1} << 31) && (k <= kMostK || size <= kHeld);
}

Prepared prepare_top_k(const Node& node) {
  const Shape& shape = node.input(0).shape;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  const size_t at = static_cast<size_t>(axis);
  const Lines s{product(shape, 0, at), shape[at], product(shape, at + 1, shape.size()), node.output(0).shape[at],
                node.i("largest") != 0};
  Prepared made;
  with_type(NumberTypes{}, node.input(0).dtype, [&]<typename T>() {
    made.run = [s](const Launch& launch) {
      const int64_t lines = s.outer * s.inner;
      if (lines * s.k == 0) return;
      start(launch, top_k<T>, blocks_for(lines, 1), kThreads, 0, launch.input<T>(0), launch.output<T>(0),
            launch.output<int64_t>(1), s);
    };
  });
  return made;
}

}  // namespace

void define_sort(Definitions& all) { all.push_back({"TopK", "collected", accepts_top_k, prepare_top_k}); }

}  // namespace weft::cuda
