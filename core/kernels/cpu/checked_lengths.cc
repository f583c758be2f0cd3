// Kernel of CheckedLengths.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

using Lengths = Types<int32_t, int64_t>;

struct State {
  int64_t count, most;
  bool limited;  // by the second input
  std::string input, unit;
};

template <typename T>
void run(const State& s, const RunArgs& args) {
  const T* from = args.input<T>(0);
  T* to = args.output<T>(0);
  const int64_t most = s.limited ? *args.input<int64_t>(1) : s.most;
  for (int64_t i = 0; i < s.count; ++i) {
    if (from[i] < 0 || from[i] > most) {
      *args.status =
          out_of_range("input '", s.input, "' has ", from[i], " at ", i, " but there are ", most, " ", s.unit);
      return;
    }
    to[i] = from[i];
  }
}

bool accepts(const KernelContext& c) { return in_list(Lengths{}, c.dtype(0)); }

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  if (c.has_input(1) && c.count(1) != 1) return invalid("the limit must be one number but is ", shape_text(c.shape(1)));
  State state{c.count(0), c.attrs().i_or("most", 0), c.has_input(1), c.attrs().s("input"), c.attrs().s("unit")};
  prepared->cost_ns = static_cast<double>(state.count);
  with_type(Lengths{}, c.dtype(0), [&]<typename T>() { prepared->use<&run<T>>(std::move(state)); });
  return {};
}

}  // namespace

void add_cpu_checked_lengths(KernelRegistry& kernels) {
  kernels.add("weft.CheckedLengths", {"plain", accepts, prepare});
}

}  // namespace weft
