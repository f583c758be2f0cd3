// Groups of branches: walked side by side with the same bits, errors, stops and traces as straight.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "core/exec/executor.h"
#include "core/graph/expr.h"
#include "core/runtime/builtin.h"

namespace weft {
namespace {

// More threads than some machines have, set before the pool is first used.
[[maybe_unused]] const int kSetThreads = setenv("WEFT_THREADS", "4", 1);

using Steps = std::vector<int>;

// A plan whose steps do what a test wants, in branches of so many steps each.
struct Branched {
  using Body = std::function<void(int step, const RunArgs& args)>;
  struct State {
    int step;
    const Body* body;
  };

  Branched(std::vector<int> lengths, Body does, double cost_ns = 1e9) : body(std::move(does)) {
    plan->arena_bytes = 64;
    plan->fixed = {nullptr};
    plan->offsets = {0};
    add("before");
    BranchGroup group{1, 1, {}, cost_ns, 1 << 20};
    for (size_t b = 0; b < lengths.size(); ++b) {
      for (int i = 0; i < lengths[b]; ++i) add(cat("b", b, "/", i));
      group.branches.emplace_back(group.end, group.end + lengths[b]);
      group.end += lengths[b];
    }
    add("behind");
    plan->groups.push_back(group);
  }
  Branched(const Branched&) = delete;

  void add(const std::string& name) {
    PreparedKernel kernel;
    kernel.use<&Branched::run>(State{static_cast<int>(plan->steps.size()), &body});
    plan->steps.push_back({kernel.run, kernel.state.get(), 0, 0, 0});
    plan->infos.push_back({name, "Op", "", "hand"});
    plan->kernels.push_back(std::move(kernel));
  }
  static void run(const State& state, const RunArgs& args) { (*state.body)(state.step, args); }

  Status walk(int threads = 0, StopCondition* stop = nullptr, Trace* trace = nullptr) {
    if (frame == nullptr) frame = std::move(*Frame::make(plan));
    ExecOptions options{{threads, stop, 0}, stop, trace};
    RunScope scope(options.parallel);
    return frame->run(options);
  }

  Body body;
  std::shared_ptr<Plan> plan = std::make_shared<Plan>();
  std::unique_ptr<Frame> frame;
};

// Two threads at once: each says that it is there and waits for the other. No machine is so busy that the second takes a
// minute.
class Meeting {
 public:
  bool meet(int threads = 2) {
    std::unique_lock lock(mutex_);
    ++here_;
    all_.notify_all();
    return all_.wait_for(lock, std::chrono::minutes(1), [&] { return here_ >= threads; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  int here_ = 0;
};

TEST(Branches, RunAtTheSameTime) {
  Meeting meeting;
  std::atomic<bool> met{true};
  Branched b({1, 1}, [&](int step, const RunArgs&) {
    if ((step == 1 || step == 2) && !meeting.meet()) met = false;
  });
  ASSERT_TRUE(b.walk().ok());
  EXPECT_TRUE(met);
}

TEST(Branches, EveryStepRunsOnceBehindThoseBeforeIt) {
  for (int threads : {0, 1, 2, 3, 4, 9}) {
    std::atomic<int> now{0};
    std::vector<int> at(24);
    Branched b({5, 1, 9, 3, 4}, [&](int step, const RunArgs&) {
      EXPECT_EQ(at[static_cast<size_t>(step)], 0);
      at[static_cast<size_t>(step)] = ++now;
    });
    ASSERT_TRUE(b.walk(threads).ok());
    EXPECT_EQ(now, 24);
    EXPECT_EQ(at[0], 1);
    EXPECT_EQ(at[23], 24);
    for (const auto& [begin, end] : b.plan->groups[0].branches) {
      for (int s = begin + 1; s < end; ++s) EXPECT_LT(at[static_cast<size_t>(s - 1)], at[static_cast<size_t>(s)]);
    }
    if (threads == 1) {
      for (int s = 0; s < 24; ++s) EXPECT_EQ(at[static_cast<size_t>(s)], s + 1);
    }
  }
}

TEST(Branches, AreWalkedStraightWithMoreThreadsThanItPaysFor) {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  Branched b({2, 2, 2, 2}, [&](int, const RunArgs&) { elsewhere += std::this_thread::get_id() != caller; });
  b.plan->groups[0].most_threads = 3;
  ASSERT_TRUE(b.walk(4).ok());
  ASSERT_TRUE(b.walk(0).ok());
  EXPECT_EQ(elsewhere, 0);
}

// Whichever error comes first in time, that of the first step is told.
TEST(Branches, TheFirstErrorInTheOrderOfTheStepsIsTold) {
  for (bool traced : {false, true}) {
    for (int round = 0; round < 50; ++round) {
      Meeting meeting;
      std::atomic<bool> behind{false};
      Branched b({3, 3, 3, 3}, [&](int step, const RunArgs& args) {
        if (step == 13) behind = true;
        if (step != 6 && step != 7 && step != 11) return;
        // The later one waits for the earlier one to be about to fail, or is there first.
        if (round % 2 == 0) meeting.meet();
        *args.status = invalid("step ", step, " fails");
      });
      // What costs most comes first.
      std::swap(b.plan->groups[0].branches[0], b.plan->groups[0].branches[3]);
      Trace trace;
      const Status status = b.walk(0, nullptr, traced ? &trace : nullptr);
      ASSERT_EQ(status.message(), "step 6 fails");
      ASSERT_EQ(status.node(), "b1/2");
      ASSERT_EQ(status.op(), "Op");
      ASSERT_FALSE(behind);
    }
  }
}

TEST(Branches, AFailureHoldsForOneWalk) {
  bool fails = true;
  Branched b({2, 2}, [&](int step, const RunArgs& args) {
    if (fails && (step == 2 || step == 4)) *args.status = invalid("not now");
  });
  EXPECT_EQ(b.walk().node(), "b0/1");
  fails = false;
  EXPECT_TRUE(b.walk().ok());
}

TEST(Branches, CancelledInABranchAllEndSoon) {
  for (int threads : {1, 2, 4}) {
    CancelToken token;
    StopCondition stop;
    stop.set_token(&token);
    std::atomic<int> ran{0};
    Branched b({1000, 1000, 1000, 1000}, [&](int step, const RunArgs&) {
      ++ran;
      if (step == 1) token.cancel();
      if (step == 4001) ADD_FAILURE() << "the step behind ran";
    });
    const Status status = b.walk(threads, &stop);
    EXPECT_EQ(status.code(), Code::kCancelled);
    EXPECT_EQ(status.node(), "") << "no node is to blame";
    EXPECT_LT(ran, 4000);
  }
}

// The calling thread alone looks at the clock. It does while its own branches have ended and a worker is in a long one.
TEST(Branches, ADeadlinePassesWhileAnotherThreadIsInALongBranch) {
  const std::thread::id caller = std::this_thread::get_id();
  StopCondition stop;
  stop.set_deadline_ns(INT64_MAX);
  std::atomic<bool> helped{false};
  std::atomic<int> ran{0};
  Branched b({3000, 3000}, [&](int step, const RunArgs&) {
    if (step == 0) return stop.set_deadline_ns(monotonic_ns() + 30'000'000);
    ++ran;
    if (std::this_thread::get_id() == caller) return helped.wait(false);
    helped = true;
    helped.notify_all();
    while (!stop.stopped()) std::this_thread::yield();
  });
  EXPECT_EQ(b.walk(0, &stop).code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(helped);
  EXPECT_LT(ran, 6000);
}

TEST(Branches, AStepThatFailsIsToldBeforeTheStop) {
  CancelToken token;
  StopCondition stop;
  stop.set_token(&token);
  Branched b({1, 1}, [&](int step, const RunArgs& args) {
    if (step != 1) return;
    token.cancel();
    *args.status = invalid("division by zero");
  });
  EXPECT_EQ(b.walk(0, &stop).message(), "division by zero");
}

TEST(Branches, LoopsInABranchRunOnItsThread) {
  Branched b({1, 1, 1, 1}, [&](int step, const RunArgs& args) {
    if (step == 0 || step == 5) return;
    const std::thread::id here = std::this_thread::get_id();
    std::atomic<int> elsewhere{0}, blocks{0};
    parallel_for(*args.parallel, 64, 1, 1e6, [&](int64_t, int64_t) {
      ++blocks;
      elsewhere += std::this_thread::get_id() != here;
    });
    EXPECT_EQ(blocks, 64);
    EXPECT_EQ(elsewhere, 0);
  });
  ASSERT_TRUE(b.walk().ok());
}

TEST(Branches, TracesSayWhatRanOnWhichThread) {
  Meeting meeting;
  Branched b({1, 1}, [&](int step, const RunArgs&) {
    if (step != 1 && step != 2) return;
    EXPECT_TRUE(meeting.meet());
  });
  Trace trace;
  ASSERT_TRUE(b.walk(2, nullptr, &trace).ok());
  const std::string json = trace.json();
  std::vector<std::string> tids;
  for (size_t at = json.find("\"tid\":"); at != std::string::npos; at = json.find("\"tid\":", at + 1)) {
    tids.push_back(json.substr(at + 6, json.find(',', at) - at - 6));
  }
  ASSERT_EQ(tids.size(), 4u);
  EXPECT_EQ(tids[0], "1");
  EXPECT_NE(tids[1], tids[2]);
  EXPECT_EQ(tids[3], "1");
  EXPECT_EQ(json.find("\"ts\":-"), std::string::npos) << json;
}

// Many frames at once on the same pool.
TEST(Branches, OfManyRunsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::atomic<int> ran{0};
      Branched b({3, 3, 3}, [&](int, const RunArgs&) { ++ran; });
      for (int i = 0; i < 200; ++i) {
        ran = 0;
        if (!b.walk().ok() || ran != 11) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// -- Graphs: random wide ones give the same bits with every number of threads, and with the grouping switched off.

TEST(Branches, NoBitDependsOnThem) {
  int grouped = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    uint32_t state = seed;
    auto random = [&](uint32_t below) {
      state = state * 1664525u + 1013904223u;
      return (state >> 8) % below;
    };
    std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
    ExprScope scope(*graph);
    std::vector<ValueId> ids;
    std::vector<Tensor> values;
    auto input = [&](Shape shape) {
      ids.push_back(*graph->add_input(cat("x", ids.size()), ValueType::tensor(DType::kF32, to_dims(shape))));
      Tensor value = *Tensor::make(DType::kF32, shape);
      for (int64_t i = 0; i < value.count(); ++i) {
        value.as<float>()[i] = static_cast<float>(random(1 << 16)) / 65536.0f - 0.5f;
      }
      values.push_back(std::move(value));
      return Expr(scope, ids.back());
    };
    std::vector<Expr> shared{input({4, 128})}, ends;
    const std::vector<int64_t> widths{64, 128, 192};
    for (uint32_t tower = 0; tower < 4 + random(4); ++tower) {
      Expr y = shared[random(static_cast<uint32_t>(shared.size()))];
      int64_t width = 128;
      for (uint32_t layer = 0; layer < 3 + random(5); ++layer) {
        const uint32_t kind = random(6);
        if (kind == 0) {
          y = make(scope, "Softmax", {y}, {{"axis", int64_t{1}}});
        } else if (kind == 1) {
          y = y + reduce_sum(y, {1}, true);
        } else {
          const int64_t next = layer % 3 == 2 ? 128 : widths[random(3)];
          y = make(scope, "Tanh", {matmul(y, input({width, next}))});
          width = next;
        }
        if (width == 128 && random(6) == 0) shared.push_back(y);
      }
      ends.push_back(y);
    }
    Expr all = make(scope, "Concat", ends, {{"axis", int64_t{1}}});
    std::vector<ValueId> fetches{all.id(), reduce_sum(all, {0, 1}, false).id(), ends[0].id()};
    ASSERT_TRUE(scope.status().ok()) << scope.status().text();
    Tensor straight;
    for (const char* disabled : {"branches", "add_zero"}) {
      PlanOptions options;
      options.rewrite = rewrite_options(builtin_rules(), {disabled});
      Executable executable(cut_program(*graph, ids, fetches, {})->program, cpu_kernels(), options, 4);
      grouped += !(*executable.plan_for(values))->groups.empty();
      for (int threads : {1, 2, 4}) {
        for (int round = 0; round < 3; ++round) {
          ExecOptions exec;
          exec.parallel.max_threads = threads;
          RunScope scope(exec.parallel);
          std::vector<Tensor> out;
          ASSERT_TRUE(executable.run(values, exec, &out).ok());
          if (straight.empty()) straight = out[0];
          ASSERT_TRUE(out[0].same_bits(straight)) << "graph " << seed << " with " << threads << " threads";
        }
      }
    }
  }
  EXPECT_GT(grouped, 10);
}

}  // namespace
}  // namespace weft
