// The one thread pool of the process.
#include "core/base/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "core/base/cpu_count.h"
#include "core/base/loop_threads.h"
#include "core/base/settings.h"

namespace weft {

namespace {

constexpr int kMostThreads = 1024;
constexpr int kSlots = 16;
// Waking a parked thread takes tens of microseconds, handing work to a spinning one a fraction of
// one.
constexpr double kWorthHotNs = 12'000, kWorthParkedNs = 160'000;
constexpr double kLeastPerThreadNs = kWorthHotNs / 2, kLeastPerWakeNs = kWorthParkedNs / 2;
constexpr long kLookAtStopNs = 20'000'000;  // by a caller that waits for helpers
constexpr int64_t kSpinNs = 200'000, kMostSpinAfterNs = 50'000, kSpinForHelpersNs = 50'000;
constexpr size_t kStackBytes = size_t{2} << 20;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t while_it_is, const timespec* at_most = nullptr) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, while_it_is, at_most, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word, int threads) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

// Blocks of a loop that lie side by side. Each thread begins with its own share, so that it meets again in its cache what it
// made of the same part of the values in the loop before, and then helps with the others.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};  // the first block that nobody has begun
  int64_t end = 0;
};
constexpr int kMostShares = 64;

// What one parallel loop shows to the workers. Slots are never freed, so a worker may look at one
// at any time.
struct alignas(64) Slot {
  // Low bits: workers inside. Above: how many more may come in. Top bit: the caller sleeps until
  // they have left.
  static constexpr uint32_t kInside = 0xffff, kRoomOne = 0x10000, kRoom = 0x7fff0000, kSleeping = 0x80000000;

  std::atomic<uint32_t> state{0};
  std::atomic<bool> taken{false};
  // Written by the caller before it makes room, read by those inside.
  BlockFn body = nullptr;
  void* context = nullptr;
  int64_t count = 0, block = 0;
  int shares = 0;
  StopCondition* stop = nullptr;
  Share share[kMostShares];
};

struct Pool {
  Slot slots[kSlots];
  // Counts changes that idle workers should look at.
  alignas(64) std::atomic<uint32_t> announced{0};
  std::atomic<int> parked{0};
  alignas(64) std::atomic<int> spinning{0};
  alignas(64) std::atomic<int> working{0};  // workers inside a slot
  std::atomic<int> callers{0};              // threads inside a parallel loop of their own
  int workers = 0;
  std::atomic<int> named{0};  // workers that have a number
};

// All that outlives a pool. A forked child has none of the parent's workers and starts anew.
struct Process {
  std::atomic<Pool*> pool{nullptr};  // never freed: workers are still in it while the process exits
  std::atomic<bool> making{false};
  std::atomic<int> threads{0};  // 0: not counted yet
  std::atomic<int> runs{0};     // threads that hold a RunScope
  std::atomic<int64_t> spin_until_ns{0};
  std::atomic<uint32_t> forks{0};
};
constinit Process process;

struct Thread {
  bool inside = false;   // of a body that runs in parallel; for a worker always
  int worker = 0;        // its number, from 1 on
  int runs = 0;          // RunScopes on this thread
  double missed_ns = 0;  // work that was not worth waking a parked worker for
  int most_threads = 0;  // of a loop; 0: as many as it may have by itself
};
constinit thread_local Thread this_thread;

void start_anew_in_child() {
  process.pool.store(nullptr);
  process.making.store(false);
  process.threads.store(0);
  process.runs.store(0);
  process.forks.fetch_add(1);
}

// Threads that compute for somebody whether or not they call parallel_for at this moment.
int busy_callers(const Pool& pool) {
  return std::max(process.runs.load(std::memory_order_relaxed), pool.callers.load(std::memory_order_relaxed));
}

void run_block(const Slot& slot, int64_t index) {
  int64_t begin = index * slot.block;
  slot.body(slot.context, begin, slot.count - begin > slot.block ? begin + slot.block : slot.count);
}

// Takes part in a loop, from share `first` on, until no block is left or `stops()`.
template <typename Stops>
void take_part(Slot& slot, int first, Stops stops) {
  for (int i = 0; i < slot.shares; ++i) {
    Share& share = slot.share[(first + i) % slot.shares];
    for (;;) {
      if (share.next.load(std::memory_order_relaxed) >= share.end) break;
      if (stops()) return;
      const int64_t index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= share.end) break;
      run_block(slot, index);
    }
  }
}

// The part of a worker, which has a number from 0 on, in the first slot that has room for it; false if there is none.
bool help(Pool& pool, int number) {
  for (Slot& slot : pool.slots) {
    uint32_t state = slot.state.load(std::memory_order_acquire);
    if ((state & Slot::kRoom) == 0) continue;
    // Callers and helpers together never exceed the threads that the machine gives.
    if (pool.working.fetch_add(1) + busy_callers(pool) > pool.workers) {
      pool.working.fetch_sub(1);
      return false;
    }
    bool entered = false;
    while ((state & Slot::kRoom) != 0 && !entered) {
      entered = slot.state.compare_exchange_weak(state, state - Slot::kRoomOne + 1);
    }
    if (entered) {
      // The first share is the caller's.
      const int first = slot.shares > 1 ? 1 + number % (slot.shares - 1) : 0;
      take_part(slot, first, [&slot] { return slot.stop != nullptr && slot.stop->stopped(); });
      uint32_t before = slot.state.fetch_sub(1);
      if ((before & Slot::kInside) == 1 && (before & Slot::kSleeping) != 0) {
        futex_wake(slot.state, 1);
      }
    }
    pool.working.fetch_sub(1);
    if (entered) return true;
  }
  return false;
}

// Waits a bounded time, and only while a run is in flight, for something new; false if nothing
// came.
bool spin(Pool& pool, uint32_t seen) {
  if (process.runs.load(std::memory_order_relaxed) == 0 && process.spin_until_ns.load(std::memory_order_relaxed) == 0) {
    return false;
  }
  pool.spinning.fetch_add(1);
  bool changed = false;
  int64_t end = monotonic_ns() + kSpinNs;
  for (;;) {
    for (int i = 0; i < 32 && !changed; ++i) {
      changed = pool.announced.load(std::memory_order_acquire) != seen;
      if (!changed) pause();
    }
    int64_t now = monotonic_ns();
    if (changed || now > end) break;
    int runs = process.runs.load(std::memory_order_relaxed);
    if (runs == 0 ? now >= process.spin_until_ns.load(std::memory_order_relaxed) : runs > pool.workers) {
      break;
    }
  }
  pool.spinning.fetch_sub(1);
  return changed;
}

void* worker_main(void* argument) {
  Pool& pool = *static_cast<Pool*>(argument);
  FloatEnvironment float_environment;
  this_thread.inside = true;
  const int number = pool.named.fetch_add(1);
  this_thread.worker = number + 1;
  for (;;) {
    uint32_t seen = pool.announced.load(std::memory_order_acquire);
    if (help(pool, number) || spin(pool, seen)) continue;
    // The caller announces and then looks who is parked; this says so and then looks what was
    // announced.
    pool.parked.fetch_add(1);
    if (pool.announced.load() == seen) futex_wait(pool.announced, seen);
    pool.parked.fetch_sub(1);
  }
  return nullptr;
}

// `wanted` workers are useful, and it is worth waking `most_woken` of them.
void announce(Pool& pool, int wanted, int most_woken) {
  pool.announced.fetch_add(1);
  int wake = wanted - pool.spinning.load(std::memory_order_relaxed);
  wake = std::min({wake, most_woken, pool.parked.load()});
  if (wake > 0) futex_wake(pool.announced, wake);
}

// Null if the machine gives no second thread, or another thread is making the pool now.
Pool* the_pool() {
  Pool* pool = process.pool.load(std::memory_order_acquire);
  if (pool != nullptr) return pool;
  if (process.making.exchange(true)) return nullptr;
  pool = process.pool.load(std::memory_order_acquire);
  if (pool != nullptr) return pool;
  static std::atomic<bool> watches_forks{false};
  if (!watches_forks.exchange(true)) pthread_atfork(nullptr, nullptr, start_anew_in_child);

  pool = new (std::nothrow) Pool;
  if (pool == nullptr) {
    process.making.store(false);
    return nullptr;
  }
  // Workers inherit the mask: signals are for the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // The number has to be there before the first worker looks at it.
  int wanted = pool_threads() - 1, made = 0;
  pool->workers = wanted;
  for (; made < wanted; ++made) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, worker_main, pool) != 0) break;
    pthread_setname_np(thread, "weft");
  }
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // With fewer threads than hoped for the loops still end: the caller does what nobody else takes.
  process.pool.store(pool, std::memory_order_release);
  return pool;
}

Slot* take_slot(Pool& pool) {
  for (Slot& slot : pool.slots) {
    if (!slot.taken.load(std::memory_order_relaxed) && !slot.taken.exchange(true, std::memory_order_acquire)) {
      return &slot;
    }
  }
  return nullptr;
}

void run_alone(const Parallel& parallel, int64_t count, int64_t block, BlockFn body, void* context) {
  StopCondition* stop = parallel.stop;
  bool watch = stop != nullptr && !stop->trivial();
  for (int64_t begin = 0;;) {
    if (watch && (this_thread.worker > 0 ? stop->stopped() : !stop->check().ok())) return;
    if (count - begin <= block) return body(context, begin, count);
    body(context, begin, begin + block);
    begin += block;
  }
}

// False, and nothing done, if nobody is free to help.
bool run_together(Pool& pool, const Parallel& parallel, int64_t count, int64_t block, double cost_ns, BlockFn body,
                  void* context) {
  int threads = pool.workers + 1;
  int64_t blocks = (count - 1) / block + 1;
  int room = static_cast<int>(std::min<int64_t>(blocks, threads)) - 1;
  room = static_cast<int>(std::min<double>(room, cost_ns / kLeastPerThreadNs - 1));
  if (parallel.max_threads > 0) room = std::min(room, parallel.max_threads - 1);
  pool.callers.fetch_add(1);
  int free = threads - busy_callers(pool) - pool.working.load(std::memory_order_relaxed);
  Slot* slot = free > 0 ? take_slot(pool) : nullptr;
  if (slot == nullptr) {
    pool.callers.fetch_sub(1);
    return false;
  }
  slot->body = body;
  slot->context = context;
  slot->count = count;
  slot->block = block;
  slot->stop = parallel.stop;
  slot->shares = std::min(room + 1, kMostShares);
  int64_t begin = 0;
  for (int i = 0; i < slot->shares; ++i) {
    slot->share[i].next.store(begin, std::memory_order_relaxed);
    begin += blocks / slot->shares + (i < blocks % slot->shares ? 1 : 0);
    slot->share[i].end = begin;
  }
  slot->state.store(static_cast<uint32_t>(room) * Slot::kRoomOne, std::memory_order_release);
  int most_woken = static_cast<int>(std::clamp<double>(cost_ns / kLeastPerWakeNs, 1, threads));
  announce(pool, std::min(room, free), most_woken);

  this_thread.inside = true;
  take_part(*slot, 0, [&parallel] { return parallel.stop != nullptr && !parallel.stop->check().ok(); });
  this_thread.inside = false;

  // Nobody comes in any more; those inside end the block they are in.
  uint32_t state = slot->state.fetch_and(Slot::kInside) & Slot::kInside;
  int64_t give_up = 0;
  while (state != 0) {
    for (int i = 0; i < 32 && state != 0; ++i) {
      pause();
      state = slot->state.load(std::memory_order_acquire);
    }
    int64_t now = monotonic_ns();
    if (give_up == 0) give_up = now + kSpinForHelpersNs;
    if (state == 0 || now < give_up) continue;
    state = slot->state.fetch_or(Slot::kSleeping) | Slot::kSleeping;
    // What helpers are in may be long, and the caller alone looks at the deadline and the poll.
    const bool watch = parallel.stop != nullptr && !parallel.stop->trivial();
    const timespec at_most{0, kLookAtStopNs};
    while ((state & Slot::kInside) != 0) {
      futex_wait(slot->state, state, watch ? &at_most : nullptr);
      state = slot->state.load(std::memory_order_acquire);
      if (watch) (void)parallel.stop->check().ok();
    }
    slot->state.store(0, std::memory_order_relaxed);
    state = 0;
  }
  slot->taken.store(false, std::memory_order_release);
  // Workers that kept out for this caller's sake may help another now.
  if (pool.callers.fetch_sub(1) > 1) announce(pool, 1, 1);
  return true;
}

}  // namespace

int pool_worker() { return this_thread.worker; }

int pool_threads() {
  int threads = process.threads.load(std::memory_order_relaxed);
  if (threads == 0) {
    threads = static_cast<int>(setting_int(Setting::kThreads, 0, kMostThreads));
    if (threads == 0) threads = std::min(cpu_count(), kMostThreads);
    process.threads.store(threads, std::memory_order_relaxed);
  }
  return threads;
}

int loop_threads(const Parallel& parallel) {
  const Thread& self = this_thread;
  if (self.inside) return 1;
  int most = pool_threads();
  for (int limit : {parallel.max_threads, self.most_threads}) {
    if (limit > 0) most = std::min(most, limit);
  }
  return most;
}

ThreadLimit::ThreadLimit(int threads) : before_(this_thread.most_threads) {
  if (threads > 0 && (before_ == 0 || threads < before_)) this_thread.most_threads = threads;
}

ThreadLimit::~ThreadLimit() { this_thread.most_threads = before_; }

void parallel_for(const Parallel& asked, int64_t count, int64_t block, double cost_ns_per_item, BlockFn body,
                  void* context) {
  if (count <= 0) return;
  Parallel parallel = asked;
  if (const int most = this_thread.most_threads; most > 0) {
    parallel.max_threads = asked.max_threads == 0 ? most : std::min(asked.max_threads, most);
  }
  if (block < 1) block = count;
  double cost_ns = cost_ns_per_item * static_cast<double>(count);
  if (count <= block && cost_ns < kWatchEveryNs) return body(context, 0, count);
  Thread& self = this_thread;
  if (cost_ns >= kWorthHotNs && count > block && parallel.max_threads != 1 && !self.inside && pool_threads() > 1) {
    Pool* pool = process.pool.load(std::memory_order_acquire);
    bool hot = pool != nullptr && pool->spinning.load(std::memory_order_relaxed) > 0;
    // Many loops of which none alone is worth it: wake somebody once they have cost as much
    // together.
    if (hot || cost_ns + self.missed_ns >= kWorthParkedNs) {
      self.missed_ns = 0;
      if (pool == nullptr) pool = the_pool();
      if (pool != nullptr && run_together(*pool, parallel, count, block, cost_ns, body, context)) return;
    } else if (self.runs > 0) {
      self.missed_ns += cost_ns;
    }
  }
  run_alone(parallel, count, block, body, context);
}

RunScope::RunScope(const Parallel& parallel)
    : spin_after_ns_(std::clamp<int64_t>(parallel.spin_after_run_ns, 0, kMostSpinAfterNs)),
      process_(process.forks.load(std::memory_order_relaxed)) {
  if (this_thread.runs++ > 0) return;
  // Where workers stay awake between runs, short ones together are worth waking somebody.
  if (spin_after_ns_ == 0) this_thread.missed_ns = 0;
  process.runs.fetch_add(1, std::memory_order_relaxed);
}

RunScope::~RunScope() {
  if (--this_thread.runs > 0 || process_ != process.forks.load(std::memory_order_relaxed)) return;
  Pool* pool = process.pool.load(std::memory_order_acquire);
  if (pool != nullptr && spin_after_ns_ > 0) {
    process.spin_until_ns.store(monotonic_ns() + spin_after_ns_, std::memory_order_relaxed);
  }
  int left = process.runs.fetch_sub(1, std::memory_order_relaxed) - 1;
  if (left > 0 && pool != nullptr && pool->callers.load(std::memory_order_relaxed) > 0) {
    announce(*pool, 1, 1);
  }
}

}  // namespace weft
