// Status and Result: how every function that can fail reports it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/text.h"

namespace weft {

// The sixteen canonical codes; the numbers are part of the ABI.
enum class Code : int32_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};
const char* code_name(Code code);  // "INVALID_ARGUMENT"

// What a binding attached to an error it raised itself; dropped with the last copy of the status.
struct Payload {
  const void* tag = nullptr;
  void* data = nullptr;
  void (*drop)(void* data) = nullptr;

  Payload(const void* tag, void* data, void (*drop)(void*)) : tag(tag), data(data), drop(drop) {}
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;
  ~Payload() {
    if (drop != nullptr) drop(data);
  }
};

// Success costs nothing; an error is a shared immutable record. Copies are cheap.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message);

  bool ok() const { return detail_ == nullptr; }
  Code code() const;
  const std::string& message() const;
  const std::string& node() const;    // name of the node that failed, or empty
  const std::string& op() const;      // operator of that node, or empty
  const std::string& origin() const;  // the user's source line that built the node, or empty
  const Payload* payload() const;
  std::string text() const;       // code, message, node, op and origin on one line
  std::string described() const;  // the same without the code

  // A copy that says where it happened; what is known already (from deeper inside) stays.
  Status at(std::string_view node, std::string_view op, std::string_view origin) const;
  // A copy with `prefix` before the message.
  Status within(std::string_view prefix) const;
  Status with_payload(std::shared_ptr<const Payload> payload) const;
  // A copy that says nothing of where it happened: the place is that of whoever is told.
  Status without_place() const;
  // The same for what happened inside of something: the message has the place, and `prefix` before it.
  Status inside(std::string_view prefix) const;

 private:
  struct Detail;
  std::shared_ptr<const Detail> detail_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

template <typename... Parts>
Status make_error(Code code, const Parts&... parts) {
  return Status(code, cat(parts...));
}
template <typename... Parts>
Status invalid(const Parts&... parts) {
  return Status(Code::kInvalidArgument, cat(parts...));
}
template <typename... Parts>
Status not_found(const Parts&... parts) {
  return Status(Code::kNotFound, cat(parts...));
}
template <typename... Parts>
Status failed_precondition(const Parts&... parts) {
  return Status(Code::kFailedPrecondition, cat(parts...));
}
template <typename... Parts>
Status out_of_range(const Parts&... parts) {
  return Status(Code::kOutOfRange, cat(parts...));
}
template <typename... Parts>
Status unimplemented(const Parts&... parts) {
  return Status(Code::kUnimplemented, cat(parts...));
}
template <typename... Parts>
Status internal_error(const Parts&... parts) {
  return Status(Code::kInternal, cat(parts...));
}
template <typename... Parts>
Status data_loss(const Parts&... parts) {
  return Status(Code::kDataLoss, cat(parts...));
}

#define WEFT_CONCAT_(a, b) a##b
#define WEFT_CONCAT(a, b) WEFT_CONCAT_(a, b)

// Returns the error of a Status expression from the enclosing function, if there is one.
#define WEFT_CHECK(expression)                  \
  do {                                          \
    ::weft::Status weft_status_ = (expression); \
    if (!weft_status_.ok()) [[unlikely]]        \
      return weft_status_;                      \
  } while (0)

// WEFT_TRY(int64_t axis, parse_axis(a, rank)): declares or assigns from a Result, or returns its error.
#define WEFT_TRY(target, expression) WEFT_TRY_(WEFT_CONCAT(weft_result_, __LINE__), target, expression)
#define WEFT_TRY_(result, target, expression) \
  auto result = (expression);                 \
  if (!result.ok()) [[unlikely]]              \
    return result.status();                   \
  target = std::move(*result)

}  // namespace weft
