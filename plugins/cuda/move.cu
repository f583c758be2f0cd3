// Moving elements without looking at them: strided copies, and parts of a whole.
#include <vector>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/move.cuh"

namespace weft::cuda {

namespace {

// -- Strided copies: for every index of the dims, out[its place by the out strides] = in[its place by the in strides].
struct Dim {
  int64_t size, in, out;
};
struct Strided {
  Dim dims[kMostDims];
  int rank = 0;
  int64_t in_start = 0, out_start = 0, count = 1;
  int64_t element = 0;     // bytes
  bool wide = false;       // places need 64 bits
  int64_t zero_bytes = 0;  // of the output, cleared before
};

// Joins what lies side by side on both sides. False if too much is left.
bool add_dim(Strided* s, Dim dim) {
  s->count *= dim.size;
  if (dim.size == 1) return true;
  if (s->rank > 0) {
    Dim& last = s->dims[s->rank - 1];
    if (last.in == dim.in * dim.size && last.out == dim.out * dim.size) {
      last = {last.size * dim.size, dim.in, dim.out};
      return true;
    }
  }
  if (s->rank == kMostDims) return false;
  s->dims[s->rank++] = dim;
  return true;
}

std::vector<int64_t> row_major(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

bool plan_strided(const Node& node, const Shape& shape, const std::vector<int64_t>& in, const std::vector<int64_t>& out,
                  Strided* s) {
  s->element = element_bytes(node.input(0).dtype);
  if (s->element == 0) return false;
  // Elements of 16 bytes are two of 8: they are aligned to no more.
  const int64_t parts = s->element == 16 ? 2 : 1;
  s->element /= parts;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!add_dim(s, {shape[d], in[d] * parts, out[d] * parts})) return false;
  }
  if (!add_dim(s, {parts, 1, 1})) return false;
  s->in_start *= parts;
  s->out_start *= parts;
  s->wide = node.input(0).count() * parts >= kNarrow || node.output(0).count() * parts >= kNarrow;
  return true;
}

// As kernels get it; of 32 bits, strides and places are meant modulo 2^32.
template <typename Index>
struct StridedArgs {
  Divider<Index> size[kMostDims];
  Index in[kMostDims], out[kMostDims];
  Index in_start, out_start, count;
  int rank;

  __device__ void locate(Index i, Index* from, Index* to) const {
    *from = in_start;
    *to = out_start;
#pragma unroll
    for (int d = kMostDims - 1; d > 0; --d) {
      if (d >= rank) continue;
      const Index rest = size[d].divide(i), at = i - rest * size[d].by;
      *from += at * in[d];
      *to += at * out[d];
      i = rest;
    }
    *from += i * in[0];
    *to += i * out[0];
  }
};

template <typename In, typename Out, typename Index>
__global__ void copy_strided(const In* from, Out* to, StridedArgs<Index> s) {
  for (Index base = static_cast<Index>(blockIdx.x) * kUnits + threadIdx.x; base < s.count;
       base += static_cast<Index>(gridDim.x) * kUnits) {
    In held[kItems];
    Index target[kItems];
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const Index i = base + j * kThreads;
      if (i >= s.count) continue;
      Index source;
      s.locate(i, &source, &target[j]);
      held[j] = from[source];
    }
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      if (base + j * kThreads < s.count) to[target[j]] = spread<Out>(held[j]);
    }
  }
}

// Planes turned: the input lies side by side along one axis (`a`), the output along another (`b`).
struct Turn {
  uint32_t a, b, tiles_a, tiles_b;
  int64_t in_b, out_a;  // strides
  int64_t in_start, out_start;
  uint32_t size[kMostDims];  // of the axes around
  int64_t in[kMostDims], out[kMostDims];
  int around;
};

constexpr int kTurnRows = 8;

template <typename T, int kTile>
__global__ void turn_planes(const T* from, T* to, Turn s) {
  constexpr int kPad = sizeof(T) < 4 ? 4 / sizeof(T) : 1;  // rows an odd number of words long: no two in one bank
  __shared__ T tile[kTile][kTile + kPad];
  uint32_t rest = blockIdx.x;
  const uint32_t first_b = rest % s.tiles_b * kTile;
  rest /= s.tiles_b;
  const uint32_t first_a = rest % s.tiles_a * kTile;
  rest /= s.tiles_a;
  int64_t in = s.in_start, out = s.out_start;
  for (int d = s.around - 1; d >= 0; --d) {
    const uint32_t at = rest % s.size[d];
    rest /= s.size[d];
    in += at * s.in[d];
    out += at * s.out[d];
  }
  constexpr int kRows = kTile / kTurnRows, kColumns = kTile / 32;  // of a thread
  T held[kRows][kColumns];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const uint32_t at_b = first_b + threadIdx.y + r * kTurnRows;
    const T* row = from + in + at_b * s.in_b;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const uint32_t at_a = first_a + threadIdx.x + c * 32;
      if (at_b < s.b && at_a < s.a) held[r][c] = row[at_a];
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) tile[threadIdx.y + r * kTurnRows][threadIdx.x + c * 32] = held[r][c];
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const uint32_t at_a = first_a + threadIdx.y + r * kTurnRows;
    T* row = to + out + at_a * s.out_a;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const uint32_t at_b = first_b + threadIdx.x + c * 32;
      if (at_a < s.a && at_b < s.b) row[at_b] = tile[threadIdx.x + c * 32][threadIdx.y + r * kTurnRows];
    }
  }
}

// The axis along which the input lies side by side where that is not the last one; -1 if turning does not pay.
int turned_axis(const Strided& s) {
  const Dim& last = s.dims[s.rank - 1];
  if (s.rank < 2 || s.element > 8 || last.out != 1 || last.in < 2 || last.size < 16) return -1;
  for (int d = 0; d < s.rank; ++d) {
    if (s.dims[d].size >= kNarrow) return -1;
  }
  for (int d = 0; d + 1 < s.rank; ++d) {
    if (s.dims[d].in == 1 && s.dims[d].size >= 16) return d;
  }
  return -1;
}

bool run_turned(const Strided& s, const Launch& launch) {
  const int turned = turned_axis(s);
  if (turned < 0) return false;
  const Dim &a = s.dims[turned], &b = s.dims[s.rank - 1];
  const int64_t tile = s.element < 4 ? 64 : 32;
  Turn t{};
  t.a = static_cast<uint32_t>(a.size);
  t.b = static_cast<uint32_t>(b.size);
  t.tiles_a = static_cast<uint32_t>((a.size + tile - 1) / tile);
  t.tiles_b = static_cast<uint32_t>((b.size + tile - 1) / tile);
  t.in_b = b.in;
  t.out_a = a.out;
  t.in_start = s.in_start;
  t.out_start = s.out_start;
  int64_t blocks = int64_t{t.tiles_a} * t.tiles_b;
  for (int d = 0; d + 1 < s.rank; ++d) {
    if (d == turned) continue;
    t.size[t.around] = static_cast<uint32_t>(s.dims[d].size);
    t.in[t.around] = s.dims[d].in;
    t.out[t.around++] = s.dims[d].out;
    blocks *= s.dims[d].size;
    if (blocks >= kNarrow) return false;
  }
  if (blocks >= kNarrow) return false;
  const dim3 grid(static_cast<unsigned>(blocks)), threads(32, kTurnRows);
  with_size(s.element, [&]<typename T>() {
    start(launch, turn_planes < T, sizeof(T) < 4 ? 64 : 32 >, grid, threads, 0, static_cast<const T*>(launch.in[0]),
          static_cast<T*>(launch.out[0]), t);
  });
  return true;
}

// The same in units of several elements, where all lies so that it can be: of the output alone if one element is
// repeated.
Strided widened(Strided s, int64_t unit, bool both) {
  const int64_t times = unit / s.element;
  s.dims[s.rank - 1].size /= times;
  for (int d = 0; d + 1 < s.rank; ++d) {
    if (both) s.dims[d].in /= times;
    s.dims[d].out /= times;
  }
  if (both) s.in_start /= times;
  s.out_start /= times;
  s.count /= times;
  if (both) s.element = unit;
  if (s.rank > 1 && s.dims[s.rank - 1].size == 1) --s.rank;
  return s;
}

template <typename Index>
void start_strided(const Strided& s, bool repeats, const Launch& launch) {
  StridedArgs<Index> args{};
  for (int d = 0; d < s.rank; ++d) {
    args.size[d] = Divider<Index>::of(s.dims[d].size);
    args.in[d] = static_cast<Index>(s.dims[d].in);
    args.out[d] = static_cast<Index>(s.dims[d].out);
  }
  args.in_start = static_cast<Index>(s.in_start);
  args.out_start = static_cast<Index>(s.out_start);
  args.count = static_cast<Index>(s.count);
  args.rank = s.rank;
  const unsigned blocks = blocks_for(s.count, kUnits);
  if (repeats) {
    with_size(s.element, [&]<typename T>() {
      start(launch, copy_strided<T, uint4, Index>, blocks, kThreads, 0, static_cast<const T*>(launch.in[0]),
            static_cast<uint4*>(launch.out[0]), args);
    });
    return;
  }
  with_unit(s.element, [&]<typename T>() {
    start(launch, copy_strided<T, T, Index>, blocks, kThreads, 0, static_cast<const T*>(launch.in[0]),
          static_cast<T*>(launch.out[0]), args);
  });
}

void run_strided(const Strided& plan, const Launch& launch) {
  if (plan.zero_bytes > 0) {
    check(cudaMemsetAsync(launch.out[0], 0, static_cast<size_t>(plan.zero_bytes), launch.stream.get()),
          "memory cannot be cleared");
  }
  if (plan.count == 0) return;
  Strided s = plan;
  bool repeats = false;
  if (s.rank == 0) s.dims[s.rank++] = {1, 1, 1};
  const Dim& last = s.dims[s.rank - 1];
  if (last.out == 1 && (last.in == 1 || last.in == 0)) {
    const bool both = last.in == 1;
    uint64_t bits = bits_of(launch.out[0]) | bits_of((last.size | s.out_start) * s.element);
    if (both) bits |= bits_of(launch.in[0]) | bits_of(s.in_start * s.element);
    for (int d = 0; d + 1 < s.rank; ++d) {
      bits |= bits_of(s.dims[d].out * s.element);
      if (both) bits |= bits_of(s.dims[d].in * s.element);
    }
    const int64_t unit = unit_of(bits);
    repeats = !both && unit == 16;
    if ((both && unit > s.element) || repeats) s = widened(s, unit, both);
  }
  if (!repeats && run_turned(s, launch)) return;
  if (s.wide)
    start_strided<uint64_t>(s, repeats, launch);
  else
    start_strided<uint32_t>(s, repeats, launch);
}

using Plan = bool (*)(const Node& node, Strided* s);
template <Plan plan>
bool accepts_strided(const Node& node) {
  Strided s;
  return plan(node, &s);
}
template <Plan plan>
Prepared prepare_strided(const Node& node) {
  Strided s;
  if (!plan(node, &s)) throw Error(WEFT_INTERNAL, "a copy has too many dimensions");
  return ready([s](const Launch& launch) { run_strided(s, launch); });
}

bool plan_transpose(const Node& node, Strided* s) {
  const Shape &in = node.input(0).shape, &out = node.output(0).shape;
  std::vector<int64_t> perm, strides;
  if (node.has_attr("perm"))
    perm = node.ints("perm");
  else
    for (size_t i = in.size(); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  const std::vector<int64_t> own = row_major(in);
  for (int64_t axis : perm) strides.push_back(own[static_cast<size_t>(axis)]);
  return plan_strided(node, out, strides, row_major(out), s);
}

int64_t slice_start(int64_t start, int64_t step, int64_t size) {
  // A start that is out of range is moved to the nearest place at which something may begin.
  if (start < 0 && start > INT64_MIN + size) start += size;
  return std::clamp<int64_t>(start, 0, step > 0 ? size : std::max<int64_t>(size - 1, 0));
}

template <bool gradient>
bool plan_slice(const Node& node, Strided* s) {
  const int first = gradient ? 2 : 1;
  for (int i = first; i < node.inputs(); ++i) {
    if (node.has(i) && node.input(i).constant == nullptr) return false;
  }
  const Shape& whole = gradient ? node.output(0).shape : node.input(0).shape;
  const Shape& part = gradient ? node.input(0).shape : node.output(0).shape;
  const int64_t rank = static_cast<int64_t>(whole.size());
  std::vector<int64_t> starts(whole.size(), 0), steps(whole.size(), 1), strides, axes, step;
  const std::vector<int64_t> start = node.input(first).ints(), own = row_major(whole);
  if (node.has(first + 2)) axes = node.input(first + 2).ints();
  if (node.has(first + 3)) step = node.input(first + 3).ints();
  for (size_t i = 0; i < start.size(); ++i) {
    int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    if (axis < 0) axis += rank;
    const size_t at = static_cast<size_t>(axis);
    steps[at] = step.empty() ? 1 : step[i];
    starts[at] = slice_start(start[i], steps[at], whole[at]);
  }
  int64_t origin = 0;
  for (size_t d = 0; d < whole.size(); ++d) {
    // Of one element no step is made, however large it is.
    strides.push_back(part[d] > 1 ? own[d] * steps[d] : 0);
    origin += own[d] * starts[d];
  }
  (gradient ? s->out_start : s->in_start) = origin;
  if (gradient && product(part) != product(whole)) s->zero_bytes = node.output(0).bytes();
  return gradient ? plan_strided(node, part, row_major(part), strides, s)
                  : plan_strided(node, part, strides, row_major(part), s);
}

bool plan_expand(const Node& node, Strided* s) {
  const Shape &in = node.input(0).shape, &out = node.output(0).shape;
  std::vector<int64_t> strides(out.size(), 0);
  const std::vector<int64_t> own = row_major(in);
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] != 1) strides[i + out.size() - in.size()] = own[i];
  }
  return plan_strided(node, out, strides, row_major(out), s);
}

// [repeats, size, repeats, size, ...] with no stride along the repeats.
bool plan_tile(const Node& node, Strided* s) {
  const Shape &in = node.input(0).shape, &out = node.output(0).shape;
  const std::vector<int64_t> own = row_major(in);
  std::vector<int64_t> strides;
  Shape split;
  for (size_t i = 0; i < in.size(); ++i) {
    split.insert(split.end(), {in[i] == 0 ? 0 : out[i] / in[i], in[i]});
    strides.insert(strides.end(), {0, own[i]});
  }
  return plan_strided(node, split, strides, row_major(split), s);
}

// `parts` are the sizes of the input in six axes, `order` says which of them each axis of the output is.
bool plan_blocks(const Node& node, const Shape& parts, std::initializer_list<size_t> order, Strided* s) {
  const std::vector<int64_t> own = row_major(parts);
  std::vector<int64_t> strides;
  Shape shape;
  for (size_t axis : order) {
    shape.push_back(parts[axis]);
    strides.push_back(own[axis]);
  }
  return plan_strided(node, shape, strides, row_major(shape), s);
}
bool plan_depth_to_space(const Node& node, Strided* s) {
  const Shape &x = node.input(0).shape, &y = node.output(0).shape;
  const int64_t block = node.i("blocksize");
  if (node.s("mode") == "DCR") return plan_blocks(node, {x[0], block, block, y[1], x[2], x[3]}, {0, 3, 4, 1, 5, 2}, s);
  return plan_blocks(node, {x[0], y[1], block, block, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, s);
}
bool plan_space_to_depth(const Node& node, Strided* s) {
  const Shape &x = node.input(0).shape, &y = node.output(0).shape;
  const int64_t block = node.i("blocksize");
  return plan_blocks(node, {x[0], x[1], y[2], block, y[3], block}, {0, 3, 5, 1, 2, 4}, s);
}

// -- Concat and Split: each part has `outer` blocks; in the whole they lie one after another.
constexpr int kMostParts = 32;  // of one launch

template <typename Index>
struct Parts {
  void* part[kMostParts];
  Index begin[kMostParts], size[kMostParts];  // in the whole's rows, in units
  void* whole;
  Index outer, row;
  bool joins;
};

template <typename T, typename Index>
__global__ void move_parts(Parts<Index> s) {
  const Index size = s.size[blockIdx.y], begin = s.begin[blockIdx.y], count = size * s.outer;
  T *part = static_cast<T*>(s.part[blockIdx.y]), *whole = static_cast<T*>(s.whole) + begin;
  for (Index base = static_cast<Index>(blockIdx.x) * kUnits + threadIdx.x; base < count;
       base += static_cast<Index>(gridDim.x) * kUnits) {
    T held[kItems];
    Index target[kItems];
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const Index i = base + j * kThreads;
      if (i >= count) continue;
      const Index o = i / size, in_whole = o * s.row + (i - o * size);
      held[j] = s.joins ? part[i] : whole[in_whole];
      target[j] = s.joins ? in_whole : i;
    }
    T* to = s.joins ? whole : part;
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      if (base + j * kThreads < count) to[target[j]] = held[j];
    }
  }
}

struct PartPlan {
  std::vector<int64_t> bytes;  // of a block of each part
  int64_t outer = 1, row = 0;  // bytes of a row of the whole
  bool joins;
};

template <typename Index>
void run_parts(const PartPlan& s, const Launch& launch) {
  const int all = static_cast<int>(s.bytes.size());
  void* whole = s.joins ? launch.out[0] : const_cast<void*>(launch.in[0]);
  for (int first = 0, next; first < all; first = next) {
    next = std::min(first + kMostParts, all);
    uint64_t bits = bits_of(whole) | bits_of(s.row);
    int64_t begin = 0, most = 0;
    for (int p = 0; p < next; ++p) {
      if (p >= first) {
        const void* at = s.joins ? launch.in[p] : launch.out[p];
        if (s.bytes[static_cast<size_t>(p)] > 0) bits |= bits_of(at) | bits_of(s.bytes[static_cast<size_t>(p)] | begin);
        most = std::max(most, s.bytes[static_cast<size_t>(p)]);
      }
      begin += s.bytes[static_cast<size_t>(p)];
    }
    if (most == 0) continue;
    const int64_t unit = unit_of(bits);
    Parts<Index> args{};
    begin = 0;
    for (int p = 0; p < next; ++p) {
      const int64_t bytes = s.bytes[static_cast<size_t>(p)];
      if (p >= first) {
        args.part[p - first] = s.joins ? const_cast<void*>(launch.in[p]) : launch.out[p];
        args.begin[p - first] = static_cast<Index>(begin / unit);
        args.size[p - first] = static_cast<Index>(bytes / unit);
      }
      begin += bytes;
    }
    args.whole = whole;
    args.outer = static_cast<Index>(s.outer);
    args.row = static_cast<Index>(s.row / unit);
    args.joins = s.joins;
    const dim3 blocks(blocks_for(most / unit * s.outer, kUnits), static_cast<unsigned>(next - first));
    with_unit(unit, [&]<typename T>() { start(launch, move_parts<T, Index>, blocks, kThreads, 0, args); });
  }
}

template <bool joins>
bool accepts_parts(const Node& node) {
  for (int i = 0; i < (joins ? node.inputs() : node.outputs()); ++i) {
    if (!(joins ? node.has(i) : node.makes(i))) return false;
  }
  return element_bytes(node.input(0).dtype) > 0 && !node.input(0).shape.empty();
}

template <bool joins>
Prepared prepare_parts(const Node& node) {
  const Shape& whole = joins ? node.output(0).shape : node.input(0).shape;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(whole.size());
  const size_t at = static_cast<size_t>(axis);
  PartPlan s;
  s.joins = joins;
  s.outer = product(whole, 0, at);
  const int64_t inner = product(whole, at + 1, whole.size()) * element_bytes(node.input(0).dtype);
  for (int i = 0; i < (joins ? node.inputs() : node.outputs()); ++i) {
    s.bytes.push_back((joins ? node.input(i) : node.output(i)).shape[at] * inner);
    s.row += s.bytes.back();
  }
  if (s.outer * s.row == 0) return ready([](const Launch&) {});
  const bool wide = s.outer * s.row >= kNarrow;  // in bytes, whatever the unit is
  return ready(
      [s, wide](const Launch& launch) { wide ? run_parts<uint64_t>(s, launch) : run_parts<uint32_t>(s, launch); });
}

template <Plan plan>
void add_strided(Definitions& all, const char* op) {
  all.push_back({op, "strided", accepts_strided<plan>, prepare_strided<plan>});
}

}  // namespace

void define_move(Definitions& all) {
  add_strided<plan_transpose>(all, "Transpose");
  add_strided<plan_slice<false>>(all, "Slice");
  add_strided<plan_slice<true>>(all, "weft.SliceGrad");
  add_strided<plan_expand>(all, "Expand");
  add_strided<plan_tile>(all, "Tile");
  add_strided<plan_depth_to_space>(all, "DepthToSpace");
  add_strided<plan_space_to_depth>(all, "SpaceToDepth");
  all.push_back({"Concat", "blocks", accepts_parts<true>, prepare_parts<true>});
  all.push_back({"Split", "blocks", accepts_parts<false>, prepare_parts<false>});
}

}  // namespace weft::cuda
