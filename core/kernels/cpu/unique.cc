// Kernel of Unique.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/lines_common.h"

namespace weft {
namespace {

// Places sorted in one go: a run is stopped between them, and other threads take their part.
constexpr int64_t kRun = 1 << 15;

struct UniqueState {
  Lines lines;  // slices are compared along outer, then inner
  bool flat, sorted;
  int64_t axis;
};

// -1, 0 or 1; NaN is equal to NaN and comes last. Of complex numbers the real parts are compared first, and one is NaN if a
// part is.
template <typename T>
int compare_elements(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, std::string> || std::is_integral_v<T>) {
    return a < b ? -1 : b < a ? 1 : 0;
  } else if constexpr (!std::is_same_v<T, Real<T>>) {
    const bool no_a = std::isnan(a.real()) || std::isnan(a.imag()), no_b = std::isnan(b.real()) || std::isnan(b.imag());
    if (no_a || no_b) return static_cast<int>(no_a) - static_cast<int>(no_b);
    const int by_real = compare_elements(a.real(), b.real());
    return by_real != 0 ? by_real : compare_elements(a.imag(), b.imag());
  } else {
    const Wide<T> x = a, y = b;
    if (x < y) return -1;
    if (y < x) return 1;
    return static_cast<int>(std::isnan(x)) - static_cast<int>(std::isnan(y));
  }
}

template <typename T>
int compare_slices(const Lines& l, const T* x, int64_t a, int64_t b) {
  for (int64_t o = 0; o < l.outer; ++o) {
    const T *row_a = x + (o * l.size + a) * l.inner, *row_b = x + (o * l.size + b) * l.inner;
    for (int64_t i = 0; i < l.inner; ++i) {
      if (int order = compare_elements(row_a[i], row_b[i])) return order;
    }
  }
  return 0;
}

// Sorts n places, in runs that are merged two by two, with room for as many in `other`; `order` is one of the two in the
// end. False if the run was stopped, and they are in no order.
template <typename Less>
bool sort_places(const Parallel& parallel, int64_t n, int64_t*& order, int64_t* other, const Less& less) {
  const auto stopped = [&parallel] { return parallel.stop != nullptr && parallel.stop->stopped(); };
  const double sort_ns = 300.0 * static_cast<double>(kRun), merge_ns = 20;
  parallel_for(parallel, divide_up(n, kRun), 1, sort_ns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::sort(order + i * kRun, order + std::min(n, (i + 1) * kRun), less);
  });
  for (int64_t width = kRun; width < n && !stopped(); width *= 2) {
    const double pair_ns = merge_ns * static_cast<double>(2 * width);
    parallel_for(parallel, divide_up(n, 2 * width), 1, pair_ns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t from = i * 2 * width, middle = std::min(from + width, n), last = std::min(middle + width, n);
        std::merge(order + from, order + middle, order + middle, order + last, other + from, less);
      }
    });
    std::swap(order, other);
  }
  return !stopped();
}

Result<Tensor> whole_numbers(int64_t count) { return Tensor::make(DType::kI64, {count}); }

template <typename T>
Status copy_slices(const UniqueState& s, const Tensor& x, const T* from, const int64_t* first, int64_t count,
                   Tensor* y) {
  Shape shape{count};
  if (!s.flat) {
    shape = x.shape();
    shape[static_cast<size_t>(s.axis)] = count;
  }
  WEFT_TRY(*y, Tensor::make(x.dtype(), shape));
  T* to;
  if constexpr (std::is_same_v<T, std::string>)
    to = y->mutable_strings().data();
  else
    to = y->as<T>();
  const Lines& l = s.lines;
  for (int64_t o = 0; o < l.outer; ++o) {
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(from + (o * l.size + first[i]) * l.inner, l.inner, to + (o * count + i) * l.inner);
    }
  }
  return {};
}

template <typename T>
Status unique_of(const UniqueState& s, const T* x, TensorArgs& args) {
  const int64_t n = s.lines.size;
  WEFT_TRY(Tensor places, whole_numbers(n));
  WEFT_TRY(Tensor room, whole_numbers(n > kRun ? n : 0));
  std::iota(places.as<int64_t>(), places.as<int64_t>() + n, int64_t{0});
  // Among equal ones the first comes first, so no two are the same and the order is one.
  const auto less = [&](int64_t a, int64_t b) {
    const int by_value = compare_slices(s.lines, x, a, b);
    return by_value != 0 ? by_value < 0 : a < b;
  };
  int64_t* order = places.as<int64_t>();
  if (!sort_places(*args.parallel, n, order, room.as<int64_t>(), less)) return args.parallel->stop->check();
  WEFT_TRY(Tensor groups_tensor, whole_numbers(n));  // of each element
  int64_t* groups = groups_tensor.as<int64_t>();
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (i > 0 && compare_slices(s.lines, x, order[i - 1], order[i]) != 0) ++count;
    groups[order[i]] = count;
  }
  if (n > 0) ++count;
  WEFT_TRY(Tensor first, whole_numbers(count));
  WEFT_TRY(Tensor counts, whole_numbers(count));
  std::fill_n(first.as<int64_t>(), count, int64_t{-1});
  std::fill_n(counts.as<int64_t>(), count, int64_t{0});
  if (!s.sorted) {
    // Numbered anew as they appear; order is free by now.
    std::fill_n(order, count, int64_t{-1});
    int64_t next = 0;
    for (int64_t i = 0; i < n; ++i) {
      int64_t& number = order[groups[i]];
      if (number < 0) number = next++;
      groups[i] = number;
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    int64_t& at = first.as<int64_t>()[groups[i]];
    if (at < 0) at = i;
    ++counts.as<int64_t>()[groups[i]];
  }
  WEFT_CHECK(copy_slices(s, args.in[0], x, first.as<int64_t>(), count, &args.out[0]));
  Tensor* others[] = {&first, &groups_tensor, &counts};
  for (size_t i = 1; i < args.out.size(); ++i) args.out[i] = std::move(*others[i - 1]);
  return {};
}

Status unique(const UniqueState& s, TensorArgs& args) {
  const Tensor& x = args.in[0];
  Status status;
  if (x.dtype() == DType::kString) return unique_of(s, x.strings().data(), args);
  if (x.dtype() == DType::kBool) return unique_of(s, x.as<uint8_t>(), args);
  auto find = [&]<typename T>() { status = unique_of(s, x.as<T>(), args); };
  if (!with_type(NumberElements{}, x.dtype(), find)) with_type(ComplexElements{}, x.dtype(), find);
  return status;
}

bool takes_unique(const KernelContext& c) {
  const DType dtype = c.dtype(0);
  return dtype == DType::kString || dtype == DType::kBool || has_elements(c) || in_list(ComplexElements{}, dtype);
}

Status prepare_unique(const KernelContext& c, PreparedKernel* prepared) {
  UniqueState s;
  s.flat = !c.attrs().has("axis");
  s.sorted = c.attrs().b("sorted");
  s.axis = c.attrs().i_or("axis", 0);
  if (s.axis < 0) s.axis += c.rank(0);
  s.lines = s.flat ? Lines{1, c.count(0), 1} : lines_of(c.shape(0), s.axis);
  prepared->use_tensors<&unique>(s);
  return {};
}

}  // namespace

void add_cpu_unique(KernelRegistry& kernels) { kernels.add("Unique", {"plain", takes_unique, prepare_unique}); }

}  // namespace weft
