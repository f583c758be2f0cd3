// How many threads a loop of the pool may have.
#pragma once

#include <algorithm>

#include "core/base/thread_pool.h"

namespace weft {

// The caller included.
inline int loop_threads(const Parallel& parallel) {
  return parallel.max_threads > 0 ? std::min(parallel.max_threads, pool_threads()) : pool_threads();
}

}  // namespace weft
