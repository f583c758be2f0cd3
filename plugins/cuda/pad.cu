// Elements that stay or are others by where they lie: pads, triangles of matrices, sequences that are turned round.
#include <vector>

#include "plugins/cuda/kernels.h"
#include "plugins/cuda/move.cuh"

namespace weft::cuda {

namespace {

// -- Pad
enum class Mode { kConstant, kReflect, kEdge, kWrap };

struct PadDim {
  int64_t in, out, begin;
};
struct PadPlan {
  PadDim dims[kMostDims];
  int rank = 0;
  Mode mode = Mode::kConstant;
  int64_t element = 0, count = 1;
  bool has_value = false, wide = false;
};

bool plan_pad(const Node& node, PadPlan* s) {
  const Shape &in = node.input(0).shape, &out = node.output(0).shape;
  s->element = element_bytes(node.input(0).dtype);
  if (s->element == 0 || s->element > 8) return false;
  if (node.input(1).constant == nullptr || (node.has(3) && node.input(3).constant == nullptr)) return false;
  const std::string mode = node.s("mode");
  if (mode == "reflect") s->mode = Mode::kReflect;
  if (mode == "edge") s->mode = Mode::kEdge;
  if (mode == "wrap") s->mode = Mode::kWrap;
  s->has_value = node.has(2);
  const std::vector<int64_t> pads = node.input(1).ints();
  std::vector<int64_t> begins(in.size(), 0), axes;
  if (node.has(3)) axes = node.input(3).ints();
  const size_t given = node.has(3) ? axes.size() : in.size();
  for (size_t i = 0; i < given; ++i) {
    int64_t axis = node.has(3) ? axes[i] : static_cast<int64_t>(i);
    if (axis < 0) axis += static_cast<int64_t>(in.size());
    begins[static_cast<size_t>(axis)] = pads[i];
  }
  s->wide = node.input(0).count() >= kNarrow / 2 || node.output(0).count() >= kNarrow / 2;
  for (size_t d = 0; d < in.size(); ++d) {
    if (s->mode != Mode::kConstant && in[d] == 0 && out[d] != 0) return false;  // an error, which the CPU tells
    const PadDim dim{in[d], out[d], begins[d]};
    const bool whole = dim.in == dim.out && dim.begin == 0;
    s->count *= dim.out;
    s->wide = s->wide || std::abs(dim.begin) >= kNarrow / 4;
    if (s->rank > 0 && whole) {
      PadDim& last = s->dims[s->rank - 1];
      if (s->mode == Mode::kConstant || (last.in == last.out && last.begin == 0)) {
        last = {last.in * dim.in, last.out * dim.out, last.begin * dim.in};
        s->wide = s->wide || std::abs(last.begin) >= kNarrow / 4;
        continue;
      }
    }
    if (s->rank == kMostDims) return false;
    s->dims[s->rank++] = dim;
  }
  return true;
}

template <typename Index>
struct PadArgs {
  using Place = std::make_signed_t<Index>;
  Divider<Index> out[kMostDims];
  Place in[kMostDims], begin[kMostDims];
  Index count;
  int rank;
  Mode mode;
  int element;
};

// Where place i of an axis of n elements comes from; -1 for the constant.
template <typename Place>
__device__ Place pad_source(Mode mode, Place i, Place n) {
  if (i >= 0 && i < n) return i;
  if (mode == Mode::kConstant) return -1;
  if (mode == Mode::kEdge) return i < 0 ? 0 : n - 1;
  if (mode == Mode::kReflect && n == 1) return 0;
  const Place period = mode == Mode::kWrap ? n : 2 * (n - 1);
  const Place rest = i % period, at = rest < 0 ? rest + period : rest;
  return at < n ? at : period - at;
}

// An element of `bytes` bytes again and again, in a unit of at least as many; zeros without one.
template <typename T>
__device__ T repeated(const void* value, int bytes) {
  uint64_t word = 0;
  if (value != nullptr) {
    switch (bytes) {
      case 1: word = *static_cast<const uint8_t*>(value) * 0x0101010101010101ull; break;
      case 2: word = *static_cast<const uint16_t*>(value) * 0x0001000100010001ull; break;
      case 4: word = *static_cast<const uint32_t*>(value) * 0x0000000100000001ull; break;
      default: word = *static_cast<const uint64_t*>(value); break;
    }
  }
  if constexpr (sizeof(T) == 16)
    return spread<T>(word);
  else
    return static_cast<T>(word);
}

template <typename T, typename Index>
__global__ void pad(const T* from, const void* value, T* to, PadArgs<Index> s) {
  using Place = typename PadArgs<Index>::Place;
  const T outside = repeated<T>(value, s.element);
  for (Index base = static_cast<Index>(blockIdx.x) * kUnits + threadIdx.x; base < s.count;
       base += static_cast<Index>(gridDim.x) * kUnits) {
    T held[kItems];
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      Index i = base + j * kThreads;
      if (i >= s.count) continue;
      Place place = 0, stride = 1;
      bool is_in = true;
#pragma unroll
      for (int d = kMostDims - 1; d >= 0; --d) {
        if (d >= s.rank) continue;
        const Index rest = s.out[d].divide(i);
        const Place at = pad_source<Place>(s.mode, static_cast<Place>(i - rest * s.out[d].by) - s.begin[d], s.in[d]);
        i = rest;
        is_in = is_in && at >= 0;
        place += at * stride;
        stride *= s.in[d];
      }
      held[j] = is_in ? from[place] : outside;
    }
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      if (base + j * kThreads < s.count) to[base + j * kThreads] = held[j];
    }
  }
}

template <typename Index>
void run_pad(PadPlan s, const Launch& launch) {
  if (s.count == 0) return;
  if (s.rank == 0) s.dims[s.rank++] = {1, 1, 0};
  PadDim& last = s.dims[s.rank - 1];
  int64_t unit = s.element;
  // A unit lies within the input or without.
  if (s.mode == Mode::kConstant || (last.in == last.out && last.begin == 0)) {
    unit = unit_of(bits_of(launch.in[0]) | bits_of(launch.out[0]) |
                   bits_of((last.in | last.out | last.begin) * s.element));
    const int64_t times = unit / s.element;
    last = {last.in / times, last.out / times, last.begin / times};
    s.count /= times;
  }
  PadArgs<Index> args{};
  for (int d = 0; d < s.rank; ++d) {
    args.out[d] = Divider<Index>::of(s.dims[d].out);
    args.in[d] = static_cast<typename PadArgs<Index>::Place>(s.dims[d].in);
    args.begin[d] = static_cast<typename PadArgs<Index>::Place>(s.dims[d].begin);
  }
  args.count = static_cast<Index>(s.count);
  args.rank = s.rank;
  args.mode = s.mode;
  args.element = static_cast<int>(s.element);
  const void* value = s.has_value ? launch.in[2] : nullptr;
  with_unit(unit, [&]<typename T>() {
    start(launch, pad<T, Index>, blocks_for(s.count, kUnits), kThreads, 0, static_cast<const T*>(launch.in[0]), value,
          static_cast<T*>(launch.out[0]), args);
  });
}

bool accepts_pad(const Node& node) {
  PadPlan s;
  return plan_pad(node, &s);
}
Prepared prepare_pad(const Node& node) {
  PadPlan s;
  if (!plan_pad(node, &s)) throw Error(WEFT_INTERNAL, "a pad has too many dimensions");
  return ready([s](const Launch& launch) { s.wide ? run_pad<uint64_t>(s, launch) : run_pad<uint32_t>(s, launch); });
}

// -- Trilu. The output may be the input.
struct Triangles {
  int64_t count, rows, columns;
  bool upper;
};

template <typename T>
__global__ void keep_triangles(const T* from, const int64_t* shift, T* to, Triangles s) {
  int64_t k = shift != nullptr ? *shift : 0;
  k = max(-s.rows - 1, min(k, s.columns + 1));
  WEFT_FOR(i, s.count) {
    int64_t row, column;
    if (s.count < kNarrow) {
      const uint32_t line = static_cast<uint32_t>(i) / static_cast<uint32_t>(s.columns);
      column = static_cast<uint32_t>(i) - line * static_cast<uint32_t>(s.columns);
      row = line % static_cast<uint32_t>(s.rows);
    } else {
      column = i % s.columns;
      row = i / s.columns % s.rows;
    }
    const bool kept = s.upper ? column - row >= k : column - row <= k;
    to[i] = kept ? from[i] : T(0);
  }
}

bool accepts_trilu(const Node& node) {
  const int64_t element = element_bytes(node.input(0).dtype);
  return element > 0 && element <= 8 && node.input(0).rank() >= 2;
}
Prepared prepare_trilu(const Node& node) {
  const Value& x = node.input(0);
  const Triangles s{x.count(), x.shape[x.shape.size() - 2], x.shape.back(), node.i("upper") != 0};
  if (s.count == 0) return ready([](const Launch&) {});
  Prepared made;
  with_size(element_bytes(x.dtype), [&]<typename T>() {
    made.run = [s](const Launch& launch) {
      start(launch, keep_triangles<T>, blocks_for(s.count), kThreads, 0, launch.input<T>(0), launch.input<int64_t>(1),
            launch.output<T>(0), s);
    };
  });
  return made;
}

// -- ReverseSequence: [time, batch, inner] or [batch, time, inner]
struct Sequences {
  int64_t time, batch, inner;  // inner in units
  bool batch_first;
};

template <typename T, typename Index>
__global__ void reverse_sequences(const T* from, const int64_t* lengths, T* to, Sequences s) {
  const Index inner = static_cast<Index>(s.inner), second = static_cast<Index>(s.batch_first ? s.time : s.batch);
  WEFT_FOR(i, s.time * s.batch * s.inner) {
    const Index line = static_cast<Index>(i) / inner, k = static_cast<Index>(i) - line * inner;
    const Index x = line / second, y = line - x * second;
    const int64_t b = s.batch_first ? x : y, t = s.batch_first ? y : x, length = lengths[b];
    const int64_t source = t < length ? length - 1 - t : t;
    to[i] = from[(s.batch_first ? b * s.time + source : source * s.batch + b) * s.inner + k];
  }
}

// Of lengths that are known to fit: a kernel could not tell which sequence has a wrong one.
bool accepts_reverse_sequence(const Node& node) {
  const Value &x = node.input(0), &lengths = node.input(1);
  if (element_bytes(x.dtype) == 0 || x.rank() < 2 || x.count() == 0 || lengths.constant == nullptr) return false;
  const int64_t time = x.shape[node.i("batch_axis") == 0 ? 1 : 0];
  for (int64_t length : lengths.ints()) {
    if (length < 0 || length > time) return false;
  }
  return true;
}
Prepared prepare_reverse_sequence(const Node& node) {
  const Shape& shape = node.input(0).shape;
  const bool batch_first = node.i("batch_axis") == 0;
  const int64_t bytes = product(shape, 2, shape.size()) * element_bytes(node.input(0).dtype);
  const Sequences plan{shape[batch_first ? 1 : 0], shape[batch_first ? 0 : 1], bytes, batch_first};
  return ready([plan](const Launch& launch) {
    Sequences s = plan;
    const int64_t unit = unit_of(bits_of(launch.in[0]) | bits_of(launch.out[0]) | bits_of(s.inner));
    s.inner /= unit;
    const int64_t count = s.time * s.batch * s.inner;
    with_unit(unit, [&]<typename T>() {
      auto* kernel = count < kNarrow ? reverse_sequences<T, uint32_t> : reverse_sequences<T, uint64_t>;
      start(launch, kernel, blocks_for(count), kThreads, 0, launch.input<T>(0), launch.input<int64_t>(1),
            launch.output<T>(0), s);
    });
  });
}

}  // namespace

void define_pad(Definitions& all) {
  all.push_back({"Pad", "plain", accepts_pad, prepare_pad});
  all.push_back({"Trilu", "plain", accepts_trilu, prepare_trilu});
  all.push_back({"ReverseSequence", "plain", accepts_reverse_sequence, prepare_reverse_sequence});
}

}  // namespace weft::cuda
