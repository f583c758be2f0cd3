// Which words of a random stream belong to which element.
#pragma once

#include <algorithm>

#include "core/base/philox.h"

namespace weft {

// A counter owns 2^32 positions of four words.
constexpr int64_t kPositionsOfACounter = int64_t{1} << 32;

inline uint64_t position_of(int64_t counter, int64_t index) {
  return (static_cast<uint64_t>(counter) << 32) + static_cast<uint64_t>(index);
}

// Calls fn(i, word i of the counter's words) for i of [begin, end).
template <typename Fn>
void for_words(const Philox& philox, int64_t counter, int64_t begin, int64_t end, Fn&& fn) {
  for (int64_t i = begin; i < end;) {
    const PhiloxWords words = philox.at(position_of(counter, i / 4));
    const int64_t stop = std::min(end, i / 4 * 4 + 4);
    for (; i < stop; ++i) fn(i, words.word[i % 4]);
  }
}

}  // namespace weft
