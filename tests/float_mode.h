// The floating-point mode of the calling thread, as a host may set it.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace weft {

#if defined(__x86_64__)
constexpr uint64_t kFlushToZero = 0x8040;  // of results, and of denormals that come in
constexpr uint64_t kDefaultFloatMode = 0x1f80;
inline uint64_t float_mode() { return _mm_getcsr() & 0xffc0; }  // without what exceptions there were
inline void set_float_mode(uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
constexpr uint64_t kFlushToZero = 1 << 24;
constexpr uint64_t kDefaultFloatMode = 0;
inline uint64_t float_mode() {
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void set_float_mode(uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#endif

}  // namespace weft
