// Attributes of a node: named values in the kinds that ONNX has.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor/tensor.h"

namespace weft {

class Graph;

// The numbers are those of ONNX's AttributeProto.
enum class AttrKind : int32_t {
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
};
const char* attr_kind_name(AttrKind kind);

using GraphRef = std::shared_ptr<const Graph>;

class AttrValue {
 public:
  AttrValue(double value) : value_(value) {}
  AttrValue(int64_t value) : value_(value) {}
  AttrValue(int value) : value_(int64_t{value}) {}
  AttrValue(bool value) : value_(int64_t{value}) {}
  AttrValue(const char* value) : value_(std::string(value)) {}
  AttrValue(std::string value) : value_(std::move(value)) {}
  AttrValue(Tensor value) : value_(std::move(value)) {}
  AttrValue(GraphRef value) : value_(std::move(value)) {}
  AttrValue(std::vector<double> values) : value_(std::move(values)) {}
  AttrValue(std::vector<int64_t> values) : value_(std::move(values)) {}
  AttrValue(std::vector<std::string> values) : value_(std::move(values)) {}

  AttrKind kind() const;
  double f() const { return std::get<double>(value_); }
  int64_t i() const { return std::get<int64_t>(value_); }
  const std::string& s() const { return std::get<std::string>(value_); }
  const Tensor& tensor() const { return std::get<Tensor>(value_); }
  const GraphRef& graph() const { return std::get<GraphRef>(value_); }
  const std::vector<double>& floats() const { return std::get<std::vector<double>>(value_); }
  const std::vector<int64_t>& ints() const { return std::get<std::vector<int64_t>>(value_); }
  const std::vector<std::string>& strings() const { return std::get<std::vector<std::string>>(value_); }

  std::string text() const;
  // Sub-graphs are the same only if they are one object.
  bool operator==(const AttrValue& other) const;

 private:
  std::variant<double, int64_t, std::string, Tensor, GraphRef, std::vector<double>, std::vector<int64_t>,
               std::vector<std::string>>
      value_;
};

// Sorted by name. The getters may be used only for attributes known to be there (given, or with a default) in
// that kind: `Graph::add` checks a node against its schema, so kernels and rules need no checks of their own.
class Attrs {
 public:
  using Item = std::pair<std::string, AttrValue>;

  Attrs() = default;
  Attrs(std::initializer_list<Item> items) {
    for (const Item& item : items) set(item.first, item.second);
  }

  void set(std::string_view name, AttrValue value);
  void erase(std::string_view name);
  const AttrValue* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }

  double f(std::string_view name) const { return find(name)->f(); }
  int64_t i(std::string_view name) const { return find(name)->i(); }
  bool b(std::string_view name) const { return find(name)->i() != 0; }
  const std::string& s(std::string_view name) const { return find(name)->s(); }
  const Tensor& tensor(std::string_view name) const { return find(name)->tensor(); }
  const GraphRef& graph(std::string_view name) const { return find(name)->graph(); }
  const std::vector<double>& floats(std::string_view name) const { return find(name)->floats(); }
  const std::vector<int64_t>& ints(std::string_view name) const { return find(name)->ints(); }
  const std::vector<std::string>& strings(std::string_view name) const { return find(name)->strings(); }
  // An optional list attribute: empty when not given.
  std::vector<int64_t> ints_or_empty(std::string_view name) const {
    const AttrValue* value = find(name);
    return value != nullptr ? value->ints() : std::vector<int64_t>();
  }
  int64_t i_or(std::string_view name, int64_t otherwise) const {
    const AttrValue* value = find(name);
    return value != nullptr ? value->i() : otherwise;
  }

  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  size_t size() const { return items_.size(); }
  bool operator==(const Attrs& other) const { return items_ == other.items_; }

 private:
  std::vector<Item> items_;
};

}  // namespace weft
