// A GPU: its memory, its streams, and the libraries' handles that belong to them.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "plugins/cuda/host.h"

namespace weft::cuda {

// Throw with what was tried, and the library's own words.
void check(cudaError_t result, const char* what);
void check(cublasStatus_t result, const char* what);
void check(cudnnStatus_t result, const char* what);

// What a kernel writes when it finds its input wrong: into memory of the process, which the GPU can reach.
struct Fault {
  int32_t step;   // of the plan
  int32_t kind;   // a FaultKind
  int64_t value;  // what was found
  int64_t limit;  // what it had to be below
  int32_t axis;   // of kIndexOutOfRange
};
enum FaultKind : int32_t {
  kNoFault = 0,
  kIndexOutOfRange = 1,
  kLabelOutOfRange = 2,
  kPlaceOutOfRange = 3,
  kStepTooLow = 16,
  kRatioOutOfRange = 17,  // the value is the bits of a double
  kNoClass = 18,
};

// As kernels get it. The first that claims the slot is told of.
struct FaultSlot {
  int32_t* claimed;  // on the device
  Fault* fault;      // in pinned memory

#ifdef __CUDACC__
  __device__ void report(int32_t step, int32_t kind, int64_t value, int64_t limit, int32_t axis = 0) const {
    if (atomicCAS(claimed, 0, 1) != 0) return;
    volatile Fault* at = fault;
    at->step = step;
    at->value = value;
    at->limit = limit;
    at->axis = axis;
    __threadfence_system();
    at->kind = kind;
  }
#endif
};

class Device {
 public:
  explicit Device(int index);
  Device(const Device&) = delete;

  // Makes this GPU the calling thread's.
  void use() const;
  int index() const { return index_; }
  const cudaDeviceProp& properties() const { return properties_; }
  cublasLtHandle_t blas();

  void* allocate(int64_t bytes);
  void free(void* data);
  void copy(void* to, const void* from, int64_t bytes, cudaMemcpyKind kind);
  // Until the legacy default stream, and so all streams that are in order with it, have done what was put there.
  void wait_for_default_stream();

  // A handle of cuDNN for a stream, which gives it back when it closes.
  cudnnHandle_t take_dnn();
  void give_dnn(cudnnHandle_t handle);

 private:
  const int index_;
  cudaDeviceProp properties_{};
  cudaMemPool_t pool_ = nullptr;
  cudaStream_t memory_stream_ = nullptr;  // on which memory is taken and given back
  std::mutex mutex_;
  int64_t blocks_ = 0;  // that are held
  cublasLtHandle_t blas_ = nullptr;
  std::vector<cudnnHandle_t> dnn_;  // that nobody has
  size_t dnn_made_ = 0;
};

// Work in order. One thread uses it at a time.
class Stream {
 public:
  explicit Stream(Device& device);
  ~Stream();
  Stream(const Stream&) = delete;

  Device& device() const { return device_; }
  cudaStream_t get() const { return stream_; }
  cudnnHandle_t dnn();
  FaultSlot faults() const { return {claimed_, fault_}; }

  void copy(void* to, const void* from, int64_t bytes, cudaMemcpyKind kind);
  void record();
  cudaGraphExec_t recorded();
  void replay(cudaGraphExec_t recording);
  // Until all is done. Throws the first error, with its step in `step`, or -1.
  void wait(int32_t* step);

 private:
  Device& device_;
  cudaStream_t stream_ = nullptr;
  cudnnHandle_t dnn_ = nullptr;
  int32_t* claimed_ = nullptr;
  Fault* fault_ = nullptr;
};

}  // namespace weft::cuda
