// Processors: affinity and the quotas of control groups.
#include "core/base/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace weft {
namespace {

namespace fs = std::filesystem;

// A machine made of files.
class Machine : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "weft-machine-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::string root_;
};

constexpr const char* kMounts2 =
    "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST_F(Machine, NothingKnown) { EXPECT_EQ(cgroup_cpu_quota(root_), 0); }

TEST_F(Machine, Version2) {
  put("/proc/self/mountinfo", kMounts2);
  put("/proc/self/cgroup", "0::/a/b\n");
  put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 0);
  put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 3);  // two and a half
  put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 2);  // the outer one binds
  put("/sys/fs/cgroup/cpu.max", "1000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 1);
}

TEST_F(Machine, Version2InContainer) {
  // The group as the host names it, of which the container sees its own part as the root.
  put("/proc/self/mountinfo", kMounts2);
  put("/proc/self/cgroup", "0::/docker/0123\n");
  put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 4);
}

TEST_F(Machine, Version1) {
  put("/proc/self/mountinfo",
      "31 25 0:27 /docker/0123 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
      "32 25 0:28 /docker/0123 /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n");
  put("/proc/self/cgroup", "4:cpuset:/docker/0123\n3:cpu,cpuacct:/docker/0123\n");
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 0);
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 1);
}

TEST_F(Machine, NonsenseIsIgnored) {
  put("/proc/self/mountinfo", "x\n- - - -\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2\n" + std::string(kMounts2));
  put("/proc/self/cgroup", "\n:\n0::/a\n");
  for (const char* text : {"", "max", "1 0", "-5 100", "x y", "1 2 3", "99999999999999999999 1"}) {
    put("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(cgroup_cpu_quota(root_), 0) << text;
  }
  put("/sys/fs/cgroup/a/cpu.max", "9223372036854775807 1");
  EXPECT_EQ(cgroup_cpu_quota(root_), 2147483647);
}

TEST(CpuCount, FollowsAffinity) {
  EXPECT_GE(cpu_count(), 1);
  std::thread([] {
    cpu_set_t now, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof now, &now), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &now)) {
        CPU_SET(i, &one);
        break;
      }
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(cpu_count(), 1);
  }).join();
}

}  // namespace
}  // namespace weft
