// Batches of matrices, which are worked on one by one.
#pragma once

#include <atomic>
#include <limits>
#include <new>
#include <string>

#include "core/kernel/kernel.h"

namespace weft::linalg {

struct State {
  int64_t batch;
  int64_t n;
  int64_t k;              // columns of Solve's B
  int64_t lanes;          // that work side by side, each on its share of the batch
  int64_t scratch_bytes;  // of a lane
};

// Runs one(i, scratch) -> what was wrong, or null, for every matrix; the first error in order is reported.
template <typename One>
void each_matrix(const State& s, const RunArgs& args, const char* op, One one) {
  std::atomic<int64_t> failed{std::numeric_limits<int64_t>::max()};
  std::atomic<bool> no_memory{false};
  // Eigen throws where it finds no memory, which nothing may do in a parallel loop.
  const auto guarded = [&](int64_t i, void* scratch) -> const char* {
    try {
      return one(i, scratch);
    } catch (const std::bad_alloc&) {
      no_memory.store(true);
      return nullptr;
    }
  };
  const auto try_one = [&](int64_t i, void* scratch) {
    if (guarded(i, scratch) == nullptr) return;
    int64_t before = failed.load();
    while (i < before && !failed.compare_exchange_weak(before, i)) {
    }
  };
  const double cost = 20.0 * static_cast<double>(s.n * s.n * s.n) * static_cast<double>(s.batch / s.lanes);
  parallel_for(*args.parallel, s.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      void* scratch = static_cast<char*>(args.scratch) + lane * s.scratch_bytes;
      for (int64_t i = lane * s.batch / s.lanes; i < (lane + 1) * s.batch / s.lanes; ++i) try_one(i, scratch);
    }
  });
  const int64_t first = failed.load();
  const bool any = first != std::numeric_limits<int64_t>::max();
  const char* reason = any && !no_memory.load() ? guarded(first, args.scratch) : nullptr;
  if (no_memory.load()) {
    *args.status = make_error(Code::kResourceExhausted, "out of memory: there is no room for what ", op, " works in");
  } else if (reason != nullptr) {
    *args.status = invalid(s.batch > 1 ? cat("matrix ", first) : std::string("the matrix"), " of ", op, " ", reason);
  }
}

}  // namespace weft::linalg
