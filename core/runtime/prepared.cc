// Prepared calls: inputs and outputs bound by index, one plan, nothing allocated in a run.
#include <algorithm>
#include <functional>
#include <thread>

#include "core/runtime/compiled.h"
#include "core/runtime/session.h"

namespace weft {

struct Prepared::State {
  std::shared_ptr<Session> session;
  std::shared_ptr<Session::Compiled> compiled;
  std::atomic<bool> busy{false};
  std::atomic<std::thread::id> runner{};  // the thread that is in `run`
  std::atomic<bool> closing{false};       // a run that still waits for another one to assign ends
  bool closed = false;

  std::vector<Tensor> inputs;   // feeds, then the variables of the run under way
  std::vector<Tensor> bound;    // outputs given by the caller, empty where not
  std::vector<Tensor> results;  // of the last run; then the new values of variables
  std::vector<Tensor> spares;   // by output that stays on the device: that of the run before the last, if one is
  std::vector<Tensor> variables, written;

  // The frame for the bound shapes; none while they change or if the plan is not simple.
  std::unique_ptr<Frame> frame;
  bool planned = false;
  bool simple = false;
  bool apart = false;  // no output is bound to memory of an input or of another output

  Status check_apart();
  Status make_output(size_t i);

  Status plan();
  Status run_frame(RunControl& control);
  Status run_general(RunControl& control);
};

namespace {

// One thread at a time; a second one is told so rather than made to wait.
class Exclusive {
 public:
  explicit Exclusive(std::atomic<bool>& busy) : busy_(busy), mine_(!busy.exchange(true, std::memory_order_acquire)) {}
  ~Exclusive() {
    if (!mine_) return;
    busy_.store(false, std::memory_order_release);
    busy_.notify_all();
  }
  Status check() const {
    return mine_ ? Status()
                 : failed_precondition("this prepared call is in use on another thread; make one for each thread");
  }

 private:
  std::atomic<bool>& busy_;
  const bool mine_;
};

// Says which thread is in a run. Only that thread ever finds itself there, so no order matters.
class Running {
 public:
  explicit Running(std::atomic<std::thread::id>& runner) : runner_(runner) {
    runner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  ~Running() { runner_.store(std::thread::id(), std::memory_order_relaxed); }
  static bool here(const std::atomic<std::thread::id>& runner) {
    return runner.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

 private:
  std::atomic<std::thread::id>& runner_;
};

bool overlap(const Tensor& a, const Tensor& b) {
  if (b.kind() != Kind::kTensor) {
    return std::any_of(b.items().begin(), b.items().end(), [&a](const Tensor& item) { return overlap(a, item); });
  }
  if (a.kind() != Kind::kTensor) return overlap(b, a);
  if (a.dtype() == DType::kString && b.dtype() == DType::kString) return &a.strings() == &b.strings();
  if (a.memory() != b.memory()) return false;  // the same address is another place there
  std::less<const char*> before;
  const char *x = a.as<char>(), *y = b.as<char>();
  return a.bytes() > 0 && b.bytes() > 0 && before(x, y + b.bytes()) && before(y, x + a.bytes());
}

}  // namespace

Prepared::Prepared(std::unique_ptr<State> state) : state_(std::move(state)) {}
Prepared::~Prepared() = default;

Result<std::shared_ptr<Prepared>> Session::prepare(const Signature& signature) {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  if (ThreadRun::inside(*this)) {
    return failed_precondition("a session cannot prepare a call from inside one of its runs");
  }
  WEFT_TRY(std::shared_ptr<Compiled> compiled, compile(signature));
  {
    ThreadRun here(*this);  // planning calls functions of programs that build bodies
    WEFT_CHECK(compiled->plan_ahead(memory_ != nullptr));
  }
  auto state = std::make_unique<Prepared::State>();
  state->compiled = compiled;
  state->inputs.resize(compiled->cut.feed_count + compiled->reads.size());
  state->bound.resize(compiled->cut.fetch_count);
  state->results.resize(compiled->cut.fetch_count + compiled->writes.size());
  state->spares.resize(compiled->cut.fetch_count);
  state->variables.resize(compiled->reads.size());
  state->written.resize(compiled->writes.size());
  state->session = std::const_pointer_cast<Session>(shared_from_this());
  return std::shared_ptr<Prepared>(new Prepared(std::move(state)));
}

int Prepared::input_count() const { return static_cast<int>(state_->compiled->cut.feed_count); }
int Prepared::output_count() const { return static_cast<int>(state_->compiled->cut.fetch_count); }

const std::vector<std::string>& Prepared::assigned_variables() const {
  return state_->compiled->cut.assigned_variables;
}

Status Prepared::bind_input(int i, Tensor value) {
  Exclusive exclusive(state_->busy);
  WEFT_CHECK(exclusive.check());
  if (state_->closed) return failed_precondition("this prepared call is closed");
  if (i < 0 || i >= input_count()) {
    return out_of_range("there is no input ", i, "; this call has ", input_count());
  }
  const Session::Compiled& compiled = *state_->compiled;
  WEFT_CHECK(compiled.feeds[i].check(value, "the tensor bound to", state_->session->memory_.get()));
  Tensor& old = state_->inputs[i];
  const bool alike = old.dtype() == value.dtype() && old.shape() == value.shape() && old.memory() == value.memory();
  if (state_->frame != nullptr && alike) {
    state_->frame->bind_input(i, value.data());
  } else {
    state_->planned = false;
  }
  state_->apart = false;
  old = std::move(value);
  return {};
}

Status Prepared::bind_output(int i, Tensor value) {
  Exclusive exclusive(state_->busy);
  WEFT_CHECK(exclusive.check());
  if (state_->closed) return failed_precondition("this prepared call is closed");
  if (i < 0 || i >= output_count()) {
    return out_of_range("there is no output ", i, "; this call has ", output_count());
  }
  if (!value.empty() && value.buffer() != nullptr && !value.buffer()->writable()) {
    return invalid("the tensor bound to output ", i, " is read-only");
  }
  if (value.kind() != Kind::kTensor) {
    return invalid("output ", i, " is bound to a ", value.summary(), ", which has no memory to write to");
  }
  WEFT_CHECK(check_place(value, state_->session->memory_.get(), "the tensor bound to output", std::to_string(i)));
  // One that is like the last one, which was looked at as the plan was made, takes its place: a cache is swapped in each step.
  Tensor& old = state_->bound[i];
  const bool alike = !old.empty() && !value.empty() && old.dtype() == value.dtype() && old.shape() == value.shape() &&
                     old.memory() == value.memory();
  if (state_->frame != nullptr && state_->planned && alike) {
    state_->frame->bind_output(i, value.mutable_data());
  } else {
    state_->planned = false;
  }
  state_->apart = false;
  old = std::move(value);
  return {};
}

Result<Tensor> Prepared::output(int i) const {
  Exclusive exclusive(state_->busy);
  WEFT_CHECK(exclusive.check());
  if (i < 0 || i >= output_count()) {
    return out_of_range("there is no output ", i, "; this call has ", output_count());
  }
  if (state_->results[i].empty()) {
    return failed_precondition("this call has no outputs: it has not run yet, or its last run failed");
  }
  return state_->results[i];
}

Status Prepared::close() {
  if (Running::here(state_->runner)) {
    return failed_precondition("a prepared call cannot be closed from inside its own run");
  }
  // What calls this may itself be in the run that the other one waits for.
  state_->closing = true;
  state_->session->store()->writer().look();
  while (state_->busy.exchange(true, std::memory_order_acquire)) state_->busy.wait(true);
  state_->closed = true;
  state_->frame = nullptr;
  state_->inputs.assign(state_->inputs.size(), Tensor());
  state_->bound.assign(state_->bound.size(), Tensor());
  state_->results.assign(state_->results.size(), Tensor());
  state_->spares.assign(state_->spares.size(), Tensor());
  state_->busy.store(false, std::memory_order_release);
  state_->busy.notify_all();
  return {};
}

// Kernels write their outputs while they still read their inputs. Looked at before a run and not when something is
// bound: whoever swaps two tensors has to bind one of them first.
Status Prepared::State::check_apart() {
  for (size_t i = 0; i < bound.size(); ++i) {
    for (size_t k = 0; k < compiled->feeds.size(); ++k) {
      if (!overlap(bound[i], inputs[k])) continue;
      return invalid("output ", i, " is bound to memory of input ", k, " ('", compiled->feeds[k].name,
                     "'); give it memory of its own");
    }
    for (size_t k = 0; k < i; ++k) {
      if (overlap(bound[i], bound[k])) return invalid("outputs ", k, " and ", i, " are bound to the same memory");
    }
  }
  apart = true;
  return {};
}

// Finds the plan for what is bound. Value-dependent and unfinished plans go the general way in every run.
Status Prepared::State::plan() {
  WEFT_CHECK(session->store()->snapshot_in(session->memory_, compiled->reads, &variables));
  std::copy(variables.begin(), variables.end(), inputs.begin() + compiled->cut.feed_count);
  WEFT_TRY(std::shared_ptr<const Plan> plan, compiled->executable->plan_for(inputs, bound));
  std::vector<bool> by_value = value_inputs(compiled->executable->program());
  simple = plan->simple() && std::find(by_value.begin(), by_value.end(), true) == by_value.end();
  frame = nullptr;
  if (simple) {
    for (size_t i = 0; i < bound.size(); ++i) {
      const Binding& binding = plan->outputs[i];
      if (bound[i].empty()) continue;
      if (bound[i].dtype() != binding.dtype || bound[i].shape() != binding.shape) {
        return invalid("output ", i, " is ", dtype_name(binding.dtype), shape_text(binding.shape), " but is bound to ",
                       bound[i].summary());
      }
    }
    // The frame writes to where it is told to, whatever is there.
    for (size_t i = 0; i < compiled->writes.size(); ++i) {
      const Binding& binding = plan->outputs[compiled->cut.fetch_count + i];
      const ValueType& type = compiled->cut.variable_types[compiled->reads.size() + i];
      if (binding.dtype != type.dtype || binding.shape != to_shape(type.dims)) {
        return invalid("variable '", compiled->cut.assigned_variables[i], "' is ", type.text(),
                       " but would be assigned ", dtype_name(binding.dtype), shape_text(binding.shape));
      }
    }
    WEFT_TRY(frame, Frame::make(plan));
    for (size_t i = 0; i < compiled->cut.feed_count; ++i) frame->bind_input(static_cast<int>(i), inputs[i].data());
    for (size_t i = 0; i < bound.size(); ++i) {
      if (!bound[i].empty()) frame->bind_output(static_cast<int>(i), bound[i].mutable_data());
    }
  }
  // A variable that is held would keep its buffer from becoming the next spare.
  for (size_t i = compiled->cut.feed_count; i < inputs.size(); ++i) inputs[i].clear();
  planned = true;
  return {};
}

// A tensor for an output that is not bound. On the device it is that of the last run or the one before, if nobody else
// holds it any more: memory of a device takes its time to come, and what is recorded is good for the same addresses alone.
// Borrowed memory, to which the output was bound before, is still its owner's.
Status Prepared::State::make_output(size_t i) {
  const Binding& wanted = frame->plan().outputs[i];
  const std::shared_ptr<Memory>& memory = session->memory_;
  const auto make = [&](const std::shared_ptr<Memory>& where) -> Status {
    Result<Tensor> made = Tensor::make_in(where, wanted.dtype, wanted.shape);
    if (!made.ok()) return frame->plan().at_step(wanted.step, made.status());
    results[i] = std::move(*made);
    return {};
  };
  if (!wanted.on_device) return make(nullptr);
  const auto usable = [&](const Tensor& tensor) {
    return tensor.memory() == memory.get() && tensor.dtype() == wanted.dtype && tensor.shape() == wanted.shape &&
           !tensor.buffer()->borrowed() && tensor.alone();
  };
  if (usable(results[i])) return {};
  std::swap(results[i], spares[i]);
  return usable(results[i]) ? Status() : make(memory);
}

Status Prepared::State::run_frame(RunControl& control) {
  Store& store = *session->store();
  size_t feeds = compiled->cut.feed_count, fetches = compiled->cut.fetch_count;
  WEFT_CHECK(store.snapshot_in(session->memory_, compiled->reads, &variables));
  for (size_t i = 0; i < variables.size(); ++i) frame->bind_input(static_cast<int>(feeds + i), variables[i].data());
  for (size_t i = 0; i < fetches; ++i) {
    if (!bound[i].empty()) {
      results[i] = bound[i];
      continue;
    }
    WEFT_CHECK(make_output(i));
    frame->bind_output(static_cast<int>(i), results[i].mutable_data());
  }
  WEFT_CHECK(store.spares_in(session->memory_, compiled->writes, written.data()));
  for (size_t i = 0; i < written.size(); ++i) {
    frame->bind_output(static_cast<int>(fetches + i), written[i].mutable_data());
  }
  {
    RunScope scope(control.exec.parallel);
    WEFT_CHECK(frame->run(control.exec));
  }
  // What was read is let go first, so that its buffers can serve as the next spares.
  for (Tensor& value : variables) value.clear();
  store.commit(compiled->writes, written);
  return {};
}

Status Prepared::State::run_general(RunControl& control) {
  Store& store = *session->store();
  size_t feeds = compiled->cut.feed_count, fetches = compiled->cut.fetch_count;
  WEFT_CHECK(store.snapshot_in(session->memory_, compiled->reads, &variables));
  std::copy(variables.begin(), variables.end(), inputs.begin() + feeds);
  for (Tensor& value : variables) value.clear();
  for (size_t i = 0; i < fetches; ++i) results[i] = bound[i];
  WEFT_CHECK(store.spares_in(session->memory_, compiled->writes, results.data() + fetches));
  {
    RunScope scope(control.exec.parallel);
    WEFT_CHECK(compiled->executable->run(inputs, control.exec, &results));
  }
  for (size_t i = 0; i < fetches; ++i) {
    if (bound[i].empty()) WEFT_CHECK(own_elements(&results[i]));
  }
  for (size_t i = 0; i < compiled->reads.size(); ++i) inputs[feeds + i].clear();
  for (size_t i = 0; i < written.size(); ++i) written[i] = std::move(results[fetches + i]);
  store.commit(compiled->writes, written);
  return {};
}

Status Prepared::run(const RunOptions& options) {
  State& s = *state_;
  Exclusive exclusive(s.busy);
  WEFT_CHECK(exclusive.check());
  if (s.closed) return failed_precondition("this prepared call is closed");
  Running running(s.runner);
  SessionUse use(s.session);
  WEFT_CHECK(use.check());
  WEFT_CHECK(ThreadRun::check(*s.session));
  ThreadRun here(*s.session);  // from here on the caller's polls and host functions are called
  if (!s.apart) WEFT_CHECK(s.check_apart());
  RunControl control(options, s.session->options());
  s.session->runs_.fetch_add(1, std::memory_order_relaxed);
  if (!s.planned) {
    for (int i = 0; i < input_count(); ++i) {
      if (s.inputs[i].empty() && s.inputs[i].kind() == Kind::kTensor) {
        return failed_precondition("input ", i, " ('", s.compiled->feeds[i].name, "') is not bound");
      }
    }
    WEFT_CHECK(s.compiled->prepare_variables(*s.session, control.stop));
    WEFT_CHECK(s.plan());
  }
  WriterHold writer;
  if (!s.compiled->writes.empty()) WEFT_CHECK(writer.take(*s.session->store(), control.stop, &s.closing));
  Status status = s.simple ? s.run_frame(control) : s.run_general(control);
  // What a run that failed left there is half done.
  if (!status.ok()) s.results.assign(s.results.size(), Tensor());
  return status;
}

}  // namespace weft
