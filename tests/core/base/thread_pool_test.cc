// The thread pool: every block once, the same blocks from every number of threads, and no way to
// hang it.
#include "core/base/thread_pool.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/float_mode.h"

namespace weft {
namespace {

// More threads than some machines have, set before the pool is first used.
[[maybe_unused]] const int kSetThreads = setenv("WEFT_THREADS", "4", 1);

constexpr double kDear = 1e6;  // ns per item: always worth another thread

using Block = std::pair<int64_t, int64_t>;

std::vector<Block> blocks_of(int max_threads, int64_t count, int64_t block, double cost) {
  std::vector<std::atomic<int64_t>> ends(count + 1);
  for (auto& end : ends) end = -1;
  std::atomic<int> calls{0};
  Parallel parallel;
  parallel.max_threads = max_threads;
  parallel_for(parallel, count, block, cost, [&](int64_t begin, int64_t end) {
    ends[begin] = end;
    ++calls;
  });
  std::vector<Block> out;
  for (int64_t i = 0; i <= count; ++i) {
    if (ends[i] >= 0) out.emplace_back(i, ends[i]);
  }
  EXPECT_EQ(static_cast<size_t>(calls), out.size());
  return out;
}

TEST(ThreadPool, CountsThreadsFromTheSetting) { EXPECT_EQ(pool_threads(), 4); }

TEST(ThreadPool, WorkersHaveNumbersFromOneOnAndNobodyElseHas) {
  EXPECT_EQ(pool_worker(), 0);
  const std::thread::id caller = std::this_thread::get_id();
  std::mutex mutex;
  std::condition_variable another;
  std::set<std::pair<int, std::thread::id>> seen;
  parallel_for(Parallel{}, 64, 1, kDear, [&](int64_t, int64_t) {
    std::unique_lock lock(mutex);
    seen.emplace(pool_worker(), std::this_thread::get_id());
    another.notify_all();
    // No machine is so busy that the others take a minute.
    another.wait_for(lock, std::chrono::minutes(1), [&] { return seen.size() == 4; });
  });
  EXPECT_EQ(seen.size(), 4u);
  std::set<int> numbers;
  for (const auto& [number, thread] : seen) {
    EXPECT_TRUE(numbers.insert(number).second) << "two threads have the number " << number;
    EXPECT_EQ(number == 0, thread == caller);
    EXPECT_GE(number, 0);
    EXPECT_LE(number, 3);
  }
}

TEST(ThreadPool, CutsAtMultiplesOfTheBlock) {
  for (int threads : {0, 1, 2, 3, 4, 100}) {
    for (double cost : {0.0, kDear}) {
      EXPECT_EQ(blocks_of(threads, 10, 4, cost), (std::vector<Block>{{0, 4}, {4, 8}, {8, 10}}));
      EXPECT_EQ(blocks_of(threads, 8, 4, cost), (std::vector<Block>{{0, 4}, {4, 8}}));
      EXPECT_EQ(blocks_of(threads, 3, 4, cost), (std::vector<Block>{{0, 3}}));
      EXPECT_EQ(blocks_of(threads, 3, 1, cost), (std::vector<Block>{{0, 1}, {1, 2}, {2, 3}}));
      EXPECT_EQ(blocks_of(threads, 0, 4, cost), (std::vector<Block>{}));
    }
  }
}

TEST(ThreadPool, HugeCountsDoNotOverflow) {
  int64_t count = INT64_MAX, half = count / 2;
  std::vector<Block> seen;
  Parallel one;
  one.max_threads = 1;
  parallel_for(one, count, half + 1, 0, [&](int64_t begin, int64_t end) { seen.emplace_back(begin, end); });
  EXPECT_EQ(seen, (std::vector<Block>{{0, half + 1}, {half + 1, count}}));
}

TEST(ThreadPool, ALimitHoldsForAllThatItsThreadBegins) {
  if (pool_threads() == 1) GTEST_SKIP() << "there is one thread";
  const std::thread::id caller = std::this_thread::get_id();
  const RunScope awake({});
  std::atomic<int> others{0};
  auto count_others = [&](int64_t, int64_t) {
    if (std::this_thread::get_id() != caller) ++others;
  };
  // A worker that is awake comes to such a loop if it may: its first block goes on once one has come.
  parallel_for({}, 64, 1, kDear, [&](int64_t begin, int64_t end) {
    count_others(begin, end);
    while (others == 0) std::this_thread::yield();
  });
  others = 0;
  for (int i = 0; i < 1000; ++i) {
    const ThreadLimit one(1);
    const ThreadLimit more(8);  // widens nothing
    parallel_for({}, 64, 1, kDear, count_others);
  }
  EXPECT_EQ(others, 0);
  for (int i = 0; others == 0 && i < 1'000'000; ++i) parallel_for({}, 64, 1, kDear, count_others);
  EXPECT_GT(others, 0);
}

TEST(ThreadPool, SumsManyBlocksThroughFunctionPointer) {
  struct Sum {
    std::atomic<int64_t> total{0};
  } sum;
  BlockFn add = [](void* context, int64_t begin, int64_t end) {
    int64_t part = 0;
    for (int64_t i = begin; i < end; ++i) part += i;
    static_cast<Sum*>(context)->total += part;
  };
  parallel_for({}, 1'000'000, 7, 1.0, add, &sum);
  EXPECT_EQ(sum.total, 499'999'500'000);
}

TEST(ThreadPool, SameBitsFromEveryNumberOfThreads) {
  constexpr int64_t kCount = 100'000, kBlock = 1000;
  auto sum = [&](int threads) {
    std::vector<float> parts(kCount / kBlock);
    Parallel parallel;
    parallel.max_threads = threads;
    parallel_for(parallel, kCount, kBlock, 1000, [&](int64_t begin, int64_t end) {
      float part = 0;
      for (int64_t i = begin; i < end; ++i) part += 1.0f / static_cast<float>(i + 1);
      parts[begin / kBlock] = part;
    });
    float total = 0;
    for (float part : parts) total += part;
    return total;
  };
  float alone = sum(1);
  for (int threads : {2, 3, 4, 0}) EXPECT_EQ(sum(threads), alone);
}

TEST(ThreadPool, ManyThreadsTakePart) {
  RunScope run{{}};
  // Each block waits for all the others to have begun, which only four threads can bring about.
  std::atomic<int> begun{0};
  parallel_for({}, 4, 1, kDear, [&](int64_t, int64_t) {
    ++begun;
    while (begun < 4) std::this_thread::yield();
  });
  EXPECT_EQ(begun, 4);
}

TEST(ThreadPool, MaxThreadsLimitsWhoTakesPart) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  Parallel parallel;
  parallel.max_threads = 2;
  for (int round = 0; round < 5; ++round) {
    seen.clear();
    parallel_for(parallel, 100, 1, kDear, [&](int64_t, int64_t) {
      usleep(100);  // time for others to come
      std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
    EXPECT_LE(seen.size(), 2u);
  }
}

TEST(ThreadPool, SmallWorkStaysOnTheCaller) {
  auto self = std::this_thread::get_id();
  parallel_for({}, 100, 1, 10.0, [&](int64_t, int64_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
}

// Loops of 100 us, each in a run of its own. A worker that stays awake between runs is worth waking for them.
int threads_in_short_runs(int64_t spin_after_run_ns) {
  Parallel parallel;
  parallel.spin_after_run_ns = spin_after_run_ns;
  std::mutex mutex;
  std::set<std::thread::id> seen;
  for (int run = 0; run < 5; ++run) {
    RunScope scope(parallel);
    parallel_for(parallel, 2, 1, 5e4, [&](int64_t, int64_t) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
      for (size_t count = 0; count < 2 && std::chrono::steady_clock::now() < end;) {
        std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
        count = seen.size();
      }
    });
  }
  return static_cast<int>(seen.size());
}

TEST(ThreadPool, ShortRunsWakeAWorkerThatStaysAwakeBetweenThem) {
  blocks_of(2, 100, 1, kDear);  // the pool is there
  // A worker may still be awake from that, the first time.
  int without = threads_in_short_runs(0);
  for (int again = 0; again < 5 && without != 1; ++again) without = threads_in_short_runs(0);
  EXPECT_EQ(without, 1);
  EXPECT_GT(threads_in_short_runs(50'000), 1);
}

// A thread begins with blocks that lie side by side, and helps where others are late.
TEST(ThreadPool, EveryThreadHasAShareOfItsOwn) {
  Parallel parallel;
  parallel.max_threads = 2;
  const std::thread::id caller = std::this_thread::get_id();
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::atomic<int> inside{0};
    std::vector<int64_t> by_caller, by_worker;
    std::atomic<bool> together{true};
    parallel_for(parallel, 8, 1, kDear, [&](int64_t begin, int64_t) {
      (std::this_thread::get_id() == caller ? by_caller : by_worker).push_back(begin);
      // Both wait for each other in their first blocks, if the other comes.
      ++inside;
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
      while (inside < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      if (inside < 2) together = false;
    });
    if (!together) continue;
    EXPECT_EQ(by_caller[0], 0);
    EXPECT_EQ(by_worker[0], 4);
    EXPECT_EQ(by_caller.size() + by_worker.size(), 8u);
    return;
  }
  GTEST_SKIP() << "no worker came in time";
}

TEST(ThreadPool, NestedLoopsRunInline) {
  std::atomic<int64_t> total{0};
  parallel_for({}, 20, 1, kDear, [&](int64_t outer, int64_t) {
    auto self = std::this_thread::get_id();
    parallel_for({}, 30, 4, kDear, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      for (int64_t i = begin; i < end; ++i) total += outer * i;
    });
  });
  EXPECT_EQ(total, 190 * 435);
}

TEST(ThreadPool, NestedLoopsRunInlineThoughOthersAreIdle) {
  Parallel two;
  two.max_threads = 2;
  std::atomic<int> begun{0}, elsewhere{0};
  parallel_for(two, 2, 1, kDear, [&](int64_t, int64_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();  // the caller has one of them
    auto self = std::this_thread::get_id();
    parallel_for({}, 50, 1, kDear, [&](int64_t, int64_t) {
      usleep(50);
      elsewhere += std::this_thread::get_id() != self;
    });
  });
  EXPECT_EQ(elsewhere, 0);
}

TEST(ThreadPool, ConcurrentCallersAllFinish) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 24; ++c) {  // more than the pool has slots
    callers.emplace_back([&, c] {
      for (int round = 0; round < 200; ++round) {
        RunScope run{{}};
        int64_t count = 50 + c;
        std::vector<int> touched(count);
        parallel_for({}, count, 3, kDear, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++touched[i];
        });
        for (int t : touched) wrong += t != 1;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, WorkersSleepAndWakeAgain) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> blocks{0};
    parallel_for({}, 64, 1, kDear, [&](int64_t, int64_t) { ++blocks; });
    EXPECT_EQ(blocks, 64);
    usleep(500);
  }
}

TEST(ThreadPool, StoppedRunSkipsTheRest) {
  CancelToken token;
  StopCondition stop;
  stop.set_token(&token);
  Parallel parallel;
  parallel.stop = &stop;
  for (double cost : {0.0, kDear}) {
    token.reset();
    StopCondition fresh;
    fresh.set_token(&token);
    parallel.stop = &fresh;
    std::atomic<int> blocks{0};
    parallel_for(parallel, 1'000'000, 1, cost, [&](int64_t, int64_t) {
      if (++blocks == 10) token.cancel();
    });
    EXPECT_GE(blocks, 10);
    EXPECT_LE(blocks, 10 + 4);
    EXPECT_EQ(fresh.check().code(), Code::kCancelled);
  }
}

TEST(ThreadPool, PollsOnTheCallersThreadBetweenBlocks) {
  struct Polled {
    std::thread::id caller = std::this_thread::get_id();
    bool elsewhere = false;
  } polled;
  StopCondition stop;
  stop.set_poll(
      [](void* user) {
        auto* p = static_cast<Polled*>(user);
        p->elsewhere = p->elsewhere || std::this_thread::get_id() != p->caller;
        return Status(Code::kAborted, "interrupted");
      },
      &polled);
  Parallel parallel;
  parallel.stop = &stop;
  std::atomic<int> blocks{0};
  parallel_for(parallel, 1000, 1, kDear, [&](int64_t, int64_t) {
    ++blocks;
    usleep(100);
  });
  EXPECT_LT(blocks, 1000);
  EXPECT_FALSE(polled.elsewhere);
  EXPECT_EQ(stop.check().message(), "interrupted");
}

TEST(ThreadPool, StoppedBeforeItBeginsDoesNothing) {
  StopCondition stop;
  stop.set_deadline_ns(1);
  Parallel parallel;
  parallel.stop = &stop;
  for (double cost : {0.0, kDear}) {
    int blocks = 0;
    parallel_for(parallel, 10, 1, cost, [&](int64_t, int64_t) { ++blocks; });
    EXPECT_EQ(blocks, 0);
  }
  EXPECT_EQ(stop.check().code(), Code::kDeadlineExceeded);
}

// To ask takes longer than what it would save; a block that may take long is asked for.
TEST(ThreadPool, OneShortBlockIsNotAskedWhetherToStop) {
  StopCondition stop;
  stop.set_deadline_ns(1);
  Parallel parallel;
  parallel.stop = &stop;
  int short_ones = 0, long_ones = 0;
  parallel_for(parallel, 10, 10, 1.0, [&](int64_t, int64_t) { ++short_ones; });
  parallel_for(parallel, 10, 10, kWatchEveryNs, [&](int64_t, int64_t) { ++long_ones; });
  EXPECT_EQ(short_ones, 1);
  EXPECT_EQ(long_ones, 0);
}

TEST(ThreadPool, RunsUnderTheDefaultFloatEnvironment) {
  const uint64_t before = float_mode();
  set_float_mode(before | kFlushToZero);
  const uint64_t set = float_mode();
  std::atomic<int> flushed{0};
  {
    RunScope run{{}};
    parallel_for({}, 400, 1, kDear, [&](int64_t, int64_t) {
      volatile float smallest = 1e-38f;
      volatile float half = smallest * 0.25f;
      flushed += half == 0 || float_mode() != kDefaultFloatMode;
    });
  }
  EXPECT_EQ(flushed, 0);
  EXPECT_EQ(float_mode(), set);
  EXPECT_EQ(set & kFlushToZero, kFlushToZero);
  set_float_mode(before);
}

TEST(ThreadPool, WorkersBlockSignals) {
  std::atomic<int> unblocked{0};
  auto self = std::this_thread::get_id();
  parallel_for({}, 400, 1, kDear, [&](int64_t, int64_t) {
    if (std::this_thread::get_id() == self) return;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, nullptr, &set);
    unblocked += sigismember(&set, SIGINT) != 1 || sigismember(&set, SIGPROF) != 1;
  });
  EXPECT_EQ(unblocked, 0);
}

// The status that a forked child ends with.
template <typename Child>
int in_child(Child child) {
  pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int use_pool() {
  std::atomic<int> begun{0};
  RunScope run{{}};
  parallel_for({}, 4, 1, kDear, [&](int64_t, int64_t) {
    ++begun;
    while (begun < 4) usleep(100);  // only new workers of the child's own get past this
  });
  return begun;
}

#if !defined(__SANITIZE_THREAD__)  // threads made after a fork are beyond the thread sanitizer
TEST(ForkedPool, IsTheChildsOwn) {
  EXPECT_EQ(use_pool(), 4);
  RunScope run_in_flight{{}};
  EXPECT_EQ(in_child([] {
              alarm(20);
              return use_pool() == 4 && in_child(use_pool) == 4 ? 7 : 1;
            }),
            7);
  EXPECT_EQ(use_pool(), 4);
}

// A new thread begins with its maker's control word.
TEST(ForkedPool, WorkersMadeUnderFlushToZeroDoNotKeepIt) {
  EXPECT_EQ(in_child([] {
              alarm(20);
              set_float_mode(float_mode() | kFlushToZero);
              auto self = std::this_thread::get_id();
              std::atomic<int> begun{0}, flushing{0};
              parallel_for({}, 4, 1, kDear, [&](int64_t, int64_t) {
                ++begun;
                while (begun < 4) usleep(100);
                flushing += std::this_thread::get_id() != self && (float_mode() & kFlushToZero) != 0;
              });
              return flushing == 0 ? 7 : 1;
            }),
            7);
}

TEST(ForkedPool, ProcessExitsWhileWorkersWork) {
  EXPECT_EQ(in_child([] {
              alarm(20);
              std::thread([] {
                for (;;) {
                  RunScope run{{}};
                  parallel_for({}, 1000, 1, kDear, [](int64_t, int64_t) { usleep(10); });
                }
              }).detach();
              usleep(20'000);
              exit(5);  // runs static destructors
              return 1;
            }),
            5);
}
#endif

TEST(RunScope, Nests) {
  RunScope outer{{}};
  {
    RunScope inner{{}};
    EXPECT_EQ(use_pool(), 4);
  }
  EXPECT_EQ(use_pool(), 4);
}

}  // namespace
}  // namespace weft
