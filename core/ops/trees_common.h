// Forests of decision trees, brought to one form whatever operator they come from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/graph/expr.h"

namespace weft {

enum class TreeTest { kLeq, kLt, kGte, kGt, kEq, kNeq, kMember, kLeaf };

// A node as an operator has it. Children are indices into the same list.
struct TreeNode {
  TreeTest test = TreeTest::kLeaf;
  int64_t feature = 0;
  double threshold = 0;
  bool nan_is_true = false;
  int64_t yes = 0, no = 0;
  std::vector<double> members;                    // of kMember
  std::vector<std::pair<int64_t, double>> votes;  // of a leaf: for which target, how much
};

struct Forest {
  std::vector<TreeNode> nodes;
  std::vector<int64_t> roots;
  int64_t targets = 1;
  std::string aggregate = "SUM";  // or AVERAGE, MIN, MAX
};

// INVALID_ARGUMENT if children, features or targets are none, or a node is below itself.
Status check_forest(const Forest& forest);
// Whether rows of so many numbers have all that the trees look at.
Status check_features(const Dim& features, const Forest& forest);

// What the trees make of the rows x, f32 or f64 [N, F]: [N, targets] of its type, 0 where no leaf votes. `voted` becomes
// bool [N, targets] if it is wanted.
Expr run_forest(Expr x, const Forest& forest, Expr* voted = nullptr);

}  // namespace weft
