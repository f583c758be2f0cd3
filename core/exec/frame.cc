// Frames: the addresses and the arena of one walk of a plan's flat part.
#include "core/base/json.h"
#include "core/exec/executor.h"

namespace weft {

Result<std::unique_ptr<Frame>> Frame::make(std::shared_ptr<const Plan> plan) {
  std::unique_ptr<Frame> frame(new Frame(std::move(plan)));
  const Plan& p = *frame->plan_;
  WEFT_TRY(frame->arena_, Buffer::allocate(p.arena_bytes));
  char* arena = static_cast<char*>(frame->arena_->data());
  frame->addresses_.resize(p.fixed.size());
  for (size_t i = 0; i < p.fixed.size(); ++i) {
    frame->addresses_[i] = p.offsets[i] >= 0 ? arena + p.offsets[i] : const_cast<void*>(p.fixed[i]);
  }
  if (p.device == nullptr) return frame;
  WEFT_TRY(frame->device_arena_, Buffer::allocate_in(p.device, p.device_arena_bytes));
  char* device_arena = static_cast<char*>(frame->device_arena_->data());
  for (int32_t i : p.in_device_arena) frame->addresses_[i] = device_arena + p.offsets[i];
  WEFT_TRY(frame->stream_, p.device->make_stream());
  return frame;
}

void Frame::bind_input(int i, const void* data) {
  for (int32_t at : plan_->inputs[i].args) addresses_[at] = const_cast<void*>(data);
}

void Frame::bind_output(int i, void* data) {
  for (int32_t at : plan_->outputs[i].args) addresses_[at] = data;
}

Status Frame::failed(size_t step, const Status& status) const {
  const StepInfo& info = plan_->infos[step];
  return status.at(info.node, info.op, info.origin);
}

Status Frame::finish(Status status) {
  if (stream_ == nullptr) return status;
  const Status later = plan_->wait(*stream_);
  return status.ok() ? later : status;
}

Status Frame::run(const ExecOptions& options) {
  if (options.trace != nullptr || (options.stop != nullptr && !options.stop->trivial())) {
    return finish(run_watched(options));
  }
  Status status;
  void* const* addresses = addresses_.data();
  const std::vector<Step>& steps = plan_->steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    RunArgs args{
        addresses + step.in, addresses + step.out,   addresses[step.scratch], &options.parallel, &status, nullptr,
        stream_.get(),       static_cast<int32_t>(i)};
    step.run(step.state, args);
    if (!status.ok()) [[unlikely]]
      return finish(failed(i, status));
  }
  return finish({});
}

// The same, looking at the clock and the stop condition.
Status Frame::run_watched(const ExecOptions& options) {
  Status status;
  void* const* addresses = addresses_.data();
  const std::vector<Step>& steps = plan_->steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (step.watched && options.stop != nullptr) WEFT_CHECK(options.stop->check());
    int64_t begin = options.trace != nullptr ? monotonic_ns() : 0;
    RunArgs args{
        addresses + step.in, addresses + step.out,   addresses[step.scratch], &options.parallel, &status, nullptr,
        stream_.get(),       static_cast<int32_t>(i)};
    step.run(step.state, args);
    if (!status.ok()) {
      // What a stopped kernel left half done may be what this one failed for.
      if (!step.watched && options.stop != nullptr) WEFT_CHECK(options.stop->check());
      return failed(i, status);
    }
    if (options.trace != nullptr) options.trace->add(plan_->infos[i], begin, monotonic_ns());
  }
  // A kernel that was told to stop left its output half done.
  return options.stop != nullptr ? options.stop->check() : Status();
}

void Trace::add(const StepInfo& info, int64_t begin_ns, int64_t end_ns) {
  std::lock_guard lock(mutex_);
  items_.push_back({info.node, info.op, info.kernel, begin_ns, end_ns});
}

std::string Trace::json() const {
  std::lock_guard lock(mutex_);
  std::string out = "{\"traceEvents\":[";
  int64_t origin = items_.empty() ? 0 : items_.front().begin_ns;
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    out += i == 0 ? "\n{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":" : ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":";
    append_json_string(out, item.op);
    out += cat(",\"ts\":", static_cast<double>(item.begin_ns - origin) / 1000.0,
               ",\"dur\":", static_cast<double>(item.end_ns - item.begin_ns) / 1000.0, ",\"args\":{\"node\":");
    append_json_string(out, item.name);
    out += ",\"kernel\":";
    append_json_string(out, item.kernel);
    out += "}}";
  }
  out += "\n]}\n";
  return out;
}

}  // namespace weft
