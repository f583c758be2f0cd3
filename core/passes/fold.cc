// Constant folding: runs a node's kernel while the program is compiled.
#include "core/passes/rewrite.h"
#include "core/simd/isa.h"
#include "core/tensor/form_cache.h"

namespace weft {

std::shared_ptr<const Tensor> known_integers(const ValueType& type) {
  if (type.ints == nullptr || !all_known(*type.ints) || !type.concrete()) return nullptr;
  if (type.dtype != DType::kI64 && type.dtype != DType::kI32) return nullptr;
  const Shape values = to_shape(*type.ints);
  const Tensor flat = type.dtype == DType::kI64 ? Tensor::vector<int64_t>(values)
                                                : Tensor::vector(std::vector<int32_t>(values.begin(), values.end()));
  Result<Tensor> tensor = flat.reshaped(to_shape(type.dims));
  return tensor.ok() ? std::make_shared<const Tensor>(std::move(*tensor)) : nullptr;
}

KernelContext kernel_context(const Graph& graph, const Node& node) {
  std::vector<KernelContext::Slot> inputs, outputs;
  auto slot_of = [&graph](ValueId id) {
    KernelContext::Slot slot;
    if (id == kNoValue) return slot;
    const ValueType& type = graph.type(id);
    slot.given = true;
    slot.kind = type.kind;
    slot.dtype = type.dtype;
    slot.sized = type.concrete();
    if (slot.sized) slot.shape = to_shape(type.dims);
    slot.constant = graph.value(id).constant.get();
    return slot;
  };
  for (ValueId id : node.inputs) {
    inputs.push_back(slot_of(id));
    KernelContext::Slot& slot = inputs.back();
    if (!slot.given || slot.constant != nullptr) continue;
    slot.known = known_integers(graph.type(id));
    slot.constant = slot.known.get();
  }
  for (int i = 0; i < node.output_count; ++i) outputs.push_back(slot_of(node.output(i)));
  return KernelContext(node.attrs, std::move(inputs), std::move(outputs));
}

namespace {

// Constants of more bytes are computed when somebody wants their elements.
constexpr int64_t kMostAtOnce = int64_t{64} << 10;
// One of these asks for at most so many others.
constexpr int64_t kMostSteps = 8;

// What a kernel that cannot fail makes of constants.
class Computed : public ByteSource {
 public:
  Computed(PreparedKernel kernel, std::vector<Tensor> inputs, std::string recipe)
      : kernel_(std::move(kernel)), inputs_(std::move(inputs)), recipe_(std::move(recipe)) {
    for (const Tensor& input : inputs_) {
      if (input.buffer() != nullptr && input.buffer()->source() != nullptr) steps_ += input.buffer()->source()->steps();
    }
  }

  void write(void* out) const override {
    std::vector<Tensor> elements;
    std::vector<const void*> in;
    for (const Tensor& input : inputs_) {
      // Where there is no room for a moment, there must be for good.
      Result<Tensor> briefly = input.briefly();
      elements.push_back(briefly.ok() ? std::move(*briefly) : input);
      in.push_back(elements.back().data());
    }
    Parallel parallel;
    Status status;
    const FloatEnvironment float_environment;
    kernel_.run(kernel_.state.get(), RunArgs{in.data(), &out, nullptr, &parallel, &status});
    let_go();
  }
  void let_go() const override {
    for (const Tensor& input : inputs_) {
      if (input.buffer() != nullptr) input.buffer()->let_go_of_file();
    }
  }
  int64_t steps() const override { return steps_; }
  Digest digest(FormCache& cache) const override {
    std::string text = recipe_;
    for (const Tensor& input : inputs_) text += cat(", ", input.summary(), " ", cache.digest_of(input).text());
    return digest_of(text);
  }

 private:
  const PreparedKernel kernel_;
  const std::vector<Tensor> inputs_;
  const std::string recipe_;
  int64_t steps_ = 1;
};

// Nothing where the values had better be computed at once.
std::optional<Tensor> computed_later(const KernelContext& context, const Node& node, const PreparedKernel& kernel,
                                     const std::vector<Tensor>& inputs) {
  if (kernel.run_span == nullptr || kernel.scratch_bytes > 0 || node.output_count != 1) return std::nullopt;
  const KernelContext::Slot& slot = context.output(0);
  if (dtype_bytes(slot.dtype, context.output_count_of(0)) <= kMostAtOnce) return std::nullopt;
  std::string recipe = cat(node.op->full_name(), " by ", kernel.name, " for ", isa_name(current_isa()));
  for (const auto& [name, value] : node.attrs) {
    if (value.kind() == AttrKind::kTensor) return std::nullopt;  // whose text would not say what is in it
    recipe += cat(", ", name, " = ", value.text());
  }
  auto source = std::make_shared<const Computed>(kernel, inputs, std::move(recipe));
  if (source->steps() > kMostSteps) return std::nullopt;
  Result<Tensor> later = Tensor::deferred(slot.dtype, slot.shape, std::move(source));
  return later.ok() ? std::optional<Tensor>(std::move(*later)) : std::nullopt;
}

}  // namespace

std::optional<std::vector<Tensor>> evaluate_node(const Graph& graph, const Node& node, const KernelRegistry& kernels) {
  std::vector<Tensor> in, out(node.output_count);
  for (ValueId id : node.inputs) {
    if (id == kNoValue) {
      in.emplace_back();
      continue;
    }
    in.push_back(*graph.value(id).constant);
  }
  KernelContext context = kernel_context(graph, node);
  for (int i = 0; i < node.output_count; ++i) {
    const KernelContext::Slot& slot = context.output(i);
    if (slot.kind == Kind::kTensor && !slot.sized && !node.op->sizes_own_outputs()) return std::nullopt;
  }
  PreparedKernel prepared;
  if (!kernels.prepare(node.op->full_name(), context, false, &prepared).ok()) return std::nullopt;
  if (std::optional<Tensor> later = computed_later(context, node, prepared, in)) return std::vector<Tensor>{*later};
  for (Tensor& input : in) {
    Result<Tensor> elements = input.briefly();
    if (!elements.ok()) return std::nullopt;
    input = std::move(*elements);
  }
  Parallel parallel;
  if (prepared.run_tensors != nullptr) {
    TensorArgs args{in, out, &parallel};
    if (!prepared.run_tensors(prepared.state.get(), args).ok()) return std::nullopt;
    return out;
  }
  std::vector<const void*> in_data;
  std::vector<void*> out_data;
  for (const Tensor& tensor : in) in_data.push_back(tensor.data());
  for (int i = 0; i < node.output_count; ++i) {
    const KernelContext::Slot& slot = context.output(i);
    Result<Tensor> tensor = Tensor::make(slot.dtype, slot.shape);
    if (!tensor.ok()) return std::nullopt;
    out[i] = std::move(*tensor);
    out_data.push_back(out[i].mutable_data());
  }
  Result<std::shared_ptr<Buffer>> scratch = Buffer::allocate(prepared.scratch_bytes);
  if (!scratch.ok()) return std::nullopt;
  Status status;
  RunArgs args{in_data.data(), out_data.data(), (*scratch)->data(), &parallel, &status};
  FloatEnvironment float_environment;
  prepared.run(prepared.state.get(), args);
  if (!status.ok()) return std::nullopt;
  return out;
}

}  // namespace weft
