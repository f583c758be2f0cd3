// Products of matrices of 8-bit numbers: packing, zero points by sums of rows and columns, and the division among threads.
//
//   sum (a - za) (b - zb) = sum a b  -  za (sum b - k zb)  -  zb sum a
//
// Where the instructions want other signs than b has, packing adds or takes 128, and the zero point of b moves with it.
#include "core/simd/gemm_integer.h"

#include <algorithm>
#include <cstring>

#include "core/base/divide_up.h"
#include "core/base/loop_threads.h"
#include "core/simd/gemm_blocks.h"
#include "core/simd/gemm_integer_tiles.h"

namespace weft {

namespace {

constexpr int64_t kPage = 4096;  // rows so many bytes apart share one set of the first-level cache
constexpr int64_t kWord = 4;     // bytes of a group of a
constexpr int64_t kLine = 64;
constexpr int64_t kRowsAtOnce = 16;

const IntegerTiles& tiles_of(const GemmInteger& g) { return integer_tiles(g.isa); }
int64_t groups_of(const GemmInteger& g) { return divide_up(g.k, tiles_of(g).group); }
int64_t panels_of(const GemmInteger& g) { return divide_up(g.n, tiles_of(g).panel); }
int64_t panel_bytes(const GemmInteger& g) { return groups_of(g) * tiles_of(g).group * tiles_of(g).panel; }
bool packs_b_signed(const GemmInteger& g) { return tiles_of(g).b_signed[g.a_signed]; }
int32_t number(const uint8_t* at, bool is_signed) { return is_signed ? static_cast<int8_t>(*at) : *at; }

// What packing changes numbers of b by: the sign's bit, which adds or takes 128.
uint8_t flip_of(const GemmInteger& g) { return packs_b_signed(g) == g.b_signed ? 0 : 0x80; }
int32_t shift_of(const GemmInteger& g) { return flip_of(g) == 0 ? 0 : g.b_signed ? 128 : -128; }

bool packs_a(const GemmInteger& g) {
  return tiles_of(g).widens || g.a_column != 1 || g.k % tiles_of(g).group != 0 || g.a_row % kPage == 0;
}
// Bytes from one packed row to the next, not a multiple of a page.
int64_t packed_a_row(const GemmInteger& g) {
  const int64_t bytes = groups_of(g) * kWord;
  return bytes % kPage == 0 ? bytes + kLine : bytes;
}

bool by_rows(const GemmInteger& g) { return g.b_column == 1; }

// Whole groups of full panels [begin, end), a few rows at a time: what is fetched in one line of the cache belongs to several.
void pack_neighbours(const GemmInteger& g, int64_t begin, int64_t end, uint8_t* packed) {
  const IntegerTiles& tiles = tiles_of(g);
  const int64_t group = tiles.group, whole = g.k / group, most = kRowsAtOnce / group, bytes = panel_bytes(g);
  for (int64_t k = 0; k < whole; k += most) {
    const int64_t count = std::min(most, whole - k);
    for (int64_t i = begin; i < end; ++i) {
      tiles.pack_rows(g.b + k * group * g.b_row + i * tiles.panel, g.b_row, count, flip_of(g),
                      packed + i * bytes + k * group * tiles.panel);
    }
  }
}

// The rest of a panel, or all of it.
void pack_panel(const GemmInteger& g, int64_t column, uint8_t* to) {
  const IntegerTiles& tiles = tiles_of(g);
  const int64_t panel = tiles.panel, group = tiles.group, width = std::min(panel, g.n - column), whole = g.k / group;
  const uint8_t* from = g.b + column * g.b_column;
  const uint8_t flip = flip_of(g);
  if (width < panel)
    std::memset(to, 0, static_cast<size_t>(panel_bytes(g)));
  else
    std::memset(to + whole * group * panel, 0, static_cast<size_t>(panel_bytes(g) - whole * group * panel));
  int64_t done = 0;
  if (by_rows(g) && width == panel) {
    done = whole * group;  // with its neighbours
  } else if (g.b_row == 1) {
    tiles.pack_columns(from, g.b_column, width, whole, flip, to);
    done = whole * group;
  }
  for (int64_t i = done; i < g.k; ++i) {
    uint8_t* row = to + i / group * panel * group + i % group;
    for (int64_t j = 0; j < width; ++j) row[j * group] = from[i * g.b_row + j * g.b_column] ^ flip;
  }
}

// Where parts of the scratch memory begin.
struct Scratch {
  int64_t b = 0, a = 0, rows = 0, terms = 0, zeros = 0, end = 0;

  explicit Scratch(const GemmInteger& g) {
    const auto take = [this](int64_t bytes) {
      const int64_t at = end;
      end += divide_up(bytes, kLine) * kLine;
      return at;
    };
    const int64_t columns = panels_of(g) * tiles_of(g).panel * static_cast<int64_t>(sizeof(int32_t));
    b = take(g.packed_b == nullptr ? packed_integer_b_size(g) : 0);
    a = take(packs_a(g) ? g.m * packed_a_row(g) : 0);
    rows = take(g.m * static_cast<int64_t>(sizeof(IntegerRow)));
    terms = take(columns);
    zeros = take(columns);
  }
};

bool all_zero(const uint8_t* x, int64_t step, int64_t n) {
  if (x == nullptr || n == 0) return true;
  if (step == 0) return *x == 0;
  return std::all_of(x, x + n, [](uint8_t zero) { return zero == 0; });
}

// What rows and columns add; nothing where zero points are 0.
struct Terms {
  const IntegerRow* rows = nullptr;
  const int32_t *columns = nullptr, *zeros = nullptr;
};

// Packs a as well, if that is wanted.
Terms prepare_a(const GemmInteger& g, const uint8_t* packed_b, const Scratch& at, uint8_t* scratch,
                const Parallel& parallel) {
  const IntegerTiles& tiles = tiles_of(g);
  const bool packs = packs_a(g), a_zeros = !all_zero(g.a_zero, g.a_zero_step, g.m);
  const int32_t shift = shift_of(g);
  const bool b_zeros = shift != 0 || !all_zero(g.b_zero, g.b_zero_step, g.n);
  const bool adds = a_zeros || b_zeros || g.bias != nullptr;
  IntegerRow* rows = reinterpret_cast<IntegerRow*>(scratch + at.rows);
  if (packs || adds) {
    const int64_t row_bytes = packed_a_row(g);
    parallel_for(parallel, g.m, 16, 0.1 * static_cast<double>(g.k + 8), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint8_t* from = g.a + i * g.a_row;
        if (packs) tiles.pack_a(from, g.a_column, g.k, g.a_signed, scratch + at.a + i * row_bytes);
        if (!adds) continue;
        rows[i].add = g.bias != nullptr ? g.bias[i] : 0;
        rows[i].zero = a_zeros ? number(g.a_zero + i * g.a_zero_step, g.a_signed) : 0;
        rows[i].sum = b_zeros ? tiles.sum_row(from, g.a_column, g.k, g.a_signed) : 0;
      }
    });
  }
  if (!adds) return {};
  int32_t* columns = reinterpret_cast<int32_t*>(scratch + at.terms);
  int32_t* zeros = reinterpret_cast<int32_t*>(scratch + at.zeros);
  const int64_t count = panels_of(g) * tiles.panel;
  const int32_t* sums = reinterpret_cast<const int32_t*>(packed_b + panels_of(g) * panel_bytes(g));
  for (int64_t j = 0; j < count; ++j) {
    int32_t zero = shift;
    if (g.b_zero != nullptr && j < g.n) zero += number(g.b_zero + j * g.b_zero_step, g.b_signed);
    zeros[j] = zero;
    columns[j] =
        static_cast<int32_t>(static_cast<uint32_t>(sums[j]) - static_cast<uint32_t>(g.k) * static_cast<uint32_t>(zero));
  }
  return {rows, columns, zeros};
}

// Most panels that one call of the tiles goes over.
int64_t most_at_once(const GemmInteger& g) { return g.m == 1 ? 4 : g.m == 2 ? 2 : 1; }

// A product whose matrices are packed as they need to be.
struct Packed {
  const GemmInteger& g;
  const uint8_t* a;
  int64_t a_row;
  const uint8_t* b;
  Terms terms;
};

void finish_block(const GemmInteger& g, int64_t row, int64_t rows, int64_t begin, int64_t end) {
  const int64_t at = g.finish_at + row * g.c_row + begin;
  if (end - begin == g.c_row) return g.finish->call(g.finish->self, at, at + rows * g.c_row);
  for (int64_t i = 0; i < rows; ++i) {
    g.finish->call(g.finish->self, at + i * g.c_row, at + i * g.c_row + end - begin);
  }
}

void run_block(const Packed& d, const GemmBlocks::Block& block) {
  const GemmInteger& g = d.g;
  const int64_t row = block.row, from = block.from, to = block.to;
  const IntegerTiles& tiles = tiles_of(g);
  const int64_t most = most_at_once(g), bytes = panel_bytes(g);
  IntegerPanel p{};
  p.rows = block.rows;
  p.groups = groups_of(g);
  p.a = d.a + row * d.a_row;
  p.a_row = d.a_row;
  p.c_row = g.c_row;
  if (d.terms.rows != nullptr) p.row_terms = d.terms.rows + row;
  for (int64_t panel = from, next; panel < to; panel = next) {
    const int64_t column = panel * tiles.panel;
    int64_t count = most;
    while (count > 1 && (panel + count > to || column + count * tiles.panel > g.n)) count /= 2;
    next = panel + count;
    p.columns = std::min(count * tiles.panel, g.n - column);
    p.b = d.b + panel * bytes;
    p.ahead = next < block.past ? p.b + bytes : nullptr;
    p.c = g.c + row * g.c_row + column;
    if (d.terms.rows != nullptr) {
      p.column_terms = d.terms.columns + column;
      p.column_zeros = d.terms.zeros + column;
    }
    if (count > 1)
      tiles.run_low[g.a_signed](p, bytes);
    else
      tiles.run[g.a_signed](p);
  }
  if (g.finish != nullptr) finish_block(g, row, block.rows, from * tiles.panel, std::min(g.n, to * tiles.panel));
}

}  // namespace

int64_t packed_integer_b_size(const GemmInteger& g) {
  return panels_of(g) * (panel_bytes(g) + tiles_of(g).panel * static_cast<int64_t>(sizeof(int32_t)));
}

void pack_integer_b(const GemmInteger& g, uint8_t* packed, const Parallel& parallel) {
  const IntegerTiles& tiles = tiles_of(g);
  const int64_t bytes = panel_bytes(g), panels = panels_of(g);
  int32_t* sums = reinterpret_cast<int32_t*>(packed + panels * bytes);
  const int64_t full = g.n / tiles.panel, neighbours = std::max<int64_t>(1, kLine / tiles.panel);
  parallel_for(parallel, panels, neighbours, 0.1 * static_cast<double>(bytes), [&](int64_t begin, int64_t end) {
    if (by_rows(g)) pack_neighbours(g, begin, std::min(end, full), packed);
    for (int64_t i = begin; i < end; ++i) {
      pack_panel(g, i * tiles.panel, packed + i * bytes);
      tiles.sum_panel[packs_b_signed(g)](packed + i * bytes, groups_of(g), sums + i * tiles.panel);
    }
  });
}

int64_t gemm_integer_scratch(const GemmInteger& g) { return Scratch(g).end; }

bool finishes_well(const GemmInteger& g) {
  const int64_t wide = g.n == g.c_row ? tiles_of(g).rows * kGemmTilesOfBlock * g.n : g.n;
  return wide >= kLeastStretch || g.m * g.n <= kLeastStretch;
}

void run_gemm_integer(const GemmInteger& g, uint8_t* scratch, const Parallel& parallel) {
  if (g.m == 0 || g.n == 0) return;
  const Scratch at(g);
  const uint8_t* b = g.packed_b;
  if (b == nullptr) {
    pack_integer_b(g, scratch + at.b, parallel);
    b = scratch + at.b;
  }
  const Terms terms = prepare_a(g, b, at, scratch, parallel);
  const bool packs = packs_a(g);
  const Packed d{g, packs ? scratch + at.a : g.a, packs ? packed_a_row(g) : g.a_row, b, terms};
  const IntegerTiles& tiles = tiles_of(g);
  const GemmBlocks blocks = divide({g.m, g.n, tiles.rows, tiles.panel, most_at_once(g), panels_of(g) * panel_bytes(g),
                                    g.finish != nullptr, loop_threads(parallel)});
  const double cost = gemm_integer_cost_ns(g) / static_cast<double>(blocks.count());
  parallel_for(parallel, blocks.count(), 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run_block(d, blocks.block(i));
  });
}

void run_gemm_integer_plainly(const GemmInteger& g, const Parallel& parallel) {
  const double cost = static_cast<double>(g.n * (g.k + 1)) + (g.finish != nullptr ? g.finish->cost_ns * g.n : 0);
  parallel_for(parallel, g.m, 4, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t a_zero = g.a_zero != nullptr ? number(g.a_zero + i * g.a_zero_step, g.a_signed) : 0;
      for (int64_t j = 0; j < g.n; ++j) {
        const int32_t b_zero = g.b_zero != nullptr ? number(g.b_zero + j * g.b_zero_step, g.b_signed) : 0;
        uint32_t sum = g.bias != nullptr ? static_cast<uint32_t>(g.bias[i]) : 0;
        for (int64_t k = 0; k < g.k; ++k) {
          const int32_t left = number(g.a + i * g.a_row + k * g.a_column, g.a_signed) - a_zero;
          sum += static_cast<uint32_t>(left * (number(g.b + k * g.b_row + j * g.b_column, g.b_signed) - b_zero));
        }
        g.c[i * g.c_row + j] = static_cast<int32_t>(sum);
      }
    }
    if (g.finish != nullptr) finish_block(g, begin, end - begin, 0, g.n);
  });
}

}  // namespace weft
