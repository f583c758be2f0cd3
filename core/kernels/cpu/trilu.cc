// Kernel of Trilu.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

struct Triangles {
  int64_t matrices = 1, rows, columns;
  int64_t element;
  bool upper, has_k;
};

void keep_triangles(const Triangles& s, const RunArgs& args) {
  const int64_t k = std::clamp(s.has_k ? *args.input<int64_t>(1) : 0, -s.rows - 1, s.columns + 1);
  const char* in = args.input<char>(0);
  char* out = args.output<char>(0);
  const int64_t bytes = s.columns * s.element;
  const int64_t block = std::max<int64_t>(1, 65536 / std::max<int64_t>(bytes, 1));
  parallel_for(*args.parallel, s.matrices * s.rows, block, 5 + copy_cost_ns(bytes), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t diagonal = r % s.rows + k;
      const int64_t before = std::clamp<int64_t>(s.upper ? diagonal : 0, 0, s.columns) * s.element;
      const int64_t behind = std::clamp<int64_t>(s.upper ? s.columns : diagonal + 1, 0, s.columns) * s.element;
      const char* from = in + r * bytes;
      char* to = out + r * bytes;
      std::memset(to, 0, static_cast<size_t>(before));
      if (from != to && behind > before) std::memcpy(to + before, from + before, static_cast<size_t>(behind - before));
      std::memset(to + behind, 0, static_cast<size_t>(bytes - behind));
    }
  });
}

Status prepare_trilu(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& shape = c.shape(0);
  Triangles s;
  for (size_t d = 0; d + 2 < shape.size(); ++d) s.matrices *= shape[d];
  s.rows = shape[shape.size() - 2];
  s.columns = shape.back();
  s.element = dtype_size(c.dtype(0));
  s.upper = c.attrs().b("upper");
  s.has_k = c.has_input(1);
  prepared->cost_ns =
      copy_cost_ns(dtype_bytes(c.dtype(0), c.count(0))) + 5.0 * static_cast<double>(s.matrices * s.rows);
  if (c.count(0) == 0) s.matrices = 0;
  prepared->use<&keep_triangles>(s);
  return {};
}

}  // namespace

void add_cpu_trilu(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_trilu>(kernels, "Trilu", "plain");
}

}  // namespace weft
