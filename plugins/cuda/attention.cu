// Attention: products of queries and keys, their softmax and its products with values, tile by tile in shared memory.
#include <cmath>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"

namespace weft::cuda {
namespace {

// Threads stand in 8 rows of 16: a row of threads has some queries, and its 16 divide keys and features of values.
constexpr int kRows = 8, kColumns = 16, kBlock = kRows * kColumns;
constexpr int kMostLead = 4;  // axes before the last two
// Keys are divided between blocks until there are about so many; each then has so many keys at least.
constexpr int64_t kWantedBlocks = 264, kWantedSmallBlocks = 528, kLeastKeys = 256, kMostSplits = 64;

// Where the mask of a head is.
struct Spread {
  bool given;
  int axes;
  int64_t dim[kMostLead], step[kMostLead];  // of the axes before the last two
  int64_t row, column;

  __device__ int64_t at(int64_t head) const {
    int64_t offset = 0;
    for (int d = axes - 1; d >= 0; --d) {
      offset += head % dim[d] * step[d];
      head /= dim[d];
    }
    return offset;
  }
};

// A matrix for each head.
struct Place {
  int64_t image, head, row;  // distances
};

struct Problem {
  int64_t heads, heads_of_image, queries, keys;
  int features, wide;  // of queries and keys, and of values
  Place q, k, v, y;    // a row of K is a feature if keys are last
  double scale;
  bool keys_last, empty_is_zero, nan_is_zero;
  Spread mask, allowed;
  int64_t tiles, splits, split_keys;        // of queries; parts of the keys, and keys of each
  bool whole_q, whole_k, whole_v, whole_y;  // whether 16 bytes can be moved at once
};

// Whether a query whose weights add up to this, the greatest score counting 1, has weights of 0.
template <typename T>
__device__ bool no_weights(const Problem& p, T sum) {
  return (sum == 0 && p.empty_is_zero) || (!(sum > 0 && isfinite(sum)) && p.nan_is_zero);
}

// `each` queries and `some` keys for a thread; D: at least as many features as there are.
template <typename T, int D, int each, int some>
struct Tile {
  static constexpr int kQueries = kRows * each, kKeys = kColumns * some;
  static constexpr int kWidth = 16 / sizeof(T);
  // Rows are a bit longer, so that those of neighbours lie in other banks.
  static constexpr int kRow = D + kWidth;
  static constexpr int kWeightsRow = each == 1 ? kRows + 1 : kQueries + kWidth;
  static constexpr int kOwn = D / kColumns;  // features of values of a thread
  static constexpr int kGroup = kOwn < kWidth ? kOwn : kWidth;
  // The weights take the place of the keys.
  static constexpr int kKeysSize = kKeys * std::max(kRow, kWeightsRow);
  static constexpr int kBytes = (kQueries * kRow + kKeysSize + kKeys * kRow) * static_cast<int>(sizeof(T));
  static constexpr int kBlocks = D <= 64 && sizeof(T) == 4 ? 3 : 2;  // at a time on a multiprocessor
};

template <typename T, int width>
struct alignas(sizeof(T) * width) Pack {
  T at[width];
};

template <typename T>
__device__ T least() {
  return -static_cast<T>(INFINITY);
}

// Begins a copy into shared memory, of zeros if it is not `there`.
template <int bytes>
__device__ void copy_later(void* to, const void* from, bool there) {
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const int given = there ? bytes : 0;
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(given) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from), "n"(bytes), "r"(given)
                 : "memory");
}
// Ends a group of copies.
__device__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for the thread's copies, but for the last groups.
template <int groups>
__device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

// Begins to copy rows [first, first + rows) into shared memory, zeros for what is not there.
template <typename T, int D, int rows>
__device__ void load_rows(T* to, const T* from, int64_t step, int64_t first, int64_t past, int width, bool whole) {
  constexpr int kWidth = 16 / sizeof(T), kRow = D + kWidth;
  if (whole) {
    constexpr int kGroups = D / kWidth;
#pragma unroll 4
    for (int i = threadIdx.x; i < rows * kGroups; i += kBlock) {
      const int row = i / kGroups, column = i % kGroups * kWidth;
      const bool there = first + row < past && column < width;
      const T* at = there ? from + (first + row) * step + column : from;
      copy_later<16>(to + row * kRow + column, at, there);
    }
  } else {
    for (int i = threadIdx.x; i < rows * D; i += kBlock) {
      const int row = i / D, column = i % D;
      const bool there = first + row < past && column < width;
      const T* at = there ? from + (first + row) * step + column : from;
      copy_later<sizeof(T)>(to + row * kRow + column, at, there);
    }
  }
}

// The same of keys that are columns. A warp takes 8 keys of 4 features: whole sectors of memory, and all banks.
template <typename T, int D, int rows>
__device__ void load_columns(T* to, const T* from, int64_t step, int64_t first, int64_t past, int width) {
  constexpr int kRow = D + 16 / sizeof(T);
  for (int i = threadIdx.x; i < rows * D; i += kBlock) {
    const int lane = i % 32, part = i / 32;
    const int row = part % (rows / 8) * 8 + lane % 8, column = part / (rows / 8) * 4 + lane / 8;
    const bool there = first + row < past && column < width;
    const T* at = there ? from + column * step + first + row : from;
    copy_later<sizeof(T)>(to + row * kRow + column, at, there);
  }
}

// What a thread knows of its queries: those of the tile that are its row and every 8th behind it.
template <typename T, int each, int own>
struct Found {
  T most[each], sum[each];  // the greatest score, the same for a row of threads; the thread's part of the weights' sum
  T y[each][own];           // weights times values
};

// Dot products of the thread's queries with its keys.
template <typename T, int D, int each, int some>
__device__ void multiply_keys(const T* q, const T* k, int features, T (&scores)[each][some]) {
  using Sizes = Tile<T, D, each, some>;
  constexpr int kWidth = Sizes::kWidth;
  using Group = Pack<T, kWidth>;
  const int row = threadIdx.x / kColumns, column = threadIdx.x % kColumns;
  q += row * Sizes::kRow;
  k += column * Sizes::kRow;
#pragma unroll
  for (int i = 0; i < each; ++i) {
#pragma unroll
    for (int j = 0; j < some; ++j) scores[i][j] = 0;
  }
#pragma unroll 2
  for (int d = 0; d < features; d += kWidth) {
    Group keys[some];
#pragma unroll
    for (int j = 0; j < some; ++j) keys[j] = *reinterpret_cast<const Group*>(k + j * kColumns * Sizes::kRow + d);
#pragma unroll
    for (int i = 0; i < each; ++i) {
      const Group query = *reinterpret_cast<const Group*>(q + i * kRows * Sizes::kRow + d);
#pragma unroll
      for (int w = 0; w < kWidth; ++w) {
#pragma unroll
        for (int j = 0; j < some; ++j) scores[i][j] = fma(query.at[w], keys[j].at[w], scores[i][j]);
      }
    }
  }
}

// Makes weights of scores, with what was found before brought to the new greatest score.
template <typename T, int each, int some, int own>
__device__ void make_weights(T (&scores)[each][some], Found<T, each, own>& found) {
#pragma unroll
  for (int i = 0; i < each; ++i) {
    T most = found.most[i];
#pragma unroll
    for (int j = 0; j < some; ++j) most = fmax(most, scores[i][j]);
#pragma unroll
    for (int distance = kColumns / 2; distance > 0; distance /= 2) {
      most = fmax(most, __shfl_xor_sync(0xffffffff, most, distance));
    }
    // Where all are minus infinity, weights are 0 and not NaN.
    const T base = most == least<T>() ? T(0) : most;
    const T factor = exp(found.most[i] - base);
    T sum = found.sum[i] * factor;
#pragma unroll
    for (int j = 0; j < some; ++j) {
      scores[i][j] = exp(scores[i][j] - base);
      sum += scores[i][j];
    }
    found.sum[i] = sum;
    found.most[i] = most;
#pragma unroll
    for (int c = 0; c < own; ++c) found.y[i][c] *= factor;
  }
}

// The weights of a key are beside one another in shared memory, those of a row of threads first.
template <typename T, int D, int each, int some>
__device__ void store_weights(T* weights, const T (&scores)[each][some]) {
  using Sizes = Tile<T, D, each, some>;
  constexpr int kGroup = each < Sizes::kWidth ? each : Sizes::kWidth;
  const int row = threadIdx.x / kColumns, column = threadIdx.x % kColumns;
#pragma unroll
  for (int j = 0; j < some; ++j) {
    T* to = weights + (column + j * kColumns) * Sizes::kWeightsRow + row * each;
#pragma unroll
    for (int i = 0; i < each; i += kGroup) {
      Pack<T, kGroup> group;
#pragma unroll
      for (int w = 0; w < kGroup; ++w) group.at[w] = scores[i + w][j];
      *reinterpret_cast<Pack<T, kGroup>*>(to + i) = group;
    }
  }
}

// Features of values of a thread lie in groups, which alternate between the 16 threads of a row.
template <typename T, int D, int each, int some>
__device__ int feature_of(int group) {
  return (group * kColumns + static_cast<int>(threadIdx.x) % kColumns) * Tile<T, D, each, some>::kGroup;
}

// Adds the products of weights with the values of `count` keys.
template <typename T, int D, int each, int some>
__device__ void multiply_values(const T* weights, const T* values, int count,
                                Found<T, each, Tile<T, D, each, some>::kOwn>& found) {
  using Sizes = Tile<T, D, each, some>;
  constexpr int kGroup = Sizes::kGroup, kPart = each < Sizes::kWidth ? each : Sizes::kWidth;
  weights += threadIdx.x / kColumns * each;
#pragma unroll 4
  for (int key = 0; key < count; ++key) {
    T p[each];
#pragma unroll
    for (int i = 0; i < each; i += kPart) {
      const auto part = *reinterpret_cast<const Pack<T, kPart>*>(weights + key * Sizes::kWeightsRow + i);
#pragma unroll
      for (int w = 0; w < kPart; ++w) p[i + w] = part.at[w];
    }
#pragma unroll
    for (int group = 0; group < Sizes::kOwn / kGroup; ++group) {
      const auto value =
          *reinterpret_cast<const Pack<T, kGroup>*>(values + key * Sizes::kRow + feature_of<T, D, each, some>(group));
#pragma unroll
      for (int w = 0; w < kGroup; ++w) {
#pragma unroll
        for (int i = 0; i < each; ++i) {
          T& y = found.y[i][group * kGroup + w];
          y = fma(p[i], value.at[w], y);
        }
      }
    }
  }
}

// A block has a tile of a head's queries and a part of its keys. With one part it writes the result; else what it
// found, as [splits, heads, queries, wide] and behind that [splits, heads, queries, 2] of greatest scores and sums.
template <typename T, int D, int each, int some>
__global__ void __launch_bounds__(kBlock, (Tile<T, D, each, some>::kBlocks))
    attend(const Problem problem, const T* all_q, const T* all_k, const T* all_v, const T* all_mask,
           const uint8_t* all_allowed, T* all_y, T* parts) {
  using Sizes = Tile<T, D, each, some>;
  constexpr int kGroup = Sizes::kGroup;
  extern __shared__ __align__(16) unsigned char memory[];
  T *q = reinterpret_cast<T*>(memory), *k = q + Sizes::kQueries * Sizes::kRow, *v = k + Sizes::kKeysSize;
  const Problem& p = problem;
  const int row = threadIdx.x / kColumns, column = threadIdx.x % kColumns;

  // The last queries first: where a mask is causal, they have most to do.
  int64_t rest = blockIdx.x;
  const int64_t first_query = (p.tiles - 1 - rest % p.tiles) * Sizes::kQueries;
  rest /= p.tiles;
  const int64_t split = rest % p.splits, head = rest / p.splits;
  const int64_t image = head / p.heads_of_image, inner = head % p.heads_of_image;
  auto matrix = [&](auto* all, const Place& place) { return all + image * place.image + inner * place.head; };
  const T *from_k = matrix(all_k, p.k), *from_v = matrix(all_v, p.v);
  const T* mask = p.mask.given ? all_mask + p.mask.at(head) : nullptr;
  const uint8_t* allowed = p.allowed.given ? all_allowed + p.allowed.at(head) : nullptr;
  const int64_t past = min(p.keys, (split + 1) * p.split_keys);

  load_rows<T, D, Sizes::kQueries>(q, matrix(all_q, p.q), p.q.row, first_query, p.queries, p.features, p.whole_q);
  end_copies();
  Found<T, each, Sizes::kOwn> found;
#pragma unroll
  for (int i = 0; i < each; ++i) {
    found.most[i] = least<T>();
    found.sum[i] = 0;
#pragma unroll
    for (int c = 0; c < Sizes::kOwn; ++c) found.y[i][c] = 0;
  }
  const T scale = static_cast<T>(p.scale);

  for (int64_t first = split * p.split_keys; first < past; first += Sizes::kKeys) {
    // Which of the thread's keys its queries look at, a bit for each.
    uint32_t looks = 0;
#pragma unroll
    for (int i = 0; i < each; ++i) {
      const int64_t query = first_query + row + i * kRows;
#pragma unroll
      for (int j = 0; j < some; ++j) {
        const int64_t key = first + column + j * kColumns;
        bool look = query < p.queries && key < past;
        if (allowed != nullptr && look) look = allowed[query * p.allowed.row + key * p.allowed.column] != 0;
        looks |= static_cast<uint32_t>(look) << (i * some + j);
      }
    }
    // All threads are done with the keys and values before.
    if (__syncthreads_or(looks != 0) == 0) continue;
    if (p.keys_last)
      load_columns<T, D, Sizes::kKeys>(k, from_k, p.k.row, first, past, p.features);
    else
      load_rows<T, D, Sizes::kKeys>(k, from_k, p.k.row, first, past, p.features, p.whole_k);
    end_copies();
    load_rows<T, D, Sizes::kKeys>(v, from_v, p.v.row, first, past, p.wide, p.whole_v);
    end_copies();
    wait_for_copies<1>();
    __syncthreads();

    T scores[each][some];
    multiply_keys<T, D, each, some>(q, k, p.features, scores);
#pragma unroll
    for (int i = 0; i < each; ++i) {
      const int64_t query = first_query + row + i * kRows;
#pragma unroll
      for (int j = 0; j < some; ++j) {
        const int64_t key = first + column + j * kColumns;
        if (looks >> (i * some + j) & 1) {
          scores[i][j] *= scale;
          if (mask != nullptr) scores[i][j] += mask[query * p.mask.row + key * p.mask.column];
        } else {
          scores[i][j] = least<T>();
        }
      }
    }
    make_weights(scores, found);
    __syncthreads();  // the keys have been read
    store_weights<T, D, each, some>(k, scores);
    wait_for_copies<0>();
    __syncthreads();
    multiply_values<T, D, each, some>(k, v, static_cast<int>(min(past - first, int64_t{Sizes::kKeys})), found);
  }
  wait_for_copies<0>();

  T* y = matrix(all_y, p.y);
  const int64_t rows = p.heads * p.queries;
#pragma unroll
  for (int i = 0; i < each; ++i) {
    T sum = found.sum[i];
#pragma unroll
    for (int distance = kColumns / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(0xffffffff, sum, distance);
    }
    const int64_t query = first_query + row + i * kRows;
    if (query >= p.queries) continue;
    const int64_t at = split * rows + head * p.queries + query;
    const bool parted = p.splits > 1;
    if (parted && column == 0) {
      T* told = parts + p.splits * rows * p.wide + at * 2;
      told[0] = found.most[i];
      told[1] = sum;
    }
    T* to = parted ? parts + at * p.wide : y + query * p.y.row;
#pragma unroll
    for (int group = 0; group < Sizes::kOwn / kGroup; ++group) {
      const int feature = feature_of<T, D, each, some>(group);
      Pack<T, kGroup> made;
#pragma unroll
      for (int w = 0; w < kGroup; ++w) {
        const T value = found.y[i][group * kGroup + w];
        // The greatest score alone adds 1, unless there is none.
        made.at[w] = parted ? value : no_weights(p, sum) ? T(0) : value / sum;
      }
      if (p.whole_y) {
        if (feature < p.wide) *reinterpret_cast<Pack<T, kGroup>*>(to + feature) = made;
      } else {
#pragma unroll
        for (int w = 0; w < kGroup; ++w) {
          if (feature + w < p.wide) to[feature + w] = made.at[w];
        }
      }
    }
  }
}

// One result of what the parts of the keys gave.
template <typename T>
__global__ void __launch_bounds__(kThreads) join(const Problem p, const T* parts, T* all_y) {
  const int64_t rows = p.heads * p.queries;
  const T* told = parts + p.splits * rows * p.wide;
  WEFT_FOR(i, rows * p.wide) {
    const int64_t row = i / p.wide, feature = i % p.wide, head = row / p.queries, query = row % p.queries;
    T most = least<T>();
    for (int64_t s = 0; s < p.splits; ++s) most = fmax(most, told[(s * rows + row) * 2]);
    const T base = most == least<T>() ? T(0) : most;
    T sum = 0, value = 0;
    for (int64_t s = 0; s < p.splits; ++s) {
      const int64_t at = s * rows + row;
      const T factor = exp(told[at * 2] - base);
      sum = fma(factor, told[at * 2 + 1], sum);
      value = fma(factor, parts[at * p.wide + feature], value);
    }
    T* y = all_y + head / p.heads_of_image * p.y.image + head % p.heads_of_image * p.y.head;
    y[query * p.y.row + feature] = no_weights(p, sum) ? T(0) : value / sum;
  }
}

bool flag(const Node& node, const char* name) { return node.i_or(name, 0) != 0; }

// The axes of the heads.
Shape lead_of(const Node& node) {
  const Shape& q = node.input(0).shape;
  if (flag(node, "heads_inside")) return {q[0], q[2]};
  return Shape(q.begin(), q.end() - 2);
}

int64_t queries_of(const Node& node) {
  const Shape& q = node.input(0).shape;
  return flag(node, "heads_inside") ? q[1] : q[q.size() - 2];
}
int64_t keys_of(const Node& node) {
  const Shape& v = node.input(2).shape;
  return flag(node, "heads_inside") ? v[1] : v[v.size() - 2];
}

bool broadcasts(const Node& node, int input, int32_t dtype) {
  if (!node.has(input)) return true;
  Shape whole = lead_of(node);
  whole.push_back(queries_of(node));
  whole.push_back(keys_of(node));
  const Shape& shape = node.input(input).shape;
  if (node.input(input).dtype != dtype || shape.size() > whole.size()) return false;
  const size_t missing = whole.size() - shape.size();
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] != 1 && shape[d] != whole[missing + d]) return false;
  }
  return true;
}

bool accepts(const Node& node) {
  const Value &q = node.input(0), &k = node.input(1), &v = node.input(2);
  const size_t rank = q.shape.size();
  if (node.has_attr("left_out") || flag(node, "mask_last")) return false;
  if ((q.dtype != WEFT_F32 && q.dtype != WEFT_F64) || k.dtype != q.dtype || v.dtype != q.dtype) return false;
  if (rank < 2 || rank > kMostLead + 2 || k.shape.size() != rank || v.shape.size() != rank) return false;
  if (q.count() == 0 || k.count() == 0 || v.count() == 0) return false;
  const bool inside = flag(node, "heads_inside"), last = flag(node, "keys_last");
  if (inside && (rank != 4 || last)) return false;
  const int64_t features = q.shape.back(), wide = v.shape.back();
  if (std::max(features, wide) > (q.dtype == WEFT_F32 ? 256 : 128)) return false;
  Shape wanted_k = q.shape, wanted_v = q.shape;
  const size_t rows = inside ? 1 : rank - 2;
  wanted_k[rows] = wanted_v[rows] = keys_of(node);
  wanted_v.back() = wide;
  if (last) std::swap(wanted_k[rank - 1], wanted_k[rank - 2]);
  if (k.shape != wanted_k || v.shape != wanted_v) return false;
  if (product(lead_of(node)) * ((queries_of(node) + kRows - 1) / kRows) >= int64_t{1} << 30) return false;
  return broadcasts(node, 3, q.dtype) && broadcasts(node, 4, WEFT_BOOL);
}

Spread spread_of(const Node& node, int input) {
  Spread spread{};
  if (!node.has(input)) return spread;
  spread.given = true;
  const Shape lead = lead_of(node), &shape = node.input(input).shape;
  const size_t missing = lead.size() + 2 - shape.size();
  Shape step(lead.size() + 2, 0);
  int64_t count = 1;
  for (size_t d = shape.size(); d-- > 0; count *= shape[d]) step[missing + d] = shape[d] == 1 ? 0 : count;
  spread.axes = static_cast<int>(lead.size());
  for (size_t d = 0; d < lead.size(); ++d) {
    spread.dim[d] = lead[d];
    spread.step[d] = step[d];
  }
  spread.row = step[lead.size()];
  spread.column = step[lead.size() + 1];
  return spread;
}

Problem problem_of(const Node& node) {
  Problem p{};
  const bool inside = flag(node, "heads_inside");
  p.heads = product(lead_of(node));
  p.heads_of_image = inside ? node.input(0).shape[2] : p.heads;
  p.queries = queries_of(node);
  p.keys = keys_of(node);
  p.features = static_cast<int>(node.input(0).shape.back());
  p.wide = static_cast<int>(node.input(2).shape.back());
  p.keys_last = flag(node, "keys_last");
  p.empty_is_zero = flag(node, "empty_is_zero");
  p.nan_is_zero = flag(node, "nan_is_zero");
  p.scale = node.f_or("scale", 1);
  p.mask = spread_of(node, 3);
  p.allowed = spread_of(node, 4);
  auto place = [&](int64_t rows, int64_t width) {
    return Place{p.heads_of_image * rows * width, inside ? width : rows * width,
                 inside ? p.heads_of_image * width : width};
  };
  p.q = place(p.queries, p.features);
  p.k = place(p.keys, p.features);
  p.v = place(p.keys, p.wide);
  p.y = place(p.queries, p.wide);
  if (p.keys_last) p.k.row = p.keys;
  return p;
}

bool moves_whole(const void* data, const Place& place, int64_t width, int64_t group) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && place.image % group == 0 && place.head % group == 0 &&
         place.row % group == 0 && width % group == 0;
}

template <typename T, int D, int each, int some>
Prepared prepare_tile(Problem p) {
  using Sizes = Tile<T, D, each, some>;
  p.tiles = (p.queries + Sizes::kQueries - 1) / Sizes::kQueries;
  const int64_t blocks = p.heads * p.tiles, wanted = each == 1 ? kWantedSmallBlocks : kWantedBlocks;
  const int64_t splits = std::clamp<int64_t>(std::min(wanted / blocks, p.keys / kLeastKeys), 1, kMostSplits);
  p.split_keys = ((p.keys + splits - 1) / splits + Sizes::kKeys - 1) / Sizes::kKeys * Sizes::kKeys;
  p.splits = (p.keys + p.split_keys - 1) / p.split_keys;
  Prepared prepared;
  if (p.splits > 1) {
    prepared.scratch_bytes = p.splits * p.heads * p.queries * (p.wide + 2) * static_cast<int64_t>(sizeof(T));
  }
  prepared.run = [p](const Launch& launch) {
    Problem now = p;
    T* y = launch.output<T>(0);
    const Place parts{0, 0, p.wide};
    now.whole_q = moves_whole(launch.in[0], p.q, p.features, Sizes::kWidth);
    now.whole_k = !p.keys_last && moves_whole(launch.in[1], p.k, p.features, Sizes::kWidth);
    now.whole_v = moves_whole(launch.in[2], p.v, p.wide, Sizes::kWidth);
    now.whole_y = p.splits > 1 ? moves_whole(launch.scratch, parts, p.wide, Sizes::kWidth)
                               : moves_whole(y, p.y, p.wide, Sizes::kWidth);
    auto* kernel = &attend<T, D, each, some>;
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Sizes::kBytes),
          "a kernel cannot have its shared memory");
    start(launch, kernel, static_cast<unsigned>(p.heads * p.tiles * p.splits), kBlock, Sizes::kBytes, now,
          launch.input<T>(0), launch.input<T>(1), launch.input<T>(2), p.mask.given ? launch.input<T>(3) : nullptr,
          p.allowed.given ? launch.input<uint8_t>(4) : nullptr, y, static_cast<T*>(launch.scratch));
    if (p.splits == 1) return;
    start(launch, join<T>, blocks_for(p.heads * p.queries * p.wide), kThreads, 0, now,
          static_cast<const T*>(launch.scratch), y);
  };
  return prepared;
}

// Few queries have tiles of 8. Tiles are such that shared memory is 99 KB at most, which every GPU has.
template <typename T, int D>
Prepared prepare_of(const Problem& p) {
  constexpr bool kBig = D * sizeof(T) > 512;
  constexpr int kEach = kBig ? 4 : 8, kSome = kBig ? 2 : 4;
  return p.queries <= kRows ? prepare_tile<T, D, 1, kSome>(p) : prepare_tile<T, D, kEach, kSome>(p);
}

Prepared prepare(const Node& node) {
  const Problem p = problem_of(node);
  const int most = std::max(p.features, p.wide);
  if (node.input(0).dtype == WEFT_F32) {
    if (most <= 32) return prepare_of<float, 32>(p);
    if (most <= 64) return prepare_of<float, 64>(p);
    return most <= 128 ? prepare_of<float, 128>(p) : prepare_of<float, 256>(p);
  }
  if (most <= 32) return prepare_of<double, 32>(p);
  return most <= 64 ? prepare_of<double, 64>(p) : prepare_of<double, 128>(p);
}

}  // namespace

void define_attention(Definitions& all) { all.push_back({"weft.FusedAttention", "tiles", accepts, prepare}); }

}  // namespace weft::cuda
