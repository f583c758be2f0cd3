// The devices of this process. They are added as plug-ins bring them and stay until the process ends.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/device/device.h"
#include "core/kernel/registry.h"

namespace weft {

struct DeviceEntry {
  std::shared_ptr<Device> device;
  std::shared_ptr<const KernelRegistry> kernels;
};

// All or none: ALREADY_EXISTS if there is one of a name, or of a number in DLPack, already.
Status add_devices(std::vector<DeviceEntry> entries);
// An error that lists the devices if there is none of that name.
Result<DeviceEntry> find_device(std::string_view name);
// The memory named "cpu" (null) or by a device; the same error.
Result<std::shared_ptr<Memory>> find_memory(std::string_view name);
// That of the device that DLPack calls so; null if there is none.
std::shared_ptr<Memory> find_dlpack_memory(const dlpack::DLDevice& wanted);
// In the order in which they came; the first is "cpu". What is pointed to stays.
std::vector<const std::string*> device_names();

}  // namespace weft
