// Resize: the nearest element, or sums of weighted ones on both sides along each axis.
#include <cmath>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {

namespace {

constexpr int kMostDims = 6;
constexpr int kMostResized = 3;  // axes of sums

enum class Coordinates { kHalfPixel, kHalfPixelSymmetric, kPytorchHalfPixel, kAlignCorners, kAsymmetric };
enum class Nearest { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

// An axis, or several side by side that stay as they are. The scale is by / over, as on the CPU: two whole numbers
// where sizes are given, so that no place is rounded twice.
struct Dim {
  int64_t in, out;
  double by, over;
  bool resized;
};

struct Plan {
  Dim dims[kMostDims];
  int rank = 0;
  int64_t count = 1;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Nearest nearest = Nearest::kRoundPreferFloor;
  bool linear = false, exclude_outside = false;
};

template <typename E>
bool read_name(const std::string& given, std::initializer_list<const char*> names, E* out) {
  int i = 0;
  for (const char* name : names) {
    if (given == name) {
      *out = static_cast<E>(i);
      return true;
    }
    ++i;
  }
  return false;
}

// Where place `at` of the output lies in the input: rounded as on the CPU.
__device__ double source(const Plan& s, const Dim& d, int64_t at) {
  const double place = static_cast<double>(at), last = static_cast<double>(d.in - 1);
  const double exact = __ddiv_rn(__dmul_rn(static_cast<double>(d.in), d.by), d.over);
  const double half_pixel = __dadd_rn(__ddiv_rn(__dmul_rn(place + 0.5, d.over), d.by), -0.5);
  switch (s.coordinates) {
    case Coordinates::kHalfPixel: return half_pixel;
    case Coordinates::kHalfPixelSymmetric: {
      const double moved = __dmul_rn(static_cast<double>(d.in) / 2, 1 - __ddiv_rn(static_cast<double>(d.out), exact));
      return __dadd_rn(__dadd_rn(moved, __ddiv_rn(__dmul_rn(place + 0.5, d.over), d.by)), -0.5);
    }
    case Coordinates::kPytorchHalfPixel: return d.out > 1 ? half_pixel : 0;
    case Coordinates::kAlignCorners: return at == 0 ? 0 : __ddiv_rn(__dmul_rn(place, last), exact - 1);
    case Coordinates::kAsymmetric: break;
  }
  return __ddiv_rn(__dmul_rn(place, d.over), d.by);
}

__device__ int64_t clamped(double place, const Dim& d) {
  return static_cast<int64_t>(fmin(fmax(place, 0.0), static_cast<double>(d.in - 1)));
}

__device__ int64_t nearest_of(const Plan& s, const Dim& d, int64_t at) {
  const double x = source(s, d, at), below = floor(x), above = x - below;
  switch (s.nearest) {
    case Nearest::kRoundPreferFloor: return clamped(above <= 0.5 ? below : below + 1, d);
    case Nearest::kRoundPreferCeil: return clamped(above < 0.5 ? below : below + 1, d);
    case Nearest::kFloor: return clamped(below, d);
    case Nearest::kCeil: break;
  }
  return clamped(ceil(x), d);
}

template <typename T>
__global__ void pick(const T* in, T* out, Plan s) {
  WEFT_FOR(i, s.count) {
    int64_t rest = i, from = 0, stride = 1;
    for (int d = s.rank - 1; d >= 0; --d) {
      const Dim& dim = s.dims[d];
      int64_t next, at;
      if (s.count < (int64_t{1} << 31)) {
        next = static_cast<uint32_t>(rest) / static_cast<uint32_t>(dim.out);
        at = static_cast<uint32_t>(rest) - static_cast<uint32_t>(next) * static_cast<uint32_t>(dim.out);
      } else {
        next = rest / dim.out;
        at = rest - next * dim.out;
      }
      rest = next;
      from += (dim.resized ? nearest_of(s, dim, at) : at) * stride;
      stride *= dim.in;
    }
    out[i] = in[from];
  }
}

// The two elements around a place and their weights; the second one has none where they are one.
template <typename W>
struct Taps {
  int64_t at[2];
  W weight[2];
};

template <typename W>
__device__ Taps<W> taps_of(const Plan& s, const Dim& d, int64_t at) {
  const double x = source(s, d, at), middle = floor(x), last = static_cast<double>(d.in - 1);
  double weight[2], total = 0;
  for (int t = 0; t < 2; ++t) {
    const double place = middle + t;
    const bool counts = !s.exclude_outside || (place >= 0 && place <= last);
    weight[t] = counts ? fmax(0.0, 1 - fabs(place - x)) : 0;
    total += weight[t];
  }
  if (total == 0) return {{clamped(floor(x + 0.5), d), 0}, {W(1), W(0)}};
  Taps<W> taps{{clamped(middle, d), clamped(middle + 1, d)}, {W(weight[0] / total), W(weight[1] / total)}};
  if (taps.at[0] == taps.at[1]) {
    taps.weight[0] += taps.weight[1];
    taps.weight[1] = 0;
  }
  return taps;
}

template <typename T>
__global__ void weigh(const T* in, T* out, Plan s) {
  using W = Wide<T>;
  WEFT_FOR(i, s.count) {
    int64_t rest = i, from = 0, stride = 1, steps[kMostResized][2];
    W weights[kMostResized][2];
    int resized = 0;
#pragma unroll
    for (int r = 0; r < kMostResized; ++r) {
      steps[r][0] = steps[r][1] = 0;
      weights[r][0] = W(1);
      weights[r][1] = W(0);
    }
    for (int d = s.rank - 1; d >= 0; --d) {
      const Dim& dim = s.dims[d];
      const int64_t next = rest / dim.out, at = rest - next * dim.out;
      rest = next;
      if (dim.resized) {
        const Taps<W> taps = taps_of<W>(s, dim, at);
        // By constant places, so that all of it stays in registers.
#pragma unroll
        for (int r = 0; r < kMostResized; ++r) {
          if (r != resized) continue;
#pragma unroll
          for (int t = 0; t < 2; ++t) {
            steps[r][t] = taps.at[t] * stride;
            weights[r][t] = taps.weight[t];
          }
        }
        ++resized;
      } else {
        from += at * stride;
      }
      stride *= dim.in;
    }
    W sum = W(0);
    // What has no weight is not looked at: it may be infinite.
#pragma unroll
    for (int t = 0; t < (1 << kMostResized); ++t) {
      W weight = W(1);
      int64_t place = from;
      bool counts = true;
#pragma unroll
      for (int r = 0; r < kMostResized; ++r) {
        const int side = (t >> r) & 1;
        counts = counts && weights[r][side] != W(0);
        weight *= weights[r][side];
        place += steps[r][side];
      }
      if (counts) sum += widen(in[place]) * weight;
    }
    out[i] = narrow<T>(sum);
  }
}

bool make_plan(const Node& node, Plan* s) {
  const Value &x = node.input(0), &y = node.output(0);
  if (x.count() == 0 || y.count() == 0) return false;
  const std::string mode = node.s("mode");
  s->linear = mode == "linear";
  if (!s->linear && mode != "nearest") return false;
  if (node.i("antialias") != 0 || node.s("keep_aspect_ratio_policy") != "stretch") return false;
  if (!read_name(node.s("coordinate_transformation_mode"),
                 {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"},
                 &s->coordinates)) {
    return false;
  }
  if (!read_name(node.s("nearest_mode"), {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, &s->nearest)) {
    return false;
  }
  s->exclude_outside = node.i("exclude_outside") != 0;
  if (s->linear ? !in_list(FloatTypes{}, x.dtype) : element_bytes(x.dtype) == 0 || element_bytes(x.dtype) > 8) {
    return false;
  }
  const bool to_sizes = node.has(3) && node.input(3).count() > 0;
  if (!to_sizes && !node.has(2)) return false;
  const Value& given = node.input(to_sizes ? 3 : 2);
  if (given.constant == nullptr) return false;
  std::vector<int64_t> axes;
  if (node.has_attr("axes")) axes = node.ints("axes");
  if (axes.empty()) {
    for (int d = 0; d < x.rank(); ++d) axes.push_back(d);
  }
  if (given.count() != static_cast<int64_t>(axes.size())) return false;
  std::vector<Dim> all;
  for (int d = 0; d < x.rank(); ++d) {
    all.push_back({x.shape[static_cast<size_t>(d)], y.shape[static_cast<size_t>(d)], 1, 1, false});
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& dim = all[static_cast<size_t>(axes[i] < 0 ? axes[i] + x.rank() : axes[i])];
    if (to_sizes) {
      dim.by = static_cast<double>(static_cast<const int64_t*>(given.constant)[i]);
      dim.over = static_cast<double>(dim.in);
    } else {
      dim.by = static_cast<const float*>(given.constant)[i];
    }
    dim.resized = dim.in != dim.out || dim.by != dim.over;
  }
  int resized = 0;
  for (const Dim& dim : all) {
    s->count *= dim.out;
    resized += dim.resized;
    if (!dim.resized && dim.in != dim.out) return false;
    if (s->rank > 0 && !dim.resized && !s->dims[s->rank - 1].resized) {
      s->dims[s->rank - 1].in *= dim.in;
      s->dims[s->rank - 1].out *= dim.out;
      continue;
    }
    if (s->rank == kMostDims) return false;
    s->dims[s->rank++] = dim;
  }
  return !s->linear || resized <= kMostResized;
}

bool accepts_resize(const Node& node) {
  Plan s;
  return make_plan(node, &s);
}

Prepared prepare_resize(const Node& node) {
  Plan s;
  if (!make_plan(node, &s)) throw Error(WEFT_INTERNAL, "Resize has too many dimensions");
  Prepared made;
  if (s.linear) {
    with_type(FloatTypes{}, node.input(0).dtype, [&]<typename T>() {
      made.run = [s](const Launch& launch) {
        start(launch, weigh<T>, blocks_for(s.count), kThreads, 0, launch.input<T>(0), launch.output<T>(0), s);
      };
    });
  } else {
    with_size(element_bytes(node.input(0).dtype), [&]<typename T>() {
      made.run = [s](const Launch& launch) {
        start(launch, pick<T>, blocks_for(s.count), kThreads, 0, launch.input<T>(0), launch.output<T>(0), s);
      };
    });
  }
  return made;
}

}  // namespace

void define_resize(Definitions& all) { all.push_back({"Resize", "plain", accepts_resize, prepare_resize}); }

}  // namespace weft::cuda
