// Convolutions of 8-bit numbers over images whose channels lie side by side: pixels by a constant weight, packed once.
// Where a window is one pixel the image is the matrix; else rows of what the windows see are copied, tap by tap.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/kernels/cpu/scales_common.h"
#include "core/simd/gemm_integer.h"

namespace weft {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kRowBytes = 1 << 17, kSumBytes = 1 << 18;  // of a part: they stay in the second-level cache
constexpr int64_t kTile = 14, kLeastPixels = 4 * kTile;      // full tiles of the product
constexpr int64_t kGroup = 4;                                // numbers that the product may want side by side

struct PixelConv {
  ConvGeometry g;
  GemmInteger gemm;  // of one part, without addresses; a row is padded to groups
  int64_t part;      // output pixels at once, of all images
  bool in_place;     // the image is the matrix
  bool quantizes;
  std::shared_ptr<const Buffer> packed{};
  // Scratch: what quantizing multiplies with, then for each lane rows, sums and what the product needs.
  int64_t scales_size = 0, lanes, lane_size, sums_at, product_at;
  int at_x_zero, at_w_zero, at_bias;  // inputs; -1: it is not given
  int64_t w_scale_step = 0;
  bool y_signed = false;

  int64_t pixels() const { return g.images * g.pixels(); }
  int64_t parts() const { return divide_up(pixels(), part); }
};

// What a row of a window's pixels shows, of which some may lie beside the image.
void copy_taps(const ConvGeometry& g, const uint8_t* row, int64_t at, uint8_t zero, uint8_t* to) {
  const int64_t c = g.in_c;
  if (g.dilation_w != 1) {
    for (int64_t i = 0; i < g.kernel_w; ++i, to += c) {
      const int64_t x = at + i * g.dilation_w;
      if (x < 0 || x >= g.in_w)
        std::memset(to, zero, static_cast<size_t>(c));
      else
        std::memcpy(to, row + x * c, static_cast<size_t>(c));
    }
    return;
  }
  const int64_t before = std::clamp<int64_t>(-at, 0, g.kernel_w);
  const int64_t inside = std::clamp<int64_t>(g.in_w - at, before, g.kernel_w) - before;
  if (before > 0) std::memset(to, zero, static_cast<size_t>(before * c));
  if (inside > 0) std::memcpy(to + before * c, row + (at + before) * c, static_cast<size_t>(inside * c));
  const int64_t behind = g.kernel_w - before - inside;
  if (behind > 0) std::memset(to + (before + inside) * c, zero, static_cast<size_t>(behind * c));
}

// What the windows of output pixels [begin, end) see, a row each.
void copy_windows(const PixelConv& p, const uint8_t* x, int64_t begin, int64_t end, uint8_t zero, uint8_t* to) {
  const ConvGeometry& g = p.g;
  const int64_t row_bytes = g.in_w * g.in_c, window = g.kernel_w * g.in_c, whole = g.taps() * g.in_c;
  for (int64_t i = begin; i < end; ++i, to += p.gemm.k) {
    const int64_t image = i / g.pixels(), oy = i % g.pixels() / g.out_w, ox = i % g.out_w;
    for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
      const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
      if (y < 0 || y >= g.in_h)
        std::memset(to + ky * window, zero, static_cast<size_t>(window));
      else
        copy_taps(g, x + (image * g.in_h + y) * row_bytes, ox * g.stride_w - g.pad_w, zero, to + ky * window);
    }
    // Less its zero point this is 0.
    for (int64_t j = whole; j < p.gemm.k; ++j) to[j] = zero;
  }
}

struct Part {
  const PixelConv* p;
  const RunArgs* args;
  const int32_t* x;
  int64_t at;  // its first element in y
};

// Elements of the product that are final become those of y.
void quantize_part(const void* self, int64_t begin, int64_t end) {
  const Part& part = *static_cast<const Part*>(self);
  const PixelConv& p = *part.p;
  const RunArgs& args = *part.args;
  const int64_t m = p.g.out_c, from = begin;
  const float* scales = static_cast<const float*>(args.scratch);
  const int32_t* bias = p.at_bias >= 0 ? args.input<int32_t>(p.at_bias) : nullptr;
  const int32_t zero = read_number(args.in[7], p.y_signed);
  const IntegerTiles& tiles = integer_tiles(current_isa());
  uint8_t* y = args.output<uint8_t>(0) + part.at;
  while (begin < end) {
    const int64_t column = begin % m, count = std::min(end - begin, m - column);
    tiles.quantize(part.x + begin, count, bias != nullptr ? bias + column : nullptr, scales + column, 1, zero,
                   p.y_signed, y + begin);
    begin += count;
  }
  args.finished(part.at + from, part.at + end);
}

void run_part(const PixelConv& p, const RunArgs& args, int64_t item, uint8_t* scratch) {
  const int64_t begin = item * p.part, end = std::min(p.pixels(), begin + p.part), at = begin * p.g.out_c;
  GemmInteger g = p.gemm;
  g.m = end - begin;
  if (p.at_x_zero >= 0) g.a_zero = args.input<uint8_t>(p.at_x_zero);
  if (p.at_w_zero >= 0) g.b_zero = args.input<uint8_t>(p.at_w_zero);
  if (p.in_place) {
    g.a = args.input<uint8_t>(0) + begin * g.k;
  } else {
    const uint8_t zero = g.a_zero != nullptr ? *g.a_zero : 0;
    const double cost = 5 * static_cast<double>(p.g.kernel_h) + 0.05 * static_cast<double>(g.k);
    parallel_for(*args.parallel, g.m, 4, cost, [&](int64_t from, int64_t to) {
      copy_windows(p, args.input<uint8_t>(0), begin + from, begin + to, zero, scratch + from * g.k);
    });
    g.a = scratch;
  }
  Part part{&p, &args, nullptr, at};
  const Finish finish{quantize_part, &part, 0.3 + args.finish_cost_ns(1)};
  if (p.quantizes) {
    g.c = reinterpret_cast<int32_t*>(scratch + p.sums_at);
    part.x = g.c;
    g.finish = &finish;
  } else {
    g.c = args.output<int32_t>(0) + at;
    g.finish = args.finish;
    g.finish_at = at;
  }
  run_gemm_integer(g, scratch + p.product_at, *args.parallel);
}

void run(const PixelConv& p, const RunArgs& args) {
  if (p.pixels() == 0 || p.g.out_c == 0) return;
  if (p.quantizes) {
    join_scales(*args.input<float>(1), args.input<float>(4), p.w_scale_step, p.g.out_c, *args.input<float>(6),
                static_cast<float*>(args.scratch));
  }
  const int64_t items = p.parts();
  uint8_t* scratch = static_cast<uint8_t*>(args.scratch) + p.scales_size;
  const double cost = gemm_integer_cost_ns(p.gemm) * static_cast<double>(items) / static_cast<double>(p.lanes);
  parallel_for(*args.parallel, p.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      for (int64_t item = lane * items / p.lanes; item < (lane + 1) * items / p.lanes; ++item) {
        if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
        run_part(p, args, item, scratch + lane * p.lane_size);
      }
    }
  });
}

// [M, C, k1, ...] as a row for each filter, taps by channels, in the order in which windows are copied.
void order_by_taps(const ConvGeometry& g, int64_t k, const uint8_t* w, uint8_t* to) {
  const int64_t taps = g.taps();
  for (int64_t m = 0; m < g.out_c; ++m, w += g.in_c * taps, to += k) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < g.in_c; ++c) to[tap * g.in_c + c] = w[c * taps + tap];
    }
    std::fill(to + taps * g.in_c, to + k, uint8_t{0});
  }
}

Status pack_weight(const KernelContext& context, const Tensor& w, PixelConv* p) {
  const GemmInteger& g = p->gemm;
  const std::string form = cat(form_of_panels(g.k, g.n, g.b_row, g.b_column, g.isa, ""), ", taps before channels, for ",
                               g.a_signed ? "signed" : "unsigned", " numbers");
  WEFT_TRY(std::shared_ptr<Buffer> ordered, Buffer::allocate(g.k * g.n));
  WEFT_TRY(p->packed, packed_constant<uint8_t>(w, form, packed_integer_b_size(g), context.form_cache(),
                                               [&](const uint8_t* elements, uint8_t* to) {
                                                 auto* rows = static_cast<uint8_t*>(ordered->data());
                                                 order_by_taps(p->g, g.k, elements, rows);
                                                 GemmInteger packing = g;
                                                 packing.b = rows;
                                                 pack_integer_b(packing, to, Parallel{});
                                               }));
  p->gemm.packed_b = static_cast<const uint8_t*>(p->packed->data());
  return {};
}

// Some whole tiles of pixels, so that there is something for each of a few threads.
int64_t part_of(const PixelConv& p) {
  constexpr int64_t kThreads = 4;
  const int64_t rows = kRowBytes / std::max<int64_t>(p.gemm.k, 1),
                sums = kSumBytes / (4 * std::max<int64_t>(p.gemm.n, 1));
  const int64_t most = std::max(kLeastPixels, std::min(rows, sums));
  const int64_t parts = divide_up(divide_up(std::max<int64_t>(p.pixels(), 1), most), kThreads) * kThreads;
  return divide_up(divide_up(std::max<int64_t>(p.pixels(), 1), parts), kTile) * kTile;
}

int64_t whole_lines(int64_t bytes) { return divide_up(bytes, 64) * 64; }

template <bool quantizes>
Status prepare(const KernelContext& context, PreparedKernel* prepared) {
  const int at_w = quantizes ? 3 : 1;
  const auto given = [&context](int i) { return context.has_input(i) ? i : -1; };
  PixelConv p{};
  p.quantizes = quantizes;
  p.at_x_zero = given(2);
  p.at_w_zero = given(quantizes ? 5 : 3);
  p.at_bias = given(8);
  p.g = read_geometry(context, context.shape(0), context.shape(at_w), context.output_shape(0));
  const int64_t summed = p.g.taps() * p.g.in_c;
  p.in_place = p.g.sees_itself() && summed % kGroup == 0;
  GemmInteger& g = p.gemm;
  g.k = g.a_row = g.b_column = divide_up(summed, kGroup) * kGroup;
  g.n = g.c_row = p.g.out_c;
  g.b_row = 1;
  g.a_signed = context.dtype(0) == DType::kI8;
  g.b_signed = context.dtype(at_w) == DType::kI8;
  g.b_zero_step = p.at_w_zero >= 0 && context.count(p.at_w_zero) > 1;
  if (quantizes) {
    p.y_signed = context.output_dtype(0) == DType::kI8;
    p.w_scale_step = context.count(4) > 1;
    p.scales_size = whole_lines(p.g.out_c * static_cast<int64_t>(sizeof(float)));
  }
  p.part = part_of(p);
  g.m = std::min(p.part, p.pixels());
  WEFT_CHECK(pack_weight(context, *context.constant(at_w), &p));
  prepared->unused_inputs = {at_w};
  p.lanes = std::min(p.parts(), kLanes);
  p.sums_at = p.in_place ? 0 : whole_lines(g.m * g.k);
  p.product_at = p.sums_at + (quantizes ? whole_lines(g.m * g.n * 4) : 0);
  p.lane_size = p.product_at + whole_lines(gemm_integer_scratch(g));
  prepared->scratch_bytes = p.scales_size + p.lanes * p.lane_size;
  prepared->cost_ns = gemm_integer_cost_ns(g) * static_cast<double>(p.parts());
  prepared->finishes = finishes_well(g);
  prepared->use<&run>(std::move(p));
  return {};
}

template <int at_w>
bool accepts(const KernelContext& c) {
  const Shape& w = c.shape(at_w);
  const bool empty = std::count(w.begin(), w.end(), 0) != 0;
  return c.constant(at_w) != nullptr && c.attrs().i("group") == 1 && (c.rank(0) == 3 || c.rank(0) == 4) && !empty;
}

}  // namespace

void add_cpu_channels_last_conv_integer(KernelRegistry& kernels) {
  kernels.add("weft.ChannelsLastConvInteger", {"pixels", accepts<1>, prepare<false>});
  kernels.add("weft.ChannelsLastQLinearConv", {"pixels", accepts<3>, prepare<true>});
}

}  // namespace weft
