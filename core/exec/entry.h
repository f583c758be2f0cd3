// What an executable keeps for one signature. Shared by executor.cc and loop.cc alone.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "core/exec/executor.h"

namespace weft {

struct Executable::Entry {
  std::vector<InputKey> key;
  std::vector<bool> stays;  // by output, whether the plan leaves it on the device; empty if none
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<Executable> rest;                                // of the plan's rest
  std::vector<std::vector<std::shared_ptr<Executable>>> branches;  // of each tensor step
  std::mutex mutex;
  std::vector<std::unique_ptr<Frame>> idle;

  Entry() = default;
  Entry(const Entry&) = delete;
  // A rest holds plans with rests of their own, as many in a row as the program has steps that depend on data: let go one
  // after another, not one inside the other.
  ~Entry() {
    std::list<std::shared_ptr<Entry>> left;
    for (Entry* entry = this; entry != nullptr;) {
      if (entry->rest != nullptr && entry->rest.use_count() == 1) {
        std::lock_guard lock(entry->rest->mutex_);  // puts what runs that have ended did to them before this
        left.splice(left.end(), entry->rest->entries_);
      }
      if (entry != this) left.pop_front();
      while (!left.empty() && left.front().use_count() > 1) left.pop_front();
      entry = left.empty() ? nullptr : left.front().get();
    }
  }

  Result<std::unique_ptr<Frame>> acquire() {
    {
      std::lock_guard lock(mutex);
      if (!idle.empty()) {
        std::unique_ptr<Frame> frame = std::move(idle.back());
        idle.pop_back();
        return frame;
      }
    }
    return Frame::make(plan);
  }
  void release(std::unique_ptr<Frame> frame) {
    std::lock_guard lock(mutex);
    idle.push_back(std::move(frame));
  }
  void count_into(PlanSummary* summary) {
    const auto count = [summary](const StepInfo& step) {
      const std::string name = cat(step.op, ": ", step.kernel);
      ++summary->kernels[name];
      if (step.on_cpu) ++summary->on_cpu[name];
    };
    for (const StepInfo& step : plan->infos) count(step);
    for (const TensorStep& step : plan->tensor_steps) count(step.info);
    for (const Tensor& constant : plan->constants) summary->constant_bytes += constant.bytes();
    summary->arena_bytes += plan->arena_bytes;
    summary->device_arena_bytes += plan->device_arena_bytes;
    summary->branch_groups += static_cast<int64_t>(plan->groups.size());
    std::lock_guard lock(mutex);
    summary->idle_arenas += static_cast<int64_t>(idle.size());
  }
};

}  // namespace weft
