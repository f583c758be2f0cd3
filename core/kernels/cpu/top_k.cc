// The kernels of TopK: a merge sort of indices that keeps the first k of every run, and one pass that holds the few best.
#include <algorithm>
#include <numeric>

#include "core/kernels/cpu/lines_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

// Indices sorted in one go: a run is stopped between them, and other threads take their part.
constexpr int64_t kRun = 1 << 15;
// Indices held at once, in whole lines.
constexpr int64_t kHeld = 1 << 18;

// So few are held in their order, and of a line so many times as long: then most elements are looked at and passed over.
constexpr int64_t kMostFew = 16, kLeastOfEach = 4;

struct State {
  Lines lines;
  int64_t k;
  bool largest;
  int64_t group;  // lines sorted together
};

double few_cost_ns(const State& s) { return 0.3 * static_cast<double>(s.lines.size) + 20.0 * static_cast<double>(s.k); }

// NaN is the largest.
template <typename T>
bool ahead(T x, T y, bool largest) {
  return largest ? before(x, y, true) : before(y, x, true);
}

// Order of the elements of one line by their indices: equal ones keep their order.
template <typename T>
struct First {
  const T* line;
  int64_t stride;
  bool largest;

  bool operator()(int64_t a, int64_t b) const {
    const T x = line[a * stride], y = line[b * stride];
    if (ahead(x, y, largest)) return true;
    if (ahead(y, x, largest)) return false;
    return a < b;
  }
};

// One group of lines, the i-th of them the tensor's line `first_line + i`.
template <typename T>
class Sort {
 public:
  Sort(const State& s, const RunArgs& args, int64_t first_line, int64_t count)
      : s_(s), args_(args), first_line_(first_line), count_(count), order_(static_cast<int64_t*>(args.scratch)) {}

  // False if the run was stopped: what was skipped holds no indices.
  bool run() {
    sort_runs();
    int64_t* other = order_ + s_.group * s_.lines.size;
    for (int64_t width = kRun; width < s_.lines.size; width *= 2) {
      if (stopped()) return false;
      merge_runs(width, other);
      std::swap(order_, other);
    }
    if (stopped()) return false;
    write();
    return true;
  }

 private:
  bool stopped() const { return args_.parallel->stop != nullptr && args_.parallel->stop->stopped(); }

  First<T> first(int64_t line) const {
    return {args_.input<T>(0) + start(line, s_.lines.size), s_.lines.inner, s_.largest};
  }

  // Where a line begins in a tensor whose axis has `size` elements.
  int64_t start(int64_t line, int64_t size) const {
    const int64_t at = first_line_ + line, inner = s_.lines.inner;
    return at / inner * size * inner + at % inner;
  }

  void sort_runs() {
    const int64_t size = s_.lines.size, runs = (size + kRun - 1) / kRun, length = std::min(size, kRun);
    parallel_for(*args_.parallel, count_ * runs, std::max<int64_t>(1, 4096 / length),
                 10.0 * static_cast<double>(length), [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t from = i % runs * kRun, n = std::min(kRun, size - from);
                     int64_t* order = order_ + i / runs * size + from;
                     std::iota(order, order + n, from);
                     std::partial_sort(order, order + std::min(s_.k, n), order + n, first(i / runs));
                   }
                 });
  }

  // Of each pair of runs of `width` indices, of which the first k stand, to the first k of one of twice the width.
  void merge_runs(int64_t width, int64_t* out) {
    const int64_t size = s_.lines.size, pairs = (size + 2 * width - 1) / (2 * width);
    parallel_for(*args_.parallel, count_ * pairs, 1, 5.0 * static_cast<double>(std::min(s_.k, 2 * width)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t line = i / pairs, from = i % pairs * 2 * width;
                     const int64_t middle = std::min(from + width, size), last = std::min(middle + width, size);
                     const int64_t* order = order_ + line * size;
                     merge(first(line), order + from, std::min(s_.k, middle - from), order + middle,
                           std::min(s_.k, last - middle), out + line * size + from);
                   }
                 });
  }

  void merge(const First<T>& first, const int64_t* a, int64_t count_a, const int64_t* b, int64_t count_b,
             int64_t* out) {
    const int64_t *end_a = a + count_a, *end_b = b + count_b;
    for (int64_t i = std::min(s_.k, count_a + count_b); i > 0; --i) {
      const bool from_b = a == end_a || (b != end_b && first(*b, *a));
      *out++ = from_b ? *b++ : *a++;
    }
  }

  void write() {
    const T* x = args_.input<T>(0);
    T* values = args_.output<T>(0);
    int64_t* indices = args_.output<int64_t>(1);
    const int64_t inner = s_.lines.inner;
    for (int64_t line = 0; line < count_; ++line) {
      const int64_t *order = order_ + line * s_.lines.size, from = start(line, s_.lines.size), to = start(line, s_.k);
      for (int64_t i = 0; i < s_.k; ++i) {
        values[to + i * inner] = x[from + order[i] * inner];
        indices[to + i * inner] = order[i];
      }
    }
  }

  const State& s_;
  const RunArgs& args_;
  int64_t first_line_, count_;
  int64_t* order_;
};

template <typename T>
void top_k(const State& s, const RunArgs& args) {
  const int64_t lines = s.lines.outer * s.lines.inner;
  if (s.k == 0) return;
  for (int64_t line = 0; line < lines; line += s.group) {
    if (!Sort<T>(s, args, line, std::min(s.group, lines - line)).run()) return;
  }
}

// The best of one line so far, in their order: `values` and `indices` are where they will be wanted.
template <typename T>
struct Best {
  T* values;
  int64_t* indices;
  bool largest;

  // Among the first `held`, whose last one it may push out.
  void insert(T value, int64_t index, int64_t held) const {
    int64_t at = held - 1;
    for (; at > 0 && ahead(value, values[at - 1], largest); --at) {
      values[at] = values[at - 1];
      indices[at] = indices[at - 1];
    }
    values[at] = value;
    indices[at] = index;
  }
};

// The first element that may come before `last`; n if there is none.
template <typename T>
int64_t next_ahead(const T* x, int64_t n, T last, bool largest) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return (largest ? select_table(T()).above : select_table(T()).below)(x, n, last);
  } else {
    int64_t i = 0;
    while (i < n && !ahead(x[i], last, largest)) ++i;
    return i;
  }
}

template <typename T>
void few_of_line(const T* x, int64_t size, int64_t k, StopCondition* stop, const Best<T>& best) {
  for (int64_t i = 0; i < k; ++i) best.insert(x[i], i, i + 1);
  const T& last = best.values[k - 1];
  for (int64_t begin = k; begin < size; begin += kRun) {
    if (stop != nullptr && stop->stopped()) return;
    const int64_t end = std::min(begin + kRun, size);
    for (int64_t i = begin; i < end; ++i) {
      i += next_ahead(x + i, end - i, last, best.largest);
      if (i < end && ahead(x[i], last, best.largest)) best.insert(x[i], i, k);
    }
  }
}

template <typename T>
void few(const State& s, const RunArgs& args) {
  const int64_t size = s.lines.size;
  parallel_for(*args.parallel, s.lines.outer, std::max<int64_t>(1, 4096 / size), few_cost_ns(s),
               [&](int64_t begin, int64_t end) {
                 for (int64_t line = begin; line < end; ++line) {
                   few_of_line<T>(args.input<T>(0) + line * size, size, s.k, args.parallel->stop,
                                  {args.output<T>(0) + line * s.k, args.output<int64_t>(1) + line * s.k, s.largest});
                 }
               });
}

State state_of(const KernelContext& c) {
  const int64_t axis = c.attrs().i("axis");
  return {lines_of(c.shape(0), axis), lines_of(c.output_shape(0), axis).size, c.attrs().b("largest"), 1};
}

bool accepts_few(const KernelContext& c) {
  if (!has_elements(c)) return false;
  const State s = state_of(c);
  return s.lines.inner == 1 && s.k > 0 && s.k <= kMostFew && s.lines.size >= kLeastOfEach * s.k;
}

Status prepare_few(const KernelContext& c, PreparedKernel* prepared) {
  const State s = state_of(c);
  prepared->cost_ns = few_cost_ns(s) * static_cast<double>(s.lines.outer);
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&few<T>>(s); });
  return {};
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const int64_t axis = c.attrs().i("axis");
  State s = state_of(c);
  const int64_t size = s.lines.size;
  if (s.k > size) {
    return invalid("K is ", s.k, " but axis ", axis, " of ", shape_text(c.shape(0)), " has fewer elements");
  }
  s.group =
      std::clamp<int64_t>(kHeld / std::max<int64_t>(size, 1), 1, std::max<int64_t>(s.lines.outer * s.lines.inner, 1));
  prepared->scratch_bytes = s.group * size * 8 * (size > kRun ? 2 : 1);
  prepared->cost_ns = 10.0 * static_cast<double>(c.count(0));
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&top_k<T>>(s); });
  return {};
}

}  // namespace

void add_cpu_top_k(KernelRegistry& kernels) {
  kernels.add("TopK", {"few", accepts_few, prepare_few});
  kernels.add("TopK", {"plain", has_elements, prepare});
}

}  // namespace weft
