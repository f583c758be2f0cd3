// Kernels that are written when a plan is made: compiled by NVRTC, once for each text for as long as somebody has it.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <string>

namespace weft::cuda {

// A compiled program, which is unloaded with its last holder: nothing of it may be under way then.
class Compiled {
 public:
  Compiled(std::string image, const char* name);
  ~Compiled();
  Compiled(const Compiled&) = delete;

  // As cudaLaunchKernel takes it.
  const void* kernel() const { return reinterpret_cast<const void*>(kernel_); }

 private:
  const std::string image_;  // read by the driver as GPUs come to need it
  cudaLibrary_t library_ = nullptr;
  cudaKernel_t kernel_ = nullptr;
};

// The kernel `name` of a program in CUDA C++, for the GPUs of this process. Thread-safe. Throws if it does not compile.
std::shared_ptr<const Compiled> compile(const std::string& source, const char* name);

}  // namespace weft::cuda
