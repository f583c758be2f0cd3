// Counts the objects that callers hold, so that every test suite can end by asserting zero.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft {

std::atomic<int64_t>& live_object_counter();
inline int64_t live_objects() { return live_object_counter().load(std::memory_order_relaxed); }

// A member of each counted object.
class Live {
 public:
  Live() { live_object_counter().fetch_add(1, std::memory_order_relaxed); }
  Live(const Live&) : Live() {}
  Live& operator=(const Live&) = default;
  ~Live() { live_object_counter().fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace weft
