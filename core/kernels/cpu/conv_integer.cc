// Kernels of ConvInteger and QLinearConv: for each image and group, the weight times columns of windows.
#include <algorithm>
#include <cstring>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/scales_common.h"
#include "core/op/window.h"
#include "core/simd/gemm_integer.h"

namespace weft {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kColumnBytes = 1 << 17;  // of one part of an image: they stay in the second-level cache
constexpr int64_t kLeastColumns = 64;

// One spatial axis.
struct Axis {
  int64_t in, out, kernel, stride, dilation, pad;
};

struct IntegerConv {
  int64_t images, group, in_channels, out_channels;  // channels of one group
  std::vector<Axis> axes;                            // at least two
  int64_t in_size = 1, out_size = 1, kernel_size = 1;
  bool in_place;     // the image is its columns
  int64_t part;      // columns at once, whole rows of the last axis
  GemmInteger gemm;  // of one part, without addresses
  bool plain, quantizes;
  int64_t lanes, lane_size, product_at, columns_size;  // bytes of scratch
  // Inputs, of ConvInteger or QLinearConv; -1: it is not given.
  int at_w, at_x_zero, at_w_zero, at_bias;
  int64_t w_zero_step, w_scale_step = 0;
  bool y_signed = false;

  int64_t column_rows() const { return in_channels * kernel_size; }
  int64_t parts() const { return divide_up(out_size, part); }
};

// Places along an axis whose window's element `at` lies inside the image: [first, past).
struct Inside {
  int64_t first, past;
  Inside(const Axis& axis, int64_t at)
      : first(at >= 0 ? 0 : divide_up(-at, axis.stride)),
        past(at >= axis.in ? 0 : (axis.in - 1 - at) / axis.stride + 1) {
    past = std::min(past, axis.out);
    first = std::min(first, past);
  }
};

// Short rows, for which a call of memcpy takes longer than the row.
void copy_row(const uint8_t* from, int64_t n, uint8_t* to) {
  constexpr int64_t kAtOnce = 16;
  if (n < kAtOnce || n > 512) {
    std::copy_n(from, std::max<int64_t>(n, 0), to);
    return;
  }
  for (int64_t i = 0; i + kAtOnce <= n; i += kAtOnce) std::memcpy(to + i, from + i, kAtOnce);
  std::memcpy(to + n - kAtOnce, from + n - kAtOnce, kAtOnce);
}

// A row of the image as the windows' elements at `at` see it.
void fill_row(const Axis& row, const Inside& inside, const uint8_t* from, int64_t at, uint8_t zero, uint8_t* to) {
  for (int64_t i = 0; i < inside.first; ++i) to[i] = zero;
  if (row.stride == 1) {
    copy_row(from + at + inside.first, inside.past - inside.first, to + inside.first);
  } else {
    for (int64_t i = inside.first; i < inside.past; ++i) to[i] = from[at + i * row.stride];
  }
  for (int64_t i = inside.past; i < row.out; ++i) to[i] = zero;
}

// Output elements [begin, end), whole rows of the last axis, of a row of the columns: one channel and kernel place.
void fill_columns(const IntegerConv& c, const uint8_t* channel, int64_t place, int64_t begin, int64_t end, uint8_t zero,
                  uint8_t* to) {
  const size_t last = c.axes.size() - 1;
  const Axis &row = c.axes[last], &line = c.axes[last - 1];
  const int64_t at = place % row.kernel * row.dilation - row.pad;
  place /= row.kernel;
  const int64_t at_line = place % line.kernel * line.dilation - line.pad;
  place /= line.kernel;
  const Inside inside(row, at), lines(line, at_line);
  for (int64_t i = begin / row.out, stop = end / row.out; i < stop;) {
    // Where the plane lies, from the innermost axis outwards.
    int64_t plane = i / line.out, window = place, from = 0, size = row.in * line.in;
    bool padded = false;
    for (size_t d = last - 1; d-- > 0;) {
      const Axis& axis = c.axes[d];
      const int64_t index = plane % axis.out * axis.stride + window % axis.kernel * axis.dilation - axis.pad;
      padded = padded || index < 0 || index >= axis.in;
      from += index * size;
      size *= axis.in;
      plane /= axis.out;
      window /= axis.kernel;
    }
    const int64_t first = i % line.out, past = std::min(line.out, first + stop - i);
    i += past - first;
    for (int64_t y = first; y < past; ++y, to += row.out) {
      if (padded || y < lines.first || y >= lines.past)
        std::memset(to, zero, static_cast<size_t>(row.out));
      else
        fill_row(row, inside, channel + from + (y * line.stride + at_line) * row.in, at, zero, to);
    }
  }
}

// A part of an image's outputs, of one group.
struct Part {
  const IntegerConv* c;
  const RunArgs* args;
  const int32_t* x;
  int64_t width, at, channel;  // columns; its first element in y; its first channel
};

// Elements of the product that are final become those of y.
void quantize_part(const void* self, int64_t begin, int64_t end) {
  const Part& p = *static_cast<const Part*>(self);
  const IntegerConv& c = *p.c;
  const RunArgs& args = *p.args;
  const float x_scale = *args.input<float>(1), y_scale = *args.input<float>(6);
  const int32_t zero = read_number(args.in[7], c.y_signed);
  const bool whole = p.width == c.out_size;  // rows lie in order
  const int64_t from = begin, to = end;
  while (begin < end) {
    const int64_t row = begin / p.width, column = begin % p.width, count = std::min(end - begin, p.width - column);
    const int64_t at = p.at + row * c.out_size + column;
    const float w_scale = args.input<float>(4)[(p.channel + row) * c.w_scale_step];
    quantize_run(p.x + begin, count, x_scale, w_scale, y_scale, zero, c.y_signed, args.output<uint8_t>(0) + at);
    if (!whole) args.finished(at, at + count);
    begin += count;
  }
  if (whole) args.finished(p.at + from, p.at + to);
}

// Part `item` of all parts of all groups of all images.
void run_part(const IntegerConv& c, const RunArgs& args, int64_t item, uint8_t* scratch) {
  const int64_t i = item / c.parts(), begin = item % c.parts() * c.part, end = std::min(c.out_size, begin + c.part);
  const int64_t channel = i % c.group * c.out_channels;
  const uint8_t* image = args.input<uint8_t>(0) + i * c.in_channels * c.in_size;
  GemmInteger g = c.gemm;
  g.n = end - begin;
  g.a = args.input<uint8_t>(c.at_w) + channel * g.k;
  if (c.at_x_zero >= 0) g.b_zero = args.input<uint8_t>(c.at_x_zero);
  if (c.at_w_zero >= 0) g.a_zero = args.input<uint8_t>(c.at_w_zero) + channel * c.w_zero_step;
  if (c.at_bias >= 0) g.bias = args.input<int32_t>(c.at_bias) + channel;
  if (c.in_place) {
    g.b = image + begin;
    g.b_row = c.in_size;
  } else {
    const uint8_t zero = g.b_zero != nullptr ? *g.b_zero : 0;
    const double cost = 2 + 0.2 * static_cast<double>(g.n);
    parallel_for(*args.parallel, g.k, 16, cost, [&](int64_t from, int64_t to) {
      for (int64_t row = from; row < to; ++row) {
        fill_columns(c, image + row / c.kernel_size * c.in_size, row % c.kernel_size, begin, end, zero,
                     scratch + row * g.n);
      }
    });
    g.b = scratch;
    g.b_row = g.n;
  }
  const int64_t at = i * c.out_channels * c.out_size + begin;
  Part part{&c, &args, nullptr, g.n, at, channel};
  const Finish finish{quantize_part, &part, 0.3 + args.finish_cost_ns(1)};
  if (c.quantizes) {
    g.c = reinterpret_cast<int32_t*>(scratch + c.columns_size);
    g.c_row = g.n;
    part.x = g.c;
    g.finish = &finish;
  } else {
    g.c = args.output<int32_t>(0) + at;
    g.finish = args.finish;
    g.finish_at = at;
  }
  if (c.plain)
    run_gemm_integer_plainly(g, *args.parallel);
  else
    run_gemm_integer(g, scratch + c.product_at, *args.parallel);
}

void run(const IntegerConv& c, const RunArgs& args) {
  const int64_t items = c.images * c.group * c.parts();
  if (items == 0 || c.out_channels == 0) return;
  const double cost = gemm_integer_cost_ns(c.gemm) * static_cast<double>(items) / static_cast<double>(c.lanes);
  parallel_for(*args.parallel, c.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      for (int64_t item = lane * items / c.lanes; item < (lane + 1) * items / c.lanes; ++item) {
        if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
        run_part(c, args, item, static_cast<uint8_t*>(args.scratch) + lane * c.lane_size);
      }
    }
  });
}

int64_t whole_lines(int64_t bytes) { return divide_up(bytes, 64) * 64; }

void read_window_of(const KernelContext& context, const Shape& x, const Shape& w, IntegerConv* c) {
  const Shape& y = context.output_shape(0);
  const int64_t spatial = static_cast<int64_t>(x.size()) - 2;
  const Window window = *read_window(context.attrs(), spatial, to_dims(Shape(w.begin() + 2, w.end())));
  c->in_place = true;
  if (spatial == 1) c->axes.push_back({1, 1, 1, 1, 1, 0});
  for (int64_t i = 0; i < spatial; ++i) {
    const Axis axis{
        x[i + 2], y[i + 2], w[i + 2], window.strides[i], window.dilations[i], window.begin_pad(i, x[i + 2], y[i + 2])};
    c->axes.push_back(axis);
    c->in_size *= axis.in;
    c->out_size *= axis.out;
    c->kernel_size *= axis.kernel;
    c->in_place = c->in_place && axis.kernel == 1 && axis.stride == 1 && axis.pad == 0 && axis.in == axis.out;
  }
}

template <bool quantizes, bool plain>
Status prepare(const KernelContext& context, PreparedKernel* prepared) {
  IntegerConv c{};
  c.plain = plain;
  c.quantizes = quantizes;
  const auto given = [&context](int i) { return context.has_input(i) ? i : -1; };
  c.at_w = quantizes ? 3 : 1;
  c.at_x_zero = given(2);
  c.at_w_zero = given(quantizes ? 5 : 3);
  c.at_bias = given(8);
  const Shape &x = context.shape(0), &w = context.shape(c.at_w);
  c.group = context.attrs().i("group");
  c.images = x[0];
  c.in_channels = w[1];
  c.out_channels = w[0] / c.group;
  read_window_of(context, x, w, &c);
  c.w_zero_step = c.at_w_zero >= 0 && context.count(c.at_w_zero) > 1;
  GemmInteger& g = c.gemm;
  g.m = c.out_channels;
  g.k = g.a_row = c.column_rows();
  g.a_signed = context.dtype(c.at_w) == DType::kI8;
  g.b_signed = context.dtype(0) == DType::kI8;
  g.a_zero_step = c.w_zero_step;
  g.c_row = c.out_size;
  if (quantizes) {
    c.y_signed = context.output_dtype(0) == DType::kI8;
    c.w_scale_step = context.count(4) > 1;
  }
  const int64_t width = std::max<int64_t>(c.axes.back().out, 1), of_row = std::max<int64_t>(width * g.k, 1);
  const int64_t rows = std::max(divide_up(kLeastColumns, width), kColumnBytes / of_row);
  c.part = std::min(std::max<int64_t>(c.out_size, 1), rows * width);
  g.n = c.part;
  // The last part of an image may be shorter.
  GemmInteger last = g;
  if (c.out_size % c.part != 0) last.n = c.out_size % c.part;
  c.columns_size = c.in_place ? 0 : whole_lines(g.k * g.n);
  c.product_at = c.columns_size + (quantizes ? whole_lines(g.m * g.n * 4) : 0);
  c.lane_size = c.product_at + (plain ? 0 : std::max(gemm_integer_scratch(g), gemm_integer_scratch(last)));
  const int64_t items = c.images * c.group * c.parts();
  c.lanes = std::min(items, kLanes);
  prepared->scratch_bytes = c.lanes * c.lane_size;
  prepared->cost_ns = gemm_integer_cost_ns(g) * static_cast<double>(items);
  prepared->finishes = !plain && (c.part == c.out_size ? finishes_well(g) : c.part >= kLeastStretch);
  prepared->use<&run>(std::move(c));
  return {};
}

}  // namespace

void add_cpu_conv_integer(KernelRegistry& kernels) {
  kernels.add("ConvInteger", {"vectors", nullptr, prepare<false, false>});
  kernels.add("ConvInteger", {"plain", nullptr, prepare<false, true>});
  kernels.add("QLinearConv", {"vectors", nullptr, prepare<true, false>});
  kernels.add("QLinearConv", {"plain", nullptr, prepare<true, true>});
}

}  // namespace weft
