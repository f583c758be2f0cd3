// What every kernel that fused.cc writes begins with: element types, loads and stores, and the functions that expressions
// use. NVRTC compiles it, without headers.
#pragma once

namespace weft::cuda {

// What operators mean is said in core/ops; these are the CPU's formulas.
constexpr char kFusedPrelude[] = R"cuda(
struct Half { unsigned short bits; };
struct BFloat { unsigned short bits; };

inline float to_float(Half x) { float y; asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits)); return y; }
inline float to_float(BFloat x) { return __uint_as_float((unsigned)x.bits << 16); }

// Lanes of a pack, in memory and in registers.
template <int bytes> struct Words;
template <> struct Words<1> { typedef unsigned char Type; };
template <> struct Words<2> { typedef unsigned short Type; };
template <> struct Words<4> { typedef unsigned Type; };
template <> struct Words<8> { typedef uint2 Type; };
template <> struct Words<16> { typedef uint4 Type; };

template <class Stored, int n, class Held> inline void load(const Stored* from, Held (&to)[n]) {
  union { typename Words<n * sizeof(Stored)>::Type words; Stored lanes[n]; } pack;
  pack.words = *reinterpret_cast<const typename Words<n * sizeof(Stored)>::Type*>(from);
#pragma unroll
  for (int k = 0; k < n; ++k) to[k] = pack.lanes[k];
}
template <class Stored, int n> inline void load(const Stored* from, bool (&to)[n]) {
  union { typename Words<n * sizeof(Stored)>::Type words; Stored lanes[n]; } pack;
  pack.words = *reinterpret_cast<const typename Words<n * sizeof(Stored)>::Type*>(from);
#pragma unroll
  for (int k = 0; k < n; ++k) to[k] = pack.lanes[k] != 0;
}
template <class Stored, int n, class Held> inline void store(Stored* to, const Held (&from)[n]) {
  union { typename Words<n * sizeof(Stored)>::Type words; Stored lanes[n]; } pack;
#pragma unroll
  for (int k = 0; k < n; ++k) pack.lanes[k] = from[k];
  *reinterpret_cast<typename Words<n * sizeof(Stored)>::Type*>(to) = pack.words;
}

// Integers wrap around.
template <class T> struct Wrapping { typedef T Type; };
template <> struct Wrapping<int> { typedef unsigned Type; };
template <> struct Wrapping<long long> { typedef unsigned long long Type; };
template <class T> inline T add(T a, T b) { typedef typename Wrapping<T>::Type U; return (T)((U)a + (U)b); }
template <class T> inline T sub(T a, T b) { typedef typename Wrapping<T>::Type U; return (T)((U)a - (U)b); }
template <class T> inline T mul(T a, T b) { typedef typename Wrapping<T>::Type U; return (T)((U)a * (U)b); }
template <class T> inline T neg(T x) { return sub(T(0), x); }
inline float neg(float x) { return -x; }
inline double neg(double x) { return -x; }
template <class T> inline T absolute(T x) { return x < T(0) ? neg(x) : x; }
inline float absolute(float x) { return fabsf(x); }
inline double absolute(double x) { return fabs(x); }
template <class T> inline T sign(T x) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x == x ? T(0) : x; }

template <class T> inline T grad_mul(T a, T b) { return a == T(0) ? a : mul(a, b); }
template <class T> inline T grad_div(T a, T b) { return a == T(0) ? a : a / b; }
template <class T> inline T prelu(T x, T slope) { return x < T(0) ? mul(x, slope) : x; }
template <class T> inline T least(T a, T b) { return a < b || a != a ? a : b; }
template <class T> inline T greatest(T a, T b) { return a > b || a != a ? a : b; }
template <class T> inline T at_least(T x, T low) { return x < low ? low : x; }
template <class T> inline T at_most(T x, T high) { return high < x ? high : x; }
template <class T> inline T shift_left(T x, T places) { return places >= 8 * sizeof(T) ? T(0) : T(x << places); }
template <class T> inline T shift_right(T x, T places) { return places >= 8 * sizeof(T) ? T(0) : T(x >> places); }

inline double remainder_of(double a, double b) { return fmod(a, b); }
inline float remainder_of(float a, float b) { return fmodf(a, b); }

template <class T> inline T relu(T x) { return x > T(0) ? x : x == x ? T(0) : x; }
template <class T> inline T leaky_relu(T x, T a) { return x > T(0) ? x : a * x; }
template <class T> inline T elu(T x, T a) { return x > T(0) ? x : a * expm1(x); }
template <class T> inline T sigmoid(T x) {
  if (x >= T(0)) return T(1) / (T(1) + exp(-x));
  const T e = exp(x);
  return e / (T(1) + e);
}
template <class T> inline T softplus(T x) { return (x < T(0) ? T(0) : x) + log1p(exp(-fabs(x))); }
template <class T> inline T mish(T x) { return isinf(x) && x < T(0) ? T(0) : x * tanh(softplus(x)); }
template <class T> inline T hard_sigmoid(T x, T a, T b) {
  const T line = a * x + b;
  return line < T(0) ? T(0) : line > T(1) ? T(1) : line;
}
template <class T> inline T shrink(T x, T bias, T limit) { return x < -limit ? x + bias : x > limit ? x - bias : T(0); }
// x times the normal distribution's function; its lower end is 0, not -infinity times 0.
template <class T> inline T gelu(T x) {
  return isinf(x) && x < T(0) ? T(0) : T(0.5) * x * (T(1) + erf(x * T(0.7071067811865476)));
}
template <class T> inline T gelu_tanh(T x) {
  return isinf(x) && x < T(0) ? T(0)
                              : T(0.5) * x * (T(1) + tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));
}
template <class T> inline T gelu_slope(T x) {
  const T share = T(0.5) * (T(1) + erf(x * T(0.7071067811865476)));
  return fabs(x) > T(100) ? share : share + x * exp(T(-0.5) * x * x) * T(0.3989422804014327);
}
template <class T> inline T gelu_tanh_slope(T x) {
  if (x != x) return x;
  const T near = x > T(100) ? T(100) : x < T(-100) ? T(-100) : x, square = near * near;
  const T twice = near * (square * T(0.0713548162726008) + T(1.5957691216057308));
  const T rise = near * (square * T(0.2140644488178024) + T(1.5957691216057308));
  const T s = sigmoid(twice);
  return s * sigmoid(-twice) * rise + s;
}
template <class T> inline T power(T x, T y) { return pow(x, y); }

// Rounded to odd: rounding once more gives what rounding x at once would.
inline float to_odd(double x) {
  const float cut = __double2float_rz(x);
  if ((double)cut == x || x != x || isinf(cut)) return cut;
  return __uint_as_float(__float_as_uint(cut) | 1u);
}

template <class To> struct Limits;
template <> struct Limits<signed char> { static const int low = -128; static const int high = 127; };
template <> struct Limits<short> { static const int low = -32768; static const int high = 32767; };
template <> struct Limits<int> { static const int low = -2147483647 - 1; static const int high = 2147483647; };
template <> struct Limits<long long> {
  static const long long low = -9223372036854775807ll - 1; static const long long high = 9223372036854775807ll;
};
template <> struct Limits<unsigned char> { static const unsigned low = 0; static const unsigned high = 255; };
template <> struct Limits<unsigned short> { static const unsigned low = 0; static const unsigned high = 65535; };
template <> struct Limits<unsigned> { static const unsigned low = 0; static const unsigned high = 4294967295u; };
template <> struct Limits<unsigned long long> {
  static const unsigned long long low = 0; static const unsigned long long high = 18446744073709551615ull;
};

// To integers the fraction is cut off; out of range is the nearest in range, NaN the lowest; wider integers keep their low
// bits. To floats the nearest, ties to even. To bool: not 0.
template <class To, class From> struct Cast {
  static To of(From x) { return (To)x; }
};
template <class To, class From> inline To cut(From x) {
  const From end = (From)(Limits<To>::high / 2 + 1) * From(2);
  if (!(x > (From)Limits<To>::low)) return Limits<To>::low;
  return x >= end ? (To)Limits<To>::high : (To)x;
}
template <class To> struct Cast<To, float> { static To of(float x) { return cut<To>(x); } };
template <class To> struct Cast<To, double> { static To of(double x) { return cut<To>(x); } };
template <> struct Cast<float, float> { static float of(float x) { return x; } };
template <> struct Cast<double, float> { static double of(float x) { return x; } };
template <> struct Cast<float, double> { static float of(double x) { return __double2float_rn(x); } };
template <> struct Cast<double, double> { static double of(double x) { return x; } };
template <> struct Cast<bool, float> { static bool of(float x) { return x != 0; } };
template <> struct Cast<bool, double> { static bool of(double x) { return x != 0; } };
template <class From> struct Cast<bool, From> { static bool of(From x) { return x != From(0); } };
template <> struct Cast<bool, bool> { static bool of(bool x) { return x; } };
template <> struct Cast<Half, float> {
  static Half of(float x) { Half y; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); return y; }
};
template <> struct Cast<BFloat, float> {
  static BFloat of(float x) { BFloat y; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); return y; }
};
template <> struct Cast<Half, double> { static Half of(double x) { return Cast<Half, float>::of(to_odd(x)); } };
template <> struct Cast<BFloat, double> { static BFloat of(double x) { return Cast<BFloat, float>::of(to_odd(x)); } };
// Of integers of 32 bits and fewer, which doubles hold.
template <class From> struct Cast<Half, From> { static Half of(From x) { return Cast<Half, double>::of((double)x); } };
template <class From> struct Cast<BFloat, From> { static BFloat of(From x) { return Cast<BFloat, double>::of((double)x); } };
template <class To> struct Cast<To, Half> { static To of(Half x) { return Cast<To, float>::of(to_float(x)); } };
template <class To> struct Cast<To, BFloat> { static To of(BFloat x) { return Cast<To, float>::of(to_float(x)); } };
template <> struct Cast<bool, Half> { static bool of(Half x) { return to_float(x) != 0; } };
template <> struct Cast<bool, BFloat> { static bool of(BFloat x) { return to_float(x) != 0; } };
template <> struct Cast<Half, Half> { static Half of(Half x) { return x; } };
template <> struct Cast<BFloat, BFloat> { static BFloat of(BFloat x) { return x; } };
template <> struct Cast<Half, BFloat> { static Half of(BFloat x) { return Cast<Half, float>::of(to_float(x)); } };
template <> struct Cast<BFloat, Half> { static BFloat of(Half x) { return Cast<BFloat, float>::of(to_float(x)); } };
)cuda";

}  // namespace weft::cuda
