// Tensors, and files of them.
#pragma once

#include <cstring>
#include <map>

#include "weft/dtype.hpp"

namespace weft {

using Shape = std::vector<int64_t>;

// A value: n-dimensional elements of one type, row by row, or a sequence of tensors. Copies share the elements.
class Tensor {
 public:
  Tensor() = default;
  // Takes the handle over.
  explicit Tensor(weft_tensor* handle) : handle_(std::make_shared<Owned>(handle)) {}

  // Zeros.
  static Tensor zeros(DType dtype, const Shape& shape) {
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_new(static_cast<int32_t>(dtype), shape.data(), static_cast<int32_t>(shape.size()), &out));
    return Tensor(out);
  }
  // A copy of the elements.
  template <typename T>
  static Tensor from(const Shape& shape, const std::vector<T>& values) {
    return from_bytes(dtype_of<T>(), shape, values.data(), values.size() * sizeof(T));
  }
  // The same of any type but strings, from their bytes as the library lays them out.
  static Tensor from_bytes(DType dtype, const Shape& shape, const void* data, size_t bytes) {
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_new_copy(static_cast<int32_t>(dtype), shape.data(), static_cast<int32_t>(shape.size()),
                                       data, bytes, &out));
    return Tensor(out);
  }
  template <typename T>
  static Tensor scalar(T value) {
    return from<T>({}, std::vector<T>{value});
  }
  static Tensor strings(const Shape& shape, const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    std::vector<int64_t> sizes;
    for (const std::string& value : values) {
      pointers.push_back(value.data());
      sizes.push_back(static_cast<int64_t>(value.size()));
    }
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_new_strings(shape.data(), static_cast<int32_t>(shape.size()), pointers.data(),
                                          sizes.data(), static_cast<int64_t>(values.size()), &out));
    return Tensor(out);
  }
  static Tensor sequence(const std::vector<Tensor>& items) {
    std::vector<const weft_tensor*> handles;
    for (const Tensor& item : items) handles.push_back(item.handle());
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_new_sequence(handles.data(), static_cast<int64_t>(handles.size()), &out));
    return Tensor(out);
  }
  // Over the caller's memory, without a copy. It must stay until `keep` is let go, which happens when the last tensor
  // or run over it is done.
  template <typename T>
  static Tensor borrow(const Shape& shape, T* data, size_t count, std::shared_ptr<void> keep) {
    using Element = std::remove_const_t<T>;
    auto* held = new std::shared_ptr<void>(std::move(keep));
    auto drop = [](void* user) { delete static_cast<std::shared_ptr<void>*>(user); };
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_borrow(static_cast<int32_t>(dtype_of<Element>()), shape.data(),
                                     static_cast<int32_t>(shape.size()), const_cast<Element*>(data), count * sizeof(T),
                                     std::is_const_v<T> ? 0 : 1, &out, held, drop));
    return Tensor(out);
  }

  // Over the elements of another library of the process, without a copy. `managed` is a DLManagedTensorVersioned of
  // DLPack's version 1, or a DLManagedTensor of before, and is taken over: its deleter is called once, when the last
  // holder of the elements has let go. After an error it is still the caller's. Where it says so, the tensor is read-only.
  static Tensor from_dlpack(void* managed, bool versioned = true) {
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_borrow_dlpack(managed, versioned ? 1 : 0, &out));
    return Tensor(out);
  }
  // The elements for another library: it keeps them until whoever takes it over calls its deleter, once.
  void* to_dlpack(bool versioned = true) const {
    void* managed = nullptr;
    detail::check(weft_tensor_dlpack(handle(), versioned ? 1 : 0, &managed));
    return managed;
  }

  bool empty() const { return handle_ == nullptr; }
  DType dtype() const { return static_cast<DType>(weft_tensor_dtype(handle())); }
  Shape shape() const {
    const int64_t* dims = weft_tensor_dims(handle());
    return Shape(dims, dims + weft_tensor_rank(handle()));
  }
  // The number of elements, or of items of a sequence.
  int64_t count() const { return weft_tensor_count(handle()); }
  // One of WEFT_TENSOR, WEFT_SEQUENCE, WEFT_OPTIONAL and WEFT_MAP.
  int32_t kind() const { return weft_tensor_kind(handle()); }
  // The size of the elements.
  size_t bytes() const { return weft_tensor_bytes(handle()); }
  // "f32[2, 3]"
  std::string text() const {
    weft_bytes* out = nullptr;
    detail::check(weft_tensor_text(handle(), &out));
    return detail::take(out);
  }

  // The elements, of any type; null for strings and for what is no tensor.
  const void* raw_data() const { return weft_tensor_data(handle()); }
  // The elements; T must be what dtype() says.
  template <typename T>
  const T* data() const {
    need<T>();
    return static_cast<const T*>(weft_tensor_data(handle()));
  }
  // For writing; other holders see the change.
  template <typename T>
  T* mutable_data() {
    need<T>();
    void* out = nullptr;
    detail::check(weft_tensor_mutable(handle(), &out));
    return static_cast<T*>(out);
  }
  // A copy of the elements.
  template <typename T>
  std::vector<T> to_vector() const {
    const T* start = data<T>();
    return std::vector<T>(start, start + count());
  }
  std::vector<std::string> to_strings() const {
    std::vector<std::string> out;
    for (int64_t i = 0; i < count(); ++i) {
      int64_t size = 0;
      const char* data = weft_tensor_string(handle(), i, &size);
      if (data == nullptr) throw Error(WEFT_INVALID_ARGUMENT, text() + " has no strings");
      out.emplace_back(data, static_cast<size_t>(size));
    }
    return out;
  }
  // The only element.
  template <typename T>
  T item() const {
    if (count() != 1) throw Error(WEFT_INVALID_ARGUMENT, text() + " has not just one element");
    return data<T>()[0];
  }
  // A tensor with elements of its own.
  Tensor copy() const {
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_copy(handle(), &out));
    return Tensor(out);
  }
  // Item i of a sequence or optional; of a map, 0 is the keys and 1 the values.
  Tensor at(int64_t i) const {
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_at(handle(), i, &out));
    return Tensor(out);
  }
  // The same elements under another shape.
  Tensor reshape(const Shape& shape) const {
    weft_tensor* out = nullptr;
    detail::check(weft_tensor_reshape(handle(), shape.data(), static_cast<int32_t>(shape.size()), &out));
    return Tensor(out);
  }

  weft_tensor* handle() const {
    if (handle_ == nullptr) throw Error(WEFT_FAILED_PRECONDITION, "this tensor is empty");
    return handle_->get();
  }

 private:
  using Owned = detail::Handle<weft_tensor, weft_tensor_free>;
  template <typename T>
  void need() const {
    if (dtype() != dtype_of<T>()) {
      throw Error(WEFT_INVALID_ARGUMENT, text() + " does not have elements of the type that is asked for");
    }
  }
  std::shared_ptr<Owned> handle_;
};

using Tensors = std::map<std::string, Tensor>;

// Reads a .safetensors, .npy or .csv file; the latter two have one tensor, "data".
inline Tensors load_tensors(const std::string& path, bool map = false) {
  detail::OptionsHandle options("load");
  options.set("map", int64_t{map});
  weft_tensors* loaded = nullptr;
  detail::check(weft_tensors_load(path.c_str(), options.get(), &loaded));
  detail::Handle<weft_tensors, weft_tensors_free> owned(loaded);
  Tensors out;
  for (int64_t i = 0; i < weft_tensors_count(loaded); ++i) {
    weft_tensor* tensor = nullptr;
    detail::check(weft_tensors_at(loaded, i, &tensor));
    out.emplace(weft_tensors_name(loaded, i), Tensor(tensor));
  }
  return out;
}
// Writes a safetensors file; a failure leaves the old one.
inline void save_tensors(const std::string& path, const Tensors& tensors) {
  weft_tensors* made = nullptr;
  detail::check(weft_tensors_new(&made));
  detail::Handle<weft_tensors, weft_tensors_free> owned(made);
  for (const auto& [name, tensor] : tensors) detail::check(weft_tensors_set(made, name.c_str(), tensor.handle()));
  detail::check(weft_tensors_save(made, path.c_str()));
}

}  // namespace weft
