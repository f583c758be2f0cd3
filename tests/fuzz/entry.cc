// What libFuzzer, and `replay.cc` in its place, calls.
#include <cstddef>
#include <cstdint>

#include "core/base/live.h"
#include "core/tensor/buffer.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  weft::set_buffer_limit(int64_t{1} << 26);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int64_t before = weft::live_objects();
  weft::fuzz({reinterpret_cast<const char*>(data), size});
  weft::must(weft::live_objects() == before);
  return 0;
}
