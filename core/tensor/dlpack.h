// Tensors to and from other libraries of the process without a copy.
#pragma once

#include "core/tensor/dlpack_abi.h"
#include "core/tensor/tensor.h"

namespace weft {

// The result shares the elements and holds them until its deleter is called, which whoever takes it
// does once. Elements on a device are there for every stream; the deleter waits for what has been put in order with the
// device's default stream (Memory::wait_for_others), as that may still read them.
Result<dlpack::DLManagedTensorVersioned*> to_dlpack(const Tensor& tensor);
// The old form cannot say that memory is read-only nor how elements smaller than a byte lie: an
// error for such tensors.
Result<dlpack::DLManagedTensor*> to_dlpack_unversioned(const Tensor& tensor);

// The memory of the device that DLPack calls so; null if there is none.
using FindMemory = std::shared_ptr<Memory> (*)(const dlpack::DLDevice& device);

// The tensor lies over the other library's memory, read-only if that says so, and calls its deleter
// once, when the last holder lets go. What wrote elements on a device must have been put in order with its default stream:
// that is waited for. After an error `managed` still is the caller's and its deleter has not been called.
Result<Tensor> from_dlpack(dlpack::DLManagedTensorVersioned* managed, FindMemory find = nullptr);
Result<Tensor> from_dlpack(dlpack::DLManagedTensor* managed, FindMemory find = nullptr);

}  // namespace weft
