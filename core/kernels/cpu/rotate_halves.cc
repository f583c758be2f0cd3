// RotateHalves: each row of features is read once, and turned as it is written.
#include "core/base/divide_up.h"
#include "core/kernel/registry.h"

namespace weft {
namespace {

constexpr int64_t kElementsOfBlock = 4096;

struct State {
  Shape lead;  // the axes before the features
  int64_t rows = 1, half;
  std::vector<int64_t> cos, sin;  // distances along these axes, 0 where they are repeated
  int64_t second;                 // where the angles of the second half begin
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
  parallel_for(*args.parallel, s.rows, block, static_cast<double>(features), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row, cos_at = 0, sin_at = 0;
      for (size_t axis = s.lead.size(); axis-- > 0;) {
        const int64_t at = rest % s.lead[axis];
        rest /= s.lead[axis];
        cos_at += at * s.cos[axis];
        sin_at += at * s.sin[axis];
      }
      turn(x + row * features, cos + cos_at, sin + sin_at, s.half, s.second, y + row * features);
    }
  });
}

// Distances of what is broadcast along axes before its last one.
std::vector<int64_t> distances(const Shape& shape, size_t axes) {
  std::vector<int64_t> out(axes, 0);
  int64_t distance = shape.back();
  for (size_t i = shape.size() - 1; i-- > 0;) {
    if (shape[i] != 1) out[axes - (shape.size() - 1) + i] = distance;
    distance *= shape[i];
  }
  return out;
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
  const Shape& x = c.shape(0);
  State s{};
  s.lead.assign(x.begin(), x.end() - 1);
  for (int64_t size : s.lead) s.rows *= size;
  s.half = x.back() / 2;
  s.cos = distances(c.shape(1), s.lead.size());
  s.sin = distances(c.shape(2), s.lead.size());
  s.second = c.attrs().b("angles_of_pairs") ? 0 : s.half;
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
