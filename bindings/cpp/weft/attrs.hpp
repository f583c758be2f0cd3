// Attributes of nodes and layers.
#pragma once

#include <variant>

#include "weft/value.hpp"

namespace weft {

class Graph;

namespace detail {
template <typename T>
struct Element {
  struct None {};
  using type = None;
};
template <typename T>
struct Element<std::vector<T>> {
  using type = T;
};
}  // namespace detail

/// An attribute that must be given: it cannot be made of nothing, so leaving it out does not compile.
template <typename T>
class Required {
 public:
  Required() = delete;
  /// The value.
  Required(T value) : value_(std::move(value)) {}
  /// The items of a list: {2, 2}.
  Required(std::initializer_list<typename detail::Element<T>::type> items) : value_(items) {}
  /// What was given.
  const T& get() const { return value_; }
  /// The same.
  operator const T&() const { return value_; }

 private:
  T value_;
};

/// An attribute that may be left out; a list can be given as {2, 2}.
template <typename T>
class Optional : public std::optional<T> {
 public:
  using std::optional<T>::optional;
  /// The items of a list: {2, 2}.
  Optional(std::initializer_list<typename detail::Element<T>::type> items) : std::optional<T>(std::in_place, items) {}
};

/// Attributes of a node or layer, by name.
class Attrs {
 public:
  /// What an attribute can be.
  using Setting = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                               std::vector<std::string>, Tensor, detail::GraphPointer>;
  /// None.
  Attrs() = default;
  /// Sets an integer, bool, number, text, list of them, or tensor; a name that was set before gets the new value.
  Attrs& set(const std::string& name, Setting value) {
    items_.emplace_back(name, std::move(value));
    return *this;
  }
  /// An element type, as ONNX's number.
  Attrs& set(const std::string& name, DType value) { return set(name, Setting(static_cast<int64_t>(value))); }
  /// A graph, such as a branch of If; it shares the graph.
  Attrs& set(const std::string& name, const Graph& value);
  /// A list: set("strides", {2, 2}).
  template <typename T>
  Attrs& set(const std::string& name, std::initializer_list<T> items) {
    using Item = std::conditional_t<std::is_integral_v<T>, int64_t,
                                    std::conditional_t<std::is_floating_point_v<T>, double, std::string>>;
    return set(name, Setting(std::vector<Item>(items.begin(), items.end())));
  }
  /// Leaves the attribute out if there is no value.
  template <typename T>
  Attrs& set(const std::string& name, const Optional<T>& value) {
    return value ? set(name, *value) : *this;
  }
  /// The value that had to be given.
  template <typename T>
  Attrs& set(const std::string& name, const Required<T>& value) {
    return set(name, value.get());
  }

  /// Whether there is one of that name.
  bool has(const std::string& name) const { return find(name) != nullptr; }
  /// The value of that name: an int64_t, double, std::string or Tensor, a vector of the first three; of an integer a bool
  /// or DType too. NOT_FOUND if there is none, INVALID_ARGUMENT if it is of another type.
  template <typename T>
  T get(const std::string& name) const {
    const Setting* found = find(name);
    if (found == nullptr) throw Error(WEFT_NOT_FOUND, "there is no attribute '" + name + "'");
    using Held = std::conditional_t<std::is_same_v<T, bool> || std::is_same_v<T, DType>, int64_t, T>;
    const Held* held = std::get_if<Held>(found);
    if (held == nullptr) throw Error(WEFT_INVALID_ARGUMENT, "attribute '" + name + "' is of another type");
    if constexpr (std::is_same_v<T, bool>)
      return *held != 0;
    else if constexpr (std::is_same_v<T, DType>)
      return static_cast<DType>(*held);
    else
      return *held;
  }

  /// For this header: the attributes as the C functions take them.
  detail::Handle<weft_attrs, weft_attrs_free> make() const {
    detail::Handle<weft_attrs, weft_attrs_free> out(detail::made<weft_attrs>(weft_attrs_new));
    for (const auto& item : items_) {
      std::visit([&](const auto& value) { detail::check(give(out.get(), detail::text(item.first), value)); },
                 item.second);
    }
    return out;
  }

 private:
  const Setting* find(const std::string& name) const {
    for (auto item = items_.rbegin(); item != items_.rend(); ++item) {  // the last one counts
      if (item->first == name) return &item->second;
    }
    return nullptr;
  }
  static weft_status* give(weft_attrs* to, const char* name, int64_t value) {
    return weft_attrs_set_int(to, name, value);
  }
  static weft_status* give(weft_attrs* to, const char* name, double value) {
    return weft_attrs_set_float(to, name, value);
  }
  static weft_status* give(weft_attrs* to, const char* name, const std::string& value) {
    return weft_attrs_set_string(to, name, detail::text(value));
  }
  static weft_status* give(weft_attrs* to, const char* name, const std::vector<int64_t>& values) {
    return weft_attrs_set_ints(to, name, values.data(), static_cast<int64_t>(values.size()));
  }
  static weft_status* give(weft_attrs* to, const char* name, const std::vector<double>& values) {
    return weft_attrs_set_floats(to, name, values.data(), static_cast<int64_t>(values.size()));
  }
  static weft_status* give(weft_attrs* to, const char* name, const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    for (const std::string& value : values) pointers.push_back(detail::text(value));
    return weft_attrs_set_strings(to, name, pointers.data(), static_cast<int64_t>(pointers.size()));
  }
  static weft_status* give(weft_attrs* to, const char* name, const Tensor& value) {
    return weft_attrs_set_tensor(to, name, value.handle());
  }
  static weft_status* give(weft_attrs* to, const char* name, const detail::GraphPointer& value) {
    return weft_attrs_set_graph(to, name, value->handle.get());
  }

  std::vector<std::pair<std::string, Setting>> items_;
};

}  // namespace weft
