// How many threads a loop of the pool may have.
#pragma once

#include "core/base/thread_pool.h"

namespace weft {

// That one which the calling thread begins now may have, itself included: 1 inside of another loop's body.
int loop_threads(const Parallel& parallel);

}  // namespace weft
