// Comparison kernels of two inputs with broadcasting.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

enum class Test { kEqual, kLess, kGreater, kAtMost, kAtLeast };

template <Test test, typename T>
bool holds(T a, T b) {
  switch (test) {
    case Test::kEqual: return a == b;
    case Test::kLess: return a < b;
    case Test::kGreater: return a > b;
    case Test::kAtMost: return a <= b;
    case Test::kAtLeast: return a >= b;
  }
}

template <typename T, Test test>
struct Holds {
  bool operator()(T a, T b) const { return holds<test, T>(a, b); }
};
template <typename T, Test test>
void run(const Broadcast& plan, const RunArgs& args) {
  run_broadcast<bool, T, T>(plan, args, 0.5, Holds<T, test>());
}
template <typename T, Test test>
void span(const Broadcast&, const void* const* in, void* out, int64_t n) {
  apply_span<bool, T, T>(in, out, n, Holds<T, test>());
}

// Any byte but 0 is true.
struct EqualBools {
  bool operator()(uint8_t a, uint8_t b) const { return (a != 0) == (b != 0); }
};
void run_equal_bools(const Broadcast& plan, const RunArgs& args) {
  run_broadcast<bool, uint8_t, uint8_t>(plan, args, 0.2, EqualBools());
}
void span_equal_bools(const Broadcast&, const void* const* in, void* out, int64_t n) {
  apply_span<bool, uint8_t, uint8_t>(in, out, n, EqualBools());
}

struct StringState {
  Broadcast plan;
  Shape shape;
};

Status run_equal_strings(const StringState& s, TensorArgs& args) {
  const Broadcast& plan = s.plan;
  WEFT_TRY(args.out[0], Tensor::make(DType::kBool, s.shape));
  const std::vector<std::string>&a = args.in[0].strings(), &b = args.in[1].strings();
  bool* y = args.out[0].as<bool>();
  for_runs<2>(plan, 0, plan.count, [&](int64_t out, const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[out + i] = a[at[0] + i * plan.last_step(0)] == b[at[1] + i * plan.last_step(1)];
  });
  return {};
}

bool takes(const KernelContext& c) {
  return in_list(NumberElements{}, c.dtype(0)) || c.dtype(0) == DType::kBool || c.dtype(0) == DType::kString;
}

template <Test test>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  Broadcast plan = plan_broadcast(c);
  prepared->cost_ns = 0.5 * static_cast<double>(plan.count);
  if (c.dtype(0) == DType::kBool) {
    prepared->use<&run_equal_bools>(std::move(plan));
    prepared->use_span<&span_equal_bools, Broadcast>();
  } else if (c.dtype(0) == DType::kString) {
    prepared->use_tensors<&run_equal_strings>(StringState{std::move(plan), c.output_shape(0)});
  } else {
    with_type(NumberElements{}, c.dtype(0), [&]<typename T>() {
      prepared->use<&run<T, test>>(std::move(plan));
      if constexpr (kHot<T>) prepared->use_span<&span<T, test>, Broadcast>();
    });
  }
  return {};
}

}  // namespace

void add_cpu_compare(KernelRegistry& kernels) {
  kernels.add("Equal", {"plain", takes, prepare<Test::kEqual>});
  kernels.add("Less", {"plain", takes, prepare<Test::kLess>});
  kernels.add("Greater", {"plain", takes, prepare<Test::kGreater>});
  kernels.add("LessOrEqual", {"plain", takes, prepare<Test::kAtMost>});
  kernels.add("GreaterOrEqual", {"plain", takes, prepare<Test::kAtLeast>});
}

}  // namespace weft
