// Kernels on the bits of integers. Signs do not matter to them, so each width has one type, of which others have loops too.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct BitAnd {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct BitOr {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct BitXor {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
template <bool left>
struct Shift {
  template <typename T>
  T operator()(T a, T b) const {
    using U = std::make_unsigned_t<T>;
    const U x = static_cast<U>(a), places = static_cast<U>(b);
    if (places >= 8 * sizeof(T)) return 0;
    return static_cast<T>(static_cast<U>(left ? x << places : x >> places));
  }
};

// Calls fn.operator()<T>() for the type of so many bytes.
template <typename Fn>
void with_width(DType dtype, Fn&& fn) {
  switch (dtype_size(dtype)) {
    case 1: return fn.template operator()<uint8_t>();
    case 2: return fn.template operator()<uint16_t>();
    case 4: return fn.template operator()<int32_t>();
    default: return fn.template operator()<int64_t>();
  }
}

template <typename T, typename Op>
void run(const Broadcast& plan, const RunArgs& args) {
  run_broadcast<T, T, T>(plan, args, 0.3, Op());
}
template <typename T, typename Op>
void span(const Broadcast&, const void* const* in, void* out, int64_t n) {
  apply_span<T, T, T>(in, out, n, Op());
}
template <typename Op>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.3 * static_cast<double>(c.output_count_of(0));
  with_width(c.dtype(0), [&]<typename T>() {
    prepared->use<&run<T, Op>>(plan_broadcast(c));
    if constexpr (kHot<T>) prepared->use_span<&span<T, Op>, Broadcast>();
  });
  return {};
}
Status prepare_shift(const KernelContext& c, PreparedKernel* prepared) {
  return c.attrs().s("direction") == "LEFT" ? prepare<Shift<true>>(c, prepared) : prepare<Shift<false>>(c, prepared);
}

template <typename T>
void span_bit_not(const int64_t&, const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(~x[i]);
}
template <typename T>
void run_bit_not(const int64_t& count, const RunArgs& args) {
  parallel_for(*args.parallel, count, kElementwiseBlock, 0.2, [&](int64_t begin, int64_t end) {
    const void* x = args.input<T>(0) + begin;
    span_bit_not<T>(count, &x, args.output<T>(0) + begin, end - begin);
  });
}
Status prepare_bit_not(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 0.2 * static_cast<double>(c.count(0));
  with_width(c.dtype(0), [&]<typename T>() {
    prepared->use<&run_bit_not<T>>(c.count(0));
    prepared->use_span<&span_bit_not<T>, int64_t>();
  });
  return {};
}

}  // namespace

void add_cpu_bitwise(KernelRegistry& kernels) {
  kernels.add("BitShift", {"plain", nullptr, prepare_shift});
  kernels.add("BitwiseAnd", {"plain", nullptr, prepare<BitAnd>});
  kernels.add("BitwiseOr", {"plain", nullptr, prepare<BitOr>});
  kernels.add("BitwiseXor", {"plain", nullptr, prepare<BitXor>});
  kernels.add("BitwiseNot", {"plain", nullptr, prepare_bit_not});
}

}  // namespace weft
