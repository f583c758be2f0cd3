// The plug-in's table: what weft/plugin.h asks for, in terms of devices, streams and definitions.
#include <algorithm>
#include <memory>
#include <new>

#include "plugins/cuda/device.h"
#include "plugins/cuda/fused.h"

namespace weft::cuda {
namespace {

const weft_plugin_host* host;

// Puts the thread's GPU back, which is other libraries' too.
class CurrentDevice {
 public:
  CurrentDevice() {
    if (cudaGetDevice(&before_) != cudaSuccess) before_ = -1;
  }
  ~CurrentDevice() {
    if (before_ >= 0) (void)cudaSetDevice(before_);
  }
  CurrentDevice(const CurrentDevice&) = delete;

 private:
  int before_ = -1;
};

template <typename Function>
weft_status* guarded(Function&& function) {
  const CurrentDevice current;
  try {
    function();
    return nullptr;
  } catch (const Error& error) {
    return host->make_status(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return host->make_status(WEFT_RESOURCE_EXHAUSTED, "the process has no more memory");
  } catch (const std::exception& error) {
    return host->make_status(WEFT_INTERNAL, error.what());
  }
}

struct Table {
  std::vector<std::unique_ptr<Device>> devices;
  Definitions definitions;
  std::vector<weft_plugin_kernel> kernels;
  weft_plugin plugin{};
};

const Definition& definition(const void* user) { return *static_cast<const Definition*>(user); }

int32_t accepts(const void* user, const weft_plugin_node* node) {
  try {
    return definition(user).accepts(Node(node)) ? 1 : 0;
  } catch (...) {
    return 0;  // no memory to look at it with
  }
}

// A kernel with the number of addresses that it is given. Nodes end with their last input and output that is not left out,
// and kernels may look for more: those are null.
struct Made {
  Prepared prepared;
  size_t inputs, outputs;
};
constexpr size_t kFew = 16, kMore = 16;
// Of scratch, which the library aligns to 64 bytes; cuBLASLt wants more.
constexpr int64_t kScratchAlignment = 256, kLibraryAlignment = 64;

weft_status* run(const void* state, const weft_plugin_run* args) {
  return guarded([&] {
    auto& stream = *static_cast<Stream*>(args->stream);
    stream.device().use();
    const Made& made = *static_cast<const Made*>(state);
    void* scratch = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(args->scratch) + kScratchAlignment - 1) /
                                            kScratchAlignment * kScratchAlignment);
    if (made.inputs > kFew || made.outputs > kFew) {
      made.prepared.run({args->inputs, args->outputs, scratch, stream, args->step});
      return;
    }
    const void* in[kFew + kMore] = {};
    void* out[kFew + kMore] = {};
    std::copy_n(args->inputs, made.inputs, in);
    std::copy_n(args->outputs, made.outputs, out);
    made.prepared.run({in, out, scratch, stream, args->step});
  });
}

void drop(void* state) { delete static_cast<Made*>(state); }

Device& device_of(void* device) { return *static_cast<Device*>(device); }
Stream& stream_of(void* stream) { return *static_cast<Stream*>(stream); }

cudaMemcpyKind kind_of(int32_t direction) {
  if (direction == WEFT_PLUGIN_IN) return cudaMemcpyHostToDevice;
  return direction == WEFT_PLUGIN_OUT ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice;
}

weft_status* memory_new(void* device, int64_t bytes, void** out_data) {
  return guarded([&] { *out_data = device_of(device).allocate(bytes); });
}
void memory_free(void* device, void* data) {
  const CurrentDevice current;
  device_of(device).free(data);
}
weft_status* memory_copy(void* device, void* to, const void* from, int64_t bytes, int32_t direction) {
  return guarded([&] { device_of(device).copy(to, from, bytes, kind_of(direction)); });
}
weft_status* device_wait(void* device) {
  return guarded([&] { device_of(device).wait_for_default_stream(); });
}
weft_status* stream_open(void* device, void** out_stream) {
  return guarded([&] { *out_stream = new Stream(device_of(device)); });
}
void stream_close(void* stream) {
  const CurrentDevice current;
  delete &stream_of(stream);
}
weft_status* stream_copy(void* stream, void* to, const void* from, int64_t bytes, int32_t direction, int32_t) {
  return guarded([&] { stream_of(stream).copy(to, from, bytes, kind_of(direction)); });
}
weft_status* stream_wait(void* stream, int32_t* out_step) {
  return guarded([&] { stream_of(stream).wait(out_step); });
}

weft_status* stream_record(void* stream) {
  return guarded([&] { stream_of(stream).record(); });
}
weft_status* stream_recorded(void* stream, void** out_recording) {
  return guarded([&] { *out_recording = stream_of(stream).recorded(); });
}
weft_status* stream_replay(void* stream, void* recording) {
  return guarded([&] { stream_of(stream).replay(static_cast<cudaGraphExec_t>(recording)); });
}
void recording_free(void* recording) { (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording)); }

void give(Prepared&& prepared, size_t inputs, size_t outputs, weft_plugin_prepared* out) {
  auto made = std::make_unique<Made>(Made{std::move(prepared), inputs, outputs});
  const int64_t scratch = made->prepared.scratch_bytes;
  out->scratch_bytes = scratch > 0 ? scratch + kScratchAlignment - kLibraryAlignment : 0;
  out->fuses = made->prepared.expression.empty() ? 0 : 1;
  out->run = run;
  out->drop = drop;
  out->state = made.release();
}

weft_status* prepare(const void* user, const weft_plugin_node* node, weft_plugin_prepared* out) {
  return guarded([&] {
    const Node read(node);
    give(definition(user).prepare(read), static_cast<size_t>(read.inputs()), static_cast<size_t>(read.outputs()), out);
  });
}

weft_status* fuse(const weft_plugin_group* told, weft_plugin_prepared* out) {
  return guarded([&] {
    Group group;
    group.shape.assign(told->dims, told->dims + told->rank);
    for (int32_t i = 0; i < told->input_count; ++i) {
      const weft_plugin_value& input = told->inputs[i];
      group.inputs.push_back({input.dtype, Shape(input.dims, input.dims + input.rank)});
    }
    for (int32_t m = 0; m < told->member_count; ++m) {
      const weft_plugin_member& member = told->members[m];
      group.members.push_back({static_cast<const Made*>(member.state)->prepared.expression,
                               {member.inputs, member.inputs + member.input_count},
                               member.dtype});
    }
    group.outputs.assign(told->outputs, told->outputs + told->output_count);
    give(prepare_group(group), group.inputs.size(), group.outputs.size(), out);
  });
}

Table* table;  // lives as long as the process

weft_status* device_open(int32_t index, void** out_device) {
  return guarded([&] {
    std::unique_ptr<Device>& device = table->devices[static_cast<size_t>(index)];
    if (device == nullptr) device = std::make_unique<Device>(index);
    *out_device = device.get();
  });
}

int count_devices() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t result = cudaGetDeviceCount(&count);
  if (result == cudaErrorInsufficientDriver) {
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    const std::string needed = std::to_string(runtime / 1000) + "." + std::to_string(runtime % 1000 / 10);
    throw Error(WEFT_FAILED_PRECONDITION,
                driver == 0
                    ? "there is no NVIDIA driver on this machine; one for CUDA " + needed + " or later is needed"
                    : "the NVIDIA driver is for CUDA " + std::to_string(driver / 1000) + "." +
                          std::to_string(driver % 1000 / 10) + "; one for CUDA " + needed + " or later is needed");
  }
  if (result == cudaErrorNoDevice || (result == cudaSuccess && count == 0)) {
    throw Error(WEFT_FAILED_PRECONDITION, "there is no NVIDIA GPU that this process can see (CUDA_VISIBLE_DEVICES?)");
  }
  check(result, "the GPUs cannot be counted");
  return count;
}

weft_status* open(const weft_plugin_host* given, const weft_plugin** out_plugin) {
  host = given;
  set_library(given);
  return guarded([&] {
    if (given->version != WEFT_PLUGIN_VERSION) {
      throw Error(WEFT_FAILED_PRECONDITION, "it is for version " + std::to_string(WEFT_PLUGIN_VERSION) +
                                                " of weft/plugin.h but the library has version " +
                                                std::to_string(given->version));
    }
    auto made = std::make_unique<Table>();
    made->devices.resize(static_cast<size_t>(count_devices()));
    define_all(made->definitions);
    for (const Definition& each : made->definitions) {
      made->kernels.push_back({sizeof(weft_plugin_kernel), each.op, each.name, &each, accepts, prepare});
    }
    weft_plugin& p = made->plugin;
    p.struct_size = sizeof p;
    p.version = WEFT_PLUGIN_VERSION;
    p.type = "cuda";
    p.device_count = static_cast<int32_t>(made->devices.size());
    p.kernels = made->kernels.data();
    p.kernel_count = static_cast<int32_t>(made->kernels.size());
    p.device_open = device_open;
    p.memory_new = memory_new;
    p.memory_free = memory_free;
    p.memory_copy = memory_copy;
    p.stream_open = stream_open;
    p.stream_close = stream_close;
    p.stream_copy = stream_copy;
    p.stream_wait = stream_wait;
    p.fuse = fuse;
    p.stream_record = stream_record;
    p.stream_recorded = stream_recorded;
    p.stream_replay = stream_replay;
    p.recording_free = recording_free;
    p.dlpack_type = 2;  // kDLCUDA
    p.device_wait = device_wait;
    table = made.release();
    *out_plugin = &table->plugin;
  });
}

}  // namespace
}  // namespace weft::cuda

extern "C" __attribute__((visibility("default"))) weft_status* weft_plugin_open(const weft_plugin_host* host,
                                                                                const weft_plugin** out_plugin) {
  return weft::cuda::open(host, out_plugin);
}
