// Starting kernels of our own. For .cu files.
#pragma once

#include <algorithm>
#include <cstdint>

#include "plugins/cuda/device.h"

namespace weft::cuda {

constexpr int kThreads = 256;

// Blocks that go over `count` elements, each thread over one at a time and then the one a grid further.
inline unsigned blocks_for(int64_t count, int64_t per_block = kThreads) {
  return static_cast<unsigned>(std::clamp<int64_t>((count + per_block - 1) / per_block, 1, int64_t{1} << 20));
}

// For loads of 16 bytes; what is left out is aligned, too.
inline bool aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

template <typename... Parameters, typename... Arguments>
void start(const Launch& launch, void (*kernel)(Parameters...), dim3 blocks, dim3 threads, size_t shared_bytes,
           Arguments... arguments) {
  kernel<<<blocks, threads, shared_bytes, launch.stream.get()>>>(static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), "a kernel cannot be started");
}

// for (int64_t i : elements(count)) in a kernel that `blocks_for` was asked for.
#define WEFT_FOR(i, count)                                                                   \
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < (count); \
       i += static_cast<int64_t>(gridDim.x) * blockDim.x)

}  // namespace weft::cuda
