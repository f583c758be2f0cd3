// A run-time value: tensor, string tensor, sequence, optional or map.
#include "core/tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace weft {

namespace {
const std::string kCpu = "cpu";
const std::vector<std::string> kNoStrings;
const std::vector<Tensor> kNoItems;

Status check_rank(const Shape& shape) {
  if (static_cast<int64_t>(shape.size()) <= kMostAxes) return {};
  return invalid("a tensor has at most ", kMostAxes, " dimensions but this one would have ", shape.size());
}

// What the address of elements is a multiple of.
int64_t alignment(DType dtype) { return std::clamp<int64_t>(dtype_bits(dtype) / 8, 1, 8); }

// Elements of a tensor that may exist.
Result<int64_t> checked_count(DType dtype, const Shape& shape) {
  if (dtype == DType::kNone) return invalid("a tensor needs an element type");
  WEFT_CHECK(check_rank(shape));
  WEFT_TRY(int64_t count, element_count(shape));
  if (count > kMostElements) {
    return make_error(Code::kResourceExhausted, dtype_name(dtype), shape_text(shape), " is too large");
  }
  return count;
}

// What make() -> `count` strings gives, with the strings themselves, but not what longer ones point to, counted as memory.
template <typename Make>
Result<std::shared_ptr<std::vector<std::string>>> hold_strings(int64_t count, Make make) {
  struct Held {
    MemoryCharge charge;
    std::vector<std::string> strings;
  };
  const int64_t bytes = count * static_cast<int64_t>(sizeof(std::string));
  WEFT_TRY(MemoryCharge charge, MemoryCharge::take(bytes, bytes));
  auto held = std::make_shared<Held>(Held{std::move(charge), make()});
  return std::shared_ptr<std::vector<std::string>>(held, &held->strings);
}
}  // namespace

Result<Tensor> Tensor::make(DType dtype, Shape shape) { return make_in(nullptr, dtype, std::move(shape)); }

Result<Tensor> Tensor::make_in(std::shared_ptr<Memory> memory, DType dtype, Shape shape) {
  WEFT_TRY(int64_t count, checked_count(dtype, shape));
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = std::move(shape);
  out.count_ = count;
  if (dtype == DType::kString) {
    WEFT_TRY(out.strings_, hold_strings(count, [count] { return std::vector<std::string>(count); }));
    return out;
  }
  const int64_t bytes = dtype_bytes(dtype, count);
  WEFT_TRY(out.buffer_, memory == nullptr ? Buffer::allocate(bytes) : Buffer::allocate_in(std::move(memory), bytes));
  out.data_ = out.buffer_->data();
  return out;
}

Result<Tensor> Tensor::from_bytes(DType dtype, Shape shape, const void* data, int64_t bytes) {
  if (dtype == DType::kString) return invalid("string tensors are made from strings, not from bytes");
  WEFT_TRY(int64_t count, checked_count(dtype, shape));
  if (bytes != dtype_bytes(dtype, count)) {
    return invalid(dtype_name(dtype), shape_text(shape), " needs ", dtype_bytes(dtype, count), " bytes but ", bytes,
                   " were given");
  }
  WEFT_TRY(Tensor out, make(dtype, std::move(shape)));
  if (bytes > 0) std::memcpy(out.data_, data, bytes);
  return out;
}

Result<Tensor> Tensor::over(DType dtype, Shape shape, std::shared_ptr<Buffer> buffer, int64_t offset) {
  if (dtype == DType::kString) return invalid("string tensors cannot lie over a buffer");
  WEFT_TRY(int64_t count, checked_count(dtype, shape));
  int64_t bytes = dtype_bytes(dtype, count);
  if (offset < 0 || offset > buffer->bytes() || bytes > buffer->bytes() - offset) {
    return invalid(dtype_name(dtype), shape_text(shape), " needs ", bytes, " bytes at offset ", offset,
                   " but the buffer has ", buffer->bytes());
  }
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = std::move(shape);
  out.count_ = count;
  out.data_ = static_cast<char*>(buffer->data()) + offset;
  out.may_be_unfilled_ = buffer->unfilled();
  const int64_t align = alignment(dtype);
  if (align > 1 && reinterpret_cast<uintptr_t>(out.data_) % align != 0) {
    return invalid("memory for ", dtype_name(dtype), " must be aligned to ", align, " bytes");
  }
  out.buffer_ = std::move(buffer);
  return out;
}

Result<Tensor> Tensor::deferred(DType dtype, Shape shape, std::shared_ptr<const ByteSource> source) {
  WEFT_TRY(int64_t count, checked_count(dtype, shape));
  WEFT_TRY(std::shared_ptr<Buffer> buffer, Buffer::deferred(std::move(source), dtype_bytes(dtype, count)));
  return over(dtype, std::move(shape), std::move(buffer));
}

Result<Tensor> Tensor::in_file(DType dtype, Shape shape, std::shared_ptr<const FileBytes> file, int64_t offset) {
  if (dtype == DType::kString) return invalid("string tensors cannot lie in a file");
  WEFT_TRY(int64_t count, checked_count(dtype, shape));
  const int64_t bytes = dtype_bytes(dtype, count);
  if (offset < 0 || offset > file->size() || bytes > file->size() - offset) {
    return invalid(dtype_name(dtype), shape_text(shape), " needs ", bytes, " bytes at offset ", offset,
                   " but the file has ", file->size());
  }
  WEFT_TRY(std::shared_ptr<Buffer> buffer, Buffer::in_file(std::move(file), offset, bytes, alignment(dtype)));
  return over(dtype, std::move(shape), std::move(buffer));
}

Result<Tensor> Tensor::from_strings(Shape shape, std::vector<std::string> strings) {
  WEFT_TRY(int64_t count, checked_count(DType::kString, shape));
  if (count != static_cast<int64_t>(strings.size())) {
    return invalid("string", shape_text(shape), " needs ", count, " strings but ", strings.size(), " were given");
  }
  Tensor out;
  out.dtype_ = DType::kString;
  out.shape_ = std::move(shape);
  out.count_ = count;
  WEFT_TRY(out.strings_, hold_strings(count, [&] { return std::move(strings); }));
  return out;
}

Tensor Tensor::sequence(std::vector<Tensor> items) {
  Tensor out;
  out.kind_ = Kind::kSequence;
  out.count_ = static_cast<int64_t>(items.size());
  out.dtype_ = items.empty() ? DType::kNone : items[0].dtype();
  out.items_ = std::make_shared<const std::vector<Tensor>>(std::move(items));
  return out;
}

Tensor Tensor::optional(std::vector<Tensor> at_most_one) {
  Tensor out = sequence(std::move(at_most_one));
  out.kind_ = Kind::kOptional;
  return out;
}

Tensor Tensor::map(Tensor keys, Tensor values) {
  const int64_t count = keys.count();
  const DType dtype = values.dtype();
  Tensor out = sequence({std::move(keys), std::move(values)});
  out.kind_ = Kind::kMap;
  out.count_ = count;
  out.dtype_ = dtype;
  return out;
}

template <typename T>
Tensor Tensor::from_values(Shape shape, const T* values, size_t count) {
  Result<Tensor> out = make(dtype_of<T>(), std::move(shape));
  if (!out.ok()) throw std::bad_alloc();
  if (count > 0) std::memcpy(out->data_, values, count * sizeof(T));
  return *out;
}
template Tensor Tensor::from_values<float>(Shape, const float*, size_t);
template Tensor Tensor::from_values<double>(Shape, const double*, size_t);
template Tensor Tensor::from_values<int8_t>(Shape, const int8_t*, size_t);
template Tensor Tensor::from_values<uint8_t>(Shape, const uint8_t*, size_t);
template Tensor Tensor::from_values<int32_t>(Shape, const int32_t*, size_t);
template Tensor Tensor::from_values<int64_t>(Shape, const int64_t*, size_t);
template Tensor Tensor::from_values<bool>(Shape, const bool*, size_t);

const std::vector<std::string>& Tensor::strings() const { return strings_ ? *strings_ : kNoStrings; }
std::vector<std::string>& Tensor::mutable_strings() { return *strings_; }
const std::vector<Tensor>& Tensor::items() const { return items_ ? *items_ : kNoItems; }

bool Tensor::alone() const {
  if (strings_ != nullptr && strings_.use_count() > 1) return false;
  if (buffer_ != nullptr) {
    if (buffer_.use_count() > 1 || !buffer_->writable()) return false;
    // Letting go of a copy puts what others did, who have let go, before what is written from now on.
    std::shared_ptr<Buffer>(buffer_).reset();
  }
  if (items_ == nullptr) return true;
  return items_.use_count() == 1 &&
         std::all_of(items_->begin(), items_->end(), [](const Tensor& item) { return item.alone(); });
}

void Tensor::clear() {
  kind_ = Kind::kTensor;
  dtype_ = DType::kNone;
  shape_.clear();
  count_ = 0;
  data_ = nullptr;
  may_be_unfilled_ = false;
  buffer_.reset();
  strings_.reset();
  items_.reset();
}

Tensor Tensor::read_only() const {
  Tensor out = *this;
  if (buffer_ == nullptr || !buffer_->writable()) return out;
  auto held = std::make_unique<std::shared_ptr<Buffer>>(buffer_);
  out.buffer_ = Buffer::borrow(
      buffer_->data(), buffer_->bytes(), false, [](void* user) { delete static_cast<std::shared_ptr<Buffer>*>(user); },
      held.get(), buffer_->memory());
  (void)held.release();
  return out;
}

Result<Tensor> Tensor::reshaped(Shape shape) const {
  WEFT_CHECK(check_rank(shape));
  WEFT_TRY(int64_t count, element_count(shape));
  if (kind_ != Kind::kTensor || count != count_) {
    return invalid(summary(), " cannot take the shape ", shape_text(shape));
  }
  Tensor out = *this;
  out.shape_ = std::move(shape);
  return out;
}

Result<Tensor> Tensor::briefly() const {
  if (!may_be_unfilled_ || !buffer_->unfilled()) return *this;
  WEFT_TRY(std::shared_ptr<Buffer> elements, Buffer::allocate_briefly(buffer_->bytes()));
  buffer_->source()->write(elements->data());
  return over(dtype_, shape_, std::move(elements), offset());
}

const std::string& Tensor::device() const { return memory() == nullptr ? kCpu : memory()->name(); }

Status Tensor::check_on_host() const {
  if (memory() == nullptr) return {};
  return failed_precondition("the elements of ", summary(), " lie on '", device(),
                             "', where the process cannot read or write them; 'to' with the device 'cpu' copies them");
}

Result<Tensor> Tensor::copy() const {
  if (kind_ != Kind::kTensor) return *this;  // items never change once made
  if (dtype_ == DType::kString) return from_strings(shape_, strings());
  if (empty()) return *this;
  return copied_to(buffer_->memory());
}

Result<Tensor> Tensor::moved_to(const std::shared_ptr<Memory>& to) const {
  if (to.get() == memory() || buffer_ == nullptr) return *this;
  if (to != nullptr && memory() != nullptr) {
    WEFT_TRY(Tensor host, moved_to(nullptr));
    return host.moved_to(to);
  }
  return copied_to(to);
}

Result<Tensor> Tensor::shared_on(const std::shared_ptr<Memory>& to) const {
  if (to == nullptr || buffer_ == nullptr || memory() != nullptr) return moved_to(to);
  const auto bring = [&]() -> Result<std::shared_ptr<Buffer>> {
    WEFT_TRY(const Tensor made, copied_to(to));
    return made.buffer();
  };
  WEFT_TRY(std::shared_ptr<Buffer> there, buffer_->copy_on(*to, offset(), bytes(), bring));
  return over(dtype_, shape_, std::move(there));
}

// One of the memories is the process's, or both are one.
Result<Tensor> Tensor::copied_to(const std::shared_ptr<Memory>& to) const {
  Memory* const from = memory();
  if (from == nullptr && to == nullptr) return from_bytes(dtype_, shape_, data(), bytes());
  WEFT_TRY(Tensor out, make_in(to, dtype_, shape_));
  WEFT_TRY(const Tensor read, briefly());
  if (from == nullptr) {
    WEFT_CHECK(to->copy_in(out.data_, read.data(), bytes()));
  } else if (to == nullptr) {
    WEFT_CHECK(from->copy_out(out.data_, read.data(), bytes()));
  } else {
    WEFT_CHECK(from->copy(out.data_, read.data(), bytes()));
  }
  return out;
}

Result<std::vector<int64_t>> Tensor::to_ints() const {
  std::vector<int64_t> out(count_);
  if (kind_ == Kind::kTensor && dtype_ == DType::kI64) {
    if (count_ > 0) std::memcpy(out.data(), data(), bytes());
  } else if (kind_ == Kind::kTensor && dtype_ == DType::kI32) {
    for (int64_t i = 0; i < count_; ++i) out[i] = as<int32_t>()[i];
  } else if (kind_ == Kind::kTensor && (dtype_ == DType::kBool || dtype_ == DType::kU8)) {
    for (int64_t i = 0; i < count_; ++i) out[i] = as<uint8_t>()[i];
  } else {
    return invalid("expected an i32 or i64 tensor but got ", summary());
  }
  return out;
}

std::string Tensor::summary() const {
  switch (kind_) {
    case Kind::kTensor: return cat(dtype_name(dtype_), shape_text(shape_));
    case Kind::kSequence: return cat("sequence of ", count_);
    case Kind::kOptional: return items().empty() ? "optional, empty" : cat("optional ", items()[0].summary());
    case Kind::kMap:
      return cat("map of ", count_, " from ", dtype_name(items()[0].dtype()), " to ", dtype_name(dtype_));
  }
  return {};
}

bool Tensor::same_bits(const Tensor& other) const {
  if (kind_ != other.kind_ || dtype_ != other.dtype_ || shape_ != other.shape_ || count_ != other.count_) {
    return false;
  }
  if (kind_ != Kind::kTensor) {
    return std::equal(items().begin(), items().end(), other.items().begin(), other.items().end(),
                      [](const Tensor& a, const Tensor& b) { return a.same_bits(b); });
  }
  if (dtype_ == DType::kString) return strings() == other.strings();
  return bytes() == 0 || data_ == other.data_ || std::memcmp(data(), other.data(), bytes()) == 0;
}

}  // namespace weft
