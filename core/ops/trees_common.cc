// Forests of decision trees: what they ask is turned into questions of one kind, "x <= threshold", which run fast.
#include "core/ops/trees_common.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/float_env.h"

namespace weft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kMostTreeNodes = int64_t{1} << 30;

// The nodes that run. A leaf has itself as both children.
class FlatForest {
 public:
  FlatForest(const Forest& forest, bool single) : forest_(forest), single_(single) {}

  void build() {
    std::vector<int64_t> place(forest_.nodes.size(), -1);
    // Children of a node come soon after it, so that what a row meets lies together.
    std::vector<int64_t> order, stack;
    for (int64_t root : forest_.roots) {
      stack.push_back(root);
      while (!stack.empty()) {
        const int64_t at = stack.back();
        stack.pop_back();
        if (place[static_cast<size_t>(at)] >= 0) continue;
        const TreeNode& node = forest_.nodes[static_cast<size_t>(at)];
        place[static_cast<size_t>(at)] = add();
        order.push_back(at);
        if (node.test == TreeTest::kLeaf) continue;
        stack.push_back(node.no);
        stack.push_back(node.yes);
      }
    }
    std::vector<const TreeNode*> leaves(features.size(), nullptr);
    for (int64_t at : order) {
      const TreeNode& node = forest_.nodes[static_cast<size_t>(at)];
      const int64_t here = place[static_cast<size_t>(at)];
      if (node.test == TreeTest::kLeaf) {
        leaves[static_cast<size_t>(here)] = &node;
        set(here, 0, kInfinity, here, here, true);
        continue;
      }
      const int64_t yes = place[static_cast<size_t>(node.yes)], no = place[static_cast<size_t>(node.no)];
      ask(here, node, yes, no);
    }
    leaves.resize(features.size(), nullptr);
    for (const TreeNode* leaf : leaves) {
      vote_begin.push_back(static_cast<int64_t>(targets.size()));
      if (leaf == nullptr) continue;
      for (const auto& [target, weight] : leaf->votes) {
        targets.push_back(target);
        weights.push_back(weight);
      }
    }
    vote_begin.push_back(static_cast<int64_t>(targets.size()));
    for (int64_t root : forest_.roots) roots.push_back(place[static_cast<size_t>(root)]);
  }

  std::vector<int64_t> features, left, right, nan_left, roots, vote_begin, targets;
  std::vector<double> thresholds, weights;

 private:
  int64_t add() {
    for (auto* list : {&features, &left, &right, &nan_left}) list->push_back(0);
    thresholds.push_back(0);
    return static_cast<int64_t>(features.size()) - 1;
  }

  void set(int64_t at, int64_t feature, double threshold, int64_t when, int64_t otherwise, bool nan_is_left) {
    const auto i = static_cast<size_t>(at);
    features[i] = feature;
    thresholds[i] = threshold;
    left[i] = when;
    right[i] = otherwise;
    nan_left[i] = nan_is_left ? 1 : 0;
  }

  // The largest number below; NaN, which nothing is below or equal to, if there is none.
  double before(double number) const {
    if (number == -kInfinity) return std::nan("");
    return single_ ? double{std::nextafterf(static_cast<float>(number), -std::numeric_limits<float>::infinity())}
                   : std::nextafter(number, -kInfinity);
  }

  void ask(int64_t at, const TreeNode& node, int64_t yes, int64_t no) {
    const int64_t nan = node.nan_is_true || node.test == TreeTest::kNeq ? yes : no;
    if (node.test == TreeTest::kMember || node.test == TreeTest::kEq || node.test == TreeTest::kNeq) {
      std::vector<double> members = node.test == TreeTest::kMember ? node.members : std::vector{node.threshold};
      if (single_) {
        // Rows of f32 hold no other numbers.
        std::erase_if(members, [](double value) { return double{static_cast<float>(value)} != value; });
      }
      std::erase_if(members, [](double value) { return std::isnan(value); });
      std::sort(members.begin(), members.end());
      members.erase(std::unique(members.begin(), members.end()), members.end());
      if (node.test == TreeTest::kNeq) std::swap(yes, no);
      ask_members(at, node.feature, members, yes, no, nan);
      return;
    }
    const bool opposite = node.test == TreeTest::kGte || node.test == TreeTest::kGt;
    const bool strict = node.test == TreeTest::kLt || node.test == TreeTest::kGte;
    // Nothing compares with NaN, so numbers go where all of them do, and NaN the other way.
    if (std::isnan(node.threshold)) return set(at, node.feature, kInfinity, no, nan, false);
    const double threshold = strict ? before(node.threshold) : node.threshold;
    const int64_t when = opposite ? no : yes, otherwise = opposite ? yes : no;
    // Where both ways are one, so is that of NaN, unless it is told apart.
    set(at, node.feature, threshold, when, otherwise, nan == when);
  }

  // Halves the members until one is left, with those below it gone: then x is that one or lies before it.
  void ask_members(int64_t at, int64_t feature, const std::vector<double>& members, int64_t yes, int64_t no,
                   int64_t nan) {
    if (members.empty()) return set(at, feature, kInfinity, no, nan, false);
    struct Part {
      int64_t at;
      size_t begin, end;
    };
    const int64_t first = add();
    set(at, feature, members.back(), first, no, true);
    std::vector<Part> parts{{first, 0, members.size()}};
    while (!parts.empty()) {
      const Part part = parts.back();
      parts.pop_back();
      if (part.end - part.begin == 1) {
        set(part.at, feature, before(members[part.begin]), no, yes, nan == no);
        continue;
      }
      const size_t middle = part.begin + (part.end - part.begin) / 2;
      const int64_t low = add(), high = add();
      set(part.at, feature, members[middle - 1], low, high, true);
      parts.push_back({low, part.begin, middle});
      parts.push_back({high, middle, part.end});
    }
  }

  const Forest& forest_;
  const bool single_;  // numbers are f32
};

Tensor tensor_of(const std::vector<double>& values, DType dtype) {
  if (dtype == DType::kF64) return Tensor::vector<double>(values);
  return Tensor::vector<float>(std::vector<float>(values.begin(), values.end()));
}

}  // namespace

Status check_forest(const Forest& forest) {
  const auto count = static_cast<int64_t>(forest.nodes.size());
  if (count > kMostTreeNodes) return unimplemented("more than ", kMostTreeNodes, " nodes");
  if (forest.targets < 1) return invalid("there must be one target at least, but there are ", forest.targets);
  for (int64_t i = 0; i < count; ++i) {
    const TreeNode& node = forest.nodes[static_cast<size_t>(i)];
    for (const auto& vote : node.votes) {
      if (vote.first >= 0 && vote.first < forest.targets) continue;
      return invalid("a leaf votes for target ", vote.first, ", but there are ", forest.targets);
    }
    if (node.test == TreeTest::kLeaf) continue;
    if (node.feature < 0 || node.feature > INT32_MAX) return invalid("node ", i, " asks for feature ", node.feature);
    if (node.yes < 0 || node.yes >= count || node.no < 0 || node.no >= count) {
      return invalid("node ", i, " has a child that is not there");
    }
  }
  // A walk that meets a node which it is still below would never end.
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state(static_cast<size_t>(count), kNew);
  std::vector<int64_t> stack;
  for (int64_t root : forest.roots) {
    if (root < 0 || root >= count) return invalid("the root ", root, " is no node; there are ", count);
    stack.push_back(root);
    while (!stack.empty()) {
      const auto at = static_cast<size_t>(stack.back());
      const TreeNode& node = forest.nodes[at];
      if (state[at] != kNew || node.test == TreeTest::kLeaf) {
        state[at] = kDone;
        stack.pop_back();
        continue;
      }
      state[at] = kOpen;
      for (int64_t child : {node.yes, node.no}) {
        if (state[static_cast<size_t>(child)] == kOpen) return invalid("node ", child, " is below itself");
        if (state[static_cast<size_t>(child)] == kNew) stack.push_back(child);
      }
    }
  }
  return {};
}

Status check_features(const Dim& features, const Forest& forest) {
  int64_t wanted = 1;
  for (const TreeNode& node : forest.nodes) {
    if (node.test != TreeTest::kLeaf) wanted = std::max(wanted, node.feature + 1);
  }
  if (!features.known() || features.value() >= wanted) return {};
  return invalid("X has rows of ", features.text(), " numbers, but the trees look at ", wanted, " or more");
}

Expr run_forest(Expr x, const Forest& forest, Expr* voted) {
  const FloatEnvironment environment;  // thresholds may be too small for a caller that flushes those to zero
  FlatForest flat(forest, x.dtype() == DType::kF32);
  flat.build();
  Attrs attrs{{"aggregate", forest.aggregate}, {"n_targets", forest.targets}};
  attrs.set("thresholds", tensor_of(flat.thresholds, x.dtype()));
  attrs.set("weights", tensor_of(flat.weights, x.dtype()));
  attrs.set("features", std::move(flat.features));
  attrs.set("left", std::move(flat.left));
  attrs.set("right", std::move(flat.right));
  attrs.set("nan_left", std::move(flat.nan_left));
  attrs.set("roots", std::move(flat.roots));
  attrs.set("vote_begin", std::move(flat.vote_begin));
  attrs.set("targets", std::move(flat.targets));
  const std::vector<Expr> out = make_all(x.scope(), "weft.Forest", {x}, std::move(attrs), voted != nullptr ? 2 : 1);
  if (voted != nullptr) *voted = out[1];
  return out[0];
}

}  // namespace weft
