// Tensors to and from other libraries of the process without a copy.
#include "core/tensor/dlpack.h"

#include <algorithm>
#include <memory>

namespace weft {

using namespace dlpack;

namespace {

constexpr int32_t kMostDimensions = 64;

struct TypeRow {
  DType dtype;
  uint8_t code;
};
// The bits follow from the dtype.
constexpr TypeRow kTypes[] = {
    {DType::kI2, kDLInt},
    {DType::kI4, kDLInt},
    {DType::kI8, kDLInt},
    {DType::kI16, kDLInt},
    {DType::kI32, kDLInt},
    {DType::kI64, kDLInt},
    {DType::kU2, kDLUInt},
    {DType::kU4, kDLUInt},
    {DType::kU8, kDLUInt},
    {DType::kU16, kDLUInt},
    {DType::kU32, kDLUInt},
    {DType::kU64, kDLUInt},
    {DType::kF16, kDLFloat},
    {DType::kF32, kDLFloat},
    {DType::kF64, kDLFloat},
    {DType::kBF16, kDLBfloat},
    {DType::kBool, kDLBool},
    {DType::kC64, kDLComplex},
    {DType::kC128, kDLComplex},
    {DType::kF8E4M3FN, kDLFloat8_e4m3fn},
    {DType::kF8E4M3FNUZ, kDLFloat8_e4m3fnuz},
    {DType::kF8E5M2, kDLFloat8_e5m2},
    {DType::kF8E5M2FNUZ, kDLFloat8_e5m2fnuz},
    {DType::kF8E8M0, kDLFloat8_e8m0fnu},
    {DType::kF4E2M1, kDLFloat4_e2m1fn},
};

// One allocation holds what the other library sees and what keeps it alive.
template <typename Managed>
struct Export {
  Managed managed{};
  Tensor tensor;
  Shape shape, strides;
};

template <typename Managed>
Result<Export<Managed>*> make_export(const Tensor& tensor) {
  if (tensor.kind() != Kind::kTensor) return invalid("only tensors can be exchanged, not a ", tensor.summary());
  const TypeRow* row = nullptr;
  for (const TypeRow& candidate : kTypes) {
    if (candidate.dtype == tensor.dtype()) row = &candidate;
  }
  if (row == nullptr) return unimplemented("DLPack has no type for ", tensor.summary());
  DLDevice device{kDLCPU, 0};
  if (tensor.memory() != nullptr) device = tensor.memory()->dlpack_device();
  if (device.device_type == 0) {
    return unimplemented("DLPack has no number for the device '", tensor.device(), "', on which ", tensor.summary(),
                         " lies: copy it first, with 'to'");
  }
  auto out = std::make_unique<Export<Managed>>();
  out->tensor = tensor;
  out->shape = tensor.shape();
  out->strides.assign(tensor.rank(), 1);
  for (int64_t i = tensor.rank() - 2; i >= 0; --i) {
    // Without elements the sizes may be any, and nobody takes such a step.
    const int64_t inner = std::max<int64_t>(out->shape[i + 1], 1);
    if (__builtin_mul_overflow(out->strides[i + 1], inner, &out->strides[i])) out->strides[i] = 0;
  }
  DLTensor& dl = out->managed.dl_tensor;
  dl.data = tensor.count() > 0 ? const_cast<void*>(tensor.data()) : nullptr;
  dl.device = device;
  dl.ndim = static_cast<int32_t>(tensor.rank());
  dl.dtype = {row->code, static_cast<uint8_t>(dtype_bits(tensor.dtype())), 1};
  dl.shape = out->shape.data();
  dl.strides = out->strides.data();
  out->managed.manager_ctx = out.get();
  out->managed.deleter = [](Managed* self) {
    std::unique_ptr<Export<Managed>> held(static_cast<Export<Managed>*>(self->manager_ctx));
    // Nobody can be told of an error here; a device that is lost says so to whoever uses it next.
    if (Memory* memory = held->tensor.memory(); memory != nullptr) (void)memory->wait_for_others();
  };
  return out.release();
}

bool read_only(const Tensor& tensor) { return tensor.buffer() != nullptr && !tensor.buffer()->writable(); }

Result<DType> dtype_of_dlpack(DLDataType type) {
  for (const TypeRow& row : kTypes) {
    if (row.code == type.code && dtype_bits(row.dtype) == type.bits && type.lanes == 1) return row.dtype;
  }
  return unimplemented("DLPack type code ", int{type.code}, " of ", int{type.bits}, " bits and ", type.lanes,
                       " lanes is not supported");
}

// What a tensor over the elements needs, checked.
struct View {
  DType dtype;
  Shape shape;
  char* data;
  int64_t bytes;
  std::shared_ptr<Memory> memory;  // null for the process's
};

Result<View> check(const DLTensor& dl, FindMemory find) {
  View view;
  if (dl.device.device_type != kDLCPU) {
    if (find != nullptr) view.memory = find(dl.device);
    if (view.memory == nullptr) {
      return unimplemented("the tensor lies on a device of DLPack type ", dl.device.device_type, ", number ",
                           dl.device.device_id,
                           ", which no device here is: load the plug-in that brings it, or copy the tensor to the "
                           "CPU's memory first");
    }
  }
  if (dl.ndim < 0 || dl.ndim > kMostDimensions) return invalid("the tensor has ", dl.ndim, " dimensions");
  if (dl.ndim > 0 && dl.shape == nullptr) return invalid("the tensor has dimensions but no shape");
  WEFT_TRY(view.dtype, dtype_of_dlpack(dl.dtype));
  view.shape.assign(dl.shape, dl.shape + dl.ndim);
  WEFT_TRY(int64_t count, element_count(view.shape));
  if (count > kMostElements) return invalid("the tensor claims ", count, " elements");
  view.bytes = dtype_bytes(view.dtype, count);
  if (dl.strides != nullptr && count > 1) {
    int64_t compact = 1;
    for (int32_t i = dl.ndim - 1; i >= 0; --i) {
      if (dl.shape[i] != 1 && dl.strides[i] != compact) {
        return unimplemented("the tensor ", dtype_name(view.dtype), shape_text(view.shape), " has the strides ",
                             shape_text(Shape(dl.strides, dl.strides + dl.ndim)),
                             "; only row-major memory without gaps can be taken: make it contiguous first");
      }
      compact *= dl.shape[i];
    }
  }
  if (dl.data == nullptr && count > 0) return invalid("the tensor has elements but no memory");
  if (dl.data != nullptr && dl.byte_offset > static_cast<uint64_t>(kMostBytes)) {
    return invalid("the tensor begins ", dl.byte_offset, " bytes behind its memory's address, where no memory is");
  }
  view.data = dl.data == nullptr ? nullptr : static_cast<char*>(dl.data) + dl.byte_offset;
  return view;
}

template <typename Managed>
Result<Tensor> take(Managed* managed, bool writable, FindMemory find) {
  WEFT_TRY(View view, check(managed->dl_tensor, find));
  // Once without the deleter, to see whether it can succeed.
  auto trial = Buffer::borrow(view.data, view.bytes, writable, nullptr, nullptr, view.memory);
  WEFT_CHECK(Tensor::over(view.dtype, view.shape, std::move(trial)).status());
  if (view.memory != nullptr) WEFT_CHECK(view.memory->wait_for_others());
  auto drop = [](void* user) {
    auto* self = static_cast<Managed*>(user);
    if (self->deleter != nullptr) self->deleter(self);
  };
  return Tensor::over(view.dtype, std::move(view.shape),
                      Buffer::borrow(view.data, view.bytes, writable, drop, managed, std::move(view.memory)));
}

}  // namespace

Result<DLManagedTensorVersioned*> to_dlpack(const Tensor& tensor) {
  WEFT_TRY(auto* out, make_export<DLManagedTensorVersioned>(tensor));
  out->managed.version = {kMajorVersion, kMinorVersion};
  out->managed.flags = read_only(tensor) ? kFlagReadOnly : 0;
  return &out->managed;
}

Result<DLManagedTensor*> to_dlpack_unversioned(const Tensor& tensor) {
  if (read_only(tensor)) {
    return failed_precondition("the memory of ", tensor.summary(),
                               " is read-only, which DLPack before version 1 cannot say: copy it first");
  }
  if (tensor.kind() == Kind::kTensor && tensor.dtype() != DType::kString && dtype_bits(tensor.dtype()) % 8 != 0) {
    return unimplemented("DLPack before version 1 cannot say how the elements of ", tensor.summary(), " lie");
  }
  WEFT_TRY(auto* out, make_export<DLManagedTensor>(tensor));
  return &out->managed;
}

Result<Tensor> from_dlpack(DLManagedTensorVersioned* managed, FindMemory find) {
  if (managed == nullptr) return invalid("there is no DLPack tensor");
  if (managed->version.major != kMajorVersion) {
    return unimplemented("the tensor is of DLPack version ", managed->version.major, "; version ", kMajorVersion,
                         " is known");
  }
  if ((managed->flags & kFlagSubBytePadded) != 0 && managed->dl_tensor.dtype.bits % 8 != 0) {
    return unimplemented("elements smaller than a byte have to be packed");
  }
  return take(managed, (managed->flags & kFlagReadOnly) == 0, find);
}

Result<Tensor> from_dlpack(DLManagedTensor* managed, FindMemory find) {
  if (managed == nullptr) return invalid("there is no DLPack tensor");
  if (managed->dl_tensor.dtype.bits % 8 != 0) {
    return unimplemented("DLPack before version 1 cannot say how elements smaller than a byte lie");
  }
  return take(managed, true, find);
}

}  // namespace weft
