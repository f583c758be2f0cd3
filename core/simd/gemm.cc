// Matrix products: packing, blocks for the caches, and the division among threads.
#include "core/simd/gemm.h"

#include <algorithm>

#include "core/base/divide_up.h"
#include "core/base/loop_threads.h"
#include "core/simd/gemm_blocks.h"
#include "core/simd/gemm_tiles.h"
#include "core/simd/turn.h"

namespace weft {

namespace {

constexpr int64_t kDepth = 1024;      // k of one block: a panel of b then stays in the second-level cache
constexpr int64_t kLeastPacked = 64;  // b is read in place for so few rows
constexpr int64_t kRounded = 4096;    // elements of b that become bf16 at once
constexpr int64_t kPage = 4096;       // rows so many bytes apart share one set of the first-level cache
constexpr int64_t kFar = 2 << 20;     // bytes of a matrix that no longer stays in the second-level cache
constexpr int64_t kStep = 128;        // bytes of b at a time with which the sums of a row keep up with what is far

const GemmTiles<float>& tiles_of(const Gemm<float>& g) { return gemm_tiles_f32(g.isa); }
const GemmTiles<double>& tiles_of(const Gemm<double>& g) { return gemm_tiles_f64(g.isa); }

template <typename T>
bool packs_a(const Gemm<T>& g) {
  return g.a_column != 1 || g.alpha != 1 || g.a_row * static_cast<int64_t>(sizeof(T)) % kPage == 0;
}

// The first panel that is packed.
template <typename T>
int64_t first_packed(const Gemm<T>& g) {
  return packs_whole_b(g) ? 0 : g.n / tiles_of(g).panel;
}

// Not a multiple of a page.
template <typename T>
int64_t packed_a_row(const Gemm<T>& g) {
  return g.k * static_cast<int64_t>(sizeof(T)) % kPage == 0 ? g.k + 16 : g.k;
}

template <typename T>
void pack_a(const Gemm<T>& g, T* packed, const Parallel& parallel) {
  constexpr int64_t kBlock = 32;
  int64_t row = packed_a_row(g);
  parallel_for(parallel, g.m, kBlock, 0.3 * static_cast<double>(g.k), [&](int64_t begin, int64_t end) {
    if (g.a_row == 1 && g.a_column != 1) {
      for (int64_t i = begin; i < end; i += kBlock) {
        turn(g.isa, g.a + i, g.a_column, g.k, std::min(kBlock, end - i), packed + i * row, row);
      }
    } else {
      for (int64_t i = begin; i < end; ++i) {
        const T* from = g.a + i * g.a_row;
        if (g.a_column == 1)
          std::copy_n(from, g.k, packed + i * row);
        else
          for (int64_t k = 0; k < g.k; ++k) packed[i * row + k] = from[k * g.a_column];
      }
    }
    if (g.alpha == 1) return;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < g.k; ++k) packed[i * row + k] *= g.alpha;
    }
  });
}

// Rows [k, k + rows) of b in the panel that begins at a column.
template <typename T>
void pack_panel(const Gemm<T>& g, int64_t column, int64_t k, int64_t rows, T* to) {
  const int64_t panel = tiles_of(g).panel, width = std::min(panel, g.n - column);
  const T* from = g.b + k * g.b_row + column * g.b_column;
  if (g.b_column == 1 && width == panel) return tiles_of(g).copy_panel(from, g.b_row, rows, to);
  if (g.b_row == 1 && g.b_column != 1) {
    turn(g.isa, from, g.b_column, width, rows, to, panel);
  } else {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < width; ++j) to[i * panel + j] = from[i * g.b_row + j * g.b_column];
    }
  }
  if (width == panel) return;
  for (int64_t i = 0; i < rows; ++i) std::fill(to + i * panel + width, to + (i + 1) * panel, T(0));
}

// The same where b has elements of 16 bits.
void pack_half_panel(const Gemm<float>& g, const uint16_t* b, Half half, int64_t column, int64_t k, int64_t rows,
                     float* to) {
  const int64_t panel = tiles_of(g).panel, width = std::min(panel, g.n - column);
  const auto widen = halves_of(half, g.isa).widen;
  const uint16_t* from = b + k * g.b_row + column * g.b_column;
  if (g.b_column == 1) {
    for (int64_t i = 0; i < rows; ++i) widen(from + i * g.b_row, width, to + i * panel);
  } else if (g.b_row == 1) {
    constexpr int64_t kBlock = 64, kWidest = 32;
    alignas(64) float lines[kWidest * kBlock];
    for (int64_t i = 0; i < rows; i += kBlock) {
      const int64_t count = std::min(kBlock, rows - i);
      for (int64_t j = 0; j < width; ++j) widen(from + j * g.b_column + i, count, lines + j * kBlock);
      turn(g.isa, lines, kBlock, width, count, to + i * panel, panel);
    }
  } else {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < width; ++j) widen(from + i * g.b_row + j * g.b_column, 1, to + i * panel + j);
    }
  }
  if (width == panel) return;
  for (int64_t i = 0; i < rows; ++i) std::fill(to + i * panel + width, to + (i + 1) * panel, 0.0f);
}

// Panels of bf16, of all of b, from those of f32 that `pack` makes a part of.
template <typename Pack>
void round_panels(const Gemm<float>& g, uint32_t* packed, const Parallel& parallel, Pack pack) {
  const int64_t panel = tiles_of(g).panel, depth = kRounded / panel, panels = divide_up(g.n, panel);
  parallel_for(parallel, panels, 1, 0.5 * static_cast<double>(panel * g.k), [&](int64_t begin, int64_t end) {
    alignas(64) float wide[kRounded];
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < g.k; k += depth) {
        const int64_t rows = std::min(depth, g.k - k);
        pack(i * panel, k, rows, wide);
        gemm_tiles_bf16(g.isa).round_panel(wide, rows, packed + (i * g.k + k) * panel / 2);
      }
    }
  });
}

// Most panels that one call of the tiles goes over. For one or two rows several hide how long a sum takes; but each is a stream of its
// own, and memory is the slower the more of them there are (28 GB/s from one, 22 from four, on Zen 4). Halves are not read so fast
// that it would matter.
template <typename T>
int64_t most_at_once(const Gemm<T>& g) {
  if (g.m > 2) return 1;
  const int64_t most = 4 / g.m;
  constexpr int64_t kElement = sizeof(T);
  if (g.packed_bf16 != nullptr || first_packed(g) > 0 || g.k * g.n * kElement < kFar) return most;
  return std::clamp<int64_t>(kStep / (tiles_of(g).panel * kElement), 1, most);
}

// One call of the tiles for panels of bf16, which become f32 in registers: a copy of them in f32 would cost more.
void run_bf16(const Gemm<float>& g, const GemmPanel<float>& p, const uint32_t* b, int64_t count, int64_t distance,
              bool goes_on) {
  const GemmBf16Tiles& tiles = gemm_tiles_bf16(g.isa);
  const uint32_t* ahead = goes_on ? b + distance : nullptr;
  const GemmPanel<float, uint32_t> panel{p.rows, p.columns, p.k,    p.a,        p.a_row,       b,        p.b_row / 2,
                                         p.c,    p.c_row,   p.init, p.init_row, p.init_column, p.limits, ahead};
  if (count > 1)
    tiles.run_low(panel, distance);
  else
    tiles.run(panel);
}
void run_bf16(const Gemm<double>&, const GemmPanel<double>&, const uint32_t*, int64_t, int64_t, bool) {}

// Says that rows [row, row + rows) are final in columns [begin, end).
template <typename T>
void finish_block(const Gemm<T>& g, int64_t row, int64_t rows, int64_t begin, int64_t end) {
  const int64_t at = g.finish_at + row * g.c_row + begin;
  if (end - begin == g.c_row) {
    g.finish->call(g.finish->self, at, at + rows * g.c_row);
    return;
  }
  for (int64_t i = 0; i < rows; ++i) {
    g.finish->call(g.finish->self, at + i * g.c_row, at + i * g.c_row + end - begin);
  }
}

}  // namespace

template <typename T>
bool packs_whole_b(const Gemm<T>& g) {
  return g.packs_all_of_b || g.b_column != 1 || g.m > kLeastPacked;
}

template <typename T>
bool finishes_well(const Gemm<T>& g) {
  const int64_t wide = g.n == g.c_row ? tiles_of(g).rows * kGemmTilesOfBlock * g.n : g.n;
  return wide >= kLeastStretch || g.m * g.n <= kLeastStretch;
}

template <typename T>
int64_t packed_b_size(const Gemm<T>& g) {
  int64_t panel = tiles_of(g).panel;
  return (divide_up(g.n, panel) - first_packed(g)) * panel * g.k;
}

template <typename T>
int64_t packed_scratch(const Gemm<T>& g) {
  return packs_a(g) ? g.m * packed_a_row(g) : 0;
}

template <typename T>
int64_t gemm_scratch(const Gemm<T>& g) {
  const bool packed = g.packed_b != nullptr || g.packed_bf16 != nullptr;
  return (packed ? 0 : packed_b_size(g)) + packed_scratch(g);
}

template <typename T>
void pack_b(const Gemm<T>& g, T* packed, const Parallel& parallel) {
  int64_t panel = tiles_of(g).panel, first = first_packed(g), count = divide_up(g.n, panel) - first;
  parallel_for(parallel, count, 1, 0.3 * static_cast<double>(panel * g.k), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pack_panel(g, (first + i) * panel, 0, g.k, packed + i * panel * g.k);
  });
}

int64_t packed_bf16_size(const Gemm<float>& g) { return packed_b_size(g) / 2; }

void pack_bf16(const Gemm<float>& g, uint32_t* packed, const Parallel& parallel) {
  round_panels(g, packed, parallel,
               [&](int64_t column, int64_t k, int64_t rows, float* to) { pack_panel(g, column, k, rows, to); });
}

void pack_halves(const Gemm<float>& g, const uint16_t* b, Half half, float* packed, const Parallel& parallel) {
  const int64_t panel = tiles_of(g).panel;
  const double cost = 0.3 * static_cast<double>(panel * g.k);
  parallel_for(parallel, divide_up(g.n, panel), 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pack_half_panel(g, b, half, i * panel, 0, g.k, packed + i * panel * g.k);
  });
}

void pack_halves(const Gemm<float>& g, const uint16_t* b, Half half, uint32_t* packed, const Parallel& parallel) {
  round_panels(g, packed, parallel, [&](int64_t column, int64_t k, int64_t rows, float* to) {
    pack_half_panel(g, b, half, column, k, rows, to);
  });
}

namespace {

// A product whose matrices are packed as they need to be.
template <typename T>
struct Packed {
  const Gemm<T>& g;
  const GemmTiles<T>& tiles;
  const T* a;
  int64_t a_row;
  const T* b;
  int64_t first, k;  // of b: the first panel that is packed; rows that are
};

template <typename T>
void run_block(const Packed<T>& d, const GemmBlocks::Block& block) {
  const Gemm<T>& g = d.g;
  const GemmTiles<T>& tiles = d.tiles;
  const int64_t most = most_at_once(g), row = block.row, from = block.from, to = block.to;
  GemmPanel<T> p;
  p.rows = block.rows;
  p.a_row = d.a_row;
  p.c_row = g.c_row;
  int64_t done = 0;
  do {
    p.k = std::min(kDepth, g.k - done);
    p.a = d.a + row * d.a_row + done;
    if (done + p.k == g.k) p.limits = g.limits;
    for (int64_t panel = from, next; panel < to; panel = next) {
      int64_t column = panel * tiles.panel;
      const int64_t past = panel < d.first ? std::min(d.first, to) : to;  // what is packed lies elsewhere
      int64_t count = most;
      while (count > 1 && (panel + count > past || column + count * tiles.panel > g.n)) count /= 2;
      next = panel + count;
      const bool goes_on = next < block.past;
      p.columns = std::min(count * tiles.panel, g.n - column);
      int64_t at = 0;
      if (panel < d.first) {
        p.b = g.b + column + done * g.b_row;
        p.ahead = nullptr;
        p.b_row = g.b_row;
      } else {
        at = ((panel - d.first) * d.k + done) * tiles.panel;
        if (d.b != nullptr) p.b = d.b + at;
        p.b_row = tiles.panel;
        p.ahead = d.b != nullptr && goes_on ? p.b + d.k * tiles.panel : nullptr;
      }
      p.c = g.c + row * g.c_row + column;
      if (done > 0) {
        p.init = p.c;
        p.init_row = g.c_row;
        p.init_column = 1;
      } else {
        p.init = g.init != nullptr ? g.init + row * g.init_row + column * g.init_column : nullptr;
        p.init_row = g.init_row;
        p.init_column = g.init_column;
      }
      if (g.packed_bf16 != nullptr)
        run_bf16(g, p, g.packed_bf16 + at / 2, count, d.k * tiles.panel / 2, goes_on);
      else if (count > 1)
        tiles.run_low(p, panel < d.first ? tiles.panel : d.k * tiles.panel);
      else
        tiles.run(p);
    }
    done += p.k;
  } while (done < g.k);
  if (g.finish != nullptr) finish_block(g, row, p.rows, from * tiles.panel, std::min(g.n, to * tiles.panel));
}

}  // namespace

template <typename T>
void run_gemm(const Gemm<T>& g, T* scratch, const Parallel& parallel) {
  if (g.m == 0 || g.n == 0) return;
  const GemmTiles<T>& tiles = tiles_of(g);
  const T *a = g.a, *packed = g.packed_b;
  int64_t a_row = g.a_row;
  if (packed == nullptr && g.packed_bf16 == nullptr) {
    pack_b(g, scratch, parallel);
    packed = scratch;
    scratch += packed_b_size(g);
  }
  if (packs_a(g)) {
    pack_a(g, scratch, parallel);
    a = scratch;
    a_row = packed_a_row(g);
  }
  const Packed<T> d{g, tiles, a, a_row, packed, first_packed(g), g.packed_k > 0 ? g.packed_k : g.k};
  constexpr int64_t kBytes = sizeof(T);
  const int threads = loop_threads(parallel);
  const GemmBlocks blocks = divide({g.m, g.n, tiles.rows, tiles.panel, most_at_once(g),
                                    g.k * g.n * (g.packed_bf16 != nullptr ? 2 : kBytes), g.finish != nullptr, threads});
  const int64_t count = blocks.count();
  const bool backwards = g.backwards && threads == 1;
  if (count == 1) return run_block(d, blocks.block(0));
  parallel_for(parallel, count, 1, gemm_cost_ns(g) / static_cast<double>(count), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run_block(d, blocks.block(backwards ? count - 1 - i : i));
  });
}

template bool packs_whole_b(const Gemm<float>&);
template bool packs_whole_b(const Gemm<double>&);
template bool finishes_well(const Gemm<float>&);
template bool finishes_well(const Gemm<double>&);
template int64_t packed_b_size(const Gemm<float>&);
template int64_t packed_b_size(const Gemm<double>&);
template int64_t packed_scratch(const Gemm<float>&);
template int64_t packed_scratch(const Gemm<double>&);
template int64_t gemm_scratch(const Gemm<float>&);
template int64_t gemm_scratch(const Gemm<double>&);
template void pack_b(const Gemm<float>&, float*, const Parallel&);
template void pack_b(const Gemm<double>&, double*, const Parallel&);
template void run_gemm(const Gemm<float>&, float*, const Parallel&);
template void run_gemm(const Gemm<double>&, double*, const Parallel&);

}  // namespace weft
