// Kernels of convolution, transposed or not, and its gradients: for each image and group, columns of windows times the
// weight.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/limits_common.h"
#include "core/kernels/cpu/move_common.h"
#include "core/op/window.h"
#include "core/simd/gemm.h"

namespace weft {
namespace {

// `in` is what windows slide over and `out` what has a place for each of them: a transposed one goes from `out` to `in`.
struct Conv {
  int64_t images, group, in_channels, out_channels;  // channels of one group
  Shape in, out, kernel;                             // spatial
  std::vector<int64_t> strides, dilations, pads;     // of a transposed one, pads may be negative
  int64_t in_size = 1, out_size = 1, kernel_size = 1;
  bool transposed = false, bias = false;

  int64_t column_rows() const { return in_channels * kernel_size; }
};

// Calls body(column element, input element) for every element of a window that lies inside the image; elements in the
// padding are left out. One row of the columns is one channel and kernel place. [begin, end) are output elements, whole
// rows of the last axis.
template <typename Body>
void for_window(const Conv& c, int64_t row, int64_t begin, int64_t end, Body&& body) {
  int64_t rank = static_cast<int64_t>(c.in.size());
  int64_t channel = row / c.kernel_size, place = row % c.kernel_size;
  int64_t offset[3] = {0, 0, 0};
  for (int64_t d = rank; d-- > 0;) {
    offset[d] = place % c.kernel[d] * c.dilations[d] - c.pads[d];
    place /= c.kernel[d];
  }
  int64_t last = rank - 1, width = c.out[last];
  for (int64_t o = begin; o < end; o += width) {
    int64_t rest = o / width, at = channel;
    int64_t index[3];
    for (int64_t d = last; d-- > 0;) {
      index[d] = rest % c.out[d] * c.strides[d] + offset[d];
      rest /= c.out[d];
    }
    bool inside = true;
    for (int64_t d = 0; d < last; ++d) {
      inside = inside && index[d] >= 0 && index[d] < c.in[d];
      at = at * c.in[d] + index[d];
    }
    body(o, inside, at * c.in[last] + offset[last], offset[last]);
  }
}

// Which of `width` places along the last axis, `stride` apart from `offset` on, lie in an image of `size`: [first, past).
std::pair<int64_t, int64_t> places_inside(int64_t size, int64_t offset, int64_t stride, int64_t width) {
  const int64_t past = std::clamp<int64_t>((size - offset + stride - 1) / stride, 0, width);
  return {std::clamp<int64_t>((stride - 1 - offset) / stride, 0, past), past};
}

template <typename T>
void to_columns(const Conv& c, const T* image, T* columns, int64_t begin, int64_t end) {
  int64_t last = static_cast<int64_t>(c.in.size()) - 1, width = c.out[last], stride = c.strides[last];
  for (int64_t row = 0; row < c.column_rows(); ++row) {
    T* to = columns + row * (end - begin) - begin;
    for_window(c, row, begin, end, [&](int64_t o, bool inside, int64_t base, int64_t offset) {
      const auto [first, past] = places_inside(c.in[last], offset, stride, inside ? width : 0);
      std::fill_n(to + o, first, T(0));
      if (stride == 1) {
        std::copy_n(image + base + first, past - first, to + o + first);
      } else {
        for (int64_t i = first; i < past; ++i) to[o + i] = image[base + i * stride];
      }
      std::fill_n(to + o + past, width - past, T(0));
    });
  }
}

// Adds up in an image what the columns hold of it, over 0 or the bias of each channel.
template <typename T>
void add_columns(const Conv& c, const T* columns, const T* bias, T* image, const Parallel& parallel) {
  const int64_t last = static_cast<int64_t>(c.in.size()) - 1, width = c.out[last], stride = c.strides[last];
  auto add_row = [&](int64_t row) {
    const T* from = columns + row * c.out_size;
    for_window(c, row, 0, c.out_size, [&](int64_t o, bool inside, int64_t base, int64_t offset) {
      if (!inside) return;
      const auto [first, past] = places_inside(c.in[last], offset, stride, width);
      if (stride == 1) {
        for (int64_t i = first; i < past; ++i) image[base + i] += from[o + i];
      } else {
        for (int64_t i = first; i < past; ++i) image[base + i * stride] += from[o + i];
      }
    });
  };
  const double cost = 0.5 * static_cast<double>(c.kernel_size * c.out_size + c.in_size);
  parallel_for(parallel, c.in_channels, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      std::fill_n(image + m * c.in_size, c.in_size, bias != nullptr ? bias[m] : T(0));
      for (int64_t row = m * c.kernel_size; row < (m + 1) * c.kernel_size; ++row) add_row(row);
    }
  });
}

// c[m, n] (+)= a[m, k] b[k, n], k in ascending order; strides say which of a is transposed.
template <typename T>
void multiply(const T* a, int64_t a_row, int64_t a_column, const T* b, T* out, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    T* y = out + i * n;
    for (int64_t p = 0; p < k; ++p) {
      T left = a[i * a_row + p * a_column];
      const T* right = b + p * n;
      for (int64_t j = 0; j < n; ++j) y[j] += left * right[j];
    }
  }
}

template <typename T>
void forward(const Conv& c, const RunArgs& args) {
  const T *x = args.input<T>(0), *w = args.input<T>(1), *b = c.bias ? args.input<T>(2) : nullptr;
  T *y = args.output<T>(0), *columns = static_cast<T*>(args.scratch);
  int64_t rows = c.column_rows();
  for (int64_t i = 0; i < c.images * c.group; ++i) {
    if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
    to_columns(c, x + i * c.in_channels * c.in_size, columns, 0, c.out_size);
    const T* weight = w + i % c.group * c.out_channels * rows;
    T* out = y + i * c.out_channels * c.out_size;
    int64_t first = i % c.group * c.out_channels;
    const double cost = 0.3 * static_cast<double>(rows * c.out_size) + args.finish_cost_ns(c.out_size);
    parallel_for(*args.parallel, c.out_channels, 4, cost, [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m)
        std::fill_n(out + m * c.out_size, c.out_size, b != nullptr ? b[first + m] : T(0));
      multiply(weight + begin * rows, rows, 1, columns, out + begin * c.out_size, end - begin, c.out_size, rows);
      const int64_t at = i * c.out_channels;
      args.finished((at + begin) * c.out_size, (at + end) * c.out_size);
    });
  }
}

template <typename T>
void grad_input(const Conv& c, const RunArgs& args) {
  const T *dy = args.input<T>(0), *w = args.input<T>(1), *b = c.bias ? args.input<T>(2) : nullptr;
  T *dx = args.output<T>(0), *columns = static_cast<T*>(args.scratch);
  int64_t rows = c.column_rows();
  for (int64_t i = 0; i < c.images * c.group; ++i) {
    if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
    const T* weight = w + i % c.group * c.out_channels * rows;
    const T* from = dy + i * c.out_channels * c.out_size;
    parallel_for(*args.parallel, rows, 8, 0.3 * static_cast<double>(c.out_channels * c.out_size),
                 [&](int64_t begin, int64_t end) {
                   std::fill_n(columns + begin * c.out_size, (end - begin) * c.out_size, T(0));
                   multiply(weight + begin, 1, rows, from, columns + begin * c.out_size, end - begin, c.out_size,
                            c.out_channels);
                 });
    const T* bias = b != nullptr ? b + i % c.group * c.in_channels : nullptr;
    add_columns(c, columns, bias, dx + i * c.in_channels * c.in_size, *args.parallel);
  }
}

// Images in ascending order, so the sums are the same whatever runs where.
template <typename T>
void grad_weight(const Conv& c, const RunArgs& args) {
  const T *dy = args.input<T>(c.transposed), *x = args.input<T>(!c.transposed);
  T *dw = args.output<T>(0), *columns = static_cast<T*>(args.scratch);
  int64_t rows = c.column_rows();
  std::fill_n(dw, c.group * c.out_channels * rows, T(0));
  for (int64_t i = 0; i < c.images * c.group; ++i) {
    if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
    to_columns(c, x + i * c.in_channels * c.in_size, columns, 0, c.out_size);
    const T* from = dy + i * c.out_channels * c.out_size;
    T* weight = dw + i % c.group * c.out_channels * rows;
    parallel_for(*args.parallel, c.out_channels, 4, 0.5 * static_cast<double>(rows * c.out_size),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t m = begin; m < end; ++m) {
                     const T* g = from + m * c.out_size;
                     for (int64_t r = 0; r < rows; ++r) {
                       const T* column = columns + r * c.out_size;
                       // Eight sums side by side, joined by a tree: a fixed order that vectors can follow.
                       T part[8] = {};
                       int64_t k = 0;
                       for (; k + 8 <= c.out_size; k += 8) {
                         for (int64_t j = 0; j < 8; ++j) part[j] += g[k + j] * column[k + j];
                       }
                       for (int64_t j = 0; k < c.out_size; ++k, ++j) part[j] += g[k] * column[k];
                       weight[m * rows + r] +=
                           ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
                     }
                   }
                 });
  }
}

// Of `x`, over which windows slide, and `y`, which has a place for each.
template <bool transposed>
Conv make_conv(const KernelContext& c, const Shape& x, const Shape& w, const Shape& y) {
  Conv conv;
  conv.transposed = transposed;
  int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  conv.group = c.attrs().i("group");
  conv.images = x[0];
  conv.in_channels = w[1];
  conv.out_channels = w[0] / conv.group;
  conv.in.assign(x.begin() + 2, x.end());
  conv.out.assign(y.begin() + 2, y.end());
  conv.kernel.assign(w.begin() + 2, w.end());
  Window window;
  if constexpr (transposed) {
    const TransposedWindow slid = *TransposedWindow::read(c.attrs(), spatial, to_dims(conv.kernel));
    for (int64_t i = 0; i < spatial; ++i) conv.pads.push_back(slid.begin_pad(i, conv.out[i], conv.in[i]));
    window = slid.window();
  } else {
    window = *read_window(c.attrs(), spatial, to_dims(conv.kernel));
    for (int64_t i = 0; i < spatial; ++i) conv.pads.push_back(window.begin_pad(i, conv.in[i], conv.out[i]));
  }
  conv.strides = window.strides;
  conv.dilations = window.dilations;
  for (int64_t i = 0; i < spatial; ++i) {
    conv.in_size *= conv.in[i];
    conv.out_size *= conv.out[i];
    conv.kernel_size *= conv.kernel[i];
  }
  return conv;
}

// ConvTranspose is computed as the gradient of a convolution by its image, and its own gradient by X as a convolution.
template <bool transposed>
Conv forward_conv(const KernelContext& c) {
  Conv conv = make_conv<transposed>(c, c.shape(0), c.shape(1), c.output_shape(0));
  conv.bias = !transposed && c.has_input(2);
  return conv;
}
template <bool transposed>
Conv grad_input_conv(const KernelContext& c) {
  Conv conv = make_conv<transposed>(c, c.output_shape(0), c.shape(1), c.shape(0));
  conv.bias = transposed && c.has_input(2);
  return conv;
}
template <bool transposed>
Conv grad_weight_conv(const KernelContext& c) {
  return make_conv<transposed>(c, c.shape(!transposed), c.output_shape(0), c.shape(transposed));
}

// On vectors: images are dealt to lanes, each with columns of its own. How many there are depends on shapes alone.
constexpr int64_t kLanes = 16;
int64_t lanes_of(const Conv& c) { return std::min(c.images, kLanes); }

// Output elements of one part of an image: rows of the last axis whose columns stay in the second-level cache.
int64_t part_of(const Conv& c) {
  constexpr int64_t kElements = 65536;
  int64_t width = std::max<int64_t>(c.out.back(), 1);
  int64_t rows = std::max<int64_t>(1, kElements / std::max<int64_t>(width * c.column_rows(), 1));
  return std::min(std::max<int64_t>(c.out_size, 1), rows * width);
}
int64_t parts_of(const Conv& c) { return (c.out_size + part_of(c) - 1) / part_of(c); }
int64_t forward_lanes_of(const Conv& c) { return std::min(c.images * c.group * parts_of(c), kLanes); }

template <typename T>
Gemm<T> forward_product(const Conv& c) {
  Gemm<T> g;
  g.m = c.out_channels;
  g.n = g.b_row = part_of(c);
  g.c_row = c.out_size;
  g.k = g.a_row = c.column_rows();
  g.init_row = 1;
  return g;
}
template <typename T>
Gemm<T> input_product(const Conv& c) {
  Gemm<T> g;
  g.m = g.a_column = c.column_rows();
  g.a_row = 1;
  g.n = g.b_row = g.c_row = c.out_size;
  g.k = c.out_channels;
  return g;
}
// The weight's gradient transposed: columns are then read in place, and only the output's gradient is packed.
template <typename T>
Gemm<T> weight_product(const Conv& c) {
  Gemm<T> g;
  g.m = c.column_rows();
  g.n = g.c_row = g.init_row = c.out_channels;
  g.init_column = 1;
  g.k = g.a_row = g.b_column = c.out_size;
  g.b_row = 1;
  return g;
}

// Elements of one lane, whole cache lines.
int64_t lane_size(int64_t elements) { return (elements + 15) / 16 * 16; }

// Calls body(lane's scratch, image, group, whether it is the lane's first image) for all images of all lanes; those of one lane in ascending order.
template <typename T, typename Body>
void for_lanes(const Conv& c, const RunArgs& args, int64_t scratch, Body&& body) {
  int64_t lanes = lanes_of(c);
  double cost = gemm_cost_ns(weight_product<T>(c)) * static_cast<double>(c.images * c.group);
  parallel_for(*args.parallel, lanes, 1, cost / static_cast<double>(std::max<int64_t>(lanes, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t lane = begin; lane < end; ++lane) {
                   int64_t first = lane * c.images / lanes;
                   for (int64_t i = first; i < (lane + 1) * c.images / lanes; ++i) {
                     for (int64_t group = 0; group < c.group; ++group) {
                       if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
                       body(static_cast<T*>(args.scratch) + lane * scratch, i, group, i == first);
                     }
                   }
                 }
               });
}

template <typename T>
struct VectorConv {
  Conv conv;
  Gemm<T> product;
  int64_t columns, scratch;  // elements of a lane
};

template <typename T>
void forward_vectors(const VectorConv<T>& s, const RunArgs& args) {
  const Conv& c = s.conv;
  const int64_t parts = parts_of(c), part = part_of(c), items = c.images * c.group * parts, lanes = forward_lanes_of(c);
  if (items == 0) return;
  auto run_item = [&](T* scratch, int64_t item) {
    const int64_t i = item / parts, group = i % c.group;
    const int64_t begin = item % parts * part, end = std::min(c.out_size, begin + part);
    to_columns(c, args.input<T>(0) + i * c.in_channels * c.in_size, scratch, begin, end);
    Gemm<T> g = s.product;
    g.n = g.b_row = end - begin;
    g.a = args.input<T>(1) + group * g.m * g.k;
    g.b = scratch;
    g.finish = args.finish;
    g.finish_at = i * g.m * c.out_size + begin;
    g.c = args.output<T>(0) + g.finish_at;
    if (c.bias) g.init = args.input<T>(2) + group * g.m;
    run_gemm(g, scratch + s.columns, *args.parallel);
  };
  const double of_item = gemm_cost_ns(s.product) + args.finish_cost_ns(s.product.m * part);
  const double cost = of_item * static_cast<double>(items) / static_cast<double>(lanes);
  parallel_for(*args.parallel, lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      for (int64_t item = lane * items / lanes; item < (lane + 1) * items / lanes; ++item) {
        if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
        run_item(static_cast<T*>(args.scratch) + lane * s.scratch, item);
      }
    }
  });
}

template <typename T>
void grad_input_vectors(const VectorConv<T>& s, const RunArgs& args) {
  const Conv& c = s.conv;
  for_lanes<T>(c, args, s.scratch, [&](T* scratch, int64_t image, int64_t group, bool) {
    int64_t i = image * c.group + group;
    Gemm<T> g = s.product;
    g.a = args.input<T>(1) + group * g.m * g.k;
    g.b = args.input<T>(0) + i * g.k * g.n;
    g.c = scratch;
    run_gemm(g, scratch + s.columns, *args.parallel);
    const T* bias = c.bias ? args.input<T>(2) + group * c.in_channels : nullptr;
    add_columns(c, scratch, bias, args.output<T>(0) + i * c.in_channels * c.in_size, *args.parallel);
  });
}

// Each lane sums its images; the lanes' sums are added in their order.
template <typename T>
void grad_weight_vectors(const VectorConv<T>& s, const RunArgs& args) {
  const Conv& c = s.conv;
  const int64_t rows = s.product.m, channels = s.product.n, lanes = lanes_of(c);
  const int64_t sums_at = s.scratch - lane_size(c.group * rows * channels);
  for_lanes<T>(c, args, s.scratch, [&](T* scratch, int64_t image, int64_t group, bool first) {
    int64_t i = image * c.group + group;
    to_columns(c, args.input<T>(!c.transposed) + i * c.in_channels * c.in_size, scratch, 0, c.out_size);
    Gemm<T> g = s.product;
    g.a = scratch;
    g.b = args.input<T>(c.transposed) + i * g.n * g.k;
    g.c = scratch + sums_at + group * rows * channels;
    g.init = first ? nullptr : g.c;
    run_gemm(g, scratch + s.columns, *args.parallel);
  });
  const T* sums = static_cast<const T*>(args.scratch) + sums_at;
  T* dw = args.output<T>(0);
  parallel_for(*args.parallel, c.group * channels, 16, static_cast<double>(rows * lanes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t m = begin; m < end; ++m) {
                   const T* from = sums + m / channels * rows * channels + m % channels;
                   for (int64_t r = 0; r < rows; ++r) {
                     T sum = lanes > 0 ? from[r * channels] : T(0);
                     for (int64_t lane = 1; lane < lanes; ++lane) sum += from[lane * s.scratch + r * channels];
                     dw[m * rows + r] = sum;
                   }
                 }
               });
}

template <typename T, void (*Run)(const VectorConv<T>&, const RunArgs&)>
Status use_vectors(PreparedKernel* prepared, Conv conv, Gemm<T> product, int64_t lanes, int64_t width,
                   int64_t sums = 0) {
  VectorConv<T> state{std::move(conv), product, 0, 0};
  const Conv& c = state.conv;
  // The last part of an image may be shorter, and then need more: of its columns the last ones are packed.
  Gemm<T> last = product;
  if (const int64_t rest = c.out_size % std::max<int64_t>(width, 1); rest != 0) last.n = last.b_row = rest;
  state.columns = lane_size(c.column_rows() * width);
  state.scratch = state.columns + lane_size(std::max(gemm_scratch(product), gemm_scratch(last))) + lane_size(sums);
  prepared->scratch_bytes = lanes * state.scratch * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = gemm_cost_ns(weight_product<T>(c)) * static_cast<double>(c.images * c.group);
  prepared->use<Run>(std::move(state));
  return {};
}

template <void (*F32)(const Conv&, const RunArgs&), void (*F64)(const Conv&, const RunArgs&)>
Status use(const KernelContext& c, PreparedKernel* prepared, Conv conv) {
  prepared->scratch_bytes = dtype_bytes(c.dtype(0), conv.column_rows() * conv.out_size);
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(std::move(conv));
  else
    prepared->use<F64>(std::move(conv));
  return {};
}

template <bool transposed>
Status prepare_forward(const KernelContext& c, PreparedKernel* prepared) {
  Conv conv = forward_conv<transposed>(c);
  prepared->finishes = 4 * conv.out_size >= kLeastStretch;
  return use<&forward<float>, &forward<double>>(c, prepared, std::move(conv));
}
template <bool transposed>
Status prepare_grad_input(const KernelContext& c, PreparedKernel* prepared) {
  return use<&grad_input<float>, &grad_input<double>>(c, prepared, grad_input_conv<transposed>(c));
}
template <bool transposed>
Status prepare_grad_weight(const KernelContext& c, PreparedKernel* prepared) {
  return use<&grad_weight<float>, &grad_weight<double>>(c, prepared, grad_weight_conv<transposed>(c));
}

template <bool transposed>
Status prepare_forward_vectors(const KernelContext& c, PreparedKernel* prepared) {
  Conv conv = forward_conv<transposed>(c);
  int64_t lanes = forward_lanes_of(conv), width = part_of(conv);
  auto f32 = forward_product<float>(conv);
  auto f64 = forward_product<double>(conv);
  f32.limits = limits_of<float>(c);
  f64.limits = limits_of<double>(c);
  prepared->finishes = finishes_well(f32);
  if (c.dtype(0) == DType::kF32)
    return use_vectors<float, forward_vectors<float>>(prepared, std::move(conv), f32, lanes, width);
  return use_vectors<double, forward_vectors<double>>(prepared, std::move(conv), f64, lanes, width);
}
template <bool transposed>
Status prepare_grad_input_vectors(const KernelContext& c, PreparedKernel* prepared) {
  Conv conv = grad_input_conv<transposed>(c);
  int64_t lanes = lanes_of(conv), width = conv.out_size;
  auto f32 = input_product<float>(conv);
  auto f64 = input_product<double>(conv);
  if (c.dtype(0) == DType::kF32)
    return use_vectors<float, grad_input_vectors<float>>(prepared, std::move(conv), f32, lanes, width);
  return use_vectors<double, grad_input_vectors<double>>(prepared, std::move(conv), f64, lanes, width);
}
template <bool transposed>
Status prepare_grad_weight_vectors(const KernelContext& c, PreparedKernel* prepared) {
  Conv conv = grad_weight_conv<transposed>(c);
  int64_t sums = conv.group * conv.column_rows() * conv.out_channels;
  int64_t lanes = lanes_of(conv), width = conv.out_size;
  auto f32 = weight_product<float>(conv);
  auto f64 = weight_product<double>(conv);
  if (c.dtype(0) == DType::kF32)
    return use_vectors<float, grad_weight_vectors<float>>(prepared, std::move(conv), f32, lanes, width, sums);
  return use_vectors<double, grad_weight_vectors<double>>(prepared, std::move(conv), f64, lanes, width, sums);
}

bool accepts(const KernelContext& c) {
  return (c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64) && c.rank(0) <= 5;
}

}  // namespace

void add_cpu_conv(KernelRegistry& kernels) {
  kernels.add("Conv", {"vectors", accepts, prepare_forward_vectors<false>});
  kernels.add("Conv", {"columns", accepts, prepare_forward<false>});
  kernels.add("weft.FusedConv", {"vectors", accepts, prepare_forward_vectors<false>});
  kernels.add("weft.ConvGradInput", {"vectors", accepts, prepare_grad_input_vectors<false>});
  kernels.add("weft.ConvGradInput", {"columns", accepts, prepare_grad_input<false>});
  kernels.add("weft.ConvGradWeight", {"vectors", accepts, prepare_grad_weight_vectors<false>});
  kernels.add("weft.ConvGradWeight", {"columns", accepts, prepare_grad_weight<false>});
  kernels.add("ConvTranspose", {"vectors", accepts, prepare_grad_input_vectors<true>});
  kernels.add("ConvTranspose", {"columns", accepts, prepare_grad_input<true>});
  kernels.add("weft.ConvTransposeGradInput", {"vectors", accepts, prepare_forward_vectors<true>});
  kernels.add("weft.ConvTransposeGradInput", {"columns", accepts, prepare_forward<true>});
  kernels.add("weft.ConvTransposeGradWeight", {"vectors", accepts, prepare_grad_weight_vectors<true>});
  kernels.add("weft.ConvTransposeGradWeight", {"columns", accepts, prepare_grad_weight<true>});
}

}  // namespace weft
