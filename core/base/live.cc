// Counts the objects that callers hold.
#include "core/base/live.h"

namespace weft {

std::atomic<int64_t>& live_object_counter() {
  static std::atomic<int64_t> counter{0};
  return counter;
}

}  // namespace weft
