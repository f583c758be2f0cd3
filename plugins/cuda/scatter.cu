// Updates put or added where indices say, in their order: ScatterElements, ScatterND, weft.ScatterRows, weft.ScatterScan;
// and OneHot.
#include <cub/device/device_radix_sort.cuh>

#include "plugins/cuda/indices.cuh"
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/move.cuh"

namespace weft::cuda {

namespace {

constexpr int kAhead = 8;  // updates of one place that are read together

// -- Each update has a key: where it goes among the `size` slices of the output, or `size` for nowhere. Sorted by them,
// with equal ones in their order, the updates of a place lie side by side; whoever has the first does them all.
struct Keys {
  enum Kind { kAxis, kPlaces, kElements } kind;
  int64_t count, size;
  int32_t axis = 0;
  // kPlaces: the axes that coordinates are for. kElements: the sizes of the indices and what an index of each means in
  // data.
  int64_t axis_size[kMostDims] = {}, step[kMostDims] = {};
  int rank = 0;
  int64_t picked_size = 0, picked_step = 0;  // kElements: of the axis
};

__global__ void make_keys(Indices indices, Keys s, uint32_t* keys, int32_t* positions, Reporter reporter) {
  WEFT_FOR(i, s.count) {
    int64_t key = 0;
    if (s.kind == Keys::kAxis) {
      key = reporter.place(indices[i], s.size, s.axis);
    } else if (s.kind == Keys::kPlaces) {
      for (int c = 0; c < s.rank && key >= 0; ++c) {
        const int64_t at = reporter.place(indices[i * s.rank + c], s.axis_size[c], c);
        key = at < 0 ? -1 : key * s.axis_size[c] + at;
      }
    } else {
      int64_t rest = i;
      for (int d = s.rank - 1; d >= 0; --d) {
        const int64_t next = rest / s.axis_size[d];
        key += (rest - next * s.axis_size[d]) * s.step[d];
        rest = next;
      }
      const int64_t at = reporter.place(indices[i], s.picked_size, s.axis);
      key = at < 0 ? -1 : key + at * s.picked_step;
    }
    keys[i] = static_cast<uint32_t>(key < 0 ? s.size : key);
    positions[i] = static_cast<int32_t>(i);
  }
}

// The sorted keys, and the updates that they belong to.
struct Runs {
  const uint32_t* keys;
  const int32_t* positions;
};

struct Sort {
  Keys keys;
  bool wide;  // indices
  int bits = 0;
  size_t temporary = 0;

  int64_t array_bytes() const { return (keys.count * 4 + 255) / 256 * 256; }
  int64_t scratch_bytes() const { return keys.count == 0 ? 0 : 4 * array_bytes() + static_cast<int64_t>(temporary); }

  Runs run(const Launch& launch) const {
    char* scratch = static_cast<char*>(launch.scratch);
    auto* keys_in = reinterpret_cast<uint32_t*>(scratch);
    auto* keys_out = reinterpret_cast<uint32_t*>(scratch + array_bytes());
    auto* positions_in = reinterpret_cast<int32_t*>(scratch + 2 * array_bytes());
    auto* positions_out = reinterpret_cast<int32_t*>(scratch + 3 * array_bytes());
    start(launch, make_keys, blocks_for(keys.count), kThreads, 0, Indices{launch.in[1], wide}, keys, keys_in,
          positions_in, Reporter{launch.stream.faults(), launch.step});
    size_t bytes = temporary;
    check(cub::DeviceRadixSort::SortPairs(scratch + 4 * array_bytes(), bytes, keys_in, keys_out, positions_in,
                                          positions_out, static_cast<int>(keys.count), 0, bits, launch.stream.get()),
          "indices cannot be sorted");
    return {keys_out, positions_out};
  }
};

bool sortable(const Keys& keys) { return keys.count < (int64_t{1} << 31) - 1 && keys.size < (int64_t{1} << 32) - 1; }

Sort make_sort(const Keys& keys, bool wide) {
  Sort s{keys, wide};
  while (s.bits < 32 && (keys.size >> s.bits) > 0) ++s.bits;
  s.bits = std::max(s.bits, 1);
  if (keys.count == 0) return s;
  check(cub::DeviceRadixSort::SortPairs(nullptr, s.temporary, static_cast<const uint32_t*>(nullptr),
                                        static_cast<uint32_t*>(nullptr), static_cast<const int32_t*>(nullptr),
                                        static_cast<int32_t*>(nullptr), static_cast<int>(keys.count), 0, s.bits),
        "indices cannot be sorted");
  return s;
}

// Updates [outer, count, inner], output [outer, size, inner].
struct Slices {
  int64_t outer, size, count, inner;
};

enum class Join { kReplace, kAdd, kMul, kMax, kMin };

Join read_join(const std::string& reduction) {
  if (reduction == "add") return Join::kAdd;
  if (reduction == "mul") return Join::kMul;
  if (reduction == "max") return Join::kMax;
  return reduction == "min" ? Join::kMin : Join::kReplace;
}

// Integers wrap around. A NaN stays.
template <typename W>
__device__ W joined(Join join, W a, W b) {
  if constexpr (std::is_integral_v<W>) {
    using U = std::make_unsigned_t<W>;
    if (join == Join::kAdd) return static_cast<W>(static_cast<U>(a) + static_cast<U>(b));
    if (join == Join::kMul) return static_cast<W>(static_cast<U>(a) * static_cast<U>(b));
  } else {
    if (join == Join::kAdd) return a + b;
    if (join == Join::kMul) return a * b;
    if (isnan(a)) return a;
    if (isnan(b)) return b;
  }
  return (a > b) == (join == Join::kMax) ? a : b;
}

template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T x[kWidth];
};

// Slices in packs. A thread for each update and each pack of a slice; those that are not the first of their place are
// idle.
template <typename T, int kWidth, typename Index>
__global__ void join_runs(Runs runs, const Pack<T, kWidth>* updates, Pack<T, kWidth>* out, Slices s, Join join,
                          bool from_zero) {
  const Index inner = static_cast<Index>(s.inner), each = static_cast<Index>(s.outer * s.inner);
  WEFT_FOR(i, s.count * s.outer * s.inner) {
    const Index first = static_cast<Index>(i) / each, e = static_cast<Index>(i) - first * each;
    const uint32_t key = runs.keys[first];
    if (key >= s.size || (first > 0 && runs.keys[first - 1] == key)) continue;
    const Index o = e / inner, k = e - o * inner;
    const Pack<T, kWidth>* from = updates + static_cast<int64_t>(o) * s.count * s.inner + k;
    Pack<T, kWidth>* to = out + (static_cast<int64_t>(o) * s.size + key) * s.inner + k;
    Wide<T> sum[kWidth];
    if (from_zero) {
#pragma unroll
      for (int x = 0; x < kWidth; ++x) sum[x] = Wide<T>(0);
    } else {
      const Pack<T, kWidth> was = *to;
#pragma unroll
      for (int x = 0; x < kWidth; ++x) sum[x] = widen(was.x[x]);
    }
    bool more = true;
    for (int64_t r = first; more; r += kAhead) {
      Pack<T, kWidth> held[kAhead];
      bool same[kAhead];
#pragma unroll
      for (int j = 0; j < kAhead; ++j) same[j] = r + j < s.count && runs.keys[r + j] == key;
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        if (same[j]) held[j] = from[runs.positions[r + j] * s.inner];
      }
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        if (!same[j]) continue;
#pragma unroll
        for (int x = 0; x < kWidth; ++x) sum[x] = joined<Wide<T>>(join, sum[x], widen(held[j].x[x]));
      }
      more = same[kAhead - 1];
    }
    Pack<T, kWidth> made;
#pragma unroll
    for (int x = 0; x < kWidth; ++x) made.x[x] = narrow<T>(sum[x]);
    *to = made;
  }
}

// The last update of a place is what it becomes.
template <typename T>
__global__ void replace_runs(Runs runs, const T* updates, T* out, Slices s) {
  WEFT_FOR(i, s.count * s.inner) {
    const int64_t last = i / s.inner, k = i - last * s.inner;
    const uint32_t key = runs.keys[last];
    if (key >= s.size || (last + 1 < s.count && runs.keys[last + 1] == key)) continue;
    out[static_cast<int64_t>(key) * s.inner + k] = updates[runs.positions[last] * s.inner + k];
  }
}

// s = factor * s + term at each place, update after update; what was there before is given out.
template <typename T>
__global__ void scan_runs(Runs runs, const T* factors, const T* terms, T* state, T* before, Slices s, bool reverse) {
  WEFT_FOR(i, s.count * s.inner) {
    const int64_t first = i / s.inner, k = i - first * s.inner, step = reverse ? -1 : 1;
    const uint32_t key = runs.keys[first];
    const int64_t other = first - step;
    if (key >= s.size || (other >= 0 && other < s.count && runs.keys[other] == key)) continue;
    T* at = state + static_cast<int64_t>(key) * s.inner + k;
    T now = *at;
    for (int64_t r = first; r >= 0 && r < s.count && runs.keys[r] == key; r += step) {
      const int64_t from = runs.positions[r] * s.inner + k;
      const T factor = factors[from];
      before[from] = now;
      const T product = now == T(0) || factor == T(0) ? T(0) : factor * now;
      now = terms == nullptr ? product : product + terms[from];
    }
    *at = now;
  }
}

using JoinTypes = Types<float, double, __half, __nv_bfloat16, int32_t, int64_t>;

// Sums and products of numbers without a sign have the bits of those with one.
int32_t joined_as(int32_t dtype, Join join) {
  const bool alike = join == Join::kAdd || join == Join::kMul;
  if (dtype == WEFT_U32 && alike) return WEFT_I32;
  return dtype == WEFT_U64 && alike ? WEFT_I64 : dtype;
}

template <typename T, int kWidth>
void start_joins(const Launch& launch, Runs runs, const void* updates, Slices s, Join join, bool from_zero) {
  s.inner /= kWidth;
  const int64_t count = s.count * s.outer * s.inner;
  auto* kernel = count < (int64_t{1} << 31) ? join_runs<T, kWidth, uint32_t> : join_runs<T, kWidth, uint64_t>;
  start(launch, kernel, blocks_for(count), kThreads, 0, runs, static_cast<const Pack<T, kWidth>*>(updates),
        static_cast<Pack<T, kWidth>*>(launch.out[0]), s, join, from_zero);
}

// Input `at` has the updates.
template <typename T>
Prepared prepare_joins(const Sort& sort, const Slices& s, Join join, int at, int64_t out_bytes, bool from_zero) {
  return ready(
      [=](const Launch& launch) {
        if (out_bytes == 0 && s.count == 0) return;
        if (from_zero && out_bytes > 0) {
          check(cudaMemsetAsync(launch.out[0], 0, static_cast<size_t>(out_bytes), launch.stream.get()),
                "memory cannot be cleared");
        } else if (!from_zero && launch.in[0] != launch.out[0]) {
          launch.stream.copy(launch.out[0], launch.in[0], out_bytes, cudaMemcpyDeviceToDevice);
        }
        if (s.count == 0) return;
        const Runs runs = sort.run(launch);
        if (s.outer * s.inner == 0) return;
        constexpr int kWidth = 16 / sizeof(T);
        const bool aligned =
            (reinterpret_cast<uintptr_t>(launch.in[at]) | reinterpret_cast<uintptr_t>(launch.out[0])) % 16 == 0;
        if (aligned && s.inner % kWidth == 0)
          start_joins<T, kWidth>(launch, runs, launch.in[at], s, join, from_zero);
        else
          start_joins<T, 1>(launch, runs, launch.in[at], s, join, from_zero);
      },
      sort.scratch_bytes());
}

Prepared prepare_replace(const Sort& sort, const Slices& plan, int64_t element, int64_t out_bytes) {
  return ready(
      [=](const Launch& launch) {
        if (launch.in[0] != launch.out[0]) {
          launch.stream.copy(launch.out[0], launch.in[0], out_bytes, cudaMemcpyDeviceToDevice);
        }
        if (plan.count == 0) return;
        const Runs runs = sort.run(launch);
        if (plan.inner == 0) return;
        Slices s = plan;
        const uint64_t bits = static_cast<uint64_t>(s.inner * element) | reinterpret_cast<uintptr_t>(launch.in[2]) |
                              reinterpret_cast<uintptr_t>(launch.out[0]) | 16;
        const int64_t unit = static_cast<int64_t>(bits & (~bits + 1));
        s.inner = s.inner * element / unit;
        auto go = [&]<typename T>() {
          start(launch, replace_runs<T>, blocks_for(s.count * s.inner), kThreads, 0, runs, launch.input<T>(2),
                launch.output<T>(0), s);
        };
        if (unit == 16)
          go.template operator()<uint4>();
        else
          with_size(unit, go);
      },
      sort.scratch_bytes());
}

// -- The operators
bool takes_indices(int32_t dtype) { return dtype == WEFT_I32 || dtype == WEFT_I64; }
bool is_wide(const Node& node) { return node.input(1).dtype == WEFT_I64; }

bool plan_rows(const Node& node, Keys* keys, Slices* s) {
  const Shape& out = node.output(0).shape;
  if (!takes_indices(node.input(1).dtype) || out.empty()) return false;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(out.size());
  const size_t at = static_cast<size_t>(axis);
  *keys = {Keys::kAxis, node.input(1).count(), out[at], static_cast<int32_t>(axis)};
  *s = {product(out, 0, at), out[at], keys->count, product(out, at + 1, out.size())};
  return sortable(*keys);
}

bool accepts_rows(const Node& node) {
  Keys keys{};
  Slices s{};
  return in_list(JoinTypes{}, joined_as(node.input(0).dtype, Join::kAdd)) && plan_rows(node, &keys, &s);
}

Prepared prepare_rows(const Node& node) {
  Keys keys{};
  Slices s{};
  plan_rows(node, &keys, &s);
  const Sort sort = make_sort(keys, is_wide(node));
  Prepared made;
  with_type(JoinTypes{}, joined_as(node.input(0).dtype, Join::kAdd),
            [&]<typename T>() { made = prepare_joins<T>(sort, s, Join::kAdd, 0, node.output(0).bytes(), true); });
  return made;
}

bool plan_places(const Node& node, Keys* keys, Slices* s) {
  const Shape &data = node.input(0).shape, &indices = node.input(1).shape;
  if (node.input(1).dtype != WEFT_I64 || data.empty() || indices.empty() || indices.back() > kMostDims) return false;
  const size_t length = static_cast<size_t>(indices.back());
  *keys = {Keys::kPlaces, product(indices, 0, indices.size() - 1), product(data, 0, length), 0};
  for (size_t c = 0; c < length; ++c) keys->axis_size[c] = data[c];
  keys->rank = static_cast<int>(length);
  *s = {1, keys->size, keys->count, product(data, length, data.size())};
  return sortable(*keys);
}

bool plan_elements(const Node& node, Keys* keys, Slices* s) {
  const Shape &data = node.input(0).shape, &indices = node.input(1).shape;
  if (!takes_indices(node.input(1).dtype) || data.empty() || indices.size() != data.size()) return false;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(data.size());
  *keys = {Keys::kElements, node.input(1).count(), node.input(0).count(), static_cast<int32_t>(axis)};
  *s = {1, keys->size, keys->count, 1};
  for (size_t d = 0; d < data.size(); ++d) {
    const bool is_axis = static_cast<int64_t>(d) == axis;
    const int64_t stride = product(data, d + 1, data.size());
    if (!is_axis && indices[d] > data[d]) return false;  // an error, which the CPU tells
    if (is_axis) {
      keys->picked_size = data[d];
      keys->picked_step = stride;
    }
    if (indices[d] == 1) continue;
    if (keys->rank == kMostDims) return false;
    keys->axis_size[keys->rank] = indices[d];
    keys->step[keys->rank++] = is_axis ? 0 : stride;
  }
  return sortable(*keys);
}

using Plan = bool (*)(const Node& node, Keys* keys, Slices* s);

template <Plan plan>
bool accepts_scatter(const Node& node) {
  Keys keys{};
  Slices s{};
  const Join join = read_join(node.s("reduction"));
  const int32_t dtype = node.input(0).dtype;
  if (join == Join::kReplace ? element_bytes(dtype) == 0 : !in_list(JoinTypes{}, joined_as(dtype, join))) return false;
  return plan(node, &keys, &s);
}

template <Plan plan>
Prepared prepare_scatter(const Node& node) {
  Keys keys{};
  Slices s{};
  plan(node, &keys, &s);
  const Sort sort = make_sort(keys, is_wide(node));
  const Join join = read_join(node.s("reduction"));
  const int32_t dtype = node.input(0).dtype;
  const int64_t bytes = node.output(0).bytes();
  if (join == Join::kReplace) return prepare_replace(sort, s, element_bytes(dtype), bytes);
  Prepared made;
  with_type(JoinTypes{}, joined_as(dtype, join),
            [&]<typename T>() { made = prepare_joins<T>(sort, s, join, 2, bytes, false); });
  return made;
}

using ScanTypes = Types<float, double>;

bool accepts_scan(const Node& node) {
  Keys keys{};
  Slices s{};
  return in_list(ScanTypes{}, node.input(0).dtype) && node.makes(0) && node.makes(1) && plan_places(node, &keys, &s);
}

Prepared prepare_scan(const Node& node) {
  Keys keys{};
  Slices s{};
  plan_places(node, &keys, &s);
  const Sort sort = make_sort(keys, true);
  const bool reverse = node.i("reverse") != 0, has_terms = node.has(3);
  const int64_t bytes = node.output(0).bytes();
  Prepared made;
  with_type(ScanTypes{}, node.input(0).dtype, [&]<typename T>() {
    made = ready(
        [=](const Launch& launch) {
          if (launch.in[0] != launch.out[0]) {
            launch.stream.copy(launch.out[0], launch.in[0], bytes, cudaMemcpyDeviceToDevice);
          }
          if (s.count == 0) return;
          const Runs runs = sort.run(launch);
          if (s.inner == 0) return;
          start(launch, scan_runs<T>, blocks_for(s.count * s.inner), kThreads, 0, runs, launch.input<T>(2),
                has_terms ? launch.input<T>(3) : nullptr, launch.output<T>(0), launch.output<T>(1), s, reverse);
        },
        sort.scratch_bytes());
  });
  return made;
}

// -- OneHot: output [outer, depth, inner], indices [outer, inner]
template <typename T, typename Index>
__global__ void one_hot(Indices indices, const T* values, T* out, int64_t count, int64_t depth, int64_t inner) {
  const T off = values[0], on = values[1];
  WEFT_FOR(i, count) {
    const Index width = static_cast<Index>(inner), height = static_cast<Index>(depth);
    const Index line = static_cast<Index>(i) / width, k = static_cast<Index>(i) - line * width;
    const Index o = line / height, d = line - o * height;
    const int64_t index = indices[static_cast<int64_t>(o) * inner + k];
    out[i] = (index < 0 ? index + depth : index) == static_cast<int64_t>(d) ? on : off;
  }
}

bool accepts_one_hot(const Node& node) {
  const int64_t element = element_bytes(node.input(2).dtype);
  return takes_indices(node.input(0).dtype) && element > 0 && element <= 8;
}

Prepared prepare_one_hot(const Node& node) {
  const Shape& out = node.output(0).shape;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(out.size());
  const size_t at = static_cast<size_t>(axis);
  const int64_t count = product(out), depth = out[at], inner = product(out, at + 1, out.size());
  const bool wide = node.input(0).dtype == WEFT_I64;
  if (count == 0) return ready([](const Launch&) {});
  Prepared made;
  with_size(element_bytes(node.input(2).dtype), [&]<typename T>() {
    made = ready([=](const Launch& launch) {
      auto* kernel = count < (int64_t{1} << 31) ? one_hot<T, uint32_t> : one_hot<T, uint64_t>;
      start(launch, kernel, blocks_for(count), kThreads, 0, Indices{launch.in[0], wide}, launch.input<T>(2),
            launch.output<T>(0), count, depth, inner);
    });
  });
  return made;
}

}  // namespace

void define_scatter(Definitions& all) {
  all.push_back({"weft.ScatterRows", "sorted", accepts_rows, prepare_rows});
  all.push_back({"ScatterND", "sorted", accepts_scatter<plan_places>, prepare_scatter<plan_places>});
  all.push_back({"ScatterElements", "sorted", accepts_scatter<plan_elements>, prepare_scatter<plan_elements>});
  all.push_back({"weft.ScatterScan", "sorted", accepts_scan, prepare_scan});
  all.push_back({"OneHot", "plain", accepts_one_hot, prepare_one_hot});
}

}  // namespace weft::cuda
