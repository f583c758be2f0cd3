// Kernels of Concat and Split: blocks of bytes.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

// Each part has `outer` blocks, of part_bytes[i]; in the whole they lie one after another.
struct Parts {
  int64_t outer = 1;
  std::vector<int64_t> part_bytes;
  int64_t whole_bytes = 0;
};

Parts make_parts(const Shape& whole, int64_t axis, DType dtype, const std::vector<int64_t>& sizes) {
  Parts parts;
  if (axis < 0) axis += static_cast<int64_t>(whole.size());
  int64_t inner = dtype_size(dtype);
  for (int64_t i = 0; i < static_cast<int64_t>(whole.size()); ++i) {
    if (i < axis) parts.outer *= whole[i];
    if (i > axis) inner *= whole[i];
  }
  for (int64_t size : sizes) {
    parts.part_bytes.push_back(size * inner);
    parts.whole_bytes += size * inner;
  }
  return parts;
}

void run_concat(const Parts& parts, const RunArgs& args) {
  char* to = args.output<char>(0);
  for (size_t p = 0; p < parts.part_bytes.size(); ++p) {
    const char* from = args.input<char>(static_cast<int>(p));
    int64_t bytes = parts.part_bytes[p];
    for (int64_t o = 0; bytes > 0 && o < parts.outer; ++o)
      std::memcpy(to + o * parts.whole_bytes, from + o * bytes, bytes);
    to += bytes;
  }
}

void run_split(const Parts& parts, const RunArgs& args) {
  const char* from = args.input<char>(0);
  for (size_t p = 0; p < parts.part_bytes.size(); ++p) {
    char* to = args.output<char>(static_cast<int>(p));
    int64_t bytes = parts.part_bytes[p];
    for (int64_t o = 0; bytes > 0 && o < parts.outer; ++o)
      std::memcpy(to + o * bytes, from + o * parts.whole_bytes, bytes);
    from += bytes;
  }
}

int64_t axis_of(const KernelContext& c) {
  int64_t axis = c.attrs().i("axis");
  return axis < 0 ? axis + c.rank(0) : axis;
}

// A block takes a call.
template <auto Run>
void use_parts(Parts parts, PreparedKernel* prepared) {
  const double blocks = static_cast<double>(parts.outer) * static_cast<double>(parts.part_bytes.size());
  prepared->cost_ns = 5 * blocks + copy_cost_ns(parts.outer * parts.whole_bytes);
  prepared->most_threads = 1;
  prepared->use<Run>(std::move(parts));
}

Status prepare_concat(const KernelContext& c, PreparedKernel* prepared) {
  std::vector<int64_t> sizes;
  for (int i = 0; i < c.input_count(); ++i) sizes.push_back(c.shape(i)[axis_of(c)]);
  use_parts<&run_concat>(make_parts(c.output_shape(0), axis_of(c), c.dtype(0), sizes), prepared);
  return {};
}

Status prepare_split(const KernelContext& c, PreparedKernel* prepared) {
  std::vector<int64_t> sizes;
  for (int i = 0; i < c.output_count(); ++i) sizes.push_back(c.output_shape(i)[axis_of(c)]);
  use_parts<&run_split>(make_parts(c.shape(0), axis_of(c), c.dtype(0), sizes), prepared);
  return {};
}

bool accepts(const KernelContext& c) { return movable(c.dtype(0)); }

}  // namespace

void add_cpu_concat(KernelRegistry& kernels) {
  add_movement<accepts, prepare_concat>(kernels, "Concat", "blocks");
  add_movement<accepts, prepare_split>(kernels, "Split", "blocks");
}

}  // namespace weft
