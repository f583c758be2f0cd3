// Kernels of MatMulInteger and QLinearMatMul, also with a bias.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/packed_common.h"
#include "core/kernels/cpu/scales_common.h"
#include "core/simd/gemm_integer.h"

namespace weft {
namespace {

constexpr int64_t kLanes = 16;  // batches at once

// What rows or columns of the matrices of each batch have: a zero point or a scale.
struct Along {
  int64_t step = 0;  // to the next row or column; 0: one for all
  std::vector<int64_t> offsets;
};

struct IntegerProduct {
  GemmInteger gemm;  // without addresses
  bool plain;
  std::vector<int64_t> a_offsets, b_offsets;
  Along a_zero, b_zero;
  int64_t lanes, lane_size;                 // bytes of scratch
  std::shared_ptr<const Buffer> packed{};   // b, where it is constant
  int at_b, at_a_zero, at_b_zero, at_bias;  // inputs; -1: it is not given
  // Of a quantized one:
  bool quantizes = false, y_signed = false;
  DType scale_dtype = DType::kF32;
  int64_t a_scales = 0, b_scales = 0;  // how many; in f32 they begin the scratch memory
  int64_t scales_size = 0;
};

struct QuantizedBatch {
  const IntegerProduct* p;
  const RunArgs* args;
  const int32_t* x;
  const float *a_scale, *b_scale;  // where a has one, what b has are those of the columns of y
  float y_scale;
  int32_t zero;
  int64_t at;  // its first element in y
};

// Part of a row, whose scale of a is `a`.
void quantize_row(const QuantizedBatch& q, float a, int64_t column, int64_t count, const int32_t* x, uint8_t* y) {
  const IntegerTiles& tiles = integer_tiles(current_isa());
  const int64_t step = q.p->b_zero.step;
  const float* b = q.b_scale + column * step;
  const int32_t* bias = q.p->at_bias >= 0 ? q.args->input<int32_t>(q.p->at_bias) + column : nullptr;
  if (q.p->a_scales == 1) return tiles.quantize(x, count, bias, b, step, q.zero, q.p->y_signed, y);
  constexpr int64_t kBlock = 256;
  float scales[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t length = std::min(kBlock, count - begin);
    join_scales(a, b + begin * step, step, length, q.y_scale, scales);
    tiles.quantize(x + begin, length, bias != nullptr ? bias + begin : nullptr, scales, 1, q.zero, q.p->y_signed,
                   y + begin);
  }
}

// Elements of one product that are final become those of y.
void quantize_stretch(const void* self, int64_t begin, int64_t end) {
  const QuantizedBatch& q = *static_cast<const QuantizedBatch*>(self);
  const int64_t n = q.p->gemm.n, from = begin;
  uint8_t* y = q.args->output<uint8_t>(0) + q.at;
  while (begin < end) {
    const int64_t row = begin / n, column = begin % n, count = std::min(end - begin, n - column);
    quantize_row(q, q.a_scale[row * q.p->a_zero.step], column, count, q.x + begin, y + begin);
    begin += count;
  }
  q.args->finished(q.at + from, q.at + end);
}

void run_batch(const IntegerProduct& p, const RunArgs& args, int64_t i, uint8_t* scratch) {
  GemmInteger g = p.gemm;
  g.a = args.input<uint8_t>(0) + p.a_offsets[i];
  if (args.in[p.at_b] != nullptr) g.b = args.input<uint8_t>(p.at_b) + p.b_offsets[i];
  if (p.at_a_zero >= 0) g.a_zero = args.input<uint8_t>(p.at_a_zero) + p.a_zero.offsets[i];
  if (p.at_b_zero >= 0) g.b_zero = args.input<uint8_t>(p.at_b_zero) + p.b_zero.offsets[i];
  const int64_t at = i * g.m * g.n;
  QuantizedBatch q;
  Finish finish{quantize_stretch, &q, 0.3 + args.finish_cost_ns(1)};
  if (p.quantizes) {
    const float* scales = static_cast<const float*>(args.scratch);
    g.c = reinterpret_cast<int32_t*>(scratch);
    scratch += (g.m * g.n * 4 + 63) / 64 * 64;
    q = {&p,
         &args,
         g.c,
         scales + p.a_zero.offsets[i],
         scales + p.a_scales + p.b_zero.offsets[i],
         scales[p.a_scales + p.b_scales],
         read_number(args.in[7], p.y_signed),
         at};
    g.finish = &finish;
  } else {
    g.c = args.output<int32_t>(0) + at;
    g.finish = args.finish;
    g.finish_at = at;
  }
  if (p.plain)
    run_gemm_integer_plainly(g, *args.parallel);
  else
    run_gemm_integer(g, scratch, *args.parallel);
}

void run(const IntegerProduct& p, const RunArgs& args) {
  const int64_t batches = static_cast<int64_t>(p.a_offsets.size());
  if (batches == 0 || p.gemm.m == 0 || p.gemm.n == 0) return;
  uint8_t* scratch = static_cast<uint8_t*>(args.scratch) + p.scales_size;
  if (p.quantizes) {
    float* scales = static_cast<float*>(args.scratch);
    read_scales(args, 1, p.scale_dtype, p.a_scales, scales);
    read_scales(args, 4, p.scale_dtype, p.b_scales, scales + p.a_scales);
    read_scales(args, 6, p.scale_dtype, 1, scales + p.a_scales + p.b_scales);
    if (p.a_scales == 1) {
      join_scales(scales[0], scales + 1, 1, p.b_scales, scales[1 + p.b_scales], scales + 1);
    }
  }
  if (batches == 1) return run_batch(p, args, 0, scratch);
  const double cost = gemm_integer_cost_ns(p.gemm) * static_cast<double>(batches) / static_cast<double>(p.lanes);
  parallel_for(*args.parallel, p.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      for (int64_t i = lane * batches / p.lanes; i < (lane + 1) * batches / p.lanes; ++i)
        run_batch(p, args, i, scratch + lane * p.lane_size);
    }
  });
}

// Where the matrix (or what its rows or columns have) of each batch begins.
std::vector<int64_t> batch_offsets(const Shape& batch, const Shape& shape, int64_t count) {
  std::vector<int64_t> offsets(static_cast<size_t>(count), 0);
  if (shape.size() <= 2) return offsets;
  const std::vector<int64_t> strides = row_major(shape);
  const size_t lead = shape.size() - 2;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    for (size_t d = batch.size(); d-- > 0;) {
      const int64_t index = rest % batch[d];
      rest /= batch[d];
      if (d + lead < batch.size()) continue;
      const size_t own = d + lead - batch.size();
      if (shape[own] != 1) offsets[static_cast<size_t>(i)] += index * strides[own];
    }
  }
  return offsets;
}

Along read_along(const KernelContext& c, int i, bool rows, const Shape& batch, int64_t count) {
  Along along;
  if (i < 0) return along;
  const Shape& shape = c.shape(i);
  if (shape.size() == 1) along.step = shape[0] > 1;
  if (shape.size() >= 2) along.step = shape[shape.size() - (rows ? 2 : 1)] > 1;
  along.offsets = batch_offsets(batch, shape, count);
  return along;
}

bool all_zero(const std::vector<int64_t>& offsets) {
  return std::all_of(offsets.begin(), offsets.end(), [](int64_t offset) { return offset == 0; });
}

// Makes one product of those of one matrix B by rows that lie in order.
void join_rows(IntegerProduct* p) {
  const int64_t batches = static_cast<int64_t>(p->a_offsets.size()), m = p->gemm.m;
  bool joins = batches > 1 && all_zero(p->b_offsets) && all_zero(p->b_zero.offsets);
  for (int64_t i = 0; i < batches && joins; ++i) {
    joins = p->a_offsets[i] == i * m * p->gemm.k;
    if (!p->a_zero.offsets.empty()) joins = joins && p->a_zero.offsets[i] == i * m * p->a_zero.step;
  }
  if (!joins) return;
  p->gemm.m *= batches;
  for (auto* offsets : {&p->a_offsets, &p->b_offsets, &p->a_zero.offsets, &p->b_zero.offsets})
    offsets->resize(std::min<size_t>(offsets->size(), 1));
}

template <bool quantizes, bool plain>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  IntegerProduct p{};
  p.plain = plain;
  p.quantizes = quantizes;
  p.at_b = quantizes ? 3 : 1;
  p.at_a_zero = c.has_input(2) ? 2 : -1;
  p.at_b_zero = c.has_input(quantizes ? 5 : 3) ? quantizes ? 5 : 3 : -1;
  p.at_bias = c.has_input(8) ? 8 : -1;
  Shape a = c.shape(0), b = c.shape(p.at_b);
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  Shape batch(std::max(a.size(), b.size()) - 2, 1);
  for (const Shape* shape : {&a, &b}) {
    for (size_t d = 0; d + 2 < shape->size(); ++d) {
      if ((*shape)[d] != 1) batch[d + batch.size() + 2 - shape->size()] = (*shape)[d];
    }
  }
  int64_t batches = 1;
  for (int64_t dim : batch) batches *= dim;
  GemmInteger& g = p.gemm;
  g.m = a[a.size() - 2];
  g.k = g.a_row = a[a.size() - 1];
  g.n = g.b_row = g.c_row = b[b.size() - 1];
  g.a_signed = c.dtype(0) == DType::kI8;
  g.b_signed = c.dtype(p.at_b) == DType::kI8;
  p.a_offsets = batch_offsets(batch, a, batches);
  p.b_offsets = batch_offsets(batch, b, batches);
  p.a_zero = read_along(c, p.at_a_zero, true, batch, batches);
  p.b_zero = read_along(c, p.at_b_zero, false, batch, batches);
  join_rows(&p);
  batches = static_cast<int64_t>(p.a_offsets.size());
  g.a_zero_step = p.a_zero.step;
  g.b_zero_step = p.b_zero.step;
  if (const Tensor* constant = c.constant(p.at_b);
      !plain && constant != nullptr && batches > 0 && all_zero(p.b_offsets)) {
    WEFT_TRY(p.packed, use_packed_b(*constant, &g, c.form_cache()));
    if (p.packed != nullptr) prepared->unused_inputs = {p.at_b};
  }
  p.lanes = std::min(batches, kLanes);
  p.lane_size = plain ? 0 : gemm_integer_scratch(g);
  if (quantizes) {
    p.lane_size += (g.m * g.n * 4 + 63) / 64 * 64;
    p.y_signed = c.output_dtype(0) == DType::kI8;
    p.scale_dtype = c.dtype(1);
    p.a_scales = c.count(1);
    p.b_scales = c.count(4);
    p.scales_size = ((p.a_scales + p.b_scales + 1) * 4 + 63) / 64 * 64;
  }
  prepared->scratch_bytes = p.scales_size + p.lanes * p.lane_size;
  prepared->cost_ns = gemm_integer_cost_ns(g) * static_cast<double>(batches);
  prepared->finishes =
      plain ? g.m * g.n <= kLeastStretch || std::min<int64_t>(g.m, 4) * g.n >= kLeastStretch : finishes_well(g);
  prepared->use<&run>(std::move(p));
  return {};
}

bool of_bytes(const KernelContext& c) {
  const auto is_byte = [](DType dtype) { return dtype == DType::kI8 || dtype == DType::kU8; };
  return is_byte(c.dtype(0)) && is_byte(c.dtype(3)) && is_byte(c.output_dtype(0));
}

}  // namespace

void add_cpu_matmul_integer(KernelRegistry& kernels) {
  kernels.add("MatMulInteger", {"vectors", nullptr, prepare<false, false>});
  kernels.add("MatMulInteger", {"plain", nullptr, prepare<false, true>});
  kernels.add("QLinearMatMul", {"vectors", of_bytes, prepare<true, false>});
  kernels.add("QLinearMatMul", {"plain", of_bytes, prepare<true, true>});
  kernels.add("weft.BiasedQLinearMatMul", {"vectors", of_bytes, prepare<true, false>});
  kernels.add("weft.BiasedQLinearMatMul", {"plain", of_bytes, prepare<true, true>});
}

}  // namespace weft
