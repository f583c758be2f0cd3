// What is done with a result piece by piece, while it is still in the cache of whoever made it.
#pragma once

#include <cstdint>

namespace weft {

// Called for stretches of a result as soon as they are final: for elements [begin, end), each element once. Any thread
// that works on the result calls it.
struct Finish {
  void (*call)(const void* self, int64_t begin, int64_t end);
  const void* self;
  double cost_ns;  // a guess for one element
};

// Shorter stretches cost more to hand on than the cache saves.
constexpr int64_t kLeastStretch = 256;

}  // namespace weft
