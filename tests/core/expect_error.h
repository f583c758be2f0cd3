// What tests of errors ask of a status.
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "core/base/status.h"

namespace weft {

inline void expect_error(const Status& status, Code code, std::string_view part) {
  EXPECT_EQ(status.code(), code) << status.text();
  EXPECT_NE(status.text().find(part), std::string::npos) << status.text();
}

}  // namespace weft
