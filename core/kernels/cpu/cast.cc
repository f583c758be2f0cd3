// Cast kernels: loops between numbers and truth values, and a plain one for all types.
#include <algorithm>
#include <charconv>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/cast_common.h"
#include "core/kernels/cpu/small_types_common.h"
#include "core/simd/casts.h"
#include "core/simd/halves.h"
#include "core/tensor/packed.h"

namespace weft {
namespace {

using Elements =
    Types<float, double, int32_t, int64_t, bool, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t, F16, BF16>;

// Any byte but 0 is true.
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

template <typename To, typename From>
void span(const int64_t&, const void* const* in, void* out, int64_t n) {
  const Stored<From>* x = static_cast<const Stored<From>*>(in[0]);
  To* y = static_cast<To*>(out);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<From, bool>)
      y[i] = convert<To, uint8_t>(x[i] != 0);
    else
      y[i] = convert<To, From>(x[i]);
  }
}

template <typename To, typename From>
void run(const int64_t& count, const RunArgs& args) {
  parallel_for(*args.parallel, count, kElementwiseBlock, 0.5, [&](int64_t begin, int64_t end) {
    const void* x = args.input<Stored<From>>(0) + begin;
    span<To, From>(count, &x, args.output<To>(0) + begin, end - begin);
  });
}

void copy(const int64_t& bytes, const RunArgs& args) {
  if (bytes != 0) std::memcpy(args.out[0], args.in[0], static_cast<size_t>(bytes));
}

bool between_numbers(const KernelContext& c) {
  constexpr DTypeSet kDone = kNumberTypes | set_of(DType::kBool);
  return contains(kDone, c.dtype(0)) && contains(kDone, c.output_dtype(0));
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  int64_t count = c.count(0);
  prepared->cost_ns = 0.5 * static_cast<double>(count);
  if (c.dtype(0) == c.output_dtype(0)) {
    prepared->use<&copy>(count * dtype_size(c.dtype(0)));
    return {};
  }
  with_type(Elements{}, c.dtype(0), [&]<typename From>() {
    with_type(Elements{}, c.output_dtype(0), [&]<typename To>() {
      prepared->use<&run<To, From>>(count);
      prepared->use_span<&span<To, From>, int64_t>();
    });
  });
  return {};
}

// Of some types as others, on vectors.
bool widens_halves(const KernelContext& c) {
  return in_list(Types<F16, BF16>{}, c.dtype(0)) && c.output_dtype(0) == DType::kF32;
}
bool narrows_to_halves(const KernelContext& c) {
  return c.dtype(0) == DType::kF32 && in_list(Types<F16, BF16>{}, c.output_dtype(0));
}

template <typename To, typename From>
struct VectorState {
  int64_t count;
  void (*fn)(const From* from, int64_t n, To* to);
};
template <typename To, typename From>
void span_vectors(const VectorState<To, From>& s, const void* const* in, void* out, int64_t n) {
  s.fn(static_cast<const From*>(in[0]), n, static_cast<To*>(out));
}
template <typename To, typename From>
void run_vectors(const VectorState<To, From>& s, const RunArgs& args) {
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.2, [&](int64_t begin, int64_t end) {
    s.fn(args.input<From>(0) + begin, end - begin, args.output<To>(0) + begin);
  });
}
template <typename To, typename From>
Status use_vectors(const KernelContext& c, void (*fn)(const From*, int64_t, To*), PreparedKernel* prepared) {
  prepared->cost_ns = 0.2 * static_cast<double>(c.count(0));
  prepared->use<&run_vectors<To, From>>(VectorState<To, From>{c.count(0), fn});
  prepared->use_span<&span_vectors<To, From>, VectorState<To, From>>();
  return {};
}
const HalvesTable& halves_table(DType dtype) {
  return halves_of(dtype == DType::kBF16 ? Half::kBf16 : Half::kF16, current_isa());
}
Status prepare_widen(const KernelContext& c, PreparedKernel* prepared) {
  return use_vectors<float, uint16_t>(c, halves_table(c.dtype(0)).widen, prepared);
}
Status prepare_narrow(const KernelContext& c, PreparedKernel* prepared) {
  return use_vectors<uint16_t, float>(c, halves_table(c.output_dtype(0)).narrow, prepared);
}

// What quantized numbers are made of and become.
bool from_integers(const KernelContext& c) {
  return in_list(Types<uint8_t, int8_t, int32_t>{}, c.dtype(0)) && c.output_dtype(0) == DType::kF32;
}
bool to_bytes(const KernelContext& c) {
  return c.dtype(0) == DType::kF32 && in_list(Types<uint8_t, int8_t>{}, c.output_dtype(0));
}
Status prepare_from_integers(const KernelContext& c, PreparedKernel* prepared) {
  const CastTable& table = cast_table(current_isa());
  if (c.dtype(0) == DType::kI32) return use_vectors(c, table.from_i32, prepared);
  return c.dtype(0) == DType::kI8 ? use_vectors(c, table.from_i8, prepared) : use_vectors(c, table.from_u8, prepared);
}
Status prepare_to_bytes(const KernelContext& c, PreparedKernel* prepared) {
  const CastTable& table = cast_table(current_isa());
  const bool is_signed = c.output_dtype(0) == DType::kI8;
  return is_signed ? use_vectors(c, table.to_i8, prepared) : use_vectors(c, table.to_u8, prepared);
}

// A number on its way from one type to another.
struct Loaded {
  enum Kind { kWhole, kUnsigned, kBroken } kind = kWhole;
  int64_t whole = 0;
  uint64_t large = 0;
  double broken = 0;
};
Loaded whole(int64_t value) { return {Loaded::kWhole, value, 0, 0}; }
Loaded broken(double value) { return {Loaded::kBroken, 0, 0, value}; }

struct AnyState {
  DType from, to;
  int64_t count;
  Shape shape;
  bool saturate;
  PowerRounding rounding;
};

Loaded load(DType dtype, const void* values, int64_t i) {
  Loaded out;
  bool done = with_type(Elements{}, dtype, [&]<typename T>() {
    const Stored<T> x = static_cast<const Stored<T>*>(values)[i];
    if constexpr (std::is_same_v<T, bool>)
      out = whole(x != 0);
    else if constexpr (std::is_same_v<T, uint64_t>)
      out = {Loaded::kUnsigned, 0, x, 0};
    else if constexpr (std::is_integral_v<T>)
      out = whole(x);
    else
      out = broken(static_cast<double>(static_cast<Wide<T>>(x)));
  });
  if (done) return out;
  const uint8_t* bytes = static_cast<const uint8_t*>(values);
  const int bits = dtype_bits(dtype);
  const int code = bits == 8 ? bytes[i] : load_packed(bytes, i, bits);
  if (dtype == DType::kF8E8M0) return broken(decode_power(static_cast<uint8_t>(code)));
  if (is_float(dtype)) return broken(decode_small_float(small_float(dtype), static_cast<uint8_t>(code)));
  const bool negative = (dtype == DType::kI4 || dtype == DType::kI2) && code >> (bits - 1) != 0;
  return whole(negative ? code - (1 << bits) : code);
}

template <typename T>
T to_number(const Loaded& x) {
  switch (x.kind) {
    case Loaded::kWhole: return convert<T, int64_t>(x.whole);
    case Loaded::kUnsigned: return convert<T, uint64_t>(x.large);
    default: return convert<T, double>(x.broken);
  }
}

void store(const AnyState& s, const Loaded& x, void* values, int64_t i) {
  bool done = with_type(Elements{}, s.to, [&]<typename T>() { static_cast<T*>(values)[i] = to_number<T>(x); });
  if (done) return;
  uint8_t* bytes = static_cast<uint8_t*>(values);
  const int bits = dtype_bits(s.to);
  int64_t code;
  if (s.to == DType::kF8E8M0)
    code = encode_power(to_number<double>(x), s.rounding, s.saturate);
  else if (is_float(s.to))
    code = encode_small_float(small_float(s.to), to_number<double>(x), s.saturate);
  else
    code = to_number<int64_t>(x);
  if (bits == 8)
    bytes[i] = static_cast<uint8_t>(code);
  else
    store_packed(bytes, i, bits, code);
}

Result<Loaded> parse(const std::string& text, DType to) {
  std::string_view number = trim(text);
  if (!number.empty() && number[0] == '+') number.remove_prefix(1);
  if (std::optional<int64_t> value = parse_int(number)) return whole(*value);
  if (to == DType::kU64) {  // what is above the numbers of i64
    uint64_t large = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), large);
    if (error == std::errc() && end == number.data() + number.size()) return Loaded{Loaded::kUnsigned, 0, large, 0};
  }
  if (std::optional<double> value = parse_double(number)) return broken(*value);
  return invalid("cannot cast the string '", text, "' to a number");
}

// Of a float of 16 bits or fewer, as f32, the number with the fewest digits that is read back as it.
float shortest(DType dtype, float x) {
  const AnyState back{DType::kF32, dtype, 1, {}, true, PowerRounding::kNearest};
  for (int digits = 0; digits < 8; ++digits) {  // behind the first
    char text[32];
    const char* end = std::to_chars(text, text + sizeof(text), x, std::chars_format::scientific, digits).ptr;
    const std::optional<float> read = parse_float({text, static_cast<size_t>(end - text)});
    if (!read) continue;
    alignas(8) uint8_t bytes[8] = {};
    store(back, broken(*read), bytes, 0);
    if (load(dtype, bytes, 0).broken == x) return *read;
  }
  return x;
}

std::string print(DType from, const Loaded& x) {
  if (x.kind == Loaded::kWhole) return cat(x.whole);
  if (x.kind == Loaded::kUnsigned) return cat(x.large);
  if (std::isnan(x.broken)) return "NaN";
  if (std::isinf(x.broken)) return x.broken > 0 ? "INF" : "-INF";
  if (from == DType::kF64) return cat(x.broken);
  const float single = static_cast<float>(x.broken);
  return cat(from == DType::kF32 ? single : shortest(from, single));
}

void run_any(const AnyState& s, const RunArgs& args) {
  // Blocks are of whole bytes of packed types.
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 10, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) store(s, load(s.from, args.in[0], i), args.out[0], i);
  });
}

Status run_text(const AnyState& s, TensorArgs& args) {
  WEFT_TRY(Tensor y, Tensor::make(s.to, s.shape));
  const Tensor& x = args.in[0];
  for (int64_t i = 0; i < s.count; ++i) {
    if (s.from == DType::kString && s.to == DType::kString) {
      y.mutable_strings()[i] = x.strings()[i];
    } else if (s.from == DType::kString) {
      WEFT_TRY(Loaded value, parse(x.strings()[i], s.to));
      store(s, value, y.mutable_data(), i);
    } else {
      y.mutable_strings()[i] = print(s.from, load(s.from, x.data(), i));
    }
  }
  args.out[0] = std::move(y);
  return {};
}

Status prepare_any(const KernelContext& c, PreparedKernel* prepared) {
  const std::string& mode = c.attrs().s("round_mode");
  AnyState state{c.dtype(0),
                 c.output_dtype(0),
                 c.count(0),
                 c.output_shape(0),
                 c.attrs().b("saturate"),
                 mode == "up"     ? PowerRounding::kUp
                 : mode == "down" ? PowerRounding::kDown
                                  : PowerRounding::kNearest};
  prepared->cost_ns = 10.0 * static_cast<double>(state.count);
  const bool text = state.from == DType::kString || state.to == DType::kString;
  if (text)
    prepared->use_tensors<&run_text>(std::move(state));
  else
    prepared->use<&run_any>(std::move(state));
  return {};
}

}  // namespace

void add_cpu_cast(KernelRegistry& kernels) {
  kernels.add("Cast", {"vectors", widens_halves, prepare_widen});
  kernels.add("Cast", {"vectors", narrows_to_halves, prepare_narrow});
  kernels.add("Cast", {"vectors", from_integers, prepare_from_integers});
  kernels.add("Cast", {"vectors", to_bytes, prepare_to_bytes});
  kernels.add("Cast", {"numbers", between_numbers, prepare});
  kernels.add("Cast", {"plain", nullptr, prepare_any});
}

}  // namespace weft
