// The devices of this process.
#include "core/runtime/devices.h"

#include <mutex>

namespace weft {

namespace {

struct Devices {
  std::mutex mutex;
  std::vector<DeviceEntry> entries;
};

// Never destroyed: threads may run while the process ends.
Devices& devices() {
  static Devices* all = new Devices;
  return *all;
}

const DeviceEntry* find(const Devices& all, std::string_view name) {
  for (const DeviceEntry& entry : all.entries) {
    if (entry.device->name() == name) return &entry;
  }
  return nullptr;
}

const DeviceEntry* find(const Devices& all, const dlpack::DLDevice& wanted) {
  if (wanted.device_type == 0) return nullptr;  // of devices that DLPack has no number for
  for (const DeviceEntry& entry : all.entries) {
    const dlpack::DLDevice device = entry.device->dlpack_device();
    if (device.device_type == wanted.device_type && device.device_id == wanted.device_id) return &entry;
  }
  return nullptr;
}

}  // namespace

Status add_devices(std::vector<DeviceEntry> entries) {
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  for (const DeviceEntry& entry : entries) {
    const std::string& name = entry.device->name();
    if (name == "cpu" || find(all, name) != nullptr) {
      return make_error(Code::kAlreadyExists, "there is a device '", name, "' already");
    }
    const dlpack::DLDevice device = entry.device->dlpack_device();
    if (const DeviceEntry* other = find(all, device); other != nullptr) {
      return make_error(Code::kAlreadyExists, "DLPack would not tell '", name, "' from '", other->device->name(),
                        "': both are number ", device.device_id, " of its device type ", device.device_type);
    }
  }
  for (DeviceEntry& entry : entries) all.entries.push_back(std::move(entry));
  return {};
}

Result<DeviceEntry> find_device(std::string_view name) {
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  if (const DeviceEntry* entry = find(all, name)) return *entry;
  std::string names = "cpu";
  for (const DeviceEntry& entry : all.entries) names += cat(", ", entry.device->name());
  return not_found("there is no device '", name, "'; the devices are ", names);
}

Result<std::shared_ptr<Memory>> find_memory(std::string_view name) {
  if (name == "cpu") return std::shared_ptr<Memory>();
  WEFT_TRY(DeviceEntry entry, find_device(name));
  return std::shared_ptr<Memory>(std::move(entry.device));
}

std::shared_ptr<Memory> find_dlpack_memory(const dlpack::DLDevice& wanted) {
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  const DeviceEntry* entry = find(all, wanted);
  return entry == nullptr ? nullptr : entry->device;
}

std::vector<const std::string*> device_names() {
  static const std::string* cpu = new std::string("cpu");
  Devices& all = devices();
  std::lock_guard lock(all.mutex);
  std::vector<const std::string*> names{cpu};
  for (const DeviceEntry& entry : all.entries) names.push_back(&entry.device->name());
  return names;
}

}  // namespace weft
