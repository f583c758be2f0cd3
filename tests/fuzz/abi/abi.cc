// Any bytes as a program of calls of the C ABI.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/abi/machine.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  weft::abi_fuzz::start();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int64_t before = weft_live_objects();
  {
    weft::abi_fuzz::Machine machine({reinterpret_cast<const char*>(data), size});
    machine.run();
  }
  weft::must(weft_live_objects() == before);
  return 0;
}
