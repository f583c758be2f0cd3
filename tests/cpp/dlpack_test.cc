// DLPack through the C++ header, with structures that are written out here as its specification has them.
#include <functional>

#include "support.h"

namespace {

struct DLTensor {
  void* data;
  int32_t device_type, device_id;
  int32_t ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

using Dlpack = NoLeaks;

// Six numbers of another library.
struct Foreign {
  float values[6] = {1, 2, 3, 4, 5, 6};
  int64_t shape[2] = {2, 3};
  int deleted = 0;

  DLTensor tensor() { return DLTensor{values, 1, 0, 2, 2, 32, 1, shape, nullptr, 0}; }
  DLManagedTensorVersioned versioned() {
    return {1, 0,       this, [](DLManagedTensorVersioned* self) { ++static_cast<Foreign*>(self->context)->deleted; },
            0, tensor()};
  }
  DLManagedTensor unversioned() {
    return {tensor(), this, [](DLManagedTensor* self) { ++static_cast<Foreign*>(self->context)->deleted; }};
  }
};

int32_t code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const weft::Error& error) {
    return error.code();
  }
  return WEFT_OK;
}

TEST_F(Dlpack, InWithoutACopyAndDeletedOnce) {
  Foreign foreign;
  auto versioned = foreign.versioned();
  auto unversioned = foreign.unversioned();
  {
    auto tensor = weft::Tensor::from_dlpack(&versioned);
    EXPECT_EQ(tensor.data<float>(), foreign.values);
    EXPECT_EQ(tensor.text(), "f32[2, 3]");
    tensor.mutable_data<float>()[0] = 7;
    auto again = tensor.reshape({6});
    tensor = weft::Tensor();
    EXPECT_EQ(foreign.deleted, 0);
    EXPECT_EQ(again.data<float>()[0], 7);
  }
  EXPECT_EQ(foreign.deleted, 1);
  EXPECT_EQ(weft::Tensor::from_dlpack(&unversioned, false).to_vector<float>(), (std::vector<float>{7, 2, 3, 4, 5, 6}));
  EXPECT_EQ(foreign.deleted, 2);
  versioned.deleter = nullptr;
  EXPECT_EQ(weft::Tensor::from_dlpack(&versioned).count(), 6);
}

TEST_F(Dlpack, ReadOnly) {
  Foreign foreign;
  auto versioned = foreign.versioned();
  versioned.flags = 1;
  auto tensor = weft::Tensor::from_dlpack(&versioned);
  EXPECT_EQ(code_of([&] { tensor.mutable_data<float>(); }), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(code_of([&] { tensor.to_dlpack(false); }), WEFT_FAILED_PRECONDITION);
  auto* out = static_cast<DLManagedTensorVersioned*>(tensor.to_dlpack());
  EXPECT_EQ(out->flags, 1u);
  out->deleter(out);
}

TEST_F(Dlpack, WrongOnesStayTheCallers) {
  Foreign foreign;
  for (int i = 0; i < 5; ++i) {
    int64_t strides[2] = {1, 2}, negative[2] = {-1, 3};
    auto versioned = foreign.versioned();
    if (i == 0) versioned.major = 2;
    if (i == 1) versioned.tensor.device_type = 2;
    if (i == 2) versioned.tensor.strides = strides;
    if (i == 3) versioned.tensor.shape = negative;
    if (i == 4) versioned.tensor.data = nullptr;
    EXPECT_NE(code_of([&] { weft::Tensor::from_dlpack(&versioned); }), WEFT_OK) << i;
  }
  EXPECT_EQ(foreign.deleted, 0);
  EXPECT_EQ(code_of([&] { weft::Tensor::from_dlpack(nullptr); }), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(code_of([&] { weft::Tensor::from_dlpack(nullptr, false); }), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(code_of([&] { weft::Tensor().to_dlpack(); }), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(code_of([&] { weft::Tensor::strings({1}, {"a"}).to_dlpack(); }), WEFT_UNIMPLEMENTED);
}

TEST_F(Dlpack, OutWithoutACopy) {
  auto tensor = weft::Tensor::from<int64_t>({3}, {1, 2, 3});
  const int64_t* data = tensor.data<int64_t>();
  auto* versioned = static_cast<DLManagedTensorVersioned*>(tensor.to_dlpack());
  auto* unversioned = static_cast<DLManagedTensor*>(tensor.to_dlpack(false));
  tensor = weft::Tensor();
  EXPECT_EQ(versioned->major, 1u);
  EXPECT_EQ(versioned->flags, 0u);
  for (const DLTensor* out : {&versioned->tensor, &unversioned->tensor}) {
    EXPECT_EQ(out->data, data);
    EXPECT_EQ(static_cast<const int64_t*>(out->data)[2], 3);
    EXPECT_EQ(out->ndim, 1);
    EXPECT_EQ(out->shape[0], 3);
    EXPECT_EQ(out->code, 0);
    EXPECT_EQ(out->bits, 64);
  }
  unversioned->deleter(unversioned);
  auto back = weft::Tensor::from_dlpack(versioned);
  EXPECT_EQ(back.data<int64_t>(), data);
  EXPECT_EQ(back.to_vector<int64_t>(), (std::vector<int64_t>{1, 2, 3}));
}

}  // namespace
