// Kernels of Slice and SliceGrad.
#include <algorithm>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"
#include "core/op/slice.h"

namespace weft {
namespace {

struct Box {
  StridedCopy copy;
  int64_t zero_bytes = 0;  // of the output, cleared first
};

void run(const Box& box, const RunArgs& args) {
  if (box.zero_bytes > 0) std::memset(args.out[0], 0, box.zero_bytes);
  box.copy.run(*args.parallel, args.in[0], args.out[0]);
}

// Start and step along each axis of the whole tensor; `first` is the input that holds the starts.
Status read_bounds(const KernelContext& c, int first, const Shape& whole, std::vector<int64_t>* starts,
                   std::vector<int64_t>* steps) {
  int64_t rank = static_cast<int64_t>(whole.size());
  starts->assign(rank, 0);
  steps->assign(rank, 1);
  std::vector<int64_t> start = *c.constant(first)->to_ints(), axes, step;
  if (c.has_input(first + 2)) axes = *c.constant(first + 2)->to_ints();
  if (c.has_input(first + 3)) step = *c.constant(first + 3)->to_ints();
  for (size_t i = 0; i < start.size(); ++i) {
    int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i] < 0 ? axes[i] + rank : axes[i];
    int64_t size = whole[axis];
    (*steps)[axis] = step.empty() ? 1 : step[i];
    (*starts)[axis] = slice_start(start[i], (*steps)[axis], size);
  }
  return {};
}

template <bool gradient>
Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& whole = gradient ? c.output_shape(0) : c.shape(0);
  const Shape& part = gradient ? c.shape(0) : c.output_shape(0);
  std::vector<int64_t> starts, steps, own = row_major(whole), strides;
  WEFT_CHECK(read_bounds(c, gradient ? 2 : 1, whole, &starts, &steps));
  int64_t origin = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    // Of one element no step is made, however large it is.
    strides.push_back(part[i] > 1 ? own[i] * steps[i] : 0);
    origin += own[i] * starts[i];
  }
  int64_t size = dtype_size(c.dtype(0));
  Box box;
  if (gradient) {
    box.copy = StridedCopy::make(part, row_major(part), strides, size);
    box.copy.out_start = origin;
    box.zero_bytes = dtype_bytes(c.dtype(0), c.output_count_of(0));
  } else {
    box.copy = StridedCopy::make(part, strides, row_major(part), size);
    box.copy.in_start = origin;
  }
  prepared->cost_ns = box.copy.cost_ns() + copy_cost_ns(box.zero_bytes);
  prepared->use<&run>(std::move(box));
  return {};
}

template <int first>
bool accepts(const KernelContext& c) {
  for (int i = first; i < c.input_count(); ++i) {
    if (c.has_input(i) && c.constant(i) == nullptr) return false;
  }
  return movable(c.dtype(0));
}

}  // namespace

void add_cpu_slice(KernelRegistry& kernels) {
  add_movement<accepts<1>, prepare<false>>(kernels, "Slice", "strided");
  kernels.add("weft.SliceGrad", {"strided", accepts<2>, prepare<true>});
}

}  // namespace weft
