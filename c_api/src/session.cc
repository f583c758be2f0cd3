// Sessions, prepared calls, traces and host functions of the C ABI.
#include "weft/session.h"

#include <algorithm>

#include "c_api/src/handles.h"
#include "core/exec/host_functions.h"

using namespace weft;
using namespace weft::c_api;

namespace {

Status session_options(const weft_options* options, SessionOptions* out) {
  WEFT_CHECK(check_options(options, "session"));
  if (options == nullptr) return {};
  auto small = [&](const char* key, int64_t otherwise, int64_t least, int64_t most) -> Result<int64_t> {
    int64_t value = options->int_or(key, otherwise);
    if (value < least || value > most) {
      return invalid("option '", key, "' is ", value, " but must be ", least, " to ", most);
    }
    return value;
  };
  WEFT_TRY(int64_t threads, small("threads", 0, 0, 1 << 16));
  WEFT_TRY(int64_t max_plans, small("max_plans", 64, 1, 1 << 20));
  WEFT_TRY(int64_t spin, small("spin_after_run_us", 0, 0, 50));
  out->threads = static_cast<int>(threads);
  out->max_plans = static_cast<int>(max_plans);
  out->spin_after_run_ns = spin * 1000;
  out->reference_kernels = options->int_or("reference_kernels", 0) != 0;
  out->weight_dtype = options->string_or("weight_dtype", "f32");
  out->device = options->string_or("device", "");
  out->device_only = options->int_or("device_only", 0) != 0;
  out->device_outputs = options->int_or("device_outputs", 0) != 0;
  out->weight_cache = options->string_or("weight_cache", "");
  auto disabled = options->lists.find("disable_pass");
  if (disabled != options->lists.end()) out->disabled_passes = disabled->second;
  return {};
}

Result<Signature> signature_of(const Graph& graph, const int64_t* feeds, int32_t feed_count, const int64_t* fetches,
                               int32_t fetch_count, const int64_t* targets, int32_t target_count) {
  Signature signature;
  WEFT_TRY(signature.feeds, from_values(graph, feeds, feed_count, "feed"));
  WEFT_TRY(signature.fetches, from_values(graph, fetches, fetch_count, "fetch"));
  WEFT_TRY(signature.targets, from_values(graph, targets, target_count, "target"));
  return signature;
}

}  // namespace

weft_status* weft_session_new(weft_graph* graph, const weft_options* options, weft_session* share,
                              weft_session** out_session) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_session);
    *out_session = nullptr;
    WEFT_NOT_NULL(graph);
    SessionOptions wanted;
    WEFT_CHECK(session_options(options, &wanted));
    if (share != nullptr && share->session->closed()) return failed_precondition("the session to share with is closed");
    WEFT_TRY(std::shared_ptr<Session> session,
             Session::make(graph->graph, std::move(wanted), share != nullptr ? share->session->store() : nullptr));
    *out_session = new weft_session{std::move(session)};
    return {};
  });
}
weft_status* weft_session_close(weft_session* session) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(session);
    return session->session->close();
  });
}
void weft_session_free(weft_session* session) {
  if (session == nullptr) return;
  weft_status_free(weft_session_close(session));
  CallScope::free(std::move(session->session));
  delete session;
}

weft_status* weft_session_run(weft_session* session, const int64_t* feeds, const weft_tensor* const* tensors,
                              int32_t feed_count, const int64_t* fetches, int32_t fetch_count, const int64_t* targets,
                              int32_t target_count, const weft_options* options, weft_tensor** out_tensors) {
  return guard([&]() -> Status {
    if (fetch_count > 0) WEFT_NOT_NULL(out_tensors);
    for (int32_t i = 0; i < fetch_count; ++i) out_tensors[i] = nullptr;
    WEFT_NOT_NULL(session);
    WEFT_TRY(Signature signature,
             signature_of(*session->session->graph(), feeds, feed_count, fetches, fetch_count, targets, target_count));
    if (feed_count > 0) WEFT_NOT_NULL(tensors);
    std::vector<Tensor> values;
    values.reserve(static_cast<size_t>(feed_count));
    for (int32_t i = 0; i < feed_count; ++i) {
      if (tensors[i] == nullptr) {
        const Graph& graph = *session->session->graph();
        GraphReading reading(graph);
        const std::string& name = graph.value(signature.feeds[static_cast<size_t>(i)]).name;
        return invalid("the tensor that is fed to '", name, "' is NULL");
      }
      values.push_back(tensors[i]->tensor);
    }
    RunOptions run;
    WEFT_CHECK(run_options(options, "run", &run));
    std::vector<Tensor> outputs;
    WEFT_CHECK(session->session->run(signature, std::move(values), run, &outputs));
    to_handles(std::move(outputs), out_tensors);
    return {};
  });
}
weft_status* weft_session_prepare(weft_session* session, const int64_t* feeds, int32_t feed_count,
                                  const int64_t* fetches, int32_t fetch_count, const int64_t* targets,
                                  int32_t target_count, weft_prepared** out_prepared) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_prepared);
    *out_prepared = nullptr;
    WEFT_NOT_NULL(session);
    WEFT_TRY(Signature signature,
             signature_of(*session->session->graph(), feeds, feed_count, fetches, fetch_count, targets, target_count));
    WEFT_TRY(std::shared_ptr<Prepared> prepared, session->session->prepare(signature));
    *out_prepared = new weft_prepared{std::move(prepared)};
    return {};
  });
}
weft_status* weft_session_initialise(weft_session* session) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(session);
    return session->session->initialise();
  });
}
weft_status* weft_session_get(weft_session* session, const char* variable, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(variable);
    WEFT_TRY(Tensor value, session->session->get_variable(variable));
    *out_tensor = new weft_tensor{std::move(value), {}};
    return {};
  });
}
weft_status* weft_session_set(weft_session* session, const char* variable, const weft_tensor* tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(variable);
    WEFT_NOT_NULL(tensor);
    return session->session->set_variable(variable, tensor->tensor);
  });
}
weft_status* weft_session_inspect(weft_session* session, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(session);
    WEFT_TRY(std::string json, session->session->describe());
    *out_json = make_bytes(std::move(json));
    return {};
  });
}
weft_status* weft_session_trim(weft_session* session) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(session);
    session->session->trim();
    return {};
  });
}

weft_status* weft_prepared_bind_input(weft_prepared* prepared, int32_t i, const weft_tensor* tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(prepared);
    WEFT_NOT_NULL(tensor);
    return prepared->prepared->bind_input(i, tensor->tensor);
  });
}
weft_status* weft_prepared_bind_output(weft_prepared* prepared, int32_t i, weft_tensor* tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(prepared);
    return prepared->prepared->bind_output(i, tensor != nullptr ? tensor->tensor : Tensor());
  });
}
weft_status* weft_prepared_run(weft_prepared* prepared, const weft_options* options) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(prepared);
    RunOptions run;
    if (options != nullptr) WEFT_CHECK(run_options(options, "run", &run));
    return prepared->prepared->run(run);
  });
}
weft_status* weft_prepared_output(weft_prepared* prepared, int32_t i, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(prepared);
    WEFT_TRY(Tensor value, prepared->prepared->output(i));
    *out_tensor = new weft_tensor{std::move(value), {}};
    return {};
  });
}
weft_status* weft_prepared_close(weft_prepared* prepared) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(prepared);
    return prepared->prepared->close();
  });
}
void weft_prepared_free(weft_prepared* prepared) {
  if (prepared == nullptr) return;
  weft_status_free(weft_prepared_close(prepared));
  CallScope::free(std::move(prepared->prepared));
  delete prepared;
}

weft_status* weft_trace_new(weft_trace** out_trace) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_trace);
    *out_trace = nullptr;
    *out_trace = new weft_trace{std::make_shared<Trace>(), {}};
    return {};
  });
}
void weft_trace_free(weft_trace* trace) { delete trace; }
weft_status* weft_trace_json(const weft_trace* trace, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(trace);
    *out_json = make_bytes(trace->trace->json());
    return {};
  });
}

namespace {

struct HostTarget {
  weft_host_fn function;
  void* user;
  weft_drop drop;
};

Status call_host(void* user, const std::vector<Tensor>& in, std::vector<Tensor>* out) {
  auto* target = static_cast<HostTarget*>(user);
  std::vector<weft_tensor> inputs;
  inputs.reserve(in.size());
  for (const Tensor& tensor : in) inputs.push_back(weft_tensor{tensor, {}});
  std::vector<const weft_tensor*> input_handles;
  for (const weft_tensor& input : inputs) input_handles.push_back(&input);
  std::vector<weft_tensor*> outputs(out->size(), nullptr);
  Status status = from_handle(target->function(target->user, input_handles.data(), static_cast<int32_t>(in.size()),
                                               outputs.data(), static_cast<int32_t>(outputs.size())));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == nullptr) {
      if (status.ok()) status = invalid("the host function left output ", i, " empty");
      continue;
    }
    (*out)[i] = outputs[i]->tensor;
  }
  // An input may be given back, and one tensor as several outputs.
  for (size_t i = 0; i < outputs.size(); ++i) {
    bool input = std::find(input_handles.begin(), input_handles.end(), outputs[i]) != input_handles.end();
    bool again = std::find(outputs.begin(), outputs.begin() + i, outputs[i]) != outputs.begin() + i;
    if (!input && !again) delete outputs[i];
  }
  return status;
}

void drop_host(void* user) {
  auto* target = static_cast<HostTarget*>(user);
  if (target->drop != nullptr) target->drop(target->user);
  delete target;
}

}  // namespace

weft_status* weft_host_function_set(const char* name, weft_host_fn function, void* user, weft_drop drop) {
  std::shared_ptr<const HostFunction> holder;
  weft_status* made = guard([&]() -> Status {
    auto target = std::make_unique<HostTarget>(HostTarget{function, user, drop});
    holder = std::make_shared<const HostFunction>(call_host, target.get(), drop_host);
    (void)target.release();
    return {};
  });
  if (made != nullptr) {
    if (drop != nullptr) drop(user);
    return made;
  }
  return guard([&]() -> Status {
    WEFT_NOT_NULL(name);
    if (function == nullptr)
      remove_host_function(name);
    else
      set_host_function(name, holder);
    return {};
  });
}
