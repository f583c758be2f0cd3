// Random numbers that are a function of a key and a position.
#include "core/base/philox.h"

#include <cmath>
#include <utility>

namespace weft {

uint64_t PhiloxSequence::next_below(uint64_t bound) {
  // The high half of a 128-bit product (Lemire, 2019). Words whose low half falls below 2^64 mod
  // bound would make some results likelier than others and are thrown away.
  unsigned __int128 product = static_cast<unsigned __int128>(next_word_pair()) * bound;
  if (static_cast<uint64_t>(product) < bound) {
    uint64_t surplus = -bound % bound;
    while (static_cast<uint64_t>(product) < surplus) {
      product = static_cast<unsigned __int128>(next_word_pair()) * bound;
    }
  }
  return static_cast<uint64_t>(product >> 64);
}

NormalPair normal_pair(PhiloxWords words) {
  // In (0, 1], so that the logarithm is finite.
  double first = 1.0 - uniform_f64(words.word[0], words.word[1]);
  double second = uniform_f64(words.word[2], words.word[3]);
  double radius = std::sqrt(-2.0 * std::log(first));
  double angle = 6.283185307179586 * second;
  return {{radius * std::cos(angle), radius * std::sin(angle)}};
}

uint64_t hash_name(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

void shuffle(int64_t* indices, int64_t count, uint64_t seed, uint64_t epoch) {
  PhiloxSequence random(seed, hash_name("shuffle") + epoch);
  for (int64_t last = count - 1; last > 0; --last) {
    std::swap(indices[last], indices[random.next_below(static_cast<uint64_t>(last) + 1)]);
  }
}

}  // namespace weft
