// Division by a number that is known when a kernel is made ready.
#pragma once

#include <cstdint>

namespace weft::cuda {

// Division by a number that is found while the plan is made: of 32 bits by a multiplication, for numbers below 2^31.
template <typename Index>
struct Divider;
template <>
struct Divider<uint32_t> {
  uint32_t by, multiplier, shift;

  static Divider of(int64_t by) {
    Divider d{static_cast<uint32_t>(by), 0, 0};
    while ((int64_t{1} << d.shift) < by) ++d.shift;
    const uint64_t wide = static_cast<uint64_t>(by);
    d.multiplier = static_cast<uint32_t>((((uint64_t{1} << d.shift) - wide) << 32) / wide + 1);
    return d;
  }
  __device__ uint32_t divide(uint32_t n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};
template <>
struct Divider<uint64_t> {
  uint64_t by;

  static Divider of(int64_t by) { return {static_cast<uint64_t>(by)}; }
  __device__ uint64_t divide(uint64_t n) const { return n / by; }
};

// The same for places that may be of 32 or 64 bits, by a number from 1 to 2^31 - 1.
class PlaceDivider {
 public:
  explicit PlaceDivider(int64_t divisor = 1) : narrow_(Divider<uint32_t>::of(divisor)) {}

  // 0 <= n < 2^31
  __device__ int of(int n) const { return static_cast<int>(narrow_.divide(static_cast<uint32_t>(n))); }
  __device__ int64_t of(int64_t n) const {
    return n < (int64_t{1} << 31) ? of(static_cast<int>(n)) : n / static_cast<int64_t>(narrow_.by);
  }

 private:
  Divider<uint32_t> narrow_;
};

}  // namespace weft::cuda
