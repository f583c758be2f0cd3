// Kernels of Expand, Tile, Range and ConstantOfShape.
#include "core/kernels/cpu/move_common.h"

#include "core/kernel/registry.h"

namespace weft {
namespace {

bool takes_movable(const KernelContext& c) { return movable(c.output_dtype(0)); }

Status prepare_expand(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& in = c.shape(0);
  const Shape& out = c.output_shape(0);
  std::vector<int64_t> own = row_major(in), strides(out.size(), 0);
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] != 1) strides[i + out.size() - in.size()] = own[i];
  }
  use_strided(StridedCopy::make(out, strides, row_major(out), dtype_size(c.dtype(0))), prepared);
  return {};
}

// [r0, d0, r1, d1, ...] with no stride along the repeats.
Status prepare_tile(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& in = c.shape(0);
  const Shape& out = c.output_shape(0);
  std::vector<int64_t> own = row_major(in), strides;
  Shape split;
  for (size_t i = 0; i < in.size(); ++i) {
    split.push_back(in[i] == 0 ? 0 : out[i] / in[i]);
    split.push_back(in[i]);
    strides.push_back(0);
    strides.push_back(own[i]);
  }
  use_strided(StridedCopy::make(split, strides, row_major(split), dtype_size(c.dtype(0))), prepared);
  return {};
}

struct Count {
  int64_t value;
};
template <typename T>
void range(const Count& count, const RunArgs& args) {
  T start = *args.input<T>(0), delta = *args.input<T>(2);
  T* out = args.output<T>(0);
  for (int64_t i = 0; i < count.value; ++i) out[i] = static_cast<T>(start + static_cast<T>(i) * delta);
}
Status prepare_range(const KernelContext& c, PreparedKernel* prepared) {
  Count count{c.output_count_of(0)};
  prepared->cost_ns = static_cast<double>(count.value);
  prepared->most_threads = 1;
  switch (c.dtype(0)) {
    case DType::kF32: prepared->use<&range<float>>(count); break;
    case DType::kF64: prepared->use<&range<double>>(count); break;
    case DType::kI16: prepared->use<&range<int16_t>>(count); break;
    case DType::kI32: prepared->use<&range<int32_t>>(count); break;
    default: prepared->use<&range<int64_t>>(count); break;
  }
  return {};
}

struct Fill {
  int64_t count, size;
  Pair128 value;
};
void fill(const Fill& state, const RunArgs& args) {
  with_element(state.size, [&](auto element) {
    using T = decltype(element);
    T value;
    std::memcpy(&value, &state.value, sizeof(T));
    T* out = args.output<T>(0);
    for (int64_t i = 0; i < state.count; ++i) out[i] = value;
  });
}
Status prepare_fill(const KernelContext& c, PreparedKernel* prepared) {
  Fill state{c.output_count_of(0), dtype_size(c.output_dtype(0)), {0, 0}};
  if (const AttrValue* value = c.attrs().find("value")) std::memcpy(&state.value, value->tensor().data(), state.size);
  prepared->cost_ns = copy_cost_ns(state.count * state.size);
  prepared->most_threads = 1;
  prepared->use<&fill>(state);
  return {};
}

}  // namespace

void add_cpu_expand(KernelRegistry& kernels) {
  kernels.add("Expand", {"strided", takes_movable, prepare_expand});
  kernels.add("Tile", {"strided", takes_movable, prepare_tile});
  kernels.add("Range", {"plain", nullptr, prepare_range});
  kernels.add("ConstantOfShape", {"plain", takes_movable, prepare_fill});
}

}  // namespace weft
