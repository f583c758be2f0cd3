// Kernel of CenterCropPad.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

struct Centered {
  StridedCopy box;  // what both tensors have
  int64_t bytes;    // of the output
  bool fills;       // the box is all of the output
};

void center(const Centered& s, const RunArgs& args) {
  if (!s.fills && s.bytes > 0) std::memset(args.out[0], 0, static_cast<size_t>(s.bytes));
  if (s.box.count > 0) s.box.run(*args.parallel, args.in[0], args.out[0]);
}

// Of an odd number to take off or to add one more is at the end: halves are rounded down.
Status prepare_center(const KernelContext& c, PreparedKernel* prepared) {
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  const std::vector<int64_t> in = row_major(x), out = row_major(y);
  Shape box;
  int64_t in_start = 0, out_start = 0;
  for (size_t d = 0; d < x.size(); ++d) {
    box.push_back(std::min(x[d], y[d]));
    in_start += std::max<int64_t>(0, x[d] - y[d]) / 2 * in[d];
    out_start += std::max<int64_t>(0, y[d] - x[d]) / 2 * out[d];
  }
  Centered s;
  s.box = StridedCopy::make(box, in, out, dtype_size(c.dtype(0)));
  s.box.in_start = in_start;
  s.box.out_start = out_start;
  s.bytes = dtype_bytes(c.dtype(0), c.output_count_of(0));
  s.fills = box == y;
  prepared->cost_ns = s.box.cost_ns() + (s.fills ? 0 : copy_cost_ns(s.bytes));
  prepared->use<&center>(std::move(s));
  return {};
}

}  // namespace

void add_cpu_center_crop_pad(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_center>(kernels, "CenterCropPad", "strided");
}

}  // namespace weft
