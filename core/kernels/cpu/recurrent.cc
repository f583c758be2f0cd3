// Kernels of RNN, GRU and LSTM.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/recurrent_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

template <typename T>
void run(const RecurrentState<T>& s, const RunArgs& args) {
  if (!s.begin(args)) return;
  const typename RecurrentState<T>::Results results{s.output(args, 0), s.output(args, 1), s.output(args, 2)};
  const int64_t tasks = static_cast<int64_t>(s.tasks.size());
  if (tasks == 1) return s.run_task(args, 0, {}, results);
  parallel_for(*args.parallel, tasks, 1, s.cost_ns() / static_cast<double>(tasks), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) s.run_task(args, i, {}, results);
  });
}

template <CellKind cell>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  Status status;
  with_type(Types<float, double>{}, c.dtype(0), [&]<typename T>() {
    auto state = RecurrentState<T>::make(cell, c);
    status = state.status();
    if (!state.ok()) return;
    prepared->scratch_bytes = state->end * static_cast<int64_t>(sizeof(T));
    prepared->cost_ns = state->cost_ns();
    if (state->r.packed != nullptr) prepared->unused_inputs.push_back(kRInput);
    prepared->use<&run<T>>(std::move(*state));
  });
  return status;
}

bool accepts(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

}  // namespace

void add_cpu_recurrent(KernelRegistry& kernels) {
  kernels.add("RNN", {"steps", accepts, prepare<CellKind::kRnn>});
  kernels.add("GRU", {"steps", accepts, prepare<CellKind::kGru>});
  kernels.add("LSTM", {"steps", accepts, prepare<CellKind::kLstm>});
}

}  // namespace weft
