// Kernels of operators that keep all bytes in order; the plan needs them only where a copy is due.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"

namespace weft {
namespace {

struct Bytes {
  int64_t count;
};
void copy(const Bytes& state, const RunArgs& args) {
  if (state.count > 0 && args.out[0] != args.in[0]) std::memcpy(args.out[0], args.in[0], state.count);
}

struct NewShape {
  Shape shape;
};
Status copy_strings(const NewShape& state, TensorArgs& args) {
  WEFT_TRY(args.out[0], args.in[0].reshaped(state.shape));
  return {};
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  if (c.dtype(0) == DType::kString) {
    prepared->use_tensors<&copy_strings>(NewShape{c.output_shape(0)});
    return {};
  }
  const Bytes bytes{dtype_bytes(c.dtype(0), c.count(0))};
  prepared->cost_ns = copy_cost_ns(bytes.count);
  prepared->most_threads = 1;
  prepared->use<&copy>(bytes);
  return {};
}

}  // namespace

void add_cpu_reshape(KernelRegistry& kernels) {
  for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "BitCast"})
    kernels.add(op, {"copy", nullptr, prepare});
}

}  // namespace weft
