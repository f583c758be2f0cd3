// Status and Result: how every function that can fail reports it.
#include "core/base/status.h"

namespace weft {

struct Status::Detail {
  Code code;
  std::string message;
  std::string node;
  std::string op;
  std::string origin;
  std::shared_ptr<const Payload> payload;
};

namespace {
const std::string kEmpty;
}  // namespace

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kCancelled: return "CANCELLED";
    case Code::kUnknown: return "UNKNOWN";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kAlreadyExists: return "ALREADY_EXISTS";
    case Code::kPermissionDenied: return "PERMISSION_DENIED";
    case Code::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case Code::kFailedPrecondition: return "FAILED_PRECONDITION";
    case Code::kAborted: return "ABORTED";
    case Code::kOutOfRange: return "OUT_OF_RANGE";
    case Code::kUnimplemented: return "UNIMPLEMENTED";
    case Code::kInternal: return "INTERNAL";
    case Code::kUnavailable: return "UNAVAILABLE";
    case Code::kDataLoss: return "DATA_LOSS";
  }
  return "UNKNOWN";
}

Status::Status(Code code, std::string message) {
  if (code == Code::kOk) return;
  // Strings of files and of callers may be any bytes; what is said of them is read by people.
  if (!is_utf8(message)) message = readable(message);
  detail_ = std::make_shared<const Detail>(Detail{code, std::move(message), {}, {}, {}, nullptr});
}

Code Status::code() const { return detail_ ? detail_->code : Code::kOk; }
const std::string& Status::message() const { return detail_ ? detail_->message : kEmpty; }
const std::string& Status::node() const { return detail_ ? detail_->node : kEmpty; }
const std::string& Status::op() const { return detail_ ? detail_->op : kEmpty; }
const std::string& Status::origin() const { return detail_ ? detail_->origin : kEmpty; }
const Payload* Status::payload() const { return detail_ ? detail_->payload.get() : nullptr; }

std::string Status::text() const { return ok() ? "OK" : cat(code_name(code()), ": ", described()); }

std::string Status::described() const {
  std::string out = message();
  // A node that was given no name has that of its operator.
  if (node().empty() ? !op().empty() : node() == op()) {
    out += cat(" [", op(), "]");
  } else if (!node().empty()) {
    out += cat(" [", op(), op().empty() ? "'" : " '", node(), "']");
  }
  if (!origin().empty()) out += cat(" (built at ", origin(), ")");
  return out;
}

Status Status::at(std::string_view node, std::string_view op, std::string_view origin) const {
  if (ok() || !detail_->origin.empty() || !detail_->op.empty()) return *this;
  Detail detail = *detail_;
  detail.node = node;
  detail.op = op;
  detail.origin = origin;
  Status out;
  out.detail_ = std::make_shared<const Detail>(std::move(detail));
  return out;
}

Status Status::within(std::string_view prefix) const {
  if (ok()) return *this;
  Detail detail = *detail_;
  detail.message = cat(prefix, detail.message);
  Status out;
  out.detail_ = std::make_shared<const Detail>(std::move(detail));
  return out;
}

Status Status::without_place() const {
  if (ok()) return *this;
  Detail detail = *detail_;
  detail.node.clear();
  detail.op.clear();
  detail.origin.clear();
  Status out;
  out.detail_ = std::make_shared<const Detail>(std::move(detail));
  return out;
}

Status Status::inside(std::string_view prefix) const {
  if (ok()) return *this;
  Detail detail{code(), cat(prefix, described()), {}, {}, {}, detail_->payload};
  Status out;
  out.detail_ = std::make_shared<const Detail>(std::move(detail));
  return out;
}

Status Status::with_payload(std::shared_ptr<const Payload> payload) const {
  if (ok()) return *this;
  Detail detail = *detail_;
  detail.payload = std::move(payload);
  Status out;
  out.detail_ = std::make_shared<const Detail>(std::move(detail));
  return out;
}

}  // namespace weft
