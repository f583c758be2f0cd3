// Cast kernels between numbers and truth values.
#include "core/kernels/cpu/cast_common.h"

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"

namespace weft {
namespace {

using Elements = Types<float, double, int32_t, int64_t, bool, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t,
                       F16, BF16>;

// Any byte but 0 is true.
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

template <typename To, typename From>
void run(const int64_t& count, const RunArgs& args) {
  const Stored<From>* x = args.input<Stored<From>>(0);
  To* y = args.output<To>(0);
  parallel_for(*args.parallel, count, kElementwiseBlock, 0.5, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if constexpr (std::is_same_v<From, bool>) y[i] = convert<To, uint8_t>(x[i] != 0);
      else y[i] = convert<To, From>(x[i]);
    }
  });
}

void copy(const int64_t& bytes, const RunArgs& args) {
  if (bytes != 0) std::memcpy(args.out[0], args.in[0], static_cast<size_t>(bytes));
}

bool between_numbers(const KernelContext& c) {
  constexpr DTypeSet kDone = kNumberTypes | set_of(DType::kBool);
  return contains(kDone, c.dtype(0)) && contains(kDone, c.output_dtype(0));
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  int64_t count = c.count(0);
  prepared->cost_ns = 0.5 * static_cast<double>(count);
  if (c.dtype(0) == c.output_dtype(0)) {
    prepared->use<&copy>(count * dtype_size(c.dtype(0)));
    return {};
  }
  with_type(Elements{}, c.dtype(0), [&]<typename From>() {
    with_type(Elements{}, c.output_dtype(0), [&]<typename To>() { prepared->use<&run<To, From>>(count); });
  });
  return {};
}

}  // namespace

void add_cpu_cast(KernelRegistry& kernels) { kernels.add("Cast", {"plain", between_numbers, prepare}); }

}  // namespace weft
