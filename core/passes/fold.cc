// Constant folding: runs a node's kernel while the program is compiled.
#include "core/passes/rewrite.h"

namespace weft {

std::shared_ptr<const Tensor> known_integers(const ValueType& type) {
  if (type.ints == nullptr || !all_known(*type.ints) || type.dtype != DType::kI64 || !type.concrete()) return nullptr;
  Result<Tensor> tensor = Tensor::vector<int64_t>(to_shape(*type.ints)).reshaped(to_shape(type.dims));
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

std::optional<std::vector<Tensor>> evaluate_node(const Graph& graph, const Node& node, const KernelRegistry& kernels) {
  std::vector<Tensor> in, out(node.output_count);
  for (ValueId id : node.inputs) {
    if (id == kNoValue) {
      in.emplace_back();
      continue;
    }
    Result<Tensor> elements = graph.value(id).constant->briefly();
    if (!elements.ok()) return std::nullopt;
    in.push_back(std::move(*elements));
  }
  KernelContext context = kernel_context(graph, node);
  for (int i = 0; i < node.output_count; ++i) {
    const KernelContext::Slot& slot = context.output(i);
    if (slot.kind == Kind::kTensor && !slot.sized && !node.op->sizes_own_outputs()) return std::nullopt;
  }
  PreparedKernel prepared;
  if (!kernels.prepare(node.op->full_name(), context, false, &prepared).ok()) return std::nullopt;
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
