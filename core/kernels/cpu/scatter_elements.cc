// Kernels of GatherElements and ScatterElements.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/scatter_common.h"

namespace weft {
namespace {

// The indices as a loop nest: `row` elements side by side for each index of `shape`. An element of data lies at
// `step` for each index, `row_step` for each place in the row, and `axis_step` times what its index says.
struct Elements {
  std::vector<int64_t> shape, step;
  int64_t rows = 1, row = 1, row_step = 0;
  int64_t axis = 0, axis_size = 0, axis_step = 1;
  int64_t outer = 1;  // rows before the axis: those of one never meet those of another
  int64_t data_count = 0;
  Join join = Join::kReplace;

  // body(first index, where the row begins in data) for each row of [begin, end).
  template <typename Body>
  void for_rows(int64_t begin, int64_t end, Body&& body) const {
    if (begin >= end) return;
    int64_t at[kMostAxes], offset = 0, rest = begin;
    for (size_t d = shape.size(); d-- > 0;) {
      at[d] = rest % shape[d];
      rest /= shape[d];
      offset += at[d] * step[d];
    }
    for (int64_t r = begin; r < end; ++r) {
      body(r * row, offset);
      for (size_t d = shape.size(); d-- > 0;) {
        offset += step[d];
        if (++at[d] < shape[d]) break;
        offset -= step[d] * shape[d];
        at[d] = 0;
      }
    }
  }
};

Elements make_elements(const KernelContext& c) {
  Elements e;
  const Shape &data = c.shape(0), &indices = c.shape(1);
  const std::vector<int64_t> strides = row_major(data);
  e.axis = c.attrs().i("axis");
  if (e.axis < 0) e.axis += c.rank(0);
  const size_t axis = static_cast<size_t>(e.axis);
  e.axis_size = data[axis];
  e.axis_step = strides[axis];
  e.data_count = c.count(0);
  bool after_axis = true;  // nothing joins what lies on the other side of the axis
  for (size_t d = 0; d < data.size(); ++d) {
    if (d < axis) e.outer *= indices[d];
    if (indices[d] == 1 && d != axis) continue;
    const int64_t own = d == axis ? 0 : strides[d];
    if (!after_axis && d != axis && e.step.back() == indices[d] * own) {
      e.shape.back() *= indices[d];
      e.step.back() = own;
    } else {
      e.shape.push_back(indices[d]);
      e.step.push_back(own);
    }
    after_axis = d == axis;
  }
  e.row = e.shape.back();
  e.row_step = e.step.back();
  e.shape.pop_back();
  e.step.pop_back();
  for (int64_t size : e.shape) e.rows *= size;
  return e;
}

// Looks at all indices before any is used, so that the loops that use them may run in parallel.
template <typename I>
bool all_inside(const Elements& e, const I* indices, Status* status) {
  const int64_t low = -e.axis_size, high = e.axis_size - 1;
  const int64_t count = e.rows * e.row;
  for (int64_t begin = 0; begin < count; begin += 4096) {
    const int64_t end = std::min(count, begin + 4096);
    bool outside = false;
    for (int64_t i = begin; i < end; ++i) outside |= indices[i] < low || indices[i] > high;
    for (int64_t i = begin; outside && i < end; ++i) {
      if (indices[i] >= low && indices[i] <= high) continue;
      *status = out_of_range("index ", static_cast<int64_t>(indices[i]), " is outside axis ", e.axis, " of size ",
                             e.axis_size);
      return false;
    }
  }
  return true;
}

template <typename T, typename I>
void gather_rows(const Elements& e, const T* data, const I* indices, T* out, int64_t begin, int64_t end) {
  e.for_rows(begin, end, [&](int64_t first, int64_t offset) {
    const I* which = indices + first;
    const T* from = data + offset;
    T* to = out + first;
    for (int64_t k = 0; k < e.row; ++k) {
      const int64_t at = which[k] < 0 ? which[k] + e.axis_size : which[k];
      to[k] = from[k * e.row_step + at * e.axis_step];
    }
  });
}

template <Join join, typename T, typename I>
void scatter_rows(const Elements& e, const I* indices, const T* updates, T* out, int64_t begin, int64_t end) {
  e.for_rows(begin, end, [&](int64_t first, int64_t offset) {
    const I* which = indices + first;
    const T* from = updates + first;
    for (int64_t k = 0; k < e.row; ++k) {
      const int64_t at = which[k] < 0 ? which[k] + e.axis_size : which[k];
      T& to = out[offset + k * e.row_step + at * e.axis_step];
      if constexpr (join == Join::kReplace)
        to = from[k];
      else
        to = joined(join, to, from[k]);
    }
  });
}

int64_t rows_of_block(const Elements& e) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(e.row, 1)); }

template <typename T, typename I>
void gather_elements(const Elements& e, const RunArgs& args) {
  const I* indices = args.input<I>(1);
  if (!all_inside(e, indices, args.status)) return;
  parallel_for(
      *args.parallel, e.rows, rows_of_block(e), 1.5 * static_cast<double>(e.row),
      [&](int64_t begin, int64_t end) { gather_rows(e, args.input<T>(0), indices, args.output<T>(0), begin, end); });
}

template <Join join, typename T, typename I>
void scatter_elements(const Elements& e, const RunArgs& args) {
  const I* indices = args.input<I>(1);
  if (!all_inside(e, indices, args.status)) return;
  T* out = args.output<T>(0);
  if (args.in[0] != args.out[0] && e.data_count > 0) {
    std::memcpy(static_cast<void*>(out), args.in[0], static_cast<size_t>(e.data_count) * sizeof(T));
  }
  if (e.rows * e.row == 0) return;
  const int64_t rows = e.rows / e.outer;
  const int64_t block = std::max<int64_t>(1, 16384 / std::max<int64_t>(rows * e.row, 1));
  parallel_for(*args.parallel, e.outer, block, 1.5 * static_cast<double>(rows * e.row),
               [&](int64_t begin, int64_t end) {
                 scatter_rows<join>(e, indices, args.input<T>(2), out, begin * rows, end * rows);
               });
}

struct StringElements {
  Elements plan;
  Shape shape;
};

template <typename I>
Status gather_strings(const StringElements& s, TensorArgs& args) {
  Status status;
  const I* indices = args.in[1].as<I>();
  if (!all_inside(s.plan, indices, &status)) return status;
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, s.shape));
  gather_rows(s.plan, args.in[0].strings().data(), indices, args.out[0].mutable_strings().data(), 0, s.plan.rows);
  return {};
}

template <typename I>
Status scatter_strings(const StringElements& s, TensorArgs& args) {
  Status status;
  const I* indices = args.in[1].as<I>();
  if (!all_inside(s.plan, indices, &status)) return status;
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, s.shape));
  std::vector<std::string>& out = args.out[0].mutable_strings();
  out = args.in[0].strings();
  scatter_rows<Join::kReplace>(s.plan, indices, args.in[2].strings().data(), out.data(), 0, s.plan.rows);
  return {};
}

template <typename T>
void use_gather(const KernelContext& c, const Elements& e, PreparedKernel* prepared) {
  if (c.dtype(1) == DType::kI64)
    prepared->use<&gather_elements<T, int64_t>>(e);
  else
    prepared->use<&gather_elements<T, int32_t>>(e);
}

template <Join join, typename T>
void use_scatter_elements(const KernelContext& c, const Elements& e, PreparedKernel* prepared) {
  if (c.dtype(1) == DType::kI64)
    prepared->use<&scatter_elements<join, T, int64_t>>(e);
  else
    prepared->use<&scatter_elements<join, T, int32_t>>(e);
}

// What the shape rule could not see.
Status check_reach(const KernelContext& c) {
  int64_t axis = c.attrs().i("axis");
  if (axis < 0) axis += c.rank(0);
  for (int64_t d = 0; d < c.rank(0); ++d) {
    if (d == axis || c.shape(1)[static_cast<size_t>(d)] <= c.shape(0)[static_cast<size_t>(d)]) continue;
    return invalid("'indices' ", shape_text(c.shape(1)), " reach beyond 'data' ", shape_text(c.shape(0)),
                   " along axis ", d);
  }
  return {};
}

Status prepare_gather_elements(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_CHECK(check_reach(c));
  const Elements e = make_elements(c);
  prepared->cost_ns = 1.5 * static_cast<double>(c.count(1));
  if (c.dtype(0) == DType::kString) {
    if (c.dtype(1) == DType::kI64)
      prepared->use_tensors<&gather_strings<int64_t>>(StringElements{e, c.output_shape(0)});
    else
      prepared->use_tensors<&gather_strings<int32_t>>(StringElements{e, c.output_shape(0)});
    return {};
  }
  with_element(dtype_size(c.dtype(0)), [&](auto element) { use_gather<decltype(element)>(c, e, prepared); });
  return {};
}

Status prepare_scatter_elements(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_CHECK(check_reach(c));
  const Elements e = make_elements(c);
  const Join join = read_join(c.attrs().s("reduction"));
  const DType dtype = c.dtype(0);
  prepared->cost_ns = 1.5 * static_cast<double>(c.count(1)) +
                      (dtype == DType::kString ? 0 : copy_cost_ns(dtype_bytes(dtype, c.count(0))));
  if (join != Join::kReplace) {
    auto use = [&]<typename T>() {
      switch (join) {
        case Join::kAdd: use_scatter_elements<Join::kAdd, T>(c, e, prepared); break;
        case Join::kMul: use_scatter_elements<Join::kMul, T>(c, e, prepared); break;
        case Join::kMax: use_scatter_elements<Join::kMax, T>(c, e, prepared); break;
        default: use_scatter_elements<Join::kMin, T>(c, e, prepared); break;
      }
    };
    with_type(JoinedElements{}, dtype, use);
  } else if (dtype == DType::kString) {
    if (c.dtype(1) == DType::kI64)
      prepared->use_tensors<&scatter_strings<int64_t>>(StringElements{e, c.output_shape(0)});
    else
      prepared->use_tensors<&scatter_strings<int32_t>>(StringElements{e, c.output_shape(0)});
  } else {
    with_element(dtype_size(dtype),
                 [&](auto element) { use_scatter_elements<Join::kReplace, decltype(element)>(c, e, prepared); });
  }
  return {};
}

bool takes_elements(const KernelContext& c) { return c.dtype(0) == DType::kString || movable(c.dtype(0)); }
bool takes_updates(const KernelContext& c) {
  return read_join(c.attrs().s("reduction")) == Join::kReplace ? takes_elements(c)
                                                               : in_list(JoinedElements{}, c.dtype(0));
}

}  // namespace

void add_cpu_scatter_elements(KernelRegistry& kernels) {
  kernels.add("GatherElements", {"plain", takes_elements, prepare_gather_elements});
  kernels.add("ScatterElements", {"plain", takes_updates, prepare_scatter_elements});
}

}  // namespace weft
