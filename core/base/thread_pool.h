// The one thread pool of the process: loops over blocks whose boundaries never depend on the number
// of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "core/base/cancel.h"
#include "core/base/float_env.h"

namespace weft {

// How a run uses the pool. Kernels hand on what they were given.
struct Parallel {
  int max_threads = 0;            // 0: all that the machine gives; 1: only the caller
  StopCondition* stop = nullptr;  // what is left is skipped once it has stopped
  int64_t spin_after_run_ns = 0;  // workers stay awake so long after the last run; at most 50 us
};

// Must not throw. `begin` is a multiple of the block, `end` the next one or the count.
using BlockFn = void (*)(void* context, int64_t begin, int64_t end);

// Calls `body` once for each block of [0, count): [0, block), [block, 2 * block), ... on any of the
// threads, in any order, the caller among them (one thread alone takes them as they lie); returns when
// all have ended. Block boundaries are a function of `count` and `block` alone, so a kernel that keeps
// one partial sum per block gets the same bits from every number of threads.
//
// `cost_ns_per_item` is a rough guess of what one item costs on one thread: work too small to be
// worth waking another thread for runs on the caller, as does a call from inside a body that runs
// in parallel: on the thread that is in that body. If `stop` stops, the blocks not yet begun are skipped, but for a single
// one of less than kWatchEveryNs; the caller's next `stop->check()` says why. Allocates nothing and never fails.
void parallel_for(const Parallel& parallel, int64_t count, int64_t block, double cost_ns_per_item, BlockFn body,
                  void* context);

// The same for anything called as body(begin, end).
template <typename Body>
void parallel_for(const Parallel& parallel, int64_t count, int64_t block, double cost_ns_per_item, Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  parallel_for(
      parallel, count, block, cost_ns_per_item,
      [](void* context, int64_t begin, int64_t end) { (*static_cast<Callable*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// While it lives, loops that its thread begins have at most so many threads, whatever they ask for; 0 leaves that to them.
// What is computed while a run is made ready keeps the limit of its session so.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

// Threads that a loop may use when nothing limits it, the caller included: WEFT_THREADS, or what
// affinity and cgroup quota leave to the process. Starts none.
int pool_threads();

// Which worker of the pool this thread is, from 1 on; 0 for any other thread.
int pool_worker();

// Held by an executor on its stack for as long as a run lasts, on the thread that runs: it sets the
// floating-point control word, and workers spin between parallel loops only while one exists.
class RunScope {
 public:
  explicit RunScope(const Parallel& parallel);
  ~RunScope();
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;

 private:
  FloatEnvironment float_environment_;
  int64_t spin_after_ns_;
  uint32_t process_;  // counts forks: a run begun in the parent does not end in the child
};

}  // namespace weft
