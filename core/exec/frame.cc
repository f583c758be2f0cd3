// Frames: the addresses and the arena of one walk of a plan's flat part.
#include <algorithm>
#include <atomic>

#include "core/base/json.h"
#include "core/base/loop_threads.h"
#include "core/exec/executor.h"

namespace weft {

Result<std::unique_ptr<Frame>> Frame::make(std::shared_ptr<const Plan> plan) {
  std::unique_ptr<Frame> frame(new Frame(std::move(plan)));
  const Plan& p = *frame->plan_;
  const auto no_room = [&p](const Status& status, const Largest& largest) {
    return p.at_step(largest.step, status.within(cat("the node that takes most of a run's memory takes ", largest.bytes,
                                                     " bytes: ")));
  };
  Result<std::shared_ptr<Buffer>> arena = Buffer::allocate(p.arena_bytes);
  if (!arena.ok()) return no_room(arena.status(), p.largest);
  frame->arena_ = std::move(*arena);
  char* first = static_cast<char*>(frame->arena_->data());
  for (const BranchGroup& group : p.groups) {
    frame->ended_.resize(std::max(frame->ended_.size(), group.branches.size()));
  }
  frame->addresses_.resize(p.fixed.size());
  for (size_t i = 0; i < p.fixed.size(); ++i) {
    frame->addresses_[i] = p.offsets[i] >= 0 ? first + p.offsets[i] : const_cast<void*>(p.fixed[i]);
  }
  if (p.device == nullptr) return frame;
  arena = Buffer::allocate_in(p.device, p.device_arena_bytes);
  if (!arena.ok()) return no_room(arena.status(), p.largest_on_device);
  frame->device_arena_ = std::move(*arena);
  char* device_arena = static_cast<char*>(frame->device_arena_->data());
  for (int32_t i : p.in_device_arena) frame->addresses_[i] = device_arena + p.offsets[i];
  WEFT_TRY(frame->stream_, p.device->make_stream());
  frame->records_ = frame->stream_->can_record() && !p.stretches.empty();
  for (const std::vector<Binding>* bindings : {&p.inputs, &p.outputs}) {
    for (const Binding& binding : *bindings) {
      if (binding.on_device && !binding.args.empty()) frame->bound_at_.push_back(binding.args[0]);
    }
  }
  frame->bound_.resize(frame->bound_at_.size());
  return frame;
}

void Frame::bind_input(int i, const void* data) {
  for (int32_t at : plan_->inputs[i].args) addresses_[at] = const_cast<void*>(data);
}

void Frame::bind_output(int i, void* data) {
  for (int32_t at : plan_->outputs[i].args) addresses_[at] = data;
}

Status Frame::failed(int32_t step, const Status& status) const { return plan_->at_step(step, status); }

Status Frame::finish(Status status) {
  if (stream_ == nullptr) return status;
  const Status later = plan_->wait(*stream_);
  return status.ok() ? later : status;
}

Status Frame::run(const ExecOptions& options) {
  const bool watched = options.trace != nullptr || (options.stop != nullptr && !options.stop->trivial());
  return finish(watched ? walk_all<true>(options) : walk_all<false>(options));
}

namespace {

// On any thread that takes part in a run.
bool stops(const ExecOptions& options) {
  if (options.stop == nullptr) return false;
  return pool_worker() > 0 ? options.stop->stopped() : !options.stop->check().ok();
}

}  // namespace

template <bool kWatched>
int32_t Frame::walk(const ExecOptions& options, int32_t at, int32_t end, Status* status) const {
  void* const* addresses = addresses_.data();
  const Step* steps = plan_->steps.data();
  for (; at < end; ++at) {
    const Step& step = steps[at];
    if (kWatched && step.watched && stops(options)) return end;
    const int64_t begin = kWatched && options.trace != nullptr ? monotonic_ns() : 0;
    RunArgs args{addresses + step.in,
                 addresses + step.out,
                 addresses[step.scratch],
                 &options.parallel,
                 status,
                 nullptr,
                 stream_.get(),
                 at};
    step.run(step.state, args);
    if (!status->ok()) [[unlikely]] {
      // What a stopped kernel left half done may be what this one failed for.
      if (kWatched && !step.watched && stops(options)) {
        *status = {};
        return end;
      }
      return at;
    }
    if (kWatched && options.trace != nullptr) {
      // What a device takes for the step, not what putting it on the stream takes.
      int32_t failed_step = at;
      if (stream_ != nullptr) *status = stream_->wait(&failed_step);
      if (!status->ok()) return failed_step >= 0 ? failed_step : at;
      options.trace->add(plan_->infos[at], begin, monotonic_ns());
    }
  }
  return end;
}

template <bool kWatched>
Status Frame::walk_all(const ExecOptions& options) {
  if (records_ && options.trace == nullptr) return walk_on_device<kWatched>(options);
  Status status;
  int32_t at = 0;
  if (!plan_->groups.empty()) {
    const int threads = loop_threads(options.parallel);
    for (const BranchGroup& group : plan_->groups) {
      if (threads < 2 || threads > group.most_threads) continue;
      const int32_t ended = walk<kWatched>(options, at, group.begin, &status);
      if (!status.ok()) [[unlikely]]
        return failed(ended, status);
      WEFT_CHECK(walk_beside<kWatched>(options, group));
      at = group.end;
    }
  }
  const int32_t ended = walk<kWatched>(options, at, static_cast<int32_t>(plan_->steps.size()), &status);
  if (!status.ok()) [[unlikely]]
    return failed(ended, status);
  // A kernel that was told to stop left its output half done.
  return kWatched && options.stop != nullptr ? options.stop->check() : Status();
}

namespace {

// Runs with the same addresses before what they do is recorded: kernels make choices when they first run, and many a plan
// runs but once. The variables of a training step lie in two places by turns.
constexpr int kRunsBefore = 2;
constexpr size_t kMostRecorded = 4;

}  // namespace

Frame::Recorded* Frame::recorded_for_bound() {
  for (size_t i = 0; i < bound_at_.size(); ++i) bound_[i] = addresses_[bound_at_[i]];
  auto at = std::find_if(recorded_.begin(), recorded_.end(), [this](const Recorded& r) { return r.bound == bound_; });
  if (at == recorded_.end()) {
    if (recorded_.size() == kMostRecorded) recorded_.pop_back();
    recorded_.insert(recorded_.begin(), Recorded{bound_, 0, {}});
    recorded_[0].parts.resize(plan_->stretches.size());
  } else if (at != recorded_.begin()) {
    std::rotate(recorded_.begin(), at, at + 1);
  }
  return recorded_[0].runs >= kRunsBefore ? &recorded_[0] : nullptr;
}

template <bool kWatched>
Status Frame::replay(const ExecOptions& options, size_t stretch, Recorded* recorded) {
  std::unique_ptr<Recording>& part = recorded->parts[stretch];
  if (part == nullptr) {
    const auto [begin, end] = plan_->stretches[stretch];
    Status status = stream_->record();
    if (!status.ok()) return failed(begin, status);
    (void)walk<false>(options, begin, end, &status);
    Result<std::unique_ptr<Recording>> made = stream_->recorded();
    if (!status.ok() || !made.ok()) {
      // Something in it cannot be recorded: it is done step by step, now and later.
      records_ = false;
      status = {};
      const int32_t ended = walk<kWatched>(options, begin, end, &status);
      return status.ok() ? status : failed(ended, status);
    }
    part = std::move(*made);
  }
  if (kWatched && stops(options)) return options.stop->check();
  return stream_->replay(*part);
}

template <bool kWatched>
Status Frame::walk_on_device(const ExecOptions& options) {
  Recorded* recorded = recorded_for_bound();
  Status status;
  int32_t at = 0;
  const auto walk_to = [&](int32_t end) {
    const int32_t ended = walk<kWatched>(options, at, end, &status);
    if (!status.ok()) return failed(ended, status);
    at = end;
    return kWatched && options.stop != nullptr ? options.stop->check() : Status();
  };
  for (size_t stretch = 0; recorded != nullptr && stretch < plan_->stretches.size(); ++stretch) {
    const auto [begin, end] = plan_->stretches[stretch];
    WEFT_CHECK(walk_to(begin));
    WEFT_CHECK(replay<kWatched>(options, stretch, recorded));
    at = end;
  }
  WEFT_CHECK(walk_to(static_cast<int32_t>(plan_->steps.size())));
  // A run that ends early does not count: what it did not come to has made no choices yet.
  if (recorded_[0].runs < kRunsBefore) ++recorded_[0].runs;
  return {};
}

// Every branch is walked to its end or to its own error, so that the first error in the order of the steps is found whoever
// comes to another one earlier.
template <bool kWatched>
Status Frame::walk_beside(const ExecOptions& options, const BranchGroup& group) {
  std::atomic<size_t> next{0};
  const auto count = static_cast<int64_t>(group.branches.size());
  parallel_for(options.parallel, count, 1, group.cost_ns / static_cast<double>(count), [&](int64_t begin, int64_t end) {
    // Whose turn it is, takes the most costly branch that is left, whatever share of the loop it came to.
    for (; begin < end; ++begin) {
      const size_t branch = next.fetch_add(1, std::memory_order_relaxed);
      const auto [first, behind] = group.branches[branch];
      Status status;
      const int32_t ended = walk<kWatched>(options, first, behind, &status);
      if (!status.ok()) [[unlikely]]
        ended_[branch] = {std::move(status), ended};
    }
  });
  Ended* first = nullptr;
  for (size_t branch = 0; branch < group.branches.size(); ++branch) {
    Ended& ended = ended_[branch];
    if (!ended.status.ok() && (first == nullptr || ended.step < first->step)) first = &ended;
  }
  if (first == nullptr) [[likely]]
    return kWatched && options.stop != nullptr ? options.stop->check() : Status();
  const Status status = failed(first->step, first->status);
  for (Ended& ended : ended_) ended.status = {};
  return status;
}

void Trace::add(const StepInfo& info, int64_t begin_ns, int64_t end_ns) {
  std::lock_guard lock(mutex_);
  items_.push_back({info.node, info.op, info.kernel, begin_ns, end_ns, 1 + pool_worker(), info.on_cpu});
}

std::string Trace::json() const {
  std::lock_guard lock(mutex_);
  std::string out = "{\"traceEvents\":[";
  int64_t origin = items_.empty() ? 0 : items_.front().begin_ns;
  for (const Item& item : items_) origin = std::min(origin, item.begin_ns);
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    out += cat(i == 0 ? "" : ",", "\n{\"ph\":\"X\",\"pid\":1,\"tid\":", item.thread, ",\"name\":");
    append_json_string(out, item.op);
    out += cat(",\"ts\":", static_cast<double>(item.begin_ns - origin) / 1000.0,
               ",\"dur\":", static_cast<double>(item.end_ns - item.begin_ns) / 1000.0, ",\"args\":{\"node\":");
    append_json_string(out, item.name);
    out += ",\"kernel\":";
    append_json_string(out, item.kernel);
    out += item.on_cpu ? ",\"on_cpu\":true}}" : "}}";
  }
  out += "\n]}\n";
  return out;
}

}  // namespace weft
