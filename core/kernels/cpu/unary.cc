// Elementwise kernels of one input.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/cast_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

struct Params {
  int64_t count;
  double a;      // alpha, where the operator has one
  double b = 0;  // beta
};

// Elements a block: whole cache lines, large enough to hide the hand-over to another thread.
constexpr int64_t kBlock = 16384;

template <typename T, T (*F)(T, T)>
void span(const Params& p, const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  T a = static_cast<T>(p.a);
  for (int64_t i = 0; i < n; ++i) y[i] = F(x[i], a);
}
template <typename T, T (*F)(T, T)>
void run(const Params& p, const RunArgs& args) {
  parallel_for(*args.parallel, p.count, kBlock, 2.0, [&](int64_t begin, int64_t end) {
    const void* x = args.input<T>(0) + begin;
    span<T, F>(p, &x, args.output<T>(0) + begin, end - begin);
  });
}

template <typename T>
struct Fns {
  using U = std::make_unsigned<std::conditional_t<std::is_integral_v<T>, T, int>>;
  static T neg(T x, T) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(typename U::type{0} - static_cast<typename U::type>(x));
    } else {
      return -x;
    }
  }
  static T abs(T x, T a) {
    if constexpr (std::is_unsigned_v<T>)
      return x;
    else if constexpr (std::is_integral_v<T>)
      return x < 0 ? neg(x, a) : x;
    else
      return std::fabs(x);
  }
  static T sign(T x, T) {
    if constexpr (std::is_unsigned_v<T>) return x != 0;
    return x > 0 ? T(1) : x < 0 ? T(-1) : x == x ? T(0) : x;
  }
  static T floor(T x, T) { return std::floor(x); }
  static T ceil(T x, T) { return std::ceil(x); }
  static T round(T x, T) { return std::nearbyint(x); }
  static T reciprocal(T x, T) { return T(1) / x; }
  static T sqrt(T x, T) { return std::sqrt(x); }
  static T exp(T x, T) { return std::exp(x); }
  static T log(T x, T) { return std::log(x); }
  static T sin(T x, T) { return std::sin(x); }
  static T cos(T x, T) { return std::cos(x); }
  static T tan(T x, T) { return std::tan(x); }
  static T asin(T x, T) { return std::asin(x); }
  static T acos(T x, T) { return std::acos(x); }
  static T atan(T x, T) { return std::atan(x); }
  static T sinh(T x, T) { return std::sinh(x); }
  static T cosh(T x, T) { return std::cosh(x); }
  static T asinh(T x, T) { return std::asinh(x); }
  static T acosh(T x, T) { return std::acosh(x); }
  static T atanh(T x, T) { return std::atanh(x); }
  static T mish(T x, T) { return x == -std::numeric_limits<T>::infinity() ? T(0) : x * std::tanh(softplus(x, 0)); }
  static T tanh(T x, T) { return std::tanh(x); }
  static T erf(T x, T) { return std::erf(x); }
  static T sigmoid(T x, T) {
    if (x >= 0) return T(1) / (T(1) + std::exp(-x));
    T e = std::exp(x);
    return e / (T(1) + e);
  }
  static T softplus(T x, T) { return (x < 0 ? T(0) : x) + std::log1p(std::exp(-std::fabs(x))); }  // NaN stays NaN
  static T relu(T x, T) { return x > 0 ? x : x == x ? T(0) : x; }
  static T leaky_relu(T x, T a) { return x > 0 ? x : a * x; }
  static T elu(T x, T a) { return x > 0 ? x : a * std::expm1(x); }
  static T gelu(T x, T) { return T(0.5) * x * (T(1) + std::erf(x * T(0.7071067811865476))); }
  static T gelu_tanh(T x, T) {
    return T(0.5) * x * (T(1) + std::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));
  }
};

template <typename T, T (*F)(T, T)>
void use(const KernelContext& c, PreparedKernel* prepared, double a) {
  prepared->cost_ns = 2.0 * static_cast<double>(c.count(0));
  prepared->use<&run<T, F>>(Params{c.count(0), a});
  prepared->use_span<&span<T, F>, Params>();
}

template <float (*F32)(float, float), double (*F64)(double, double)>
Status prepare_float(const KernelContext& c, PreparedKernel* prepared) {
  double a = c.attrs().has("alpha") ? c.attrs().f("alpha") : 0;
  if (c.dtype(0) == DType::kF32)
    use<float, F32>(c, prepared, a);
  else
    use<double, F64>(c, prepared, a);
  return {};
}

bool takes_float(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

// Of an operation that chains of floats have too.
template <ChainOp op, Status (*prepare)(const KernelContext&, PreparedKernel*)>
Status prepare_in_chains(const KernelContext& c, PreparedKernel* prepared) {
  if (takes_float(c)) prepared->chain_op = op;
  return prepare(c, prepared);
}

// Narrower integers are computed as these.
using UnaryNumbers = Types<float, double, int32_t, int64_t, uint64_t>;

template <template <typename> typename Pick>
Status prepare_number(const KernelContext& c, PreparedKernel* prepared) {
  with_type(UnaryNumbers{}, c.dtype(0), [&]<typename T>() { use<T, Pick<T>::fn>(c, prepared, 0); });
  return {};
}
bool takes_number(const KernelContext& c) { return in_list(UnaryNumbers{}, c.dtype(0)); }
template <typename T>
struct Neg {
  static constexpr auto fn = &Fns<T>::neg;
};
template <typename T>
struct Abs {
  static constexpr auto fn = &Fns<T>::abs;
};
template <typename T>
struct Sign {
  static constexpr auto fn = &Fns<T>::sign;
};
template <typename T>
struct Relu {
  static constexpr auto fn = &Fns<T>::relu;
};

bool through_tanh(const KernelContext& c) { return c.attrs().s("approximate") == "tanh"; }
Status prepare_gelu(const KernelContext& c, PreparedKernel* prepared) {
  if (through_tanh(c)) {
    return prepare_float<Fns<float>::gelu_tanh, Fns<double>::gelu_tanh>(c, prepared);
  }
  return prepare_float<Fns<float>::gelu, Fns<double>::gelu>(c, prepared);
}

template <typename T>
void span_hard_sigmoid(const Params& p, const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const T a = static_cast<T>(p.a), b = static_cast<T>(p.b);
  for (int64_t i = 0; i < n; ++i) {
    const T line = a * x[i] + b;
    y[i] = line < T(0) ? T(0) : line > T(1) ? T(1) : line;  // NaN stays NaN
  }
}
template <typename T>
void run_hard_sigmoid(const Params& p, const RunArgs& args) {
  parallel_for(*args.parallel, p.count, kBlock, 0.5, [&](int64_t begin, int64_t end) {
    const void* x = args.input<T>(0) + begin;
    span_hard_sigmoid<T>(p, &x, args.output<T>(0) + begin, end - begin);
  });
}
Status prepare_hard_sigmoid(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.5 * static_cast<double>(c.count(0));
  with_type(Types<float, double>{}, c.dtype(0), [&]<typename T>() {
    prepared->use<&run_hard_sigmoid<T>>(Params{c.count(0), c.attrs().f("alpha"), c.attrs().f("beta")});
    prepared->use_span<&span_hard_sigmoid<T>, Params>();
  });
  return {};
}

// Of integers in a type that holds all of them and a fraction.
template <typename T>
using Shrunk =
    std::conditional_t<std::is_floating_point_v<T>, T, std::conditional_t<sizeof(T) == 8, long double, double>>;
template <typename T>
void span_shrink(const Params& p, const void* const* in, void* out, int64_t n) {
  using W = Shrunk<T>;
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const W bias = static_cast<W>(p.a), lambd = static_cast<W>(p.b);
  for (int64_t i = 0; i < n; ++i) {
    const W value = static_cast<W>(x[i]);
    y[i] = convert<T, W>(value < -lambd ? value + bias : value > lambd ? value - bias : W(0));
  }
}
template <typename T>
void run_shrink(const Params& p, const RunArgs& args) {
  parallel_for(*args.parallel, p.count, kBlock, 0.5, [&](int64_t begin, int64_t end) {
    const void* x = args.input<T>(0) + begin;
    span_shrink<T>(p, &x, args.output<T>(0) + begin, end - begin);
  });
}
using ShrinkElements = Types<float, double, int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t>;
bool takes_shrink(const KernelContext& c) {
  return with_type(ShrinkElements{}, c.dtype(0), []<typename T>() {});
}
Status prepare_shrink(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.5 * static_cast<double>(c.count(0));
  with_type(ShrinkElements{}, c.dtype(0), [&]<typename T>() {
    prepared->use<&run_shrink<T>>(Params{c.count(0), c.attrs().f("bias"), c.attrs().f("lambd")});
    prepared->use_span<&span_shrink<T>, Params>();
  });
  return {};
}

template <typename T>
void span_is_nan(const Params&, const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  bool* y = static_cast<bool*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] != x[i];
}
// Any byte but 0 is true.
void span_not(const Params&, const void* const* in, void* out, int64_t n) {
  const uint8_t* x = static_cast<const uint8_t*>(in[0]);
  bool* y = static_cast<bool*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] == 0;
}
template <auto span>
void run_whole(const Params& p, const RunArgs& args) {
  if (p.count > 0) span(p, args.in, args.out[0], p.count);
}
template <auto span>
void use_whole(const KernelContext& c, PreparedKernel* prepared) {
  prepared->use<&run_whole<span>>(Params{c.count(0), 0});
  prepared->use_span<span, Params>();
}
Status prepare_is_nan(const KernelContext& c, PreparedKernel* prepared) {
  if (c.dtype(0) == DType::kF32)
    use_whole<&span_is_nan<float>>(c, prepared);
  else
    use_whole<&span_is_nan<double>>(c, prepared);
  return {};
}
Status prepare_not(const KernelContext& c, PreparedKernel* prepared) {
  use_whole<&span_not>(c, prepared);
  return {};
}

// On vectors.
template <typename T>
struct VectorState {
  int64_t count;
  typename MathTable<T>::Fn fn;
};
template <typename T>
void span_vectors(const VectorState<T>& s, const void* const* in, void* out, int64_t n) {
  s.fn(static_cast<const T*>(in[0]), static_cast<T*>(out), n);
}
template <typename T>
void run_vectors(const VectorState<T>& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  parallel_for(*args.parallel, s.count, kBlock, 0.5,
               [&](int64_t begin, int64_t end) { s.fn(x + begin, y + begin, end - begin); });
}
template <MathTable<float>::Fn MathTable<float>::*f32, MathTable<double>::Fn MathTable<double>::*f64,
          ChainOp op = ChainOp::kNone>
Status prepare_vectors(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.5 * static_cast<double>(c.count(0));
  prepared->chain_op = op;
  auto use = [&]<typename T>(typename MathTable<T>::Fn fn) {
    prepared->use<&run_vectors<T>>(VectorState<T>{c.count(0), fn});
    prepared->use_span<&span_vectors<T>, VectorState<T>>();
  };
  if (c.dtype(0) == DType::kF32)
    use.template operator()<float>(math_f32(current_isa()).*f32);
  else
    use.template operator()<double>(math_f64(current_isa()).*f64);
  return {};
}
bool takes_exact_gelu(const KernelContext& c) { return takes_float(c) && !through_tanh(c); }
bool takes_tanh_gelu(const KernelContext& c) { return takes_float(c) && through_tanh(c); }

// The same of functions that have parameters: `alpha`, and perhaps one more.
template <auto f32, auto f64>
auto function_of(float) {
  return math_table(float()).*f32;
}
template <auto f32, auto f64>
auto function_of(double) {
  return math_table(double()).*f64;
}
template <auto f32, auto f64, typename T>
void span_with(const Params& p, const void* const* in, void* out, int64_t n) {
  constexpr bool kTwo = std::is_same_v<decltype(f32), MathTable<float>::WithTwo MathTable<float>::*>;
  const T *x = static_cast<const T*>(in[0]), a = static_cast<T>(p.a);
  const auto fn = function_of<f32, f64>(T());
  if constexpr (kTwo)
    fn(x, static_cast<T*>(out), n, a, static_cast<T>(p.b));
  else
    fn(x, static_cast<T*>(out), n, a);
}
template <auto f32, auto f64, typename T>
void run_with(const Params& p, const RunArgs& args) {
  parallel_for(*args.parallel, p.count, kBlock, 1, [&](int64_t begin, int64_t end) {
    const void* x = args.input<T>(0) + begin;
    span_with<f32, f64, T>(p, &x, args.output<T>(0) + begin, end - begin);
  });
}
template <auto f32, auto f64>
void use_with(const KernelContext& c, PreparedKernel* prepared, double other) {
  prepared->cost_ns = static_cast<double>(c.count(0));
  with_type(Types<float, double>{}, c.dtype(0), [&]<typename T>() {
    prepared->use<&run_with<f32, f64, T>>(Params{c.count(0), c.attrs().f("alpha"), other});
    prepared->use_span<&span_with<f32, f64, T>, Params>();
  });
}
template <auto f32, auto f64>
Status prepare_with_alpha(const KernelContext& c, PreparedKernel* prepared) {
  use_with<f32, f64>(c, prepared, 0);
  return {};
}
Status prepare_vector_hard_sigmoid(const KernelContext& c, PreparedKernel* prepared) {
  use_with<&MathTable<float>::hard_sigmoid, &MathTable<double>::hard_sigmoid>(c, prepared, c.attrs().f("beta"));
  return {};
}
Status prepare_selu(const KernelContext& c, PreparedKernel* prepared) {
  use_with<&MathTable<float>::selu, &MathTable<double>::selu>(c, prepared, c.attrs().f("gamma"));
  return {};
}
// Others are made of other operators, which say what is wrong with them.
bool takes_celu(const KernelContext& c) {
  const double alpha = c.attrs().f("alpha");
  return takes_float(c) && alpha > 0 && std::isfinite(alpha);
}

#define VECTOR_ROW(op, fn, accepts)                                                            \
  {                                                                                            \
    op, { "vectors", accepts, prepare_vectors<&MathTable<float>::fn, &MathTable<double>::fn> } \
  }
#define ALPHA_ROW(op, fn, accepts)                                                                \
  {                                                                                               \
    op, { "vectors", accepts, prepare_with_alpha<&MathTable<float>::fn, &MathTable<double>::fn> } \
  }
#define FLOAT_ROW(op, fn)                                                        \
  {                                                                              \
    op, { "plain", takes_float, prepare_float<Fns<float>::fn, Fns<double>::fn> } \
  }
struct Row {
  const char* op;
  KernelImpl impl;
};
// Of one operator, the fastest first.
const Row kRows[] = {
    VECTOR_ROW("Exp", exp, takes_float),
    VECTOR_ROW("Log", log, takes_float),
    VECTOR_ROW("Tanh", tanh, takes_float),
    VECTOR_ROW("Sigmoid", sigmoid, takes_float),
    {"Relu",
     {"vectors", takes_float, prepare_vectors<&MathTable<float>::relu, &MathTable<double>::relu, ChainOp::kRelu>}},
    VECTOR_ROW("Sin", sin, takes_float),
    VECTOR_ROW("Cos", cos, takes_float),
    VECTOR_ROW("Tan", tan, takes_float),
    VECTOR_ROW("Asin", asin, takes_float),
    VECTOR_ROW("Acos", acos, takes_float),
    VECTOR_ROW("Atan", atan, takes_float),
    VECTOR_ROW("Sinh", sinh, takes_float),
    VECTOR_ROW("Cosh", cosh, takes_float),
    VECTOR_ROW("Asinh", asinh, takes_float),
    VECTOR_ROW("Acosh", acosh, takes_float),
    VECTOR_ROW("Atanh", atanh, takes_float),
    VECTOR_ROW("Mish", mish, takes_float),
    VECTOR_ROW("Softplus", softplus, takes_float),
    VECTOR_ROW("HardSwish", hard_swish, takes_float),
    ALPHA_ROW("Elu", elu, takes_float),
    ALPHA_ROW("Celu", celu, takes_celu),
    ALPHA_ROW("LeakyRelu", leaky_relu, takes_float),
    ALPHA_ROW("Swish", swish, takes_float),
    ALPHA_ROW("weft.SwishSlope", swish_slope, takes_float),
    {"HardSigmoid", {"vectors", takes_float, prepare_vector_hard_sigmoid}},
    {"Selu", {"vectors", takes_float, prepare_selu}},
    VECTOR_ROW("Erf", erf, takes_float),
    VECTOR_ROW("Gelu", gelu, takes_exact_gelu),
    VECTOR_ROW("Gelu", gelu_tanh, takes_tanh_gelu),
    VECTOR_ROW("weft.GeluSlope", gelu_slope, takes_exact_gelu),
    VECTOR_ROW("weft.GeluSlope", gelu_tanh_slope, takes_tanh_gelu),
    {"Neg", {"plain", takes_number, prepare_in_chains<ChainOp::kNeg, prepare_number<Neg>>}},
    {"Abs", {"plain", takes_number, prepare_in_chains<ChainOp::kAbs, prepare_number<Abs>>}},
    {"Sign", {"plain", takes_number, prepare_number<Sign>}},
    {"Relu", {"plain", takes_number, prepare_number<Relu>}},
    FLOAT_ROW("Floor", floor),
    FLOAT_ROW("Ceil", ceil),
    FLOAT_ROW("Round", round),
    FLOAT_ROW("Reciprocal", reciprocal),
    {"Sqrt",
     {"plain", takes_float, prepare_in_chains<ChainOp::kSqrt, prepare_float<Fns<float>::sqrt, Fns<double>::sqrt>>}},
    FLOAT_ROW("Exp", exp),
    FLOAT_ROW("Log", log),
    FLOAT_ROW("Sin", sin),
    FLOAT_ROW("Cos", cos),
    FLOAT_ROW("Tan", tan),
    FLOAT_ROW("Asin", asin),
    FLOAT_ROW("Acos", acos),
    FLOAT_ROW("Atan", atan),
    FLOAT_ROW("Sinh", sinh),
    FLOAT_ROW("Cosh", cosh),
    FLOAT_ROW("Asinh", asinh),
    FLOAT_ROW("Acosh", acosh),
    FLOAT_ROW("Atanh", atanh),
    FLOAT_ROW("Mish", mish),
    FLOAT_ROW("Tanh", tanh),
    FLOAT_ROW("Erf", erf),
    FLOAT_ROW("Sigmoid", sigmoid),
    FLOAT_ROW("Softplus", softplus),
    FLOAT_ROW("LeakyRelu", leaky_relu),
    FLOAT_ROW("Elu", elu),
    {"Gelu", {"plain", takes_float, prepare_gelu}},
    {"HardSigmoid", {"plain", takes_float, prepare_hard_sigmoid}},
    {"Shrink", {"plain", takes_shrink, prepare_shrink}},
    {"IsNaN", {"plain", takes_float, prepare_is_nan}},
    {"Not", {"plain", nullptr, prepare_not}},
};

}  // namespace

void add_cpu_unary(KernelRegistry& kernels) {
  for (const Row& row : kRows) kernels.add(row.op, row.impl);
}

}  // namespace weft
