// The environment variables that Weft looks at, in one table.
#pragma once

#include <cstdint>
#include <string>

namespace weft {

// One per row of the table in settings.cc, in its order.
enum class Setting : int32_t {
  kThreads,
  kIsa,
};
constexpr int kSettingCount = 2;

struct SettingRow {
  const char* name;      // the environment variable
  const char* fallback;  // its value when it is not set or empty
  const char* doc;
};
const SettingRow& setting_row(Setting setting);

// The environment is read once, when the first setting is asked for. A value that cannot be read as
// what it should be, or lies outside the range, is reported to the log and the fallback holds.
const std::string& setting_text(Setting setting);
int64_t setting_int(Setting setting, int64_t least, int64_t most);
bool setting_flag(Setting setting);  // 1, true, on, yes or 0, false, off, no

}  // namespace weft
