// Compiling at run time.
#include "plugins/cuda/rtc.h"

#include <nvrtc.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "plugins/cuda/device.h"

namespace weft::cuda {

namespace {

void check_rtc(nvrtcResult result, const char* what) {
  if (result == NVRTC_SUCCESS) return;
  throw Error(WEFT_INTERNAL, std::string(what) + ": NVRTC says " + nvrtcGetErrorString(result));
}

// Machine code where all GPUs are of one kind that the compiler knows, else what the driver compiles for each of them.
struct Target {
  std::string option;
  bool machine_code;
};

Target find_target() {
  int count = 0, least = 0, most = 0;
  check(cudaGetDeviceCount(&count), "the GPUs cannot be counted");
  for (int i = 0; i < count; ++i) {
    int major = 0, minor = 0;
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i), "a GPU cannot be asked what it is");
    check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, i), "a GPU cannot be asked what it is");
    const int number = 10 * major + minor;
    if (number < 80) continue;  // none that a session can use
    least = least == 0 ? number : std::min(least, number);
    most = std::max(most, number);
  }
  int known_count = 0;
  check_rtc(nvrtcGetNumSupportedArchs(&known_count), "the compiler cannot be asked what it knows");
  std::vector<int> known(static_cast<size_t>(known_count));
  check_rtc(nvrtcGetSupportedArchs(known.data()), "the compiler cannot be asked what it knows");
  const bool exact = least == most && std::find(known.begin(), known.end(), least) != known.end();
  if (exact) return {"--gpu-architecture=sm_" + std::to_string(least), true};
  int best = 80;
  for (int number : known) {
    if (number <= least) best = std::max(best, number);
  }
  return {"--gpu-architecture=compute_" + std::to_string(best), false};
}

std::string compile_image(const std::string& source) {
  static const Target target = find_target();
  nvrtcProgram program = nullptr;
  check_rtc(nvrtcCreateProgram(&program, source.c_str(), "fused.cu", 0, nullptr, nullptr),
            "a kernel cannot be compiled");
  // Contraction would give an expression other bits than its operators have one by one.
  const char* options[] = {target.option.c_str(), "--std=c++17", "--fmad=false", "--device-as-default-execution-space"};
  const nvrtcResult result = nvrtcCompileProgram(program, 4, options);
  std::string image;
  std::string log;
  size_t size = 0;
  if (result == NVRTC_SUCCESS) {
    const auto get_size = target.machine_code ? nvrtcGetCUBINSize : nvrtcGetPTXSize;
    const auto get = target.machine_code ? nvrtcGetCUBIN : nvrtcGetPTX;
    if (get_size(program, &size) == NVRTC_SUCCESS) {
      image.resize(size);
      (void)get(program, image.data());
    }
  } else if (nvrtcGetProgramLogSize(program, &size) == NVRTC_SUCCESS) {
    log.resize(size);
    (void)nvrtcGetProgramLog(program, log.data());
  }
  (void)nvrtcDestroyProgram(&program);
  if (image.empty()) throw Error(WEFT_INTERNAL, "a kernel cannot be compiled: " + log + "\n" + source);
  return image;
}

struct Compiled {
  std::string image;  // read by the driver as GPUs come to need it
  cudaKernel_t kernel = nullptr;
};

}  // namespace

cudaKernel_t compile(const std::string& source, const char* name) {
  static auto* mutex = new std::mutex;
  static auto* all = new std::unordered_map<std::string, Compiled>;  // never destroyed: threads may run at exit
  {
    std::lock_guard lock(*mutex);
    auto at = all->find(source);
    if (at != all->end()) return at->second.kernel;
  }
  Compiled made{compile_image(source), nullptr};
  std::lock_guard lock(*mutex);
  auto [at, is_new] = all->emplace(source, std::move(made));
  if (!is_new) return at->second.kernel;
  try {
    cudaLibrary_t library = nullptr;
    check(cudaLibraryLoadData(&library, at->second.image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
          "a kernel cannot be loaded");
    check(cudaLibraryGetKernel(&at->second.kernel, library, name), "a kernel cannot be loaded");
  } catch (...) {
    all->erase(at);
    throw;
  }
  return at->second.kernel;
}

}  // namespace weft::cuda
