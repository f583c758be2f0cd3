// Device plug-ins on the library's side.
#pragma once

#include "core/base/status.h"
#include "weft/plugin.h"

namespace weft::c_api {

const weft_plugin_host& plugin_host();
// Opens the plug-in's devices and adds them to those of the process, all or none. The tables stay where they are.
Status add_plugin(const weft_plugin& plugin);

}  // namespace weft::c_api
