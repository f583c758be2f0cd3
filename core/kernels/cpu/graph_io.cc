// Kernels of the identity and of Shape.
#include <algorithm>
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
Status copy_tensors(const Bytes&, TensorArgs& args) {
  args.out[0] = args.in[0];
  return {};
}
Status prepare_identity(const KernelContext& c, PreparedKernel* prepared) {
  if (c.input(0).kind != Kind::kTensor || c.dtype(0) == DType::kString) {
    prepared->use_tensors<&copy_tensors>(Bytes{0});
    return {};
  }
  const Bytes bytes{dtype_bytes(c.dtype(0), c.count(0))};
  prepared->cost_ns = copy_cost_ns(bytes.count);
  prepared->most_threads = 1;
  prepared->use<&copy>(bytes);
  return {};
}

struct Dimensions {
  Shape values;
};
void write_shape(const Dimensions& state, const RunArgs& args) {
  std::copy(state.values.begin(), state.values.end(), args.output<int64_t>(0));
}
void use_dimensions(Shape values, PreparedKernel* prepared) {
  prepared->cost_ns = 1;
  prepared->use<&write_shape>(Dimensions{std::move(values)});
}
Status prepare_shape(const KernelContext& c, PreparedKernel* prepared) {
  int64_t rank = c.rank(0);
  auto clamp = [rank](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = clamp(c.attrs().i("start")), end = clamp(c.attrs().i_or("end", rank));
  Shape values;
  for (int64_t i = start; i < end; ++i) values.push_back(c.shape(0)[i]);
  use_dimensions(std::move(values), prepared);
  return {};
}

Status prepare_size(const KernelContext& c, PreparedKernel* prepared) {
  use_dimensions({c.count(0)}, prepared);
  return {};
}

}  // namespace

void add_cpu_graph_io(KernelRegistry& kernels) {
  kernels.add("Identity", {"copy", nullptr, prepare_identity});
  kernels.add("weft.StopGradient", {"copy", nullptr, prepare_identity});
  kernels.add("Shape", {"plain", nullptr, prepare_shape});
  kernels.add("Size", {"plain", nullptr, prepare_size});
}

}  // namespace weft
