// Kernel of EnsureRank, for what plans do not see as a view.
#include "core/kernel/registry.h"

namespace weft {
namespace {

struct State {
  int64_t rank;
};

Status check(const State& s, TensorArgs& args) {
  const Tensor& in = args.in[0];
  if (in.kind() == Kind::kTensor && in.rank() != s.rank) {
    return invalid("the input must be of rank ", s.rank, " but is ", in.summary());
  }
  for (int64_t i = 0; in.kind() == Kind::kSequence && i < in.count(); ++i) {
    const Tensor& item = in.items()[static_cast<size_t>(i)];
    if (item.rank() == s.rank) continue;
    return invalid("the items must be of rank ", s.rank, " but item ", i, " is ", item.summary());
  }
  args.out[0] = in;
  return {};
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  prepared->use_tensors<&check>(State{c.attrs().i("rank")});
  return {};
}

}  // namespace

void add_cpu_ensure_rank(KernelRegistry& kernels) { kernels.add("weft.EnsureRank", {"plain", nullptr, prepare}); }

}  // namespace weft
