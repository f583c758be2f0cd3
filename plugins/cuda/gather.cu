// Elements picked by index: Gather, GatherElements and GatherND.
#include <vector>

#include "plugins/cuda/indices.cuh"
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/move.cuh"

namespace weft::cuda {

namespace {

// -- Gather: data [outer, size, inner], indices [count], inner in units
struct Rows {
  int64_t outer, size, count, inner;
  int32_t axis;
};

template <typename T, typename Index>
__global__ void gather_rows(const T* data, Indices indices, T* out, Rows s, Reporter reporter) {
  const Index total = static_cast<Index>(s.outer * s.count * s.inner);
  const Index inner = static_cast<Index>(s.inner), count = static_cast<Index>(s.count);
  for (Index base = static_cast<Index>(blockIdx.x) * kUnits + threadIdx.x; base < total;
       base += static_cast<Index>(gridDim.x) * kUnits) {
    int64_t from[kItems];
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const Index i = base + j * kThreads;
      from[j] = -1;
      if (i >= total) continue;
      const Index row = i / inner, k = i - row * inner, o = row / count;
      const int64_t at = reporter.place(indices[row - o * count], s.size, s.axis);
      if (at >= 0) from[j] = (static_cast<int64_t>(o) * s.size + at) * s.inner + k;
    }
    T held[kItems];
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      if (from[j] >= 0) held[j] = data[from[j]];
    }
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      if (from[j] >= 0) out[base + j * kThreads] = held[j];
    }
  }
}

bool takes_indices(int32_t dtype) { return dtype == WEFT_I32 || dtype == WEFT_I64; }

// Of an empty output the indices are looked at all the same: the CPU does.
bool has_work(const Node& node) { return node.output(0).count() > 0 || node.input(1).count() == 0; }

bool accepts_gather(const Node& node) {
  return has_work(node) && element_bytes(node.input(0).dtype) > 0 && takes_indices(node.input(1).dtype) &&
         node.input(0).rank() > 0;
}

Prepared prepare_gather(const Node& node) {
  const Shape& data = node.input(0).shape;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(data.size());
  const size_t at = static_cast<size_t>(axis);
  const Rows plan{product(data, 0, at), data[at], node.input(1).count(),
                  product(data, at + 1, data.size()) * element_bytes(node.input(0).dtype), static_cast<int32_t>(axis)};
  const bool wide = node.input(1).dtype == WEFT_I64;
  return ready([plan, wide](const Launch& launch) {
    Rows s = plan;
    if (s.count * s.inner == 0) return;
    with_unit(unit_of(bits_of(s.inner) | bits_of(launch.in[0]) | bits_of(launch.out[0])), [&]<typename T>() {
      s.inner /= static_cast<int64_t>(sizeof(T));
      const int64_t total = s.outer * s.count * s.inner;
      if (total == 0) return;
      auto* kernel = total < kNarrow ? gather_rows<T, uint32_t> : gather_rows<T, uint64_t>;
      start(launch, kernel, blocks_for(total, kUnits), kThreads, 0, launch.input<T>(0), Indices{launch.in[1], wide},
            launch.output<T>(0), s, Reporter{launch.stream.faults(), launch.step});
    });
  });
}

// -- GatherND: the slices at places of `length` coordinates each
struct Places {
  int64_t size[kMostDims];  // of the axes that coordinates are for
  int length;
  int32_t batch_dims;
  int64_t batches, places, batch_elements, slice;  // elements in units
};

template <typename T, typename Index>
__global__ void gather_places(const T* data, const int64_t* indices, T* out, Places s, Reporter reporter) {
  const Index slice = static_cast<Index>(s.slice), places = static_cast<Index>(s.places);
  WEFT_FOR(i, s.batches * s.places * s.slice) {
    const Index place = static_cast<Index>(i) / slice, k = static_cast<Index>(i) - place * slice;
    const int64_t* coordinates = indices + static_cast<int64_t>(place) * s.length;
    int64_t offset = 0;
    bool inside = true;
#pragma unroll
    for (int c = 0; c < kMostDims; ++c) {
      if (c >= s.length || !inside) continue;
      const int64_t at = reporter.place(coordinates[c], s.size[c], s.batch_dims + c);
      inside = at >= 0;
      offset = offset * s.size[c] + at;
    }
    if (inside) out[i] = data[(place / places) * s.batch_elements + offset * s.slice + k];
  }
}

bool accepts_gather_nd(const Node& node) {
  const Value &data = node.input(0), &indices = node.input(1);
  if (!has_work(node) || element_bytes(data.dtype) == 0 || indices.dtype != WEFT_I64) return false;
  if (data.rank() == 0 || indices.rank() == 0 || indices.shape.back() > kMostDims) return false;
  const int64_t batch_dims = node.i("batch_dims");
  for (int64_t d = 0; d < batch_dims; ++d) {
    if (data.shape[static_cast<size_t>(d)] != indices.shape[static_cast<size_t>(d)]) return false;  // the CPU tells
  }
  return true;
}

Prepared prepare_gather_nd(const Node& node) {
  const Shape &data = node.input(0).shape, &indices = node.input(1).shape;
  const size_t batch_dims = static_cast<size_t>(node.i("batch_dims")), length = static_cast<size_t>(indices.back());
  const int64_t element = element_bytes(node.input(0).dtype);
  Places plan{};
  for (size_t c = 0; c < length; ++c) plan.size[c] = data[batch_dims + c];
  plan.length = static_cast<int>(length);
  plan.batch_dims = static_cast<int32_t>(batch_dims);
  plan.batches = product(indices, 0, batch_dims);
  plan.places = product(indices, batch_dims, indices.size() - 1);
  plan.batch_elements = product(data, batch_dims, data.size()) * element;
  plan.slice = product(data, batch_dims + length, data.size()) * element;
  return ready([plan](const Launch& launch) {
    if (plan.batches * plan.places * plan.slice == 0) return;
    with_unit(unit_of(bits_of(plan.slice) | bits_of(launch.in[0]) | bits_of(launch.out[0])), [&]<typename T>() {
      Places s = plan;
      s.slice /= static_cast<int64_t>(sizeof(T));
      s.batch_elements /= static_cast<int64_t>(sizeof(T));
      const int64_t total = s.batches * s.places * s.slice;
      auto* kernel = total < kNarrow ? gather_places<T, uint32_t> : gather_places<T, uint64_t>;
      start(launch, kernel, blocks_for(total), kThreads, 0, launch.input<T>(0), launch.input<int64_t>(1),
            launch.output<T>(0), s, Reporter{launch.stream.faults(), launch.step});
    });
  });
}

// -- GatherElements: for each index the place of the others along the axes, and along one what the index says
struct Elements {
  int64_t size[kMostDims], step[kMostDims];  // of the indices, and what an index of each axis means in data
  int rank = 0;
  int64_t axis_size, axis_step, count;
  int32_t axis;
};

bool plan_elements(const Node& node, Elements* s) {
  const Shape &data = node.input(0).shape, &indices = node.input(1).shape;
  const int64_t element = element_bytes(node.input(0).dtype);
  if (element == 0 || element > 8 || !takes_indices(node.input(1).dtype) || data.empty()) return false;
  int64_t axis = node.i("axis");
  if (axis < 0) axis += static_cast<int64_t>(data.size());
  s->axis = static_cast<int32_t>(axis);
  s->count = node.input(1).count();
  int64_t stride = 1;
  std::vector<int64_t> strides(data.size());
  for (size_t d = data.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= data[d];
  }
  for (size_t d = 0; d < data.size(); ++d) {
    const bool is_axis = static_cast<int64_t>(d) == axis;
    if (!is_axis && indices[d] > data[d]) return false;  // an error, which the CPU tells
    if (is_axis) {
      s->axis_size = data[d];
      s->axis_step = strides[d];
    }
    if (indices[d] == 1) continue;
    const int64_t step = is_axis ? 0 : strides[d];
    if (s->rank > 0 && s->step[s->rank - 1] == indices[d] * step) {
      s->size[s->rank - 1] *= indices[d];
      s->step[s->rank - 1] = step;
      continue;
    }
    if (s->rank == kMostDims) return false;
    s->size[s->rank] = indices[d];
    s->step[s->rank++] = step;
  }
  return true;
}

template <typename T, typename Index>
__global__ void gather_elements(const T* data, Indices indices, T* out, Elements s, Reporter reporter) {
  WEFT_FOR(i, s.count) {
    Index rest = static_cast<Index>(i);
    int64_t offset = 0;
#pragma unroll
    for (int d = kMostDims - 1; d > 0; --d) {
      if (d >= s.rank) continue;
      const Index size = static_cast<Index>(s.size[d]), next = rest / size;
      offset += (rest - next * size) * s.step[d];
      rest = next;
    }
    if (s.rank > 0) offset += rest * s.step[0];
    const int64_t at = reporter.place(indices[i], s.axis_size, s.axis);
    if (at >= 0) out[i] = data[offset + at * s.axis_step];
  }
}

bool accepts_gather_elements(const Node& node) {
  Elements s{};
  return plan_elements(node, &s);
}

Prepared prepare_gather_elements(const Node& node) {
  Elements s{};
  if (!plan_elements(node, &s)) throw Error(WEFT_INTERNAL, "GatherElements has too many dimensions");
  Prepared made = ready([](const Launch&) {});
  if (s.count == 0) return made;
  const bool wide = node.input(1).dtype == WEFT_I64;
  with_size(element_bytes(node.input(0).dtype), [&]<typename T>() {
    made.run = [s, wide](const Launch& launch) {
      auto* kernel = s.count < kNarrow ? gather_elements<T, uint32_t> : gather_elements<T, uint64_t>;
      start(launch, kernel, blocks_for(s.count), kThreads, 0, launch.input<T>(0), Indices{launch.in[1], wide},
            launch.output<T>(0), s, Reporter{launch.stream.faults(), launch.step});
    };
  });
  return made;
}

}  // namespace

void define_gather(Definitions& all) {
  all.push_back({"Gather", "rows", accepts_gather, prepare_gather});
  all.push_back({"GatherND", "places", accepts_gather_nd, prepare_gather_nd});
  all.push_back({"GatherElements", "plain", accepts_gather_elements, prepare_gather_elements});
}

}  // namespace weft::cuda
