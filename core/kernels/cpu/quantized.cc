// Kernels of elementwise operators that make quantized numbers: sums and products, functions by a table, scaled sums.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/quantized_common.h"

namespace weft {
namespace {

constexpr double kQuantizingNs = 0.3;  // of an element

// -- Two operands, of which the first is bytes.
using PairFn = void (*)(const BytePair& pair, const void* a, const void* b, int64_t n, uint8_t* to);

struct PairState {
  Broadcast plan;
  BytePair pair;
  PairFn fn;

  int64_t b_size() const { return pair.b_is_float ? 4 : 1; }
};

void span_pair(const PairState& s, const void* const* in, void* out, int64_t n) {
  s.fn(s.pair, in[0], in[1], n, static_cast<uint8_t*>(out));
}

// A number of an operand that stays where it is, side by side.
constexpr int64_t kRepeated = 1024;
struct Repeated {
  alignas(64) uint8_t bytes[4 * kRepeated];

  void fill(const uint8_t* number, int64_t size, int64_t n) {
    if (size == 1) {
      std::memset(bytes, *number, static_cast<size_t>(n));
      return;
    }
    for (int64_t i = 0; i < n; ++i) std::memcpy(bytes + 4 * i, number, 4);
  }
};

void run_pair(const PairState& s, const RunArgs& args) {
  const uint8_t *a = args.input<uint8_t>(0), *b = args.input<uint8_t>(1);
  const bool a_moves = s.plan.last_step(0) != 0, b_moves = s.plan.last_step(1) != 0;
  const int64_t b_size = s.b_size();
  parallel_for(*args.parallel, s.plan.count, kElementwiseBlock, kQuantizingNs, [&](int64_t begin, int64_t end) {
    Repeated same;
    for_runs<2>(s.plan, begin, end, [&](int64_t out, const int64_t* at, int64_t n) {
      const uint8_t *from_a = a + at[0], *from_b = b + at[1] * b_size;
      uint8_t* to = args.output<uint8_t>(0) + out;
      if (a_moves && b_moves) {
        s.fn(s.pair, from_a, from_b, n, to);
        return;
      }
      const int64_t most = std::min(n, kRepeated);
      same.fill(a_moves ? from_b : from_a, a_moves ? b_size : 1, most);
      for (int64_t i = 0; i < n; i += most) {
        const void *left = a_moves ? from_a + i : same.bytes, *right = b_moves ? from_b + i * b_size : same.bytes;
        s.fn(s.pair, left, right, std::min(most, n - i), to + i);
      }
    });
  });
}

template <PairFn QuantizedTable::*fn>
Status prepare_pair(const KernelContext& c, PreparedKernel* prepared) {
  PairState state{plan_broadcast(c), {}, quantized_table().*fn};
  state.pair.a = read_byte_code(c.attrs(), "a_scale", "a_zero_point", c.dtype(0));
  state.pair.b = read_byte_code(c.attrs(), "b_scale", "b_zero_point", c.dtype(1));
  state.pair.b_is_float = c.dtype(1) == DType::kF32;
  state.pair.y = read_byte_result(c);
  prepared->cost_ns = kQuantizingNs * static_cast<double>(state.plan.count);
  prepared->use<&run_pair>(std::move(state));
  prepared->use_span<&span_pair, PairState>();
  return {};
}

// -- Sums of products, scaled.
struct SumsState {
  Broadcast plan;
  ByteResult y;
};

void span_sums(const SumsState& s, const void* const* in, void* out, int64_t n) {
  const ScaledSums sums{static_cast<const int32_t*>(in[0]), static_cast<const float*>(in[1]),
                        static_cast<const float*>(in[2]), 1, 1};
  quantized_table().quantize_sums(sums, n, s.y, static_cast<uint8_t*>(out));
}

void run_sums(const SumsState& s, const RunArgs& args) {
  const QuantizedTable& table = quantized_table();
  parallel_for(*args.parallel, s.plan.count, kElementwiseBlock, kQuantizingNs, [&](int64_t begin, int64_t end) {
    for_runs<3>(s.plan, begin, end, [&](int64_t out, const int64_t* at, int64_t n) {
      const ScaledSums sums{args.input<int32_t>(0) + at[0], args.input<float>(1) + at[1], args.input<float>(2) + at[2],
                            s.plan.last_step(1), s.plan.last_step(2)};
      table.quantize_sums(sums, n, s.y, args.output<uint8_t>(0) + out);
    });
  });
}

// Sums that are not stretched.
bool accepts_sums(const KernelContext& c) { return c.count(0) == c.output_count_of(0); }

Status prepare_sums(const KernelContext& c, PreparedKernel* prepared) {
  SumsState state{plan_broadcast(c), read_byte_result(c)};
  prepared->cost_ns = kQuantizingNs * static_cast<double>(state.plan.count);
  prepared->use<&run_sums>(std::move(state));
  prepared->use_span<&span_sums, SumsState>();
  return {};
}

// -- A function of a byte.
struct ByteTable {
  int64_t count;
  std::array<uint8_t, 256> of;  // by the byte's bits
};

void span_table(const ByteTable& s, const void* const* in, void* out, int64_t n) {
  const uint8_t* x = static_cast<const uint8_t*>(in[0]);
  uint8_t* y = static_cast<uint8_t*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = s.of[x[i]];
}
void run_table(const ByteTable& s, const RunArgs& args) {
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.4, [&](int64_t begin, int64_t end) {
    const void* x = args.input<uint8_t>(0) + begin;
    span_table(s, &x, args.output<uint8_t>(0) + begin, end - begin);
  });
}

Status prepare_table(const KernelContext& c, PreparedKernel* prepared) {
  ByteTable state{c.count(0), {}};
  const uint8_t* table = c.attrs().tensor("table").as<uint8_t>();
  const size_t first = c.dtype(0) == DType::kI8 ? 0x80 : 0;  // the bits of the least number
  for (size_t i = 0; i < state.of.size(); ++i) state.of[i ^ first] = table[i];
  prepared->cost_ns = 0.4 * static_cast<double>(state.count);
  prepared->use<&run_table>(state);
  prepared->use_span<&span_table, ByteTable>();
  return {};
}

}  // namespace

void add_cpu_quantized(KernelRegistry& kernels) {
  kernels.add("weft.QLinearAdd", {"vectors", nullptr, prepare_pair<&QuantizedTable::sum>});
  kernels.add("weft.QLinearMul", {"vectors", nullptr, prepare_pair<&QuantizedTable::product>});
  kernels.add("weft.QuantizeSums", {"vectors", accepts_sums, prepare_sums});
  kernels.add("weft.LookUpBytes", {"table", nullptr, prepare_table});
}

}  // namespace weft
