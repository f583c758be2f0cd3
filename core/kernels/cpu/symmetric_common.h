// Eigenvalues and eigenvectors of a symmetric matrix.
#pragma once

#include <cstdint>

#include "core/base/thread_pool.h"

namespace weft::linalg {

// Bytes of scratch memory that a matrix of n rows takes, a multiple of 64.
template <typename T>
int64_t symmetric_scratch(int64_t n);

// `a` has finite elements in its lower triangle, which alone is read. The values ascend; column i of the vectors belongs
// to value i, has length 1, and its first largest element is positive. False where the iteration does not end. The bits
// depend on the instruction set, but not on the threads. `scratch` is 64-byte aligned.
template <typename T>
bool symmetric_eigen(const T* a, int64_t n, T* values, T* vectors, void* scratch, const Parallel& parallel);

}  // namespace weft::linalg
