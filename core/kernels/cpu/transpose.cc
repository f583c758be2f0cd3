// Kernel of Transpose.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  std::vector<int64_t> perm = c.attrs().ints_or_empty("perm");
  if (!c.attrs().has("perm")) {
    for (int64_t i = c.rank(0); i-- > 0;) perm.push_back(i);
  }
  std::vector<int64_t> own = row_major(c.shape(0)), strides;
  for (int64_t axis : perm) strides.push_back(own[axis]);
  const Shape& out = c.output_shape(0);
  use_strided(StridedCopy::make(out, strides, row_major(out), dtype_size(c.dtype(0))), prepared);
  return {};
}

}  // namespace

void add_cpu_transpose(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare>(kernels, "Transpose", "strided");
}

}  // namespace weft
