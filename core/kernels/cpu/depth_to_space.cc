// Kernels of DepthToSpace and SpaceToDepth.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

// `parts` are the sizes of the input in six axes, `order` says which of them each axis of the output is.
void use_moved_blocks(const KernelContext& c, const Shape& parts, const int (&order)[6], PreparedKernel* prepared) {
  const std::vector<int64_t> own = row_major(parts);
  Shape shape;
  std::vector<int64_t> strides;
  for (int axis : order) {
    shape.push_back(parts[static_cast<size_t>(axis)]);
    strides.push_back(own[static_cast<size_t>(axis)]);
  }
  use_strided(StridedCopy::make(shape, strides, row_major(shape), dtype_size(c.dtype(0))), prepared);
}

Status prepare_depth_to_space(const KernelContext& c, PreparedKernel* prepared) {
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  const int64_t block = c.attrs().i("blocksize");
  if (c.attrs().s("mode") == "DCR")
    use_moved_blocks(c, {x[0], block, block, y[1], x[2], x[3]}, {0, 3, 4, 1, 5, 2}, prepared);
  else
    use_moved_blocks(c, {x[0], y[1], block, block, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, prepared);
  return {};
}

Status prepare_space_to_depth(const KernelContext& c, PreparedKernel* prepared) {
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  const int64_t block = c.attrs().i("blocksize");
  use_moved_blocks(c, {x[0], x[1], y[2], block, y[3], block}, {0, 3, 5, 1, 2, 4}, prepared);
  return {};
}

}  // namespace

void add_cpu_depth_to_space(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_depth_to_space>(kernels, "DepthToSpace", "strided");
  add_movement<takes_movable_data, prepare_space_to_depth>(kernels, "SpaceToDepth", "strided");
}

}  // namespace weft
