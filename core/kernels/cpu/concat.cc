// Kernels of Concat and Split: blocks of bytes.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

constexpr double kLeastCopyNs = 5000;  // of what a thread copies at once

// Each part has `outer` blocks, of part_bytes[i]; in the whole they lie one after another, from part_at[i] on.
struct Parts {
  int64_t outer = 1;
  std::vector<int64_t> part_bytes, part_at;
  int64_t whole_bytes = 0;
  int64_t at_once = 1;  // blocks that one thread copies at least
  double block_ns = 0;
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
    parts.part_at.push_back(parts.whole_bytes);
    parts.whole_bytes += size * inner;
  }
  return parts;
}

// Calls copy(part, address in the whole, address in the part, bytes) for all blocks, part by part.
template <typename Copy>
void each_block(const Parts& parts, const RunArgs& args, Copy copy) {
  const int64_t count = parts.outer * static_cast<int64_t>(parts.part_bytes.size());
  parallel_for(*args.parallel, count, parts.at_once, parts.block_ns, [&](int64_t begin, int64_t end) {
    int64_t part = begin / parts.outer, outer = begin % parts.outer;
    for (; begin < end; ++part, outer = 0) {
      const int64_t bytes = parts.part_bytes[part], past = std::min(parts.outer, outer + end - begin);
      begin += past - outer;
      for (; bytes > 0 && outer < past; ++outer) {
        copy(static_cast<int>(part), outer * parts.whole_bytes + parts.part_at[part], outer * bytes, bytes);
      }
    }
  });
}

void run_concat(const Parts& parts, const RunArgs& args) {
  char* to = args.output<char>(0);
  each_block(parts, args, [&](int part, int64_t whole, int64_t own, int64_t bytes) {
    std::memcpy(to + whole, args.input<char>(part) + own, static_cast<size_t>(bytes));
  });
}

void run_split(const Parts& parts, const RunArgs& args) {
  const char* from = args.input<char>(0);
  each_block(parts, args, [&](int part, int64_t whole, int64_t own, int64_t bytes) {
    std::memcpy(args.output<char>(part) + own, from + whole, static_cast<size_t>(bytes));
  });
}

int64_t axis_of(const KernelContext& c) {
  int64_t axis = c.attrs().i("axis");
  return axis < 0 ? axis + c.rank(0) : axis;
}

// A block takes a call, and what lies far away is read and written.
template <auto Run>
void use_parts(Parts parts, PreparedKernel* prepared) {
  const int64_t count = parts.outer * static_cast<int64_t>(parts.part_bytes.size());
  prepared->cost_ns = 5 * static_cast<double>(count) + 2 * copy_cost_ns(parts.outer * parts.whole_bytes);
  parts.block_ns = count > 0 ? prepared->cost_ns / static_cast<double>(count) : 0;
  parts.at_once = std::max<int64_t>(1, static_cast<int64_t>(kLeastCopyNs / std::max(parts.block_ns, 1.0)));
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
