// A filter for each channel between products of pixels: some rows of an image at a time go through all of it while they are
// in the cache, so that the wide tensors in between are never written to memory.
#include <algorithm>

#include "core/base/loop_threads.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/stop_common.h"
#include "core/simd/gemm.h"

namespace weft {
namespace {

constexpr int64_t kPixelsOfStrip = 56;  // some tiles of rows of the product behind
constexpr int64_t kLanes = 16;          // parts with scratch of their own, worked on side by side
constexpr int64_t kLeastRows = 4;       // of what a thread makes: rows at its edges are expanded twice

enum Input { kX, kExpand, kExpandBias, kFilters, kBias, kProject, kProjectBias };

template <typename T>
struct Product {
  bool given = false, biased = false;
  Gemm<T> gemm{};  // of the most pixels that are multiplied at once
  std::shared_ptr<const Buffer> weight{};

  // Of `pixels` that lie side by side.
  void run(const RunArgs& args, int bias, const T* from, int64_t pixels, T* to, T* scratch) const {
    Gemm<T> g = gemm;
    g.m = pixels;
    g.a = from;
    g.c = to;
    if (biased) g.init = args.input<T>(bias);
    Parallel alone = *args.parallel;
    alone.max_threads = 1;
    run_gemm(g, scratch, alone);
  }
};

template <typename T>
struct Block {
  ConvGeometry g;  // of the filters
  const TapTable<T>* table;
  Limits<T> limits;
  bool biased;
  Product<T> expand, project;
  int64_t in_c;      // of X
  int64_t padded_w;  // of rows that the filters see
  int64_t strip;     // output rows that are made together
  int64_t window;    // rows that they see
  std::shared_ptr<const Buffer> weight{}, zero{};

  int64_t ring_row() const { return padded_w * g.in_c; }
  int64_t ring_size() const { return window * ring_row(); }
  int64_t middle_size() const { return project.given ? strip * g.out_w * g.out_c : 0; }
  int64_t packing_size() const {
    return std::max(expand.given ? packed_scratch(expand.gemm) : 0, project.given ? packed_scratch(project.gemm) : 0);
  }
  // Of a lane, in whole lines of the cache.
  int64_t scratch_size() const { return divide_up(ring_size() + middle_size() + packing_size(), 16) * 16; }
  int64_t lanes() const { return std::min(g.images * std::max<int64_t>(g.out_h / kLeastRows, 1), kLanes); }
  int64_t out_c() const { return project.given ? project.gemm.n : g.out_c; }
  // Of an output row, at one thread.
  double row_cost_ns() const {
    const double pixels = static_cast<double>(g.out_w), channels = static_cast<double>(g.out_c);
    double cost = 0.05 * static_cast<double>(g.taps() + 4) * pixels * channels;
    if (expand.given) cost += gemm_cost_ns(expand.gemm) * static_cast<double>(g.in_h) / static_cast<double>(g.out_h);
    if (project.given) cost += gemm_cost_ns(project.gemm) / static_cast<double>(strip);
    return cost;
  }
};

// What one thread makes: rows of an output image, from above to below. Of the rows that the filters see, with their padding
// beside them, the last `window` are kept.
template <typename T>
class Rows {
 public:
  Rows(const Block<T>& s, const RunArgs& args, int64_t image, T* scratch)
      : s_(s),
        g_(s.g),
        args_(args),
        in_(args.input<T>(kX) + image * g_.in_h * g_.in_w * s.in_c),
        first_(image * g_.pixels() * s.out_c()),
        ring_(scratch),
        middle_(ring_ + s.ring_size()),
        packing_(middle_ + s.middle_size()) {}

  void run(Range rows) {
    const int64_t row = g_.out_w * s_.out_c();
    T* const out = args_.output<T>(0) + first_;
    for (int64_t slot = 0; slot < s_.window; ++slot) {
      T* const at = ring_ + slot * s_.ring_row();
      std::fill_n(at, g_.pad_w * g_.in_c, T(0));
      std::fill(at + (g_.pad_w + g_.in_w) * g_.in_c, at + s_.ring_row(), T(0));
    }
    StopCheck stop(*args_.parallel);
    int64_t made = 0;
    for (int64_t oy = rows.first; oy < rows.past; oy += s_.strip) {
      const int64_t count = std::min(s_.strip, rows.past - oy);
      if (stop.after(count * g_.out_w * g_.out_c * (g_.taps() + s_.expand.gemm.k + s_.project.gemm.n))) return;
      const int64_t top = oy * g_.stride_h - g_.pad_h;
      const int64_t past = top + (count - 1) * g_.stride_h + (g_.kernel_h - 1) * g_.dilation_h + 1;
      for (made = std::max(made, top); made < std::min(past, g_.in_h); ++made) make_row(made);
      T* const to = out + oy * row;
      filter(oy, count, s_.project.given ? middle_ : to);
      if (s_.project.given) s_.project.run(args_, kProjectBias, middle_, count * g_.out_w, to, packing_);
      args_.finished(first_ + oy * row, first_ + (oy + count) * row);
    }
  }

 private:
  T* ring_at(int64_t y) const { return ring_ + y % s_.window * s_.ring_row(); }

  void make_row(int64_t y) const {
    const T* from = in_ + y * g_.in_w * s_.in_c;
    T* to = ring_at(y) + g_.pad_w * g_.in_c;
    if (s_.expand.given)
      s_.expand.run(args_, kExpandBias, from, g_.in_w, to, packing_);
    else
      std::copy_n(from, g_.in_w * g_.in_c, to);
  }

  // Some channels of all rows at a time, so that what several rows see stays in the first-level cache.
  void filter(int64_t oy, int64_t count, T* to) const {
    const int64_t columns = s_.table->lane_columns, wide = std::max<int64_t>(g_.in_c / columns, 1);
    const int64_t tiles = divide_up(g_.out_w, s_.table->lane_rows);
    for (int64_t across = 0; across < wide; ++across) {
      const Range channels{across * columns, across + 1 < wide ? (across + 1) * columns : g_.in_c};
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t ox = tile * g_.out_w / tiles, past = (tile + 1) * g_.out_w / tiles;
          filter_tile(oy + i, ox, past - ox, channels, to + (i * g_.out_w + ox) * g_.out_c + channels.first);
        }
      }
    }
  }

  void filter_tile(int64_t oy, int64_t ox, int64_t pixels, Range channels, T* to) const {
    LaneTap<T> taps[kMostLaneTaps], *tap = taps;
    for (int64_t ky = 0; ky < g_.kernel_h; ++ky) {
      const int64_t y = oy * g_.stride_h - g_.pad_h + ky * g_.dilation_h;
      const bool inside = y >= 0 && y < g_.in_h;
      for (int64_t kx = 0; kx < g_.kernel_w; ++kx) {
        const int64_t x = ox * g_.stride_w + kx * g_.dilation_w;
        if (inside)
          *tap++ = {ring_at(y) + x * g_.in_c + channels.first, g_.stride_w * g_.in_c};
        else
          *tap++ = {static_cast<const T*>(s_.zero->data()), 0};
      }
    }
    const T *weight = static_cast<const T*>(s_.weight->data()), *bias = s_.biased ? args_.input<T>(kBias) : nullptr;
    LaneTile<T> t = lane_tile(g_, channels, taps, weight, bias, s_.limits);
    t.rows = pixels;
    t.c = to;
    t.c_row = g_.out_c;
    s_.table->run_lanes(t);
  }

  const Block<T>& s_;
  const ConvGeometry& g_;
  const RunArgs& args_;
  const T* in_;    // the image
  int64_t first_;  // its first element in the output
  T *ring_, *middle_, *packing_;
};

template <typename T>
void run_block(const Block<T>& s, const RunArgs& args) {
  // Of an image, where there are too few of them.
  const int64_t high = s.g.out_h, threads = loop_threads(*args.parallel);
  const int64_t parts = s.g.images % threads == 0 ? 1 : std::clamp<int64_t>(high / kLeastRows, 1, threads);
  const int64_t items = s.g.images * parts, lanes = std::min({items, s.lanes(), threads});
  const double cost = (s.row_cost_ns() + args.finish_cost_ns(s.g.out_w * s.out_c())) *
                      static_cast<double>(s.g.images * high) / static_cast<double>(lanes);
  parallel_for(*args.parallel, lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      T* scratch = static_cast<T*>(args.scratch) + lane * s.scratch_size();
      for (int64_t item = lane * items / lanes; item < (lane + 1) * items / lanes; ++item) {
        if (should_stop(*args.parallel)) return;
        const int64_t part = item % parts;
        Rows<T>(s, args, item / parts, scratch).run({part * high / parts, (part + 1) * high / parts});
      }
    }
  });
}

// A product with the constant matrix of an input, [n, k, 1, ...], of `pixels` at most.
template <typename T>
Status prepare_product(const KernelContext& c, int input, int64_t pixels, Limits<T> limits, Product<T>* product) {
  if (!c.has_input(input)) return {};
  product->given = true;
  product->biased = c.has_input(input + 1);
  product->gemm = product_of_pixels(pixels, c.shape(input)[1], c.shape(input)[0], limits);
  WEFT_TRY(product->weight, use_packed_b(*c.constant(input), &product->gemm, c.form_cache()));
  return {};
}

ConvGeometry filters_of(const KernelContext& c) {
  Shape x = c.shape(kX), y = c.output_shape(0);
  x.back() = y.back() = c.shape(kFilters)[0];
  return read_geometry(c, x, c.shape(kFilters), y);
}

template <typename T>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  Block<T> s{};
  const ConvGeometry& g = s.g = filters_of(c);
  s.table = &tap_table(T());
  s.limits = limits_of<T>(c);
  s.biased = c.has_input(kBias);
  s.in_c = c.shape(kX).back();
  s.padded_w = g.reach_w();
  s.strip = std::clamp<int64_t>(kPixelsOfStrip / g.out_w, 1, g.out_h);
  s.window = std::min((s.strip - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1, g.in_h);
  WEFT_CHECK(prepare_product<T>(c, kExpand, g.in_w, limits_of<T>(c, "expand_"), &s.expand));
  WEFT_CHECK(prepare_product<T>(c, kProject, s.strip * g.out_w, limits_of<T>(c, "project_"), &s.project));
  WEFT_TRY(s.zero, zeros<T>(g.in_c));
  WEFT_TRY(s.weight, packed_lane_filters<T>(g, *c.constant(kFilters), c.form_cache()));
  for (int input : {kExpand, kFilters, kProject}) {
    if (c.has_input(input)) prepared->unused_inputs.push_back(input);
  }
  prepared->scratch_bytes = s.lanes() * s.scratch_size() * static_cast<int64_t>(sizeof(T));
  prepared->most_threads = s.lanes();
  prepared->cost_ns = s.row_cost_ns() * static_cast<double>(g.out_h * g.images);
  prepared->finishes = s.strip * g.out_w * s.out_c() >= kLeastStretch;
  prepared->use<&run_block<T>>(std::move(s));
  return {};
}

template <typename T>
bool accepts_filters(const ConvGeometry& g) {
  return g.one_filter_each() && g.in_c >= tap_table(T()).least_columns && g.taps() <= kMostLaneTaps &&
         g.images * g.pixels() > 0 && pads_little(g, g.in_h, g.reach_w());
}

// Nobody but a rule makes the operator; what it says is asked for again here.
bool accepts(const KernelContext& c) {
  const DType dtype = c.dtype(kX);
  if ((dtype != DType::kF32 && dtype != DType::kF64) || (c.rank(kX) != 3 && c.rank(kX) != 4)) return false;
  int64_t channels = c.shape(kX).back();
  for (int input : {kExpand, kFilters, kProject}) {
    if (!c.has_input(input)) continue;
    const Shape& w = c.shape(input);
    const bool filters = input == kFilters;
    if (c.constant(input) == nullptr || w.size() != c.shape(kX).size()) return false;
    if (channels == 0 || w[1] != (filters ? 1 : channels) || (filters && w[0] != channels)) return false;
    if (!filters && c.count(input) != w[0] * w[1]) return false;
    if (c.has_input(input + 1) && c.count(input + 1) != w[0]) return false;
    channels = w[0];
  }
  const ConvGeometry g = filters_of(c);
  return dtype == DType::kF32 ? accepts_filters<float>(g) : accepts_filters<double>(g);
}

Status prepare_either(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(kX) == DType::kF32 ? prepare<float>(c, prepared) : prepare<double>(c, prepared);
}

}  // namespace

void add_cpu_depthwise_block(KernelRegistry& kernels) {
  kernels.add("weft.DepthwiseBlock", {"strips", accepts, prepare_either});
}

}  // namespace weft
