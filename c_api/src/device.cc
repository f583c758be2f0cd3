// Devices of the C ABI, and the plug-ins that bring them.
#include "weft/device.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>

#include "c_api/src/handles.h"
#include "c_api/src/plugin.h"
#include "core/base/library.h"
#include "core/runtime/devices.h"

using namespace weft;
using namespace weft::c_api;

namespace {

// Up to recordings: what came later may be zero.
constexpr size_t kLeastTable = offsetof(weft_plugin, dlpack_type);

Status open_plugin(const char* path, void* library) {
  const auto open = library_function<weft_plugin_open_fn>(library, "weft_plugin_open");
  if (open == nullptr) return invalid("'", path, "' is no device plug-in: it does not export weft_plugin_open");
  const weft_plugin* plugin = nullptr;
  Status status = from_handle(open(&plugin_host(), &plugin));
  if (!status.ok()) return status.within(cat("the device plug-in '", path, "': "));
  if (plugin == nullptr) return invalid("the device plug-in '", path, "' gave no table");
  if (plugin->struct_size < kLeastTable) {
    return failed_precondition("the device plug-in '", path, "' has a table of ", plugin->struct_size,
                               " bytes, but at least ", kLeastTable, " are wanted: build it with this weft/plugin.h");
  }
  if (plugin->version != WEFT_PLUGIN_VERSION) {
    return failed_precondition("the device plug-in '", path, "' is for version ", plugin->version,
                               " of weft/plugin.h but this library has version ", WEFT_PLUGIN_VERSION);
  }
  // With zeros for what the plug-in does not know of. Devices keep it.
  auto table = std::make_unique<weft_plugin>();
  std::memcpy(table.get(), plugin, std::min(plugin->struct_size, sizeof(weft_plugin)));
  status = add_plugin(*table);
  if (status.ok()) (void)table.release();
  return status.within(cat("the device plug-in '", path, "': "));
}

// Of the process. What was loaded stays until it ends.
struct Plugins {
  std::mutex mutex;
  std::vector<void*> libraries;
};
Plugins& plugins() {
  static Plugins* all = new Plugins;
  return *all;
}

}  // namespace

int32_t weft_device_count(void) {
  try {
    return static_cast<int32_t>(device_names().size());
  } catch (...) {
    return 0;  // no memory
  }
}

const char* weft_device_name(int32_t index) {
  try {
    const std::vector<const std::string*> names = device_names();
    const bool known = index >= 0 && static_cast<size_t>(index) < names.size();
    return known ? names[static_cast<size_t>(index)]->c_str() : nullptr;
  } catch (...) {
    return nullptr;
  }
}

weft_status* weft_device_load(const char* path) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(path);
    Plugins& all = plugins();
    std::lock_guard lock(all.mutex);
    Result<void*> opened = open_library(path);
    if (!opened.ok()) return opened.status().within(cat("the device plug-in '", path, "' cannot be loaded: "));
    void* library = *opened;
    if (std::find(all.libraries.begin(), all.libraries.end(), library) != all.libraries.end()) {
      close_library(library);  // it is held already
      return {};
    }
    all.libraries.reserve(all.libraries.size() + 1);
    Status status = open_plugin(path, library);
    if (!status.ok()) {
      close_library(library);
      return status;
    }
    all.libraries.push_back(library);
    return {};
  });
}
