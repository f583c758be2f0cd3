// Digests of content.
#include "core/tensor/digest.h"

// All of it in this file: nothing of it is exported or linked.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft {

std::string Digest::text() const {
  std::string out;
  for (const uint64_t half : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[half >> shift & 15];
  }
  return out;
}

Digest digest_of(const void* data, int64_t bytes) {
  const XXH128_hash_t hash = XXH3_128bits(data, static_cast<size_t>(bytes));
  return {hash.high64, hash.low64};
}

}  // namespace weft
