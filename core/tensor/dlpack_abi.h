// The memory layout of DLPack 1.x, the exchange of tensors between libraries in one process,
// written from its public specification. Names and numbers are those of the specification; any
// other library's header describes the same bytes.
#pragma once

#include <cstdint>

namespace weft::dlpack {

constexpr uint32_t kMajorVersion = 1;
constexpr uint32_t kMinorVersion = 1;

struct DLPackVersion {
  uint32_t major;
  uint32_t minor;
};

constexpr int32_t kDLCPU = 1;
constexpr int32_t kDLCUDA = 2;
constexpr int32_t kDLExtDev = 12;  // of whoever extends a framework by one

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};

constexpr uint8_t kDLInt = 0;
constexpr uint8_t kDLUInt = 1;
constexpr uint8_t kDLFloat = 2;
constexpr uint8_t kDLBfloat = 4;
constexpr uint8_t kDLComplex = 5;
constexpr uint8_t kDLBool = 6;
constexpr uint8_t kDLFloat8_e4m3fn = 10;
constexpr uint8_t kDLFloat8_e4m3fnuz = 11;
constexpr uint8_t kDLFloat8_e5m2 = 12;
constexpr uint8_t kDLFloat8_e5m2fnuz = 13;
constexpr uint8_t kDLFloat8_e8m0fnu = 14;
constexpr uint8_t kDLFloat4_e2m1fn = 17;

struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};

struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; may be null for row-major
  uint64_t byte_offset;
};

// The form before version 1.
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);  // may be null
};

constexpr uint64_t kFlagReadOnly = 1;
constexpr uint64_t kFlagCopied = 2;
constexpr uint64_t kFlagSubBytePadded = 4;

struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);  // may be null
  uint64_t flags;
  DLTensor dl_tensor;
};

static_assert(sizeof(DLTensor) == 48 && sizeof(DLManagedTensor) == 64);
static_assert(sizeof(DLManagedTensorVersioned) == 80);

}  // namespace weft::dlpack
