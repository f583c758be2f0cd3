// Kernel of ReverseSequence.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

// [time, batch, inner] or [batch, time, inner], with the steps of both in bytes.
struct Sequences {
  int64_t time, batch, inner;
  int64_t time_step, batch_step;
  int64_t batch_axis;
};

void reverse_sequences(const Sequences& s, const RunArgs& args) {
  const int64_t* lengths = args.input<int64_t>(1);
  for (int64_t b = 0; b < s.batch; ++b) {
    if (lengths[b] >= 0 && lengths[b] <= s.time) continue;
    *args.status = out_of_range("sequence ", b, " has the length ", lengths[b], " but must have 0 to ", s.time);
    return;
  }
  if (s.inner == 0) return;
  const char* in = args.input<char>(0);
  char* out = args.output<char>(0);
  // In the order of the outer axis, so that what is written lies side by side.
  const int64_t first = s.batch_axis == 0 ? s.batch : s.time, second = s.batch_axis == 0 ? s.time : s.batch;
  const int64_t block = std::max<int64_t>(1, 65536 / std::max<int64_t>(second * s.inner, 1));
  parallel_for(*args.parallel, first, block, copy_cost_ns(second * s.inner) + 5.0 * static_cast<double>(second),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   for (int64_t j = 0; j < second; ++j) {
                     const int64_t b = s.batch_axis == 0 ? i : j, t = s.batch_axis == 0 ? j : i;
                     const int64_t from = t < lengths[b] ? lengths[b] - 1 - t : t;
                     std::memcpy(out + t * s.time_step + b * s.batch_step, in + from * s.time_step + b * s.batch_step,
                                 static_cast<size_t>(s.inner));
                   }
                 }
               });
}

Status prepare_reverse_sequence(const KernelContext& c, PreparedKernel* prepared) {
  Sequences s;
  const Shape& shape = c.shape(0);
  s.batch_axis = c.attrs().i("batch_axis");
  s.batch = shape[static_cast<size_t>(s.batch_axis)];
  s.time = shape[static_cast<size_t>(1 - s.batch_axis)];
  s.inner = dtype_size(c.dtype(0));
  for (size_t d = 2; d < shape.size(); ++d) s.inner *= shape[d];
  s.batch_step = s.batch_axis == 0 ? s.time * s.inner : s.inner;
  s.time_step = s.batch_axis == 0 ? s.inner : s.batch * s.inner;
  prepared->cost_ns = copy_cost_ns(dtype_bytes(c.dtype(0), c.count(0))) + 5.0 * static_cast<double>(s.time * s.batch);
  prepared->use<&reverse_sequences>(s);
  return {};
}

}  // namespace

void add_cpu_reverse_sequence(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_reverse_sequence>(kernels, "ReverseSequence", "plain");
}

}  // namespace weft
