// How many processors this process may use.
#pragma once

#include <string>

namespace weft {

// The calling thread's affinity mask, and no more than the CPU quota of its control groups
// (versions 1 and 2) rounded up. At least 1.
int cpu_count();

// Processors that the quotas of the control groups allow, rounded up, or 0 where nothing limits
// them. `root` stands before /proc and every mount point, so that tests can show other machines.
int cgroup_cpu_quota(const std::string& root);

}  // namespace weft
