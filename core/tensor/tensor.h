// A run-time value: tensor, string tensor, sequence, optional or map.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor/buffer.h"
#include "core/tensor/dim.h"
#include "core/tensor/dtype.h"

namespace weft {

// No tensor has more elements, so that bits and bytes of all fit 63 bits for every element type.
constexpr int64_t kMostElements = int64_t{1} << 55;

enum class Kind : int32_t { kTensor = 0, kSequence = 1, kOptional = 2, kMap = 3 };

// A small value type: copies share the data. Row-major, no strides.
class Tensor {
 public:
  Tensor() = default;  // empty: kind tensor, dtype none

  // Not initialised (strings: empty ones).
  static Result<Tensor> make(DType dtype, Shape shape);
  static Result<Tensor> from_bytes(DType dtype, Shape shape, const void* data, int64_t bytes);
  // `buffer` holds the elements from `offset` on; an error if it is too small.
  static Result<Tensor> over(DType dtype, Shape shape, std::shared_ptr<Buffer> buffer, int64_t offset = 0);
  // What `source` writes when somebody wants the elements, read-only.
  static Result<Tensor> deferred(DType dtype, Shape shape, std::shared_ptr<const ByteSource> source);
  // The elements that lie in a mapped file from `offset` on, read-only.
  static Result<Tensor> in_file(DType dtype, Shape shape, std::shared_ptr<const FileBytes> file, int64_t offset);
  // Not initialised, in a device's memory; null means the process's own.
  static Result<Tensor> make_in(std::shared_ptr<Memory> memory, DType dtype, Shape shape);
  static Result<Tensor> from_strings(Shape shape, std::vector<std::string> strings);
  static Tensor sequence(std::vector<Tensor> items);
  static Tensor optional(std::vector<Tensor> at_most_one);
  static Tensor map(Tensor keys, Tensor values);

  template <typename T>
  static Tensor scalar(T value) {
    return from_values<T>({}, &value, 1);
  }
  template <typename T>
  static Tensor vector(const std::vector<T>& values) {
    return from_values<T>({static_cast<int64_t>(values.size())}, values.data(), values.size());
  }

  // Lets go of the elements; keeps room for a shape, so that taking in another tensor of the rank allocates nothing.
  void clear();
  bool empty() const { return dtype_ == DType::kNone && kind_ == Kind::kTensor; }
  Kind kind() const { return kind_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t count() const { return count_; }  // elements; for other kinds, items
  int64_t bytes() const { return dtype_bytes(dtype_, count_); }

  // An address of `memory` where that is not null.
  const void* data() const {
    if (may_be_unfilled_) buffer_->fill();
    return data_;
  }
  void* mutable_data() { return const_cast<void*>(data()); }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data());
  }
  template <typename T>
  T* as() {
    return static_cast<T*>(mutable_data());
  }
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }
  // Of the elements in `buffer`, in bytes.
  int64_t offset() const { return static_cast<const char*>(data_) - static_cast<const char*>(buffer_->data()); }
  Memory* memory() const { return buffer_ == nullptr ? nullptr : buffer_->memory().get(); }

  const std::vector<std::string>& strings() const;
  std::vector<std::string>& mutable_strings();
  // The items of a sequence, optional (at most one) or map (keys, values).
  const std::vector<Tensor>& items() const;
  // Whether nobody else holds its elements or items, and they may be written.
  bool alone() const;

  // The same elements under another shape of the same count.
  Result<Tensor> reshaped(Shape shape) const;
  // The same elements, not to be written through the tensor that is returned.
  Tensor read_only() const;
  // For whoever reads the elements once: this tensor, or, where they are yet to come from a file or a computation, a tensor of
  // their own, whose memory goes with what is returned. Who calls `data` has them in memory for good.
  Result<Tensor> briefly() const;
  // "cpu", or the name of the device in whose memory the elements lie. Strings and items of other kinds lie in the
  // process's. Stays, as devices do.
  const std::string& device() const;
  // FAILED_PRECONDITION that says how to copy them, unless the elements lie in the process's memory.
  Status check_on_host() const;
  // A tensor whose elements nobody else holds, in the same memory.
  Result<Tensor> copy() const;
  // The same elements in that memory, null for the process's own: this tensor where it lies there already.
  Result<Tensor> moved_to(const std::shared_ptr<Memory>& memory) const;
  // The same of elements that never change again, not to be written: on a device all who ask share one copy, as long as anybody
  // holds it.
  Result<Tensor> shared_on(const std::shared_ptr<Memory>& memory) const;
  // Small integer tensors as numbers; an error for other types.
  Result<std::vector<int64_t>> to_ints() const;

  std::string summary() const;  // "f32[2, 3]"
  bool same_bits(const Tensor& other) const;

 private:
  template <typename T>
  static Tensor from_values(Shape shape, const T* values, size_t count);
  Result<Tensor> copied_to(const std::shared_ptr<Memory>& memory) const;

  Kind kind_ = Kind::kTensor;
  DType dtype_ = DType::kNone;
  Shape shape_;
  int64_t count_ = 0;
  void* data_ = nullptr;
  bool may_be_unfilled_ = false;  // the buffer was, when this tensor was made
  std::shared_ptr<Buffer> buffer_;
  std::shared_ptr<std::vector<std::string>> strings_;
  std::shared_ptr<const std::vector<Tensor>> items_;
};

extern template Tensor Tensor::from_values<float>(Shape, const float*, size_t);
extern template Tensor Tensor::from_values<double>(Shape, const double*, size_t);
extern template Tensor Tensor::from_values<int32_t>(Shape, const int32_t*, size_t);
extern template Tensor Tensor::from_values<int64_t>(Shape, const int64_t*, size_t);
extern template Tensor Tensor::from_values<bool>(Shape, const bool*, size_t);

}  // namespace weft
