// Tensors of the C ABI.
#include "weft/tensor.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "c_api/src/handles.h"
#include "core/runtime/devices.h"
#include "core/tensor/csv.h"
#include "core/tensor/dlpack.h"
#include "core/tensor/npy.h"
#include "core/tensor/safetensors.h"

namespace weft::c_api {

void to_handles(std::vector<Tensor> tensors, weft_tensor** out_tensors) {
  std::vector<std::unique_ptr<weft_tensor>> handles;
  for (Tensor& tensor : tensors) handles.emplace_back(new weft_tensor{std::move(tensor), {}});
  for (size_t i = 0; i < handles.size(); ++i) out_tensors[i] = handles[i].release();
}

Result<Shape> to_dims(const int64_t* dims, int32_t rank) {
  if (rank < 0 || rank > kMostAxes) return invalid("the rank must be 0 to ", kMostAxes, " but is ", rank);
  if (rank > 0 && dims == nullptr) return null_argument("dims");
  for (int32_t i = 0; i < rank; ++i) {
    if (dims[i] < 0) return invalid("dimension ", i, " is ", dims[i], " but must not be negative");
  }
  return Shape(dims, dims + rank);
}

namespace {

Status give(Tensor tensor, weft_tensor** out) {
  *out = new weft_tensor{std::move(tensor), {}};
  return {};
}

template <typename T>
Status check_distinct(const T* keys, int64_t count) {
  std::set<T> seen;
  for (int64_t i = 0; i < count; ++i) {
    if (!seen.insert(keys[i]).second) return invalid("the key ", keys[i], " is there twice");
  }
  return {};
}

// That they are the keys and values of a map.
Status check_map(const Tensor& keys, const Tensor& values) {
  const bool vectors = keys.kind() == Kind::kTensor && values.kind() == Kind::kTensor && keys.rank() == 1;
  if (!vectors || keys.shape() != values.shape()) {
    return invalid("the keys are ", keys.summary(), " and the values ", values.summary(),
                   " but must be two tensors [n] of one length");
  }
  if (keys.dtype() == DType::kString) return check_distinct(keys.strings().data(), keys.count());
  if (keys.dtype() != DType::kI64) return invalid("the keys are ", keys.summary(), " but must be i64 or strings");
  return check_distinct(keys.as<int64_t>(), keys.count());
}

}  // namespace

}  // namespace weft::c_api

using namespace weft;
using namespace weft::c_api;

const char* weft_dtype_name(int32_t dtype) {
  return dtype >= 1 && dtype < kDTypeCount ? dtype_name(static_cast<DType>(dtype)) : nullptr;
}
int32_t weft_dtype_bits(int32_t dtype) {
  return dtype >= 1 && dtype < kDTypeCount ? dtype_bits(static_cast<DType>(dtype)) : -1;
}
int32_t weft_dtype_find(const char* name) {
  for (int32_t i = 1; name != nullptr && i < kDTypeCount; ++i) {
    if (std::strcmp(name, dtype_name(static_cast<DType>(i))) == 0) return i;
  }
  return 0;
}

weft_status* weft_tensor_new(int32_t dtype, const int64_t* dims, int32_t rank, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_TRY(DType type, checked_dtype(dtype));
    WEFT_TRY(Shape shape, to_dims(dims, rank));
    WEFT_TRY(Tensor tensor, Tensor::make(type, std::move(shape)));
    if (tensor.data() != nullptr) std::memset(tensor.mutable_data(), 0, static_cast<size_t>(tensor.bytes()));
    return give(std::move(tensor), out_tensor);
  });
}
weft_status* weft_tensor_new_copy(int32_t dtype, const int64_t* dims, int32_t rank, const void* data, size_t bytes,
                                  weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    if (bytes > 0) WEFT_NOT_NULL(data);
    if (bytes > static_cast<size_t>(PTRDIFF_MAX))
      return invalid("argument 'bytes' is ", bytes, ", more than any memory has");
    WEFT_TRY(DType type, checked_dtype(dtype));
    WEFT_TRY(Shape shape, to_dims(dims, rank));
    WEFT_TRY(Tensor tensor, Tensor::from_bytes(type, std::move(shape), data, static_cast<int64_t>(bytes)));
    return give(std::move(tensor), out_tensor);
  });
}
weft_status* weft_tensor_new_strings(const int64_t* dims, int32_t rank, const char* const* strings,
                                     const int64_t* sizes, int64_t count, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    if (count < 0) return invalid("argument 'count' is negative");
    if (count > 0) WEFT_NOT_NULL(strings);
    WEFT_TRY(Shape shape, to_dims(dims, rank));
    WEFT_TRY(int64_t wanted, element_count(shape));
    if (count != wanted) {
      return invalid("string", shape_text(shape), " needs ", wanted, " strings but ", count, " were given");
    }
    std::vector<std::string> items;
    for (int64_t i = 0; i < count; ++i) {
      if (strings[i] == nullptr) return invalid("string ", i, " is NULL");
      if (sizes != nullptr && sizes[i] < 0) return invalid("the size of string ", i, " is negative");
      items.push_back(sizes != nullptr ? std::string(strings[i], static_cast<size_t>(sizes[i]))
                                       : std::string(strings[i]));
    }
    WEFT_TRY(Tensor tensor, Tensor::from_strings(std::move(shape), std::move(items)));
    return give(std::move(tensor), out_tensor);
  });
}
weft_status* weft_tensor_new_sequence(const weft_tensor* const* items, int64_t count, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    if (count < 0) return invalid("argument 'count' is negative");
    if (count > 0) WEFT_NOT_NULL(items);
    std::vector<Tensor> tensors;
    for (int64_t i = 0; i < count; ++i) {
      if (items[i] == nullptr) return invalid("item ", i, " is NULL");
      // As in ONNX; and a chain of sequences would be freed one inside the other.
      const Kind kind = items[i]->tensor.kind();
      if ((kind != Kind::kTensor && kind != Kind::kMap) || kind != items[0]->tensor.kind()) {
        return invalid("item ", i, " is a ", items[i]->tensor.summary(),
                       " but the items of a sequence must be tensors, or all maps");
      }
      WEFT_TRY(Tensor item, items[i]->tensor.moved_to(nullptr));
      tensors.push_back(std::move(item));
    }
    return give(Tensor::sequence(std::move(tensors)), out_tensor);
  });
}
weft_status* weft_tensor_new_optional(const weft_tensor* element, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    std::vector<Tensor> held;
    if (element != nullptr) {
      const Tensor& tensor = element->tensor;
      // As in ONNX; and a chain of optionals would be freed one inside the other.
      const bool maps = !tensor.items().empty() && tensor.items()[0].kind() == Kind::kMap;
      if ((tensor.kind() != Kind::kTensor && tensor.kind() != Kind::kSequence) || maps) {
        return invalid("the element is a ", tensor.summary(), maps ? " of maps" : "",
                       " but an optional holds a tensor or a sequence of tensors");
      }
      WEFT_TRY(Tensor here, tensor.moved_to(nullptr));
      held.push_back(std::move(here));
    }
    return give(Tensor::optional(std::move(held)), out_tensor);
  });
}
weft_status* weft_tensor_new_map(const weft_tensor* keys, const weft_tensor* values, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(keys);
    WEFT_NOT_NULL(values);
    WEFT_TRY(Tensor map_keys, keys->tensor.moved_to(nullptr));
    WEFT_TRY(Tensor map_values, values->tensor.moved_to(nullptr));
    WEFT_CHECK(check_map(map_keys, map_values));
    return give(Tensor::map(std::move(map_keys), std::move(map_values)), out_tensor);
  });
}
weft_status* weft_tensor_borrow(int32_t dtype, const int64_t* dims, int32_t rank, void* data, size_t bytes,
                                int32_t writable, weft_tensor** out_tensor, void* user, weft_drop drop) {
  std::shared_ptr<Buffer> buffer;  // drops on every way out
  weft_status* made = guard([&]() -> Status {
    buffer = Buffer::borrow(data, static_cast<int64_t>(bytes), writable != 0, drop, user);
    return {};
  });
  if (made != nullptr) {
    if (drop != nullptr) drop(user);
    if (out_tensor != nullptr) *out_tensor = nullptr;
    return made;
  }
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    if (bytes > 0) WEFT_NOT_NULL(data);
    WEFT_TRY(DType type, checked_dtype(dtype));
    WEFT_TRY(Shape shape, to_dims(dims, rank));
    WEFT_TRY(Tensor tensor, Tensor::over(type, std::move(shape), std::move(buffer)));
    return give(std::move(tensor), out_tensor);
  });
}
weft_status* weft_tensor_copy(const weft_tensor* tensor, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(tensor);
    WEFT_TRY(Tensor copy, tensor->tensor.copy());
    return give(std::move(copy), out_tensor);
  });
}
weft_status* weft_tensor_to(const weft_tensor* tensor, const char* device, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(tensor);
    WEFT_NOT_NULL(device);
    WEFT_TRY(const std::shared_ptr<Memory> memory, find_memory(device));
    const Tensor& from = tensor->tensor;
    if (memory != nullptr && from.buffer() == nullptr) {
      return unimplemented(from.summary(), " cannot lie on '", device,
                           "': only tensors of numbers and truth values can");
    }
    WEFT_TRY(Tensor there, from.moved_to(memory));
    return give(std::move(there), out_tensor);
  });
}
weft_status* weft_tensor_reshape(const weft_tensor* tensor, const int64_t* dims, int32_t rank,
                                 weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(tensor);
    WEFT_TRY(Shape shape, to_dims(dims, rank));
    WEFT_TRY(Tensor reshaped, tensor->tensor.reshaped(std::move(shape)));
    return give(std::move(reshaped), out_tensor);
  });
}
void weft_tensor_free(weft_tensor* tensor) { delete tensor; }

int32_t weft_tensor_kind(const weft_tensor* tensor) {
  return tensor == nullptr ? 0 : static_cast<int32_t>(tensor->tensor.kind());
}
int32_t weft_tensor_dtype(const weft_tensor* tensor) {
  if (tensor == nullptr || tensor->tensor.kind() != Kind::kTensor) return 0;
  return static_cast<int32_t>(tensor->tensor.dtype());
}
int32_t weft_tensor_rank(const weft_tensor* tensor) {
  return tensor == nullptr ? 0 : static_cast<int32_t>(tensor->tensor.rank());
}
const int64_t* weft_tensor_dims(const weft_tensor* tensor) {
  return tensor == nullptr ? nullptr : tensor->tensor.shape().data();
}
int64_t weft_tensor_count(const weft_tensor* tensor) { return tensor == nullptr ? 0 : tensor->tensor.count(); }
const char* weft_tensor_device(const weft_tensor* tensor) {
  return tensor == nullptr ? nullptr : tensor->tensor.device().c_str();
}
size_t weft_tensor_bytes(const weft_tensor* tensor) {
  return tensor == nullptr || tensor->tensor.data() == nullptr ? 0 : static_cast<size_t>(tensor->tensor.bytes());
}
const void* weft_tensor_data(const weft_tensor* tensor) {
  return tensor == nullptr || tensor->tensor.memory() != nullptr ? nullptr : tensor->tensor.data();
}
weft_status* weft_tensor_mutable(weft_tensor* tensor, void** out_data) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_data);
    *out_data = nullptr;
    WEFT_NOT_NULL(tensor);
    if (tensor->tensor.data() == nullptr)
      return failed_precondition(tensor->tensor.summary(), " has no memory to write to");
    WEFT_CHECK(tensor->tensor.check_on_host());
    if (!tensor->tensor.buffer()->writable()) return failed_precondition("this tensor is read-only");
    *out_data = tensor->tensor.mutable_data();
    return {};
  });
}
const char* weft_tensor_string(const weft_tensor* tensor, int64_t i, int64_t* out_size) {
  if (out_size != nullptr) *out_size = 0;
  if (tensor == nullptr || i < 0 || i >= static_cast<int64_t>(tensor->tensor.strings().size())) return nullptr;
  const std::string& text = tensor->tensor.strings()[static_cast<size_t>(i)];
  if (out_size != nullptr) *out_size = static_cast<int64_t>(text.size());
  return text.c_str();
}
weft_status* weft_tensor_at(const weft_tensor* tensor, int64_t i, weft_tensor** out_item) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_item);
    *out_item = nullptr;
    WEFT_NOT_NULL(tensor);
    const std::vector<Tensor>& items = tensor->tensor.items();
    if (i < 0 || i >= static_cast<int64_t>(items.size())) {
      return out_of_range("there is no item ", i, " in a value of ", items.size(), " items");
    }
    return give(items[static_cast<size_t>(i)], out_item);
  });
}
weft_status* weft_tensor_text(const weft_tensor* tensor, weft_bytes** out_text) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_text);
    *out_text = nullptr;
    WEFT_NOT_NULL(tensor);
    const Tensor& value = tensor->tensor;
    *out_text = make_bytes(value.memory() == nullptr ? value.summary() : cat(value.summary(), " on ", value.device()));
    return {};
  });
}
weft_status* weft_tensor_buffer(const weft_tensor* tensor, weft_buffer** out_buffer) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_buffer);
    *out_buffer = nullptr;
    WEFT_NOT_NULL(tensor);
    WEFT_CHECK(tensor->tensor.check_on_host());
    *out_buffer = new weft_buffer{tensor->tensor.buffer(), tensor->tensor, {}};
    return {};
  });
}
void weft_buffer_free(weft_buffer* buffer) { delete buffer; }

weft_status* weft_tensor_dlpack(const weft_tensor* tensor, int32_t versioned, void** out_managed) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_managed);
    *out_managed = nullptr;
    WEFT_NOT_NULL(tensor);
    if (versioned != 0) {
      WEFT_TRY(*out_managed, to_dlpack(tensor->tensor));
    } else {
      WEFT_TRY(*out_managed, to_dlpack_unversioned(tensor->tensor));
    }
    return {};
  });
}
weft_status* weft_tensor_borrow_dlpack(void* managed, int32_t versioned, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    if (out_tensor != nullptr) *out_tensor = nullptr;
    WEFT_NOT_NULL(out_tensor);
    WEFT_NOT_NULL(managed);
    Result<Tensor> tensor =
        versioned != 0 ? from_dlpack(static_cast<dlpack::DLManagedTensorVersioned*>(managed), find_dlpack_memory)
                       : from_dlpack(static_cast<dlpack::DLManagedTensor*>(managed), find_dlpack_memory);
    if (!tensor.ok()) return tensor.status();
    return give(std::move(*tensor), out_tensor);
  });
}

weft_status* weft_tensors_new(weft_tensors** out_tensors) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensors);
    *out_tensors = nullptr;
    *out_tensors = new weft_tensors;
    return {};
  });
}
void weft_tensors_free(weft_tensors* tensors) { delete tensors; }
weft_status* weft_tensors_set(weft_tensors* tensors, const char* name, const weft_tensor* tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(tensors);
    WEFT_NOT_NULL(name);
    WEFT_NOT_NULL(tensor);
    for (auto& [known, value] : tensors->items) {
      if (known != name) continue;
      value = tensor->tensor;
      return {};
    }
    tensors->items.emplace_back(name, tensor->tensor);
    return {};
  });
}
int64_t weft_tensors_count(const weft_tensors* tensors) {
  return tensors == nullptr ? 0 : static_cast<int64_t>(tensors->items.size());
}
const char* weft_tensors_name(const weft_tensors* tensors, int64_t i) {
  bool there = tensors != nullptr && i >= 0 && i < static_cast<int64_t>(tensors->items.size());
  return there ? tensors->items[static_cast<size_t>(i)].first.c_str() : nullptr;
}
weft_status* weft_tensors_at(const weft_tensors* tensors, int64_t i, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(tensors);
    if (i < 0 || i >= static_cast<int64_t>(tensors->items.size())) {
      return out_of_range("there is no tensor ", i, " among ", tensors->items.size());
    }
    return give(tensors->items[static_cast<size_t>(i)].second, out_tensor);
  });
}
weft_status* weft_tensors_find(const weft_tensors* tensors, const char* name, weft_tensor** out_tensor) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensor);
    *out_tensor = nullptr;
    WEFT_NOT_NULL(tensors);
    WEFT_NOT_NULL(name);
    std::vector<std::string> known;
    for (const auto& [item, value] : tensors->items) {
      if (item == name) return give(value, out_tensor);
      if (known.size() < 10) known.push_back(item);
    }
    return not_found("there is no tensor '", name, "'; there are ", join(known));
  });
}
weft_status* weft_tensors_load(const char* path, const weft_options* options, weft_tensors** out_tensors) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_tensors);
    *out_tensors = nullptr;
    WEFT_NOT_NULL(path);
    WEFT_CHECK(check_options(options, "load"));
    auto tensors = std::make_unique<weft_tensors>();
    std::string_view name(path);
    if (name.ends_with(".safetensors")) {
      bool map = options != nullptr && options->int_or("map", 0) != 0;
      WEFT_TRY(SafetensorsFile file, SafetensorsFile::open(path, map));
      for (size_t i = 0; i < file.entries().size(); ++i) {
        Result<Tensor> tensor = file.tensor(static_cast<int64_t>(i));
        if (!tensor.ok()) return tensor.status().within(cat("cannot load '", path, "': "));
        tensors->items.emplace_back(file.entries()[i].name, std::move(*tensor));
      }
    } else if (name.ends_with(".npy")) {
      WEFT_TRY(Tensor tensor, read_npy(path));
      tensors->items.emplace_back("data", std::move(tensor));
    } else if (name.ends_with(".csv")) {
      WEFT_TRY(CsvTable table, read_csv(path, {}));
      tensors->items.emplace_back("data", std::move(table.values));
    } else {
      return invalid("the name of '", path, "' must end in .safetensors, .npy or .csv");
    }
    *out_tensors = tensors.release();
    return {};
  });
}
weft_status* weft_tensors_save(const weft_tensors* tensors, const char* path) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(tensors);
    WEFT_NOT_NULL(path);
    return write_safetensors(path, tensors->items);
  });
}
