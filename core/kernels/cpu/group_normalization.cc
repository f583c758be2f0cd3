// Kernels of GroupNormalization and InstanceNormalization, with the channels first or last, and of their gradient.
#include <algorithm>
#include <cmath>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

// What is looked at twice stays in the first-level cache.
constexpr int64_t kPartElements = 8192;
constexpr double kNsOfElement = 0.4;
// From so many groups on a thread takes whole ones: it then finds in its cache what it has just looked at.
constexpr int64_t kManyGroups = 16;

// Images of `channels` and `inner` pixels, in groups of neighbouring channels.
struct Groups {
  int64_t images = 1, channels = 1, inner = 1, groups = 1;
  bool last = false;  // channels, which then lie side by side
  double epsilon = 0;
  // Of a group, or of an image with the channels last: what the moments are first found of. Shapes alone decide it.
  int64_t parts = 1;

  int64_t together() const { return channels / groups; }
  int64_t group_size() const { return together() * inner; }
  int64_t image_size() const { return channels * inner; }
  int64_t all_groups() const { return images * groups; }
  // Whether a thread does all of a group: each has but one part, or there are enough of them for all threads.
  bool whole_groups() const { return parts == 1 || all_groups() >= kManyGroups; }
  // Where a part of a group begins, in elements, or one of an image, in pixels.
  int64_t begin_of(int64_t part) const { return part * (last ? inner : group_size()) / parts; }
};

// Of many elements, made of those of parts (Chan, Golub and LeVeque, 1979).
class Moments {
 public:
  void add(int64_t count, double mean, double squares) {
    const double n = static_cast<double>(count), total = count_ + n, away = mean - mean_;
    mean_ += away * (n / total);
    squares_ += squares + away * away * (count_ * n / total);
    count_ = total;
  }
  double mean() const { return mean_; }
  double inverse(double epsilon) const { return 1 / std::sqrt(squares_ / count_ + epsilon); }

 private:
  double count_ = 0, mean_ = 0, squares_ = 0;
};

// Of a group whose channels are first.
template <typename T>
Moments moments_of(const Groups& s, const T* group) {
  Moments all;
  for (int64_t part = 0; part < s.parts; ++part) {
    const int64_t begin = s.begin_of(part), n = s.begin_of(part + 1) - begin;
    T mean, squares;
    moments_table(T()).of_row(group + begin, n, &mean, &squares);
    all.add(n, mean, squares);
  }
  return all;
}

// Elements [begin, end) of group `at`, channel by channel.
template <typename T>
void scale_part(const Groups& s, const RunArgs& args, int64_t at, T mean, T inverse, int64_t begin, int64_t end) {
  const T *x = args.input<T>(0) + at * s.group_size(), *scale = args.input<T>(1), *bias = args.input<T>(2);
  T* y = args.output<T>(0) + at * s.group_size();
  const auto scale_row = moments_table(T()).scale_row;
  for (int64_t i = begin; i < end;) {
    const int64_t channel = at % s.groups * s.together() + i / s.inner;
    const int64_t past = std::min(end, (i / s.inner + 1) * s.inner);
    scale_row(x + i, mean, inverse * scale[channel], bias[channel], y + i, past - i);
    i = past;
  }
  args.finished(at * s.group_size() + begin, at * s.group_size() + end);
}

template <typename T>
void run_first(const Groups& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  const double cost = kNsOfElement * static_cast<double>(s.group_size()) + args.finish_cost_ns(s.group_size());
  if (s.whole_groups()) {
    const int64_t block = std::max<int64_t>(1, kPartElements / s.group_size());
    parallel_for(*args.parallel, s.all_groups(), block, cost, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const Moments m = moments_of(s, x + at * s.group_size());
        const T mean = static_cast<T>(m.mean()), inverse = static_cast<T>(m.inverse(s.epsilon));
        for (int64_t part = 0; part < s.parts; ++part) {
          scale_part(s, args, at, mean, inverse, s.begin_of(part), s.begin_of(part + 1));
        }
      }
    });
    return;
  }
  // [group][part] means, then squares; a mean and an inverse root of each group.
  const int64_t all = s.all_groups() * s.parts;
  T *means = static_cast<T*>(args.scratch), *squares = means + all, *found = squares + all;
  const double of_part = cost / static_cast<double>(2 * s.parts);
  parallel_for(*args.parallel, all, 1, of_part, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = s.begin_of(i % s.parts), n = s.begin_of(i % s.parts + 1) - at;
      moments_table(T()).of_row(x + i / s.parts * s.group_size() + at, n, means + i, squares + i);
    }
  });
  for (int64_t group = 0; group < s.all_groups(); ++group) {
    Moments m;
    for (int64_t part = 0; part < s.parts; ++part) {
      const int64_t i = group * s.parts + part;
      m.add(s.begin_of(part + 1) - s.begin_of(part), means[i], squares[i]);
    }
    found[2 * group] = static_cast<T>(m.mean());
    found[2 * group + 1] = static_cast<T>(m.inverse(s.epsilon));
  }
  parallel_for(*args.parallel, all, 1, of_part, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / s.parts, part = i % s.parts;
      scale_part(s, args, group, found[2 * group], found[2 * group + 1], s.begin_of(part), s.begin_of(part + 1));
    }
  });
}

// The mean, factor and shift of each channel of an image, from the moments of its parts.
template <typename T>
void find_factors(const Groups& s, const T* moments, const T* scale, const T* bias, T* to) {
  for (int64_t group = 0; group < s.groups; ++group) {
    const int64_t first = group * s.together(), past = first + s.together();
    Moments m;
    for (int64_t part = 0; part < s.parts; ++part) {
      const T *mean = moments + 2 * part * s.channels, *squares = mean + s.channels;
      const int64_t pixels = s.begin_of(part + 1) - s.begin_of(part);
      for (int64_t c = first; c < past; ++c) m.add(pixels, mean[c], squares[c]);
    }
    const T middle = static_cast<T>(m.mean()), inverse = static_cast<T>(m.inverse(s.epsilon));
    for (int64_t c = first; c < past; ++c) {
      to[c] = middle;
      to[s.channels + c] = inverse * scale[c];
      to[2 * s.channels + c] = bias[c];
    }
  }
}

template <typename T>
void run_last(const Groups& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  const MomentsTable<T>& table = moments_table(T());
  // [image][part] means and squares of channels; [image] means, factors and shifts.
  T *moments = static_cast<T*>(args.scratch), *factors = moments + 2 * s.images * s.parts * s.channels;
  const int64_t all = s.images * s.parts, elements = s.image_size() / s.parts;
  const double cost = 0.5 * kNsOfElement * static_cast<double>(elements);
  parallel_for(*args.parallel, all, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = s.begin_of(i % s.parts), past = s.begin_of(i % s.parts + 1);
      T* to = moments + 2 * i * s.channels;
      table.of_columns(x + (i / s.parts * s.inner + first) * s.channels, past - first, s.channels, to, to + s.channels);
    }
  });
  const double of_image = 3.0 * static_cast<double>(s.parts * s.channels);
  parallel_for(*args.parallel, s.images, 1, of_image, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      find_factors(s, moments + 2 * image * s.parts * s.channels, args.input<T>(1), args.input<T>(2),
                   factors + 3 * image * s.channels);
    }
  });
  parallel_for(*args.parallel, all, 1, cost + args.finish_cost_ns(elements), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / s.parts;
      const int64_t first = (image * s.inner + s.begin_of(i % s.parts)) * s.channels;
      const int64_t past = (image * s.inner + s.begin_of(i % s.parts + 1)) * s.channels;
      const T* factor = factors + 3 * image * s.channels;
      table.scale_columns(x + first, (past - first) / s.channels, s.channels, factor, factor + s.channels,
                          factor + 2 * s.channels, y + first);
      args.finished(first, past);
    }
  });
}

template <typename T>
void run(const Groups& s, const RunArgs& args) {
  if (s.images == 0) return;
  if (s.last)
    run_last<T>(s, args);
  else
    run_first<T>(s, args);
}

// -- The gradient, with the channels first. In gradients a product with a factor from behind that is exactly 0 is 0.
double guarded(double a, double b) { return a == 0 ? 0 : a * b; }

// What the gradient to X is made of, of one group.
template <typename T>
struct GroupSlope {
  T mean, inverse, bend, shift;
};

struct GroupsGrad {
  Groups groups;
  bool to_scale = false, to_bias = false;
};

template <typename T>
void run_grad(const GroupsGrad& state, const RunArgs& args) {
  const Groups& s = state.groups;
  const T *x = args.input<T>(0), *scale = args.input<T>(1), *dy = args.input<T>(2);
  T* dx = args.output<T>(0);
  const MomentsTable<T>& table = moments_table(T());
  // Of each group; then, of each channel of each image, the sums of the slopes and of what they have along the elements.
  GroupSlope<T>* slopes = static_cast<GroupSlope<T>*>(args.scratch);
  T *sums = reinterpret_cast<T*>(slopes + s.all_groups()), *along = sums + s.images * s.channels;
  const int64_t block = std::max<int64_t>(1, kPartElements / std::max<int64_t>(s.group_size(), 1));
  const double cost = kNsOfElement * static_cast<double>(s.group_size());
  parallel_for(*args.parallel, s.all_groups(), block, 2 * cost, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const Moments m = moments_of(s, x + at * s.group_size());
      GroupSlope<T>& group = slopes[at];
      group.mean = static_cast<T>(m.mean());
      group.inverse = static_cast<T>(m.inverse(s.epsilon));
      double slope = 0, bend = 0;
      for (int64_t i = 0; i < s.together(); ++i) {
        const int64_t row = at * s.together() + i;
        const double by = scale[row % s.channels];
        table.slopes_of_row(x + row * s.inner, dy + row * s.inner, group.mean, group.inverse, s.inner, sums + row,
                            along + row);
        slope += guarded(sums[row], by);
        bend += guarded(along[row], by);
      }
      const double count = static_cast<double>(s.group_size()), inverse = group.inverse;
      group.shift = static_cast<T>(guarded(slope / count, inverse));
      group.bend = static_cast<T>(guarded(bend / count, inverse * inverse));
    }
  });
  // Before dX is written, which may have the place of X or dY.
  T* dscale = state.to_scale ? args.output<T>(1) : nullptr;
  T* dbias = state.to_bias ? args.output<T>(2) : nullptr;
  const auto over_images = [&s](const T* of, int64_t c) {
    double sum = 0;
    for (int64_t image = 0; image < s.images; ++image) sum += of[image * s.channels + c];
    return static_cast<T>(sum);
  };
  for (int64_t c = 0; c < s.channels; ++c) {
    if (dscale != nullptr) dscale[c] = over_images(along, c);
    if (dbias != nullptr) dbias[c] = over_images(sums, c);
  }
  const int64_t rows = std::max<int64_t>(1, kPartElements / std::max<int64_t>(s.inner, 1));
  const double of_row = kNsOfElement * static_cast<double>(s.inner);
  parallel_for(*args.parallel, s.images * s.channels, rows, of_row, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const GroupSlope<T>& group = slopes[row / s.together()];
      const T factor = group.inverse * scale[row % s.channels];
      table.grad_of_row(x + row * s.inner, dy + row * s.inner, group.mean, factor, group.bend, group.shift,
                        dx + row * s.inner, s.inner);
    }
  });
}

// -- Which of them.
enum class Layout { kFirst, kLast };

int64_t channels_of(const KernelContext& c, Layout layout) {
  return layout == Layout::kLast ? c.shape(0).back() : c.shape(0)[1];
}

// 0 where the node names none, or the operator has no such attribute: each channel is one.
int64_t groups_of(const KernelContext& c, int64_t channels) {
  const int64_t named = c.attrs().i_or("num_groups", 0);
  return named == 0 ? channels : named;
}

// The inputs from 1 to `last` have a number for each channel, which groups divide.
template <Layout layout, int last>
bool accepts(const KernelContext& c) {
  const DType dtype = c.dtype(0);
  if (dtype != DType::kF32 && dtype != DType::kF64) return false;
  const bool kept = c.attrs().has("stash_type") && static_cast<DType>(c.attrs().i("stash_type")) == DType::kF64;
  if ((kept && dtype != DType::kF64) || c.rank(0) < 2) return false;
  const int64_t channels = channels_of(c, layout), groups = groups_of(c, channels);
  if (groups < 1 || channels % groups != 0) return false;
  for (int i = 1; i <= last; ++i) {
    if (c.dtype(i) != dtype || c.shape(i) != Shape{channels}) return false;
  }
  return true;
}

bool accepts_grad(const KernelContext& c) {
  return accepts<Layout::kFirst, 1>(c) && c.dtype(2) == c.dtype(0) && c.shape(2) == c.shape(0) && c.count(0) > 0;
}

Groups read_groups(const KernelContext& c, Layout layout) {
  Groups s;
  s.channels = channels_of(c, layout);
  s.groups = groups_of(c, s.channels);
  s.epsilon = c.attrs().f("epsilon");
  s.images = c.count(0) > 0 ? c.shape(0)[0] : 0;
  s.inner = s.images > 0 ? c.count(0) / (s.images * s.channels) : 1;
  return s;
}

template <Layout layout>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  Groups s = read_groups(c, layout);
  // Of one pixel both layouts are the same, and rows of channels are longer than those of pixels.
  s.last = layout == Layout::kLast || s.inner == 1;
  const int64_t size = s.last ? s.image_size() : s.group_size();
  s.parts = std::min(divide_up(size, kPartElements), s.last ? s.inner : size);
  const int64_t all = (s.last ? s.images : s.all_groups()) * s.parts;
  const int64_t scratch = s.last             ? s.channels * (2 * all + 3 * s.images)
                          : s.whole_groups() ? 0
                                             : 2 * all + 2 * s.all_groups();
  prepared->scratch_bytes = dtype_bytes(c.dtype(0), scratch);
  prepared->cost_ns = kNsOfElement * static_cast<double>(c.count(0));
  prepared->finishes = all > 0 && (all == 1 || size / s.parts >= kLeastStretch);
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run<float>>(s);
  else
    prepared->use<&run<double>>(s);
  return {};
}

Status prepare_grad(const KernelContext& c, PreparedKernel* prepared) {
  GroupsGrad state{read_groups(c, Layout::kFirst), c.has_output(1), c.has_output(2)};
  Groups& s = state.groups;
  s.parts = divide_up(s.group_size(), kPartElements);
  prepared->scratch_bytes = dtype_bytes(c.dtype(0), 4 * s.all_groups() + 2 * s.images * s.channels);
  prepared->cost_ns = 3 * kNsOfElement * static_cast<double>(c.count(0));
  if (c.dtype(0) == DType::kF32)
    prepared->use<&run_grad<float>>(state);
  else
    prepared->use<&run_grad<double>>(state);
  return {};
}

bool accepts_planes(const KernelContext& c) { return c.rank(0) >= 3 && accepts<Layout::kFirst, 2>(c); }

}  // namespace

void add_cpu_group_normalization(KernelRegistry& kernels) {
  const KernelImpl first{"vectors", accepts<Layout::kFirst, 2>, prepare<Layout::kFirst>};
  kernels.add("GroupNormalization", first);
  kernels.add("InstanceNormalization", {"vectors", accepts_planes, prepare<Layout::kFirst>});
  kernels.add("weft.ChannelsLastGroupNormalization", {"vectors", accepts<Layout::kLast, 2>, prepare<Layout::kLast>});
  kernels.add("weft.GroupNormalizationGrad", {"vectors", accepts_grad, prepare_grad});
}

}  // namespace weft
