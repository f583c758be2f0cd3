// Arithmetic and logic kernels of two inputs with broadcasting.
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/types_common.h"
#include "core/simd/arithmetic.h"

namespace weft {
namespace {

struct Add {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return wrap_add(a, b);
    else
      return a + b;
  }
};
struct Sub {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return wrap_sub(a, b);
    else
      return a - b;
  }
};
struct Mul {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return wrap_mul(a, b);
    else
      return a * b;
  }
};
struct GradMul {
  template <typename T>
  static T apply(T a, T b) {
    return a == T(0) ? a : Mul::apply(a, b);
  }
};
// NaN and -0 stay what they are.
struct PRelu {
  template <typename T>
  static T apply(T x, T slope) {
    return x < T(0) ? Mul::apply(x, slope) : x;
  }
};
struct GradDiv {
  template <typename T>
  static T apply(T a, T b) {
    return a == T(0) ? a : a / b;
  }
};
// Integer divisors are not 0 here: that was looked for before.
struct Div {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
      return b == T(-1) ? wrap_sub(T(0), a) : a / b;
    else
      return a / b;
  }
};
// The sign of the divisor.
struct FloorMod {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return 0;
      T rest = a % b;
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    } else {
      return a % b;
    }
  }
};
// The sign of the dividend.
struct Fmod {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return std::fmod(a, b);
    else if constexpr (std::is_signed_v<T>)
      return b == T(-1) ? T(0) : T(a % b);
    else
      return a % b;
  }
};

struct State {
  Broadcast plan;
  int64_t divisors = 0;  // elements to be checked for 0
  const char* what = "";
};

template <typename T>
bool has_zero(const T* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] == 0) return true;
  }
  return false;
}

template <typename T, typename Op>
struct Apply {
  T operator()(T a, T b) const { return Op::apply(a, b); }
};

template <typename T, typename Op>
void run(const State& s, const RunArgs& args) {
  if constexpr (std::is_integral_v<T>) {
    if (s.plan.count != 0 && has_zero(args.input<T>(1), s.divisors)) {
      *args.status = invalid(s.what, " by zero of ", dtype_name(dtype_of<T>()));
      return;
    }
  }
  run_broadcast<T, T, T>(s.plan, args, 0.5, Apply<T, Op>());
}

template <typename T, typename Op>
void span(const State&, const void* const* in, void* out, int64_t n) {
  apply_span<T, T, T>(in, out, n, Apply<T, Op>());
}

template <typename Op, typename Elements>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  State state{plan_broadcast(c)};
  prepared->cost_ns = 0.5 * static_cast<double>(state.plan.count);
  constexpr bool kDivides = std::is_same_v<Op, Div> || std::is_same_v<Op, FloorMod> || std::is_same_v<Op, Fmod>;
  if (kDivides) {
    state.divisors = c.count(1);
    state.what = std::is_same_v<Op, Div> ? "division" : "remainder of a division";
  }
  with_type(Elements{}, c.dtype(0), [&]<typename T>() {
    prepared->use<&run<T, Op>>(std::move(state));
    // A division of integers may fail.
    if constexpr (kHot<T> && !(kDivides && std::is_integral_v<T>)) prepared->use_span<&span<T, Op>, State>();
  });
  return {};
}

template <typename Elements>
bool takes(const KernelContext& c) {
  return in_list(Elements{}, c.dtype(0));
}
bool takes_mod(const KernelContext& c) {
  return c.attrs().b("fmod") ? in_list(NumberElements{}, c.dtype(0)) : in_list(IntElements{}, c.dtype(0));
}

Status prepare_mod(const KernelContext& c, PreparedKernel* prepared) {
  return c.attrs().b("fmod") ? prepare<Fmod, NumberElements>(c, prepared) : prepare<FloorMod, IntElements>(c, prepared);
}

// Of floats, on vectors.
template <typename T>
struct Vectors {
  typename ArithmeticTable<T>::Forms forms;

  template <bool a_moves, bool b_moves>
  void over(T* y, const T* a, const T* b, int64_t n) const {
    (a_moves && b_moves ? forms.both : a_moves ? forms.a_alone : forms.b_alone)(a, b, y, n);
  }
};
template <typename T>
struct VectorState {
  Broadcast plan;
  Vectors<T> vectors;
};
template <typename T>
void run_vectors(const VectorState<T>& s, const RunArgs& args) {
  run_broadcast<T, T, T>(s.plan, args, 0.5, s.vectors);
}
template <typename T>
void span_vectors(const VectorState<T>& s, const void* const* in, void* out, int64_t n) {
  apply_span<T, T, T>(in, out, n, s.vectors);
}

bool takes_float(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

template <ChainOp op, ArithmeticTable<float>::Forms ArithmeticTable<float>::*f32,
          ArithmeticTable<double>::Forms ArithmeticTable<double>::*f64>
Status prepare_vectors(const KernelContext& c, PreparedKernel* prepared) {
  auto use = [&]<typename T>(const typename ArithmeticTable<T>::Forms& forms) {
    VectorState<T> state{plan_broadcast(c), {forms}};
    prepared->cost_ns = 0.5 * static_cast<double>(state.plan.count);
    prepared->use<&run_vectors<T>>(std::move(state));
    prepared->use_span<&span_vectors<T>, VectorState<T>>();
  };
  prepared->chain_op = op;
  if (c.dtype(0) == DType::kF32)
    use.template operator()<float>(arithmetic_f32(current_isa()).*f32);
  else
    use.template operator()<double>(arithmetic_f64(current_isa()).*f64);
  return {};
}

enum class Logic { kAnd, kOr, kXor };
// Any byte but 0 is true.
template <Logic op>
struct ApplyLogic {
  uint8_t operator()(uint8_t a, uint8_t b) const {
    uint8_t x = a != 0, y = b != 0;
    return op == Logic::kAnd ? x & y : op == Logic::kOr ? x | y : x ^ y;
  }
};
template <Logic op>
void run_logic(const State& s, const RunArgs& args) {
  run_broadcast<uint8_t, uint8_t, uint8_t>(s.plan, args, 0.2, ApplyLogic<op>());
}
template <Logic op>
void span_logic(const State&, const void* const* in, void* out, int64_t n) {
  apply_span<uint8_t, uint8_t, uint8_t>(in, out, n, ApplyLogic<op>());
}
template <Logic op>
Status prepare_logic(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.2 * static_cast<double>(c.output_count_of(0));
  prepared->use<&run_logic<op>>(State{plan_broadcast(c)});
  prepared->use_span<&span_logic<op>, State>();
  return {};
}

}  // namespace

#define WEFT_ON_VECTORS(op, fn)                                                                                     \
  KernelImpl {                                                                                                      \
    "vectors", takes_float, prepare_vectors<ChainOp::op, &ArithmeticTable<float>::fn, &ArithmeticTable<double>::fn> \
  }

void add_cpu_binary(KernelRegistry& kernels) {
  kernels.add("Add", WEFT_ON_VECTORS(kAdd, add));
  kernels.add("Sub", WEFT_ON_VECTORS(kSub, sub));
  kernels.add("Mul", WEFT_ON_VECTORS(kMul, mul));
  kernels.add("Div", WEFT_ON_VECTORS(kDiv, div));
  kernels.add("Add", {"plain", takes<NumberElements>, prepare<Add, NumberElements>});
  kernels.add("Sub", {"plain", takes<NumberElements>, prepare<Sub, NumberElements>});
  kernels.add("Mul", {"plain", takes<NumberElements>, prepare<Mul, NumberElements>});
  kernels.add("Div", {"plain", takes<NumberElements>, prepare<Div, NumberElements>});
  kernels.add("Mod", {"plain", takes_mod, prepare_mod});
  kernels.add("weft.GradMul", {"plain", takes<NumberElements>, prepare<GradMul, NumberElements>});
  kernels.add("PRelu", {"plain", takes<NumberElements>, prepare<PRelu, NumberElements>});
  kernels.add("weft.GradDiv", {"plain", takes<FloatElements>, prepare<GradDiv, FloatElements>});
  kernels.add("And", {"plain", nullptr, prepare_logic<Logic::kAnd>});
  kernels.add("Or", {"plain", nullptr, prepare_logic<Logic::kOr>});
  kernels.add("Xor", {"plain", nullptr, prepare_logic<Logic::kXor>});
}

}  // namespace weft
