// Gives values with lifetimes a place in one block.
#include <algorithm>
#include <numeric>

#include "core/plan/plan.h"

namespace weft {

// Greedy by size: the largest values are placed first, each at the lowest offset where none that lives at the same
// time lies. (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020.)
Result<Packing> pack_lifetimes(const std::vector<Lifetime>& lifetimes) {
  constexpr int64_t kAlign = 64;
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  Packing packing;
  packing.offsets.assign(lifetimes.size(), 0);
  struct Placed {
    int64_t offset, end;
    size_t value;
  };
  std::vector<Placed> placed;  // sorted by offset
  for (size_t value : order) {
    const Lifetime& life = lifetimes[value];
    if (life.bytes == 0) continue;
    int64_t bytes = (life.bytes + kAlign - 1) / kAlign * kAlign;
    int64_t offset = 0;
    for (const Placed& other : placed) {
      const Lifetime& taken = lifetimes[other.value];
      if (taken.end < life.begin || life.end < taken.begin) continue;
      if (other.offset - offset >= bytes) break;
      offset = std::max(offset, other.end);
    }
    if (offset > kMostBytes) {
      return make_error(Code::kResourceExhausted, "the values of this run need more than ", kMostBytes, " bytes");
    }
    packing.offsets[value] = offset;
    packing.total_bytes = std::max(packing.total_bytes, offset + bytes);
    Placed place{offset, offset + bytes, value};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), place,
                                   [](const Placed& a, const Placed& b) { return a.offset < b.offset; }),
                  place);
  }
  return packing;
}

}  // namespace weft
