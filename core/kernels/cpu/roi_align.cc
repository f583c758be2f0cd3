// Kernels of RoiAlignMean and RoiAlignMaxima, which RoiAlign is made of, and of what their gradients are made of.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/stop_common.h"

namespace weft {
namespace {

constexpr int64_t kMostSamples = 65536;  // of a part along an axis

struct Alignment {
  int64_t images, channels, height, width, regions, rows, columns, ratio;
  double scale;
  bool half_pixel;
};

// A region along one axis.
template <typename T>
struct Side {
  T start, part;    // both in pixels
  int64_t samples;  // of a part
  bool stretches;   // whether its end moves, or is where the least length has it

  T place(int64_t of_part, int64_t sample) const {
    return start + static_cast<T>(of_part) * part + (static_cast<T>(sample) + T(0.5)) * part / static_cast<T>(samples);
  }
};

template <typename T>
Side<T> side_of(const Alignment& s, T begin, T end, int64_t parts) {
  const T shift = s.half_pixel ? T(0.5) : T(0), scale = static_cast<T>(s.scale);
  const T start = begin * scale - shift;
  T length = end * scale - shift - start;
  const bool stretches = s.half_pixel || length >= 1;
  if (!s.half_pixel) length = std::max(length, T(1));
  const T part = length / static_cast<T>(parts);
  const bool counted = part > 0;  // and a number
  const int64_t own = counted ? static_cast<int64_t>(std::min(std::ceil(part), T(kMostSamples) + 1)) : 0;
  return {start, part, s.ratio > 0 ? s.ratio : own, stretches};
}

template <typename T>
struct Region {
  Side<T> across, down;
};

template <typename T>
Region<T> region_of(const Alignment& s, const T* rois, int64_t r) {
  const T* roi = rois + r * 4;
  return {side_of(s, roi[0], roi[2], s.columns), side_of(s, roi[1], roi[3], s.rows)};
}

// `images` may be null.
template <typename T>
Status check_regions(const Alignment& s, const T* rois, const int64_t* images) {
  for (int64_t r = 0; r < s.regions; ++r) {
    for (int64_t i = 0; i < 4; ++i) {
      if (!std::isfinite(rois[r * 4 + i])) return invalid("region ", r, " has a number that is not finite");
    }
    if (images != nullptr && (images[r] < 0 || images[r] >= s.images)) {
      return out_of_range("region ", r, " is of image ", images[r], ", but X has ", s.images);
    }
    const Region<T> region = region_of(s, rois, r);
    for (const Side<T>* side : {&region.across, &region.down}) {
      if (std::isfinite(side->start) && std::isfinite(side->part)) continue;
      return invalid("region ", r, ", scaled by ", s.scale, ", is not finite");
    }
    if (std::max(region.across.samples, region.down.samples) > kMostSamples) {
      return invalid("a part of region ", r, " is more than ", kMostSamples, " pixels long");
    }
  }
  return {};
}

// The two pixels around a place along an axis of `size`, and what the second counts; false if it lies outside.
template <typename T>
bool pixels_around(T place, int64_t size, int64_t* first, int64_t* second, T* of_second) {
  if (!(place >= -1 && place <= static_cast<T>(size)) || size == 0) return false;
  const T inside = std::max(place, T(0));
  *first = std::min(static_cast<int64_t>(inside), size - 1);
  *second = std::min(*first + 1, size - 1);
  *of_second = *second == *first ? T(0) : inside - static_cast<T>(*first);
  return true;
}

// How the second pixel's weight changes with the place; at a pixel to its right, as in GridSample.
template <typename T>
T slope_at(T place, int64_t first, int64_t second) {
  return place >= 0 && first != second ? T(1) : T(0);
}

// body(pixels of the plane, weights, sample down, sample across) for the samples of a part; pixels and weights are null
// for one outside, or a row of them.
template <typename T, typename Body>
void for_samples(const Alignment& s, const Region<T>& region, int64_t row, int64_t column, const Parallel& parallel,
                 Body&& body) {
  const Side<T>&x = region.across, &y = region.down;
  for (int64_t i = 0; i < y.samples && !should_stop(parallel); ++i) {
    const T at_y = y.place(row, i);
    int64_t low_y, high_y, low_x, high_x;
    T part_y, part_x;
    if (!pixels_around(at_y, s.height, &low_y, &high_y, &part_y)) {
      if (x.samples > 0) body(static_cast<const int64_t*>(nullptr), static_cast<const T*>(nullptr), i, 0);
      continue;
    }
    for (int64_t j = 0; j < x.samples; ++j) {
      const T at_x = x.place(column, j);
      if (!pixels_around(at_x, s.width, &low_x, &high_x, &part_x)) {
        body(static_cast<const int64_t*>(nullptr), static_cast<const T*>(nullptr), i, j);
        continue;
      }
      const int64_t at[] = {low_y * s.width + low_x, low_y * s.width + high_x, high_y * s.width + low_x,
                            high_y * s.width + high_x};
      const T weights[] = {(1 - part_y) * (1 - part_x), (1 - part_y) * part_x, part_y * (1 - part_x), part_y * part_x};
      body(at, weights, i, j);
    }
  }
}

template <typename T>
void roi_means(const Alignment& s, const RunArgs& args) {
  const T* rois = args.input<T>(1);
  const int64_t* images = args.input<int64_t>(2);
  *args.status = check_regions(s, rois, images);
  if (!args.status->ok()) return;
  const int64_t plane = s.height * s.width, parts = s.rows * s.columns;
  const double cost = 16.0 * static_cast<double>(parts * s.channels);
  parallel_for(*args.parallel, s.regions, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Region<T> region = region_of(s, rois, r);
      const T* x = args.input<T>(0) + images[r] * s.channels * plane;
      const T count = static_cast<T>(std::max<int64_t>(region.across.samples * region.down.samples, 1));
      for (int64_t p = 0; p < parts; ++p) {
        T* y = args.output<T>(0) + r * s.channels * parts + p;
        for (int64_t c = 0; c < s.channels; ++c) y[c * parts] = 0;
        for_samples(s, region, p / s.columns, p % s.columns, *args.parallel,
                    [&](const int64_t* at, const T* weights, int64_t, int64_t) {
                      if (at == nullptr) return;
                      for (int64_t c = 0; c < s.channels; ++c) {
                        const T* from = x + c * plane;
                        y[c * parts] += weights[0] * from[at[0]] + weights[1] * from[at[1]] + weights[2] * from[at[2]] +
                                        weights[3] * from[at[3]];
                      }
                    });
        for (int64_t c = 0; c < s.channels; ++c) y[c * parts] /= count;
      }
    }
  });
}

template <typename T>
void roi_means_grad(const Alignment& s, const RunArgs& args) {
  const T* rois = args.input<T>(2);
  const int64_t* images = args.input<int64_t>(3);
  *args.status = check_regions(s, rois, images);
  if (!args.status->ok()) return;
  const int64_t plane = s.height * s.width, parts = s.rows * s.columns;
  T* dx = args.output<T>(0);
  std::fill_n(dx, s.images * s.channels * plane, T(0));
  const double cost = 16.0 * static_cast<double>(parts * s.regions);
  parallel_for(*args.parallel, s.channels, 8, cost, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < s.regions; ++r) {
      const Region<T> region = region_of(s, rois, r);
      const T count = static_cast<T>(std::max<int64_t>(region.across.samples * region.down.samples, 1));
      for (int64_t p = 0; p < parts; ++p) {
        const T* dy = args.input<T>(0) + r * s.channels * parts + p;
        for_samples(s, region, p / s.columns, p % s.columns, *args.parallel,
                    [&](const int64_t* at, const T* weights, int64_t, int64_t) {
                      if (at == nullptr) return;
                      for (int64_t c = begin; c < end; ++c) {
                        T* to = dx + (images[r] * s.channels + c) * plane;
                        for (int k = 0; k < 4; ++k) to[at[k]] += weights[k] * (dy[c * parts] / count);
                      }
                    });
      }
    }
  });
}

// The sample and pixel that a maximum is of; the place is -1 for one outside.
template <typename T>
struct Best {
  int64_t place = -1;  // in X as a flat tensor
  T weight = 0;
  int64_t down = 0, across = 0;                 // the sample
  bool high_down = false, high_across = false;  // which of the four pixels around it
};

template <typename T>
Best<T> best_of(const Alignment& s, const Region<T>& region, int64_t part, const T* x, int64_t first,
                const Parallel& parallel) {
  Best<T> best;
  T greatest = 0;
  bool any = false;
  for_samples(s, region, part / s.columns, part % s.columns, parallel,
              [&](const int64_t* at, const T* weights, int64_t i, int64_t j) {
                for (int k = 0; k < (at == nullptr ? 1 : 4); ++k) {
                  const T value = at == nullptr ? T(0) : weights[k] * x[first + at[k]];
                  if (any && !(value > greatest)) continue;
                  any = true;
                  greatest = value;
                  best = {
                      at == nullptr ? -1 : first + at[k], at == nullptr ? T(0) : weights[k], i, j, k >= 2, k % 2 == 1};
                }
              });
  return best;
}

// body(region, part, output element, best sample) for each maximum.
template <typename T, typename Body>
void for_maxima(const Alignment& s, const RunArgs& args, Body&& body) {
  const T* rois = args.input<T>(1);
  const int64_t* images = args.input<int64_t>(2);
  *args.status = check_regions(s, rois, images);
  if (!args.status->ok()) return;
  const int64_t plane = s.height * s.width, parts = s.rows * s.columns;
  const T* x = args.input<T>(0);
  const double cost = 32.0 * static_cast<double>(parts * s.channels);
  parallel_for(*args.parallel, s.regions, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Region<T> region = region_of(s, rois, r);
      for (int64_t p = 0; p < parts; ++p) {
        for (int64_t c = 0; c < s.channels; ++c) {
          const int64_t first = (images[r] * s.channels + c) * plane;
          body(region, p, (r * s.channels + c) * parts + p, best_of(s, region, p, x, first, *args.parallel));
        }
      }
    }
  });
}

template <typename T>
void roi_maxima(const Alignment& s, const RunArgs& args) {
  for_maxima<T>(s, args, [&args](const Region<T>&, int64_t, int64_t out, const Best<T>& best) {
    args.output<int64_t>(0)[out] = best.place;
    args.output<T>(1)[out] = best.weight;
  });
}

// How a place changes with the two numbers of its side.
template <typename T>
struct Moves {
  T by_begin, by_end;
};

template <typename T>
Moves<T> moves_of(const Alignment& s, const Side<T>& side, int64_t parts, int64_t part, int64_t sample) {
  const T scale = static_cast<T>(s.scale);
  if (!side.stretches) return {scale, T(0)};
  const T of_samples = (static_cast<T>(sample) + T(0.5)) / static_cast<T>(side.samples);
  const T along = (static_cast<T>(part) + of_samples) / static_cast<T>(parts);
  return {scale * (1 - along), scale * along};
}

// What one side of a region gives to the weight of a maximum: the factor, and its slopes.
template <typename T>
struct Factor {
  T value, by_begin, by_end;
};

template <typename T>
Factor<T> factor_of(const Alignment& s, const Side<T>& side, int64_t parts, int64_t size, int64_t part, int64_t sample,
                    bool high) {
  const T place = side.place(part, sample);
  int64_t first, second;
  T of_second;
  if (!pixels_around(place, size, &first, &second, &of_second)) return {0, 0, 0};
  const T slope = high ? slope_at(place, first, second) : -slope_at(place, first, second);
  const Moves<T> moves = moves_of(s, side, parts, part, sample);
  return {high ? of_second : 1 - of_second, slope * moves.by_begin, slope * moves.by_end};
}

template <typename T>
void roi_factors(const Alignment& s, const RunArgs& args) {
  for_maxima<T>(s, args, [&](const Region<T>& region, int64_t p, int64_t out, const Best<T>& best) {
    Factor<T> down{0, 0, 0}, across{0, 0, 0};
    if (best.place >= 0) {
      down = factor_of(s, region.down, s.rows, s.height, p / s.columns, best.down, best.high_down);
      across = factor_of(s, region.across, s.columns, s.width, p % s.columns, best.across, best.high_across);
    }
    args.output<T>(0)[out] = down.value;
    args.output<T>(1)[out] = across.value;
    T* slopes = args.output<T>(2) + out * 4;
    slopes[0] = across.by_begin;
    slopes[1] = down.by_begin;
    slopes[2] = across.by_end;
    slopes[3] = down.by_end;
  });
}

// Of one side: [parts, size] weights, and their slopes by begin and end behind each other.
template <typename T>
void fill_weights(const Alignment& s, const Side<T>& side, int64_t parts, int64_t size, T* weights, T* slopes) {
  std::fill_n(weights, parts * size, T(0));
  std::fill_n(slopes, parts * size * 2, T(0));
  const T count = static_cast<T>(side.samples);
  for (int64_t part = 0; part < parts; ++part, weights += size, slopes += size * 2) {
    for (int64_t i = 0; i < side.samples; ++i) {
      const T place = side.place(part, i);
      int64_t first, second;
      T of_second;
      if (!pixels_around(place, size, &first, &second, &of_second)) continue;
      weights[first] += (1 - of_second) / count;
      weights[second] += of_second / count;
      const T slope = slope_at(place, first, second) / count;
      const Moves<T> moves = moves_of(s, side, parts, part, i);
      slopes[first * 2] -= slope * moves.by_begin;
      slopes[first * 2 + 1] -= slope * moves.by_end;
      slopes[second * 2] += slope * moves.by_begin;
      slopes[second * 2 + 1] += slope * moves.by_end;
    }
  }
}

template <typename T>
void roi_weights(const Alignment& s, const RunArgs& args) {
  const T* rois = args.input<T>(1);
  *args.status = check_regions(s, rois, nullptr);
  if (!args.status->ok()) return;
  const int64_t down = s.rows * s.height, across = s.columns * s.width;
  parallel_for(*args.parallel, s.regions, 1, 8.0 * static_cast<double>(down + across), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end && !should_stop(*args.parallel); ++r) {
      const Region<T> region = region_of(s, rois, r);
      fill_weights(s, region.down, s.rows, s.height, args.output<T>(0) + r * down, args.output<T>(2) + r * down * 2);
      fill_weights(s, region.across, s.columns, s.width, args.output<T>(1) + r * across,
                   args.output<T>(3) + r * across * 2);
    }
  });
}

Alignment make_alignment(const KernelContext& c, int at_x) {
  const Shape& x = c.shape(at_x);
  return {x[0],
          x[1],
          x[2],
          x[3],
          c.shape(at_x + 1)[0],
          c.attrs().i("output_height"),
          c.attrs().i("output_width"),
          c.attrs().i("sampling_ratio"),
          c.attrs().f("spatial_scale"),
          c.attrs().s("coordinate_transformation_mode") == "half_pixel"};
}

template <int at_x, auto F32, auto F64>
Status prepare_alignment(const KernelContext& c, PreparedKernel* prepared) {
  const Alignment s = make_alignment(c, at_x);
  prepared->cost_ns = 16.0 * static_cast<double>(s.regions * s.channels * s.rows * s.columns);
  if (c.dtype(0) == DType::kF32)
    prepared->use<F32>(s);
  else
    prepared->use<F64>(s);
  return {};
}

bool takes_regions(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

}  // namespace

void add_cpu_roi_align(KernelRegistry& kernels) {
  kernels.add("weft.RoiAlignMean",
              {"plain", takes_regions, prepare_alignment<0, &roi_means<float>, &roi_means<double>>});
  kernels.add("weft.RoiAlignMeanGrad",
              {"plain", takes_regions, prepare_alignment<1, &roi_means_grad<float>, &roi_means_grad<double>>});
  kernels.add("weft.RoiAlignWeights",
              {"plain", takes_regions, prepare_alignment<0, &roi_weights<float>, &roi_weights<double>>});
  kernels.add("weft.RoiAlignMaxima",
              {"plain", takes_regions, prepare_alignment<0, &roi_maxima<float>, &roi_maxima<double>>});
  kernels.add("weft.RoiAlignFactors",
              {"plain", takes_regions, prepare_alignment<0, &roi_factors<float>, &roi_factors<double>>});
}

}  // namespace weft
