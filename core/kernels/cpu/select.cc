// Kernels of Where and Clip.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

struct Pair {
  uint64_t low, high;
};

template <bool x_moves, bool y_moves, typename T>
void choose(const uint8_t* which, const T* x, const T* y, T* to, int64_t n) {
  const T same_x = *x, same_y = *y;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    T a = x_moves ? x[i] : same_x, b = y_moves ? y[i] : same_y;
    to[i] = which[i] != 0 ? a : b;
  }
}

template <typename T>
void run_where(const Broadcast& plan, const RunArgs& args) {
  const uint8_t* condition = args.input<uint8_t>(0);
  const bool moves = plan.last_step(0) != 0, x_moves = plan.last_step(1) != 0, y_moves = plan.last_step(2) != 0;
  parallel_for(*args.parallel, plan.count, kElementwiseBlock, 0.7, [&](int64_t begin, int64_t end) {
    for_runs<3>(plan, begin, end, [&](int64_t out, const int64_t* at, int64_t n) {
      const uint8_t* which = condition + at[0];
      const T* x = args.input<T>(1) + at[1];
      const T* y = args.input<T>(2) + at[2];
      T* to = args.output<T>(0) + out;
      if (!moves) {
        const T* from = *which != 0 ? x : y;
        // The output may be one of the inputs.
        if (!(*which != 0 ? x_moves : y_moves))
          std::fill(to, to + n, T(*from));
        else if (to != from)
          std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
      } else if (x_moves) {
        if (y_moves)
          choose<true, true>(which, x, y, to, n);
        else
          choose<true, false>(which, x, y, to, n);
      } else {
        if (y_moves)
          choose<false, true>(which, x, y, to, n);
        else
          choose<false, false>(which, x, y, to, n);
      }
    });
  });
}

template <typename T>
void span_where(const Broadcast&, const void* const* in, void* out, int64_t n) {
  choose<true, true>(static_cast<const uint8_t*>(in[0]), static_cast<const T*>(in[1]), static_cast<const T*>(in[2]),
                     static_cast<T*>(out), n);
}

struct StringState {
  Broadcast plan;
  Shape shape;
};

Status run_where_strings(const StringState& s, TensorArgs& args) {
  const Broadcast& plan = s.plan;
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, s.shape));
  const uint8_t* condition = args.in[0].as<uint8_t>();
  const std::vector<std::string>&x = args.in[1].strings(), &y = args.in[2].strings();
  std::vector<std::string>& to = args.out[0].mutable_strings();
  for_runs<3>(plan, 0, plan.count, [&](int64_t out, const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      bool first = condition[at[0] + i * plan.last_step(0)] != 0;
      to[out + i] = first ? x[at[1] + i * plan.last_step(1)] : y[at[2] + i * plan.last_step(2)];
    }
  });
  return {};
}

bool takes_where(const KernelContext& c) { return c.dtype(1) == DType::kString || dtype_bits(c.dtype(1)) >= 8; }

Status prepare_where(const KernelContext& c, PreparedKernel* prepared) {
  Broadcast plan = plan_broadcast(c);
  prepared->cost_ns = 0.7 * static_cast<double>(plan.count);
  if (c.dtype(1) == DType::kString) {
    prepared->use_tensors<&run_where_strings>(StringState{std::move(plan), c.output_shape(0)});
    return {};
  }
  switch (dtype_size(c.dtype(1))) {
    case 1: prepared->use<&run_where<uint8_t>>(std::move(plan)); break;
    case 2: prepared->use<&run_where<uint16_t>>(std::move(plan)); break;
    case 4:
      prepared->use<&run_where<uint32_t>>(std::move(plan));
      prepared->use_span<&span_where<uint32_t>, Broadcast>();
      break;
    case 8:
      prepared->use<&run_where<uint64_t>>(std::move(plan));
      prepared->use_span<&span_where<uint64_t>, Broadcast>();
      break;
    default: prepared->use<&run_where<Pair>>(std::move(plan)); break;
  }
  return {};
}

struct ClipState {
  int64_t count;
  bool has_min, has_max;
};

// The limits are single numbers, in a span repeated.
template <typename T>
void span_clip(const ClipState& s, const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const T low = s.has_min ? *static_cast<const T*>(in[1]) : T(0);
  const T high = s.has_max ? *static_cast<const T*>(in[2]) : T(0);
  auto loop = [&](auto fn) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = fn(x[i]);
  };
  if (s.has_min && s.has_max) {
    loop([=](T v) {
      T raised = v < low ? low : v;
      return high < raised ? high : raised;
    });
  } else if (s.has_min) {
    loop([=](T v) { return v < low ? low : v; });
  } else if (s.has_max) {
    loop([=](T v) { return high < v ? high : v; });
  } else {
    loop([](T v) { return v; });
  }
}

template <typename T>
void run_clip(const ClipState& s, const RunArgs& args) {
  parallel_for(*args.parallel, s.count, kElementwiseBlock, 0.5, [&](int64_t begin, int64_t end) {
    const void* in[] = {args.input<T>(0) + begin, s.has_min ? args.in[1] : nullptr, s.has_max ? args.in[2] : nullptr};
    span_clip<T>(s, in, args.output<T>(0) + begin, end - begin);
  });
}

bool takes_clip(const KernelContext& c) { return in_list(NumberElements{}, c.dtype(0)); }

Status prepare_clip(const KernelContext& c, PreparedKernel* prepared) {
  ClipState state{c.count(0), c.has_input(1), c.has_input(2)};
  prepared->cost_ns = 0.5 * static_cast<double>(state.count);
  with_type(NumberElements{}, c.dtype(0), [&]<typename T>() {
    prepared->use<&run_clip<T>>(state);
    prepared->use_span<&span_clip<T>, ClipState>();
  });
  return {};
}

}  // namespace

void add_cpu_select(KernelRegistry& kernels) {
  kernels.add("Where", {"plain", takes_where, prepare_where});
  kernels.add("Clip", {"plain", takes_clip, prepare_clip});
}

}  // namespace weft
