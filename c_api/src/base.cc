// Errors, options, cancellation, logging and memory of the C ABI.
#include "weft/base.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "c_api/src/handles.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/thread_pool.h"

namespace weft::c_api {

weft_status* out_of_memory() {
  static weft_status* status = [] {
    auto* made =
        new weft_status{Status(Code::kResourceExhausted, "out of memory"), "RESOURCE_EXHAUSTED: out of memory", {}};
    live_object_counter().fetch_sub(1);  // never freed, so not counted
    return made;
  }();
  return status;
}
namespace {
// Made while there is memory.
[[maybe_unused]] weft_status* prepared_out_of_memory() { return out_of_memory(); }
}  // namespace

weft_status* to_handle(Status status) noexcept {
  if (status.ok()) return nullptr;
  try {
    std::string text = status.text();
    return new weft_status{std::move(status), std::move(text), {}};
  } catch (...) {
    return out_of_memory();
  }
}

Status from_handle(weft_status* status) {
  if (status == nullptr) return {};
  Status out = status->status;
  weft_status_free(status);
  return out;
}

thread_local CallScope* CallScope::current = nullptr;

void CallScope::free(std::shared_ptr<const void> object) noexcept {
  if (current == nullptr || object == nullptr) return;
  try {
    current->kept_.push_back(std::move(object));
  } catch (const std::bad_alloc&) {
    // Lost rather than freed under those who use it.
    alignas(std::shared_ptr<const void>) unsigned char lost[sizeof object];
    new (lost) std::shared_ptr<const void>(std::move(object));
  }
}

Status check_options(const weft_options* options, const char* kind) {
  if (options == nullptr || options->kind == kind) return {};
  return invalid("these are options for '", options->kind, "' but must be for '", kind, "'");
}

namespace {
Status poll_through(void* user) {
  auto* poll = static_cast<Callback<weft_poll_fn>*>(user);
  return from_handle(poll->function(poll->user));
}
}  // namespace

Status run_options(const weft_options* options, const char* kind, RunOptions* out) {
  WEFT_CHECK(check_options(options, kind));
  if (options == nullptr) return {};
  out->cancel = options->cancel.get();
  out->trace = options->trace.get();
  constexpr double kNone = std::numeric_limits<double>::infinity();
  const int64_t ms = options->int_or("timeout_ms", std::numeric_limits<int64_t>::max());
  const bool in_ms = ms != std::numeric_limits<int64_t>::max();
  const double seconds = options->float_or("timeout_s", in_ms ? static_cast<double>(ms) / 1000.0 : kNone);
  if (seconds != seconds) return invalid("the timeout is not a number");
  // A time that has passed already is still a time.
  if (seconds < 9e9) out->timeout_ns = seconds <= 0 ? 1 : std::max<int64_t>(1, static_cast<int64_t>(seconds * 1e9));
  if (options->poll != nullptr) {
    out->poll = poll_through;
    out->poll_user = options->poll.get();
  }
  return {};
}

weft_bytes* make_bytes(std::string text) { return new weft_bytes{std::move(text), {}}; }

namespace {

struct Key {
  const char* kind;
  const char* name;
  char type;  // i, f, s, l (list of strings)
};
constexpr Key kKeys[] = {
    {"session", "threads", 'i'},
    {"session", "max_plans", 'i'},
    {"session", "spin_after_run_us", 'i'},
    {"session", "reference_kernels", 'i'},
    {"session", "weight_dtype", 's'},
    {"session", "device", 's'},
    {"session", "device_only", 'i'},
    {"session", "device_outputs", 'i'},
    {"session", "weight_cache", 's'},
    {"session", "disable_pass", 'l'},
    {"run", "timeout_ms", 'i'},
    {"run", "timeout_s", 'f'},
    {"load", "map", 'i'},
    {"load", "trainable", 'l'},
    {"load", "partial", 'i'},
    {"save", "opset", 'i'},
    {"save", "weights", 's'},
    {"save", "training", 'i'},
    {"dataset", "batch_size", 'i'},
    {"dataset", "shuffle", 'i'},
    {"dataset", "seed", 'i'},
    {"dataset", "drop_last", 'i'},
    {"optimizer", "learning_rate", 'f'},
    {"optimizer", "momentum", 'f'},
    {"optimizer", "nesterov", 'i'},
    {"optimizer", "lazy", 'i'},
    {"optimizer", "beta1", 'f'},
    {"optimizer", "beta2", 'f'},
    {"optimizer", "epsilon", 'f'},
    {"optimizer", "weight_decay", 'f'},
    {"optimizer", "clip_norm", 'f'},
    {"optimizer", "name", 's'},
    {"fit", "epochs", 'i'},
    {"fit", "first_epoch", 'i'},
    {"fit", "batch_size", 'i'},
    {"fit", "shuffle", 'i'},
    {"fit", "seed", 'i'},
    {"fit", "drop_last", 'i'},
    {"fit", "monitor", 's'},
    {"fit", "patience", 'i'},
    {"fit", "min_delta", 'f'},
    {"fit", "mode", 's'},
    {"fit", "restore_best", 'i'},
    {"fit", "timeout_ms", 'i'},
    {"fit", "timeout_s", 'f'},
};

Status check_key(const weft_options& options, std::string_view key, char type) {
  std::string known;
  for (const Key& row : kKeys) {
    if (options.kind != row.kind) continue;
    if (key == row.name) {
      if (row.type == type) return {};
      const char* wanted = row.type == 'i'   ? "a whole number"
                           : row.type == 'f' ? "a number"
                           : row.type == 's' ? "a string"
                                             : "a list of strings";
      return invalid("option '", key, "' must be ", wanted);
    }
    known += cat(known.empty() ? "" : ", ", row.name);
  }
  return invalid("there is no option '", key, "' for '", options.kind, "'; there are ", known);
}

}  // namespace

}  // namespace weft::c_api

using namespace weft;
using namespace weft::c_api;

#define WEFT_TEXT_(x) #x
#define WEFT_TEXT(x) WEFT_TEXT_(x)

const char* weft_version(void) {
  return WEFT_TEXT(WEFT_VERSION_MAJOR) "." WEFT_TEXT(WEFT_VERSION_MINOR) "." WEFT_TEXT(WEFT_VERSION_PATCH);
}
int32_t weft_version_number(void) {
  return WEFT_VERSION_MAJOR * 1000000 + WEFT_VERSION_MINOR * 1000 + WEFT_VERSION_PATCH;
}
int64_t weft_live_objects(void) { return live_objects(); }
int32_t weft_threads(void) { return pool_threads(); }

weft_status* weft_status_new(int32_t code, const char* message, const void* tag, void* payload, weft_drop drop) {
  bool taken = false;
  weft_status* out = guard([&]() -> Status {
    int32_t known = code >= 1 && code <= 15 ? code : WEFT_UNKNOWN;
    Status status(static_cast<Code>(known), message != nullptr ? message : "");
    if (payload != nullptr || drop != nullptr) {
      auto holder = std::make_shared<const Payload>(tag, payload, drop);
      taken = true;
      status = status.with_payload(std::move(holder));
    }
    return status;
  });
  if (!taken && drop != nullptr) drop(payload);
  return out;
}
void weft_status_free(weft_status* status) {
  if (status != out_of_memory()) delete status;
}
int32_t weft_status_code(const weft_status* status) {
  return status == nullptr ? WEFT_OK : static_cast<int32_t>(status->status.code());
}
const char* weft_status_message(const weft_status* status) {
  return status == nullptr ? "" : status->status.message().c_str();
}
const char* weft_status_node(const weft_status* status) {
  return status == nullptr ? "" : status->status.node().c_str();
}
const char* weft_status_op(const weft_status* status) { return status == nullptr ? "" : status->status.op().c_str(); }
const char* weft_status_origin(const weft_status* status) {
  return status == nullptr ? "" : status->status.origin().c_str();
}
int32_t weft_status_errno(const weft_status* status) { return status == nullptr ? 0 : system_error(status->status); }
const char* weft_status_text(const weft_status* status) { return status == nullptr ? "OK" : status->text.c_str(); }
void* weft_status_payload(const weft_status* status, const void* tag) {
  const Payload* payload = status == nullptr ? nullptr : status->status.payload();
  return payload != nullptr && payload->tag == tag ? payload->data : nullptr;
}
const char* weft_code_name(int32_t code) {
  return code >= 0 && code <= 15 ? code_name(static_cast<Code>(code)) : "UNKNOWN";
}

const void* weft_bytes_data(const weft_bytes* bytes) { return bytes == nullptr ? nullptr : bytes->data.c_str(); }
size_t weft_bytes_size(const weft_bytes* bytes) { return bytes == nullptr ? 0 : bytes->data.size(); }
void weft_bytes_free(weft_bytes* bytes) { delete bytes; }

weft_status* weft_options_new(const char* kind, weft_options** out_options) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_options);
    *out_options = nullptr;
    WEFT_NOT_NULL(kind);
    bool known = std::any_of(std::begin(kKeys), std::end(kKeys),
                             [&](const Key& key) { return std::strcmp(key.kind, kind) == 0; });
    if (!known) return not_found("there are no options of the kind '", kind, "'");
    auto options = std::make_unique<weft_options>();
    options->kind = kind;
    *out_options = options.release();
    return {};
  });
}
void weft_options_free(weft_options* options) {
  if (options == nullptr) return;
  CallScope::free(std::move(options->cancel));
  CallScope::free(std::move(options->poll));
  CallScope::free(std::move(options->trace));
  CallScope::free(std::move(options->callback));
  delete options;
}

weft_status* weft_options_set_int(weft_options* options, const char* key, int64_t value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(key);
    // A whole number serves where a number is asked for.
    if (check_key(*options, key, 'f').ok()) {
      options->floats[key] = static_cast<double>(value);
      return {};
    }
    WEFT_CHECK(check_key(*options, key, 'i'));
    options->ints[key] = value;
    return {};
  });
}
weft_status* weft_options_set_float(weft_options* options, const char* key, double value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(key);
    WEFT_CHECK(check_key(*options, key, 'f'));
    options->floats[key] = value;
    return {};
  });
}
weft_status* weft_options_set_string(weft_options* options, const char* key, const char* value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(key);
    WEFT_NOT_NULL(value);
    WEFT_CHECK(check_key(*options, key, 's'));
    options->strings[key] = value;
    return {};
  });
}
weft_status* weft_options_add_string(weft_options* options, const char* key, const char* value) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(key);
    WEFT_NOT_NULL(value);
    WEFT_CHECK(check_key(*options, key, 'l'));
    options->lists[key].push_back(value);
    return {};
  });
}

namespace {
Status check_runs(const weft_options& options, const char* what) {
  if (options.kind == "run" || options.kind == "fit") return {};
  return invalid("options for '", options.kind, "' have no ", what);
}
}  // namespace

weft_status* weft_options_set_cancel(weft_options* options, weft_cancel* cancel) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(cancel);
    WEFT_CHECK(check_runs(*options, "cancel token"));
    CallScope::free(std::exchange(options->cancel, cancel->token));
    return {};
  });
}
weft_status* weft_options_set_poll(weft_options* options, weft_poll_fn poll, void* user, weft_drop drop) {
  std::shared_ptr<Callback<weft_poll_fn>> held;
  if (weft_status* failed = hold(poll, user, drop, &held); failed != nullptr) return failed;
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(poll);
    WEFT_CHECK(check_runs(*options, "interrupt poll"));
    CallScope::free(std::exchange(options->poll, std::move(held)));
    return {};
  });
}
weft_status* weft_options_set_trace(weft_options* options, weft_trace* trace) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(options);
    WEFT_NOT_NULL(trace);
    WEFT_CHECK(check_runs(*options, "trace"));
    CallScope::free(std::exchange(options->trace, trace->trace));
    return {};
  });
}

weft_status* weft_cancel_new(weft_cancel** out_cancel) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_cancel);
    *out_cancel = nullptr;
    *out_cancel = new weft_cancel{std::make_shared<CancelToken>(), {}};
    return {};
  });
}
void weft_cancel_free(weft_cancel* cancel) { delete cancel; }
void weft_cancel_set(weft_cancel* cancel, int32_t cancelled) {
  if (cancel == nullptr) return;
  if (cancelled != 0)
    cancel->token->cancel();
  else
    cancel->token->reset();
}
int32_t weft_cancel_get(const weft_cancel* cancel) { return cancel != nullptr && cancel->token->cancelled() ? 1 : 0; }

namespace {
struct LogTarget {
  weft_log_fn log;
  void* user;
  weft_drop drop;
};
void log_through(void* user, LogLevel level, const char* message) {
  auto* target = static_cast<LogTarget*>(user);
  target->log(target->user, static_cast<int32_t>(level), message);
}
void drop_target(void* user) {
  auto* target = static_cast<LogTarget*>(user);
  if (target->drop != nullptr) target->drop(target->user);
  delete target;
}
}  // namespace

void weft_log_set(weft_log_fn log, int32_t lowest_level, void* user, weft_drop drop) {
  LogTarget* target = log == nullptr ? nullptr : new (std::nothrow) LogTarget{log, user, drop};
  if (target == nullptr) {
    set_log(LogLevel::kNone, nullptr, nullptr, nullptr);
    if (drop != nullptr) drop(user);
    return;
  }
  set_log(static_cast<LogLevel>(std::clamp(lowest_level, 0, 4)), log_through, target, drop_target);
}

int64_t weft_memory_bytes(void) { return buffer_bytes_in_use(); }
int64_t weft_memory_peak(void) { return buffer_bytes_peak(); }
int64_t weft_memory_limit(void) { return buffer_limit(); }
weft_status* weft_memory_set_limit(int64_t bytes) {
  return guard([&]() -> Status {
    if (bytes < 0) return invalid("the limit must not be negative but is ", bytes);
    set_buffer_limit(bytes);
    return {};
  });
}
