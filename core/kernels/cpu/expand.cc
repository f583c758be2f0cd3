// Kernels of Expand, Tile, Range and ConstantOfShape.

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"
#include "core/kernels/cpu/types_common.h"

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
using RangeElements = Types<float, double, int16_t, int32_t, int64_t>;
bool takes_range(const KernelContext& c) { return in_list(RangeElements{}, c.dtype(0)); }

Status prepare_range(const KernelContext& c, PreparedKernel* prepared) {
  Count count{c.output_count_of(0)};
  prepared->cost_ns = static_cast<double>(count.value);
  prepared->most_threads = 1;
  with_type(RangeElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&range<T>>(count); });
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

// Elements of less than a byte; the last byte has zeros behind the last one.
struct FillPacked {
  int64_t bytes;
  uint8_t byte, last;
};
void fill_packed(const FillPacked& state, const RunArgs& args) {
  uint8_t* out = args.output<uint8_t>(0);
  std::fill_n(out, state.bytes, state.byte);
  if (state.bytes > 0) out[state.bytes - 1] = state.last;
}
Status prepare_packed(const KernelContext& c, int bits, PreparedKernel* prepared) {
  const AttrValue* value = c.attrs().find("value");
  const int64_t count = c.output_count_of(0), in_last = count % (8 / bits);
  const int one = value != nullptr ? *value->tensor().as<uint8_t>() & ((1 << bits) - 1) : 0;
  int byte = 0;
  for (int shift = 0; shift < 8; shift += bits) byte |= one << shift;
  const int kept = in_last == 0 ? 255 : (1 << (in_last * bits)) - 1;
  prepared->use<&fill_packed>(
      FillPacked{dtype_bytes(c.output_dtype(0), count), static_cast<uint8_t>(byte), static_cast<uint8_t>(byte & kept)});
  return {};
}

struct FillStrings {
  Shape shape;
  std::string value;
};
Status fill_strings(const FillStrings& state, TensorArgs& args) {
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, state.shape));
  std::vector<std::string>& out = args.out[0].mutable_strings();
  std::fill(out.begin(), out.end(), state.value);
  return {};
}

Status prepare_fill(const KernelContext& c, PreparedKernel* prepared) {
  const DType dtype = c.output_dtype(0);
  const AttrValue* value = c.attrs().find("value");
  if (dtype == DType::kString) {
    prepared->use_tensors<&fill_strings>(FillStrings{c.output_shape(0), value->tensor().strings()[0]});
    return {};
  }
  if (dtype_bits(dtype) < 8) return prepare_packed(c, dtype_bits(dtype), prepared);
  Fill state{c.output_count_of(0), dtype_size(dtype), {0, 0}};
  if (value != nullptr) std::memcpy(&state.value, value->tensor().data(), state.size);
  prepared->cost_ns = copy_cost_ns(state.count * state.size);
  prepared->most_threads = 1;
  prepared->use<&fill>(state);
  return {};
}

}  // namespace

void add_cpu_expand(KernelRegistry& kernels) {
  add_movement<takes_movable, prepare_expand>(kernels, "Expand", "strided");
  add_movement<takes_movable, prepare_tile>(kernels, "Tile", "strided");
  kernels.add("Range", {"plain", takes_range, prepare_range});
  kernels.add("ConstantOfShape", {"plain", nullptr, prepare_fill});
}

}  // namespace weft
