// Convolution with 3 x 3 windows over images whose channels lie side by side, and its gradient by the input, which is one
// with turned filters, by Winograd's transforms: rows of tiles are transformed, multiplied part by part, and transformed
// back.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/simd/gemm.h"
#include "core/simd/gemm_tiles.h"
#include "core/simd/winograd.h"

namespace weft {
namespace {

constexpr int64_t kTilesOfBlock = 28;  // what they are transformed to stays in the second-level cache
constexpr int64_t kLanes = 16;         // blocks with scratch of their own, worked on side by side

struct State {
  ConvGeometry g;
  const WinogradTable* table;
  Gemm<float> gemm;  // of one part
  Limits<float> limits;
  bool biased;
  bool turned;                 // filters: those of the gradient
  int64_t tiles_w, tile_rows;  // of an image
  int64_t blocks;              // of whole rows of tiles of an image
  int64_t lanes, lane_floats;
  int64_t part_floats;                   // of the packed filters
  std::shared_ptr<const Buffer> packed;  // filters, where they are constants
  std::shared_ptr<const Buffer> zero;

  int64_t rows_of_block() const { return divide_up(tile_rows, blocks); }
  int64_t parts_in() const { return kWinogradParts * rows_of_block() * tiles_w * g.in_c; }
  int64_t products() const { return kWinogradParts * rows_of_block() * tiles_w * g.out_c; }
};

void transform_row(const State& s, const float* image, int64_t row, float* out, int64_t stride) {
  const ConvGeometry& g = s.g;
  const float* zero = static_cast<const float*>(s.zero->data());
  for (int64_t tile = 0; tile < s.tiles_w; ++tile) {
    const float* pixels[kWinogradParts];
    for (int64_t i = 0; i < kWinogradParts; ++i) {
      const int64_t y = row * kWinogradOut - g.pad_h + i / kWinogradIn;
      const int64_t x = tile * kWinogradOut - g.pad_w + i % kWinogradIn;
      const bool inside = y >= 0 && y < g.in_h && x >= 0 && x < g.in_w;
      pixels[i] = inside ? image + (y * g.in_w + x) * g.in_c : zero;
    }
    s.table->input(pixels, g.in_c, out + tile * g.in_c, stride);
  }
}

// `nowhere` takes the pixels of tiles that reach over the edge.
void transform_row_back(const State& s, const float* in, int64_t stride, int64_t row, const float* bias, float* image,
                        float* nowhere) {
  const ConvGeometry& g = s.g;
  for (int64_t tile = 0; tile < s.tiles_w; ++tile) {
    float* pixels[kWinogradOut * kWinogradOut];
    for (int64_t i = 0; i < kWinogradOut * kWinogradOut; ++i) {
      const int64_t y = row * kWinogradOut + i / kWinogradOut, x = tile * kWinogradOut + i % kWinogradOut;
      pixels[i] = y < g.out_h && x < g.out_w ? image + (y * g.out_w + x) * g.out_c : nowhere;
    }
    s.table->output(in + tile * g.out_c, stride, g.out_c, bias, s.limits, pixels);
  }
}

void run_block(const State& s, const RunArgs& args, const float* packed, int64_t item, float* scratch) {
  const ConvGeometry& g = s.g;
  const Parallel& parallel = *args.parallel;
  const int64_t image = item / s.blocks, block = item % s.blocks;
  const int64_t first = block * s.tile_rows / s.blocks, rows = (block + 1) * s.tile_rows / s.blocks - first;
  const int64_t tiles = rows * s.tiles_w;
  float *parts = scratch, *products = parts + s.parts_in();
  float *nowhere = products + s.products(), *packing = nowhere + s.rows_of_block() * g.out_c;
  const float* in = args.input<float>(0) + image * g.in_h * g.in_w * g.in_c;
  float* out = args.output<float>(0) + image * g.pixels() * g.out_c;
  const double row_cost = static_cast<double>(s.tiles_w * kWinogradParts) * 0.3;
  parallel_for(parallel, rows, 1, row_cost * static_cast<double>(g.in_c), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      transform_row(s, in, first + row, parts + row * s.tiles_w * g.in_c, tiles * g.in_c);
  });
  Gemm<float> gemm = s.gemm;
  gemm.m = tiles;
  parallel_for(parallel, kWinogradParts, 1, gemm_cost_ns(gemm), [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      Gemm<float> one = gemm;
      one.a = parts + part * tiles * g.in_c;
      one.packed_b = packed + part * s.part_floats;
      one.c = products + part * tiles * g.out_c;
      run_gemm(one, packing + part * packed_scratch(one), parallel);
    }
  });
  const float* bias = s.biased ? args.input<float>(2) : nullptr;
  const double back_cost =
      row_cost * static_cast<double>(g.out_c) + args.finish_cost_ns(kWinogradOut * g.out_w * g.out_c);
  parallel_for(parallel, rows, 1, back_cost, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      transform_row_back(s, products + row * s.tiles_w * g.out_c, tiles * g.out_c, first + row, bias, out,
                         nowhere + row * g.out_c);
      const int64_t from = (first + row) * kWinogradOut, to = std::min(g.out_h, from + kWinogradOut);
      args.finished((image * g.out_h + from) * g.out_w * g.out_c, (image * g.out_h + to) * g.out_w * g.out_c);
    }
  });
}

// [part][panel][input channel][column]
void pack_filters(const State& s, const float* weight, float* packed, const Parallel& parallel) {
  constexpr double kCost = 30;
  const ConvGeometry& g = s.g;
  const int64_t panel = gemm_tiles_f32(current_isa()).panel, panels = divide_up(g.out_c, panel);
  const int64_t of_output = s.turned ? 9 : g.in_c * 9, of_input = s.turned ? g.out_c * 9 : 9;
  parallel_for(parallel, panels * g.in_c, 8, kCost * static_cast<double>(panel), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / g.in_c * panel, c = i % g.in_c, filters = std::min(panel, g.out_c - first);
      float* to = packed + i * panel;
      s.table->filters(weight + c * of_input + first * of_output, of_output, s.turned, filters, to, s.part_floats);
      for (int64_t part = 0; part < kWinogradParts; ++part) {
        std::fill(to + part * s.part_floats + filters, to + part * s.part_floats + panel, 0.0f);
      }
    }
  });
}

void run(const State& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  float* scratch = static_cast<float*>(args.scratch);
  const float* packed = scratch;
  if (s.packed != nullptr) {
    packed = static_cast<const float*>(s.packed->data());
  } else {
    pack_filters(s, args.input<float>(1), scratch, *args.parallel);
    scratch += kWinogradParts * s.part_floats;
  }
  const int64_t items = g.images * s.blocks;
  const double cost =
      static_cast<double>(kWinogradParts) * gemm_cost_ns(s.gemm) + args.finish_cost_ns(g.pixels() / s.blocks * g.out_c);
  parallel_for(*args.parallel, s.lanes, 1, cost * static_cast<double>(items) / static_cast<double>(s.lanes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t lane = begin; lane < end; ++lane) {
                   float* own = scratch + lane * s.lane_floats;
                   for (int64_t item = lane * items / s.lanes; item < (lane + 1) * items / s.lanes; ++item) {
                     if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
                     run_block(s, args, packed, item, own);
                   }
                 }
               });
}

constexpr int64_t kLeastSide = 12, kLeastChannels = 32, kMultiple = 16;
// Filters that are no constants are transformed in each run, which so many output pixels pay for.
constexpr int64_t kLeastPixels = 2048;

// Enough tiles that the transforms pay, and channels that fill vectors.
bool pays(const ConvGeometry& g, const Tensor* weight) {
  if (weight == nullptr && g.images * g.pixels() < kLeastPixels) return false;
  return g.images > 0 && g.group == 1 && g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 && g.stride_w == 1 &&
         g.dilation_h == 1 && g.dilation_w == 1 && g.out_h >= kLeastSide && g.out_w >= kLeastSide &&
         g.in_c >= kLeastChannels && g.out_c >= kLeastChannels && g.in_c % kMultiple == 0 && g.out_c % kMultiple == 0;
}

bool takes(const KernelContext& c) { return c.dtype(0) == DType::kF32 && c.rank(0) == 4; }
bool accepts(const KernelContext& c) { return takes(c) && pays(read_geometry(c), c.constant(1)); }

// What is convolved with turned filters: the gradient of the output, with what is left of the windows around it.
ConvGeometry turned_geometry(const KernelContext& c) {
  const ConvGeometry g = read_geometry(c, c.output_shape(0), c.shape(1), c.shape(0));
  ConvGeometry t = g;
  t.in_h = g.out_h;
  t.in_w = g.out_w;
  t.in_c = g.out_c;
  t.out_h = g.in_h;
  t.out_w = g.in_w;
  t.out_c = g.in_c;
  t.pad_h = g.kernel_h - 1 - g.pad_h;
  t.pad_w = g.kernel_w - 1 - g.pad_w;
  return t;
}
bool accepts_grad(const KernelContext& c) { return takes(c) && pays(turned_geometry(c), c.constant(1)); }

Status prepare_of(const ConvGeometry& geometry, State s, const KernelContext& c, PreparedKernel* prepared) {
  const ConvGeometry& g = s.g = geometry;
  s.table = &winograd_table(current_isa());
  s.tiles_w = divide_up(g.out_w, kWinogradOut);
  s.tile_rows = divide_up(g.out_h, kWinogradOut);
  s.blocks = divide_up(s.tile_rows, std::max<int64_t>(1, kTilesOfBlock / s.tiles_w));
  if (s.blocks > 1 && s.blocks < s.tile_rows) s.blocks += s.blocks % 2;
  s.gemm.m = s.rows_of_block() * s.tiles_w;
  s.gemm.n = s.gemm.c_row = g.out_c;
  s.gemm.k = s.gemm.a_row = s.gemm.b_column = g.in_c;
  s.gemm.b_row = 1;
  s.part_floats = packed_b_size(s.gemm);
  const int64_t filters = kWinogradParts * s.part_floats;
  const Tensor* weight = c.constant(1);
  if (weight != nullptr) {
    const std::string form = cat("Winograd's, ", s.turned ? "turned, " : "", "for ", isa_name(current_isa()));
    WEFT_TRY(s.packed,
             packed_constant<float>(*weight, form, filters, c.form_cache(), [&](const float* elements, float* to) {
               pack_filters(s, elements, to, Parallel{});
             }));
    prepared->unused_inputs = {1};
  }
  WEFT_TRY(s.zero, zeros<float>(g.in_c));
  s.lanes = std::min(g.images * s.blocks, kLanes);
  s.lane_floats =
      divide_up(s.parts_in() + s.products() + s.rows_of_block() * g.out_c + kWinogradParts * packed_scratch(s.gemm),
                16) *
      16;
  prepared->scratch_bytes =
      (s.lanes * s.lane_floats + (weight == nullptr ? filters : 0)) * static_cast<int64_t>(sizeof(float));
  prepared->cost_ns = static_cast<double>(g.images * s.blocks * kWinogradParts) * gemm_cost_ns(s.gemm);
  prepared->most_threads = s.lanes > 1 ? s.lanes : 0;  // alone it divides its products
  static_assert(kLeastSide * kLeastChannels >= kLeastStretch);
  prepared->finishes = true;
  prepared->use<&run>(std::move(s));
  return {};
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  State s{};
  s.limits = limits_of<float>(c);
  s.biased = c.has_input(2);
  return prepare_of(read_geometry(c), std::move(s), c, prepared);
}
Status prepare_grad(const KernelContext& c, PreparedKernel* prepared) {
  State s{};
  s.turned = true;
  return prepare_of(turned_geometry(c), std::move(s), c, prepared);
}

}  // namespace

void add_cpu_channels_last_winograd(KernelRegistry& kernels) {
  kernels.add("weft.WinogradConv", {"winograd", accepts, prepare});
  kernels.add("weft.WinogradConvGradInput", {"winograd", accepts_grad, prepare_grad});
}

}  // namespace weft
