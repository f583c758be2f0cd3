// A session: compiling signatures, initial values and runs by name.
#include "core/runtime/session.h"

#include <algorithm>
#include <set>

#include "core/base/thread_pool.h"
#include "core/graph/building.h"
#include "core/runtime/builtin.h"
#include "core/runtime/compiled.h"
#include "core/tensor/form_cache.h"

namespace weft {

namespace {

// The stores of the runs that are under way on this thread, innermost first. A host function that enters a run of the
// same store would wait for itself.
struct RunningStore {
  const Store* store;
  const Session* session;
  const RunningStore* outer;
  bool initialises;
};
thread_local const RunningStore* running_here = nullptr;

constexpr size_t kMaxCompiled = 256;

}  // namespace

int64_t RunOptions::deadline_ns() const {
  if (timeout_ns <= 0) return 0;
  int64_t now = monotonic_ns();
  return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

ThreadRun::ThreadRun(const Session& session, bool initial_values) {
  auto* entry = new (place_) RunningStore{session.store().get(), &session, running_here, initial_values};
  running_here = entry;
}

ThreadRun::~ThreadRun() { running_here = running_here->outer; }

Status ThreadRun::check(const Session& session) {
  for (const RunningStore* run = running_here; run != nullptr; run = run->outer) {
    if (run->store == session.store().get()) {
      return failed_precondition("a host function or poll must not run a session of the store whose run it is part of");
    }
  }
  return {};
}

bool ThreadRun::inside(const Session& session) {
  for (const RunningStore* run = running_here; run != nullptr; run = run->outer) {
    if (run->session == &session) return true;
  }
  return false;
}

bool ThreadRun::initialises(const Session& session) {
  for (const RunningStore* run = running_here; run != nullptr; run = run->outer) {
    if (run->store == session.store().get() && run->initialises) return true;
  }
  return false;
}

SessionUse::SessionUse(Session& session) : kept_(session.shared_from_this()), session_(session) { count_in(); }

SessionUse::SessionUse(const std::shared_ptr<Session>& kept) : session_(*kept) { count_in(); }

void SessionUse::count_in() {
  // In one order with close(), which first says that it closes and then counts: one of the two sees the other.
  session_.running_.fetch_add(1);
  open_ = !session_.closed_.load();
}

SessionUse::~SessionUse() {
  // Only a closing thread waits for the count.
  if (session_.running_.fetch_sub(1) == 1 && session_.closed_.load()) session_.running_.notify_all();
}

Status SessionUse::check() const { return open_ ? Status() : failed_precondition("this session is closed"); }

Session::Session(std::shared_ptr<Graph> graph, SessionOptions options, std::shared_ptr<Store> store, DeviceEntry device,
                 std::shared_ptr<FormCache> form_cache)
    : graph_(std::move(graph)),
      options_(std::move(options)),
      store_(std::move(store)),
      device_(std::move(device)),
      form_cache_(std::move(form_cache)),
      memory_(device_.device) {}

Session::~Session() = default;

Result<std::shared_ptr<Session>> Session::make(std::shared_ptr<Graph> graph, SessionOptions options,
                                               std::shared_ptr<Store> store) {
  if (graph->parent() != nullptr) return invalid("a session needs an outermost graph, not a sub-graph");
  if (options.threads < 0) return invalid("option 'threads' is ", options.threads, " but must be 0 or more");
  if (options.max_plans < 1) return invalid("option 'max_plans' is ", options.max_plans, " but must be 1 or more");
  if (options.weight_dtype != "f32" && options.weight_dtype != "bf16") {
    return invalid("option 'weight_dtype' is '", options.weight_dtype, "' but must be 'f32' or 'bf16'");
  }
  WEFT_CHECK(check_pass_names(builtin_rules(), options.disabled_passes));
  DeviceEntry device;
  if (!options.device.empty() && options.device != "cpu") {
    Result<DeviceEntry> found = find_device(options.device);
    if (!found.ok()) return found.status().within("option 'device': ");
    device = *found;
  }
  std::shared_ptr<FormCache> form_cache;
  if (!options.weight_cache.empty()) {
    Result<std::shared_ptr<FormCache>> opened = FormCache::open(options.weight_cache);
    if (!opened.ok()) return opened.status().within("option 'weight_cache': ");
    form_cache = std::move(*opened);
  }
  if (store == nullptr) store = std::make_shared<Store>();
  return std::shared_ptr<Session>(
      new Session(std::move(graph), std::move(options), std::move(store), std::move(device), std::move(form_cache)));
}

bool Session::closed() const { return closed_.load(std::memory_order_acquire); }

Status Session::outside_bodies() const {
  if (!Building::under_way() || !graph_->in_use_here()) return {};  // runs come by, and take no lock for it
  return failed_precondition("the body of an operator must not use a session of the graph that its node is in");
}

Status Session::close() {
  WEFT_CHECK(outside_bodies());
  if (ThreadRun::inside(*this)) {
    return failed_precondition("a session cannot be closed from inside one of its own runs");
  }
  closed_.store(true);
  for (int32_t running = running_.load(); running != 0; running = running_.load()) running_.wait(running);
  trim();
  return {};
}

void Session::trim() {
  if (!outside_bodies().ok()) return;  // this thread may be in `compile`
  std::vector<std::pair<Signature, std::shared_ptr<Compiled>>> dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(compiled_);
}

PlanOptions Session::plan_options() const {
  PlanOptions options;
  std::vector<std::string> disabled = options_.disabled_passes;
  // The plain kernel of a convolution is the one whose channels come first, and of attention those of its pieces.
  if (options_.reference_kernels) disabled.insert(disabled.end(), {"channels_last", "fuse_attention"});
  options.rewrite = rewrite_options(builtin_rules(), disabled);
  options.reference_kernels = options_.reference_kernels;
  options.threads = options_.threads;
  options.form_cache = form_cache_;
  return options;
}

Result<std::shared_ptr<Session::Compiled>> Session::compile(const Signature& signature) {
  WEFT_CHECK(outside_bodies());  // before the lock, which such a thread may hold
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < compiled_.size(); ++i) {
    if (!(compiled_[i].first == signature)) continue;
    if (compiled_[i].second->attached_count != graph_->attached_count()) {
      compiled_.erase(compiled_.begin() + i);
      break;
    }
    if (i > 0) std::rotate(compiled_.begin(), compiled_.begin() + i, compiled_.begin() + i + 1);
    return compiled_[0].second;
  }
  GraphReading reading(*graph_);
  const ThreadLimit limit(options_.threads);
  auto compiled = std::make_shared<Compiled>();
  compiled->attached_count = graph_->attached_count();
  WEFT_TRY(compiled->cut, cut_program(*graph_, signature.feeds, signature.fetches, signature.targets));
  Cut& cut = compiled->cut;
  for (ValueId id : signature.feeds) {
    const Node& node = graph_->producer(id);
    compiled->feeds.push_back({graph_->type(id), graph_->value(id).name, node.op->full_name(), node.origin});
  }
  std::vector<std::string> names = cut.read_variables;
  names.insert(names.end(), cut.assigned_variables.begin(), cut.assigned_variables.end());
  for (size_t i = 0; i < names.size(); ++i) {
    const ValueType& type = cut.variable_types[i];
    if (!type.concrete()) return invalid("variable '", names[i], "' would be assigned ", type.text());
    WEFT_TRY(int slot, store_->slot(names[i], type.dtype, to_shape(type.dims)));
    (i < cut.read_variables.size() ? compiled->reads : compiled->writes).push_back(slot);
  }
  PlanOptions options = plan_options();
  if (options_.weight_dtype == "bf16") options.weight_dtype = DType::kBF16;
  if (device_.device != nullptr) {
    options.device = device_.device;
    options.device_kernels = device_.kernels.get();
    options.device_only = options_.device_only;
    options.rewrite.folding_kernels = &cpu_kernels();
    options.device_outputs.assign(cut.program.outputs.size(), true);
    const bool stay = options_.device_outputs && !signature.host_outputs;
    std::fill_n(options.device_outputs.begin(), cut.fetch_count, stay);
  }
  const KernelRegistry& kernels = device_.kernels != nullptr ? *device_.kernels : cpu_kernels();
  WEFT_TRY(Program program, optimize(cut.program, kernels, options.rewrite));
  compiled->executable = std::make_unique<Executable>(std::move(program), cpu_kernels(), options, options_.max_plans);
  compiled_.insert(compiled_.begin(), {signature, compiled});
  if (compiled_.size() > kMaxCompiled) compiled_.pop_back();
  return compiled;
}

// Those of the variables, and of the variables that their initial values read, that have no value yet; in the order of
// the graph, in which each comes after those that its initial value reads.
Status Session::find_missing(const std::vector<std::string>& names, std::vector<std::string>* missing,
                             std::vector<ValueId>* initial) const {
  std::set<std::string, std::less<>> wanted(names.begin(), names.end());
  const std::vector<VariableInfo>& all = graph_->variables();
  for (auto variable = all.rbegin(); variable != all.rend(); ++variable) {
    if (wanted.count(variable->name) == 0) continue;
    int slot = store_->find(variable->name);
    if (slot >= 0 && store_->initialised(slot)) continue;
    missing->push_back(variable->name);
    initial->push_back(variable->initial);
    WEFT_TRY(Cut cut, cut_program(*graph_, {}, {variable->initial}, {}));
    wanted.insert(cut.read_variables.begin(), cut.read_variables.end());
  }
  std::reverse(missing->begin(), missing->end());
  std::reverse(initial->begin(), initial->end());
  return {};
}

Status Session::initialise_needed(const std::vector<std::string>& names, StopCondition* stop) {
  std::vector<std::string> missing;
  std::vector<Cut> cuts;
  {
    GraphReading reading(*graph_);
    std::vector<ValueId> initial;
    WEFT_CHECK(find_missing(names, &missing, &initial));
    if (missing.empty()) return {};
    if (ThreadRun::initialises(*this)) {
      return failed_precondition("variable '", missing[0],
                                 "' has no value yet, and what computes initial values must not ask for one");
    }
    // One run for all, unless an initial value reads another variable: then one by one.
    cuts.emplace_back();
    WEFT_TRY(cuts[0], cut_program(*graph_, {}, initial, {}));
    if (!cuts[0].read_variables.empty()) {
      cuts.clear();
      for (ValueId value : initial) {
        cuts.emplace_back();
        WEFT_TRY(cuts.back(), cut_program(*graph_, {}, {value}, {}));
        if (!cuts.back().assigned_variables.empty()) {
          return invalid("the initial value of '", missing[cuts.size() - 1], "' assigns '",
                         cuts.back().assigned_variables[0], "'; it must not change a variable");
        }
      }
    }
  }
  size_t next = 0;
  for (Cut& cut : cuts) {
    std::vector<Tensor> inputs, outputs;
    for (const std::string& name : cut.read_variables) {
      Result<Tensor> value = store_->get(name);
      if (!value.ok()) {
        return failed_precondition("the initial value of '", missing[next], "' reads '", name, "', which has none yet");
      }
      inputs.push_back(std::move(*value));
    }
    const PlanOptions options = plan_options();
    Executable executable(std::move(cut.program), cpu_kernels(), options, 1);
    ExecOptions exec;
    exec.parallel.max_threads = options_.threads;
    exec.parallel.stop = exec.stop = stop;
    RunScope scope(exec.parallel);
    ThreadRun here(*this, true);
    WEFT_CHECK(executable.run(inputs, exec, &outputs));
    for (const Tensor& value : outputs) {
      const std::string& name = missing[next++];
      // Another session of this store may have been first, and trained since.
      WEFT_CHECK(store_->initialise(name, value));
    }
  }
  return {};
}

Status Session::initialise() {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  WEFT_CHECK(outside_bodies());
  std::vector<std::string> names;
  {
    GraphReading reading(*graph_);
    for (const VariableInfo& variable : graph_->variables()) names.push_back(variable.name);
  }
  return initialise_needed(names, nullptr);
}

Result<Tensor> Session::get_variable(std::string_view name) {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  WEFT_CHECK(outside_bodies());
  bool known = [&] {
    GraphReading reading(*graph_);
    return graph_->find_variable(name) != nullptr;
  }();
  if (known) WEFT_CHECK(initialise_needed({std::string(name)}, nullptr));
  return store_->get(name);
}

Status Session::set_variable(std::string_view name, Tensor value) {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  WEFT_CHECK(outside_bodies());
  WEFT_CHECK(ThreadRun::check(*this));
  {
    // Let go of before the store is waited for: whoever holds that may want the graph.
    GraphReading reading(*graph_);
    const VariableInfo* variable = graph_->find_variable(name);
    if (variable == nullptr) {
      Suggestion suggestion(name);
      for (const VariableInfo& known : graph_->variables()) suggestion.offer(known.name);
      return not_found("this graph has no variable '", name, "'", suggestion.text());
    }
    WEFT_CHECK(check_type(value, graph_->type(variable->value), "the new value of variable", name)
                   .at(name, "weft.Variable", graph_->producer(variable->value).origin));
  }
  return store_->set(name, std::move(value));
}

Status Session::set_variables(std::vector<std::pair<std::string, Tensor>> values) {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  WEFT_CHECK(ThreadRun::check(*this));
  return store_->set_all(std::move(values));
}

Status Session::Compiled::prepare_variables(Session& session, StopCondition& stop) {
  if (ready.load(std::memory_order_acquire)) return {};
  WEFT_CHECK(session.initialise_needed(cut.read_variables, &stop));
  for (size_t i = 0; i < reads.size(); ++i) {
    if (!session.store_->initialised(reads[i])) {
      return failed_precondition("variable '", cut.read_variables[i], "' has no value");
    }
  }
  ready.store(true, std::memory_order_release);
  return {};
}

Status Session::Compiled::plan_ahead(bool variables_on_device) {
  std::vector<InputKey> keys;
  auto add = [&keys](const ValueType& type, bool on_device) {
    keys.push_back({type.kind, type.dtype, to_shape(type.dims), Tensor(), on_device});
  };
  for (const Feed& feed : feeds) {
    if (feed.type.kind != Kind::kTensor || !feed.type.concrete()) return {};
    add(feed.type, false);
  }
  for (size_t i = 0; i < reads.size(); ++i) add(cut.variable_types[i], variables_on_device);
  return executable->plan_ahead(std::move(keys));
}

Status Session::run(const Signature& signature, std::vector<Tensor> feeds, const RunOptions& options,
                    std::vector<Tensor>* outputs) {
  SessionUse use(*this);
  WEFT_CHECK(use.check());
  if (feeds.size() != signature.feeds.size()) {
    return invalid("there are ", signature.feeds.size(), " feeds but ", feeds.size(), " tensors for them");
  }
  RunControl control(options, options_);
  runs_.fetch_add(1, std::memory_order_relaxed);
  WEFT_TRY(std::shared_ptr<Compiled> compiled, compile(signature));
  for (size_t i = 0; i < feeds.size(); ++i) {
    WEFT_CHECK(compiled->feeds[i].check(feeds[i], "the tensor fed to", memory_.get()));
  }
  WEFT_CHECK(ThreadRun::check(*this));
  ThreadRun here(*this);  // from here on the caller's polls and host functions are called
  return run_compiled(*compiled, std::move(feeds), control, outputs);
}

Status check_place(const Tensor& value, const Memory* memory, std::string_view what, std::string_view name) {
  if (value.memory() == nullptr || value.memory() == memory) return {};
  const std::string here = memory == nullptr ? "cpu" : memory->name();
  return invalid(what, " '", name, "' lies on '", value.device(), "' but the session runs on '", here,
                 "'; 'to' with the device '", here, "' copies it there");
}

Status own_elements(Tensor* value) {
  if (value->alone()) return {};
  const Kind kind = value->kind();
  if (kind == Kind::kTensor) {
    WEFT_TRY(*value, value->copy());
    return {};
  }
  std::vector<Tensor> items = value->items();
  value->clear();  // it would count as another holder of them
  for (Tensor& item : items) WEFT_CHECK(own_elements(&item));
  switch (kind) {
    case Kind::kMap: *value = Tensor::map(std::move(items[0]), std::move(items[1])); break;
    case Kind::kOptional: *value = Tensor::optional(std::move(items)); break;
    default: *value = Tensor::sequence(std::move(items)); break;
  }
  return {};
}

Status Session::run_compiled(Compiled& compiled, std::vector<Tensor> inputs, RunControl& control,
                             std::vector<Tensor>* outputs) {
  // Compiling may have taken its time.
  WEFT_CHECK(control.stop.check());
  WEFT_CHECK(compiled.prepare_variables(*this, control.stop));
  WriterHold writer;
  if (!compiled.writes.empty()) WEFT_CHECK(writer.take(*store_, control.stop));
  std::vector<Tensor> values(compiled.reads.size());
  WEFT_CHECK(store_->snapshot_in(memory_, compiled.reads, &values));
  inputs.insert(inputs.end(), values.begin(), values.end());
  values.clear();
  size_t fetches = compiled.cut.fetch_count;
  std::vector<Tensor> results(fetches + compiled.writes.size());
  for (size_t i = 0; i < fetches && i < outputs->size(); ++i) results[i] = (*outputs)[i];
  WEFT_CHECK(store_->spares_in(memory_, compiled.writes, results.data() + fetches));
  {
    RunScope scope(control.exec.parallel);
    WEFT_CHECK(compiled.executable->run(std::move(inputs), control.exec, &results));
  }
  for (size_t i = 0; i < fetches; ++i) {
    const bool bound = i < outputs->size() && !(*outputs)[i].empty();
    if (!bound) WEFT_CHECK(own_elements(&results[i]));
  }
  std::vector<Tensor> written(std::make_move_iterator(results.begin() + fetches),
                              std::make_move_iterator(results.end()));
  store_->commit(compiled.writes, written);
  results.resize(fetches);
  *outputs = std::move(results);
  return {};
}

}  // namespace weft
