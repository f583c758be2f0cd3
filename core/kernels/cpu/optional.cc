// Kernels of operators on optionals.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/sequence_common.h"

namespace weft {
namespace {

struct OptionalState {};

bool is_left_out(const TensorArgs& args) {
  return args.in.empty() || (args.in[0].empty() && args.in[0].kind() == Kind::kTensor);
}

Status make_optional(const OptionalState&, TensorArgs& args) {
  std::vector<Tensor> held;
  if (!is_left_out(args)) held.push_back(args.in[0]);
  args.out[0] = Tensor::optional(std::move(held));
  return {};
}

Status get_element(const OptionalState&, TensorArgs& args) {
  const Tensor& in = args.in[0];
  if (in.kind() != Kind::kOptional) {
    args.out[0] = in;
    return {};
  }
  if (in.items().empty()) {
    return failed_precondition("the optional has no element; ask OptionalHasElement first, within an If");
  }
  args.out[0] = in.items()[0];
  return {};
}

Status has_element(const OptionalState&, TensorArgs& args) {
  const bool has = !is_left_out(args) && (args.in[0].kind() != Kind::kOptional || !args.in[0].items().empty());
  args.out[0] = Tensor::scalar<bool>(has);
  return {};
}

Status add_optionals(const OptionalState&, TensorArgs& args) {
  const Tensor &a = args.in[0], &b = args.in[1];
  if (a.items().empty() || b.items().empty()) {
    args.out[0] = a.items().empty() ? b : a;
    return {};
  }
  WEFT_TRY(Tensor sum, sum_of(a.items()[0], b.items()[0]));
  args.out[0] = Tensor::optional({std::move(sum)});
  return {};
}

Status element_or_zeros(const OptionalState&, TensorArgs& args) {
  if (!args.in[0].items().empty()) {
    args.out[0] = args.in[0].items()[0];
    return {};
  }
  WEFT_TRY(args.out[0], zeros_like(args.in[1]));
  return {};
}

template <auto Run>
Status prepare_optional(const KernelContext&, PreparedKernel* prepared) {
  prepared->use_tensors<Run>(OptionalState{});
  return {};
}

}  // namespace

void add_cpu_optional(KernelRegistry& kernels) {
  kernels.add("Optional", {"plain", nullptr, prepare_optional<&make_optional>});
  kernels.add("OptionalGetElement", {"plain", nullptr, prepare_optional<&get_element>});
  kernels.add("OptionalHasElement", {"plain", nullptr, prepare_optional<&has_element>});
  kernels.add("weft.OptionalAdd", {"plain", nullptr, prepare_optional<&add_optionals>});
  kernels.add("weft.OptionalElementOrZeros", {"plain", nullptr, prepare_optional<&element_or_zeros>});
}

}  // namespace weft
