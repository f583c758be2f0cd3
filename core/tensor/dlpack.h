// Tensors to and from other libraries of the process without a copy.
#pragma once

#include "core/tensor/dlpack_abi.h"
#include "core/tensor/tensor.h"

namespace weft {

// The result shares the elements and holds them until its deleter is called, which whoever takes it
// does once.
Result<dlpack::DLManagedTensorVersioned*> to_dlpack(const Tensor& tensor);
// The old form cannot say that memory is read-only nor how elements smaller than a byte lie: an
// error for such tensors.
Result<dlpack::DLManagedTensor*> to_dlpack_unversioned(const Tensor& tensor);

// The tensor lies over the other library's memory, read-only if that says so, and calls its deleter
// once, when the last holder lets go. After an error `managed` still is the caller's and its
// deleter has not been called.
Result<Tensor> from_dlpack(dlpack::DLManagedTensorVersioned* managed);
Result<Tensor> from_dlpack(dlpack::DLManagedTensor* managed);

}  // namespace weft
