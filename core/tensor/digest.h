// Digests of content: 128 bits that tell bytes from other bytes (XXH3). They find damage and chance, not forgery.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

struct Digest {
  uint64_t high = 0, low = 0;

  bool operator==(const Digest&) const = default;
  std::string text() const;  // 32 hexadecimal digits
};

Digest digest_of(const void* data, int64_t bytes);
inline Digest digest_of(std::string_view text) { return digest_of(text.data(), static_cast<int64_t>(text.size())); }

}  // namespace weft
