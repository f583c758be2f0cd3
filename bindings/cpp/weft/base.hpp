// Errors, handles and options.
#pragma once

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "weft/weft.h"

/// Everything of the C++ header. Unless a function says otherwise: it throws weft::Error; an object may be used by
/// several threads at once as long as all of them only call `const` functions; objects may be destroyed in any order,
/// because each keeps alive what it needs; and an object that was moved from may only be destroyed or assigned to (what
/// else is called on it throws FAILED_PRECONDITION).
namespace weft {

/// The source line that adds something to a graph: errors name it. The default argument of every function that takes
/// one is the line of its caller.
struct Origin {
  std::string text;  ///< "file:line"
  /// The line that calls.
  explicit Origin(const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : text(std::string(file) + ":" + std::to_string(line)) {}
};

/// An error of the library.
class Error : public std::exception {
 public:
  /// What the status says; it stays the caller's.
  explicit Error(const weft_status* status)
      : code_(weft_status_code(status)),
        text_(weft_status_text(status)),
        message_(weft_status_message(status)),
        node_(weft_status_node(status)),
        op_(weft_status_op(status)),
        origin_(weft_status_origin(status)),
        system_(weft_status_errno(status)) {}
  /// An error of this header or of a callback. `op` and `origin` may be empty.
  Error(int32_t code, std::string message, std::string op = "", std::string origin = "")
      : code_(code), message_(std::move(message)), op_(std::move(op)), origin_(std::move(origin)) {
    text_ = std::string(code_name()) + ": " + message_;
    if (!op_.empty()) text_ += " [" + op_ + "]";
    if (!origin_.empty()) text_ += " (built at " + origin_ + ")";
  }

  /// WEFT_INVALID_ARGUMENT or another of the codes in weft/base.h.
  int32_t code() const { return code_; }
  /// The code's name, such as "INVALID_ARGUMENT".
  const char* code_name() const { return weft_code_name(code_); }
  /// Code, message, operator, node and source line, as far as they are known.
  const char* what() const noexcept override { return text_.c_str(); }
  /// What was found and what was wanted.
  const std::string& message() const { return message_; }
  /// The name of the node that failed; "" if no node is known.
  const std::string& node() const { return node_; }
  /// The operator of that node; "" if none is known.
  const std::string& op() const { return op_; }
  /// The source line that built the node, "file:line"; "" if none is known.
  const std::string& origin() const { return origin_; }
  /// Why the operating system could not read or write a file, comparable with std::errc; empty for other errors.
  std::error_code system_error() const { return {system_, std::generic_category()}; }

 private:
  int32_t code_;
  std::string text_, message_, node_, op_, origin_;
  int32_t system_ = 0;
};

namespace detail {

// Identifies exceptions that this header attached to a status; one address for the whole program.
inline const char exception_tag = 0;

// For the pointers that the library gives back: deletes what `user` points to.
template <typename T>
void drop(void* user) {
  delete static_cast<T*>(user);
}

// Throws what the status says; an exception that a callback threw is thrown again as it was.
inline void check(weft_status* status) {
  if (status == nullptr) return;
  std::unique_ptr<weft_status, void (*)(weft_status*)> owned(status, weft_status_free);
  if (auto* thrown = static_cast<std::exception_ptr*>(weft_status_payload(status, &exception_tag))) {
    std::rethrow_exception(*thrown);
  }
  throw Error(status);
}

// The string for the C functions, for which it would end at the first NUL.
inline const char* text(const std::string& string) {
  if (string.find('\0') == std::string::npos) return string.c_str();
  throw Error(WEFT_INVALID_ARGUMENT, "a string with a NUL character in it cannot be used here");
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
                         drop<std::exception_ptr>);
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

 private:
  struct Deleter {
    void operator()(T* handle) const { Free(handle); }
  };
  std::unique_ptr<T, Deleter> handle_;
};

// A handle that copies share.
template <typename T, void (*Free)(T*)>
class SharedHandle {
 public:
  SharedHandle() = default;
  explicit SharedHandle(T* handle) : handle_(handle, Free) {}
  T* get() const {
    if (handle_ == nullptr)
      throw Error(WEFT_FAILED_PRECONDITION, "this object is empty: nothing made it, or it was moved from");
    return handle_.get();
  }
  bool empty() const { return handle_ == nullptr; }

 private:
  std::shared_ptr<T> handle_;
};

// What `make` puts behind the pointer it is given.
template <typename T, typename Make>
T* made(Make make) {
  T* out = nullptr;
  check(make(&out));
  return out;
}

inline std::string take(weft_bytes* bytes) {
  Handle<weft_bytes, weft_bytes_free> owned(bytes);
  return std::string(static_cast<const char*>(weft_bytes_data(bytes)), weft_bytes_size(bytes));
}

// A count as the C functions take it.
template <typename Container>
int32_t count32(const Container& items) {
  return static_cast<int32_t>(items.size());
}

class OptionsHandle : public Handle<weft_options, weft_options_free> {
 public:
  explicit OptionsHandle(const char* kind)
      : Handle(made<weft_options>([&](weft_options** out) { return weft_options_new(kind, out); })) {}
  void set(const char* key, int64_t value) { check(weft_options_set_int(get(), key, value)); }
  void set(const char* key, bool value) { set(key, int64_t{value}); }
  void set(const char* key, double value) { check(weft_options_set_float(get(), key, value)); }
  void set(const char* key, const std::string& value) { check(weft_options_set_string(get(), key, text(value))); }
  void add(const char* key, const std::string& value) { check(weft_options_add_string(get(), key, text(value))); }
};

}  // namespace detail

}  // namespace weft
