// Kernels of OneHot and NonZero.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/stop_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

// Where along an axis of `depth` places the index at i points; -1 for nowhere.
using PlaceFn = int64_t (*)(const void* indices, int64_t i, int64_t depth);

template <typename T>
int64_t place_of(const void* indices, int64_t i, int64_t depth) {
  const T given = static_cast<const T*>(indices)[i];
  if constexpr (std::is_unsigned_v<T>) {
    return given < static_cast<uint64_t>(depth) ? static_cast<int64_t>(given) : -1;
  } else {
    int64_t at;
    if constexpr (std::is_integral_v<T>) {
      at = given;
    } else {
      const double number = given;
      if (!(number > -static_cast<double>(kMostElements) && number < static_cast<double>(kMostElements))) return -1;
      at = static_cast<int64_t>(number);
    }
    if (at < -depth || at >= depth) return -1;
    return at < 0 ? at + depth : at;
  }
}

template <typename T>
Status check_numbers(const void* indices, int64_t count) {
  if constexpr (!std::is_integral_v<T>) {
    for (int64_t i = 0; i < count; ++i) {
      if (std::isnan(static_cast<double>(static_cast<const T*>(indices)[i]))) {
        return invalid("element ", i, " of the indices is nan, which is no index");
      }
    }
  }
  return {};
}

// Output [outer, depth, inner], indices [outer, inner].
struct OneHot {
  int64_t outer = 1, depth = 0, inner = 1;
  PlaceFn place = nullptr;
  Status (*check)(const void* indices, int64_t count) = nullptr;
};

template <typename Set>
void for_hits(const OneHot& s, const void* indices, int64_t begin, int64_t end, Set&& set) {
  for (int64_t o = begin; o < end; ++o) {
    for (int64_t i = 0; i < s.inner; ++i) {
      const int64_t at = s.place(indices, o * s.inner + i, s.depth);
      if (at >= 0) set((o * s.depth + at) * s.inner + i);
    }
  }
}

template <typename T>
void one_hot(const OneHot& s, const RunArgs& args) {
  *args.status = s.check(args.in[0], s.outer * s.inner);
  if (!args.status->ok()) return;
  T values[2];
  std::memcpy(values, args.in[2], sizeof(values));
  T* out = args.output<T>(0);
  const int64_t row = s.depth * s.inner;
  const int64_t block = std::max<int64_t>(1, 16384 / std::max<int64_t>(row, 1));
  parallel_for(*args.parallel, s.outer, block, 0.3 * static_cast<double>(row), [&](int64_t begin, int64_t end) {
    std::fill(out + begin * row, out + end * row, values[0]);
    for_hits(s, args.in[0], begin, end, [&](int64_t at) { out[at] = values[1]; });
  });
}

struct StringOneHot {
  OneHot plan;
  Shape shape;
};

Status one_hot_strings(const StringOneHot& s, TensorArgs& args) {
  WEFT_CHECK(s.plan.check(args.in[0].data(), args.in[0].count()));
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, s.shape));
  const std::vector<std::string>& values = args.in[2].strings();
  std::vector<std::string>& out = args.out[0].mutable_strings();
  std::fill(out.begin(), out.end(), values[0]);
  for_hits(s.plan, args.in[0].data(), 0, s.plan.outer, [&](int64_t at) { out[static_cast<size_t>(at)] = values[1]; });
  return {};
}

Status prepare_one_hot(const KernelContext& c, PreparedKernel* prepared) {
  OneHot s;
  const Shape& out = c.output_shape(0);
  int64_t axis = c.attrs().i("axis");
  if (axis < 0) axis += static_cast<int64_t>(out.size());
  for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i) {
    if (i < axis) s.outer *= out[static_cast<size_t>(i)];
    if (i > axis) s.inner *= out[static_cast<size_t>(i)];
  }
  s.depth = out[static_cast<size_t>(axis)];
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() {
    s.place = place_of<T>;
    s.check = check_numbers<T>;
  });
  if (c.dtype(2) == DType::kString) {
    prepared->use_tensors<&one_hot_strings>(StringOneHot{s, out});
  } else {
    prepared->cost_ns = 0.3 * static_cast<double>(c.output_count_of(0));
    with_element(dtype_size(c.dtype(2)), [&](auto element) { prepared->use<&one_hot<decltype(element)>>(s); });
  }
  return {};
}

bool takes_one_hot(const KernelContext& c) {
  return in_list(NumberElements{}, c.dtype(0)) && (c.dtype(2) == DType::kString || movable(c.dtype(2)));
}

struct State {};

using NonZeroElements = Types<float, double, int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t,
                              std::complex<float>, std::complex<double>>;

// Calls fn(i) for each of n elements, and looks now and then whether to stop. The error that the run ends with, then.
template <typename Fn>
Status for_elements(const Parallel& parallel, int64_t n, Fn&& fn) {
  constexpr int64_t kAtOnce = 1 << 20;
  for (int64_t begin = 0; begin < n; begin += kAtOnce) {
    if (should_stop(parallel)) return parallel.stop->check();
    for (int64_t i = begin; i < std::min(n, begin + kAtOnce); ++i) fn(i);
  }
  return {};
}

template <typename T>
Status non_zero_of(const T* data, const Tensor& x, TensorArgs& args) {
  auto set = [&](int64_t i) { return data[i] != T{}; };
  int64_t count = 0, rank = x.rank();
  WEFT_CHECK(for_elements(*args.parallel, x.count(), [&](int64_t i) { count += set(i); }));
  WEFT_TRY(args.out[0], Tensor::make(DType::kI64, {rank, count}));
  int64_t* out = args.out[0].as<int64_t>();
  int64_t column = 0;
  return for_elements(*args.parallel, x.count(), [&](int64_t i) {
    if (!set(i)) return;
    int64_t rest = i;
    for (int64_t axis = rank - 1; axis >= 0; --axis) {
      int64_t size = x.shape()[static_cast<size_t>(axis)];
      out[axis * count + column] = rest % size;
      rest /= size;
    }
    ++column;
  });
}

Status non_zero(const State&, TensorArgs& args) {
  const Tensor& x = args.in[0];
  Status status;
  if (x.dtype() == DType::kString) return non_zero_of(x.strings().data(), x, args);
  if (x.dtype() == DType::kBool) return non_zero_of(x.as<uint8_t>(), x, args);
  with_type(NonZeroElements{}, x.dtype(), [&]<typename T>() { status = non_zero_of(x.as<T>(), x, args); });
  return status;
}

Status prepare(const KernelContext&, PreparedKernel* prepared) {
  prepared->use_tensors<&non_zero>(State{});
  return {};
}

}  // namespace

void add_cpu_one_hot(KernelRegistry& kernels) {
  kernels.add("OneHot", {"plain", takes_one_hot, prepare_one_hot});
  kernels.add("NonZero", {"plain",
                          [](const KernelContext& c) {
                            return c.dtype(0) == DType::kBool || c.dtype(0) == DType::kString ||
                                   in_list(NonZeroElements{}, c.dtype(0));
                          },
                          prepare});
}

}  // namespace weft
