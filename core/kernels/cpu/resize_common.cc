// Which elements of an axis each element of the resized axis is made of.
#include "core/kernels/cpu/resize_common.h"

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

using Mode = Resizing::Mode;

// How far from a place its weights reach.
int64_t reach_of(Mode mode) { return mode == Mode::kCubic ? 2 : 1; }

// Keys, 1981, equation (4), with factors that are exactly 0 at 1 and 2.
double cubic(double a, double t) {
  if (t <= 1) return (1 - t) * (1 + t - (a + 2) * t * t);
  if (t < 2) return a * (t - 1) * (t - 2) * (t - 2);
  return 0;
}

// Writes the rows one after the other.
template <typename T>
class RowWriter {
 public:
  RowWriter(const Resizing& resizing, const ResizedAxis& axis, const ResizeRows<T>& rows)
      : resizing_(resizing), axis_(axis), rows_(rows), last_(static_cast<double>(axis.in - 1)) {
    // Antialiasing stretches the weights over all elements that fall together.
    if (resizing.antialias) stretch_ = std::min(1.0, axis.scale());
    reach_ = static_cast<int64_t>(std::ceil(static_cast<double>(reach_of(resizing.mode)) / stretch_));
  }

  void write() {
    for (int64_t row = 0; row < axis_.out; ++row) {
      rows_.begin[row] = at_;
      row_ = at_;
      const double x = axis_.source(resizing_, row);
      if (resizing_.crops() && !(x >= 0 && x <= last_)) continue;
      if (resizing_.mode == Mode::kNearest)
        add(nearest(x), 1);
      else
        add_weights(x);
    }
    rows_.begin[axis_.out] = at_;
  }

 private:
  double weight(double distance) const {
    const double t = std::fabs(distance) * stretch_;
    return resizing_.mode == Mode::kCubic ? cubic(resizing_.cubic_coeff_a, t) : std::max(0.0, 1 - t);
  }

  double nearest(double x) const {
    const double below = std::floor(x), above = x - below;
    switch (resizing_.nearest) {
      case Resizing::Nearest::kRoundPreferFloor: return above <= 0.5 ? below : below + 1;
      case Resizing::Nearest::kRoundPreferCeil: return above < 0.5 ? below : below + 1;
      case Resizing::Nearest::kFloor: return below;
      case Resizing::Nearest::kCeil: return std::ceil(x);
    }
    return below;
  }

  // Beyond the ends lies the element at the end, or nothing with `exclude_outside`.
  void add_weights(double x) {
    const double middle = std::floor(x);
    double total = 0;
    for (int64_t i = 1 - reach_; i <= reach_; ++i) {
      const double place = middle + static_cast<double>(i);
      if (counts(place)) total += weight(place - x);
    }
    if (total == 0) return add(std::floor(x + 0.5), 1);
    for (int64_t i = 1 - reach_; i <= reach_; ++i) {
      const double place = middle + static_cast<double>(i);
      if (counts(place)) add(place, weight(place - x) / total);
    }
  }
  bool counts(double place) const { return !resizing_.exclude_outside || (place >= 0 && place <= last_); }

  // Places come in ascending order.
  void add(double place, double weight) {
    if (weight == 0) return;
    const int64_t index = static_cast<int64_t>(std::clamp(place, 0.0, last_));
    if (at_ > row_ && rows_.index[at_ - 1] == index) {
      rows_.weight[at_ - 1] += static_cast<T>(weight);
      return;
    }
    rows_.index[at_] = index;
    rows_.weight[at_++] = static_cast<T>(weight);
  }

  const Resizing& resizing_;
  const ResizedAxis& axis_;
  const ResizeRows<T>& rows_;
  const double last_;
  double stretch_ = 1;
  int64_t reach_ = 1;
  int64_t row_ = 0, at_ = 0;
};

}  // namespace

int64_t most_taps(const Resizing& resizing, int64_t in, int64_t out) {
  if (resizing.mode == Mode::kNearest) return 1;
  const int64_t reach = reach_of(resizing.mode);
  if (!resizing.antialias) return std::min(2 * reach, in);
  // Sizes are rounded, so that the scale is at least half of out / in.
  const double widest = std::max(1.0, 2.0 * static_cast<double>(in) / static_cast<double>(out));
  return std::min(2 * static_cast<int64_t>(std::ceil(static_cast<double>(reach) * widest)) + 2, in);
}

template <typename T>
void fill_rows(const Resizing& resizing, const ResizedAxis& axis, const ResizeRows<T>& rows) {
  RowWriter<T>(resizing, axis, rows).write();
}

template <typename T>
void transpose_rows(const ResizeRows<T>& rows, int64_t count, int64_t columns, const ResizeRows<T>& out) {
  std::fill_n(out.begin, columns + 1, int64_t{0});
  for (int64_t e = 0; e < rows.begin[count]; ++e) ++out.begin[rows.index[e] + 1];
  for (int64_t i = 0; i < columns; ++i) out.begin[i + 1] += out.begin[i];
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t e = rows.begin[row]; e < rows.begin[row + 1]; ++e) {
      const int64_t to = out.begin[rows.index[e]]++;
      out.index[to] = row;
      out.weight[to] = rows.weight[e];
    }
  }
  // Each begin has moved to the next one.
  for (int64_t i = columns; i > 0; --i) out.begin[i] = out.begin[i - 1];
  out.begin[0] = 0;
}

template void fill_rows(const Resizing&, const ResizedAxis&, const ResizeRows<float>&);
template void fill_rows(const Resizing&, const ResizedAxis&, const ResizeRows<double>&);
template void transpose_rows(const ResizeRows<float>&, int64_t, int64_t, const ResizeRows<float>&);
template void transpose_rows(const ResizeRows<double>&, int64_t, int64_t, const ResizeRows<double>&);

}  // namespace weft
