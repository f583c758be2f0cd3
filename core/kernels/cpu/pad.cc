// Kernel of Pad.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

enum class Mode { kConstant, kReflect, kEdge, kWrap };

struct State {
  Shape in, out;
  Mode mode;
  int64_t element;
  bool has_value;
  int64_t axis_count;  // of the input `axes`; -1 without one
  bool wide_axes;
};

// Where place i of an axis of n elements comes from, `begin` places after the start; -1 for the constant.
int64_t source(Mode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case Mode::kConstant: return -1;
    case Mode::kEdge: return i < 0 ? 0 : n - 1;
    case Mode::kWrap: return ((i % n) + n) % n;
    case Mode::kReflect: break;
  }
  if (n == 1) return 0;
  int64_t period = 2 * (n - 1);
  int64_t at = ((i % period) + period) % period;
  return at < n ? at : period - at;
}

// The pads before each axis, which begin as 0.
bool begins_of(const State& s, const RunArgs& args, int64_t (&begins)[kMostAxes]) {
  const int64_t* pads = args.input<int64_t>(1);
  int64_t rank = static_cast<int64_t>(s.in.size());
  int64_t count = s.axis_count < 0 ? rank : s.axis_count;
  for (int64_t i = 0; i < count; ++i) {
    int64_t axis = i;
    if (s.axis_count >= 0) axis = s.wide_axes ? args.input<int64_t>(3)[i] : args.input<int32_t>(3)[i];
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) {
      *args.status = invalid("axis ", axis, " is outside the ", rank, " dimensions of data");
      return false;
    }
    begins[axis] = pads[i];
  }
  return true;
}

template <typename T>
void pad(const State& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  int64_t begins[kMostAxes] = {};
  if (!begins_of(s, args, begins)) return;
  T value{};
  if (s.has_value) std::memcpy(&value, args.in[2], sizeof(T));
  const size_t rank = s.in.size();
  if (rank == 0) {
    y[0] = x[0];
    return;
  }
  const int64_t last = static_cast<int64_t>(rank) - 1;
  const int64_t n = s.in[rank - 1], width = s.out[rank - 1], shift = begins[rank - 1];
  int64_t lines = 1;
  for (int64_t i = 0; i < last; ++i) lines *= s.out[static_cast<size_t>(i)];
  for (int64_t line = 0; line < lines; ++line) {
    int64_t rest = line, from = 0, stride = n;
    bool outside = false;
    for (int64_t axis = last - 1; axis >= 0; --axis) {
      const int64_t size = s.in[static_cast<size_t>(axis)], wide = s.out[static_cast<size_t>(axis)];
      const int64_t at = source(s.mode, rest % wide - begins[axis], size);
      rest /= wide;
      outside = outside || at < 0;
      from += at * stride;
      stride *= size;
    }
    T* out = y + line * width;
    for (int64_t i = 0; i < width; ++i) {
      const int64_t at = outside ? -1 : source(s.mode, i - shift, n);
      out[i] = at < 0 ? value : x[from + at];
    }
  }
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const std::string& mode = c.attrs().s("mode");
  State s{c.shape(0), c.output_shape(0), Mode::kConstant, dtype_size(c.dtype(0)), c.has_input(2), -1, true};
  if (mode == "reflect") s.mode = Mode::kReflect;
  if (mode == "edge") s.mode = Mode::kEdge;
  if (mode == "wrap") s.mode = Mode::kWrap;
  if (c.has_input(3)) {
    s.axis_count = c.count(3);
    s.wide_axes = c.dtype(3) == DType::kI64;
  }
  for (size_t d = 0; s.mode != Mode::kConstant && d < s.in.size(); ++d) {
    if (s.in[d] > 0 || s.out[d] == 0) continue;
    return invalid("axis ", d, " of data is empty: there is nothing to repeat; only the mode \"constant\" can pad it");
  }
  prepared->cost_ns = static_cast<double>(c.output_count_of(0));
  with_element(s.element, [&](auto element) { prepared->use<&pad<decltype(element)>>(s); });
  return {};
}

}  // namespace

void add_cpu_pad(KernelRegistry& kernels) { add_movement<takes_movable_data, prepare>(kernels, "Pad", "plain"); }

}  // namespace weft
