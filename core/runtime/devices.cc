// The devices of this process.
#include "core/runtime/devices.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace weft {

namespace {

struct Devices {
  std::mutex mutex;
  std::map<std::string, DeviceEntry, std::less<>> by_name;
};

// Never destroyed: threads may run while the process ends.
Devices& devices() {
  static Devices* all = new Devices;
  return *all;
}

std::vector<std::string> names_of(const Devices& all) {
  std::vector<std::string> names{"cpu"};
  for (const auto& [name, entry] : all.by_name) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Status add_device(DeviceEntry entry) {
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  const std::string& name = entry.device->name();
  if (name == "cpu" || all.by_name.count(name) != 0) {
    return make_error(Code::kAlreadyExists, "there is a device '", name, "' already");
  }
  all.by_name.emplace(name, std::move(entry));
  return {};
}

Result<DeviceEntry> find_device(std::string_view name) {
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  auto at = all.by_name.find(name);
  if (at != all.by_name.end()) return at->second;
  return not_found("there is no device '", name, "'; the devices are ", join(names_of(all), ", "));
}

std::vector<std::string> device_names() {
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  return names_of(all);
}

}  // namespace weft
