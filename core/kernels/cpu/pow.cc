// Power kernels; the exponent may be of another type than the base.
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/cast_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

// Of base and exponent of one type, on vectors.
template <typename T>
struct SameState {
  Broadcast plan;
  typename PowerTable<T>::Fn both, x_alone, y_alone;
  double cost_ns;                     // of an element
  std::shared_ptr<const T> exponent;  // one for all elements, where it is a constant
};

// Of an element. Most constant exponents are some of those that powers are products, quotients and roots for.
template <typename T>
double power_cost(const T* exponent) {
  const bool simple = exponent != nullptr &&
                      (*exponent == T(2) || *exponent == T(3) || *exponent == T(-1) || std::fabs(*exponent) == T(0.5));
  return simple ? 0.5 : sizeof(T) == 4 ? 3 : 8;
}

template <typename T>
struct PowerOver {
  const SameState<T>& s;

  template <bool x_moves, bool y_moves>
  void over(T* z, const T* x, const T* y, int64_t n) const {
    (x_moves && y_moves ? s.both : x_moves ? s.x_alone : s.y_alone)(x, y, z, n);
  }
};
template <typename T>
void run_same(const SameState<T>& s, const RunArgs& args) {
  run_broadcast<T, T, T>(s.plan, args, s.cost_ns, PowerOver<T>{s});
}
template <typename T>
void span_same(const SameState<T>& s, const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  T* z = static_cast<T*>(out);
  if (s.exponent != nullptr)
    s.x_alone(x, s.exponent.get(), z, n);
  else
    s.both(x, static_cast<const T*>(in[1]), z, n);
}

// An exponent of any type: whole as sign and magnitude, or broken.
struct Exponent {
  bool whole;
  bool negative;
  uint64_t magnitude;
  double value;
};
template <typename T>
Exponent load_exponent(const void* values, int64_t i) {
  T y = static_cast<const T*>(values)[i];
  if constexpr (std::is_integral_v<T>) {
    bool negative = y < 0;
    uint64_t bits = static_cast<uint64_t>(y);
    return {true, negative, negative ? 0 - bits : bits, static_cast<double>(y)};
  } else {
    return {false, false, 0, static_cast<double>(y)};
  }
}

template <typename T>
T whole_power(T x, uint64_t n) {
  T result = 1;
  for (; n != 0; n >>= 1) {
    if (n & 1) result = wrap_mul(result, x);
    x = wrap_mul(x, x);
  }
  return result;
}

struct State {
  Broadcast plan;
  Exponent (*load)(const void* values, int64_t i);
  int64_t bases, exponents;
};

template <typename T>
bool divides_by_zero(const State& s, const RunArgs& args) {
  bool any = false;
  const T* x = args.input<T>(0);
  for (int64_t i = 0; i < s.exponents && !any; ++i) any = s.load(args.in[1], i).negative;
  if (!any) return false;
  bool found = false;
  for_runs<2>(s.plan, 0, s.plan.count, [&](int64_t, const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      found = found ||
              (x[at[0] + i * s.plan.last_step(0)] == 0 && s.load(args.in[1], at[1] + i * s.plan.last_step(1)).negative);
    }
  });
  return found;
}

template <typename T>
void run_mixed(const State& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* z = args.output<T>(0);
  if constexpr (std::is_integral_v<T>) {
    if (divides_by_zero<T>(s, args)) {
      *args.status = invalid("a negative power of the integer 0");
      return;
    }
  }
  parallel_for(*args.parallel, s.plan.count, kElementwiseBlock / 16, 25, [&](int64_t begin, int64_t end) {
    for_runs<2>(s.plan, begin, end, [&](int64_t out, const int64_t* at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        const T base = x[at[0] + i * s.plan.last_step(0)];
        const Exponent e = s.load(args.in[1], at[1] + i * s.plan.last_step(1));
        if constexpr (std::is_integral_v<T>) {
          if (!e.whole)
            z[out + i] = convert<T>(std::pow(static_cast<double>(base), e.value));
          else if (!e.negative)
            z[out + i] = whole_power(base, e.magnitude);
          else
            z[out + i] = base == 1 || base == -1 ? whole_power(base, e.magnitude & 1) : T(0);
        } else {
          z[out + i] = static_cast<T>(std::pow(static_cast<double>(base), e.value));
        }
      }
    });
  });
}

using BaseElements = Types<float, double, int32_t, int64_t>;

bool takes_mixed(const KernelContext& c) {
  return in_list(BaseElements{}, c.dtype(0)) && in_list(NumberElements{}, c.dtype(1));
}

Status prepare_mixed(const KernelContext& c, PreparedKernel* prepared) {
  State state{plan_broadcast(c), nullptr, c.count(0), c.count(1)};
  prepared->cost_ns = 25.0 * static_cast<double>(state.plan.count);
  with_type(NumberElements{}, c.dtype(1), [&]<typename T>() { state.load = &load_exponent<T>; });
  with_type(BaseElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&run_mixed<T>>(std::move(state)); });
  return {};
}

Status prepare_same(const KernelContext& c, PreparedKernel* prepared) {
  with_type(Types<float, double>{}, c.dtype(0), [&]<typename T>() {
    const PowerTable<T>& table = power_table(T());
    SameState<T> state{plan_broadcast(c), table.both, table.x_alone, table.y_alone, 0, nullptr};
    if (c.constant(1) != nullptr && c.count(1) == 1) {
      state.exponent = std::make_shared<const T>(*c.constant(1)->template as<T>());
    }
    state.cost_ns = power_cost(state.exponent.get());
    prepared->cost_ns = state.cost_ns * static_cast<double>(state.plan.count);
    prepared->use<&run_same<T>>(std::move(state));
    prepared->use_span<&span_same<T>, SameState<T>>();
  });
  return {};
}
bool is_same_float(const KernelContext& c) {
  return c.dtype(0) == c.dtype(1) && (c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64);
}

}  // namespace

void add_cpu_pow(KernelRegistry& kernels) {
  kernels.add("Pow", {"vectors", is_same_float, prepare_same});
  kernels.add("Pow", {"plain", takes_mixed, prepare_mixed});
}

}  // namespace weft
