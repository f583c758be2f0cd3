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

}  // namespace

Compiled::Compiled(std::string image, const char* name) : image_(std::move(image)) {
  check(cudaLibraryLoadData(&library_, image_.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        "a kernel cannot be loaded");
  const cudaError_t found = cudaLibraryGetKernel(&kernel_, library_, name);
  if (found != cudaSuccess) (void)cudaLibraryUnload(library_);
  check(found, "a kernel cannot be loaded");
}

Compiled::~Compiled() { (void)cudaLibraryUnload(library_); }

std::shared_ptr<const Compiled> compile(const std::string& source, const char* name) {
  static auto* mutex = new std::mutex;
  // Never destroyed: threads may run at exit. Texts that nobody has any more are taken out when there are many.
  static auto* all = new std::unordered_map<std::string, std::weak_ptr<const Compiled>>;
  constexpr size_t kMany = 256;
  static size_t look_at = kMany;
  {
    std::lock_guard lock(*mutex);
    auto at = all->find(source);
    if (at != all->end()) {
      if (auto known = at->second.lock()) return known;
    }
  }
  auto made = std::make_shared<const Compiled>(compile_image(source), name);
  std::lock_guard lock(*mutex);
  std::weak_ptr<const Compiled>& place = (*all)[source];
  if (auto known = place.lock()) return known;  // somebody else was faster
  place = made;
  if (all->size() >= look_at) {
    std::erase_if(*all, [](const auto& item) { return item.second.expired(); });
    look_at = 2 * all->size() + kMany;
  }
  return made;
}

}  // namespace weft::cuda
