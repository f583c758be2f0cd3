// Kernel of means of quantized numbers: those of ReduceMean over numbers that are made of bytes a tile at a time, so that
// the bits are those of its sums.
#include <algorithm>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/quantized_common.h"
#include "core/kernels/cpu/reduce_common.h"

namespace weft {
namespace {

constexpr int64_t kMostLanes = 16;
// Of a tile, whose numbers stay in the second-level cache. Sums of a column depend on its own elements alone.
constexpr int64_t kMostTileColumns = 256;

struct QuantizedMean {
  ReduceStages::Stage first;
  ReduceStages rest;  // over its sums
  ByteCode x;
  ByteResult y;
  int64_t results, divisor;
  int64_t width, tiles, tasks, lanes;                // columns of a tile; tiles beside each other; all tiles
  int64_t tile_count, sums_at, rest_at, results_at;  // scratch, in numbers

  QuantizedMean(const Shape& shape, const std::vector<bool>& reduced) {
    rest = ReduceStages::make(shape, reduced);
    first = rest.stages.front();
    rest.stages.erase(rest.stages.begin());
    width = std::min(first.inner, kMostTileColumns);
    tiles = divide_up(first.inner, width);
    tasks = first.outer * first.segments * tiles;
    lanes = std::min(tasks, kMostLanes);
    tile_count = first.segment * width;
    sums_at = lanes * tile_count;
    rest_at = sums_at + first.count();
    results_at = rest_at + rest.scratch_count();
  }
};

// Sums of one tile: some columns of one segment.
void sum_tile(const QuantizedMean& m, const uint8_t* x, int64_t task, float* tile, float* sums) {
  const ReduceStages::Stage& s = m.first;
  const int64_t part = task / m.tiles, column = task % m.tiles * m.width, columns = std::min(m.width, s.inner - column);
  const int64_t row = part % s.segments * s.segment, rows = std::min(s.segment, s.reduced - row);
  const uint8_t* from = x + (part / s.segments * s.reduced + row) * s.inner + column;
  float* to = sums + part * s.inner + column;
  const Reduction<float>& sum = reduce_table(float()).sum;
  const QuantizedTable& table = quantized_table();
  if (columns == s.inner) {
    table.dequantize(from, rows * columns, m.x, tile);
  } else {
    for (int64_t r = 0; r < rows; ++r) table.dequantize(from + r * s.inner, columns, m.x, tile + r * m.width);
  }
  if (s.inner == 1)
    *to = sum.row(tile, rows);
  else
    sum.columns(tile, rows, columns, m.width, to);
}

void run(const QuantizedMean& m, const RunArgs& args) {
  float* scratch = static_cast<float*>(args.scratch);
  float *sums = scratch + m.sums_at, *results = scratch + m.results_at;
  float* out = m.rest.stages.empty() ? results : sums;
  const double cost = 0.5 * static_cast<double>(m.tile_count * m.tasks) / static_cast<double>(m.lanes);
  parallel_for(*args.parallel, m.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      for (int64_t task = lane * m.tasks / m.lanes; task < (lane + 1) * m.tasks / m.lanes; ++task) {
        if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
        sum_tile(m, args.input<uint8_t>(0), task, scratch + lane * m.tile_count, out);
      }
    }
  });
  const Reduction<float>& sum = reduce_table(float()).sum;
  if (!m.rest.stages.empty()) m.rest.run(*args.parallel, sum, sum, sums, scratch + m.rest_at, results);
  quantized_table().quantize(results, m.results, static_cast<float>(m.divisor), m.y, args.output<uint8_t>(0));
}

std::vector<bool> reduced_axes(const KernelContext& c) {
  std::vector<bool> reduced(static_cast<size_t>(c.rank(0)), false);
  const std::vector<int64_t> axes = *c.constant(1)->to_ints();
  for (int64_t axis : axes) reduced[static_cast<size_t>(axis < 0 ? axis + c.rank(0) : axis)] = true;
  return reduced;
}

// Those that ReduceMean takes on vectors: others are made of its parts.
bool accepts(const KernelContext& c) {
  return c.constant(1) != nullptr && c.count(0) > 0 && ReduceStages::make(c.shape(0), reduced_axes(c)).worthwhile();
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  QuantizedMean m(c.shape(0), reduced_axes(c));
  m.x = read_byte_code(c.attrs(), "x_scale", "x_zero_point", c.dtype(0));
  m.y = read_byte_result(c);
  m.results = c.output_count_of(0);
  m.divisor = c.count(0) / m.results;
  prepared->scratch_bytes = (m.results_at + m.results) * static_cast<int64_t>(sizeof(float));
  prepared->cost_ns = 0.5 * static_cast<double>(c.count(0));
  prepared->use<&run>(std::move(m));
  return {};
}

}  // namespace

void add_cpu_quantized_mean(KernelRegistry& kernels) {
  kernels.add("weft.QLinearReduceMean", {"vectors", accepts, prepare});
}

}  // namespace weft
