// Convolutions of 8-bit numbers over images whose channels lie side by side, with one filter for each channel: sums over
// the places of the window that stay in registers until they are quantized.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/kernels/cpu/scales_common.h"
#include "core/simd/taps_integer.h"

namespace weft {
namespace {

constexpr int64_t kMostTaps = 256;
constexpr int64_t kBlockRows = 8;
constexpr int64_t kBlockColumns = 256;        // channels whose input stays in the first-level cache
constexpr int64_t kBlockElements = 16 << 10;  // of the output, where it is handed on

const ByteTapTable& table() { return byte_tap_table(current_isa()); }

struct ByteLanes {
  ConvGeometry g;
  Range inner_h, inner_w;  // the output pixels whose windows reach over neither edge
  int64_t blocks;          // of rows of an output image, where rows are handed on
  bool quantizes, x_signed, y_signed = false;
  int at_x_zero, at_bias;  // inputs; -1: it is not given
  int64_t w_scale_step = 0;
  std::shared_ptr<const Buffer> packed{};  // [tap][channel] less the zero points of the weight, then their sums

  const int32_t* weight() const { return static_cast<const int32_t*>(packed->data()); }
  const int32_t* weight_sums() const { return weight() + g.taps() * g.in_c; }
};

// What is found out before the first pixel: of each channel what sums begin with and what they are multiplied by, and a
// pixel of the padding. One behind the other in the scratch memory, each as long as its numbers in 4 bytes.
struct Prepared {
  int32_t* init;
  float* scales;
  uint8_t* padding;

  Prepared(void* scratch, int64_t channels)
      : init(static_cast<int32_t*>(scratch)),
        scales(static_cast<float*>(scratch) + channels),
        padding(static_cast<uint8_t*>(scratch) + 8 * channels) {}
  static int64_t bytes(int64_t channels) { return 9 * channels; }
};

// sum (x - zero) w + bias = sum x w + (bias - zero sum w): of the padding, which is `zero`, nothing is left.
void begin_sums(const ByteLanes& s, const RunArgs& args, const Prepared& p) {
  const int64_t channels = s.g.in_c;
  const int32_t zero = s.at_x_zero >= 0 ? read_number(args.in[s.at_x_zero], s.x_signed) : 0;
  std::memset(p.padding, static_cast<uint8_t>(zero), static_cast<size_t>(channels));
  const int32_t* bias = s.at_bias >= 0 ? args.input<int32_t>(s.at_bias) : nullptr;
  for (int64_t c = 0; c < channels; ++c) {
    const uint32_t taken = static_cast<uint32_t>(zero) * static_cast<uint32_t>(s.weight_sums()[c]);
    p.init[c] = static_cast<int32_t>((bias != nullptr ? static_cast<uint32_t>(bias[c]) : 0u) - taken);
  }
  if (!s.quantizes) return;
  join_scales(*args.input<float>(1), args.input<float>(4), s.w_scale_step, channels, *args.input<float>(6), p.scales);
}

// What one thread makes at a time: some rows of an output image, and some channels of them.
struct ByteBlock {
  const ByteLanes& s;
  const Prepared& p;
  const uint8_t* in;  // of the image
  char* out;
  int32_t zero;  // of y
  Range channels;

  // Where a window reaches over the left or right edge, the pixels below each other are a tile.
  void run(Range rows) const {
    const Range across = s.inner_w;
    const Range down{std::clamp(s.inner_h.first, rows.first, rows.past),
                     std::clamp(s.inner_h.past, rows.first, rows.past)};
    for (int64_t oy = rows.first; oy < rows.past; ++oy) {
      run_row(oy, across);
      if (oy >= down.first && oy < down.past) continue;
      for (int64_t ox = 0; ox < across.first; ++ox) run_tile(oy, ox, 1, false);
      for (int64_t ox = across.past; ox < s.g.out_w; ++ox) run_tile(oy, ox, 1, false);
    }
    for (int64_t ox = 0; ox < across.first; ++ox) run_column(down, ox);
    for (int64_t ox = across.past; ox < s.g.out_w; ++ox) run_column(down, ox);
  }

  // Calls fn(at, count) for tiles that together are [first, past).
  template <typename Fn>
  static void for_tiles(Range range, Fn&& fn) {
    for (int64_t at = range.first, count = table().most_rows; at < range.past; at += count) {
      while (count > range.past - at) count /= 2;
      fn(at, count);
    }
  }
  void run_row(int64_t oy, Range columns) const {
    for_tiles(columns, [&](int64_t ox, int64_t count) { run_tile(oy, ox, count, false); });
  }
  void run_column(Range rows, int64_t ox) const {
    for_tiles(rows, [&](int64_t oy, int64_t count) { run_tile(oy, ox, count, true); });
  }

  // All of its pixels see the image through a tap, or none does.
  void run_tile(int64_t oy, int64_t ox, int64_t pixels, bool down) const {
    const ConvGeometry& g = s.g;
    ByteTap taps[kMostTaps], *to = taps;
    const int64_t next = (down ? g.stride_h * g.in_w : g.stride_w) * g.in_c;
    for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
      const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
      for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
        const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
        if (y >= 0 && y < g.in_h && x >= 0 && x < g.in_w)
          *to++ = {in + (y * g.in_w + x) * g.in_c + channels.first, next};
        else
          *to++ = {p.padding, 0};
      }
    }
    const int64_t at = (oy * g.out_w + ox) * g.out_c + channels.first;
    ByteLaneTile t;
    t.rows = pixels;
    t.columns = channels.past - channels.first;
    t.taps = g.taps();
    t.a_signed = s.x_signed;
    t.a = taps;
    t.b = s.weight() + channels.first;
    t.b_row = g.in_c;
    t.init = p.init + channels.first;
    t.c = out + at * (s.quantizes ? 1 : 4);
    t.c_row = (down ? g.out_w : 1) * g.out_c;
    t.scales = s.quantizes ? p.scales + channels.first : nullptr;
    t.zero = zero;
    t.c_signed = s.y_signed;
    table().run_lanes(t);
  }
};

void run(const ByteLanes& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  const Prepared prepared(args.scratch, g.in_c);
  begin_sums(s, args, prepared);
  const int32_t zero = s.quantizes ? read_number(args.in[7], s.y_signed) : 0;
  const int64_t row = g.out_w * g.out_c, size = s.quantizes ? 1 : 4;
  // What is handed on are whole rows.
  const bool whole = args.finish != nullptr;
  const int64_t wide = whole ? 1 : std::max<int64_t>(g.in_c / kBlockColumns, 1);
  const int64_t high = whole ? s.blocks : divide_up(g.out_h, kBlockRows), blocks = high * wide;
  const double cost = (0.02 * static_cast<double>(g.taps() + 8) * static_cast<double>(row) + args.finish_cost_ns(row)) *
                      static_cast<double>(g.out_h) / static_cast<double>(blocks);
  parallel_for(*args.parallel, g.images * blocks, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t image = item / blocks, down = item % blocks / wide, across = item % wide;
      const Range rows{down * g.out_h / high, (down + 1) * g.out_h / high};
      const Range channels{across * kBlockColumns, across + 1 < wide ? (across + 1) * kBlockColumns : g.in_c};
      ByteBlock{s,
                prepared,
                args.input<uint8_t>(0) + image * g.in_h * g.in_w * g.in_c,
                args.output<char>(0) + image * g.out_h * row * size,
                zero,
                channels}
          .run(rows);
      args.finished((image * g.out_h + rows.first) * row, (image * g.out_h + rows.past) * row);
    }
  });
}

// [C, 1, k1, ...] by taps.
void pack_lanes(const ConvGeometry& g, bool w_signed, const std::vector<int32_t>& zeros, const uint8_t* w,
                int32_t* to) {
  int32_t* sums = to + g.taps() * g.in_c;
  std::fill_n(sums, g.in_c, 0);
  for (int64_t tap = 0; tap < g.taps(); ++tap) {
    for (int64_t c = 0; c < g.in_c; ++c) {
      const int32_t zero = zeros[zeros.size() > 1 ? static_cast<size_t>(c) : 0];
      const int32_t weight = read_number(w + c * g.taps() + tap, w_signed) - zero;
      *to++ = weight;
      sums[c] += weight;
    }
  }
}

Status pack_weight(const KernelContext& context, int at_w, int at_w_zero, ByteLanes* s) {
  const bool w_signed = context.dtype(at_w) == DType::kI8;
  std::vector<int32_t> zeros{0};
  if (at_w_zero >= 0) {
    const Tensor& given = *context.constant(at_w_zero);
    zeros.resize(static_cast<size_t>(given.count()));
    for (size_t i = 0; i < zeros.size(); ++i) zeros[i] = read_number(given.as<uint8_t>() + i, w_signed);
  }
  if (std::all_of(zeros.begin(), zeros.end(), [&](int32_t zero) { return zero == zeros[0]; })) zeros.resize(1);
  std::string form = "one filter of 8-bit numbers for each channel, less";
  for (int32_t zero : zeros) form += cat(" ", zero);
  const ConvGeometry& g = s->g;
  const int64_t count = (g.taps() + 1) * g.in_c * static_cast<int64_t>(sizeof(int32_t));
  WEFT_TRY(s->packed, packed_constant<uint8_t>(*context.constant(at_w), form, count, context.form_cache(),
                                               [&](const uint8_t* elements, uint8_t* to) {
                                                 pack_lanes(g, w_signed, zeros, elements,
                                                            reinterpret_cast<int32_t*>(to));
                                               }));
  return {};
}

template <bool quantizes>
Status prepare(const KernelContext& context, PreparedKernel* prepared) {
  const int at_w = quantizes ? 3 : 1;
  const auto given = [&context](int i) { return context.has_input(i) ? i : -1; };
  ByteLanes s{};
  ConvGeometry& g = s.g = read_geometry(context, context.shape(0), context.shape(at_w), context.output_shape(0));
  s.quantizes = quantizes;
  s.x_signed = context.dtype(0) == DType::kI8;
  s.at_x_zero = given(2);
  s.at_bias = given(8);
  s.inner_h = seeing_whole(g.kernel_h, g.dilation_h, g.pad_h, g.stride_h, g.in_h, g.out_h);
  s.inner_w = seeing_whole(g.kernel_w, g.dilation_w, g.pad_w, g.stride_w, g.in_w, g.out_w);
  if (quantizes) {
    s.y_signed = context.output_dtype(0) == DType::kI8;
    s.w_scale_step = context.count(4) > 1;
  }
  const int64_t row = g.out_w * g.out_c;
  s.blocks = std::clamp<int64_t>(g.out_h * row / kBlockElements, 1, g.out_h);
  // Two threads find equal shares.
  if (s.blocks < g.out_h) s.blocks += s.blocks % 2;
  WEFT_CHECK(pack_weight(context, at_w, given(quantizes ? 5 : 3), &s));
  prepared->unused_inputs = {at_w};
  prepared->scratch_bytes = Prepared::bytes(g.in_c);
  prepared->cost_ns = 0.02 * static_cast<double>(g.images * g.pixels() * g.out_c * (g.taps() + 8));
  prepared->finishes = s.blocks == 1 || g.out_h / s.blocks * row >= kLeastStretch;
  prepared->use<&run>(std::move(s));
  return {};
}

// With a weight and zero points of it that are constants.
template <int at_w, int at_w_zero>
bool accepts(const KernelContext& c) {
  if (c.constant(at_w) == nullptr || (c.rank(0) != 3 && c.rank(0) != 4)) return false;
  if (c.has_input(at_w_zero) && c.constant(at_w_zero) == nullptr) return false;
  const ConvGeometry g = read_geometry(c, c.shape(0), c.shape(at_w), c.output_shape(0));
  const bool empty = g.images == 0 || g.pixels() == 0 || g.taps() == 0;
  return !empty && g.one_filter_each() && g.in_c >= table().least_columns && g.taps() <= kMostTaps;
}

}  // namespace

void add_cpu_channels_last_depthwise_integer(KernelRegistry& kernels) {
  kernels.add("weft.ChannelsLastConvInteger", {"lanes", accepts<1, 3>, prepare<false>});
  kernels.add("weft.ChannelsLastQLinearConv", {"lanes", accepts<3, 5>, prepare<true>});
}

}  // namespace weft
