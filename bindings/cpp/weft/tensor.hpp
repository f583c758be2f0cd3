// Tensors, and files of them.
#pragma once

#include <algorithm>
#include <map>
#include <type_traits>

#include "weft/dtype.hpp"

namespace weft {

/// The size of each dimension; {} is a scalar's.
using Shape = std::vector<int64_t>;

/// What a Tensor holds.
enum class Kind : int32_t {
  tensor = WEFT_TENSOR,
  sequence = WEFT_SEQUENCE,
  optional = WEFT_OPTIONAL,
  map = WEFT_MAP,
};

/// A value: n-dimensional elements of one type, row by row, or a sequence, optional or map of tensors. Copies
/// share the elements, which may lie on a device (device()): then what reads or writes them here throws
/// FAILED_PRECONDITION, and to("cpu") copies them. An empty one (`Tensor()`) has no value; what is called on it throws FAILED_PRECONDITION.
class Tensor {
 public:
  /// An empty one.
  Tensor() = default;
  /// Takes a handle of the C functions over.
  explicit Tensor(weft_tensor* handle) : handle_(handle) {}

  /// Zeros; empty strings for DType::string.
  static Tensor zeros(DType dtype, const Shape& shape) {
    return make([&](weft_tensor** out) {
      return weft_tensor_new(static_cast<int32_t>(dtype), shape.data(), detail::count32(shape), out);
    });
  }
  /// A copy of the elements, of which there must be as many as the shape has. T may be bool.
  template <typename T>
  static Tensor from(const Shape& shape, const std::vector<T>& values) {
    if constexpr (std::is_same_v<T, bool>) {  // a vector of them has bits
      auto plain = std::make_unique<bool[]>(values.size());
      std::copy(values.begin(), values.end(), plain.get());
      return from(shape, plain.get(), values.size());
    } else {
      return from(shape, values.data(), values.size());
    }
  }
  /// A copy of `count` elements at `values`.
  template <typename T>
  static Tensor from(const Shape& shape, const T* values, size_t count) {
    return from_bytes(dtype_of<T>(), shape, values, count * sizeof(T));
  }
  /// A copy of elements of any type but string, as they lie in memory: for f16, bf16 and others that C++ has no type
  /// of.
  static Tensor from_bytes(DType dtype, const Shape& shape, const void* data, size_t bytes) {
    return make([&](weft_tensor** out) {
      return weft_tensor_new_copy(static_cast<int32_t>(dtype), shape.data(), detail::count32(shape), data, bytes, out);
    });
  }
  /// One number, without dimensions.
  template <typename T>
  static Tensor scalar(T value) {
    return from<T>({}, &value, 1);
  }
  /// Strings of any bytes.
  static Tensor strings(const Shape& shape, const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    std::vector<int64_t> sizes;
    for (const std::string& value : values) {
      pointers.push_back(value.data());
      sizes.push_back(static_cast<int64_t>(value.size()));
    }
    return make([&](weft_tensor** out) {
      return weft_tensor_new_strings(shape.data(), detail::count32(shape), pointers.data(), sizes.data(),
                                     static_cast<int64_t>(values.size()), out);
    });
  }
  /// A sequence; it shares the elements of its items.
  static Tensor sequence(const std::vector<Tensor>& items) {
    std::vector<const weft_tensor*> handles;
    for (const Tensor& item : items) handles.push_back(item.handle());
    return make([&](weft_tensor** out) {
      return weft_tensor_new_sequence(handles.data(), static_cast<int64_t>(handles.size()), out);
    });
  }
  /// An optional of a tensor or sequence, whose elements it shares; an empty one without. Its count() is 1 or 0.
  static Tensor optional(const Tensor& element = Tensor()) {
    return make(
        [&](weft_tensor** out) { return weft_tensor_new_optional(element.empty() ? nullptr : element.handle(), out); });
  }
  /// A map: keys [n], i64 or strings and none of them twice, and as many values; it shares the elements.
  static Tensor map(const Tensor& keys, const Tensor& values) {
    return make([&](weft_tensor** out) { return weft_tensor_new_map(keys.handle(), values.handle(), out); });
  }
  /// The same of a copy of a map. K is std::string or int64_t; V std::string or a number.
  template <typename K, typename V>
  static Tensor map(const std::map<K, V>& entries) {
    std::vector<K> keys;
    std::vector<V> values;
    for (const auto& [key, value] : entries) {
      keys.push_back(key);
      values.push_back(value);
    }
    return map(vector_of(keys), vector_of(values));
  }
  /// Over `count` elements of the caller's memory, without a copy. The memory must stay until `keep` is let go, which
  /// happens, on any thread, when the last tensor or run over it is done. Over `const` elements it can only be read.
  template <typename T>
  static Tensor borrow(const Shape& shape, T* data, size_t count, std::shared_ptr<void> keep) {
    using Element = std::remove_const_t<T>;
    auto* held = new std::shared_ptr<void>(std::move(keep));
    return make([&](weft_tensor** out) {
      return weft_tensor_borrow(static_cast<int32_t>(dtype_of<Element>()), shape.data(), detail::count32(shape),
                                const_cast<Element*>(data), count * sizeof(T), std::is_const_v<T> ? 0 : 1, out, held,
                                detail::drop<std::shared_ptr<void>>);
    });
  }

  /// Over the elements of another library of the process, without a copy. `managed` is a DLManagedTensorVersioned of
  /// DLPack's version 1, or a DLManagedTensor of before, and is taken over: its deleter is called once, when the last
  /// holder of the elements has let go. After an error it is still the caller's. Where it says so, the tensor is
  /// read-only. Elements may lie on a device that has been loaded; what writes them must be done, or be ordered before
  /// what is put on its default stream, for which this waits.
  static Tensor from_dlpack(void* managed, bool versioned = true) {
    return make([&](weft_tensor** out) { return weft_tensor_borrow_dlpack(managed, versioned, out); });
  }
  /// The elements for another library: it keeps them until whoever takes it over calls its deleter, once. On a device
  /// they have been written, so every stream may read them; the deleter waits for the device's default stream.
  void* to_dlpack(bool versioned = true) const {
    return detail::made<void>([&](void** out) { return weft_tensor_dlpack(handle(), versioned, out); });
  }

  /// Whether it has no value.
  bool empty() const { return handle_.empty(); }
  /// Whether it is a tensor, a sequence, or an optional or map of them.
  Kind kind() const { return static_cast<Kind>(weft_tensor_kind(handle())); }
  /// The type of the elements.
  DType dtype() const { return static_cast<DType>(weft_tensor_dtype(handle())); }
  /// The sizes of the dimensions.
  Shape shape() const {
    const int64_t* dims = weft_tensor_dims(handle());
    return Shape(dims, dims + weft_tensor_rank(handle()));
  }
  /// The number of elements, or of items of a sequence.
  int64_t count() const { return weft_tensor_count(handle()); }
  /// The bytes that the elements take; 0 for strings and sequences.
  size_t bytes() const { return weft_tensor_bytes(handle()); }
  /// Where the elements lie: "cpu", which is the process's memory, or the name of a device.
  std::string device() const { return weft_tensor_device(handle()); }
  /// The same elements on a device, one of devices(): shared if they lie there already, else copied. NOT_FOUND if there
  /// is no such device, UNIMPLEMENTED for what is no tensor of numbers or truth values.
  Tensor to(const std::string& device) const {
    return make([&](weft_tensor** out) { return weft_tensor_to(handle(), detail::text(device), out); });
  }
  /// Type and shape for messages: "f32[2, 3]", or "f32[2, 3] on cuda:0".
  std::string text() const {
    return detail::take(detail::made<weft_bytes>([&](weft_bytes** out) { return weft_tensor_text(handle(), out); }));
  }

  /// The elements, which stay while a tensor over them does; INVALID_ARGUMENT unless T is what dtype() says,
  /// FAILED_PRECONDITION on a device.
  template <typename T>
  const T* data() const {
    need<T>();
    return static_cast<const T*>(raw_data());
  }
  /// The elements of any type but string, as they lie in memory; null for strings and sequences, FAILED_PRECONDITION on
  /// a device.
  const void* raw_data() const {
    const void* data = weft_tensor_data(handle());
    if (data == nullptr && bytes() > 0) (void)buffer();  // throws what says how to copy them
    return data;
  }
  /// The elements for writing; other holders see the change. FAILED_PRECONDITION if they were borrowed from `const`
  /// memory or lie on a device, INVALID_ARGUMENT unless T is what dtype() says. No run may read them meanwhile.
  template <typename T>
  T* mutable_data() {
    need<T>();
    void* out = nullptr;
    detail::check(weft_tensor_mutable(handle(), &out));
    return static_cast<T*>(out);
  }
  /// The memory of the elements, which stays while the pointer does, though all tensors over it are gone.
  /// FAILED_PRECONDITION on a device.
  std::shared_ptr<const void> buffer() const {
    auto* buffer = detail::made<weft_buffer>([&](weft_buffer** out) { return weft_tensor_buffer(handle(), out); });
    std::shared_ptr<weft_buffer> held(buffer, weft_buffer_free);
    return std::shared_ptr<const void>(held, weft_tensor_data(handle()));
  }
  /// A copy of the elements; INVALID_ARGUMENT unless T is what dtype() says.
  template <typename T>
  std::vector<T> to_vector() const {
    const T* start = data<T>();
    return std::vector<T>(start, start + count());
  }
  /// A copy of the strings; INVALID_ARGUMENT for other types.
  std::vector<std::string> to_strings() const {
    std::vector<std::string> out;
    if (dtype() != DType::string || kind() != Kind::tensor) throw wrong("has no strings");
    for (int64_t i = 0; i < count(); ++i) {
      int64_t size = 0;
      const char* data = weft_tensor_string(handle(), i, &size);
      out.emplace_back(data, static_cast<size_t>(size));
    }
    return out;
  }
  /// The only element; INVALID_ARGUMENT if there is not just one, or T is not what dtype() says.
  template <typename T>
  T item() const {
    if (count() != 1) throw wrong("has not just one element");
    return data<T>()[0];
  }
  /// Item i of a sequence or optional; of a map, 0 is the keys and 1 the values.
  Tensor at(int64_t i) const {
    return make([&](weft_tensor** out) { return weft_tensor_at(handle(), i, out); });
  }
  /// A copy of a map; INVALID_ARGUMENT unless K, std::string or int64_t, and V are what its keys and values are.
  template <typename K, typename V>
  std::map<K, V> to_map() const {
    if (kind() != Kind::map) throw wrong("is no map");
    const std::vector<K> keys = at(0).copied_vector<K>();
    const std::vector<V> values = at(1).copied_vector<V>();
    std::map<K, V> out;
    for (size_t i = 0; i < keys.size(); ++i) out.emplace(keys[i], values[i]);
    return out;
  }
  /// Copies of all maps of a sequence, such as what ZipMap gives.
  template <typename K, typename V>
  std::vector<std::map<K, V>> to_maps() const {
    if (kind() != Kind::sequence) throw wrong("is no sequence");
    std::vector<std::map<K, V>> out;
    for (int64_t i = 0; i < count(); ++i) out.push_back(at(i).to_map<K, V>());
    return out;
  }
  /// The same elements under another shape with as many of them, shared.
  Tensor reshape(const Shape& shape) const {
    return make(
        [&](weft_tensor** out) { return weft_tensor_reshape(handle(), shape.data(), detail::count32(shape), out); });
  }
  /// A tensor with elements of its own, on the same device.
  Tensor copy() const {
    return make([&](weft_tensor** out) { return weft_tensor_copy(handle(), out); });
  }

  /// The handle for the C functions; it stays this object's.
  weft_tensor* handle() const { return handle_.get(); }

 private:
  template <typename Make>
  static Tensor make(Make make) {
    return Tensor(detail::made<weft_tensor>(make));
  }
  template <typename T>
  static Tensor vector_of(const std::vector<T>& values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    if constexpr (std::is_same_v<T, std::string>)
      return strings(shape, values);
    else
      return from(shape, values);
  }
  template <typename T>
  std::vector<T> copied_vector() const {
    if constexpr (std::is_same_v<T, std::string>)
      return to_strings();
    else
      return to_vector<T>();
  }
  Error wrong(const std::string& why) const { return Error(WEFT_INVALID_ARGUMENT, text() + " " + why); }
  template <typename T>
  void need() const {
    if (dtype() != dtype_of<T>() || kind() != Kind::tensor) {
      throw wrong("has no elements of " + dtype_name(dtype_of<T>()) + ", which were asked for");
    }
  }
  detail::SharedHandle<weft_tensor, weft_tensor_free> handle_;
};

/// Tensors by name.
using Tensors = std::map<std::string, Tensor>;

namespace detail {
using TensorsHandle = Handle<weft_tensors, weft_tensors_free>;
inline TensorsHandle read_tensors(const std::string& path, bool map) {
  OptionsHandle options("load");
  options.set("map", map);
  return TensorsHandle(made<weft_tensors>(
      [&](weft_tensors** out) { return weft_tensors_load(detail::text(path), options.get(), out); }));
}
}  // namespace detail

/// Reads a .safetensors, .npy or .csv file; the latter two have one tensor, "data". With `map` a safetensors file is
/// mapped into memory instead of read; it must then not be made shorter while a tensor of it lives.
inline Tensors load_tensors(const std::string& path, bool map = false) {
  detail::TensorsHandle loaded = detail::read_tensors(path, map);
  Tensors out;
  for (int64_t i = 0; i < weft_tensors_count(loaded.get()); ++i) {
    out.emplace(weft_tensors_name(loaded.get(), i), Tensor(detail::made<weft_tensor>([&](weft_tensor** tensor) {
                  return weft_tensors_at(loaded.get(), i, tensor);
                })));
  }
  return out;
}
/// Reads one tensor of such a file; NOT_FOUND if there is none of that name.
inline Tensor load_tensor(const std::string& path, const std::string& name = "data", bool map = false) {
  detail::TensorsHandle loaded = detail::read_tensors(path, map);
  return Tensor(detail::made<weft_tensor>(
      [&](weft_tensor** out) { return weft_tensors_find(loaded.get(), detail::text(name), out); }));
}
/// Writes a safetensors file; a failure leaves the old one.
inline void save_tensors(const std::string& path, const Tensors& tensors) {
  detail::TensorsHandle made(detail::made<weft_tensors>(weft_tensors_new));
  for (const auto& [name, tensor] : tensors)
    detail::check(weft_tensors_set(made.get(), detail::text(name), tensor.handle()));
  detail::check(weft_tensors_save(made.get(), detail::text(path)));
}

}  // namespace weft
