// DLPack: out, in, and who lets go when.
#include "core/tensor/dlpack.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

namespace weft {
namespace {

using namespace dlpack;

// The offsets of the specification's C structures on 64-bit machines.
static_assert(offsetof(DLTensor, device) == 8 && offsetof(DLTensor, ndim) == 16);
static_assert(offsetof(DLTensor, dtype) == 20 && offsetof(DLTensor, shape) == 24);
static_assert(offsetof(DLTensor, strides) == 32 && offsetof(DLTensor, byte_offset) == 40);
static_assert(offsetof(DLManagedTensor, manager_ctx) == 48 && offsetof(DLManagedTensor, deleter) == 56);
static_assert(offsetof(DLManagedTensorVersioned, manager_ctx) == 8);
static_assert(offsetof(DLManagedTensorVersioned, deleter) == 16);
static_assert(offsetof(DLManagedTensorVersioned, flags) == 24);
static_assert(offsetof(DLManagedTensorVersioned, dl_tensor) == 32);

Tensor matrix() { return *Tensor::vector<float>({1, 2, 3, 4, 5, 6}).reshaped({2, 3}); }

TEST(Dlpack, ExportsWithoutCopy) {
  Tensor tensor = matrix();
  std::weak_ptr<Buffer> buffer = tensor.buffer();
  auto managed = to_dlpack(tensor);
  ASSERT_TRUE(managed.ok());
  const DLTensor& dl = (*managed)->dl_tensor;
  EXPECT_EQ((*managed)->version.major, 1u);
  EXPECT_EQ((*managed)->flags, 0u);
  EXPECT_EQ(dl.data, tensor.data());
  EXPECT_EQ(dl.device.device_type, 1);
  EXPECT_EQ(dl.device.device_id, 0);
  EXPECT_EQ(dl.ndim, 2);
  EXPECT_EQ(dl.dtype.code, 2);
  EXPECT_EQ(dl.dtype.bits, 32);
  EXPECT_EQ(dl.dtype.lanes, 1);
  EXPECT_EQ(Shape(dl.shape, dl.shape + 2), (Shape{2, 3}));
  EXPECT_EQ(Shape(dl.strides, dl.strides + 2), (Shape{3, 1}));
  EXPECT_EQ(dl.byte_offset, 0u);
  tensor = Tensor();
  EXPECT_FALSE(buffer.expired());
  EXPECT_EQ(static_cast<float*>(dl.data)[5], 6.0f);
  (*managed)->deleter(*managed);
  EXPECT_TRUE(buffer.expired());
}

TEST(Dlpack, ExportsUnversioned) {
  Tensor tensor = matrix();
  std::weak_ptr<Buffer> buffer = tensor.buffer();
  auto managed = to_dlpack_unversioned(tensor);
  ASSERT_TRUE(managed.ok());
  tensor = Tensor();
  EXPECT_FALSE(buffer.expired());
  EXPECT_EQ((*managed)->dl_tensor.ndim, 2);
  (*managed)->deleter(*managed);
  EXPECT_TRUE(buffer.expired());
}

TEST(Dlpack, RoundTripsEveryType) {
  for (int i = 1; i < kDTypeCount; ++i) {
    DType dtype = static_cast<DType>(i);
    if (dtype == DType::kString) continue;
    Tensor tensor = *Tensor::make(dtype, {3, 4});
    __builtin_memset(tensor.mutable_data(), 1, tensor.bytes());
    auto managed = to_dlpack(tensor);
    ASSERT_TRUE(managed.ok()) << dtype_name(dtype);
    auto back = from_dlpack(*managed);
    ASSERT_TRUE(back.ok()) << back.status().text();
    EXPECT_EQ(back->data(), tensor.data());
    EXPECT_TRUE(back->same_bits(tensor)) << dtype_name(dtype);
  }
}

// The codes and bits as other libraries write them.
TEST(Dlpack, TypeCodes) {
  const std::tuple<DType, int, int> expected[] = {
      {DType::kI64, 0, 64},      {DType::kU8, 1, 8},          {DType::kF16, 2, 16},    {DType::kF64, 2, 64},
      {DType::kBF16, 4, 16},     {DType::kC64, 5, 64},        {DType::kC128, 5, 128},  {DType::kBool, 6, 8},
      {DType::kF8E4M3FN, 10, 8}, {DType::kF8E4M3FNUZ, 11, 8}, {DType::kF8E5M2, 12, 8}, {DType::kF8E5M2FNUZ, 13, 8},
      {DType::kF8E8M0, 14, 8},   {DType::kF4E2M1, 17, 4},     {DType::kI4, 0, 4}};
  for (auto [dtype, code, bits] : expected) {
    auto* managed = *to_dlpack(*Tensor::make(dtype, {2}));
    EXPECT_EQ(managed->dl_tensor.dtype.code, code) << dtype_name(dtype);
    EXPECT_EQ(managed->dl_tensor.dtype.bits, bits) << dtype_name(dtype);
    managed->deleter(managed);
  }
}

TEST(Dlpack, ReadOnlyMemory) {
  float values[2] = {1, 2};
  Tensor tensor = *Tensor::over(DType::kF32, {2}, Buffer::borrow(values, 8, false, nullptr, nullptr));
  auto* managed = *to_dlpack(tensor);
  EXPECT_EQ(managed->flags, 1u);
  Tensor back = *from_dlpack(managed);
  EXPECT_FALSE(back.buffer()->writable());
  EXPECT_EQ(to_dlpack_unversioned(tensor).status().code(), Code::kFailedPrecondition);
}

TEST(Dlpack, ScalarsAndEmptyTensors) {
  auto* scalar = *to_dlpack(Tensor::scalar(7.0));
  EXPECT_EQ(scalar->dl_tensor.ndim, 0);
  EXPECT_EQ(from_dlpack(scalar)->as<double>()[0], 7.0);
  auto* empty = *to_dlpack(*Tensor::make(DType::kI32, {2, 0, 3}));
  EXPECT_EQ(empty->dl_tensor.data, nullptr);
  Tensor back = *from_dlpack(empty);
  EXPECT_EQ(back.shape(), (Shape{2, 0, 3}));
}

// Steps over so many elements fit no number; nobody takes them.
TEST(Dlpack, SizesAroundNothingMayBeAny) {
  const Shape shape = {0, int64_t{1} << 62, int64_t{1} << 62, 2};
  auto managed = to_dlpack(*Tensor::make(DType::kF32, shape));
  ASSERT_TRUE(managed.ok());
  const DLTensor& dl = (*managed)->dl_tensor;
  EXPECT_EQ(Shape(dl.shape, dl.shape + dl.ndim), shape);
  auto back = from_dlpack(*managed);
  ASSERT_TRUE(back.ok()) << back.status().text();
  EXPECT_EQ(back->shape(), shape);
}

TEST(Dlpack, RefusesToExport) {
  EXPECT_EQ(to_dlpack(*Tensor::from_strings({1}, {"a"})).status().code(), Code::kUnimplemented);
  EXPECT_EQ(to_dlpack(Tensor::sequence({})).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(to_dlpack(Tensor()).status().code(), Code::kUnimplemented);
  EXPECT_EQ(to_dlpack_unversioned(*Tensor::from_strings({1}, {"a"})).status().code(), Code::kUnimplemented);
  EXPECT_EQ(to_dlpack_unversioned(*Tensor::make(DType::kI4, {2})).status().code(), Code::kUnimplemented);
}

// Another library's tensor that counts how often it is let go.
template <typename Managed>
struct Foreign {
  float values[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  int64_t shape[3] = {2, 3, 0};
  int64_t strides[3] = {3, 1, 0};
  int deleted = 0;
  Managed managed{};

  Foreign() {
    DLTensor& dl = managed.dl_tensor;
    dl.data = values;
    dl.device = {1, 0};
    dl.ndim = 2;
    dl.dtype = {2, 32, 1};
    dl.shape = shape;
    dl.strides = strides;
    managed.manager_ctx = this;
    managed.deleter = [](Managed* self) { ++static_cast<Foreign*>(self->manager_ctx)->deleted; };
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) managed.version = {1, 3};
  }

  // The error; the tensor must not have been let go, since it was not taken.
  std::string problem() {
    auto tensor = from_dlpack(&managed);
    EXPECT_FALSE(tensor.ok());
    EXPECT_EQ(deleted, 0);
    return tensor.status().message();
  }
};

template <typename Managed>
class DlpackImport : public testing::Test {};
using Forms = testing::Types<DLManagedTensor, DLManagedTensorVersioned>;
TYPED_TEST_SUITE(DlpackImport, Forms);

TYPED_TEST(DlpackImport, LetsGoOnceWithTheLastHolder) {
  Foreign<TypeParam> foreign;
  foreign.managed.dl_tensor.byte_offset = 4;
  Tensor second;
  {
    auto tensor = from_dlpack(&foreign.managed);
    ASSERT_TRUE(tensor.ok()) << tensor.status().text();
    EXPECT_EQ(tensor->summary(), "f32[2, 3]");
    EXPECT_EQ(tensor->data(), foreign.values + 1);
    EXPECT_EQ(tensor->template as<float>()[5], 6.0f);
    EXPECT_TRUE(tensor->buffer()->writable());
    second = *tensor->reshaped({6});
  }
  EXPECT_EQ(foreign.deleted, 0);
  second = Tensor();
  EXPECT_EQ(foreign.deleted, 1);
}

TYPED_TEST(DlpackImport, WithoutDeleterOrStrides) {
  Foreign<TypeParam> foreign;
  foreign.managed.deleter = nullptr;
  foreign.managed.dl_tensor.strides = nullptr;
  EXPECT_TRUE(from_dlpack(&foreign.managed).ok());
}

TYPED_TEST(DlpackImport, StridesThatDoNotMatterMayBeAnything) {
  Foreign<TypeParam> foreign;
  foreign.shape[0] = 1;
  foreign.strides[0] = 77;
  EXPECT_TRUE(from_dlpack(&foreign.managed).ok());
  EXPECT_EQ(foreign.deleted, 1);
  foreign.shape[0] = 0;
  foreign.strides[1] = 5;
  EXPECT_TRUE(from_dlpack(&foreign.managed).ok());
}

TYPED_TEST(DlpackImport, RefusesWhatItCannotTake) {
  auto problem = [](auto change) {
    Foreign<TypeParam> foreign;
    change(foreign);
    return foreign.problem();
  };
  using F = Foreign<TypeParam>;
  EXPECT_EQ(problem([](F& f) { f.strides[0] = 1, f.strides[1] = 2; }),
            "the tensor f32[2, 3] has the strides [1, 2]; only row-major memory without gaps can "
            "be taken: make it "
            "contiguous first");
  EXPECT_NE(problem([](F& f) { f.strides[0] = 4; }), "");
  EXPECT_NE(problem([](F& f) { f.strides[1] = 0; }), "");
  EXPECT_EQ(
      problem([](F& f) { f.managed.dl_tensor.device.device_type = 2; }),
      "the tensor lies on a device of DLPack type 2, number 0, which no device here is: load the plug-in that brings "
      "it, or copy the tensor to the CPU's memory first");
  EXPECT_EQ(problem([](F& f) { f.managed.dl_tensor.dtype.lanes = 4; }),
            "DLPack type code 2 of 32 bits and 4 lanes is not supported");
  EXPECT_NE(problem([](F& f) { f.managed.dl_tensor.dtype = {3, 64, 1}; }), "");
  EXPECT_NE(problem([](F& f) { f.managed.dl_tensor.dtype = {6, 1, 1}; }), "");
  EXPECT_EQ(problem([](F& f) { f.managed.dl_tensor.ndim = -1; }), "the tensor has -1 dimensions");
  EXPECT_NE(problem([](F& f) { f.managed.dl_tensor.ndim = 65; }), "");
  EXPECT_EQ(problem([](F& f) { f.managed.dl_tensor.shape = nullptr; }), "the tensor has dimensions but no shape");
  EXPECT_EQ(problem([](F& f) { f.managed.dl_tensor.data = nullptr; }), "the tensor has elements but no memory");
  EXPECT_EQ(problem([](F& f) { f.shape[0] = -2; }), "shape [-2, 3] has a negative dimension");
  EXPECT_NE(problem([](F& f) { f.shape[0] = int64_t{1} << 62; }), "");
  EXPECT_EQ(problem([](F& f) { f.managed.dl_tensor.byte_offset = 2; }), "memory for f32 must be aligned to 4 bytes");
  EXPECT_EQ(problem([](F& f) { f.managed.dl_tensor.byte_offset = UINT64_MAX - 3; }),
            "the tensor begins 18446744073709551612 bytes behind its memory's address, where no memory is");
  EXPECT_FALSE(from_dlpack(static_cast<TypeParam*>(nullptr)).ok());
}

TEST(DlpackVersioned, ChecksVersionAndFlags) {
  using F = Foreign<DLManagedTensorVersioned>;
  F other;
  other.managed.version = {2, 0};
  EXPECT_EQ(other.problem(), "the tensor is of DLPack version 2; version 1 is known");
  F padded;
  padded.managed.dl_tensor.dtype = {0, 4, 1};
  padded.managed.flags = 4;
  EXPECT_EQ(padded.problem(), "elements smaller than a byte have to be packed");
  F read_only;
  read_only.managed.flags = 1;
  EXPECT_FALSE(from_dlpack(&read_only.managed)->buffer()->writable());
}

}  // namespace
}  // namespace weft
