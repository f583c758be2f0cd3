// Branches: which stretches are walked side by side, and that nothing of theirs lies in one place.
#include "core/plan/branches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/graph/expr.h"
#include "core/plan/plan.h"
#include "core/runtime/builtin.h"

namespace weft {
namespace {

constexpr int kAnyNumber = std::numeric_limits<int>::max();
using Steps = std::vector<BranchStep>;
using Branches = std::vector<std::vector<int32_t>>;

// A step of so many microseconds.
BranchStep step(double us, std::vector<int32_t> needs, int64_t most_threads = 0) {
  return {us * 1000, most_threads, std::move(needs)};
}

// Towers one after another, whose first steps need `from`, and a step that needs all ends.
void add_towers(Steps& steps, int towers, int layers, double us, int32_t from, double join_us = 1) {
  std::vector<int32_t> ends;
  for (int tower = 0; tower < towers; ++tower) {
    int32_t before = from;
    for (int layer = 0; layer < layers; ++layer) {
      steps.push_back(step(us, before < 0 ? std::vector<int32_t>{} : std::vector<int32_t>{before}));
      before = static_cast<int32_t>(steps.size()) - 1;
    }
    ends.push_back(before);
  }
  steps.push_back(step(join_us, ends));
}

TEST(FindBranches, TowersOfShortSteps) {
  Steps steps{step(30, {})};
  add_towers(steps, 3, 2, 10, 0);
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].begin, 1);
  EXPECT_EQ(found[0].end, 7) << "the step that needs all of them comes behind";
  EXPECT_EQ(found[0].branches, (Branches{{1, 2}, {3, 4}, {5, 6}}));
  EXPECT_EQ(found[0].branch_ns, (std::vector<double>{20'000, 20'000, 20'000}));
  EXPECT_EQ(found[0].cost_ns, 60'000);
  EXPECT_EQ(found[0].most_threads, kAnyNumber);
}

TEST(FindBranches, OfNothingNone) { EXPECT_TRUE(find_branches({}).empty()); }

TEST(FindBranches, AChainIsNone) {
  Steps steps;
  for (int32_t s = 0; s < 1000; ++s) steps.push_back(step(15, s == 0 ? std::vector<int32_t>{} : std::vector{s - 1}));
  EXPECT_TRUE(find_branches(steps).empty());
}

TEST(FindBranches, WhatTakesNoTimeIsWalkedStraight) {
  Steps chain, wide;
  for (int32_t s = 0; s < 1000; ++s) chain.push_back(step(0.01, s == 0 ? std::vector<int32_t>{} : std::vector{s - 1}));
  EXPECT_TRUE(find_branches(chain).empty());
  add_towers(wide, 100, 2, 0.01, -1);
  EXPECT_TRUE(find_branches(wide).empty());
}

TEST(FindBranches, StepsThatDivideWellAreLeftToTheirLoops) {
  Steps steps;
  add_towers(steps, 2, 3, 500, -1);
  EXPECT_TRUE(find_branches(steps).empty());
}

TEST(FindBranches, StepsThatDoNotDivideAreNot) {
  Steps steps;
  for (int32_t s = 0; s < 4; ++s)
    steps.push_back(step(500, s % 2 == 0 ? std::vector<int32_t>{} : std::vector{s - 1}, 1));
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].branches, (Branches{{0, 1}, {2, 3}}));
}

// Two branches of 8 short steps and one that any number of threads can divide.
TEST(FindBranches, ManyThreadsMayDoBetterWithTheLoops) {
  Steps steps;
  for (int branch = 0; branch < 2; ++branch) {
    for (int i = 0; i < 8; ++i) {
      const auto at = static_cast<int32_t>(steps.size());
      steps.push_back(step(19, i == 0 ? std::vector<int32_t>{} : std::vector{at - 1}));
    }
    const auto at = static_cast<int32_t>(steps.size());
    steps.push_back(step(150, {at - 1}));
  }
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 1u);
  // Straight, with n threads: 304 us and twice (150 / n + 2). Side by side 302 and 2, and a fourth of that is to be gained.
  EXPECT_EQ(found[0].most_threads, 4);
}

TEST(FindBranches, OneLongBranchBesideAShortOneDoesNotPay) {
  Steps steps;
  for (int32_t s = 0; s < 20; ++s) steps.push_back(step(15, s == 0 ? std::vector<int32_t>{} : std::vector{s - 1}));
  steps.push_back(step(10, {}));
  steps.push_back(step(1, {19, 20}));
  const std::vector<FoundBranches> found = find_branches(steps);
  // Unless it is put beside a part of the long one that is about as long: there is none of 40 us together.
  EXPECT_TRUE(found.empty());
}

TEST(FindBranches, BlocksOneAfterAnotherAreGroupsOfTheirOwn) {
  Steps steps;
  add_towers(steps, 4, 1, 15, -1);  // 0 to 3, joined by 4
  add_towers(steps, 4, 1, 15, 4);   // 5 to 8, joined by 9
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].branches, (Branches{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(found[1].branches, (Branches{{5}, {6}, {7}, {8}}));
}

TEST(FindBranches, StepsOfBranchesMayBeMixed) {
  Steps steps;
  for (int32_t s = 0; s < 12; ++s) steps.push_back(step(10, s < 2 ? std::vector<int32_t>{} : std::vector{s - 2}));
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].branches, (Branches{{0, 2, 4, 6, 8, 10}, {1, 3, 5, 7, 9, 11}}));
}

TEST(FindBranches, BranchesInABranchStayInIt) {
  Steps steps;
  add_towers(steps, 2, 2, 15, -1, 15);  // 0 to 3, joined by 4
  add_towers(steps, 2, 2, 15, -1, 15);  // 5 to 8, joined by 9
  steps.push_back(step(1, {4, 9}));
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].branches, (Branches{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}}));
}

TEST(FindBranches, ShortOnesArePutTogether) {
  Steps steps;
  add_towers(steps, 1000, 2, 0.1, -1);
  const std::vector<FoundBranches> found = find_branches(steps);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_LE(found[0].branches.size(), 100u);
  EXPECT_GE(found[0].branches.size(), 20u);
  std::vector<int32_t> all;
  for (const std::vector<int32_t>& branch : found[0].branches) all.insert(all.end(), branch.begin(), branch.end());
  EXPECT_EQ(all.size(), 2000u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

// What is found is right whatever the graph looks like: no step twice, none needs one of another branch of its group.
TEST(FindBranches, OfRandomStepsNeedNothingOfEachOther) {
  uint32_t seed = 1;
  auto random = [&](uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
  };
  int groups = 0;
  for (int graph = 0; graph < 300; ++graph) {
    Steps steps;
    const uint32_t reach = 1 + random(12);
    for (int32_t s = 0; s < 60; ++s) {
      BranchStep next = step(1 + random(40), {}, random(3));
      for (uint32_t i = 0; i < random(3); ++i) {
        const int32_t need = s - 1 - static_cast<int32_t>(random(reach));
        if (need >= 0) next.needs.push_back(need);
      }
      steps.push_back(std::move(next));
    }
    int32_t behind = 0;
    for (const FoundBranches& group : find_branches(steps)) {
      ++groups;
      ASSERT_LE(behind, group.begin);
      behind = group.end;
      ASSERT_GE(group.most_threads, 2);
      ASSERT_EQ(group.branches.size(), group.branch_ns.size());
      std::map<int32_t, size_t> branch_of;
      double cost = 0;
      for (size_t b = 0; b < group.branches.size(); ++b) {
        double branch_cost = 0;
        for (int32_t s : group.branches[b]) {
          ASSERT_TRUE(branch_of.emplace(s, b).second);
          for (int32_t need : steps[static_cast<size_t>(s)].needs) {
            ASSERT_TRUE(need < group.begin || branch_of.count(need) != 0) << "step " << s << " stands before " << need;
          }
          branch_cost += steps[static_cast<size_t>(s)].cost_ns;
        }
        ASSERT_NEAR(branch_cost, group.branch_ns[b], 1e-3);
        cost += branch_cost;
      }
      ASSERT_NEAR(cost, group.cost_ns, 1e-3);
      ASSERT_EQ(branch_of.size(), static_cast<size_t>(group.end - group.begin));
      ASSERT_EQ(branch_of.begin()->first, group.begin);
      ASSERT_EQ(branch_of.rbegin()->first, group.end - 1);
      for (const auto& [s, b] : branch_of) {
        for (int32_t need : steps[static_cast<size_t>(s)].needs) {
          if (need < group.begin) continue;
          ASSERT_EQ(branch_of[need], b) << "step " << s << " needs " << need;
        }
      }
    }
  }
  EXPECT_GT(groups, 100);
}

// Wide enough that every step but the last few could begin beside all others: the search must not take the square of it.
TEST(FindBranches, EndsOnVeryWideGraphs) {
  Steps steps;
  for (int32_t s = 0; s < 100'000; ++s) {
    steps.push_back(
        step(5, s % 3 == 0 ? std::vector<int32_t>{} : std::vector{s - s % 97 - 1 < 0 ? 0 : s - s % 97 - 1}));
    if (!steps.back().needs.empty() && steps.back().needs[0] >= s) steps.back().needs.clear();
  }
  EXPECT_FALSE(find_branches(steps).empty());
}

// -- Plans.

struct BranchPlans {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::vector<ValueId> inputs;
  std::vector<InputKey> keys;
  uint32_t seed;

  explicit BranchPlans(uint32_t seed = 1) : seed(seed) {}
  uint32_t random(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
  }
  Expr input(Shape shape) {
    inputs.push_back(*graph->add_input(cat("x", inputs.size()), ValueType::tensor(DType::kF32, to_dims(shape))));
    keys.push_back({Kind::kTensor, DType::kF32, shape, {}});
    return Expr(scope, inputs.back());
  }
  // "*" leaves the branches.
  std::shared_ptr<const Plan> plan(const std::vector<Expr>& fetches, const std::vector<std::string>& disabled = {}) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    std::vector<ValueId> ids;
    for (Expr fetch : fetches) ids.push_back(fetch.id());
    Result<Cut> cut = cut_program(*graph, inputs, ids, {});
    PlanOptions options;
    options.rewrite = rewrite_options(builtin_rules(), disabled);
    options.rewrite.branches = std::find(disabled.begin(), disabled.end(), "branches") == disabled.end();
    Result<std::shared_ptr<const Plan>> made = make_plan(cut->program, keys, cpu_kernels(), options);
    EXPECT_TRUE(made.ok()) << made.status().text();
    return *made;
  }
  std::vector<Expr> towers(int count, int layers, int64_t width) {
    Expr x = input({1, width});
    std::vector<Expr> ends;
    for (int tower = 0; tower < count; ++tower) {
      Expr y = x;
      for (int layer = 0; layer < layers; ++layer) y = make(scope, "Tanh", {matmul(y, input({width, width}))});
      ends.push_back(y);
    }
    return ends;
  }
};

TEST(BranchPlans, TowersAreOneGroup) {
  BranchPlans t;
  Expr y = make(t.scope, "Concat", t.towers(8, 6, 256), {{"axis", int64_t{1}}});
  auto plan = t.plan({y});
  ASSERT_EQ(plan->groups.size(), 1u);
  const BranchGroup& group = plan->groups[0];
  EXPECT_EQ(group.branches.size(), 8u);
  EXPECT_EQ(group.begin, 0);
  EXPECT_EQ(group.end, 48);
  EXPECT_EQ(plan->steps.size(), 49u);
  EXPECT_TRUE(t.plan({y}, {"branches"})->groups.empty());
}

TEST(BranchPlans, TinyNetsHaveNone) {
  BranchPlans t;
  Expr x = t.input({4});
  std::vector<Expr> ends;
  for (int i = 0; i < 100; ++i) ends.push_back(make(t.scope, "Relu", {x + t.input({4})}));
  EXPECT_TRUE(t.plan({make(t.scope, "Concat", ends, {{"axis", int64_t{0}}})})->groups.empty());
}

// Each tower makes values of 1 MiB, which one after another lie in a few places.
TEST(BranchPlans, WhatWouldTakeMuchMoreMemoryIsWalkedStraight) {
  for (int towers : {2, 16}) {
    BranchPlans t;
    std::vector<Expr> ends;
    for (int tower = 0; tower < towers; ++tower) {
      Expr y = t.input({512, 512});
      for (int i = 0; i < 3; ++i) y = make(t.scope, "weft.Inverse", {y});
      ends.push_back(reduce_sum(y, {0, 1}, false));
    }
    auto plan = t.plan(ends), straight = t.plan(ends, {"branches"});
    EXPECT_EQ(plan->groups.size(), towers == 2 ? 1u : 0u);
    EXPECT_LE(plan->arena_bytes, straight->arena_bytes + (4 << 20));
    if (towers == 2) continue;
    EXPECT_EQ(plan->arena_bytes, straight->arena_bytes);
  }
}

// Where the addresses of a step lie in the arena, with the sizes that the graph gives.
struct Span {
  int64_t begin, end;
};
bool meet(const Span& a, const Span& b) { return a.begin < b.end && b.begin < a.end; }

// Random wide graphs: towers of products of mixed sizes that at times take what another one made before.
TEST(BranchPlans, NothingThatIsMadeInABranchLiesWhereAnotherOneReadsOrWrites) {
  int groups = 0, pairs = 0;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    BranchPlans t(seed);
    const std::vector<int64_t> widths{64, 96, 128, 192};
    std::map<int64_t, std::vector<Expr>> made;  // by width
    made[64].push_back(matmul(t.input({24, 64}), t.input({64, 64})));
    std::vector<Expr> ends;
    for (uint32_t tower = 0; tower < 3 + t.random(5); ++tower) {
      Expr y = made[64][t.random(static_cast<uint32_t>(made[64].size()))];
      int64_t width = 64;
      for (uint32_t layer = 0; layer < 2 + t.random(6); ++layer) {
        const int64_t next = widths[t.random(4)];
        if (t.random(4) == 0) {
          y = make(t.scope, "Softmax", {y}, {{"axis", int64_t{1}}});
        } else if (t.random(4) == 0) {
          y = make(t.scope, "Tanh", {y});
        } else {
          y = matmul(y, t.input({width, next}));
          width = next;
        }
        if (t.random(8) == 0) made[width].push_back(y);
      }
      ends.push_back(y);
    }
    // Nodes as they are: the sizes of what they make are found by their names.
    auto plan = t.plan({make(t.scope, "Concat", ends, {{"axis", int64_t{1}}})}, {"*"});
    std::map<std::string, const Node*> nodes;
    for (NodeId id = 0; id < t.graph->node_count(); ++id) nodes[t.graph->node(id).name] = &t.graph->node(id);
    auto bytes_of_value = [&](ValueId id) {
      int64_t count = 4;
      for (const Dim& dim : t.graph->type(id).dims) count *= dim.value();
      return count;
    };
    auto spans = [&](int32_t s, bool reads) {
      const Step& step = plan->steps[static_cast<size_t>(s)];
      const std::string& name = plan->infos[static_cast<size_t>(s)].node;
      const Node& node = *nodes.at(name);
      std::vector<Span> found;
      auto add = [&](int32_t address, int64_t bytes) {
        const int64_t offset = plan->offsets[static_cast<size_t>(address)];
        if (offset >= 0 && bytes > 0) found.push_back({offset, offset + bytes});
      };
      if (reads) {
        for (size_t i = 0; i < node.inputs.size(); ++i) {
          add(step.in + static_cast<int32_t>(i), bytes_of_value(node.inputs[i]));
        }
      } else {
        add(step.out, bytes_of_value(node.output(0)));
        add(step.scratch, plan->kernels[static_cast<size_t>(s)].scratch_bytes);
      }
      return found;
    };
    for (const BranchGroup& group : plan->groups) {
      ++groups;
      for (const auto& one : group.branches) {
        for (const auto& other : group.branches) {
          if (one == other) continue;
          for (int32_t a = one.first; a < one.second; ++a) {
            for (int32_t b = other.first; b < other.second; ++b) {
              ++pairs;
              for (const Span& written : spans(a, false)) {
                for (const Span& touched : spans(b, false)) ASSERT_FALSE(meet(written, touched)) << seed;
                for (const Span& touched : spans(b, true)) ASSERT_FALSE(meet(written, touched)) << seed;
              }
            }
          }
        }
      }
    }
  }
  EXPECT_GT(groups, 20);
  EXPECT_GT(pairs, 1000) << groups;
}

}  // namespace
}  // namespace weft
