// Kernels of Resize and of its gradient: one axis after the other, each element a sum of weighted ones.
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/cast_common.h"
#include "core/kernels/cpu/lines_common.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/resize_common.h"
#include "core/kernels/cpu/resize_rows_common.h"

namespace weft {
namespace {

// One axis on its way, of a tensor seen as [outer, in, inner]. For the gradient `in` is what the output of Resize has.
struct Pass {
  size_t axis;  // among those that are resized
  int64_t outer, in, out, inner;
  int64_t taps;     // elements that make one, about
  int64_t table;    // where its rows lie among those of all passes, in bytes
  int64_t entries;  // in its rows
};

struct State {
  Resizing resizing;
  bool gradient, to_sizes;
  int at_roi, at_scales, at_sizes;  // the inputs
  DType roi = DType::kNone;
  bool constant = true;  // what these inputs say; else it is looked at in each run
  Shape result;          // of the output
  // Elements, or of complex ones the parts, which are weighted like elements of one axis more.
  int64_t in_count, out_count;
  std::vector<int64_t> places;    // which axes are resized
  std::vector<ResizedAxis> axes;  // of them, what is known
  std::vector<Pass> passes;
  std::vector<int64_t> tables;  // the rows of all passes, where they are constant
  int64_t table_bytes = 0;
  int64_t turned_bytes = 0;  // of the largest rows before they are turned, for the gradient
  // Where in the scratch memory what lies.
  int64_t scratch_bytes = 0, axes_at = 0, tables_at = 0, stages_at[2] = {0, 0}, loaded_at = 0, result_at = 0;
  std::array<unsigned char, 16> outside{};  // the element for what lies outside of the region
};

double number_at(DType dtype, const void* values, int64_t i) {
  switch (dtype) {
    case DType::kF32: return static_cast<const float*>(values)[i];
    case DType::kF16: return static_cast<const F16*>(values)[i];
    default: return static_cast<const double*>(values)[i];
  }
}

// Fills in what the inputs say of axes that have the sizes of the shapes.
Status resolve(const State& s, const void* const* in, std::span<ResizedAxis> axes) {
  if (s.to_sizes)
    WEFT_CHECK(resize_to_sizes(s.resizing, static_cast<const int64_t*>(in[s.at_sizes]), axes));
  else
    WEFT_CHECK(resize_by_scales(static_cast<const float*>(in[s.at_scales]), axes));
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].out != s.axes[i].out) {
      return invalid("axis ", s.places[i], " of X has ", axes[i].in, " elements and becomes one of ", axes[i].out,
                     ", but that of dY has ", s.axes[i].out);
    }
    if (!s.resizing.crops()) continue;
    axes[i].start = number_at(s.roi, in[s.at_roi], static_cast<int64_t>(i));
    axes[i].end = number_at(s.roi, in[s.at_roi], static_cast<int64_t>(axes.size() + i));
  }
  return {};
}

template <typename T>
ResizeRows<T> rows_of(const Pass& p, void* tables) {
  return ResizeRows<T>::in(static_cast<std::byte*>(tables) + p.table, p.out, p.entries);
}

// Behind the rows of all passes `tables` has room for some that are yet to be turned.
template <typename T>
void fill_tables(const State& s, std::span<const ResizedAxis> axes, void* tables) {
  for (const Pass& p : s.passes) {
    const ResizedAxis& axis = axes[p.axis];
    if (!s.gradient) {
      fill_rows(s.resizing, axis, rows_of<T>(p, tables));
      continue;
    }
    const auto forward = ResizeRows<T>::in(static_cast<std::byte*>(tables) + s.table_bytes, axis.out, p.entries);
    fill_rows(s.resizing, axis, forward);
    transpose_rows(forward, axis.out, axis.in, rows_of<T>(p, tables));
  }
}

// Calls row(line, at, row) for all elements [begin, end) of [outer, out], where `line` counts the outer ones.
template <typename Row>
void for_rows(int64_t out, int64_t begin, int64_t end, Row&& row) {
  for (int64_t line = begin / out, at = begin % out; begin < end; ++line, at = 0) {
    for (; at < out && begin < end; ++at, ++begin) row(line, at);
  }
}

// y (+)= the sum of n weighted lines of `inner` elements.
template <int n, bool add, typename T>
void weighted(const T* x, const int64_t* index, const T* weight, int64_t inner, T* y) {
  const T* from[n];
  for (int k = 0; k < n; ++k) from[k] = x + index[k] * inner;
  for (int64_t j = 0; j < inner; ++j) {
    T sum = from[0][j] * weight[0];
    for (int k = 1; k < n; ++k) sum += from[k][j] * weight[k];
    y[j] = add ? y[j] + sum : sum;
  }
}

template <bool add, typename T>
void up_to_four(const T* x, const int64_t* index, const T* weight, int64_t count, int64_t inner, T* y) {
  switch (count) {
    case 1: return weighted<1, add>(x, index, weight, inner, y);
    case 2: return weighted<2, add>(x, index, weight, inner, y);
    case 3: return weighted<3, add>(x, index, weight, inner, y);
    default: return weighted<4, add>(x, index, weight, inner, y);
  }
}

// Lines of `inner` elements: those of a row are summed in its order, four at a time.
template <typename T>
void sum_lines(const Pass& p, const ResizeRows<T>& rows, const T* x, T* y, int64_t begin, int64_t end) {
  for_rows(p.out, begin, end, [&](int64_t line, int64_t row) {
    const T* from = x + line * p.in * p.inner;
    T* to = y + (line * p.out + row) * p.inner;
    int64_t e = rows.begin[row];
    const int64_t past = rows.begin[row + 1];
    if (e == past) std::fill_n(to, p.inner, T(0));
    for (bool first = true; e < past; first = false, e += 4) {
      if (first)
        up_to_four<false>(from, rows.index + e, rows.weight + e, past - e, p.inner, to);
      else
        up_to_four<true>(from, rows.index + e, rows.weight + e, past - e, p.inner, to);
    }
  });
}

// The last axis, `n` lines side by side.
template <int n, typename T>
void sum_elements(const Pass& p, const ResizeRows<T>& rows, int64_t line, int64_t begin, int64_t end, const T* x,
                  T* y) {
  x += line * p.in;
  y += line * p.out;
  for (int64_t row = begin; row < end; ++row) {
    T sum[n] = {};
    int64_t e = rows.begin[row];
    const int64_t past = rows.begin[row + 1];
    if (e < past) {
      for (int k = 0; k < n; ++k) sum[k] = x[k * p.in + rows.index[e]] * rows.weight[e];
      ++e;
    }
    for (; e < past; ++e) {
      const T weight = rows.weight[e];
      const T* from = x + rows.index[e];
      for (int k = 0; k < n; ++k) sum[k] += from[k * p.in] * weight;
    }
    for (int k = 0; k < n; ++k) y[k * p.out + row] = sum[k];
  }
}

constexpr int64_t kBlock = 16384;  // products
constexpr int64_t kBeside = 4;     // lines

template <typename T>
void sum_rows(const Pass& p, const ResizeRows<T>& rows, const Parallel& parallel, const T* x, T* y) {
  const int64_t lines = p.inner == 1 ? kBeside : 1, work = p.taps * p.inner * lines;
  const int64_t block = std::max<int64_t>(1, kBlock / work), groups = (p.outer + lines - 1) / lines;
  const double cost = (p.inner == 1 ? 1.0 : 0.3) * static_cast<double>(work);
  parallel_for(parallel, groups * p.out, block, cost, [&](int64_t begin, int64_t end) {
    if (p.inner > 1) return sum_lines(p, rows, x, y, begin, end);
    for (; begin < end;) {
      const int64_t row = begin % p.out, line = begin / p.out * kBeside, past = std::min(p.out, row + end - begin);
      if (line + kBeside <= p.outer)
        sum_elements<kBeside>(p, rows, line, row, past, x, y);
      else
        for (int64_t k = line; k < p.outer; ++k) sum_elements<1>(p, rows, k, row, past, x, y);
      begin += past - row;
    }
  });
}

// The one element of a row as it is.
template <typename E>
void move_rows(const Pass& p, const ResizeRows<float>& rows, const Parallel& parallel, const E* x, E* y) {
  const int64_t block = std::max<int64_t>(1, kBlock / p.inner);
  parallel_for(parallel, p.outer * p.out, block, 0.5 * static_cast<double>(p.inner), [&](int64_t begin, int64_t end) {
    for_rows(p.out, begin, end, [&](int64_t line, int64_t row) {
      E* to = y + (line * p.out + row) * p.inner;
      if (rows.is_empty(row)) {
        std::fill_n(to, p.inner, E{});
        return;
      }
      const E* from = x + (line * p.in + rows.index[rows.begin[row]]) * p.inner;
      if (p.inner == 1)
        *to = *from;
      else
        std::memcpy(to, from, static_cast<size_t>(p.inner) * sizeof(E));
    });
  });
}

// Puts the element for what lies outside where along some axis there is no row.
template <typename T, typename E>
void fill_outside(const State& s, void* tables, E* y) {
  if (s.gradient || !s.resizing.crops()) return;
  E value;
  std::memcpy(static_cast<void*>(&value), s.outside.data(), sizeof(E));
  for (const Pass& p : s.passes) {
    const ResizeRows<T> rows = rows_of<T>(p, tables);
    const Lines lines = lines_of(s.result, s.places[p.axis]);
    for_rows(p.out, 0, lines.outer * p.out, [&](int64_t line, int64_t row) {
      if (rows.is_empty(row)) std::fill_n(y + (line * p.out + row) * lines.inner, lines.inner, value);
    });
  }
}

// Calls pass(p, rows, from, to) for one axis after the other, from x to y, and then `end` with the tables; not if what the
// inputs say is wrong. `T` is what weights are.
template <typename T, typename E, typename OnePass, typename End>
void run_passes(const State& s, const RunArgs& args, const E* x, E* y, OnePass&& pass, End&& end) {
  std::byte* scratch = static_cast<std::byte*>(args.scratch);
  void* tables = const_cast<int64_t*>(s.tables.data());
  std::span<const ResizedAxis> axes = s.axes;
  if (!s.constant) {
    ResizedAxis* resolved = reinterpret_cast<ResizedAxis*>(scratch + s.axes_at);
    std::uninitialized_copy(s.axes.begin(), s.axes.end(), resolved);
    *args.status = resolve(s, args.in, {resolved, s.axes.size()});
    if (!args.status->ok()) return;
    axes = {resolved, s.axes.size()};
    tables = scratch + s.tables_at;
    fill_tables<T>(s, axes, tables);
  }
  const E* from = x;
  int stage = 0;
  for (size_t i = 0; i < s.passes.size(); ++i) {
    const Pass& p = s.passes[i];
    if (axes[p.axis].is_identity()) continue;
    E* to = i + 1 == s.passes.size() ? y : reinterpret_cast<E*>(scratch + s.stages_at[stage++ % 2]);
    pass(p, rows_of<T>(p, tables), from, to);
    from = to;
  }
  if (from != y) std::memcpy(y, from, static_cast<size_t>(s.out_count) * sizeof(E));
  end(tables);
}

// What is computed with: f32 where it holds every number of the type.
template <typename T>
using Working = std::conditional_t<sizeof(T) <= 2 || std::is_same_v<T, float>, float, double>;

// To integers the nearest, halves to the even one, where what is out of range becomes the nearest in range.
template <typename T, typename W>
T rounded(W x) {
  if constexpr (std::is_integral_v<T>)
    return convert<T>(std::nearbyint(x));
  else
    return convert<T>(x);
}

template <typename To, typename From, typename Fn>
void convert_each(const Parallel& parallel, int64_t count, const From* x, To* y, Fn fn) {
  parallel_for(parallel, count, kBlock, 0.5, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = fn(x[i]);
  });
}

template <typename T>
void resize(const State& s, const RunArgs& args) {
  using P = Real<T>;
  using W = Working<P>;
  const P* x = args.input<P>(0);
  P* y = args.output<P>(0);
  if (s.in_count == 0) std::fill_n(y, s.out_count, P(0));
  if (s.in_count == 0 || s.out_count == 0) return;
  const W* from;
  W* to;
  if constexpr (std::is_same_v<P, W>) {
    from = x;
    to = y;
  } else {
    std::byte* scratch = static_cast<std::byte*>(args.scratch);
    W* loaded = reinterpret_cast<W*>(scratch + s.loaded_at);
    convert_each(*args.parallel, s.in_count, x, loaded, [](P value) { return static_cast<W>(value); });
    from = loaded;
    to = reinterpret_cast<W*>(scratch + s.result_at);
  }
  auto pass = [&](const Pass& p, const ResizeRows<W>& rows, const W* in, W* out) {
    sum_rows(p, rows, *args.parallel, in, out);
  };
  run_passes<W>(s, args, from, to, pass, [&](void* tables) {
    if constexpr (!std::is_same_v<P, W>)
      convert_each(*args.parallel, s.out_count, to, y, [](W value) { return rounded<P>(value); });
    fill_outside<W>(s, tables, args.output<T>(0));
  });
}

template <typename E>
void pick(const State& s, const RunArgs& args) {
  if (s.out_count == 0) return;
  auto pass = [&](const Pass& p, const ResizeRows<float>& rows, const E* in, E* out) {
    move_rows(p, rows, *args.parallel, in, out);
  };
  E* y = args.output<E>(0);
  run_passes<float>(s, args, args.input<E>(0), y, pass, [&](void* tables) { fill_outside<float>(s, tables, y); });
}

// Strings are picked by their places.
Status pick_strings(const State& s, TensorArgs& args) {
  std::vector<int64_t> all(static_cast<size_t>(s.in_count)), picked(static_cast<size_t>(s.out_count));
  std::iota(all.begin(), all.end(), int64_t{0});
  WEFT_TRY(std::shared_ptr<Buffer> scratch, Buffer::allocate(s.scratch_bytes));
  std::vector<const void*> in{all.data()};
  for (size_t i = 1; i < args.in.size(); ++i) in.push_back(args.in[i].data());
  void* out = picked.data();
  Status status;
  pick<uint64_t>(s, {in.data(), &out, scratch->data(), args.parallel, &status});
  WEFT_CHECK(std::move(status));
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, s.result));
  const std::vector<std::string>& x = args.in[0].strings();
  std::vector<std::string>& y = args.out[0].mutable_strings();
  for (size_t i = 0; i < picked.size(); ++i) {
    if (picked[i] >= 0) y[i] = x[static_cast<size_t>(picked[i])];
  }
  return {};
}

// The elements that a pass does away with, for each product that it takes; those of the last axis take longer.
double saved(const Pass& p) {
  return static_cast<double>(p.in - p.out) / (static_cast<double>(p.out * p.taps) * (p.inner == 1 ? 3 : 1));
}

// The passes in the order that costs least, which shapes and attributes alone decide: what saves most comes first.
void plan_passes(State* s, Shape shape) {
  for (size_t i = 0; i < s->axes.size(); ++i) {
    const ResizedAxis& axis = s->axes[i];
    if (s->constant && axis.is_identity()) continue;
    Pass p{i, 0, axis.in, axis.out, lines_of(shape, s->places[i]).inner, 0, 0, 0};
    p.taps = most_taps(s->resizing, axis.in, axis.out);
    p.entries = p.taps * axis.out;
    if (s->gradient) {
      std::swap(p.in, p.out);
      p.taps = (p.entries + p.out - 1) / p.out;
    }
    s->passes.push_back(p);
  }
  std::stable_sort(s->passes.begin(), s->passes.end(),
                   [](const Pass& a, const Pass& b) { return saved(a) > saved(b); });
  for (Pass& p : s->passes) {
    const int64_t axis = s->places[p.axis];
    const Lines lines = lines_of(shape, axis);
    p.outer = lines.outer;
    p.inner = lines.inner;
    shape[static_cast<size_t>(axis)] = p.out;
  }
}

// Gives rows their places among those of all passes, and makes them if they are constant. `W` is what weights are.
template <typename W>
void make_tables(State* s) {
  for (Pass& p : s->passes) {
    p.table = s->table_bytes;
    s->table_bytes += ResizeRows<W>::bytes(p.out, p.entries);
    if (s->gradient) s->turned_bytes = std::max(s->turned_bytes, ResizeRows<W>::bytes(p.in, p.entries));
  }
  if (!s->constant) return;
  s->tables.resize(static_cast<size_t>((s->table_bytes + s->turned_bytes) / 8));
  fill_tables<W>(*s, s->axes, s->tables.data());
  s->tables.resize(static_cast<size_t>(s->table_bytes / 8));
}

// Stages are of elements of that size, as are input and result if they are of another type.
void lay_out_scratch(State* s, int64_t element, bool converts) {
  auto room = [s](int64_t bytes) {
    const int64_t at = s->scratch_bytes;
    s->scratch_bytes += (bytes + 63) / 64 * 64;
    return at;
  };
  if (!s->constant) {
    s->axes_at = room(static_cast<int64_t>(s->axes.size() * sizeof(ResizedAxis)));
    s->tables_at = room(s->table_bytes + s->turned_bytes);
  }
  int64_t most = 0;
  for (size_t i = 0; i + 1 < s->passes.size(); ++i) {
    const Pass& p = s->passes[i];
    most = std::max(most, p.outer * p.out * p.inner);
  }
  for (size_t i = 0; i < 2 && i + 1 < s->passes.size(); ++i) s->stages_at[i] = room(most * element);
  if (!converts) return;
  s->loaded_at = room(s->in_count * element);
  s->result_at = room(s->out_count * element);
}

template <typename W>
void finish(State* s, int64_t element, bool converts, PreparedKernel* prepared) {
  make_tables<W>(s);
  lay_out_scratch(s, element, converts);
  prepared->scratch_bytes = s->scratch_bytes;
  for (const Pass& p : s->passes) {
    prepared->cost_ns += 0.4 * static_cast<double>(p.outer * p.out) * static_cast<double>(p.inner * p.taps);
  }
}

Status use_sums(DType dtype, State s, PreparedKernel* prepared) {
  auto use = [&]<typename T>() {
    using W = Working<Real<T>>;
    finish<W>(&s, sizeof(W), !std::is_same_v<Real<T>, W>, prepared);
    prepared->use<&resize<T>>(std::move(s));
  };
  if (!with_type(NumberElements{}, dtype, use)) with_type(ComplexElements{}, dtype, use);
  return {};
}

// The element that attribute 'extrapolation_value' stands for; of strings, which are picked by their places, none.
void set_outside(DType dtype, double value, std::array<unsigned char, 16>* outside) {
  auto set = [&](auto element) { std::memcpy(outside->data(), &element, sizeof(element)); };
  with_type(NumberElements{}, dtype, [&]<typename T>() { set(rounded<T>(value)); });
  with_type(Types<F16, BF16>{}, dtype, [&]<typename T>() { set(rounded<T>(value)); });
  if (dtype == DType::kBool) set(value != 0);
  if (dtype == DType::kC64) set(std::complex<float>(static_cast<float>(value)));
  if (dtype == DType::kC128) set(std::complex<double>(value));
  if (dtype == DType::kString) set(int64_t{-1});
}

template <bool gradient>
Result<State> make_state(const KernelContext& c) {
  const int at_x = gradient ? 1 : 0;
  const Shape &x = c.shape(at_x), &y = gradient ? c.shape(0) : c.output_shape(0);
  State s;
  s.gradient = gradient;
  WEFT_TRY(s.resizing, read_resizing(c.attrs()));
  WEFT_TRY(s.places, axes_to_resize(c.attrs(), c.rank(at_x)));
  s.at_roi = at_x + 1;
  s.at_scales = at_x + 2;
  s.at_sizes = at_x + 3;
  s.to_sizes = c.has_input(s.at_sizes) && c.count(s.at_sizes) > 0;
  s.result = c.output_shape(0);
  const bool sums = gradient || s.resizing.mode != Resizing::Mode::kNearest;
  const int64_t parts = sums && is_complex(c.dtype(0)) ? 2 : 1;
  Shape shape = c.shape(0);
  if (parts > 1) shape.push_back(parts);
  s.in_count = c.count(0) * parts;
  s.out_count = c.output_count_of(0) * parts;
  if (s.in_count == 0 || s.out_count == 0 || s.places.empty()) return s;
  for (int64_t place : s.places) {
    ResizedAxis axis;
    axis.in = x[static_cast<size_t>(place)];
    axis.out = y[static_cast<size_t>(place)];
    s.axes.push_back(axis);
  }
  std::array<const void*, 5> in{};
  auto look_at = [&](int i) {
    const Tensor* value = c.constant(i);
    s.constant = s.constant && value != nullptr;
    if (value != nullptr) in[static_cast<size_t>(i)] = value->data();
  };
  look_at(s.to_sizes ? s.at_sizes : s.at_scales);
  if (s.resizing.crops()) {
    s.roi = c.dtype(s.at_roi);
    look_at(s.at_roi);
  }
  if (s.constant) {
    std::vector<ResizedAxis> resolved = s.axes;
    WEFT_CHECK(resolve(s, in.data(), resolved));
    s.axes = std::move(resolved);
  }
  plan_passes(&s, std::move(shape));
  return s;
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(State s, make_state<false>(c));
  const DType dtype = c.dtype(0);
  set_outside(dtype, s.resizing.extrapolation_value, &s.outside);
  if (s.resizing.mode != Resizing::Mode::kNearest) return use_sums(dtype, std::move(s), prepared);
  const int64_t size = dtype == DType::kString ? 8 : dtype_size(dtype);
  finish<float>(&s, size, false, prepared);
  if (dtype == DType::kString)
    prepared->use_tensors<&pick_strings>(std::move(s));
  else
    with_element(size, [&](auto element) { prepared->use<&pick<decltype(element)>>(std::move(s)); });
  return {};
}

// -- Row by row, which gives the same bits: one axis, or two neighbours, to the nearest or between two places.
bool goes_by_rows(const State& s, DType dtype) {
  const bool linear = s.resizing.mode == Resizing::Mode::kLinear;
  if (!s.constant || s.resizing.crops() || s.resizing.antialias || s.resizing.mode == Resizing::Mode::kCubic) {
    return false;
  }
  if (linear ? dtype != DType::kF32 && dtype != DType::kF64 : !movable(dtype)) return false;
  if (s.passes.empty() || s.passes.size() > 2) return false;
  for (const Pass& p : s.passes) {
    if (std::max(p.in, p.out) > std::numeric_limits<int32_t>::max()) return false;
  }
  const auto axis = [&](size_t i) { return s.places[s.passes[i].axis]; };
  return s.passes.size() == 1 || std::abs(axis(0) - axis(1)) == 1;
}

// Without places and weights yet.
RowResize rows_to_resize(const State& s, const Shape& shape) {
  RowResize r;
  int64_t first = s.places[s.passes[0].axis], last = first;
  if (s.passes.size() == 2) {
    const int64_t other = s.places[s.passes[1].axis];
    r.width_first = first > other;
    first = std::min(first, other);
    last = std::max(last, other);
  }
  r.outer = lines_of(shape, first).outer;
  r.inner = lines_of(shape, last).inner;
  return r;
}

Status prepare_rows(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(const State s, make_state<false>(c));
  const DType dtype = c.dtype(0);
  const bool linear = s.resizing.mode == Resizing::Mode::kLinear;
  RowResize r = rows_to_resize(s, c.shape(0));
  for (size_t i = 0; i < s.passes.size(); ++i) {
    const ResizedAxis& axis = s.axes[s.passes[i].axis];
    // Alone, an axis with elements behind it is a height: whole rows are moved or weighted.
    const bool wide = s.passes.size() == 2 ? (i == 0) == r.width_first : r.inner == 1;
    (wide ? r.width : r.height) = linear ? linear_line(s.resizing, axis, dtype) : nearest_line(s.resizing, axis);
  }
  if (linear)
    use_linear_rows(std::move(r), dtype, prepared);
  else
    use_nearest_rows(std::move(r), dtype_size(dtype), prepared);
  return {};
}

bool takes_sums(const KernelContext& c) {
  return in_list(NumberElements{}, c.dtype(0)) || in_list(ComplexElements{}, c.dtype(0));
}

bool takes_elements(const KernelContext& c) {
  if (c.attrs().s("mode") == "nearest") return c.dtype(0) == DType::kString || movable(c.dtype(0));
  return takes_sums(c);
}

bool takes_rows(const KernelContext& c) {
  if (!takes_elements(c)) return false;
  const Result<State> s = make_state<false>(c);
  return s.ok() && goes_by_rows(*s, c.dtype(0));
}

Status prepare_gradient(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(State s, make_state<true>(c));
  return use_sums(c.dtype(0), std::move(s), prepared);
}

}  // namespace

void add_cpu_resize(KernelRegistry& kernels) {
  kernels.add("Resize", {"rows", takes_rows, prepare_rows});
  kernels.add("Resize", {"plain", takes_elements, prepare});
  kernels.add("weft.OldResize", {"plain", takes_elements, prepare});
  kernels.add("weft.ResizeGrad", {"plain", takes_sums, prepare_gradient});
}

}  // namespace weft
