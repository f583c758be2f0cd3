// The test devices as a plug-in: "test:0" is late, "test:1" early. It has a core of its own, and nothing of the library that
// loads it but what weft/plugin.h gives.
#include "weft/plugin.h"

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/device/test_device.h"

namespace weft {
namespace {

const weft_plugin_host* host;

weft_status* given(const Status& status) {
  if (status.ok()) return nullptr;
  return host->make_status(static_cast<int32_t>(status.code()), status.message().c_str());
}

bool has_all(const std::string&) { return true; }

struct TestPlugin {
  std::vector<DeviceEntry> devices{make_test_device("late", true, has_all), make_test_device("early", false, has_all)};
  std::vector<std::string> ops = devices[0].kernels->ops();
  std::vector<weft_plugin_kernel> kernels;
  weft_plugin table{};
};

// A node read back from what the library tells of it.
class ReadNode {
 public:
  explicit ReadNode(const weft_plugin_node* node) {
    for (int32_t i = 0; i < host->count(node, 2); ++i) read_attribute(node, i);
    for (int32_t side = 0; side < 2; ++side) {
      for (int32_t i = 0; i < host->count(node, side); ++i) {
        weft_plugin_value value{};
        value.struct_size = sizeof value;
        host->value(node, side, i, &value);
        slots_[side].push_back(slot_of(value));
      }
    }
  }
  KernelContext context() const { return KernelContext(attrs_, slots_[0], slots_[1]); }

 private:
  static Tensor tensor_of(const weft_plugin_value& value) {
    const DType dtype = static_cast<DType>(value.dtype);
    const Shape shape(value.dims, value.dims + value.rank);
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    return *Tensor::from_bytes(dtype, shape, value.constant, dtype_bytes(dtype, count));
  }

  KernelContext::Slot slot_of(const weft_plugin_value& value) {
    KernelContext::Slot slot;
    slot.given = value.given != 0;
    if (!slot.given) return slot;
    slot.dtype = static_cast<DType>(value.dtype);
    slot.shape.assign(value.dims, value.dims + value.rank);
    if (value.constant != nullptr) {
      constants_.push_back(tensor_of(value));
      slot.constant = &constants_.back();
    }
    return slot;
  }

  void read_attribute(const weft_plugin_node* node, int32_t i) {
    weft_plugin_attribute read{};
    read.struct_size = sizeof read;
    host->attribute(node, i, &read);
    const size_t count = static_cast<size_t>(read.count);
    switch (static_cast<AttrKind>(read.kind)) {
      case AttrKind::kFloat: attrs_.set(read.name, read.floats[0]); break;
      case AttrKind::kInt: attrs_.set(read.name, read.ints[0]); break;
      case AttrKind::kString: attrs_.set(read.name, read.strings[0]); break;
      case AttrKind::kTensor:
        if (static_cast<DType>(read.tensor.dtype) == DType::kString) {
          const Shape shape(read.tensor.dims, read.tensor.dims + read.tensor.rank);
          attrs_.set(read.name, *Tensor::from_strings(shape, {read.strings, read.strings + count}));
        } else {
          attrs_.set(read.name, tensor_of(read.tensor));
        }
        break;
      case AttrKind::kGraph: break;
      case AttrKind::kFloats: attrs_.set(read.name, std::vector<double>(read.floats, read.floats + count)); break;
      case AttrKind::kInts: attrs_.set(read.name, std::vector<int64_t>(read.ints, read.ints + count)); break;
      case AttrKind::kStrings:
        attrs_.set(read.name, std::vector<std::string>(read.strings, read.strings + count));
        break;
    }
  }

  Attrs attrs_;
  std::vector<KernelContext::Slot> slots_[2];
  std::deque<Tensor> constants_;
};

TestPlugin& plugin();

const std::string& op_of(const void* user) { return *static_cast<const std::string*>(user); }

int32_t accepts(const void* user, const weft_plugin_node* node) {
  return plugin().devices[0].kernels->accepts(op_of(user), ReadNode(node).context());
}

weft_status* run_kernel(const void* state, const weft_plugin_run* run) {
  const auto& kernel = *static_cast<const PreparedKernel*>(state);
  Status status;
  RunArgs args{run->inputs, run->outputs, run->scratch, nullptr, &status, nullptr, static_cast<Stream*>(run->stream),
               run->step};
  kernel.run(kernel.state.get(), args);
  return given(status);
}

void give(std::unique_ptr<PreparedKernel> kernel, weft_plugin_prepared* out) {
  out->scratch_bytes = kernel->scratch_bytes;
  out->cost_ns = kernel->cost_ns;
  out->fuses = kernel->fuses ? 1 : 0;
  out->run = run_kernel;
  out->drop = [](void* state) { delete static_cast<PreparedKernel*>(state); };
  out->state = kernel.release();
}

weft_status* prepare(const void* user, const weft_plugin_node* node, weft_plugin_prepared* out) {
  auto kernel = std::make_unique<PreparedKernel>();
  const ReadNode read(node);
  Status status = plugin().devices[0].kernels->prepare(op_of(user), read.context(), false, kernel.get());
  if (!status.ok()) return given(status);
  give(std::move(kernel), out);
  return nullptr;
}

weft_status* fuse(const weft_plugin_group* told, weft_plugin_prepared* out) {
  FusedGroup group;
  group.shape.assign(told->dims, told->dims + told->rank);
  for (int32_t i = 0; i < told->input_count; ++i) {
    const weft_plugin_value& input = told->inputs[i];
    group.inputs.push_back({static_cast<DType>(input.dtype), Shape(input.dims, input.dims + input.rank)});
  }
  for (int32_t m = 0; m < told->member_count; ++m) {
    const weft_plugin_member& member = told->members[m];
    group.members.push_back({*static_cast<const PreparedKernel*>(member.state),
                             {member.inputs, member.inputs + member.input_count},
                             static_cast<DType>(member.dtype)});
  }
  group.outputs.assign(told->outputs, told->outputs + told->output_count);
  Result<PreparedKernel> kernel = plugin().devices[0].kernels->fuse(std::move(group));
  if (!kernel.ok()) return given(kernel.status());
  give(std::make_unique<PreparedKernel>(std::move(*kernel)), out);
  return nullptr;
}

Device& device_of(void* device) { return *static_cast<Device*>(device); }
Stream& stream_of(void* stream) { return *static_cast<Stream*>(stream); }

weft_status* device_open(int32_t index, void** out_device) {
  *out_device = plugin().devices[static_cast<size_t>(index)].device.get();
  return nullptr;
}
weft_status* memory_new(void* device, int64_t bytes, void** out_data) {
  Result<void*> data = device_of(device).allocate(bytes);
  if (data.ok()) *out_data = *data;
  return given(data.status());
}
void memory_free(void* device, void* data) { device_of(device).free(data); }
weft_status* memory_copy(void* device, void* to, const void* from, int64_t bytes, int32_t direction) {
  switch (direction) {
    case WEFT_PLUGIN_IN: return given(device_of(device).copy_in(to, from, bytes));
    case WEFT_PLUGIN_OUT: return given(device_of(device).copy_out(to, from, bytes));
    default: return given(device_of(device).copy(to, from, bytes));
  }
}
// In the folder that WEFT_TEST_WAITS names, a wait adds a byte to the file "waits" and then lasts while there is a file "hold",
// which somebody else has to take away; who cannot, as this waits, is found out by that after 20 s.
weft_status* device_wait(void* device) {
  if (const char* folder = std::getenv("WEFT_TEST_WAITS"); folder != nullptr) {
    const std::filesystem::path in(folder);
    std::ofstream(in / "waits", std::ios::app) << '.';
    for (int i = 0; i < 20'000 && std::filesystem::exists(in / "hold"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return given(device_of(device).wait_for_others());
}
weft_status* stream_open(void* device, void** out_stream) {
  Result<std::unique_ptr<Stream>> stream = device_of(device).make_stream();
  if (stream.ok()) *out_stream = stream->release();
  return given(stream.status());
}
void stream_close(void* stream) { delete &stream_of(stream); }
weft_status* stream_copy(void* stream, void* to, const void* from, int64_t bytes, int32_t direction, int32_t step) {
  switch (direction) {
    case WEFT_PLUGIN_IN: return given(stream_of(stream).copy_in(to, from, bytes, step));
    case WEFT_PLUGIN_OUT: return given(stream_of(stream).copy_out(to, from, bytes, step));
    default: return given(stream_of(stream).copy(to, from, bytes, step));
  }
}
weft_status* stream_record(void* stream) { return given(stream_of(stream).record()); }
weft_status* stream_recorded(void* stream, void** out_recording) {
  Result<std::unique_ptr<Recording>> made = stream_of(stream).recorded();
  if (made.ok()) *out_recording = made->release();
  return given(made.status());
}
weft_status* stream_replay(void* stream, void* recording) {
  return given(stream_of(stream).replay(*static_cast<Recording*>(recording)));
}
void recording_free(void* recording) { delete static_cast<Recording*>(recording); }
weft_status* stream_wait(void* stream, int32_t* out_step) { return given(stream_of(stream).wait(out_step)); }

TestPlugin& plugin() {
  static TestPlugin* made = [] {
    auto* p = new TestPlugin;
    for (const std::string& op : p->ops) {
      p->kernels.push_back({sizeof(weft_plugin_kernel), op.c_str(), "test", &op, accepts, prepare});
    }
    // Or as much as a plug-in of an older header has.
    const char* bytes = std::getenv("WEFT_TEST_TABLE_BYTES");
    p->table.struct_size = bytes != nullptr ? static_cast<size_t>(std::atoi(bytes)) : sizeof(weft_plugin);
    p->table.version = WEFT_PLUGIN_VERSION;
    p->table.type = "test";
    p->table.device_count = static_cast<int32_t>(p->devices.size());
    p->table.kernels = p->kernels.data();
    p->table.kernel_count = static_cast<int32_t>(p->kernels.size());
    p->table.device_open = device_open;
    p->table.memory_new = memory_new;
    p->table.memory_free = memory_free;
    p->table.memory_copy = memory_copy;
    p->table.stream_open = stream_open;
    p->table.stream_close = stream_close;
    p->table.stream_copy = stream_copy;
    p->table.stream_wait = stream_wait;
    p->table.fuse = fuse;
    p->table.stream_record = stream_record;
    p->table.stream_recorded = stream_recorded;
    p->table.stream_replay = stream_replay;
    p->table.recording_free = recording_free;
    // That of CUDA, say, so that Python takes the devices for GPUs; 0 for none.
    const char* type = std::getenv("WEFT_TEST_DLPACK_TYPE");
    p->table.dlpack_type = type != nullptr ? std::atoi(type) : dlpack::kDLExtDev;
    p->table.device_wait = device_wait;
    return p;
  }();
  return *made;
}

}  // namespace
}  // namespace weft

extern "C" WEFT_EXPORT weft_status* weft_plugin_open(const weft_plugin_host* given_host,
                                                     const weft_plugin** out_plugin) {
  weft::host = given_host;
  *out_plugin = &weft::plugin().table;
  return nullptr;
}
