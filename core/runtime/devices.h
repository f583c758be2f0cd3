// The devices of this process, by name. They are added as plug-ins bring them and stay until the process ends.
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

// ALREADY_EXISTS if there is one of that name.
Status add_device(DeviceEntry entry);
// An error that lists the devices if there is none of that name.
Result<DeviceEntry> find_device(std::string_view name);
std::vector<std::string> device_names();  // sorted; "cpu" is among them

}  // namespace weft
