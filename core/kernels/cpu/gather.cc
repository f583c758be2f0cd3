// Kernels of Gather and ScatterRows.
#include <algorithm>
#include <complex>
#include <cstring>
#include <type_traits>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

constexpr int64_t kLeastGathered = 4096;  // bytes that a thread takes at once

// data [outer, size, inner], indices [count]
struct Rows {
  int64_t outer = 1, size = 0, inner = 1, count = 1;
  int64_t element = 0;
  int64_t axis = 0;
};

// The place that index i names, or an error.
template <typename I>
bool place(const Rows& rows, const I* indices, int64_t i, const RunArgs& args, int64_t* at) {
  int64_t index = static_cast<int64_t>(indices[i]);
  *at = index < 0 ? index + rows.size : index;
  if (*at >= 0 && *at < rows.size) return true;
  *args.status = out_of_range("index ", index, " is outside axis ", rows.axis, " of size ", rows.size);
  return false;
}

double gather_row_cost_ns(const Rows& rows) { return 2 + copy_cost_ns(rows.inner * rows.element); }

// Rows [begin, end) of the output, one behind the other. Of one element `bytes` is a constant.
template <typename I, typename Bytes>
void gather_rows(const Rows& rows, const RunArgs& args, Bytes bytes, int64_t begin, int64_t end) {
  const I* indices = args.input<I>(1);
  const char* data = args.input<char>(0) + begin / rows.count * rows.size * bytes;
  char* out = args.output<char>(0) + begin * bytes;
  int64_t i = begin % rows.count;
  for (int64_t row = begin; row < end; ++row, out += bytes) {
    const int64_t index = static_cast<int64_t>(indices[i]);
    std::memcpy(out, data + (index < 0 ? index + rows.size : index) * bytes, static_cast<size_t>(bytes));
    if (++i < rows.count) continue;
    i = 0;
    data += rows.size * bytes;
  }
}

template <typename I>
void gather(const Rows& rows, const RunArgs& args) {
  const I* indices = args.input<I>(1);
  int64_t at;
  for (int64_t i = 0; i < rows.count; ++i) {
    if (!place(rows, indices, i, args, &at)) return;
  }
  const int64_t bytes = rows.inner * rows.element;
  if (bytes == 0) return;
  parallel_for(*args.parallel, rows.outer * rows.count, std::max<int64_t>(1, kLeastGathered / bytes),
               gather_row_cost_ns(rows), [&](int64_t begin, int64_t end) {
                 if (rows.inner > 1) return gather_rows<I>(rows, args, bytes, begin, end);
                 with_element(rows.element, [&](auto element) {
                   gather_rows<I>(rows, args, std::integral_constant<int64_t, sizeof(element)>(), begin, end);
                 });
               });
}

template <typename T, typename I>
void scatter(const Rows& rows, const RunArgs& args) {
  const T* from = args.input<T>(0);
  const I* indices = args.input<I>(1);
  T* out = args.output<T>(0);
  std::fill_n(out, rows.outer * rows.size * rows.inner, T(0));
  for (int64_t i = 0; i < rows.count; ++i) {
    int64_t at;
    if (!place(rows, indices, i, args, &at)) return;
    for (int64_t o = 0; o < rows.outer; ++o) {
      const T* x = from + (o * rows.count + i) * rows.inner;
      T* y = out + (o * rows.size + at) * rows.inner;
      for (int64_t k = 0; k < rows.inner; ++k) y[k] += x[k];
    }
  }
}

Rows make_rows(const KernelContext& c, const Shape& data) {
  Rows rows;
  int64_t rank = static_cast<int64_t>(data.size());
  rows.axis = c.attrs().i("axis");
  if (rows.axis < 0) rows.axis += rank;
  for (int64_t i = 0; i < rank; ++i) {
    if (i < rows.axis) rows.outer *= data[i];
    if (i > rows.axis) rows.inner *= data[i];
  }
  rows.size = data[rows.axis];
  rows.count = c.count(1);
  rows.element = dtype_size(c.dtype(0));
  return rows;
}

Status prepare_gather(const KernelContext& c, PreparedKernel* prepared) {
  Rows rows = make_rows(c, c.shape(0));
  prepared->cost_ns = gather_row_cost_ns(rows) * static_cast<double>(rows.count * rows.outer);
  if (c.dtype(1) == DType::kI64)
    prepared->use<&gather<int64_t>>(rows);
  else
    prepared->use<&gather<int32_t>>(rows);
  return {};
}

template <typename T>
void use_scatter(const KernelContext& c, PreparedKernel* prepared) {
  Rows rows = make_rows(c, c.output_shape(0));
  prepared->cost_ns =
      0.5 * static_cast<double>(c.count(0)) + copy_cost_ns(dtype_bytes(c.dtype(0), c.output_count_of(0)));
  prepared->most_threads = 1;
  if (c.dtype(1) == DType::kI64)
    prepared->use<&scatter<T, int64_t>>(rows);
  else
    prepared->use<&scatter<T, int32_t>>(rows);
}

Status prepare_scatter(const KernelContext& c, PreparedKernel* prepared) {
  switch (c.dtype(0)) {
    case DType::kF32: use_scatter<float>(c, prepared); break;
    case DType::kF64: use_scatter<double>(c, prepared); break;
    case DType::kI32: use_scatter<int32_t>(c, prepared); break;
    case DType::kC64: use_scatter<std::complex<float>>(c, prepared); break;
    case DType::kC128: use_scatter<std::complex<double>>(c, prepared); break;
    default: use_scatter<int64_t>(c, prepared); break;  // and of u64, which has the same bits
  }
  return {};
}

}  // namespace

void add_cpu_gather(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_gather>(kernels, "Gather", "rows");
  kernels.add("weft.ScatterRows",
              {"rows",
               [](const KernelContext& c) {
                 return contains(
                     set_of(DType::kF32, DType::kF64, DType::kI32, DType::kI64, DType::kU64) | kComplexTypes,
                     c.dtype(0));
               },
               prepare_scatter});
}

}  // namespace weft
