// The gradient of a convolution by its weight, over images whose channels lie side by side: for each place of the window
// the sum, over all output pixels, of the products of the input pixel there with the output's gradient.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/channels_last_common.h"
#include "core/simd/outer.h"

namespace weft {
namespace {

const OuterTable<float>& table_of(float) { return outer_table_f32(current_isa()); }
const OuterTable<double>& table_of(double) { return outer_table_f64(current_isa()); }

// With fewer channels, a row of the window is worked on as one, over copies of the images with their padding. Else each
// place of the window leaves out the pixels that see the padding there.
constexpr int64_t kFewChannels = 12;
// So many pixels at a time, whose parts of the gradient stay in the first-level cache.
constexpr int64_t kPlaces = 128;
// Tasks are parts of the images, each with sums of its own that take no more than so much together, times groups of
// panels of output channels. How many there are depends on shapes alone, and so do the bits.
constexpr int64_t kTasks = 16, kSums = int64_t{1} << 20;

template <typename T>
struct State {
  ConvGeometry g;
  const OuterTable<T>* table;
  bool joined, copied;    // rows of the window; images
  int64_t in_h, in_w;     // of the images, or their copies
  int64_t width, panels;  // columns that stand side by side in sums
  int64_t run, runs;      // so many neighbours in the image are one row of the window, or one place
  int64_t parts, groups;
  int64_t images, lines, places;  // of a block of output pixels

  int64_t image_size() const { return in_h * in_w * g.in_c; }
  int64_t copies_size() const { return copied ? g.images * image_size() : 0; }
  int64_t panel_size() const { return g.taps() * g.in_c * width; }
  int64_t part_size() const { return panels * panel_size(); }  // [panel][tap][input channel][width]
  int64_t block_size() const { return images * lines * places * width; }
};

// Output pixels of some images.
struct Block {
  int64_t image, images;
  Range rows, columns;

  int64_t lines() const { return rows.past - rows.first; }
  int64_t places() const { return columns.past - columns.first; }
};

// The gradient at the pixels of a block, [image][line][place][row], with zeros behind `columns` of its channels.
template <typename T>
void copy_block(const ConvGeometry& g, const Block& at, const T* dy, int64_t columns, int64_t row, T* to) {
  for (int64_t image = at.image; image < at.image + at.images; ++image) {
    for (int64_t oy = at.rows.first; oy < at.rows.past; ++oy) {
      const T* from = dy + ((image * g.out_h + oy) * g.out_w + at.columns.first) * g.out_c;
      for (int64_t place = 0; place < at.places(); ++place, from += g.out_c, to += row) {
        std::copy_n(from, columns, to);
        std::fill(to + columns, to + row, T(0));
      }
    }
  }
}

Range common(Range a, Range b) { return {std::max(a.first, b.first), std::min(a.past, b.past)}; }

// Adds what a block of pixels, of which `block` has a panel of the gradient, gives to that panel.
template <typename T>
void add_block(const State<T>& s, const Block& at, const T* x, const T* block, int64_t columns, T* sums) {
  const ConvGeometry& g = s.g;
  const int64_t row = s.table->width(columns), tiles = divide_up(s.run, s.table->rows);
  OuterTile<T> tile{};
  tile.columns = columns;
  tile.images = at.images;
  tile.a_image = s.image_size();
  tile.a_line = g.stride_h * s.in_w * g.in_c;
  tile.a_step = g.stride_w * g.in_c;
  tile.b_line = at.places() * row;
  tile.b_image = at.lines() * tile.b_line;
  for (int64_t i = 0; i < s.runs; ++i) {
    int64_t y = (s.joined ? i : i / g.kernel_w) * g.dilation_h, x0 = (s.joined ? 0 : i % g.kernel_w) * g.dilation_w;
    Block part = at;
    if (!s.joined) {
      part.rows = common(at.rows, seeing(y, g.pad_h, g.stride_h, g.in_h, g.out_h));
      part.columns = common(at.columns, seeing(x0, g.pad_w, g.stride_w, g.in_w, g.out_w));
      if (part.lines() <= 0 || part.places() <= 0) continue;
      y -= g.pad_h;
      x0 -= g.pad_w;
    }
    tile.lines = part.lines();
    tile.places = part.places();
    tile.b = block + (part.rows.first - at.rows.first) * tile.b_line + (part.columns.first - at.columns.first) * row;
    const T* a = x + at.image * tile.a_image + part.rows.first * tile.a_line + part.columns.first * tile.a_step +
                 (y * s.in_w + x0) * g.in_c;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t first = t * s.run / tiles;
      tile.rows = (t + 1) * s.run / tiles - first;
      tile.a = a + first;
      tile.c = sums + (i * s.run + first) * row;
      s.table->run(tile);
    }
  }
}

template <typename T>
void run_task(const State<T>& s, const RunArgs& args, const T* images, int64_t task, T* sums, T* block) {
  const ConvGeometry& g = s.g;
  const int64_t part = task / s.groups, group = task % s.groups;
  const int64_t first = part * g.images / s.parts, past = (part + 1) * g.images / s.parts;
  const int64_t panel = group * s.panels / s.groups, panel_past = (group + 1) * s.panels / s.groups;
  sums += part * s.part_size();
  std::fill(sums + panel * s.panel_size(), sums + panel_past * s.panel_size(), T(0));
  for (int64_t image = first; image < past; image += s.images) {
    if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
    for (int64_t oy = 0; oy < g.out_h; oy += s.lines) {
      for (int64_t ox = 0; ox < g.out_w; ox += s.places) {
        const Block at{image,
                       std::min(s.images, past - image),
                       {oy, std::min(g.out_h, oy + s.lines)},
                       {ox, std::min(g.out_w, ox + s.places)}};
        for (int64_t p = panel; p < panel_past; ++p) {
          const int64_t columns = std::min(s.width, g.out_c - p * s.width);
          copy_block(g, at, args.input<T>(0) + p * s.width, columns, s.table->width(columns), block);
          add_block(s, at, images, static_cast<const T*>(block), columns, sums + p * s.panel_size());
        }
      }
    }
  }
}

// The parts in their order, as [output channel][input channel][tap].
template <typename T>
void add_parts(const State<T>& s, const T* sums, T* dw, const Parallel& parallel) {
  const ConvGeometry& g = s.g;
  const int64_t taps = g.taps();
  const double cost = static_cast<double>(taps * s.width * s.parts);
  parallel_for(parallel, s.panels * g.in_c, 16, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / g.in_c, channel = i % g.in_c;
      const int64_t columns = std::min(s.width, g.out_c - panel * s.width), row = s.table->width(columns);
      const T* from = sums + panel * s.panel_size() + channel * row;
      for (int64_t j = 0; j < columns; ++j) {
        T* to = dw + ((panel * s.width + j) * g.in_c + channel) * taps;
        for (int64_t tap = 0; tap < taps; ++tap) {
          const T* at = from + tap * g.in_c * row + j;
          T sum = at[0];
          for (int64_t part = 1; part < s.parts; ++part) sum += at[part * s.part_size()];
          to[tap] = sum;
        }
      }
    }
  });
}

template <typename T>
void run(const State<T>& s, const RunArgs& args) {
  const ConvGeometry& g = s.g;
  T *sums = static_cast<T*>(args.scratch), *blocks = sums + s.parts * s.part_size();
  const int64_t tasks = s.parts * s.groups;
  const T* images = args.input<T>(1);
  if (s.copied) {
    T* copies = blocks + tasks * s.block_size();
    pad_images(g, s.in_h, s.in_w, images, copies, *args.parallel);
    images = copies;
  }
  const double products = static_cast<double>(g.images * g.pixels()) * static_cast<double>(s.part_size());
  parallel_for(*args.parallel, tasks, 1, 1e-2 * sizeof(T) * products / static_cast<double>(tasks),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task)
                   run_task(s, args, images, task, sums, blocks + task * s.block_size());
               });
  if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
  add_parts(s, static_cast<const T*>(sums), args.output<T>(0), *args.parallel);
}

template <typename T>
Status prepare_of(const KernelContext& c, PreparedKernel* prepared) {
  State<T> s{};
  const ConvGeometry& g = s.g = read_geometry(c, c.shape(1), c.shape(2), c.shape(0));
  s.table = &table_of(T());
  s.joined = g.in_c < kFewChannels && g.dilation_w == 1 && pads_little(g, g.reach_h(), g.reach_w());
  s.in_h = s.joined ? g.reach_h() : g.in_h;
  s.in_w = s.joined ? g.reach_w() : g.in_w;
  s.copied = s.in_h != g.in_h || s.in_w != g.in_w;
  s.width = s.table->width(g.out_c);
  s.panels = divide_up(g.out_c, s.width);
  s.run = (s.joined ? g.kernel_w : 1) * g.in_c;
  s.runs = g.taps() * g.in_c / s.run;
  s.parts = std::clamp<int64_t>(kSums / s.part_size(), 1, std::min(g.images, kTasks));
  s.groups = std::min(s.panels, divide_up(kTasks, s.parts));
  s.places = divide_up(g.out_w, divide_up(g.out_w, kPlaces));
  s.lines = divide_up(g.out_h, divide_up(g.out_h, std::max<int64_t>(kPlaces / s.places, 1)));
  s.images = s.lines < g.out_h ? 1 : std::clamp<int64_t>(kPlaces / g.pixels(), 1, divide_up(g.images, s.parts));
  const int64_t scratch = s.parts * s.part_size() + s.parts * s.groups * s.block_size() + s.copies_size();
  prepared->scratch_bytes = scratch * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns =
      1e-2 * sizeof(T) * static_cast<double>(g.images * g.pixels()) * static_cast<double>(s.part_size());
  prepared->use<&run<T>>(std::move(s));
  return {};
}

bool accepts(const KernelContext& c) {
  if (c.dtype(0) != DType::kF32 && c.dtype(0) != DType::kF64) return false;
  if (c.rank(0) != 3 && c.rank(0) != 4) return false;
  const ConvGeometry g = read_geometry(c, c.shape(1), c.shape(2), c.shape(0));
  return g.group == 1 && g.images * g.pixels() > 0 && g.in_c > 0 && g.out_c > 0;
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_of<float>(c, prepared) : prepare_of<double>(c, prepared);
}

}  // namespace

void add_cpu_channels_last_grad_weight(KernelRegistry& kernels) {
  kernels.add("weft.ChannelsLastConvGradWeight", {"outer", accepts, prepare});
}

}  // namespace weft
