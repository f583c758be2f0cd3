// Kernels that are written when a plan is made: compiled by NVRTC, once in a process for each text.
#pragma once

#include <cuda_runtime.h>

#include <string>

namespace weft::cuda {

// The kernel `name` of a program in CUDA C++, for the GPUs of this process. Thread-safe. Throws if it does not compile.
cudaKernel_t compile(const std::string& source, const char* name);

}  // namespace weft::cuda
