// Device plug-ins: their tables as devices, streams and kernels of the core.
#include "c_api/src/plugin.h"

#include <algorithm>
#include <cstring>

#include "c_api/src/handles.h"
#include "core/runtime/devices.h"

namespace {

// An attribute with what its description points to.
struct NodeAttribute {
  weft_plugin_attribute view{};
  double number_f = 0;
  int64_t number_i = 0;
  std::vector<const char*> texts;
};

}  // namespace

// A node as a plug-in sees it, for one call.
struct weft_plugin_node {
  explicit weft_plugin_node(const weft::KernelContext& node);

  const weft::KernelContext& node;
  std::vector<NodeAttribute> attributes;
};

namespace weft::c_api {

namespace {

weft_plugin_value value_of(const Tensor& tensor) {
  weft_plugin_value out{};
  out.given = 1;
  out.dtype = static_cast<int32_t>(tensor.dtype());
  out.rank = static_cast<int32_t>(tensor.rank());
  out.dims = tensor.shape().data();
  if (tensor.dtype() != DType::kString) out.constant = tensor.data();
  return out;
}

weft_plugin_value value_of(const KernelContext::Slot& slot) {
  weft_plugin_value out{};
  if (!slot.given) return out;
  out.given = 1;
  out.dtype = static_cast<int32_t>(slot.dtype);
  out.rank = static_cast<int32_t>(slot.shape.size());
  out.dims = slot.shape.data();
  if (slot.constant != nullptr && slot.dtype != DType::kString) out.constant = slot.constant->data();
  return out;
}

void describe(const std::string& name, const AttrValue& value, NodeAttribute* out) {
  weft_plugin_attribute& view = out->view;
  view.name = name.c_str();
  view.kind = static_cast<int32_t>(value.kind());
  view.count = 1;
  switch (value.kind()) {
    case AttrKind::kFloat:
      out->number_f = value.f();
      view.floats = &out->number_f;
      break;
    case AttrKind::kInt:
      out->number_i = value.i();
      view.ints = &out->number_i;
      break;
    case AttrKind::kString: out->texts = {value.s().c_str()}; break;
    case AttrKind::kTensor:
      view.tensor = value_of(value.tensor());
      if (value.tensor().dtype() != DType::kString) break;
      for (const std::string& text : value.tensor().strings()) out->texts.push_back(text.c_str());
      view.count = static_cast<int32_t>(out->texts.size());
      break;
    case AttrKind::kGraph: break;  // control flow is the CPU's
    case AttrKind::kFloats:
      view.floats = value.floats().data();
      view.count = static_cast<int32_t>(value.floats().size());
      break;
    case AttrKind::kInts:
      view.ints = value.ints().data();
      view.count = static_cast<int32_t>(value.ints().size());
      break;
    case AttrKind::kStrings:
      for (const std::string& text : value.strings()) out->texts.push_back(text.c_str());
      view.count = static_cast<int32_t>(out->texts.size());
      break;
  }
  if (!out->texts.empty()) view.strings = out->texts.data();
}

// As much of it as the plug-in has room for.
template <typename T>
void give(T full, T* out) {
  const size_t room = out->struct_size;
  full.struct_size = room;
  std::memcpy(out, &full, std::min(room, sizeof(T)));
}

weft_status* make_status(int32_t code, const char* message) {
  return weft_status_new(code, message, nullptr, nullptr, nullptr);
}

int32_t count_of(const weft_plugin_node* node, int32_t side) {
  if (side == 0) return node->node.input_count();
  return side == 1 ? node->node.output_count() : static_cast<int32_t>(node->attributes.size());
}

void give_value(const weft_plugin_node* node, int32_t side, int32_t i, weft_plugin_value* out) {
  give(value_of(side == 0 ? node->node.input(i) : node->node.output(i)), out);
}

void give_attribute(const weft_plugin_node* node, int32_t i, weft_plugin_attribute* out) {
  give(node->attributes[static_cast<size_t>(i)].view, out);
}

class PluginRecording : public Recording {
 public:
  PluginRecording(const weft_plugin& plugin, void* recording) : plugin_(plugin), recording_(recording) {}
  ~PluginRecording() override { plugin_.recording_free(recording_); }
  void* recording() const { return recording_; }

 private:
  const weft_plugin& plugin_;
  void* const recording_;
};

class PluginStream : public Stream {
 public:
  PluginStream(const weft_plugin& plugin, void* stream) : plugin_(plugin), stream_(stream) {}
  ~PluginStream() override { plugin_.stream_close(stream_); }

  Status copy_in(void* to, const void* from, int64_t bytes, int32_t step) override {
    return from_handle(plugin_.stream_copy(stream_, to, from, bytes, WEFT_PLUGIN_IN, step));
  }
  Status copy_out(void* to, const void* from, int64_t bytes, int32_t step) override {
    return from_handle(plugin_.stream_copy(stream_, to, from, bytes, WEFT_PLUGIN_OUT, step));
  }
  Status copy(void* to, const void* from, int64_t bytes, int32_t step) override {
    return from_handle(plugin_.stream_copy(stream_, to, from, bytes, WEFT_PLUGIN_WITHIN, step));
  }
  Status wait(int32_t* step) override {
    *step = -1;
    return from_handle(plugin_.stream_wait(stream_, step));
  }
  bool can_record() const override { return plugin_.stream_record != nullptr; }
  Status record() override { return from_handle(plugin_.stream_record(stream_)); }
  Result<std::unique_ptr<Recording>> recorded() override {
    void* recording = nullptr;
    WEFT_CHECK(from_handle(plugin_.stream_recorded(stream_, &recording)));
    return std::unique_ptr<Recording>(std::make_unique<PluginRecording>(plugin_, recording));
  }
  Status replay(Recording& recording) override {
    return from_handle(plugin_.stream_replay(stream_, static_cast<PluginRecording&>(recording).recording()));
  }
  void* stream() const { return stream_; }

 private:
  const weft_plugin& plugin_;
  void* const stream_;
};

class PluginDevice : public Device {
 public:
  PluginDevice(const weft_plugin& plugin, int32_t index, void* device)
      : plugin_(plugin), index_(index), name_(cat(plugin.type, ":", index)), device_(device) {}

  const std::string& name() const override { return name_; }
  Result<void*> allocate(int64_t bytes) override {
    void* data = nullptr;
    WEFT_CHECK(from_handle(plugin_.memory_new(device_, bytes, &data)));
    return data;
  }
  void free(void* data) override { plugin_.memory_free(device_, data); }
  Status copy_in(void* to, const void* from, int64_t bytes) override {
    return from_handle(plugin_.memory_copy(device_, to, from, bytes, WEFT_PLUGIN_IN));
  }
  Status copy_out(void* to, const void* from, int64_t bytes) override {
    return from_handle(plugin_.memory_copy(device_, to, from, bytes, WEFT_PLUGIN_OUT));
  }
  Status copy(void* to, const void* from, int64_t bytes) override {
    return from_handle(plugin_.memory_copy(device_, to, from, bytes, WEFT_PLUGIN_WITHIN));
  }
  dlpack::DLDevice dlpack_device() const override { return {plugin_.dlpack_type, index_}; }
  Status wait_for_others() override {
    return plugin_.device_wait == nullptr ? Status() : from_handle(plugin_.device_wait(device_));
  }
  Result<std::unique_ptr<Stream>> make_stream() override {
    void* stream = nullptr;
    WEFT_CHECK(from_handle(plugin_.stream_open(device_, &stream)));
    return std::unique_ptr<Stream>(std::make_unique<PluginStream>(plugin_, stream));
  }

 private:
  const weft_plugin& plugin_;
  const int32_t index_;
  const std::string name_;
  void* const device_;
};

// A prepared kernel, dropped with its last holder.
struct PluginState {
  std::shared_ptr<void> state;
  weft_status* (*run)(const void* state, const weft_plugin_run* args);
};

void drop_nothing(void*) {}

void run_plugin(const PluginState& s, const RunArgs& args) {
  weft_plugin_run run{};
  run.struct_size = sizeof run;
  run.inputs = args.in;
  run.outputs = args.out;
  run.scratch = args.scratch;
  run.stream = static_cast<PluginStream*>(args.stream)->stream();
  run.step = args.step;
  *args.status = from_handle(s.run(s.state.get(), &run));
}

Status take_prepared(const char* name, const weft_plugin_prepared& made, PreparedKernel* prepared) {
  if (made.run == nullptr) return internal_error("the kernel '", name, "' of a plug-in has no 'run'");
  prepared->scratch_bytes = made.scratch_bytes;
  prepared->cost_ns = made.cost_ns;
  prepared->fuses = made.fuses != 0;
  std::shared_ptr<void> state(made.state, made.drop != nullptr ? made.drop : drop_nothing);
  prepared->use<&run_plugin>(PluginState{std::move(state), made.run});
  return {};
}

class PluginKernel : public KernelSource {
 public:
  explicit PluginKernel(const weft_plugin_kernel& kernel) : kernel_(kernel) {}

  bool accepts(const KernelContext& context) const override {
    const weft_plugin_node node(context);
    return kernel_.accepts == nullptr || kernel_.accepts(kernel_.user, &node) != 0;
  }
  Status prepare(const KernelContext& context, PreparedKernel* prepared) const override {
    const weft_plugin_node node(context);
    weft_plugin_prepared made{};
    made.struct_size = sizeof made;
    WEFT_CHECK(from_handle(kernel_.prepare(kernel_.user, &node, &made)));
    return take_prepared(kernel_.name, made, prepared);
  }

 private:
  const weft_plugin_kernel& kernel_;
};

Result<PreparedKernel> fuse(const weft_plugin& plugin, const FusedGroup& group) {
  std::vector<weft_plugin_value> inputs;
  for (const FusedGroup::Operand& input : group.inputs) {
    inputs.push_back({sizeof(weft_plugin_value), 1, static_cast<int32_t>(input.dtype),
                      static_cast<int32_t>(input.shape.size()), input.shape.data(), nullptr});
  }
  std::vector<weft_plugin_member> members;
  for (const FusedGroup::Member& member : group.members) {
    const auto& state = *static_cast<const PluginState*>(member.kernel.state.get());
    members.push_back({sizeof(weft_plugin_member), state.state.get(), member.inputs.data(),
                       static_cast<int32_t>(member.inputs.size()), static_cast<int32_t>(member.dtype)});
  }
  const weft_plugin_group told{sizeof(weft_plugin_group),
                               static_cast<int32_t>(group.shape.size()),
                               group.shape.data(),
                               inputs.data(),
                               static_cast<int32_t>(inputs.size()),
                               members.data(),
                               static_cast<int32_t>(members.size()),
                               group.outputs.data(),
                               static_cast<int32_t>(group.outputs.size())};
  weft_plugin_prepared made{};
  made.struct_size = sizeof made;
  WEFT_CHECK(from_handle(plugin.fuse(&told, &made)));
  PreparedKernel prepared;
  prepared.name = "fused";
  WEFT_CHECK(take_prepared("fused", made, &prepared));
  return prepared;
}

}  // namespace

const weft_plugin_host& plugin_host() {
  static const weft_plugin_host host = {
      sizeof(weft_plugin_host), WEFT_PLUGIN_VERSION, make_status, count_of, give_value, give_attribute};
  return host;
}

Status add_plugin(const weft_plugin& plugin) {
  auto kernels = std::make_shared<KernelRegistry>();
  for (int32_t k = 0; k < plugin.kernel_count; ++k) {
    const weft_plugin_kernel& kernel = plugin.kernels[k];
    kernels->add(kernel.op, kernel.name, std::make_shared<PluginKernel>(kernel));
  }
  if (plugin.fuse != nullptr) {
    kernels->set_fuse([&plugin](FusedGroup group) { return fuse(plugin, group); });
  }
  std::vector<DeviceEntry> entries;
  Status first;  // error: the other devices may be used
  for (int32_t i = 0; i < plugin.device_count; ++i) {
    void* device = nullptr;
    Status opened = from_handle(plugin.device_open(i, &device));
    if (!opened.ok()) {
      if (first.ok()) first = std::move(opened);
      continue;
    }
    entries.push_back({std::make_shared<PluginDevice>(plugin, i, device), kernels});
  }
  if (entries.empty() && !first.ok()) return first;
  return add_devices(std::move(entries));
}

}  // namespace weft::c_api

weft_plugin_node::weft_plugin_node(const weft::KernelContext& context) : node(context) {
  attributes.resize(context.attrs().size());  // once, as descriptions point into it
  size_t next = 0;
  for (const auto& [name, value] : context.attrs()) weft::c_api::describe(name, value, &attributes[next++]);
}
