// Kernels of SamplePoints and SamplePointsGrad.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/stop_common.h"
#include "core/kernels/cpu/types_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

constexpr int64_t kTapsAtOnce = 1024;   // indices and weights of a block of points, on the stack
constexpr int64_t kChannelsAtOnce = 8;  // share the taps of the gradient

using SampledElements = Types<float, double, std::complex<float>, std::complex<double>>;

struct Sampling {
  enum class Mode { kNearest, kLinear, kCubic } mode = Mode::kLinear;
  enum class Outside { kZeros, kBorder, kReflection } outside = Outside::kZeros;
  bool align_corners, last_axis_first;
  int64_t images, channels, points, pixels = 1;  // points and pixels of an image
  int64_t axes;
  int64_t size[5], step[5], order[5];
  int64_t taps_of_axis, taps = 1;  // taps_of_axis is 1, 2 or 4: 1 << tap_bits
  int tap_bits;
  int64_t block;  // points
};

// The order-th derivative by u of the cubic weight of a pixel at most one away, and of one further away.
template <typename T>
T near_weight(T u, int64_t order) {
  constexpr T a = T(-0.75);
  switch (order) {
    case 0: return ((a + 2) * u - (a + 3)) * u * u + 1;
    case 1: return (3 * (a + 2) * u - 2 * (a + 3)) * u;
    case 2: return 6 * (a + 2) * u - 2 * (a + 3);
    case 3: return 6 * (a + 2);
    default: return 0;
  }
}
template <typename T>
T far_weight(T u, int64_t order) {
  constexpr T a = T(-0.75);
  switch (order) {
    case 0: return ((a * u - 5 * a) * u + 8 * a) * u - 4 * a;
    case 1: return (3 * a * u - 10 * a) * u + 8 * a;
    case 2: return 6 * a * u - 10 * a;
    case 3: return 6 * a;
    default: return 0;
  }
}

// Where the pixel lies that stands for `at`; -1 for a zero.
int64_t pixel_at(const Sampling& s, int64_t at, int64_t size) {
  if (at >= 0 && at < size) return at;
  if (s.outside == Sampling::Outside::kZeros || size == 0) return -1;
  if (s.outside == Sampling::Outside::kBorder) return at < 0 ? 0 : size - 1;
  const int64_t period = s.align_corners ? 2 * (size - 1) : 2 * size;
  if (period == 0) return 0;
  const int64_t place = at % period + (at % period < 0 ? period : 0);
  return place < size ? place : period - place - (s.align_corners ? 0 : 1);
}

// The pixels around a place along an axis, and what they count.
template <typename T>
void find_taps(const Sampling& s, T place, int64_t axis, int64_t* index, T* weight) {
  constexpr T kFar = T(1 << 30);  // further outside only reflections change, which come again
  const bool not_a_number = std::isnan(place);
  if (s.outside == Sampling::Outside::kReflection && std::isfinite(place) && std::fabs(place) > kFar) {
    const int64_t period = s.align_corners ? 2 * (s.size[axis] - 1) : 2 * s.size[axis];
    if (period > 0) place = std::fmod(place, static_cast<T>(period));
  }
  const T p = not_a_number ? T(0) : std::clamp(place, -kFar, kFar);
  const int64_t order = s.order[axis];
  const T below = s.mode == Sampling::Mode::kNearest ? std::nearbyint(p) : std::floor(p);
  const T t = not_a_number ? place : p - below;
  int64_t first = static_cast<int64_t>(below);
  switch (s.mode) {
    case Sampling::Mode::kNearest: weight[0] = not_a_number ? t : T(order == 0); break;
    case Sampling::Mode::kLinear:
      weight[0] = order == 0 ? 1 - t : T(order == 1 ? -1 : 0);
      weight[1] = order == 0 ? t : T(order == 1 ? 1 : 0);
      break;
    case Sampling::Mode::kCubic: {
      const T sign = order % 2 == 0 ? T(1) : T(-1);  // mirrored
      --first;
      weight[0] = far_weight(t + 1, order);
      weight[1] = near_weight(t, order);
      weight[2] = sign * near_weight(1 - t, order);
      weight[3] = sign * far_weight(2 - t, order);
      break;
    }
  }
  for (int64_t k = 0; k < s.taps_of_axis; ++k) index[k] = pixel_at(s, first + k, s.size[axis]);
}

// Calls keep(tap, point, pixel, weight) for all taps of `n` points; the pixel is -1 for a zero.
template <typename T, typename Keep>
void for_taps(const Sampling& s, const T* places, int64_t n, Keep&& keep) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t along[5][4];
    T part[5][4];
    for (int64_t d = 0; d < s.axes; ++d) {
      const int64_t from = s.last_axis_first ? s.axes - 1 - d : d;
      find_taps(s, places[i * s.axes + from], d, along[d], part[d]);
    }
    for (int64_t k = 0; k < s.taps; ++k) {
      int64_t at = 0, rest = k;
      T product = 1;
      for (int64_t d = s.axes - 1; d >= 0; --d) {
        const int64_t tap = rest & (s.taps_of_axis - 1);
        rest >>= s.tap_bits;
        at = at < 0 || along[d][tap] < 0 ? -1 : at + along[d][tap] * s.step[d];
        product *= part[d][tap];
      }
      keep(k, i, at, product);
    }
  }
}

// Of points [begin, begin + n) of an image the pixels, -1 for zeros, and weights: tap k of point i at [k * n + i].
template <typename T>
void find_all_taps(const Sampling& s, const T* places, int64_t n, int64_t* index, T* weight) {
  for_taps(s, places, n, [=](int64_t k, int64_t i, int64_t at, T product) {
    index[k * n + i] = at;
    weight[k * n + i] = product;
  });
}

// The same as vectors want it.
template <typename T>
void find_vector_taps(const Sampling& s, const T* places, const SampledPoints<T>& to) {
  for_taps(s, places, to.n, [&to](int64_t k, int64_t i, int64_t at, T product) {
    to.index[k * to.room + i] = static_cast<int32_t>(std::max<int64_t>(at, 0));
    to.weight[k * to.room + i] = at < 0 ? T(-0.0) : product + T(0);  // -0 is of no pixel, also where it is a product
  });
  const int64_t past = divide_up(to.n, kSampledTogether) * kSampledTogether - to.n;
  for (int64_t k = 0; k < to.rows; ++k) {
    std::fill_n(to.index + k * to.room + to.n, past, 0);
    std::fill_n(to.weight + k * to.room + to.n, past, T(-0.0));
  }
}

// Points on vectors, in rounds of pieces of an image each: first the pixels and weights of all pieces of a round are
// found, then every channel takes them, piece after piece. So they are found once, a channel's pixels stay in the
// cache, and threads divide points and channels.
constexpr int64_t kTapsOfPiece = 4096, kPiecesOfRound = 32, kLeastBlocks = 64;

struct PieceSampling {
  Sampling sampling;
  bool pairs;  // of neighbours along the last axis have one index, and `plane` says the rest
  SampledPlane plane;
  int64_t room;  // points of a piece
  int64_t pieces_of_image, pieces, pieces_of_round;
  double find_ns, sample_ns;  // of a point; of one and a channel

  int64_t rows() const { return pairs ? sampling.taps / 2 : sampling.taps; }
  // One piece's; both parts are multiples of 64.
  int64_t index_bytes() const { return rows() * room * static_cast<int64_t>(sizeof(int32_t)); }
  template <typename T>
  int64_t piece_bytes() const {
    return index_bytes() + sampling.taps * room * static_cast<int64_t>(sizeof(T));
  }
  int64_t first_point(int64_t piece) const { return piece % pieces_of_image * room; }
  // Of piece `i` of a round, which is `piece` of all.
  template <typename T>
  SampledPoints<T> points(void* scratch, int64_t i, int64_t piece) const {
    char* memory = static_cast<char*>(scratch) + i * piece_bytes<T>();
    return {std::min(room, sampling.points - first_point(piece)), rows(), room, reinterpret_cast<int32_t*>(memory),
            reinterpret_cast<T*>(memory + index_bytes())};
  }
};

template <typename T>
void sample_pieces(const PieceSampling& p, const RunArgs& args) {
  const Sampling& s = p.sampling;
  const SampleTable<T>& table = sample_table(T());
  const auto sample_piece = p.pairs ? table.pairs : table.taps;
  const double of_piece = static_cast<double>(std::min(p.room, s.points));
  for (int64_t first = 0; first < p.pieces; first += p.pieces_of_round) {
    const int64_t count = std::min(p.pieces_of_round, p.pieces - first);
    parallel_for(*args.parallel, count, 1, p.find_ns * of_piece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t piece = first + i, image = piece / p.pieces_of_image;
        const T* places = args.input<T>(1) + (image * s.points + p.first_point(piece)) * s.axes;
        const SampledPoints<T> to = p.points<T>(args.scratch, i, piece);
        if (p.pairs)
          table.find_pairs(p.plane, places, to);
        else
          find_vector_taps(s, places, to);
      }
    });
    // Pieces that were skipped have no indices.
    if (should_stop(*args.parallel)) return;
    const int64_t tasks = count * s.channels, block = std::clamp<int64_t>(tasks / kLeastBlocks, 1, count);
    parallel_for(*args.parallel, tasks, block, p.sample_ns * of_piece, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t channel = task / count, i = task % count, piece = first + i;
        const int64_t plane = piece / p.pieces_of_image * s.channels + channel;
        sample_piece(p.points<T>(args.scratch, i, piece), args.input<T>(0) + plane * s.pixels,
                     args.output<T>(0) + plane * s.points + p.first_point(piece));
      }
    });
  }
}

// Complex numbers are weighted with real ones.
template <typename T>
void sample(const Sampling& s, const RunArgs& args) {
  using W = Real<T>;
  const int64_t blocks = (s.points + s.block - 1) / s.block;
  const double cost = static_cast<double>(s.block * s.taps * (s.channels + 8));
  parallel_for(*args.parallel, s.images * blocks, 1, cost, [&](int64_t begin, int64_t end) {
    int64_t index[kTapsAtOnce];
    W weight[kTapsAtOnce];
    for (int64_t b = begin; b < end; ++b) {
      const int64_t image = b / blocks, first = b % blocks * s.block, n = std::min(s.block, s.points - first);
      find_all_taps(s, args.input<W>(1) + (image * s.points + first) * s.axes, n, index, weight);
      for (int64_t c = 0; c < s.channels; ++c) {
        const T* x = args.input<T>(0) + (image * s.channels + c) * s.pixels;
        T* y = args.output<T>(0) + (image * s.channels + c) * s.points + first;
        std::fill_n(y, n, T(0));
        for (int64_t k = 0; k < s.taps; ++k) {
          for (int64_t i = 0; i < n; ++i) {
            if (index[k * n + i] >= 0) y[i] += weight[k * n + i] * x[index[k * n + i]];
          }
        }
      }
    }
  });
}

template <typename T>
void sample_grad(const Sampling& s, const RunArgs& args) {
  using W = Real<T>;
  const int64_t groups = (s.channels + kChannelsAtOnce - 1) / kChannelsAtOnce;
  const double cost = static_cast<double>(s.points * s.taps * (std::min(s.channels, kChannelsAtOnce) + 8) + s.pixels);
  parallel_for(*args.parallel, s.images * groups, 1, cost, [&](int64_t begin, int64_t end) {
    int64_t index[kTapsAtOnce];
    W weight[kTapsAtOnce];
    for (int64_t g = begin; g < end; ++g) {
      const int64_t image = g / groups, first = g % groups * kChannelsAtOnce;
      const int64_t last = std::min(s.channels, first + kChannelsAtOnce);
      T* dx = args.output<T>(0) + image * s.channels * s.pixels;
      std::fill(dx + first * s.pixels, dx + last * s.pixels, T(0));
      for (int64_t at = 0; at < s.points; at += s.block) {
        const int64_t n = std::min(s.block, s.points - at);
        find_all_taps(s, args.input<W>(2) + (image * s.points + at) * s.axes, n, index, weight);
        for (int64_t c = first; c < last; ++c) {
          const T* dy = args.input<T>(0) + (image * s.channels + c) * s.points + at;
          for (int64_t k = 0; k < s.taps; ++k) {
            for (int64_t i = 0; i < n; ++i) {
              // A weight that is not a number makes nothing of a gradient of 0.
              const int64_t pixel = index[k * n + i];
              if (pixel >= 0 && dy[i] != T(0)) dx[c * s.pixels + pixel] += weight[k * n + i] * dy[i];
            }
          }
        }
      }
    }
  });
}

Sampling make_sampling(const KernelContext& c, int at_x, int at_places) {
  const Shape &x = c.shape(at_x), &places = c.shape(at_places);
  Sampling s{};
  const std::string &mode = c.attrs().s("mode"), &padding = c.attrs().s("padding_mode");
  s.mode = mode == "nearest"  ? Sampling::Mode::kNearest
           : mode == "linear" ? Sampling::Mode::kLinear
                              : Sampling::Mode::kCubic;
  s.outside = padding == "zeros"    ? Sampling::Outside::kZeros
              : padding == "border" ? Sampling::Outside::kBorder
                                    : Sampling::Outside::kReflection;
  s.align_corners = c.attrs().b("align_corners");
  s.last_axis_first = c.attrs().b("last_axis_first");
  s.images = x[0];
  s.channels = x[1];
  s.axes = static_cast<int64_t>(x.size()) - 2;
  s.points = 1;
  for (size_t d = 1; d + 1 < places.size(); ++d) s.points *= places[d];
  s.tap_bits = s.mode == Sampling::Mode::kNearest ? 0 : s.mode == Sampling::Mode::kLinear ? 1 : 2;
  s.taps_of_axis = int64_t{1} << s.tap_bits;
  const std::vector<int64_t> orders = c.attrs().ints_or_empty("orders");
  for (int64_t d = s.axes - 1; d >= 0; --d) {
    s.size[d] = x[static_cast<size_t>(d + 2)];
    s.step[d] = s.pixels;
    s.order[d] = orders.empty() ? 0 : orders[static_cast<size_t>(d)];
    s.pixels *= s.size[d];
    s.taps *= s.taps_of_axis;
  }
  s.block = std::max<int64_t>(1, std::min<int64_t>(64, kTapsAtOnce / s.taps));
  return s;
}

// Whether indices of an image fit what vectors take, and there is a pixel to stand for those outside.
bool takes_pieces(const KernelContext& c, const Sampling& s) {
  return in_list(FloatElements{}, c.dtype(0)) && s.pixels > 0 && s.pixels <= std::numeric_limits<int32_t>::max();
}

// Of an image that has pixels.
bool samples_pairs(const Sampling& s) {
  return s.axes == 2 && s.mode == Sampling::Mode::kLinear && s.outside == Sampling::Outside::kZeros && s.size[1] > 1 &&
         std::max(s.size[0], s.size[1]) <= kMostOfSampledAxis;
}

PieceSampling make_pieces(const Sampling& s) {
  PieceSampling p{};
  p.sampling = s;
  p.pairs = samples_pairs(s);
  if (p.pairs) {
    const auto order = [&s](int64_t axis) { return static_cast<int32_t>(std::min<int64_t>(s.order[axis], 2)); };
    p.plane = {static_cast<int32_t>(s.size[0]), static_cast<int32_t>(s.size[1]), order(0), order(1), s.last_axis_first};
  }
  const int64_t most = std::min(std::max(kTapsOfPiece / s.taps, kSampledTogether), s.points);
  p.room = divide_up(std::max<int64_t>(most, 1), kSampledTogether) * kSampledTogether;
  p.pieces_of_image = divide_up(s.points, p.room);
  p.pieces = s.images * p.pieces_of_image;
  p.pieces_of_round = std::min(p.pieces, kPiecesOfRound);
  p.find_ns = p.pairs ? 3 : 8 * static_cast<double>(s.taps);
  p.sample_ns = (p.pairs ? 0.2 : 0.5) * static_cast<double>(s.taps);
  return p;
}

Status prepare_sample(const KernelContext& c, PreparedKernel* prepared) {
  const Sampling s = make_sampling(c, 0, 1);
  if (takes_pieces(c, s)) {
    const PieceSampling p = make_pieces(s);
    prepared->cost_ns =
        static_cast<double>(s.images * s.points) * (p.find_ns + p.sample_ns * static_cast<double>(s.channels));
    with_type(FloatElements{}, c.dtype(0), [&]<typename T>() {
      prepared->scratch_bytes = p.pieces_of_round * p.piece_bytes<T>();
      prepared->use<&sample_pieces<T>>(p);
    });
    return {};
  }
  prepared->cost_ns = static_cast<double>(s.images * s.points * s.taps * (s.channels + 8));
  with_type(SampledElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&sample<T>>(s); });
  return {};
}

Status prepare_sample_grad(const KernelContext& c, PreparedKernel* prepared) {
  const Sampling s = make_sampling(c, 1, 2);
  prepared->cost_ns = static_cast<double>(s.images * (s.points * s.taps * (s.channels + 8) + s.channels * s.pixels));
  with_type(SampledElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&sample_grad<T>>(s); });
  return {};
}

// `places` is the input that has them.
template <int places>
bool takes_samples(const KernelContext& c) {
  return in_list(SampledElements{}, c.dtype(0)) && c.dtype(places) == part_dtype(c.dtype(0));
}

}  // namespace

void add_cpu_sample_points(KernelRegistry& kernels) {
  kernels.add("weft.SamplePoints", {"plain", takes_samples<1>, prepare_sample});
  kernels.add("weft.SamplePointsGrad", {"plain", takes_samples<2>, prepare_sample_grad});
}

}  // namespace weft
