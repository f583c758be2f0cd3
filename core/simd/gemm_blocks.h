// How the result of a matrix product is divided into blocks, which threads share; no bit depends on it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/divide_up.h"
#include "core/base/finish.h"

namespace weft {

constexpr int64_t kGemmTilesOfBlock = 4;  // of rows, at most

struct GemmBlocks {
  int64_t m, tiles, high;  // rows; tiles of them, as equal as can be; blocks of tiles
  int64_t panels, wide;    // of columns; of a block
  bool by_rows;            // neighbours have the same rows, else the same panels

  struct Block {
    int64_t row, rows, from, to;  // panels [from, to)
    int64_t past;                 // panels [to, past) come next
  };
  int64_t across() const { return divide_up(panels, wide); }
  int64_t count() const { return high * across(); }
  Block block(int64_t i) const {
    const int64_t down = by_rows ? i / across() : i % high, from = (by_rows ? i % across() : i / high) * wide;
    const int64_t row = row_of(down), to = std::min(panels, from + wide);
    return {row, row_of(down + 1) - row, from, to, by_rows || down + 1 == high ? panels : to};
  }

 private:
  // Where part i of n begins, of `parts` that are as equal as can be.
  static int64_t share(int64_t i, int64_t n, int64_t parts) { return i * (n / parts) + std::min(i, n % parts); }
  int64_t row_of(int64_t block) const { return share(share(block, tiles, high), m, tiles); }
};

struct GemmDivision {
  int64_t m, n;
  int64_t tile_rows, panel;
  int64_t panels_at_once;
  int64_t b_bytes;
  bool hands_on;  // stretches of rows, as soon as they are final
  int threads;
};

inline GemmBlocks divide(const GemmDivision& d) {
  constexpr int64_t kNear = 256 << 10;  // bytes of b that stay in the second-level cache beside rows of a
  const int64_t panels = divide_up(d.n, d.panel), tiles = divide_up(d.m, d.tile_rows);
  int64_t wide = divide_up(std::clamp<int64_t>(panels / 8, 1, 16), d.panels_at_once) * d.panels_at_once;
  // Of a few large blocks each thread has as many; half as many panels at once still keep the multipliers busy.
  const int64_t count = divide_up(panels, wide);
  if (wide == d.panels_at_once && wide > 1 && count > 1 && count % d.threads != 0 && count < 4 * d.threads) wide /= 2;
  int64_t high = divide_up(tiles, kGemmTilesOfBlock);
  // What is handed on lies side by side: long parts of rows, or whole ones. Rows are then all that can be shared.
  if (d.hands_on) {
    wide = std::min(panels, std::max(wide, 2 * kLeastStretch / d.panel));
    if (high * divide_up(panels, wide) < d.threads) {
      high = std::max(high, std::min({tiles, int64_t{d.threads}, d.m * d.n / (2 * kLeastStretch)}));
    }
  }
  // Threads begin with blocks side by side: each reads a part alone of the larger matrix, or has the rows of a that it may have
  // made itself, where all of b is near to everyone.
  const bool by_rows = d.m >= d.n || (high > 1 && d.threads > 1 && d.b_bytes <= kNear);
  return {d.m, tiles, high, panels, wide, by_rows};
}

}  // namespace weft
