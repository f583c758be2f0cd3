// The environment variables that Weft looks at, in one table.
#include "core/base/settings.h"

#include <array>
#include <cstdlib>
#include <optional>

#include "core/base/log.h"
#include "core/base/text.h"

namespace weft {

namespace {

constexpr SettingRow kRows[kSettingCount] = {
    {"WEFT_THREADS", "0",
     "Threads that work at one time, the caller's own included; 0 for as many as the process's "
     "processors (affinity and cgroup quota counted)."},
    {"WEFT_ISA", "auto",
     "Instruction set of the vector kernels: baseline, avx2, avx512 or avx512vnni on x86-64, neon on 64-bit ARM, or "
     "auto "
     "for the widest that the processor has. Results may differ between instruction sets in their last bits; those of "
     "avx512 and avx512vnni, and whole numbers everywhere, are the same."},
};

const std::array<std::string, kSettingCount>& values() {
  // Never destroyed: threads may still ask while the process exits.
  static const auto& values = *[] {
    auto* read = new std::array<std::string, kSettingCount>;
    for (int i = 0; i < kSettingCount; ++i) {
      const char* text = std::getenv(kRows[i].name);
      (*read)[i] = trim(text != nullptr ? text : "");
      if ((*read)[i].empty()) (*read)[i] = kRows[i].fallback;
    }
    return read;
  }();
  return values;
}

std::optional<bool> parse_flag(std::string_view text) {
  for (std::string_view yes : {"1", "true", "on", "yes"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "false", "off", "no"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace

const SettingRow& setting_row(Setting setting) { return kRows[static_cast<int>(setting)]; }

const std::string& setting_text(Setting setting) { return values()[static_cast<int>(setting)]; }

int64_t setting_int(Setting setting, int64_t least, int64_t most) {
  const SettingRow& row = setting_row(setting);
  std::optional<int64_t> value = parse_int(setting_text(setting));
  if (value && *value >= least && *value <= most) return *value;
  log(LogLevel::kWarning, row.name, "='", setting_text(setting), "' is not a whole number from ", least, " to ", most,
      "; using ", row.fallback);
  return *parse_int(row.fallback);
}

bool setting_flag(Setting setting) {
  const SettingRow& row = setting_row(setting);
  std::optional<bool> value = parse_flag(setting_text(setting));
  if (value) return *value;
  log(LogLevel::kWarning, row.name, "='", setting_text(setting),
      "' is neither 1, true, on, yes nor 0, false, off, no; using ", row.fallback);
  return *parse_flag(row.fallback);
}

}  // namespace weft
