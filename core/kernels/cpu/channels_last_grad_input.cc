// The gradient of a convolution by its input, over images whose channels lie side by side: products of the output's
// gradient with the weight are added to the pixels that each window sees.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/vectors_common.h"
#include "core/simd/gemm.h"

namespace weft {
namespace {

// -- Place by place of the window, straight to where it belongs.
constexpr int64_t kLeastChannels = 12;
// What images of a task have as gradients stays in the second-level cache.
constexpr int64_t kTaskElements = 65536;

template <typename T>
struct Direct {
  ConvGeometry g;
  const GemmTiles<T>* tiles;
  int64_t panels;  // of input channels
  int64_t images;  // of a task

  int64_t panel_size() const { return g.taps() * g.out_c * tiles->panel; }
};

// [panel][tap][output channel][column]
template <typename T>
void pack_panels(const Direct<T>& s, const T* w, T* to, const Parallel& parallel) {
  const ConvGeometry& g = s.g;
  const int64_t taps = g.taps(), panel = s.tiles->panel, size = s.panel_size();
  parallel_for(parallel, s.panels, 1, static_cast<double>(size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t columns = std::min(panel, g.in_c - i * panel);
      T* out = to + i * size;
      if (columns < panel) std::fill_n(out, size, T(0));
      for (int64_t m = 0; m < g.out_c; ++m) {
        const T* from = w + (m * g.in_c + i * panel) * taps;
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t tap = 0; tap < taps; ++tap) out[(tap * g.out_c + m) * panel + j] = from[j * taps + tap];
        }
      }
    }
  });
}

// One panel of the channels of an image, of one place of the window.
template <typename T>
void add_place(const Direct<T>& s, GemmPanel<T> p, int64_t ky, int64_t kx, const T* dy, T* dx) {
  const ConvGeometry& g = s.g;
  const int64_t at_y = ky * g.dilation_h, at_x = kx * g.dilation_w;
  const Range rows = seeing(at_y, g.pad_h, g.stride_h, g.in_h, g.out_h);
  const Range columns = seeing(at_x, g.pad_w, g.stride_w, g.in_w, g.out_w);
  const int64_t places = columns.past - columns.first;
  if (places <= 0 || rows.past <= rows.first) return;
  // Where whole rows see whole rows, all of them are one.
  const bool together = g.stride_h == 1 && g.stride_w == 1 && places == g.out_w && places == g.in_w;
  const int64_t lines = together ? rows.past - rows.first : 1;
  p.rows = lines * places;
  for (int64_t oy = rows.first; oy < rows.past; oy += lines) {
    const int64_t y = oy * g.stride_h - g.pad_h + at_y, x = columns.first * g.stride_w - g.pad_w + at_x;
    p.a = dy + (oy * g.out_w + columns.first) * g.out_c;
    p.c = dx + (y * g.in_w + x) * g.in_c;
    p.init = p.c;
    s.tiles->run(p);
  }
}

template <typename T>
void run_direct(const Direct<T>& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  T* weight = static_cast<T*>(args.scratch);
  pack_panels(s, args.input<T>(1), weight, *args.parallel);
  const int64_t groups = divide_up(g.images, s.images), in_size = g.in_h * g.in_w * g.in_c;
  const double cost =
      1e-2 * sizeof(T) * static_cast<double>(s.images * g.pixels()) * static_cast<double>(s.panel_size());
  auto run_task = [&](int64_t first, int64_t panel) {
    const int64_t past = std::min(g.images, first + s.images), channel = panel * s.tiles->panel;
    GemmPanel<T> p{};
    p.columns = std::min(s.tiles->panel, g.in_c - channel);
    p.k = p.a_row = g.out_c;
    p.b_row = s.tiles->panel;
    p.c_row = p.init_row = g.stride_w * g.in_c;
    p.init_column = 1;
    T* dx = args.output<T>(0) + channel;
    for (int64_t at = first * in_size; at < past * in_size; at += g.in_c) std::fill_n(dx + at, p.columns, T(0));
    for (int64_t tap = 0; tap < g.taps(); ++tap) {
      if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
      p.b = weight + panel * s.panel_size() + tap * g.out_c * s.tiles->panel;
      for (int64_t image = first; image < past; ++image) {
        add_place(s, p, tap / g.kernel_w, tap % g.kernel_w, args.input<T>(0) + image * g.pixels() * g.out_c,
                  dx + image * in_size);
      }
    }
  };
  parallel_for(*args.parallel, groups * s.panels, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run_task(i / s.panels * s.images, i % s.panels);
  });
}

template <typename T>
Status prepare_direct_of(const KernelContext& c, PreparedKernel* prepared) {
  Direct<T> s{};
  const ConvGeometry& g = s.g = read_geometry(c, c.output_shape(0), c.shape(1), c.shape(0));
  s.tiles = &gemm_tiles(T());
  s.panels = divide_up(g.in_c, s.tiles->panel);
  s.images = std::clamp<int64_t>(kTaskElements / (g.pixels() * g.out_c), 1, g.images);
  prepared->scratch_bytes = s.panels * s.panel_size() * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns =
      1e-2 * sizeof(T) * static_cast<double>(g.images * g.pixels()) * static_cast<double>(s.panels * s.panel_size());
  prepared->use<&run_direct<T>>(std::move(s));
  return {};
}

// -- For few channels: a block of output pixels with all places of the window, then to where each belongs.
// What a block makes stays in the second-level cache.
constexpr int64_t kMostPlaces = 48, kBlockElements = 32768;
constexpr int64_t kLanes = 16;  // images with scratch of their own, worked on side by side

template <typename T>
struct Blocks {
  ConvGeometry g;
  Gemm<T> gemm;           // of a block of pixels
  int64_t lines, places;  // of a block of output pixels
  int64_t lanes, lane_size;

  int64_t row() const { return g.taps() * g.in_c; }
};

// As [output channel][tap][input channel].
template <typename T>
void turn_weight(const ConvGeometry& g, const T* w, T* to) {
  const int64_t taps = g.taps();
  for (int64_t m = 0; m < g.out_c; ++m, w += taps * g.in_c) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < g.in_c; ++c) *to++ = w[c * taps + tap];
    }
  }
}

template <typename T>
void add(const T* from, int64_t count, T* to) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// Adds what the windows of a line of output pixels see in one row of theirs, to a row of the image.
template <typename T>
void add_line(const ConvGeometry& g, const T* from, int64_t row, int64_t ox, int64_t places, T* to) {
  for (int64_t place = 0; place < places; ++place, from += row) {
    const int64_t x0 = (ox + place) * g.stride_w - g.pad_w;
    if (g.dilation_w == 1) {
      // Neighbouring places of the window are neighbours in the image too.
      const int64_t first = std::max<int64_t>(0, -x0), past = std::min(g.kernel_w, g.in_w - x0);
      if (first < past) add(from + first * g.in_c, (past - first) * g.in_c, to + (x0 + first) * g.in_c);
      continue;
    }
    for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
      const int64_t x = x0 + kx * g.dilation_w;
      if (x >= 0 && x < g.in_w) add(from + kx * g.in_c, g.in_c, to + x * g.in_c);
    }
  }
}

template <typename T>
void run_image(const Blocks<T>& s, const RunArgs& args, Gemm<T> gemm, int64_t image, T* scratch) {
  const ConvGeometry& g = s.g;
  const T* dy = args.input<T>(0) + image * g.pixels() * g.out_c;
  T* dx = args.output<T>(0) + image * g.in_h * g.in_w * g.in_c;
  std::fill_n(dx, g.in_h * g.in_w * g.in_c, T(0));
  gemm.c = scratch;
  for (int64_t oy = 0; oy < g.out_h; oy += s.lines) {
    const int64_t lines = std::min(s.lines, g.out_h - oy);
    for (int64_t ox = 0; ox < g.out_w; ox += s.places) {
      const int64_t places = std::min(s.places, g.out_w - ox);
      gemm.m = lines * places;
      gemm.a = dy + (oy * g.out_w + ox) * g.out_c;
      run_gemm(gemm, scratch + s.lines * s.places * s.row(), *args.parallel);
      for (int64_t line = 0; line < lines; ++line) {
        for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
          const int64_t y = (oy + line) * g.stride_h - g.pad_h + ky * g.dilation_h;
          if (y < 0 || y >= g.in_h) continue;
          add_line(g, scratch + line * places * s.row() + ky * g.kernel_w * g.in_c, s.row(), ox, places,
                   dx + y * g.in_w * g.in_c);
        }
      }
    }
  }
}

template <typename T>
void run_blocks(const Blocks<T>& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  T *turned = static_cast<T*>(args.scratch), *packed = turned + g.out_c * s.row();
  turn_weight(g, args.input<T>(1), turned);
  Gemm<T> gemm = s.gemm;
  gemm.b = turned;
  pack_b(gemm, packed, *args.parallel);
  gemm.packed_b = packed;
  T* scratch = packed + packed_b_size(gemm);
  const double pixels = static_cast<double>(g.images * g.pixels()) / static_cast<double>(s.gemm.m * s.lanes);
  parallel_for(*args.parallel, s.lanes, 1, 1.5 * gemm_cost_ns(gemm) * pixels, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      for (int64_t image = lane * g.images / s.lanes; image < (lane + 1) * g.images / s.lanes; ++image) {
        if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
        run_image(s, args, gemm, image, scratch + lane * s.lane_size);
      }
    }
  });
}

template <typename T>
Status prepare_blocks_of(const KernelContext& c, PreparedKernel* prepared) {
  Blocks<T> s{};
  const ConvGeometry& g = s.g = read_geometry(c, c.output_shape(0), c.shape(1), c.shape(0));
  const int64_t most = std::clamp<int64_t>(kBlockElements / s.row(), 1, kMostPlaces);
  s.places = divide_up(g.out_w, divide_up(g.out_w, most));
  s.lines = divide_up(g.out_h, divide_up(g.out_h, std::max<int64_t>(most / s.places, 1)));
  s.gemm.m = s.lines * s.places;
  s.gemm.n = s.gemm.b_row = s.gemm.c_row = s.row();
  s.gemm.k = s.gemm.a_row = g.out_c;
  s.lanes = std::min(g.images, kLanes);
  s.lane_size = divide_up(s.gemm.m * s.row() + gemm_scratch(s.gemm), 16) * 16;
  const int64_t scratch = g.out_c * s.row() + packed_b_size(s.gemm) + s.lanes * s.lane_size;
  prepared->scratch_bytes = scratch * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns =
      1.5e-2 * sizeof(T) * static_cast<double>(g.images * g.pixels() * g.out_c) * static_cast<double>(s.row());
  prepared->use<&run_blocks<T>>(std::move(s));
  return {};
}

// -- A window of one pixel: a product of all pixels with the weight.
template <typename T>
void run_pixels(const Gemm<T>& gemm, const RunArgs& args) {
  Gemm<T> g = gemm;
  g.a = args.input<T>(0);
  g.b = args.input<T>(1);
  g.c = args.output<T>(0);
  g.finish = args.finish;
  run_gemm(g, static_cast<T*>(args.scratch), *args.parallel);
}

template <typename T>
Status prepare_pixels_of(const KernelContext& c, PreparedKernel* prepared) {
  const ConvGeometry g = read_geometry(c, c.output_shape(0), c.shape(1), c.shape(0));
  Gemm<T> gemm;
  gemm.m = g.images * g.pixels();
  gemm.n = gemm.c_row = gemm.b_row = g.in_c;
  gemm.k = gemm.a_row = g.out_c;
  prepared->scratch_bytes = gemm_scratch(gemm) * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = gemm_cost_ns(gemm);
  prepared->finishes = finishes_well(gemm);
  prepared->use<&run_pixels<T>>(gemm);
  return {};
}

bool accepts(const KernelContext& c) {
  if (c.dtype(0) != DType::kF32 && c.dtype(0) != DType::kF64) return false;
  if (c.rank(0) != 3 && c.rank(0) != 4) return false;
  const ConvGeometry g = read_geometry(c, c.output_shape(0), c.shape(1), c.shape(0));
  return g.group == 1 && g.images * g.pixels() > 0 && g.in_c > 0 && g.out_c > 0;
}

bool accepts_pixels(const KernelContext& c) {
  return accepts(c) && read_geometry(c, c.output_shape(0), c.shape(1), c.shape(0)).sees_itself();
}

bool accepts_direct(const KernelContext& c) { return accepts(c) && c.output_shape(0).back() >= kLeastChannels; }

Status prepare_direct(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_direct_of<float>(c, prepared) : prepare_direct_of<double>(c, prepared);
}
Status prepare_blocks(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_blocks_of<float>(c, prepared) : prepare_blocks_of<double>(c, prepared);
}
Status prepare_pixels(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_pixels_of<float>(c, prepared) : prepare_pixels_of<double>(c, prepared);
}

}  // namespace

void add_cpu_channels_last_grad_input(KernelRegistry& kernels) {
  const char* op = "weft.ChannelsLastConvGradInput";
  kernels.add(op, {"pixels", accepts_pixels, prepare_pixels});
  kernels.add(op, {"direct", accepts_direct, prepare_direct});
  kernels.add(op, {"blocks", accepts, prepare_blocks});
}

}  // namespace weft
