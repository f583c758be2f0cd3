// Elements of fewer than 8 bits, several in a byte: the first lies in the lowest bits, and bits that are left over are 0.
#pragma once

#include <cstdint>
#include <cstring>

namespace weft {

inline uint8_t load_packed(const uint8_t* bytes, int64_t i, int bits) {
  const int shift = static_cast<int>(i % (8 / bits)) * bits;
  return static_cast<uint8_t>(bytes[i / (8 / bits)] >> shift & ((1 << bits) - 1));
}
// Elements of a byte must be stored in order: the first clears it.
inline void store_packed(uint8_t* bytes, int64_t i, int bits, int64_t value) {
  const int shift = static_cast<int>(i % (8 / bits)) * bits;
  uint8_t& byte = bytes[i / (8 / bits)];
  const int code = static_cast<int>(value & ((1 << bits) - 1)) << shift;
  byte = static_cast<uint8_t>(shift == 0 ? code : byte | code);
}

// Elements from `from_first` on to places from `to_first` on; what lies beside them in their bytes stays as it is.
inline void copy_packed(void* to, int64_t to_first, const void* from, int64_t from_first, int64_t count, int bits) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  const int64_t in_byte = 8 / bits;
  int64_t done = 0;
  if (to_first % in_byte == 0 && from_first % in_byte == 0 && count >= in_byte) {
    std::memcpy(out + to_first / in_byte, in + from_first / in_byte, static_cast<size_t>(count / in_byte));
    done = count / in_byte * in_byte;
  }
  for (; done < count; ++done) {
    const int64_t at = to_first + done;
    const int shift = static_cast<int>(at % in_byte) * bits;
    const int code = load_packed(in, from_first + done, bits) << shift, mask = ((1 << bits) - 1) << shift;
    out[at / in_byte] = static_cast<uint8_t>((out[at / in_byte] & ~mask) | code);
  }
}

}  // namespace weft
