// Resize row by row.
#include "core/kernels/cpu/resize_rows_common.h"

#include <algorithm>
#include <cstring>

#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/stop_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

// Rows are dealt to lanes, each with rows of its own that it has made on the way.
constexpr int64_t kLanes = 32, kLeastOfLane = 8192;

int64_t lanes_of(const RowResize& r) {
  return std::clamp<int64_t>(r.rows() * r.out_row() / kLeastOfLane, 1, std::min(kLanes, r.rows()));
}

// Calls body(lane, first row, past the last) for all lanes.
template <typename Body>
void for_lanes(const RowResize& r, const RunArgs& args, double ns_of_element, Body&& body) {
  const int64_t lanes = lanes_of(r), rows = r.rows(), of_lane = rows / lanes * r.out_row();
  const double cost = ns_of_element * static_cast<double>(of_lane) + args.finish_cost_ns(of_lane);
  parallel_for(*args.parallel, lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) body(lane, lane * rows / lanes, (lane + 1) * rows / lanes);
  });
}

template <typename T>
ResizeLine line_of(const Resizing& resizing, const ResizedAxis& axis, bool weighs) {
  const int64_t taps = weighs ? 2 : 1;
  std::vector<int64_t> memory(static_cast<size_t>(ResizeRows<T>::bytes(axis.out, taps * axis.out) / 8));
  const ResizeRows<T> rows = ResizeRows<T>::in(memory.data(), axis.out, taps * axis.out);
  fill_rows(resizing, axis, rows);
  ResizeLine line{axis.in, axis.out};
  line.index.resize(static_cast<size_t>(taps * axis.out));
  if (weighs) line.weight.resize(line.index.size());
  for (int64_t o = 0; o < axis.out; ++o) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t entry = rows.begin[o] + tap, at = tap * axis.out + o;
      const bool given = entry < rows.begin[o + 1];
      line.index[static_cast<size_t>(at)] = static_cast<int32_t>(rows.index[given ? entry : rows.begin[o]]);
      if (weighs) line.weight[static_cast<size_t>(at)] = given ? static_cast<double>(rows.weight[entry]) : 0;
    }
  }
  return line;
}

// -- To the nearest.
// What a row of an output is picked with.
enum class Pick { kAll, kTwice, kElements, kPixels };

struct NearestRows {
  RowResize r;
  Pick pick;
};

Pick pick_of(const RowResize& r) {
  if (!r.width.resized()) return Pick::kAll;
  if (r.inner > 1) return Pick::kPixels;
  bool twice = r.width.out == 2 * r.width.in;
  for (int64_t o = 0; twice && o < r.width.out; ++o) twice = r.width.index[static_cast<size_t>(o)] == o / 2;
  return twice ? Pick::kTwice : Pick::kElements;
}

void write_twice(const uint8_t* x, uint8_t* y, int64_t n) { twice_table(current_isa()).of_8(x, y, n); }
void write_twice(const uint16_t* x, uint16_t* y, int64_t n) { twice_table(current_isa()).of_16(x, y, n); }
void write_twice(const uint32_t* x, uint32_t* y, int64_t n) { twice_table(current_isa()).of_32(x, y, n); }
void write_twice(const uint64_t* x, uint64_t* y, int64_t n) { twice_table(current_isa()).of_64(x, y, n); }
void write_twice(const Pair128* x, Pair128* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[2 * i] = y[2 * i + 1] = x[i];
}

template <typename E>
void pick_row(const NearestRows& s, const E* x, E* y) {
  const RowResize& r = s.r;
  const int32_t* index = r.width.index.data();
  const size_t pixel = static_cast<size_t>(r.inner) * sizeof(E);
  switch (s.pick) {
    case Pick::kAll: std::memcpy(static_cast<void*>(y), x, static_cast<size_t>(r.out_row()) * sizeof(E)); return;
    case Pick::kTwice: write_twice(x, y, r.width.in); return;
    case Pick::kElements:
      for (int64_t o = 0; o < r.width.out; ++o) y[o] = x[index[o]];
      return;
    case Pick::kPixels:
      for (int64_t o = 0; o < r.width.out; ++o) {
        std::memcpy(static_cast<void*>(y + o * r.inner), x + index[o] * r.inner, pixel);
      }
      return;
  }
}

template <typename E>
void run_nearest(const NearestRows& s, const RunArgs& args) {
  const RowResize& r = s.r;
  const int64_t out_row = r.out_row(), high = r.height.out;
  const E* x = args.input<E>(0);
  E* y = args.output<E>(0);
  const auto source = [&](int64_t row) {
    const int64_t at = row % high;
    return row / high * r.height.in + (r.height.resized() ? r.height.index[static_cast<size_t>(at)] : at);
  };
  for_lanes(r, args, 0.1 * static_cast<double>(sizeof(E)), [&](int64_t, int64_t begin, int64_t end) {
    StopCheck stop(*args.parallel);
    for (int64_t row = begin, past = begin; row < end && !stop.after(out_row); row = past) {
      const int64_t from = source(row);
      pick_row(s, x + from * r.in_row(), y + row * out_row);
      // Rows that come of the same are copies, before anybody takes what was made.
      for (past = row + 1; past < end && source(past) == from; ++past) {
        std::memcpy(static_cast<void*>(y + past * out_row), y + row * out_row,
                    static_cast<size_t>(out_row) * sizeof(E));
      }
      args.finished(row * out_row, past * out_row);
    }
  });
}

// -- Linearly.
template <typename T>
struct LinearRows {
  RowResize r;
  std::vector<T> height{}, width{};       // weights
  int64_t first_pair = 0, past_pair = 0;  // of input pixels in a row, whose two outputs have the weights `pair`
  T pair[4] = {};

  // Elements of a row between the two axes.
  int64_t buffer() const {
    if (!r.height.resized() || !r.width.resized()) return 0;
    return r.width_first ? r.out_row() : r.in_row();
  }
};

// The rows of one lane.
template <typename T>
class LinearLane {
 public:
  LinearLane(const LinearRows<T>& s, const T* x, T* buffers) : s_(s), r_(s.r), x_(x) {
    for (int i = 0; i < 2; ++i) made_[i] = buffers + i * s.buffer();
  }

  // Row `row` of the output.
  void make(int64_t row, T* y) {
    const int64_t high = r_.height.out, at = row % high, image = row / high * r_.height.in;
    if (!r_.height.resized()) return across(x_ + (image + at) * r_.in_row(), y);
    const int64_t first = image + r_.height.index[static_cast<size_t>(at)];
    const int64_t second = image + r_.height.index[static_cast<size_t>(high + at)];
    const T weights[2] = {s_.height[static_cast<size_t>(at)], s_.height[static_cast<size_t>(high + at)]};
    const auto down = resample_table(T()).down;
    if (!r_.width.resized()) {
      down(x_ + first * r_.in_row(), x_ + second * r_.in_row(), weights, y, r_.out_row());
    } else if (r_.width_first) {
      const T *a = resized(first, second), *b = weights[1] == 0 ? a : resized(second, first);
      down(a, b, weights, y, r_.out_row());
    } else {
      down(x_ + first * r_.in_row(), x_ + second * r_.in_row(), weights, made_[0], r_.in_row());
      across(made_[0], y);
    }
  }

 private:
  void across(const T* x, T* y) const {
    const ResampleTable<T>& table = resample_table(T());
    const int32_t* index = r_.width.index.data();
    const T* weight = s_.width.data();
    if (s_.past_pair <= s_.first_pair) {
      table.across(x, index, weight, r_.width.out, r_.inner, y);
      return;
    }
    const auto alone = [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const T plus = weight[r_.width.out + o], one = x[index[o]] * weight[o];
        y[o] = plus == 0 ? one : one + x[index[r_.width.out + o]] * plus;
      }
    };
    alone(0, 2 * s_.first_pair);
    table.pairs(x + s_.first_pair, s_.pair, y + 2 * s_.first_pair, s_.past_pair - s_.first_pair);
    alone(2 * s_.past_pair, r_.width.out);
  }

  // A row of the input in its new width; that of `keep` stays if it is there.
  const T* resized(int64_t row, int64_t keep) {
    for (int i = 0; i < 2; ++i) {
      if (row_[i] == row) return made_[i];
    }
    const int i = row_[0] == keep ? 1 : 0;
    row_[i] = row;
    across(x_ + row * r_.in_row(), made_[i]);
    return made_[i];
  }

  const LinearRows<T>& s_;
  const RowResize& r_;
  const T* x_;
  T* made_[2];
  int64_t row_[2] = {-1, -1};  // of the input
};

template <typename T>
void run_linear(const LinearRows<T>& s, const RunArgs& args) {
  const int64_t out_row = s.r.out_row();
  T* y = args.output<T>(0);
  for_lanes(s.r, args, 0.15 * static_cast<double>(sizeof(T)), [&](int64_t lane, int64_t begin, int64_t end) {
    LinearLane<T> rows(s, args.input<T>(0), static_cast<T*>(args.scratch) + 2 * lane * s.buffer());
    StopCheck stop(*args.parallel);
    for (int64_t row = begin; row < end && !stop.after(out_row); ++row) {
      rows.make(row, y + row * out_row);
      args.finished(row * out_row, (row + 1) * out_row);
    }
  });
}

// Finds the input pixels whose two outputs are made of them and their neighbours with the same weights everywhere: all but those
// at the ends, where an axis becomes twice as large and pixels are points in the middle.
template <typename T>
void find_pairs(LinearRows<T>* s) {
  const ResizeLine& w = s->r.width;
  if (!w.resized() || s->r.inner != 1 || w.out != 2 * w.in || w.in < 3) return;
  const auto place = [&](int64_t tap, int64_t o) { return w.index[static_cast<size_t>(tap * w.out + o)]; };
  const auto weight = [&](int64_t tap, int64_t o) { return s->width[static_cast<size_t>(tap * w.out + o)]; };
  const T pair[4] = {weight(0, 2), weight(1, 2), weight(0, 3), weight(1, 3)};
  for (int64_t i = 1; i + 1 < w.in; ++i) {
    for (int64_t o : {2 * i, 2 * i + 1}) {
      const int64_t odd = o % 2, first = i - 1 + odd;
      const T a = weight(0, o), b = weight(1, o);
      if (place(0, o) != first || place(1, o) != first + 1 || a != pair[2 * odd] || b != pair[2 * odd + 1] || b == 0) {
        return;
      }
    }
  }
  s->first_pair = 1;
  s->past_pair = w.in - 1;
  std::copy_n(pair, 4, s->pair);
}

template <typename T>
void use_linear(RowResize resize, PreparedKernel* prepared) {
  LinearRows<T> s{std::move(resize)};
  s.height.assign(s.r.height.weight.begin(), s.r.height.weight.end());
  s.width.assign(s.r.width.weight.begin(), s.r.width.weight.end());
  s.r.height.weight = s.r.width.weight = {};
  find_pairs(&s);
  prepared->scratch_bytes = lanes_of(s.r) * 2 * s.buffer() * static_cast<int64_t>(sizeof(T));
  prepared->use<&run_linear<T>>(std::move(s));
}

void set_cost(const RowResize& r, double ns_of_element, PreparedKernel* prepared) {
  prepared->cost_ns = ns_of_element * static_cast<double>(r.rows() * r.out_row());
  prepared->finishes = r.out_row() >= kLeastStretch;
}

}  // namespace

ResizeLine nearest_line(const Resizing& resizing, const ResizedAxis& axis) {
  return line_of<float>(resizing, axis, false);
}

ResizeLine linear_line(const Resizing& resizing, const ResizedAxis& axis, DType dtype) {
  return dtype == DType::kF32 ? line_of<float>(resizing, axis, true) : line_of<double>(resizing, axis, true);
}

void use_nearest_rows(RowResize resize, int64_t element_size, PreparedKernel* prepared) {
  set_cost(resize, 0.1 * static_cast<double>(element_size), prepared);
  const Pick pick = pick_of(resize);
  with_element(element_size, [&](auto element) {
    prepared->use<&run_nearest<decltype(element)>>(NearestRows{std::move(resize), pick});
  });
}

void use_linear_rows(RowResize resize, DType dtype, PreparedKernel* prepared) {
  set_cost(resize, 0.15 * static_cast<double>(dtype_size(dtype)), prepared);
  if (dtype == DType::kF32)
    use_linear<float>(std::move(resize), prepared);
  else
    use_linear<double>(std::move(resize), prepared);
}

}  // namespace weft
