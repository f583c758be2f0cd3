// Devices that every machine has, for tests of what the core asks of one: memory that the processor cannot touch, and
// streams whose work is done as early or as late as they may.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/runtime/devices.h"

namespace weft {

// A device of its own, late as below or early, with the CPU's kernels of the operators for which `has` holds.
using HasKernels = std::function<bool(const std::string& op)>;
DeviceEntry make_test_device(const std::string& name, bool late, const HasKernels& has);

// Of "test:early", each piece of work is done when it is put on the stream; of "test:late", not before somebody waits;
// "test:partial" is late and lacks about half of the kernels. What one of them computes has the bits of
// the CPU. Idempotent.
void add_test_devices();

std::vector<std::string> test_devices();

// What the test devices have done since the process began.
struct TestDeviceCounts {
  int64_t copies_in = 0, copies_out = 0, copies_within = 0;
  int64_t kernels = 0, waits = 0;
  int64_t bytes_held = 0;
  int64_t fused = 0, recordings = 0, replays = 0;
  int64_t waits_for_others = 0;  // asked for, as there is never anything to wait for
};
TestDeviceCounts test_device_counts();
// Their next allocation fails; their next recording does.
void fail_next_allocation();
void fail_next_recording();

}  // namespace weft
