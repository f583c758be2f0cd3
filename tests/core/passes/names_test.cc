// Names of passes that an option switches off.
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

TEST(PassNames, AnUnknownOneIsAnErrorThatListsThem) {
  SessionOptions options;
  options.disabled_passes = {"fuse_relu", "fuse_rleu"};
  Status status = Session::make(*Graph::make(builtin_ops()), options).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.text().find("there is no pass 'fuse_rleu'; the passes are *, add_zero, "), std::string::npos);
  EXPECT_NE(status.text().find(", fuse_elementwise, "), std::string::npos) << status.text();
}

TEST(PassNames, KnownOnesAreFine) {
  SessionOptions options;
  options.disabled_passes = {"*", "fuse_relu", "fold_constants", "share_equal_nodes", "fuse_elementwise", "branches"};
  EXPECT_TRUE(Session::make(*Graph::make(builtin_ops()), options).ok());
}

}  // namespace
}  // namespace weft
