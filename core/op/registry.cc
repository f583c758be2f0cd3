// All operators, by domain and name.
#include "core/op/registry.h"

#include <algorithm>
#include <mutex>

namespace weft {

OpDef& OpRegistry::add(std::string_view domain, std::string_view name) {
  auto op = std::make_unique<OpDef>(domain, name);
  OpDef& out = *op;
  ops_[Key(domain, name)] = std::move(op);
  return out;
}

Status OpRegistry::publish(std::unique_ptr<OpDef> op) {
  std::unique_lock lock(mutex_);
  Key key(op->domain(), op->name());
  if (ops_.count(key) != 0) {
    return make_error(Code::kAlreadyExists, "operator ", op->full_name(), " exists already");
  }
  ops_[std::move(key)] = std::move(op);
  return {};
}

const OpDef* OpRegistry::find(std::string_view domain, std::string_view name) const {
  if (domain == "ai.onnx") domain = kOnnxDomain;
  std::shared_lock lock(mutex_);
  auto at = ops_.find(std::pair<std::string_view, std::string_view>(domain, name));
  return at == ops_.end() ? nullptr : at->second.get();
}

Result<const OpDef*> OpRegistry::get(std::string_view domain, std::string_view name) const {
  if (const OpDef* op = find(domain, name)) return op;
  std::string full = domain.empty() ? std::string(name) : cat(domain, ".", name);
  Suggestion suggestion(full);
  for (const OpDef* op : all()) {
    if (!op->is_internal()) suggestion.offer(op->full_name());
  }
  return not_found("there is no operator '", full, "'", suggestion.text());
}

std::vector<const OpDef*> OpRegistry::all() const {
  std::shared_lock lock(mutex_);
  std::vector<const OpDef*> out;
  for (const auto& [key, op] : ops_) out.push_back(op.get());
  return out;
}

int32_t OpRegistry::public_count() const {
  std::shared_lock lock(mutex_);
  return static_cast<int32_t>(
      std::count_if(ops_.begin(), ops_.end(), [](const auto& entry) { return entry.second->is_listed(); }));
}

const OpDef* OpRegistry::public_at(int32_t i) const {
  std::shared_lock lock(mutex_);
  for (const auto& [key, op] : ops_) {
    if (op->is_listed() && i-- == 0) return op.get();
  }
  return nullptr;
}

std::pair<std::string_view, std::string_view> split_op_name(std::string_view full_name) {
  size_t dot = full_name.rfind('.');
  if (dot == std::string_view::npos) return {kOnnxDomain, full_name};
  return {full_name.substr(0, dot), full_name.substr(dot + 1)};
}

}  // namespace weft
