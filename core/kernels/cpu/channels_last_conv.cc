// Convolution over images whose channels lie side by side: as one product where the window is one pixel, channel by
// channel where each has a filter of its own, and else as sums over the places of the window.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/simd/gemm.h"
#include "core/simd/taps.h"

namespace weft {
namespace {

// Pointers to the input pixels of one block of output pixels, on the stack.
constexpr int64_t kMostPointers = 4096;
constexpr int64_t kLaneRowsOfBlock = 8;
constexpr int64_t kTilesOfBlock = 8;
// With fewer channels, a row of the window is one tap in a copy of the image with its padding.
constexpr int64_t kFewChannels = 16;

// -- Sums over taps.
template <typename T>
int64_t tile_rows(const ConvGeometry& g) {
  const TapTable<T>& table = tap_table(T());
  return 2 * (g.out_c / g.group) <= table.panel ? table.narrow_rows : table.rows;
}

template <typename T>
struct Taps {
  ConvGeometry g;
  const TapTable<T>* table;
  Limits<T> limits;
  bool biased;
  bool rows_are_taps;  // of the window, in images with their padding, which are copies where there is any
  bool copied;
  int64_t taps, k;        // k elements of each tap lie side by side
  int64_t panels;         // of a group
  int64_t rows;           // of a full tile
  int64_t tiles, blocks;  // of an image
  int64_t padded_h = 0, padded_w = 0;
  std::shared_ptr<const Buffer> weight{}, bias{};  // packed, where they are constants
  std::shared_ptr<const Buffer> zero{};

  int64_t weight_size() const { return g.group * panels * table->panel * taps * k; }
  int64_t bias_size() const { return biased ? g.group * panels * table->panel : 0; }
  int64_t padded_size() const { return copied ? g.images * padded_h * padded_w * g.in_c : 0; }
};

// [group][panel][tap][k][column]
template <typename T>
void pack_weight(const Taps<T>& s, const T* w, T* to, const Parallel& parallel) {
  const ConvGeometry& g = s.g;
  const int64_t in_c = g.in_c / g.group, out_c = g.out_c / g.group, taps = g.taps(), panel = s.table->panel;
  const int64_t size = taps * in_c * panel;
  parallel_for(parallel, g.group * s.panels, 1, 1.0 * static_cast<double>(size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % s.panels * panel, columns = std::min(panel, out_c - first);
      const T* from = w + (i / s.panels * out_c + first) * in_c * taps;
      T* out = to + i * size;
      if (columns < panel) std::fill_n(out, size, T(0));
      // Filters lie row by row: a few rows of each at a time stay in the cache.
      for (int64_t k = 0; k < in_c; ++k) {
        for (int64_t j = 0; j < columns; ++j) {
          const T* filter = from + (j * in_c + k) * taps;
          for (int64_t tap = 0; tap < taps; ++tap) out[(tap * in_c + k) * panel + j] = filter[tap];
        }
      }
    }
  });
}

// [group][panel][column]
template <typename T>
void pack_bias(const Taps<T>& s, const T* bias, T* to) {
  const int64_t out_c = s.g.out_c / s.g.group;
  for (int64_t group = 0; group < s.g.group; ++group) {
    for (int64_t m = 0; m < s.panels * s.table->panel; ++m) *to++ = m < out_c ? bias[group * out_c + m] : T(0);
  }
}

// Where the pixels [begin, end) of an image see each tap: [tap][pixel].
template <typename T>
void find_pixels(const Taps<T>& s, const T* image, int64_t group, int64_t begin, int64_t end, const T** to) {
  const ConvGeometry& g = s.g;
  const int64_t rows = end - begin;
  int64_t oy = begin / g.out_w, ox = begin % g.out_w;
  for (int64_t r = 0; r < rows; ++r) {
    if (s.rows_are_taps) {
      for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
        to[ky * rows + r] = image + ((oy * g.stride_h + ky * g.dilation_h) * s.padded_w + ox * g.stride_w) * g.in_c;
      }
    } else {
      const T* zero = static_cast<const T*>(s.zero->data());
      const int64_t y0 = oy * g.stride_h - g.pad_h, x0 = ox * g.stride_w - g.pad_w;
      const T** at = to + r;
      for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
        const int64_t y = y0 + ky * g.dilation_h;
        for (int64_t kx = 0; kx < g.kernel_w; ++kx, at += rows) {
          const int64_t x = x0 + kx * g.dilation_w;
          const bool inside = y >= 0 && y < g.in_h && x >= 0 && x < g.in_w;
          *at = inside ? image + (y * g.in_w + x) * g.in_c + group * s.k : zero;
        }
      }
    }
    if (++ox == g.out_w) {
      ox = 0;
      ++oy;
    }
  }
}

template <typename T>
void run_block(const Taps<T>& s, const RunArgs& args, const T* images, const T* weight, const T* bias, int64_t item) {
  const ConvGeometry& g = s.g;
  const int64_t image = item / s.blocks, block = item % s.blocks;
  const int64_t first = block * s.tiles / s.blocks, last = (block + 1) * s.tiles / s.blocks;
  auto pixel_of = [&](int64_t tile) { return tile * g.pixels() / s.tiles; };
  const T* in = images + image * (s.copied ? s.padded_h * s.padded_w : g.in_h * g.in_w) * g.in_c;
  const int64_t panel = s.table->panel, out_c = g.out_c / g.group, at = image * g.pixels();
  const T* pointers[kMostPointers];
  for (int64_t group = 0; group < g.group; ++group) {
    const T** next = pointers;
    for (int64_t tile = first; tile < last; ++tile) {
      find_pixels(s, in, group, pixel_of(tile), pixel_of(tile + 1), next);
      next += (pixel_of(tile + 1) - pixel_of(tile)) * s.taps;
    }
    for (int64_t p = 0; p < s.panels; ++p) {
      TapTile<T> t;
      t.columns = std::min(panel, out_c - p * panel);
      t.taps = s.taps;
      t.k = s.k;
      t.a = pointers;
      t.b = weight + (group * s.panels + p) * s.taps * s.k * panel;
      t.init = s.biased ? bias + (group * s.panels + p) * panel : nullptr;
      t.c_row = g.out_c;
      t.limits = s.limits;
      for (int64_t tile = first; tile < last; ++tile) {
        if (tile + 1 == last && tile > first && p + 1 < s.panels) t.ahead = t.b + s.taps * s.k * panel;
        const int64_t pixel = pixel_of(tile);
        t.rows = pixel_of(tile + 1) - pixel;
        t.c = args.output<T>(0) + (at + pixel) * g.out_c + group * out_c + p * panel;
        s.table->run(t);
        t.a += t.rows * t.taps;
      }
    }
  }
  args.finished((at + pixel_of(first)) * g.out_c, (at + pixel_of(last)) * g.out_c);
}

template <typename T>
void run_taps(const Taps<T>& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  T* scratch = static_cast<T*>(args.scratch);
  const T *images = args.input<T>(0), *weight = nullptr, *bias = nullptr;
  if (s.weight != nullptr) {
    weight = static_cast<const T*>(s.weight->data());
  } else {
    pack_weight(s, args.input<T>(1), scratch, *args.parallel);
    weight = scratch;
    scratch += s.weight_size();
  }
  if (s.bias != nullptr) {
    bias = static_cast<const T*>(s.bias->data());
  } else if (s.biased) {
    pack_bias(s, args.input<T>(2), scratch);
    bias = scratch;
    scratch += s.bias_size();
  }
  if (s.copied) {
    pad_images(g, s.padded_h, s.padded_w, images, scratch, *args.parallel);
    images = scratch;
  }
  const double pixels = static_cast<double>(g.pixels()) / static_cast<double>(s.blocks);
  const double cost = pixels * static_cast<double>(g.out_c) * 1e-2 * sizeof(T) * static_cast<double>(s.taps * s.k + 4) +
                      args.finish_cost_ns(static_cast<int64_t>(pixels) * g.out_c);
  parallel_for(*args.parallel, g.images * s.blocks, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) run_block(s, args, images, weight, bias, item);
  });
}

template <typename T>
Status prepare_taps(const KernelContext& c, PreparedKernel* prepared) {
  Taps<T> s{};
  ConvGeometry& g = s.g = read_geometry(c);
  s.table = &tap_table(T());
  s.limits = limits_of<T>(c);
  s.biased = c.has_input(2);
  s.padded_h = g.reach_h();
  s.padded_w = g.reach_w();
  s.rows_are_taps =
      g.group == 1 && g.in_c < kFewChannels && g.dilation_w == 1 && pads_little(g, s.padded_h, s.padded_w);
  s.copied = s.rows_are_taps && (s.padded_h != g.in_h || s.padded_w != g.in_w);
  s.taps = s.rows_are_taps ? g.kernel_h : g.taps();
  s.k = (s.rows_are_taps ? g.kernel_w : 1) * (g.in_c / g.group);
  s.panels = divide_up(g.out_c / g.group, s.table->panel);
  s.rows = tile_rows<T>(g);
  s.tiles = divide_up(g.pixels(), s.rows);
  const int64_t tiles_of_block = std::min(kTilesOfBlock, kMostPointers / (s.rows * s.taps));
  s.blocks = divide_up(s.tiles, tiles_of_block);
  // Two threads find equal shares.
  if (s.blocks < s.tiles) s.blocks += s.blocks % 2;
  if (!s.rows_are_taps) {
    WEFT_TRY(s.zero, zeros<T>(s.k));
  }
  if (const Tensor* w = c.constant(1); w != nullptr) {
    const std::string form = cat("taps in panels of ", s.table->panel, ", groups ", g.group);
    WEFT_TRY(s.weight, packed_constant<T>(*w, form, s.weight_size(), c.form_cache(),
                                          [&](const T* elements, T* to) { pack_weight(s, elements, to, Parallel{}); }));
    prepared->unused_inputs.push_back(1);
  }
  if (const Tensor* bias = c.constant(2); bias != nullptr) {
    WEFT_TRY(auto packed, Buffer::allocate(s.bias_size() * static_cast<int64_t>(sizeof(T))));
    pack_bias(s, bias->as<T>(), static_cast<T*>(packed->data()));
    s.bias = std::move(packed);
    prepared->unused_inputs.push_back(2);
  }
  const int64_t packing = (s.weight == nullptr ? s.weight_size() : 0) + (s.bias == nullptr ? s.bias_size() : 0);
  prepared->scratch_bytes = (packing + s.padded_size()) * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = 1e-2 * sizeof(T) * static_cast<double>(g.images * g.pixels() * g.out_c * s.taps * s.k) +
                      static_cast<double>(packing);
  const int64_t stretch = s.tiles / s.blocks * (g.pixels() / s.tiles) * g.out_c;
  prepared->finishes = s.blocks == 1 || stretch >= kLeastStretch;
  prepared->use<&run_taps<T>>(std::move(s));
  return {};
}

// -- One filter for each channel.
template <typename T>
struct Lanes {
  ConvGeometry g;
  const TapTable<T>* table;
  Limits<T> limits;
  bool biased;
  Range inner_h, inner_w;  // the output pixels whose windows reach over neither edge
  int64_t blocks;          // of rows of an output image, where rows are handed on
  std::shared_ptr<const Buffer> packed{}, zero{};
};

// What one thread makes at a time: some rows of an output image, and some channels of them, whose input stays in the
// first-level cache from one row to the next.
template <typename T>
struct LaneBlock {
  const Lanes<T>& s;
  const T *in, *weight, *init;  // of the image; of all channels
  T* out;
  Range channels;

  // Where a window reaches over the left or right edge, the pixels below each other are a tile.
  void run(Range rows) const {
    const Range across = s.inner_w;
    const Range down{std::clamp(s.inner_h.first, rows.first, rows.past),
                     std::clamp(s.inner_h.past, rows.first, rows.past)};
    for (int64_t oy = rows.first; oy < rows.past; ++oy) {
      run_tiles({oy, oy + 1}, across);
      if (oy >= down.first && oy < down.past) continue;
      for (int64_t ox = 0; ox < across.first; ++ox) run_tile(oy, ox, 1, false);
      for (int64_t ox = across.past; ox < s.g.out_w; ++ox) run_tile(oy, ox, 1, false);
    }
    for (int64_t ox = 0; ox < across.first; ++ox) run_tiles(down, {ox, ox + 1});
    for (int64_t ox = across.past; ox < s.g.out_w; ++ox) run_tiles(down, {ox, ox + 1});
  }

  // One row of pixels, or one column.
  void run_tiles(Range rows, Range columns) const {
    const bool down = columns.past - columns.first == 1;
    const int64_t pixels = down ? rows.past - rows.first : columns.past - columns.first;
    const int64_t tiles = divide_up(pixels, s.table->lane_rows);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t at = i * pixels / tiles, count = (i + 1) * pixels / tiles - at;
      run_tile(rows.first + (down ? at : 0), columns.first + (down ? 0 : at), count, down);
    }
  }

  // All of them see the image through a tap, or none does.
  void run_tile(int64_t oy, int64_t ox, int64_t pixels, bool down) const {
    const ConvGeometry& g = s.g;
    LaneTap<T> taps[kMostLaneTaps], *to = taps;
    const int64_t next = (down ? g.stride_h * g.in_w : g.stride_w) * g.in_c;
    for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
      const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
      for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
        const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
        if (y >= 0 && y < g.in_h && x >= 0 && x < g.in_w)
          *to++ = {in + (y * g.in_w + x) * g.in_c + channels.first, next};
        else
          *to++ = {static_cast<const T*>(s.zero->data()), 0};
      }
    }
    LaneTile<T> t = lane_tile(g, channels, taps, weight, init, s.limits);
    t.rows = pixels;
    t.c = out + (oy * g.out_w + ox) * g.out_c + channels.first;
    t.c_row = (down ? g.out_w : 1) * g.out_c;
    s.table->run_lanes(t);
  }
};

template <typename T>
void run_lanes(const Lanes<T>& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  const T* weight = static_cast<const T*>(args.scratch);
  if (s.packed != nullptr)
    weight = static_cast<const T*>(s.packed->data());
  else
    pack_lane_filters(g, args.input<T>(1), static_cast<T*>(args.scratch));
  const int64_t row = g.out_w * g.out_c;
  // What is handed on are whole rows.
  const bool whole = args.finish != nullptr;
  const int64_t wide = whole ? 1 : std::max<int64_t>(g.in_c / s.table->lane_columns, 1);
  const int64_t high = whole ? s.blocks : divide_up(g.out_h, kLaneRowsOfBlock), blocks = high * wide;
  const double cost = (0.05 * static_cast<double>(g.taps() + 4) * static_cast<double>(row) + args.finish_cost_ns(row)) *
                      static_cast<double>(g.out_h) / static_cast<double>(blocks);
  parallel_for(*args.parallel, g.images * blocks, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t image = item / blocks, down = item % blocks / wide, across = item % wide;
      const Range rows{down * g.out_h / high, (down + 1) * g.out_h / high};
      const Range channels{across * s.table->lane_columns,
                           across + 1 < wide ? (across + 1) * s.table->lane_columns : g.in_c};
      LaneBlock<T>{s,
                   args.input<T>(0) + image * g.in_h * g.in_w * g.in_c,
                   weight,
                   s.biased ? args.input<T>(2) : nullptr,
                   args.output<T>(0) + image * g.out_h * row,
                   channels}
          .run(rows);
      args.finished((image * g.out_h + rows.first) * row, (image * g.out_h + rows.past) * row);
    }
  });
}

template <typename T>
Status prepare_lanes(const KernelContext& c, PreparedKernel* prepared) {
  // What one block of rows makes stays in the first-level cache for what comes behind.
  constexpr int64_t kElements = 4096;
  Lanes<T> s{};
  ConvGeometry& g = s.g = read_geometry(c);
  s.table = &tap_table(T());
  s.limits = limits_of<T>(c);
  s.biased = c.has_input(2);
  s.inner_h = seeing_whole(g.kernel_h, g.dilation_h, g.pad_h, g.stride_h, g.in_h, g.out_h);
  s.inner_w = seeing_whole(g.kernel_w, g.dilation_w, g.pad_w, g.stride_w, g.in_w, g.out_w);
  const int64_t row = std::max<int64_t>(g.out_w * g.out_c, 1);
  s.blocks = std::clamp<int64_t>(g.out_h * row / kElements, 1, std::max<int64_t>(g.out_h, 1));
  if (s.blocks < g.out_h) s.blocks += s.blocks % 2;
  WEFT_TRY(s.zero, zeros<T>(g.in_c));
  const int64_t bytes = g.taps() * g.in_c * static_cast<int64_t>(sizeof(T));
  if (const Tensor* w = c.constant(1); w != nullptr) {
    WEFT_TRY(s.packed, packed_lane_filters<T>(g, *w, c.form_cache()));
    prepared->unused_inputs = {1};
  } else {
    prepared->scratch_bytes = bytes;
  }
  prepared->cost_ns = 0.05 * static_cast<double>(g.images * g.pixels() * g.out_c * g.taps());
  prepared->finishes = s.blocks == 1 || g.out_h / s.blocks * row >= kLeastStretch;
  prepared->use<&run_lanes<T>>(std::move(s));
  return {};
}

// -- A window of one pixel: a product of all pixels with the weight.
template <typename T>
struct Pixels {
  Gemm<T> gemm;
  bool biased;
  std::shared_ptr<const Buffer> packed{};
};

template <typename T>
void run_pixels(const Pixels<T>& s, const RunArgs& args) {
  Gemm<T> g = s.gemm;
  g.a = args.input<T>(0);
  g.b = args.input<T>(1);
  g.c = args.output<T>(0);
  if (s.biased) g.init = args.input<T>(2);
  g.finish = args.finish;
  run_gemm(g, static_cast<T*>(args.scratch), *args.parallel);
}

template <typename T>
Status prepare_pixels(const KernelContext& c, PreparedKernel* prepared) {
  const ConvGeometry g = read_geometry(c);
  Pixels<T> s{};
  s.biased = c.has_input(2);
  s.gemm = product_of_pixels(g.images * g.pixels(), g.in_c, g.out_c, limits_of<T>(c));
  if (const Tensor* w = c.constant(1); w != nullptr) {
    WEFT_TRY(s.packed, use_packed_b(*w, &s.gemm, c.form_cache()));
    if (s.packed != nullptr) prepared->unused_inputs = {1};
  }
  prepared->scratch_bytes = gemm_scratch(s.gemm) * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = gemm_cost_ns(s.gemm);
  prepared->finishes = finishes_well(s.gemm);
  prepared->use<&run_pixels<T>>(std::move(s));
  return {};
}

// -- Which of them.
bool accepts(const KernelContext& c) {
  if (c.dtype(0) != DType::kF32 && c.dtype(0) != DType::kF64) return false;
  if (c.rank(0) != 3 && c.rank(0) != 4) return false;
  const ConvGeometry g = read_geometry(c);
  return g.images * g.pixels() > 0 && g.in_c > 0 && g.out_c > 0;
}

bool accepts_pixels(const KernelContext& c) {
  if (!accepts(c)) return false;
  const ConvGeometry g = read_geometry(c);
  return g.group == 1 && g.sees_itself();
}

bool accepts_lanes(const KernelContext& c) {
  if (!accepts(c)) return false;
  const ConvGeometry g = read_geometry(c);
  const bool f32 = c.dtype(0) == DType::kF32;
  const int64_t least = f32 ? tap_table(float()).least_columns : tap_table(double()).least_columns;
  return g.one_filter_each() && g.in_c >= least && g.taps() <= kMostLaneTaps;
}

bool accepts_taps(const KernelContext& c) {
  if (!accepts(c)) return false;
  const ConvGeometry g = read_geometry(c);
  return g.taps() * (c.dtype(0) == DType::kF32 ? tile_rows<float>(g) : tile_rows<double>(g)) <= kMostPointers;
}

template <Status (*F32)(const KernelContext&, PreparedKernel*), Status (*F64)(const KernelContext&, PreparedKernel*)>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? F32(c, prepared) : F64(c, prepared);
}

}  // namespace

void add_cpu_channels_last_conv(KernelRegistry& kernels) {
  const char* op = "weft.ChannelsLastConv";
  kernels.add(op, {"pixels", accepts_pixels, prepare<prepare_pixels<float>, prepare_pixels<double>>});
  kernels.add(op, {"lanes", accepts_lanes, prepare<prepare_lanes<float>, prepare_lanes<double>>});
  kernels.add(op, {"taps", accepts_taps, prepare<prepare_taps<float>, prepare_taps<double>>});
}

}  // namespace weft
