// RotateHalves: each row of features is read once, and turned as it is written.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"

namespace weft {
namespace {

constexpr int64_t kElementsOfBlock = 4096;

struct State {
  Broadcast rows;        // of X, and which of cos and sin belong to each
  int64_t half, angles;  // features; of a row of cos and sin
};

template <typename T>
void turn(const T* x, const T* cos, const T* sin, int64_t half, int64_t second, T* __restrict y) {
  for (int64_t i = 0; i < half; ++i) {
    const T a = x[i], b = x[half + i];
    y[i] = a * cos[i] - b * sin[i];
    y[half + i] = b * cos[second + i] + a * sin[second + i];
  }
}

template <typename T>
void run(const State& s, const RunArgs& args) {
  const T *x = args.input<T>(0), *cos = args.input<T>(1), *sin = args.input<T>(2);
  T* y = args.output<T>(0);
  const int64_t features = 2 * s.half, block = std::max<int64_t>(kElementsOfBlock / features, 1);
  const int64_t cos_step = s.rows.last_step(0), sin_step = s.rows.last_step(1), second = s.angles - s.half;
  parallel_for(*args.parallel, s.rows.count, block, static_cast<double>(features), [&](int64_t begin, int64_t end) {
    for_runs<2>(s.rows, begin, end, [&](int64_t row, const int64_t* at, int64_t length) {
      for (int64_t i = 0; i < length; ++i) {
        turn(x + (row + i) * features, cos + (at[0] + i * cos_step) * s.angles, sin + (at[1] + i * sin_step) * s.angles,
             s.half, second, y + (row + i) * features);
      }
    });
  });
}

bool accepts(const KernelContext& c) {
  const Shape &x = c.shape(0), &cos = c.shape(1), &sin = c.shape(2);
  if (x.empty() || x.back() % 2 != 0 || x.back() == 0) return false;
  const int64_t angles = c.attrs().b("angles_of_pairs") ? x.back() / 2 : x.back();
  for (const Shape* table : {&cos, &sin}) {
    if (table->empty() || table->size() > x.size() || table->back() != angles) return false;
    for (size_t i = 0; i + 1 < table->size(); ++i) {
      if ((*table)[i] != 1 && (*table)[i] != x[x.size() - table->size() + i]) return false;
    }
  }
  return true;
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const auto lead = [&](int i) { return Shape(c.shape(i).begin(), c.shape(i).end() - 1); };
  State s{plan_broadcast(lead(0), {lead(1), lead(2)}), c.shape(0).back() / 2, c.shape(1).back()};
  prepared->cost_ns = static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run<float>>(std::move(s));
  else
    prepared->use<&run<double>>(std::move(s));
  return {};
}

}  // namespace

void add_cpu_rotate_halves(KernelRegistry& kernels) { kernels.add("weft.RotateHalves", {"rows", accepts, prepare}); }

}  // namespace weft
