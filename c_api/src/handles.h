// What the handles of the C ABI hold, and the guard that turns results and exceptions into weft_status.
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "core/base/float_env.h"
#include "core/base/live.h"
#include "core/graph/graph.h"
#include "core/learn/dataset.h"
#include "core/op/schema.h"
#include "core/runtime/session.h"
#include "core/tensor/tensor.h"
#include "weft/base.h"
#include "weft/graph.h"
#include "weft/learn.h"
#include "weft/op.h"
#include "weft/session.h"
#include "weft/tensor.h"

struct weft_status {
  weft::Status status;
  std::string text;
  weft::Live live;
};
struct weft_bytes {
  std::string data;
  weft::Live live;
};
struct weft_cancel {
  std::shared_ptr<weft::CancelToken> token;
  weft::Live live;
};
struct weft_tensor {
  weft::Tensor tensor;
  weft::Live live;
};
struct weft_buffer {
  std::shared_ptr<weft::Buffer> buffer;
  weft::Tensor tensor;  // strings and items keep themselves
  weft::Live live;
};
struct weft_tensors {
  std::vector<std::pair<std::string, weft::Tensor>> items;
  weft::Live live;
};
struct weft_attrs {
  weft::Attrs attrs;
  weft::Live live;
};
struct weft_graph {
  // While the handle lives, errors of other graphs know the names of this one's values.
  explicit weft_graph(std::shared_ptr<weft::Graph> made);
  weft_graph(const weft_graph&) = delete;
  ~weft_graph();

  const std::shared_ptr<weft::Graph> graph;
  weft::Live live;
};
struct weft_schema {
  weft::Schema schema;
  weft::Live live;
};
struct weft_session {
  std::shared_ptr<weft::Session> session;
};
struct weft_prepared {
  std::shared_ptr<weft::Prepared> prepared;
};
struct weft_trace {
  std::shared_ptr<weft::Trace> trace;
  weft::Live live;
};

struct weft_dataset {
  std::shared_ptr<const weft::Dataset> dataset;
};
struct weft_batches {
  std::shared_ptr<weft::Batches> batches;
};

namespace weft::c_api {

// A callback with its user pointer; dropped with its last holder.
template <typename Function>
struct Callback {
  Function function;
  void* user;
  weft_drop drop;
  Callback(Function function, void* user, weft_drop drop) : function(function), user(user), drop(drop) {}
  Callback(const Callback&) = delete;
  ~Callback() {
    if (drop != nullptr) drop(user);
  }
};

}  // namespace weft::c_api

struct weft_options {
  std::string kind;
  std::map<std::string, int64_t> ints;
  std::map<std::string, double> floats;
  std::map<std::string, std::string> strings;
  std::map<std::string, std::vector<std::string>> lists;
  std::shared_ptr<weft::CancelToken> cancel;
  std::shared_ptr<weft::c_api::Callback<weft_poll_fn>> poll;
  std::shared_ptr<weft::Trace> trace;
  std::shared_ptr<const weft::Dataset> validation;
  std::vector<int64_t> validation_metrics;
  std::shared_ptr<weft::c_api::Callback<weft_fit_fn>> callback;
  weft::Live live;

  int64_t int_or(const char* key, int64_t otherwise) const {
    auto at = ints.find(key);
    return at == ints.end() ? otherwise : at->second;
  }
  std::optional<int64_t> int_if(const char* key) const {
    auto at = ints.find(key);
    return at == ints.end() ? std::nullopt : std::optional<int64_t>(at->second);
  }
  double float_or(const char* key, double otherwise) const {
    auto at = floats.find(key);
    return at == floats.end() ? otherwise : at->second;
  }
  std::string string_or(const char* key, const char* otherwise) const {
    auto at = strings.find(key);
    return at == strings.end() ? std::string(otherwise) : at->second;
  }
};

namespace weft::c_api {

// What is returned when there is no memory even for an error.
weft_status* out_of_memory();

// NULL for success; consumes nothing.
weft_status* to_handle(Status status) noexcept;
// A status that a callback returned, taken over.
Status from_handle(weft_status* status);

// What callbacks of a call free while it is under way lives on until the outermost call of the thread returns: a host
// function may free the session that runs it, a poll its own options.
class CallScope {
 public:
  CallScope() : outermost_(current == nullptr) {
    if (outermost_) current = this;
  }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  ~CallScope() {
    if (outermost_) current = nullptr;
  }

  // Lets go of it: at once, if no call of this thread is under way.
  static void free(std::shared_ptr<const void> object) noexcept;

 private:
  static thread_local CallScope* current;
  const bool outermost_;
  std::vector<std::shared_ptr<const void>> kept_;
};

// Runs body() -> Status and lets no exception out. Numbers are rounded as everywhere, whatever mode the caller has set: those
// of attributes that become constants and the averages of fit too.
template <typename Body>
weft_status* guard(Body&& body) noexcept {
  CallScope scope;
  FloatEnvironment float_environment;
  try {
    return to_handle(body());
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (...) {
    return to_handle(internal_error("an unexpected exception"));
  }
}

inline Status null_argument(const char* name) { return invalid("argument '", name, "' is NULL"); }
#define WEFT_NOT_NULL(argument)                                                \
  do {                                                                         \
    if ((argument) == nullptr) return ::weft::c_api::null_argument(#argument); \
  } while (0)

// Takes a callback over: `drop` is called now if that fails.
template <typename Function>
weft_status* hold(Function function, void* user, weft_drop drop, std::shared_ptr<Callback<Function>>* out) noexcept {
  weft_status* made = guard([&]() -> Status {
    *out = std::make_shared<Callback<Function>>(function, user, drop);
    return {};
  });
  if (made != nullptr && drop != nullptr) drop(user);
  return made;
}

// Options of another kind than asked for are an error; NULL is fine.
Status check_options(const weft_options* options, const char* kind);

// The run options that "run" and "fit" share.
Status run_options(const weft_options* options, const char* kind, RunOptions* out);

// Values across the boundary: graph number in the high half, index + 1 in the low one.
int64_t to_value(const Graph& graph, ValueId id);
// Values of an enclosing graph are captured if `may_capture`.
Result<ValueId> from_value(Graph& graph, int64_t value, const char* what, bool may_capture = false);
Result<ValueId> from_value(const Graph& graph, int64_t value, const char* what);
Result<std::vector<ValueId>> from_values(const Graph& graph, const int64_t* values, int32_t count, const char* what);

// Makes out_tensors the handles of `tensors`, all or none.
void to_handles(std::vector<Tensor> tensors, weft_tensor** out_tensors);

Result<Shape> to_dims(const int64_t* dims, int32_t rank);
weft_bytes* make_bytes(std::string text);

}  // namespace weft::c_api
