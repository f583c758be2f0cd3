// Random numbers that are a function of a key and a position: Philox 4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <cstdint>
#include <string_view>

namespace weft {

struct PhiloxWords {
  uint32_t word[4];
};

// The plain function of the paper.
inline PhiloxWords philox4x32(PhiloxWords counter, uint32_t key_0, uint32_t key_1) {
  uint32_t c0 = counter.word[0], c1 = counter.word[1], c2 = counter.word[2], c3 = counter.word[3];
  for (int round = 0; round < 10; ++round) {
    uint64_t first = uint64_t{0xd2511f53} * c0, second = uint64_t{0xcd9e8d57} * c2;
    c0 = static_cast<uint32_t>(second >> 32) ^ c1 ^ key_0;
    c1 = static_cast<uint32_t>(second);
    c2 = static_cast<uint32_t>(first >> 32) ^ c3 ^ key_1;
    c3 = static_cast<uint32_t>(first);
    key_0 += 0x9e3779b9;
    key_1 += 0xbb67ae85;
  }
  return {{c0, c1, c2, c3}};
}

// 2^64 streams for every key, each of 2^64 positions of four words: the position is the low half of
// the counter, the stream the high half, low words first.
class Philox {
 public:
  Philox(uint64_t key, uint64_t stream) : key_(key), stream_(stream) {}

  PhiloxWords at(uint64_t position) const {
    return philox4x32({{static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                        static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)}},
                      static_cast<uint32_t>(key_), static_cast<uint32_t>(key_ >> 32));
  }

 private:
  uint64_t key_;
  uint64_t stream_;
};

// The words of a stream one after the other.
class PhiloxSequence {
 public:
  PhiloxSequence(uint64_t key, uint64_t stream) : philox_(key, stream) {}

  uint32_t next_word() {
    if (used_ == 4) {
      words_ = philox_.at(position_++);
      used_ = 0;
    }
    return words_.word[used_++];
  }
  // Low word first.
  uint64_t next_word_pair() {
    uint64_t low = next_word();
    return uint64_t{next_word()} << 32 | low;
  }
  // Each number below `bound` (not 0) equally likely.
  uint64_t next_below(uint64_t bound);

 private:
  Philox philox_;
  uint64_t position_ = 0;
  PhiloxWords words_ = {};
  int used_ = 4;
};

// Multiples of 2^-24 in [0, 1): the word's high bits.
inline float uniform_f32(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
// Multiples of 2^-53 in [0, 1): the high bits of high:low.
inline double uniform_f64(uint32_t high, uint32_t low) {
  return static_cast<double>((uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
}

// Two independent standard normal numbers from four words (Box and Muller, in double precision).
// The one place that computes them, so that every caller gets the same bits.
struct NormalPair {
  double value[2];
};
NormalPair normal_pair(PhiloxWords words);

// FNV-1a, 64 bits: what a stream or a key is called, as a number. Stable for ever, since saved
// models depend on it.
uint64_t hash_name(std::string_view name);

// Puts the numbers into an order that depends on `count`, `seed` and `epoch` alone (Fisher and
// Yates), every order equally likely.
void shuffle(int64_t* indices, int64_t count, uint64_t seed, uint64_t epoch);

}  // namespace weft
