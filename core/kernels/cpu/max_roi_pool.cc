// Kernel of MaxRoiPlaces, which MaxRoiPool is made of.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"

namespace weft {
namespace {

struct RoiMaxima {
  int64_t images, channels, height, width, regions, rows, columns;
  double scale;
};

// [begin, end) of the part `at` of `parts` of a side that begins at pixel `start`, within `size`.
struct Part {
  int64_t begin, end;
};
template <typename T>
Part part_of(T start, T length, int64_t at, int64_t parts, int64_t size) {
  const T each = length / static_cast<T>(parts), most = static_cast<T>(size);
  const T begin = std::floor(static_cast<T>(at) * each) + start, end = std::ceil(static_cast<T>(at + 1) * each) + start;
  // `most` may be rounded up.
  return {std::min(size, static_cast<int64_t>(std::clamp(begin, T(0), most))),
          std::min(size, static_cast<int64_t>(std::clamp(end, T(0), most)))};
}

// A region along one axis, in pixels.
template <typename T>
struct RoiSide {
  T start, length;
};
template <typename T>
RoiSide<T> side_of_region(T begin, T end, T scale) {
  const T start = std::round(begin * scale);
  return {start, std::max(std::round(end * scale) - start + 1, T(1))};
}

template <typename T>
void max_roi_places(const RoiMaxima& s, const RunArgs& args) {
  const T* rois = args.input<T>(1);
  const T scale = static_cast<T>(s.scale);
  for (int64_t r = 0; r < s.regions; ++r) {
    for (int64_t i = 0; i < 5; ++i) {
      if (std::isfinite(rois[r * 5 + i])) continue;
      *args.status = invalid("region ", r, " has a number that is not finite");
      return;
    }
    for (int64_t i : {1, 2}) {
      const RoiSide<T> side = side_of_region(rois[r * 5 + i], rois[r * 5 + i + 2], scale);
      if (std::isfinite(side.start) && std::isfinite(side.length)) continue;
      *args.status = invalid("region ", r, ", scaled by ", s.scale, ", is not finite");
      return;
    }
    if (rois[r * 5] >= 0 && rois[r * 5] < static_cast<T>(s.images)) continue;
    *args.status = out_of_range("region ", r, " is of image ", rois[r * 5], ", but X has ", s.images);
    return;
  }
  const double cost = static_cast<double>(s.height * s.width);
  parallel_for(*args.parallel, s.regions * s.channels, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t rc = begin; rc < end; ++rc) {
      const T* roi = rois + rc / s.channels * 5;
      const int64_t plane = (static_cast<int64_t>(roi[0]) * s.channels + rc % s.channels) * s.height * s.width;
      const T* x = args.input<T>(0);
      int64_t* places = args.output<int64_t>(0) + rc * s.rows * s.columns;
      const RoiSide<T> x_side = side_of_region(roi[1], roi[3], scale), y_side = side_of_region(roi[2], roi[4], scale);
      for (int64_t i = 0; i < s.rows; ++i) {
        const Part rows = part_of(y_side.start, y_side.length, i, s.rows, s.height);
        for (int64_t j = 0; j < s.columns; ++j) {
          const Part columns = part_of(x_side.start, x_side.length, j, s.columns, s.width);
          int64_t best = -1;
          for (int64_t h = rows.begin; h < rows.end; ++h) {
            for (int64_t w = columns.begin; w < columns.end; ++w) {
              const int64_t at = plane + h * s.width + w;
              if (best < 0 || x[at] > x[best] || (std::isnan(x[at]) && !std::isnan(x[best]))) best = at;
            }
          }
          places[i * s.columns + j] = best;
        }
      }
    }
  });
}

Status prepare_max_roi(const KernelContext& c, PreparedKernel* prepared) {
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  const RoiMaxima s{x[0], x[1], x[2], x[3], y[0], y[2], y[3], c.attrs().f("spatial_scale")};
  prepared->cost_ns = static_cast<double>(s.regions * s.channels * s.height * s.width);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&max_roi_places<float>>(s);
  else
    prepared->use<&max_roi_places<double>>(s);
  return {};
}

}  // namespace

void add_cpu_max_roi_pool(KernelRegistry& kernels) {
  kernels.add("weft.MaxRoiPlaces",
              {"plain", [](const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; },
               prepare_max_roi});
}

}  // namespace weft
