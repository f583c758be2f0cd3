// What a session keeps and has done, for whoever asks where time and memory go.
#include "core/base/json.h"
#include "core/base/thread_pool.h"
#include "core/runtime/compiled.h"
#include "core/simd/isa.h"
#include "core/tensor/form_cache.h"

namespace weft {

namespace {

std::string list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += cat(out.size() > 1 ? ", " : "", json_string(text));
  return out + "]";
}

std::string list(const std::map<std::string, int64_t>& numbers) {
  std::string out = "{";
  for (const auto& [name, number] : numbers) out += cat(out.size() > 1 ? ", " : "", json_string(name), ": ", number);
  return out + "}";
}

std::string describe_plan(const PlanSummary& plan) {
  return cat("{\"inputs\": ", list(plan.inputs), ", \"kernels\": ", list(plan.kernels),
             ", \"on_cpu\": ", list(plan.on_cpu), ", \"constant_bytes\": ", plan.constant_bytes,
             ", \"arena_bytes\": ", plan.arena_bytes, ", \"device_arena_bytes\": ", plan.device_arena_bytes,
             ", \"idle_arenas\": ", plan.idle_arenas, ", \"branch_groups\": ", plan.branch_groups, "}");
}

}  // namespace

Result<std::string> Session::describe() {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  WEFT_CHECK(outside_bodies());
  // A run that is being planned holds what it plans.
  if (ThreadRun::inside(*this)) return failed_precondition("a session cannot be inspected from inside one of its runs");
  std::vector<std::pair<Signature, std::shared_ptr<Compiled>>> compiled;
  {
    std::lock_guard lock(mutex_);
    compiled = compiled_;
  }
  std::string calls;
  for (const auto& [signature, what] : compiled) {
    std::vector<std::string> feeds, fetches, plans;
    {
      GraphReading reading(*graph_);
      for (ValueId id : signature.feeds) feeds.push_back(graph_->value(id).name);
      for (ValueId id : signature.fetches) fetches.push_back(graph_->value(id).name);
    }
    std::string text;
    for (const PlanSummary& plan : what->executable->summaries()) {
      text += cat(text.empty() ? "" : ", ", describe_plan(plan));
    }
    calls += cat(calls.empty() ? "" : ", ", "{\"feeds\": ", list(feeds), ", \"fetches\": ", list(fetches),
                 ", \"assigns\": ", list(what->cut.assigned_variables), ", \"plans\": [", text, "]}");
  }
  const FormCache::Counts cached = form_cache_ != nullptr ? form_cache_->counts() : FormCache::Counts{};
  const int threads = options_.threads > 0 ? std::min(options_.threads, pool_threads()) : pool_threads();
  return cat("{\"runs\": ", runs_.load(std::memory_order_relaxed), ", \"threads\": ", threads,
             ", \"instruction_set\": ", json_string(isa_name(current_isa())),
             ", \"device\": ", json_string(options_.device.empty() ? "cpu" : options_.device),
             ", \"weight_cache\": {\"found\": ", cached.found, ", \"made\": ", cached.made, "}, \"calls\": [", calls,
             "]}");
}

}  // namespace weft
