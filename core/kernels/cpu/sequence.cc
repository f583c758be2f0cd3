// Kernels of SequenceConstruct and SequenceAt.
#include "core/kernel/registry.h"

namespace weft {
namespace {

struct State {};

Status construct(const State&, TensorArgs& args) {
  args.out[0] = Tensor::sequence(args.in);
  return {};
}

Status at(const State&, TensorArgs& args) {
  const std::vector<Tensor>& items = args.in[0].items();
  WEFT_TRY(std::vector<int64_t> position, args.in[1].to_ints());
  if (position.size() != 1) return invalid("the position must be one number but is ", args.in[1].summary());
  int64_t count = static_cast<int64_t>(items.size());
  int64_t i = position[0] < 0 ? position[0] + count : position[0];
  if (i < 0 || i >= count) {
    return out_of_range("position ", position[0], " is outside the sequence, which has ", count, " items");
  }
  args.out[0] = items[static_cast<size_t>(i)];
  return {};
}

template <auto Run>
Status prepare(const KernelContext&, PreparedKernel* prepared) {
  prepared->use_tensors<Run>(State{});
  return {};
}

}  // namespace

void add_cpu_sequence(KernelRegistry& kernels) {
  kernels.add("SequenceConstruct", {"plain", nullptr, prepare<&construct>});
  kernels.add("SequenceAt", {"plain", nullptr, prepare<&at>});
}

}  // namespace weft
