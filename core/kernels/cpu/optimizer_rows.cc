// The optimizers' updates given the gradient of some rows, as lookups in a table have it: the others are not touched by
// a gradient.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/optimizer_common.h"

namespace weft {
namespace {

struct Rows {
  int64_t count;  // of gradients
  int64_t size;   // rows of the parameter
  int64_t inner;  // elements of a row
  bool lazy;
  bool wide_indices;
};

// A gradient's row in the parameter, and its place among the gradients. Sorted, equal rows stand together in order.
struct Entry {
  int64_t row, place;
  bool operator<(const Entry& other) const { return row != other.row ? row < other.row : place < other.place; }
};

constexpr int64_t kGradientBlock = 16, kRowBlock = 64;

bool sort_entries(const Rows& rows, const void* indices, Entry* entries, Status* status) {
  for (int64_t i = 0; i < rows.count; ++i) {
    const int64_t index =
        rows.wide_indices ? static_cast<const int64_t*>(indices)[i] : static_cast<const int32_t*>(indices)[i];
    const int64_t row = index < 0 ? index + rows.size : index;
    if (row < 0 || row >= rows.size) {
      *status = out_of_range("index ", index, " is outside axis 0 of size ", rows.size);
      return false;
    }
    entries[i] = {row, i};
  }
  std::sort(entries, entries + rows.count);
  return true;
}

// `update.row(at, gradient, n)` updates n elements from `at` on, `update.keep(at, n)` leaves them as they are.
template <typename T, typename Update>
void run_rows(const Rows& rows, const RunArgs& args, const void* indices, const Update& update) {
  const T* gradients = args.input<T>(1);
  Entry* entries = static_cast<Entry*>(args.scratch);
  T* sums = reinterpret_cast<T*>(entries + rows.count);  // a row for each gradient, and one of zeros
  T* zeros = sums + rows.count * rows.inner;
  if (!sort_entries(rows, indices, entries, args.status)) return;
  const double cost = 2.0 * static_cast<double>(rows.inner);
  parallel_for(*args.parallel, rows.count, kGradientBlock, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = entries[i].row;
      if (i > 0 && entries[i - 1].row == row) continue;  // done with the first of its row
      T* sum = sums + i * rows.inner;
      std::fill_n(sum, rows.inner, T(0));
      for (int64_t k = i; k < rows.count && entries[k].row == row; ++k) {
        const T* gradient = gradients + entries[k].place * rows.inner;
        for (int64_t j = 0; j < rows.inner; ++j) sum[j] += gradient[j];
      }
      update.row(row * rows.inner, sum, rows.inner);
    }
  });
  const bool keep = rows.lazy || update.zero_keeps();
  if (!keep) std::fill_n(zeros, rows.inner, T(0));
  parallel_for(*args.parallel, rows.size, kRowBlock, cost, [&](int64_t begin, int64_t end) {
    const Entry* next = std::lower_bound(entries, entries + rows.count, Entry{begin, 0});
    for (int64_t row = begin; row < end; ++row) {
      if (next != entries + rows.count && next->row == row) {
        while (next != entries + rows.count && next->row == row) ++next;
      } else if (keep) {
        update.keep(row * rows.inner, rows.inner);
      } else {
        update.row(row * rows.inner, zeros, rows.inner);
      }
    }
  });
}

template <typename T, int states>
void keep_elements(const RunArgs& args, int64_t at, int64_t n) {
  for (int i = 0; i <= states; ++i) {
    const T* from = args.input<T>(i == 0 ? 0 : 1 + i) + at;
    T* to = args.output<T>(i) + at;
    if (from != to && n > 0) std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  }
}

struct DescentRows {
  Rows rows;
  DescentState update;
};

template <typename T>
struct SgdUpdate {
  const RunArgs& args;
  T rate, decay;
  bool zero_keeps() const { return decay == 0; }
  void keep(int64_t at, int64_t n) const { keep_elements<T, 0>(args, at, n); }
  void row(int64_t at, const T* g, int64_t n) const {
    table(T()).sgd(rate, decay, args.input<T>(0) + at, g, args.output<T>(0) + at, n);
  }
};
template <typename T>
void sgd(const DescentRows& s, const RunArgs& args) {
  run_rows<T>(s.rows, args, args.in[3], SgdUpdate<T>{args, *args.input<T>(2), static_cast<T>(s.update.weight_decay)});
}

template <typename T>
struct MomentumUpdate {
  const RunArgs& args;
  const DescentState& s;
  T rate;
  bool zero_keeps() const { return false; }
  void keep(int64_t at, int64_t n) const { keep_elements<T, 1>(args, at, n); }
  void row(int64_t at, const T* g, int64_t n) const {
    table(T()).momentum(rate, static_cast<T>(s.weight_decay), static_cast<T>(s.momentum), s.nesterov,
                        args.input<T>(0) + at, g, args.input<T>(2) + at, args.output<T>(0) + at, args.output<T>(1) + at,
                        n);
  }
};
template <typename T>
void momentum(const DescentRows& s, const RunArgs& args) {
  run_rows<T>(s.rows, args, args.in[4], MomentumUpdate<T>{args, s.update, *args.input<T>(3)});
}

struct AdamRows {
  Rows rows;
  AdamState update;
};

template <typename T>
struct AdamUpdate {
  const RunArgs& args;
  AdamFactors<T> factors;
  bool near;
  bool zero_keeps() const { return false; }
  void keep(int64_t at, int64_t n) const { keep_elements<T, 2>(args, at, n); }
  void row(int64_t at, const T* g, int64_t n) const {
    table(T()).adam(factors, near, args.input<T>(0) + at, g, args.input<T>(2) + at, args.input<T>(3) + at,
                    args.output<T>(0) + at, args.output<T>(1) + at, args.output<T>(2) + at, n);
  }
};
template <typename T>
void adam(const AdamRows& s, const RunArgs& args) {
  AdamUpdate<T> update{args, {}, near_old(s.update)};
  if (adam_factors<T>(s.update, args, &update.factors)) run_rows<T>(s.rows, args, args.in[6], update);
}

Rows make_rows(const KernelContext& c, int indices, PreparedKernel* prepared) {
  Rows rows{c.count(indices), c.shape(0)[0], 1, c.attrs().b("lazy"), c.dtype(indices) == DType::kI64};
  for (size_t i = 1; i < c.shape(0).size(); ++i) rows.inner *= c.shape(0)[i];
  prepared->scratch_bytes =
      rows.count * static_cast<int64_t>(sizeof(Entry)) + (rows.count + 1) * rows.inner * dtype_size(c.dtype(0));
  prepared->cost_ns = static_cast<double>(c.count(0) + c.count(1));
  return rows;
}

template <void (*f32)(const DescentRows&, const RunArgs&), void (*f64)(const DescentRows&, const RunArgs&)>
Status prepare_descent(const KernelContext& c, PreparedKernel* prepared) {
  DescentRows state{make_rows(c, gradient_indices(c), prepared), descent_state(c)};
  if (c.dtype(0) == DType::kF32)
    prepared->use<f32>(state);
  else
    prepared->use<f64>(state);
  return {};
}

template <bool decoupled>
Status prepare_adam(const KernelContext& c, PreparedKernel* prepared) {
  AdamRows state{make_rows(c, gradient_indices(c), prepared), adam_state(c, decoupled)};
  if (c.dtype(0) == DType::kF32)
    prepared->use<&adam<float>>(state);
  else
    prepared->use<&adam<double>>(state);
  return {};
}

bool accepts(const KernelContext& c) {
  return updates_rows(c) && (c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64);
}

}  // namespace

void add_cpu_optimizer_rows(KernelRegistry& kernels) {
  kernels.add("weft.Sgd", {"rows", accepts, prepare_descent<&sgd<float>, &sgd<double>>});
  kernels.add("weft.Momentum", {"rows", accepts, prepare_descent<&momentum<float>, &momentum<double>>});
  kernels.add("weft.Adam", {"rows", accepts, prepare_adam<false>});
  kernels.add("weft.AdamW", {"rows", accepts, prepare_adam<true>});
}

}  // namespace weft
