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

namespace {

// Levenshtein distance of two short names, letters compared without case.
size_t distance(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

Result<const OpDef*> OpRegistry::get(std::string_view domain, std::string_view name) const {
  if (const OpDef* op = find(domain, name)) return op;
  const OpDef* nearest = nullptr;
  size_t best = 3;
  for (const OpDef* op : all()) {
    if (name.size() > 64 || op->is_internal()) break;
    size_t d = distance(op->name(), name);
    if (d < best) {
      best = d;
      nearest = op;
    }
  }
  std::string full = domain.empty() ? std::string(name) : cat(domain, ".", name);
  if (nearest == nullptr) return not_found("there is no operator '", full, "'");
  return not_found("there is no operator '", full, "'; did you mean '", nearest->full_name(), "'?");
}

std::vector<const OpDef*> OpRegistry::all() const {
  std::shared_lock lock(mutex_);
  std::vector<const OpDef*> out;
  for (const auto& [key, op] : ops_) out.push_back(op.get());
  return out;
}

std::pair<std::string_view, std::string_view> split_op_name(std::string_view full_name) {
  size_t dot = full_name.rfind('.');
  if (dot == std::string_view::npos) return {kOnnxDomain, full_name};
  return {full_name.substr(0, dot), full_name.substr(dot + 1)};
}

}  // namespace weft
