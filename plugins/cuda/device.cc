// GPUs: memory, streams, and errors of the libraries in words.
#include "plugins/cuda/device.h"

#include <bit>
#include <cstdio>

namespace weft::cuda {

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  (void)cudaGetLastError();  // what is not lasting is told once
  const int32_t code = result == cudaErrorMemoryAllocation ? WEFT_RESOURCE_EXHAUSTED : WEFT_INTERNAL;
  throw Error(code, std::string(what) + ": " + cudaGetErrorString(result) + " (" + cudaGetErrorName(result) + ")");
}

void check(cublasStatus_t result, const char* what) {
  if (result == CUBLAS_STATUS_SUCCESS) return;
  const int32_t code = result == CUBLAS_STATUS_ALLOC_FAILED ? WEFT_RESOURCE_EXHAUSTED : WEFT_INTERNAL;
  throw Error(code, std::string(what) + ": cuBLASLt says " + cublasLtGetStatusName(result));
}

void check(cudnnStatus_t result, const char* what) {
  if (result == CUDNN_STATUS_SUCCESS) return;
  throw Error(WEFT_INTERNAL, std::string(what) + ": cuDNN says " + cudnnGetErrorString(result));
}

namespace {

// In the words of the CPU's kernels.
Error error_of(const Fault& fault) {
  const std::string value = std::to_string(fault.value), limit = std::to_string(fault.limit);
  switch (fault.kind) {
    case kLabelOutOfRange: return {WEFT_OUT_OF_RANGE, "a label is " + value + " but there are " + limit + " classes"};
    case kPlaceOutOfRange:
      return {WEFT_OUT_OF_RANGE, "index " + value + " is outside a tensor of " + limit + " elements"};
    case kStepTooLow: return {WEFT_INVALID_ARGUMENT, "input 'step' is " + value + "; the first step is 1"};
    case kRatioOutOfRange: {
      char text[80];
      std::snprintf(text, sizeof text, "input 'ratio' is %g; it must be from 0 to 1",
                    std::bit_cast<double>(fault.value));
      return {WEFT_INVALID_ARGUMENT, text};
    }
    case kNoClass:
      return {WEFT_INVALID_ARGUMENT,
              "a row of the scores has no greatest one that is finite, so no class can be drawn"};
    default:
      return {WEFT_OUT_OF_RANGE,
              "index " + value + " is outside axis " + std::to_string(fault.axis) + " of size " + limit};
  }
}

}  // namespace

Device::Device(int index) : index_(index) {
  check(cudaGetDeviceProperties(&properties_, index), "the GPU cannot be asked what it is");
  if (properties_.major < 8) {
    throw Error(WEFT_FAILED_PRECONDITION, std::string("the GPU '") + properties_.name +
                                              "' has the compute capability " + std::to_string(properties_.major) +
                                              "." + std::to_string(properties_.minor) + "; 8.0 or more is needed");
  }
  use();
  check(cudaStreamCreateWithFlags(&memory_stream_, cudaStreamNonBlocking), "the GPU cannot be used");
  cudaMemPoolProps pool{};
  pool.allocType = cudaMemAllocationTypePinned;
  pool.location = {cudaMemLocationTypeDevice, {index}};
  check(cudaMemPoolCreate(&pool_, &pool), "the GPU's memory cannot be used");
  uint64_t keep = UINT64_MAX;  // until nothing is held any more
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "the GPU's memory cannot be used");
}

void Device::use() const { check(cudaSetDevice(index_), "the GPU cannot be used"); }

cublasLtHandle_t Device::blas() {
  std::lock_guard lock(mutex_);
  if (blas_ == nullptr) {
    use();
    check(cublasLtCreate(&blas_), "cuBLASLt cannot be used");
  }
  return blas_;
}

void* Device::allocate(int64_t bytes) {
  use();
  void* data = nullptr;
  const cudaError_t result =
      cudaMallocFromPoolAsync(&data, static_cast<size_t>(bytes > 0 ? bytes : 1), pool_, memory_stream_);
  if (result != cudaSuccess) {
    (void)cudaGetLastError();
    size_t available = 0, total = 0;
    (void)cudaMemGetInfo(&available, &total);
    char text[160];
    std::snprintf(text, sizeof text, "the GPU has no %.1f MiB left: %.1f of %.1f MiB are free",
                  static_cast<double>(bytes) / 1048576, static_cast<double>(available) / 1048576,
                  static_cast<double>(total) / 1048576);
    if (result == cudaErrorMemoryAllocation) throw Error(WEFT_RESOURCE_EXHAUSTED, text);
    check(result, "the GPU gives no memory");
  }
  check(cudaStreamSynchronize(memory_stream_), "the GPU gives no memory");
  std::lock_guard lock(mutex_);
  ++blocks_;
  return data;
}

void Device::free(void* data) {
  // Nobody can be told of an error here; a GPU that is lost says so to whoever uses it next.
  (void)cudaSetDevice(index_);
  (void)cudaFreeAsync(data, memory_stream_);
  std::lock_guard lock(mutex_);
  if (--blocks_ > 0) return;
  (void)cudaStreamSynchronize(memory_stream_);
  (void)cudaMemPoolTrimTo(pool_, 0);
}

void Device::copy(void* to, const void* from, int64_t bytes, cudaMemcpyKind kind) {
  if (bytes <= 0) return;
  use();
  // cudaMemcpy may return while memory of the process that is not pinned is still on its way.
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, memory_stream_), "a copy failed");
  check(cudaStreamSynchronize(memory_stream_), "a copy failed");
}

void Device::wait_for_default_stream() {
  use();
  check(cudaStreamSynchronize(cudaStreamLegacy), "work that other libraries put on the GPU failed");
}

cudnnHandle_t Device::take_dnn() {
  {
    std::lock_guard lock(mutex_);
    if (!dnn_.empty()) {
      cudnnHandle_t handle = dnn_.back();
      dnn_.pop_back();
      return handle;
    }
  }
  cudnnHandle_t handle = nullptr;
  use();
  check(cudnnCreate(&handle), "cuDNN cannot be used");
  std::lock_guard lock(mutex_);
  dnn_.reserve(++dnn_made_);  // so that giving one back needs no memory
  return handle;
}

void Device::give_dnn(cudnnHandle_t handle) {
  std::lock_guard lock(mutex_);
  dnn_.push_back(handle);
}

Stream::Stream(Device& device) : device_(device) {
  device.use();
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream cannot be made");
  try {
    check(cudaHostAlloc(reinterpret_cast<void**>(&fault_), sizeof(Fault), cudaHostAllocMapped),
          "a stream cannot be made");
    *fault_ = {};
    claimed_ = static_cast<int32_t*>(device.allocate(sizeof(int32_t)));
    check(cudaMemsetAsync(claimed_, 0, sizeof(int32_t), stream_), "a stream cannot be made");
  } catch (...) {
    if (claimed_ != nullptr) device.free(claimed_);
    if (fault_ != nullptr) (void)cudaFreeHost(fault_);
    (void)cudaStreamDestroy(stream_);
    throw;
  }
}

Stream::~Stream() {
  (void)cudaSetDevice(device_.index());
  (void)cudaStreamSynchronize(stream_);
  if (dnn_ != nullptr) (void)cudnnSetStream(dnn_, nullptr);
  (void)cudaStreamDestroy(stream_);
  (void)cudaFreeHost(fault_);
  device_.free(claimed_);
  if (dnn_ != nullptr) device_.give_dnn(dnn_);
}

cudnnHandle_t Stream::dnn() {
  if (dnn_ == nullptr) {
    cudnnHandle_t handle = device_.take_dnn();
    const cudnnStatus_t set = cudnnSetStream(handle, stream_);
    if (set != CUDNN_STATUS_SUCCESS) device_.give_dnn(handle);
    check(set, "cuDNN cannot use the stream");
    dnn_ = handle;
  }
  return dnn_;
}

void Stream::copy(void* to, const void* from, int64_t bytes, cudaMemcpyKind kind) {
  if (bytes <= 0) return;
  device_.use();
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, stream_), "a copy cannot be started");
}

void Stream::record() {
  device_.use();
  // What other threads do meanwhile is their own affair.
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "work cannot be recorded");
}

cudaGraphExec_t Stream::recorded() {
  device_.use();
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_, &graph), "work cannot be recorded");
  cudaGraphExec_t made = nullptr;
  const cudaError_t result = cudaGraphInstantiate(&made, graph, 0);
  (void)cudaGraphDestroy(graph);
  check(result, "work cannot be recorded");
  return made;
}

void Stream::replay(cudaGraphExec_t recording) {
  device_.use();
  check(cudaGraphLaunch(recording, stream_), "recorded work cannot be started");
}

void Stream::wait(int32_t* step) {
  *step = -1;
  device_.use();
  check(cudaStreamSynchronize(stream_), "work on the GPU failed");
  if (fault_->kind == kNoFault) return;
  const Fault found = *fault_;
  *fault_ = {};
  check(cudaMemsetAsync(claimed_, 0, sizeof(int32_t), stream_), "work on the GPU failed");
  *step = found.step;
  throw error_of(found);
}

}  // namespace weft::cuda
