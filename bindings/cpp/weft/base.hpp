// Errors, handles and options.
#pragma once

#include <exception>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weft/weft.h"

namespace weft {

// The source line that adds something to a graph: errors name it. The default argument of every function that takes
// one is the line of its caller.
struct Origin {
  std::string text;
  Origin(const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : text(std::string(file) + ":" + std::to_string(line)) {}
};

// An error of the library.
class Error : public std::exception {
 public:
  explicit Error(weft_status* status)
      : code_(weft_status_code(status)),
        text_(weft_status_text(status)),
        message_(weft_status_message(status)),
        node_(weft_status_node(status)),
        op_(weft_status_op(status)),
        origin_(weft_status_origin(status)) {}
  Error(int32_t code, std::string message) : code_(code), text_(message), message_(std::move(message)) {}

  // One of WEFT_INVALID_ARGUMENT and so on.
  int32_t code() const { return code_; }
  const char* code_name() const { return weft_code_name(code_); }
  // Code, message, node, operator and source line.
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& message() const { return message_; }
  const std::string& node() const { return node_; }
  const std::string& op() const { return op_; }
  const std::string& origin() const { return origin_; }

 private:
  int32_t code_;
  std::string text_, message_, node_, op_, origin_;
};

namespace detail {

// Identifies exceptions that this header attached to a status; one address for the whole program.
inline const char exception_tag = 0;

inline void drop_exception(void* user) { delete static_cast<std::exception_ptr*>(user); }

// Throws what the status says; an exception that a callback threw is thrown again as it was.
inline void check(weft_status* status) {
  if (status == nullptr) return;
  if (auto* thrown = static_cast<std::exception_ptr*>(weft_status_payload(status, &exception_tag))) {
    std::exception_ptr exception = *thrown;
    weft_status_free(status);
    std::rethrow_exception(exception);
  }
  Error error(status);
  weft_status_free(status);
  throw error;
}

// The exception under way as a status that keeps it.
inline weft_status* current_exception_status() {
  std::string text = "an exception that is no std::exception";
  int32_t code = WEFT_UNKNOWN;
  try {
    throw;
  } catch (const Error& error) {
    text = error.message();
    code = error.code();
  } catch (const std::exception& error) {
    text = error.what();
  } catch (...) {
  }
  return weft_status_new(code, text.c_str(), &exception_tag, new std::exception_ptr(std::current_exception()),
                         drop_exception);
}

// Owns a handle. Moved-from ones are empty, and what is called on them throws.
template <typename T, void (*Free)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T* handle) : handle_(handle) {}
  T* get() const {
    if (handle_ == nullptr) throw Error(WEFT_FAILED_PRECONDITION, "this object is empty: it was moved from");
    return handle_.get();
  }
  T* get_or_null() const { return handle_.get(); }
  T* release() { return handle_.release(); }

 private:
  struct Deleter {
    void operator()(T* handle) const { Free(handle); }
  };
  std::unique_ptr<T, Deleter> handle_;
};

inline std::string take(weft_bytes* bytes) {
  std::string out(static_cast<const char*>(weft_bytes_data(bytes)), weft_bytes_size(bytes));
  weft_bytes_free(bytes);
  return out;
}

// A value of an attribute or option.
using Setting =
    std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

class OptionsHandle : public Handle<weft_options, weft_options_free> {
 public:
  explicit OptionsHandle(const char* kind) : Handle(make(kind)) {}
  void set(const char* key, int64_t value) { check(weft_options_set_int(get(), key, value)); }
  void set(const char* key, double value) { check(weft_options_set_float(get(), key, value)); }
  void set(const char* key, const std::string& value) { check(weft_options_set_string(get(), key, value.c_str())); }
  void add(const char* key, const std::string& value) { check(weft_options_add_string(get(), key, value.c_str())); }

 private:
  static weft_options* make(const char* kind) {
    weft_options* out = nullptr;
    check(weft_options_new(kind, &out));
    return out;
  }
};

}  // namespace detail

// The version of the library, such as "0.1.0".
inline std::string version() { return weft_version(); }
// How many objects of the library are alive in the process.
inline int64_t live_objects() { return weft_live_objects(); }

}  // namespace weft
