// Gives values with lifetimes a place in one block.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/plan/plan.h"

namespace weft {

namespace {

constexpr int64_t kAlign = 64;
// With more values than this, looking at all that were placed would take longer than what it saves is worth.
constexpr size_t kMostGreedy = 4096;

Status too_much() {
  return make_error(Code::kResourceExhausted, "the values of this run need more than ", kMostBytes, " bytes");
}

int64_t aligned(int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// Whether all steps that need `a` have ended when the first that needs `b` begins, whatever is walked beside what.
bool before(const Lifetime& a, const Lifetime& b, const std::vector<Beside>& beside) {
  if (a.end >= b.begin) return false;
  return beside.empty() || a.end < beside[b.begin].group || a.from >= beside[b.begin].branch;
}

// Greedy by size: the largest values are placed first, each at the lowest offset where none that lives at the same
// time lies. (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020.)
Result<Packing> pack_by_size(const std::vector<Lifetime>& lifetimes, const std::vector<Beside>& beside) {
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
    int64_t bytes = aligned(life.bytes);
    int64_t offset = 0;
    for (const Placed& other : placed) {
      const Lifetime& taken = lifetimes[other.value];
      if (before(taken, life, beside) || before(life, taken, beside)) continue;
      if (other.offset - offset >= bytes) break;
      offset = std::max(offset, other.end);
    }
    if (offset > kMostBytes) return too_much();
    packing.offsets[value] = offset;
    packing.total_bytes = std::max(packing.total_bytes, offset + bytes);
    Placed place{offset, offset + bytes, value};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), place,
                                   [](const Placed& a, const Placed& b) { return a.offset < b.offset; }),
                  place);
  }
  return packing;
}

// In the order of time, as an allocator would: each value takes the smallest gap that it fits into.
Result<Packing> pack_by_time(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> births(lifetimes.size());
  std::iota(births.begin(), births.end(), size_t{0});
  std::vector<size_t> deaths = births;
  std::stable_sort(births.begin(), births.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].begin < lifetimes[b].begin; });
  std::stable_sort(deaths.begin(), deaths.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].end < lifetimes[b].end; });
  Packing packing;
  packing.offsets.assign(lifetimes.size(), 0);
  std::map<int64_t, int64_t> gaps;                // offset, bytes; neighbours are joined
  std::set<std::pair<int64_t, int64_t>> by_size;  // bytes, offset
  auto forget = [&](std::map<int64_t, int64_t>::iterator gap) {
    by_size.erase({gap->second, gap->first});
    return gaps.erase(gap);
  };
  auto add_gap = [&](int64_t offset, int64_t bytes) {
    auto next = gaps.lower_bound(offset);
    if (next != gaps.end() && next->first == offset + bytes) {
      bytes += next->second;
      next = forget(next);
    }
    if (next != gaps.begin()) {
      auto before = std::prev(next);
      if (before->first + before->second == offset) {
        offset = before->first;
        bytes += before->second;
        forget(before);
      }
    }
    gaps.emplace(offset, bytes);
    by_size.emplace(bytes, offset);
  };
  size_t dead = 0;
  for (size_t value : births) {
    const Lifetime& life = lifetimes[value];
    for (; dead < deaths.size() && lifetimes[deaths[dead]].end < life.begin; ++dead) {
      if (lifetimes[deaths[dead]].bytes > 0)
        add_gap(packing.offsets[deaths[dead]], aligned(lifetimes[deaths[dead]].bytes));
    }
    if (life.bytes == 0) continue;
    const int64_t bytes = aligned(life.bytes);
    auto found = by_size.lower_bound({bytes, 0});
    if (found == by_size.end()) {
      if (packing.total_bytes > kMostBytes) return too_much();
      packing.offsets[value] = packing.total_bytes;
      packing.total_bytes += bytes;
      continue;
    }
    const auto [gap_bytes, offset] = *found;
    forget(gaps.find(offset));
    packing.offsets[value] = offset;
    if (gap_bytes > bytes) add_gap(offset + bytes, gap_bytes - bytes);
  }
  return packing;
}

}  // namespace

Result<Packing> pack_lifetimes(const std::vector<Lifetime>& lifetimes, const std::vector<Beside>& beside) {
  if (lifetimes.size() <= kMostGreedy) return pack_by_size(lifetimes, beside);
  if (beside.empty()) return pack_by_time(lifetimes);
  // A group counts as one step.
  std::vector<Lifetime> longer = lifetimes;
  for (Lifetime& life : longer) {
    life.begin = beside[life.begin].group;
    life.end = beside[life.end].last;
  }
  return pack_by_time(longer);
}

}  // namespace weft
