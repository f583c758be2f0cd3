// Transposed convolution over images whose channels lie side by side. Output pixels that lie a whole number of strides apart see
// the same places of the window, so each such phase is a convolution of the image with a part of them, and no sum of
// windows that overlap is needed: sums over taps through pointers, of which there is one where windows do not overlap.
#include <algorithm>
#include <array>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/op/window.h"
#include "core/simd/taps.h"

namespace weft {
namespace {

// Pointers to the input pixels of some tiles, on the stack.
constexpr int64_t kMostPointers = 4096;
constexpr int64_t kTilesTogether = 16;
// Of the rows of an output image so many tiles of a phase are worked on before the next phase, so that it finds the input in the cache.
constexpr int64_t kTilesOfBlock = 8;
constexpr int64_t kMostPhases = 64;
// Rows so many bytes apart share one set of the first-level cache, which has fewer ways than this.
constexpr int64_t kPage = 4096, kWays = 8, kApart = 16;

// One spatial axis. Output place o and place k of the window meet at input place (o + pad - k * dilation) / stride, where that
// is whole: `o + pad` is a number of strides and the phase.
struct Axis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;

  int64_t phase_of(int64_t o) const {
    const int64_t rest = (o + pad) % stride;
    return rest < 0 ? rest + stride : rest;
  }
  int64_t phase_of_place(int64_t k) const { return k * dilation % stride; }
  int64_t places_of(int64_t phase) const {
    int64_t count = 0;
    for (int64_t k = 0; k < kernel; ++k) count += phase_of_place(k) == phase;
    return count;
  }
  int64_t most_places() const {
    int64_t most = 0;
    for (int64_t phase = 0; phase < stride; ++phase) most = std::max(most, places_of(phase));
    return most;
  }
  // The first output of a phase at or behind `o`.
  int64_t first_of(int64_t phase, int64_t o) const { return o + (phase + stride - phase_of(o)) % stride; }
  // The input place that output `o` sees through place k of its phase; perhaps outside of the image.
  int64_t seen(int64_t o, int64_t k) const { return (o + pad - k * dilation) / stride; }
  bool inside(int64_t o, int64_t k) const {
    const int64_t at = o + pad - k * dilation;
    return at >= 0 && at < in * stride;
  }
};

struct TransposedGeometry {
  int64_t images, in_c, out_c, group;
  Axis h, w;  // with one spatial axis the height is 1

  int64_t phases() const { return h.stride * w.stride; }
  int64_t taps() const { return h.kernel * w.kernel; }
  int64_t in_of_group() const { return in_c / group; }
  int64_t out_of_group() const { return out_c / group; }
};

TransposedGeometry read_transposed(const KernelContext& c) {
  const Shape &x = c.shape(0), &w = c.shape(1), &y = c.output_shape(0);
  const int64_t spatial = c.rank(0) - 2;
  const TransposedWindow window = *TransposedWindow::read(c.attrs(), spatial, to_dims(Shape(w.begin() + 2, w.end())));
  const auto axis = [&](int64_t i) {
    const size_t at = static_cast<size_t>(i);
    Axis a{x[at + 1], y[at + 1], w[at + 2], window.window().strides[at], window.window().dilations[at], 0};
    a.pad = window.begin_pad(i, a.in, a.out);
    return a;
  };
  TransposedGeometry g{x[0], x.back(), y.back(), c.attrs().i("group"), {}, axis(spatial - 1)};
  if (spatial == 2) g.h = axis(0);
  return g;
}

template <typename T>
int64_t tile_rows(const TransposedGeometry& g) {
  const TapTable<T>& table = tap_table(T());
  return 2 * g.out_of_group() <= table.panel ? table.narrow_rows : table.rows;
}

template <typename T>
struct Phases {
  TransposedGeometry g;
  const TapTable<T>* table;
  Limits<T> limits;
  bool biased;
  int64_t panels;  // of a group
  int64_t rows;    // of a full tile
  int64_t blocks;  // of rows of an output image
  int64_t pixel;   // elements from one input pixel to the next; more than there are in copies
  std::array<int64_t, kMostPhases + 1> first{};            // taps of the phases before
  std::shared_ptr<const Buffer> weight{}, bias{}, zero{};  // packed, where they are constants

  int64_t tap_size() const { return g.in_of_group() * table->panel; }
  int64_t weight_size() const { return g.group * panels * g.taps() * tap_size(); }
  int64_t bias_size() const { return biased ? g.group * panels * table->panel : 0; }
  int64_t copies_size() const { return pixel != g.in_c ? g.images * g.h.in * g.w.in * pixel : 0; }
  int64_t taps_of(int64_t phase) const {
    return first[static_cast<size_t>(phase + 1)] - first[static_cast<size_t>(phase)];
  }
  // [group][phase][panel]: where the taps of a panel of a phase lie among the packed.
  int64_t panel_at(int64_t group, int64_t phase, int64_t panel) const {
    const int64_t before = (group * g.taps() + first[static_cast<size_t>(phase)]) * panels;
    return (before + panel * taps_of(phase)) * tap_size();
  }
};

// [group][phase][panel][tap][k][column]
template <typename T>
void pack_phases(const Phases<T>& s, const T* w, T* to, const Parallel& parallel) {
  const TransposedGeometry& g = s.g;
  const int64_t in_c = g.in_of_group(), out_c = g.out_of_group(), panel = s.table->panel, phases = g.phases();
  const double cost = static_cast<double>(s.weight_size()) / static_cast<double>(g.group * phases * s.panels);
  parallel_for(parallel, g.group * phases * s.panels, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t p = i % s.panels, phase = i / s.panels % phases, group = i / s.panels / phases;
      const int64_t column = p * panel, columns = std::min(panel, out_c - column);
      T* out = to + s.panel_at(group, phase, p);
      for (int64_t ky = 0; ky < g.h.kernel; ++ky) {
        if (g.h.phase_of_place(ky) != phase / g.w.stride) continue;
        for (int64_t kx = 0; kx < g.w.kernel; ++kx) {
          if (g.w.phase_of_place(kx) != phase % g.w.stride) continue;
          for (int64_t k = 0; k < in_c; ++k, out += panel) {
            const T* from = w + ((group * in_c + k) * out_c + column) * g.taps() + ky * g.w.kernel + kx;
            for (int64_t j = 0; j < columns; ++j) out[j] = from[j * g.taps()];
            std::fill(out + columns, out + panel, T(0));
          }
        }
      }
    }
  });
}

// [group][panel][column]
template <typename T>
void pack_bias(const Phases<T>& s, const T* bias, T* to) {
  const int64_t out_c = s.g.out_of_group();
  for (int64_t group = 0; group < s.g.group; ++group) {
    for (int64_t m = 0; m < s.panels * s.table->panel; ++m) *to++ = m < out_c ? bias[group * out_c + m] : T(0);
  }
}

// Some rows of an output image, phase by phase.
template <typename T>
class BlockOfRows {
 public:
  BlockOfRows(const Phases<T>& s, const T* image, const T* weight, const T* bias, T* out)
      : s_(s), g_(s.g), image_(image), weight_(weight), bias_(bias), out_(out) {}

  void run(int64_t begin, int64_t end) {
    for (group_ = 0; group_ < g_.group; ++group_) {
      for (phase_ = 0; phase_ < g_.phases(); ++phase_) {
        taps_ = s_.taps_of(phase_);
        for (int64_t oy = g_.h.first_of(phase_ / g_.w.stride, begin); oy < end; oy += g_.h.stride) add_row(oy);
        flush();
      }
    }
  }

 private:
  struct Tile {
    int64_t rows;
    T* c;
  };

  // The pixels of the phase in an output row.
  void add_row(int64_t oy) {
    const int64_t x0 = g_.w.first_of(phase_ % g_.w.stride, 0);
    if (x0 >= g_.w.out) return;
    const int64_t pixels = divide_up(g_.w.out - x0, g_.w.stride), tiles = divide_up(pixels, s_.rows);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t first = i * pixels / tiles, past = (i + 1) * pixels / tiles;
      if (count_ == kTilesTogether || used_ + (past - first) * taps_ > kMostPointers) flush();
      add_tile(oy, x0 + first * g_.w.stride, past - first);
    }
  }

  void add_tile(int64_t oy, int64_t ox, int64_t rows) {
    tiles_[count_++] = {rows, out_ + (oy * g_.w.out + ox) * g_.out_c};
    const T* zero = static_cast<const T*>(s_.zero->data());
    const T** to = pointers_ + used_;
    used_ += rows * taps_;
    const Axis &h = g_.h, &w = g_.w;
    for (int64_t ky = 0; ky < h.kernel; ++ky) {
      if (h.phase_of_place(ky) != phase_ / w.stride) continue;
      const bool row_inside = h.inside(oy, ky);
      const T* row = row_inside ? image_ + h.seen(oy, ky) * w.in * s_.pixel + group_ * g_.in_of_group() : zero;
      for (int64_t kx = 0; kx < w.kernel; ++kx) {
        if (w.phase_of_place(kx) != phase_ % w.stride) continue;
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t o = ox + r * w.stride;
          *to++ = row_inside && w.inside(o, kx) ? row + w.seen(o, kx) * s_.pixel : zero;
        }
      }
    }
  }

  // The tiles that were added, panel by panel.
  void flush() {
    const int64_t panel = s_.table->panel, out_c = g_.out_of_group();
    for (int64_t p = 0; p < s_.panels && count_ > 0; ++p) {
      TapTile<T> t{};
      t.columns = std::min(panel, out_c - p * panel);
      t.taps = taps_;
      t.k = g_.in_of_group();
      t.a = pointers_;
      t.b = weight_ + s_.panel_at(group_, phase_, p);
      t.init = bias_ != nullptr ? bias_ + (group_ * s_.panels + p) * panel : nullptr;
      t.c_row = g_.w.stride * g_.out_c;
      t.limits = s_.limits;
      for (int64_t i = 0; i < count_; ++i) {
        t.rows = tiles_[i].rows;
        t.c = tiles_[i].c + group_ * out_c + p * panel;
        s_.table->run(t);
        t.a += t.rows * t.taps;
      }
    }
    count_ = used_ = 0;
  }

  const Phases<T>& s_;
  const TransposedGeometry& g_;
  const T *image_, *weight_, *bias_;
  T* out_;
  int64_t group_ = 0, phase_ = 0, taps_ = 0;
  int64_t count_ = 0, used_ = 0;  // tiles, pointers
  Tile tiles_[kTilesTogether];
  const T* pointers_[kMostPointers];
};

// Copies of all pixels, `pixel` elements apart.
template <typename T>
void spread_pixels(const Phases<T>& s, const T* x, T* to, const Parallel& parallel) {
  const int64_t in_c = s.g.in_c;
  const double cost = 0.1 * static_cast<double>(in_c);
  parallel_for(parallel, s.g.images * s.g.h.in * s.g.w.in, 16, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::copy_n(x + i * in_c, in_c, to + i * s.pixel);
  });
}

template <typename T>
void run_phases(const Phases<T>& s, const RunArgs& args) {
  const TransposedGeometry& g = s.g;
  T* scratch = static_cast<T*>(args.scratch);
  const T *images = args.input<T>(0), *weight = nullptr, *bias = nullptr;
  if (s.weight != nullptr) {
    weight = static_cast<const T*>(s.weight->data());
  } else {
    pack_phases(s, args.input<T>(1), scratch, *args.parallel);
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
  if (s.pixel != g.in_c) {
    spread_pixels(s, images, scratch, *args.parallel);
    images = scratch;
  }
  const int64_t row = g.w.out * g.out_c;
  const double rows = static_cast<double>(g.h.out) / static_cast<double>(s.blocks);
  const double sums = static_cast<double>(g.taps() * g.in_of_group()) / static_cast<double>(g.phases());
  const double cost = rows * static_cast<double>(row) * 1e-2 * sizeof(T) * (sums + 4) +
                      args.finish_cost_ns(static_cast<int64_t>(rows) * row);
  parallel_for(*args.parallel, g.images * s.blocks, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t image = item / s.blocks, block = item % s.blocks;
      const int64_t first = block * g.h.out / s.blocks, past = (block + 1) * g.h.out / s.blocks;
      BlockOfRows<T>(s, images + image * g.h.in * g.w.in * s.pixel, weight, bias,
                     args.output<T>(0) + image * g.h.out * row)
          .run(first, past);
      args.finished((image * g.h.out + first) * row, (image * g.h.out + past) * row);
    }
  });
}

template <typename T>
Status prepare_phases(const KernelContext& c, PreparedKernel* prepared) {
  Phases<T> s{};
  const TransposedGeometry& g = s.g = read_transposed(c);
  s.table = &tap_table(T());
  s.limits = limits_of<T>(c);
  s.biased = c.has_input(2);
  s.panels = divide_up(g.out_of_group(), s.table->panel);
  s.rows = tile_rows<T>(g);
  const bool share_a_set = g.in_c * static_cast<int64_t>(sizeof(T)) % kPage == 0 && s.rows > kWays;
  s.pixel = g.in_c + (share_a_set ? kApart : 0);
  for (int64_t phase = 0; phase < g.phases(); ++phase) {
    const int64_t taps = g.h.places_of(phase / g.w.stride) * g.w.places_of(phase % g.w.stride);
    s.first[static_cast<size_t>(phase + 1)] = s.first[static_cast<size_t>(phase)] + taps;
  }
  const int64_t tiles_of_row = divide_up(divide_up(g.w.out, g.w.stride), s.rows);
  const int64_t lines = g.h.stride * divide_up(kTilesOfBlock, tiles_of_row);
  s.blocks = divide_up(g.h.out, lines);
  // Two threads find equal shares.
  if (s.blocks < g.h.out) s.blocks += s.blocks % 2;
  WEFT_TRY(s.zero, zeros<T>(g.in_of_group()));
  if (const Tensor* w = c.constant(1); w != nullptr) {
    const std::string form =
        cat("phases of a transposed window in panels of ", s.table->panel, ", strides ", g.h.stride, " and ",
            g.w.stride, ", dilations ", g.h.dilation, " and ", g.w.dilation, ", groups ", g.group);
    WEFT_TRY(s.weight, packed_constant<T>(*w, form, s.weight_size(), c.form_cache(),
                                          [&](const T* elements, T* to) { pack_phases(s, elements, to, Parallel{}); }));
    prepared->unused_inputs.push_back(1);
  }
  if (const Tensor* bias = c.constant(2); bias != nullptr) {
    WEFT_TRY(auto packed, Buffer::allocate(s.bias_size() * static_cast<int64_t>(sizeof(T))));
    pack_bias(s, bias->as<T>(), static_cast<T*>(packed->data()));
    s.bias = std::move(packed);
    prepared->unused_inputs.push_back(2);
  }
  const int64_t packing = (s.weight == nullptr ? s.weight_size() : 0) + (s.bias == nullptr ? s.bias_size() : 0);
  prepared->scratch_bytes = (packing + s.copies_size()) * static_cast<int64_t>(sizeof(T));
  const double sums = static_cast<double>(g.taps() * g.in_of_group()) / static_cast<double>(g.phases());
  prepared->cost_ns =
      1e-2 * sizeof(T) * static_cast<double>(c.output_count_of(0)) * sums + static_cast<double>(packing);
  prepared->finishes = s.blocks == 1 || g.h.out / s.blocks * g.w.out * g.out_c >= kLeastStretch;
  prepared->use<&run_phases<T>>(std::move(s));
  return {};
}

bool accepts(const KernelContext& c) {
  const DType dtype = c.dtype(0);
  if ((dtype != DType::kF32 && dtype != DType::kF64) || (c.rank(0) != 3 && c.rank(0) != 4)) return false;
  const TransposedGeometry g = read_transposed(c);
  if (c.count(0) == 0 || c.output_count_of(0) == 0 || c.count(1) == 0) return false;
  if (g.h.stride > kMostPhases || g.w.stride > kMostPhases || g.phases() > kMostPhases) return false;
  const int64_t rows = dtype == DType::kF32 ? tile_rows<float>(g) : tile_rows<double>(g);
  const int64_t most = kMostPointers / rows;
  return g.h.kernel <= most && g.w.kernel <= most && g.h.most_places() * g.w.most_places() <= most;
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_phases<float>(c, prepared) : prepare_phases<double>(c, prepared);
}

}  // namespace

void add_cpu_channels_last_conv_transpose(KernelRegistry& kernels) {
  kernels.add("weft.ChannelsLastConvTranspose", {"phases", accepts, prepare});
}

}  // namespace weft
