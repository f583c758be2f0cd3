// The table of environment variables.
#include "core/base/settings.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weft {
namespace {

TEST(Settings, EveryRowIsComplete) {
  std::set<std::string> names;
  for (int i = 0; i < kSettingCount; ++i) {
    const SettingRow& row = setting_row(static_cast<Setting>(i));
    ASSERT_NE(row.name, nullptr);
    ASSERT_NE(row.fallback, nullptr);
    EXPECT_EQ(std::string(row.name).substr(0, 5), "WEFT_");
    EXPECT_GT(std::string(row.doc).size(), 20u);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(Settings, ThreadsIsNamedForUsers) {
  EXPECT_STREQ(setting_row(Setting::kThreads).name, "WEFT_THREADS");
  EXPECT_STREQ(setting_row(Setting::kThreads).fallback, "0");
}

}  // namespace
}  // namespace weft
