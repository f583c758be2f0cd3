// Pools: the greatest, the mean and the sum of each window, their gradients, and elements at flat places.
#include <limits>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"
#include "plugins/cuda/window.cuh"

namespace weft::cuda {
namespace {

// Along one axis `in` is what windows slide over, and `out` how many there are.
struct Axis {
  int in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;
  PlaceDivider by_stride;
};

struct Pool {
  Axis axes[3];
  PlaceDivider in_plane, in_1, in_2, out_plane, out_1, out_2;
  int in_size = 1, out_size = 1;        // of a plane
  int64_t in_count = 0, out_count = 0;  // of all planes
  bool count_pads = false, columns = false;
};

// Greater ones are left to the CPU, so that places of windows fit 32 bits.
constexpr int64_t kMostReach = int64_t{1} << 29;

// False where the kernels here cannot do it. `fold`: axes along which every window is one element become planes, or
// one.
bool read_pool(const Node& node, const Shape& x, const Shape& y, bool fold, Pool* p) {
  if (x.size() < 3 || x.size() != y.size()) return false;
  const size_t spatial = x.size() - 2;
  const WindowAttributes window(node, spatial);
  const std::vector<int64_t> kernel = node.ints("kernel_shape");
  std::vector<Axis> axes;
  int64_t in_size = 1, out_size = 1, window_size = 1, planes = x[0] * x[1];
  bool all_kept = false;  // along the axis before
  for (size_t d = 0; d < spatial; ++d) {
    const int64_t in = x[d + 2], out = y[d + 2];
    const int64_t begin = window.begin_pad(d, kernel[d], in, out), end = window.end_pad(d, kernel[d], in, out);
    if (in > kMostReach || begin > kMostReach || end > kMostReach || kernel[d] > kMostReach ||
        window.reach(d, kernel[d], out) > kMostReach) {
      return false;
    }
    Axis axis;
    axis.in = static_cast<int>(in);
    axis.out = static_cast<int>(out);
    axis.kernel = static_cast<int>(kernel[d]);
    axis.stride = static_cast<int>(window.strides[d]);
    axis.dilation = static_cast<int>(window.dilations[d]);
    axis.begin = static_cast<int>(begin);
    axis.end = static_cast<int>(end);
    axis.by_stride = PlaceDivider(axis.stride);
    const bool keeps = fold && kernel[d] == 1 && axis.stride == 1 && begin == 0 && end == 0 && in == out;
    if (keeps && axes.empty()) {
      planes *= in;
      continue;
    }
    in_size *= in;
    out_size *= out;
    window_size *= kernel[d];
    if (in_size > INT32_MAX || out_size > INT32_MAX || window_size > INT32_MAX) return false;
    if (keeps && all_kept) {
      axes.back().in *= axis.in;
      axes.back().out *= axis.out;
    } else {
      axes.push_back(axis);
    }
    all_kept = keeps;
  }
  if (axes.size() > 3) return false;
  std::copy(axes.begin(), axes.end(), p->axes + (3 - axes.size()));
  auto divider = [](int64_t size) { return PlaceDivider(std::max<int64_t>(size, 1)); };
  p->in_size = static_cast<int>(in_size);
  p->out_size = static_cast<int>(out_size);
  p->in_plane = divider(in_size);
  p->in_1 = divider(p->axes[1].in);
  p->in_2 = divider(p->axes[2].in);
  p->out_plane = divider(out_size);
  p->out_1 = divider(p->axes[1].out);
  p->out_2 = divider(p->axes[2].out);
  p->in_count = planes * in_size;
  p->out_count = planes * out_size;
  p->count_pads = node.i_or("count_include_pad", 0) != 0;
  p->columns = node.i_or("storage_order", 0) == 1;
  return true;
}

struct Place {
  int64_t plane;
  int at[3];
};
__device__ Place place_of(int64_t i, PlaceDivider plane, int plane_size, PlaceDivider size_1, int n1, PlaceDivider size_2, int n2) {
  Place place;
  place.plane = plane.of(i);
  const int within = static_cast<int>(i - place.plane * plane_size);
  const int rows = size_2.of(within);
  place.at[2] = within - rows * n2;
  place.at[0] = size_1.of(rows);
  place.at[1] = rows - place.at[0] * n1;
  return place;
}

// Along one axis: the first input place of window `o`, how many of its places lie in the image, and in the padded
// image.
struct Span {
  int first, count, padded;
};
__device__ Span span_of(const Axis& a, int o) {
  const int start = o * a.stride - a.begin;
  auto before = [&](int end) {
    if (start >= end) return 0;
    const int distance = end - start;
    return min(a.kernel, a.dilation == 1 ? distance : (distance - 1) / a.dilation + 1);
  };
  const int skipped = before(0);
  return {start + skipped * a.dilation, before(a.in) - skipped, before(a.in + a.end)};
}

// Calls body(place in the plane) for the places of a window in their order.
template <typename Body>
__device__ void for_window(const Pool& p, const Span (&spans)[3], Body&& body) {
  const int n1 = p.axes[1].in, n2 = p.axes[2].in;
  for (int a = 0; a < spans[0].count; ++a) {
    const int plane = (spans[0].first + a * p.axes[0].dilation) * n1;
    for (int b = 0; b < spans[1].count; ++b) {
      int at = (plane + spans[1].first + b * p.axes[1].dilation) * n2 + spans[2].first;
      for (int c = 0; c < spans[2].count; ++c, at += p.axes[2].dilation) body(at);
    }
  }
}

// Of equal ones the first; a NaN is greater than all.
template <typename T>
__global__ void max_pool(Pool p, Wide<T> lowest, const T* __restrict__ x, T* __restrict__ y,
                         int64_t* __restrict__ indices) {
  WEFT_FOR(i, p.out_count) {
    const Place o = place_of(i, p.out_plane, p.out_size, p.out_1, p.axes[1].out, p.out_2, p.axes[2].out);
    const Span spans[3] = {span_of(p.axes[0], o.at[0]), span_of(p.axes[1], o.at[1]), span_of(p.axes[2], o.at[2])};
    const T* from = x + o.plane * p.in_size;
    Wide<T> best = lowest;
    int best_at = -1;
    for_window(p, spans, [&](int at) {
      const Wide<T> value = widen(from[at]);
      if (best_at < 0 || value > best || (value != value && best == best)) {
        best = value;
        best_at = at;
      }
    });
    y[i] = narrow<T>(best);
    if (indices == nullptr) continue;
    int64_t place = best_at;
    if (p.columns && best_at >= 0) {
      const int n0 = p.axes[0].in, n1 = p.axes[1].in;
      const Place in = place_of(best_at, p.in_plane, p.in_size, p.in_1, n1, p.in_2, p.axes[2].in);
      place = (static_cast<int64_t>(in.at[2]) * n1 + in.at[1]) * n0 + in.at[0];
    }
    indices[i] = best_at < 0 ? -1 : o.plane * p.in_size + place;
  }
}

template <typename T, bool average>
__global__ void sum_pool(Pool p, const T* __restrict__ x, T* __restrict__ y) {
  WEFT_FOR(i, p.out_count) {
    const Place o = place_of(i, p.out_plane, p.out_size, p.out_1, p.axes[1].out, p.out_2, p.axes[2].out);
    const Span spans[3] = {span_of(p.axes[0], o.at[0]), span_of(p.axes[1], o.at[1]), span_of(p.axes[2], o.at[2])};
    const T* from = x + o.plane * p.in_size;
    Wide<T> sum = 0;
    for_window(p, spans, [&](int at) { sum += widen(from[at]); });
    if constexpr (average) {
      const int count = p.count_pads ? spans[0].padded * spans[1].padded * spans[2].padded
                                     : spans[0].count * spans[1].count * spans[2].count;
      sum /= static_cast<Wide<T>>(count);
    }
    y[i] = narrow<T>(sum);
  }
}

// The windows in which place `i` of an axis may be: [first, past).
struct Windows {
  int first, past;
};
__device__ Windows windows_over(const Axis& a, int i) {
  const int to_begin = i + a.begin, beyond = to_begin - (a.kernel - 1) * a.dilation;
  const int first = beyond <= 0 ? 0 : a.by_stride.of(beyond - 1) + 1;
  return {first, min(a.out - 1, a.by_stride.of(to_begin)) + 1};
}
__device__ bool is_place(const Axis& a, int o, int i) {
  return a.dilation == 1 || (i + a.begin - o * a.stride) % a.dilation == 0;
}

// Each place of the input gathers from the windows that it is in, in their order.
template <typename T, bool average>
__global__ void sum_pool_grad(Pool p, const T* __restrict__ dy, T* __restrict__ dx) {
  WEFT_FOR(i, p.in_count) {
    const Place in = place_of(i, p.in_plane, p.in_size, p.in_1, p.axes[1].in, p.in_2, p.axes[2].in);
    const Axis &a = p.axes[0], &b = p.axes[1], &c = p.axes[2];
    const Windows over_a = windows_over(a, in.at[0]), over_b = windows_over(b, in.at[1]),
                  over_c = windows_over(c, in.at[2]);
    const T* from = dy + in.plane * p.out_size;
    auto size_of = [&](const Axis& axis, int o) {
      if constexpr (!average) return 1;
      const Span span = span_of(axis, o);
      return p.count_pads ? span.padded : span.count;
    };
    Wide<T> sum = 0;
    for (int oa = over_a.first; oa < over_a.past; ++oa) {
      if (!is_place(a, oa, in.at[0])) continue;
      const int size_a = size_of(a, oa);
      for (int ob = over_b.first; ob < over_b.past; ++ob) {
        if (!is_place(b, ob, in.at[1])) continue;
        const int size_b = size_a * size_of(b, ob), row = (oa * b.out + ob) * c.out;
        for (int oc = over_c.first; oc < over_c.past; ++oc) {
          if (!is_place(c, oc, in.at[2])) continue;
          Wide<T> share = widen(from[row + oc]);
          if constexpr (average) share /= static_cast<Wide<T>>(size_b * size_of(c, oc));
          sum += share;
        }
      }
    }
    dx[i] = narrow<T>(sum);
  }
}

using MaxTypes = Types<float, double, __half, __nv_bfloat16, int8_t, uint8_t>;

bool folds(const Node& node) { return node.i_or("storage_order", 0) == 0; }

bool accepts_max(const Node& node) {
  Pool p;
  return in_list(MaxTypes(), node.input(0).dtype) &&
         read_pool(node, node.input(0).shape, node.output(0).shape, folds(node), &p);
}

Prepared prepare_max(const Node& node) {
  Pool p;
  if (!read_pool(node, node.input(0).shape, node.output(0).shape, folds(node), &p)) {
    throw Error(WEFT_INTERNAL, "a pool that was not accepted");
  }
  const bool indices = node.makes(1);
  Prepared prepared;
  with_type(MaxTypes(), node.input(0).dtype, [&]<typename T>() {
    prepared.run = [p, indices](const Launch& launch) {
      if (p.out_count == 0) return;
      start(launch, max_pool<T>, blocks_for(p.out_count), kThreads, 0, p, std::numeric_limits<Wide<T>>::lowest(),
            launch.input<T>(0), launch.output<T>(0), indices ? launch.output<int64_t>(1) : nullptr);
    };
  });
  return prepared;
}

template <bool back>
bool read_sum(const Node& node, Pool* p) {
  const Shape &given = node.input(0).shape, &made = node.output(0).shape;
  return back ? read_pool(node, made, given, true, p) : read_pool(node, given, made, true, p);
}

template <bool back>
bool accepts_sum(const Node& node) {
  Pool p;
  return in_list(FloatTypes(), node.input(0).dtype) && read_sum<back>(node, &p);
}

template <bool back, bool average>
Prepared prepare_sum(const Node& node) {
  Pool p;
  if (!read_sum<back>(node, &p)) throw Error(WEFT_INTERNAL, "a pool that was not accepted");
  Prepared prepared;
  with_type(FloatTypes(), node.input(0).dtype, [&]<typename T>() {
    prepared.run = [p](const Launch& launch) {
      const int64_t count = back ? p.in_count : p.out_count;
      if (count == 0) return;
      if constexpr (back) {
        start(launch, sum_pool_grad<T, average>, blocks_for(count), kThreads, 0, p, launch.input<T>(0),
              launch.output<T>(0));
      } else {
        start(launch, sum_pool<T, average>, blocks_for(count), kThreads, 0, p, launch.input<T>(0), launch.output<T>(0));
      }
    };
  });
  return prepared;
}

// What goes to one place is put into a list, whose order is chance; who sums it puts it in order first.
struct Flat {
  int64_t count, size;
};

__global__ void link_values(Flat f, const int64_t* __restrict__ indices, int* __restrict__ heads,
                            int* __restrict__ next, FaultSlot faults, int32_t step) {
  WEFT_FOR(i, f.count) {
    const int64_t at = indices[i];
    if (at >= 0 && at < f.size) {
      next[i] = atomicExch(heads + at, static_cast<int>(i));
    } else if (at != -1) {
      faults.report(step, kPlaceOutOfRange, at, f.size);
    }
  }
}

// Sorts a list of its own by merging runs, each twice as long as those before. Returns its new head.
__device__ int sort_list(int head, int* next) {
  for (int64_t width = 1;; width *= 2) {
    int left = head, tail = -1, merges = 0;
    head = -1;
    while (left >= 0) {
      ++merges;
      int right = left;
      int64_t lefts = 0, rights = width;
      for (; lefts < width && right >= 0; ++lefts) right = next[right];
      while (lefts > 0 || (rights > 0 && right >= 0)) {
        int least;
        if (lefts == 0 || (rights > 0 && right >= 0 && right < left)) {
          least = right;
          right = next[right];
          --rights;
        } else {
          least = left;
          left = next[left];
          --lefts;
        }
        if (tail < 0)
          head = least;
        else
          next[tail] = least;
        tail = least;
      }
      left = right;
    }
    next[tail] = -1;
    if (merges <= 1) return head;
  }
}

template <typename T>
__global__ void sum_lists(Flat f, const T* __restrict__ values, const int* __restrict__ heads, int* next,
                          T* __restrict__ out) {
  WEFT_FOR(at, f.size) {
    constexpr int kShort = 8;
    int sorted[kShort], length = 0, i = heads[at];
    for (; i >= 0 && length < kShort; i = next[i]) {
      int k = length++;
      for (; k > 0 && sorted[k - 1] > i; --k) sorted[k] = sorted[k - 1];
      sorted[k] = i;
    }
    Wide<T> sum = 0;
    if (i < 0) {
      for (int k = 0; k < length; ++k) sum += widen(values[sorted[k]]);
    } else {
      for (i = sort_list(heads[at], next); i >= 0; i = next[i]) sum += widen(values[i]);
    }
    out[at] = narrow<T>(sum);
  }
}

template <typename T>
__global__ void gather_at(Flat f, const T* __restrict__ data, const int64_t* __restrict__ indices, T* __restrict__ out,
                          FaultSlot faults, int32_t step) {
  WEFT_FOR(i, f.count) {
    const int64_t at = indices[i];
    const bool inside = at >= 0 && at < f.size;
    if (!inside && at != -1) faults.report(step, kPlaceOutOfRange, at, f.size);
    out[i] = inside ? data[at] : T(0);
  }
}

bool accepts_scatter_at(const Node& node) {
  return in_list(FloatTypes(), node.input(0).dtype) && node.input(1).count() <= INT32_MAX;
}

Prepared prepare_scatter_at(const Node& node) {
  const Flat f{node.input(1).count(), node.output(0).count()};
  const int64_t heads_bytes = (f.size * 4 + 255) / 256 * 256;
  Prepared prepared;
  prepared.scratch_bytes = heads_bytes + f.count * 4;
  with_type(FloatTypes(), node.input(0).dtype, [&]<typename T>() {
    prepared.run = [f, heads_bytes](const Launch& launch) {
      int* heads = static_cast<int*>(launch.scratch);
      int* next = reinterpret_cast<int*>(static_cast<char*>(launch.scratch) + heads_bytes);
      if (f.size > 0) {
        check(cudaMemsetAsync(heads, 0xff, static_cast<size_t>(f.size) * 4, launch.stream.get()),
              "memory cannot be set");
      }
      if (f.count > 0) {
        start(launch, link_values, blocks_for(f.count), kThreads, 0, f, launch.input<int64_t>(1), heads, next,
              launch.stream.faults(), launch.step);
      }
      if (f.size > 0) {
        start(launch, sum_lists<T>, blocks_for(f.size), kThreads, 0, f, launch.input<T>(0), heads, next,
              launch.output<T>(0));
      }
    };
  });
  return prepared;
}

bool accepts_gather_at(const Node& node) { return in_list(FloatTypes(), node.input(0).dtype); }

Prepared prepare_gather_at(const Node& node) {
  const Flat f{node.input(1).count(), node.input(0).count()};
  Prepared prepared;
  with_size(element_bytes(node.input(0).dtype), [&]<typename T>() {
    prepared.run = [f](const Launch& launch) {
      if (f.count == 0) return;
      start(launch, gather_at<T>, blocks_for(f.count), kThreads, 0, f, launch.input<T>(0), launch.input<int64_t>(1),
            launch.output<T>(0), launch.stream.faults(), launch.step);
    };
  });
  return prepared;
}

}  // namespace

void define_pool(Definitions& all) {
  all.push_back({"MaxPool", "max_pool", accepts_max, prepare_max});
  all.push_back({"AveragePool", "average_pool", accepts_sum<false>, prepare_sum<false, true>});
  all.push_back({"weft.AveragePoolGrad", "average_pool_grad", accepts_sum<true>, prepare_sum<true, true>});
  all.push_back({"weft.SumPool", "sum_pool", accepts_sum<false>, prepare_sum<false, false>});
  all.push_back({"weft.SumPoolGrad", "sum_pool_grad", accepts_sum<true>, prepare_sum<true, false>});
  all.push_back({"weft.ScatterAt", "lists", accepts_scatter_at, prepare_scatter_at});
  all.push_back({"weft.GatherAt", "gather_at", accepts_gather_at, prepare_gather_at});
}

}  // namespace weft::cuda
