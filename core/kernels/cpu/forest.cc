// Kernel of weft.Forest: several walks go on at once, so that the wait for the node of one is time for another.
#include <algorithm>
#include <cstring>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

constexpr int64_t kRowsOfBlock = 64;
constexpr int64_t kTreesOfBlock = 32;  // votes are summed in blocks of so many, however rows and trees are shared out
constexpr int kWalksAtOnce = 8;
constexpr uint32_t kNanLeft = uint32_t{1} << 31;  // in a node's feature

enum class Aggregate { kSum, kAverage, kMin, kMax };

template <typename T>
struct FlatNode {
  T threshold;  // of a leaf with the one vote of a forest of one target: the vote
  uint32_t feature;
  int32_t child[2];  // right, left
};

template <typename T>
struct ForestState {
  std::vector<FlatNode<T>> nodes;
  std::vector<int32_t> roots;
  std::vector<int64_t> vote_begin, targets;
  std::vector<T> weights;
  int64_t rows, features, n_targets, row_blocks, tree_blocks;
  Aggregate aggregate;
  bool nan_left;  // some node sends NaN to the left
  bool single;    // one target, and each leaf has one vote, which is added
  bool marks;     // who has voted is wanted
  bool by_trees;  // few rows: trees are shared out
};

// From the nodes `at`, each for a row of its own, `stride` apart, to the leaves below.
template <typename T, bool kNan>
void walk_trees(const FlatNode<T>* nodes, const T* x, int64_t stride, int32_t* at) {
  int32_t moved;
  do {
    moved = 0;
    for (int i = 0; i < kWalksAtOnce; ++i) {
      const FlatNode<T>& node = nodes[at[i]];
      const uint32_t feature = kNan ? node.feature & ~kNanLeft : node.feature;
      const T value = x[i * stride + static_cast<int64_t>(feature)];
      bool left = value <= node.threshold;
      if constexpr (kNan) left |= (value != value) & ((node.feature & kNanLeft) != 0);
      const int32_t next = node.child[left];
      moved |= next ^ at[i];
      at[i] = next;
    }
  } while (moved != 0);
}

template <typename T>
void vote(const ForestState<T>& s, int32_t leaf, double* y, uint8_t* voted) {
  for (int64_t v = s.vote_begin[static_cast<size_t>(leaf)]; v < s.vote_begin[static_cast<size_t>(leaf) + 1]; ++v) {
    const int64_t target = s.targets[static_cast<size_t>(v)];
    const double weight = s.weights[static_cast<size_t>(v)];
    if (s.aggregate == Aggregate::kMin && voted[target] != 0)
      y[target] = std::min(y[target], weight);
    else if (s.aggregate == Aggregate::kMax && voted[target] != 0)
      y[target] = std::max(y[target], weight);
    else
      y[target] += weight;
    voted[target] = 1;
  }
}

template <typename T>
void vote_of_leaf(const ForestState<T>& s, int32_t leaf, double* y, uint8_t* voted) {
  if (s.single)
    *y += s.nodes[static_cast<size_t>(leaf)].threshold;
  else
    vote(s, leaf, y, voted);
}

// Of trees [tree, tree_end): several rows go down a tree at once; those left over, each down several trees at once.
template <typename T, bool kNan>
void votes_of_block(const ForestState<T>& s, const T* x, int64_t rows, int64_t tree, int64_t tree_end, double* y,
                    uint8_t* voted) {
  std::fill_n(y, rows * s.n_targets, 0.0);
  std::memset(voted, s.single ? 1 : 0, static_cast<size_t>(rows * s.n_targets));
  const int64_t in_groups = rows / kWalksAtOnce * kWalksAtOnce;
  int32_t at[kWalksAtOnce];
  for (int64_t t = tree; t < tree_end; ++t) {
    for (int64_t r = 0; r < in_groups; r += kWalksAtOnce) {
      std::fill_n(at, kWalksAtOnce, s.roots[static_cast<size_t>(t)]);
      walk_trees<T, kNan>(s.nodes.data(), x + r * s.features, s.features, at);
      for (int64_t i = 0; i < kWalksAtOnce; ++i) {
        vote_of_leaf(s, at[i], y + (r + i) * s.n_targets, voted + (r + i) * s.n_targets);
      }
    }
  }
  for (int64_t r = in_groups; r < rows; ++r) {
    for (int64_t t = tree; t < tree_end; t += kWalksAtOnce) {
      const int64_t count = std::min<int64_t>(kWalksAtOnce, tree_end - t);
      for (int64_t i = 0; i < kWalksAtOnce; ++i) at[i] = s.roots[static_cast<size_t>(t + std::min(i, count - 1))];
      walk_trees<T, kNan>(s.nodes.data(), x + r * s.features, 0, at);
      for (int64_t i = 0; i < count; ++i) vote_of_leaf(s, at[i], y + r * s.n_targets, voted + r * s.n_targets);
    }
  }
}

template <typename T>
void block_of_forest(const ForestState<T>& s, const T* x, int64_t row, int64_t tree_block, double* y, uint8_t* voted) {
  const int64_t rows = std::min(kRowsOfBlock, s.rows - row), tree = tree_block * kTreesOfBlock;
  const int64_t tree_end = std::min(tree + kTreesOfBlock, static_cast<int64_t>(s.roots.size()));
  (s.nan_left ? votes_of_block<T, true> : votes_of_block<T, false>)(s, x + row * s.features, rows, tree, tree_end, y,
                                                                    voted);
}

void merge_votes(Aggregate aggregate, int64_t count, const double* from, const uint8_t* from_voted, double* y,
                 uint8_t* voted) {
  for (int64_t i = 0; i < count; ++i) {
    if (from_voted[i] == 0) continue;
    if (voted[i] != 0 && aggregate == Aggregate::kMin)
      y[i] = std::min(y[i], from[i]);
    else if (voted[i] != 0 && aggregate == Aggregate::kMax)
      y[i] = std::max(y[i], from[i]);
    else
      y[i] += from[i];
    voted[i] = 1;
  }
}

template <typename T>
void finish_forest(const ForestState<T>& s, const RunArgs& args, int64_t first, int64_t count, const double* sums,
                   const uint8_t* marks) {
  const auto trees = static_cast<double>(s.roots.size());
  const bool average = s.aggregate == Aggregate::kAverage && trees > 0;
  T* y = args.output<T>(0) + first;
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<T>(average ? sums[i] / trees : sums[i]);
  if (!s.marks) return;
  bool* voted = args.output<bool>(1) + first;
  for (int64_t i = 0; i < count; ++i) voted[i] = marks[i] != 0;
}

// Scratch: for each tree block that is under way at once all sums, then all marks of who has voted.
template <typename T>
void run_forest_kernel(const ForestState<T>& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  const int64_t all = s.rows * s.n_targets, parts = s.by_trees ? s.tree_blocks : 2;
  double* sums = static_cast<double*>(args.scratch);
  auto* marks = reinterpret_cast<uint8_t*>(sums + parts * all);
  const double cost = 10.0 * static_cast<double>(kTreesOfBlock);  // of a row in a tree block
  if (s.by_trees) {
    parallel_for(*args.parallel, s.tree_blocks, 1, cost * static_cast<double>(s.rows), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) block_of_forest(s, x, 0, b, sums + b * all, marks + b * all);
    });
    for (int64_t b = 1; b < s.tree_blocks; ++b) {
      merge_votes(s.aggregate, all, sums + b * all, marks + b * all, sums, marks);
    }
    finish_forest(s, args, 0, all, sums, marks);
  } else {
    const double row_cost = cost * static_cast<double>(s.tree_blocks);
    parallel_for(*args.parallel, s.rows, kRowsOfBlock, row_cost, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * s.n_targets, count = (end - begin) * s.n_targets;
      block_of_forest(s, x, begin, 0, sums + first, marks + first);
      for (int64_t b = 1; b < s.tree_blocks; ++b) {
        block_of_forest(s, x, begin, b, sums + all + first, marks + all + first);
        merge_votes(s.aggregate, count, sums + all + first, marks + all + first, sums + first, marks + first);
      }
      finish_forest(s, args, first, count, sums + first, marks + first);
    });
  }
}

template <typename T>
ForestState<T> forest_state(const KernelContext& c) {
  const Attrs& a = c.attrs();
  ForestState<T> s;
  const std::vector<int64_t>&features = a.ints("features"), &left = a.ints("left"), &right = a.ints("right"),
        &nan_left = a.ints("nan_left"), &roots = a.ints("roots");
  s.vote_begin = a.ints("vote_begin");
  s.targets = a.ints("targets");
  const T* thresholds = a.tensor("thresholds").as<T>();
  const T* weights = a.tensor("weights").as<T>();
  s.weights.assign(weights, weights + a.tensor("weights").count());
  s.roots.assign(roots.begin(), roots.end());
  s.rows = c.shape(0)[0];
  s.features = c.shape(0)[1];
  s.n_targets = a.i("n_targets");
  const std::string& aggregate = a.s("aggregate");
  s.aggregate = aggregate == "AVERAGE" ? Aggregate::kAverage
                : aggregate == "MIN"   ? Aggregate::kMin
                : aggregate == "MAX"   ? Aggregate::kMax
                                       : Aggregate::kSum;
  s.single =
      s.n_targets == 1 && !s.roots.empty() && (s.aggregate == Aggregate::kSum || s.aggregate == Aggregate::kAverage);
  s.marks = c.has_output(1);
  s.nan_left = false;
  for (size_t i = 0; i < features.size(); ++i) {
    const bool leaf = left[i] == static_cast<int64_t>(i);
    if (leaf) s.single = s.single && s.vote_begin[i + 1] - s.vote_begin[i] == 1;
    s.nan_left = s.nan_left || (nan_left[i] != 0 && !leaf);
    s.nodes.push_back({thresholds[i],
                       static_cast<uint32_t>(features[i]) | (nan_left[i] != 0 && !leaf ? kNanLeft : 0),
                       {static_cast<int32_t>(right[i]), static_cast<int32_t>(left[i])}});
  }
  for (size_t i = 0; s.single && i < features.size(); ++i) {
    if (left[i] == static_cast<int64_t>(i)) s.nodes[i].threshold = s.weights[static_cast<size_t>(s.vote_begin[i])];
  }
  s.row_blocks = divide_up(s.rows, kRowsOfBlock);
  s.tree_blocks = divide_up(static_cast<int64_t>(s.roots.size()), kTreesOfBlock);
  s.by_trees = s.row_blocks <= 1 && s.tree_blocks > 1;
  return s;
}

Status prepare_forest(const KernelContext& c, PreparedKernel* prepared) {
  if (c.rank(0) != 2) return invalid("X must be rows [N, F] but has ", c.rank(0), " dimensions");
  int64_t wanted = 1;  // leaves look at the first
  for (int64_t feature : c.attrs().ints("features")) wanted = std::max(wanted, feature + 1);
  if (c.shape(0)[1] < wanted) {
    return invalid("X has rows of ", c.shape(0)[1], " numbers, but the trees look at ", wanted, " or more");
  }
  with_type(FloatElements{}, c.dtype(0), [&]<typename T>() {
    ForestState<T> s = forest_state<T>(c);
    const int64_t parts = s.by_trees ? s.tree_blocks : 2;
    prepared->scratch_bytes = parts * s.rows * s.n_targets * (int64_t{sizeof(double)} + 1);
    prepared->cost_ns = 10.0 * static_cast<double>(s.rows) * static_cast<double>(s.roots.size());
    prepared->use<&run_forest_kernel<T>>(std::move(s));
  });
  return {};
}

}  // namespace

void add_cpu_forest(KernelRegistry& kernels) { kernels.add("weft.Forest", {"rows", nullptr, prepare_forest}); }

}  // namespace weft
