// Kernel of TensorScatter.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

// past_cache [batch, outer, room, inner], update [batch, outer, entries, inner].
struct CacheUpdate {
  int64_t batch = 1, outer = 1, room = 0, entries = 0, inner = 1;  // inner in bytes
  bool circular = false, has_starts = false;
};

// Where sample b begins, or an error.
bool find_start(const CacheUpdate& s, const RunArgs& args, int64_t b, int64_t* start) {
  const int64_t given = s.has_starts ? args.input<int64_t>(2)[b] : 0;
  *start = given;
  if (s.circular) {
    if (s.room > 0) *start = given % s.room + (given % s.room < 0 ? s.room : 0);
    return true;
  }
  if (given >= 0 && given <= s.room - s.entries) return true;
  *args.status = out_of_range("sample ", b, " is written at ", given, ", where ", s.entries,
                              " entries do not fit into a cache of ", s.room);
  return false;
}

void update_cache(const CacheUpdate& s, const RunArgs& args) {
  const char* update = args.input<char>(1);
  char* cache = args.output<char>(0);
  const int64_t rows = s.batch * s.outer, whole = s.room * s.inner, part = s.entries * s.inner;
  int64_t start;
  for (int64_t b = 0; b < s.batch; ++b) {
    if (!find_start(s, args, b, &start)) return;
  }
  if (args.in[0] != args.out[0] && rows * whole > 0) {
    std::memcpy(cache, args.in[0], static_cast<size_t>(rows * whole));
  }
  if (rows * part == 0) return;
  for (int64_t r = 0; r < rows; ++r) {
    find_start(s, args, r / s.outer, &start);
    const int64_t first = std::min(s.entries, s.room - start) * s.inner;
    char* to = cache + r * whole;
    const char* from = update + r * part;
    std::memcpy(to + start * s.inner, from, static_cast<size_t>(first));
    if (first < part) std::memcpy(to, from + first, static_cast<size_t>(part - first));
  }
}

Status prepare_cache(const KernelContext& c, PreparedKernel* prepared) {
  const Shape &past = c.shape(0), &update = c.shape(1);
  int64_t axis = c.attrs().i("axis");
  if (axis < 0) axis += c.rank(0);
  CacheUpdate s;
  s.inner = dtype_size(c.dtype(0));
  s.batch = past[0];
  for (int64_t d = 1; d < c.rank(0); ++d) {
    if (d < axis) s.outer *= past[static_cast<size_t>(d)];
    if (d > axis) s.inner *= past[static_cast<size_t>(d)];
  }
  s.room = past[static_cast<size_t>(axis)];
  s.entries = update[static_cast<size_t>(axis)];
  s.circular = c.attrs().s("mode") == "circular";
  s.has_starts = c.has_input(2);
  if (s.entries > s.room) {
    return invalid("'update' ", shape_text(update), " has more entries along axis ", axis, " than 'past_cache' ",
                   shape_text(past));
  }
  prepared->cost_ns = copy_cost_ns(dtype_bytes(c.dtype(0), c.count(0) + c.count(1)));
  prepared->most_threads = 1;
  prepared->use<&update_cache>(s);
  return {};
}

}  // namespace

void add_cpu_tensor_scatter(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_cache>(kernels, "TensorScatter", "plain");
}

}  // namespace weft
