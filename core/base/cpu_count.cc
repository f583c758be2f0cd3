// How many processors this process may use.
#include "core/base/cpu_count.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/file.h"
#include "core/base/text.h"

namespace weft {

namespace {

constexpr int64_t kFileLimit = 1 << 20;

std::string read_text(const std::string& path) {
  auto bytes = read_file(path, kFileLimit);
  return bytes.ok() ? std::string((*bytes)->text()) : std::string();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    size_t end = text.find(separator);
    if (end != 0) out.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

bool has_item(std::string_view list, std::string_view item) {
  auto items = split(list, ',');
  return std::find(items.begin(), items.end(), item) != items.end();
}

// Processors that the quota of one folder allows, or nothing.
std::optional<int64_t> folder_quota(const std::string& folder, bool version_2) {
  std::optional<int64_t> quota, period;
  if (version_2) {
    std::string line = read_text(folder + "/cpu.max");  // "max 100000" or "150000 100000"
    auto words = split(trim(line), ' ');
    if (words.size() != 2) return std::nullopt;
    quota = parse_int(words[0]);
    period = parse_int(words[1]);
  } else {
    quota = parse_int(trim(read_text(folder + "/cpu.cfs_quota_us")));
    period = parse_int(trim(read_text(folder + "/cpu.cfs_period_us")));
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return (*quota - 1) / *period + 1;
}

// Where a process's group lies below a mount, or the mount itself: in a container the group's name
// is often that of the host, of which the mount shows only the lower part.
std::string below_mount(std::string_view group, std::string_view mount_root) {
  if (mount_root == "/") return std::string(group == "/" ? "" : group);
  if (group.substr(0, mount_root.size()) == mount_root) {
    std::string_view rest = group.substr(mount_root.size());
    if (rest.empty() || rest.front() == '/') return std::string(rest);
  }
  return {};
}

}  // namespace

int cgroup_cpu_quota(const std::string& root) {
  // "4:cpu,cpuacct:/group" for version 1, "0::/group" for version 2.
  std::string groups = read_text(root + "/proc/self/cgroup");
  std::optional<std::string> group_1, group_2;
  for (std::string_view line : split(groups, '\n')) {
    size_t first = line.find(':');
    size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) group_2 = line.substr(second + 1);
    if (has_item(controllers, "cpu")) group_1 = line.substr(second + 1);
  }
  int64_t least = 0;
  // "id parent device root mount-point options [tags] - type source super-options"
  std::string mounts = read_text(root + "/proc/self/mountinfo");
  for (std::string_view line : split(mounts, '\n')) {
    auto words = split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    bool version_2 = dash[1] == "cgroup2";
    if (!version_2 && (dash[1] != "cgroup" || !has_item(dash[3], "cpu"))) continue;
    const std::optional<std::string>& group = version_2 ? group_2 : group_1;
    if (!group) continue;
    std::string mount = root + std::string(words[4]);
    std::string path = below_mount(*group, words[3]);
    // A group may use no more than each of those around it.
    for (;;) {
      if (auto quota = folder_quota(mount + path, version_2)) {
        least = least == 0 ? *quota : std::min(least, *quota);
      }
      size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return static_cast<int>(std::min<int64_t>(least, std::numeric_limits<int>::max()));
}

int cpu_count() {
  int processors = 1;
  // The kernel's own mask may be wider than the fixed cpu_set_t.
  for (int width = 1024; width <= (1 << 20); width *= 2) {
    cpu_set_t* set = CPU_ALLOC(width);
    if (set == nullptr) break;
    size_t bytes = CPU_ALLOC_SIZE(width);
    int failed = sched_getaffinity(0, bytes, set);
    if (failed == 0) processors = CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    if (failed == 0 || errno != EINVAL) break;
  }
  int quota = cgroup_cpu_quota("");
  if (quota > 0) processors = std::min(processors, quota);
  return std::max(processors, 1);
}

}  // namespace weft
