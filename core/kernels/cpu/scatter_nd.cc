// Kernels of ScatterND, GatherND and ScatterScan.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/scatter_common.h"
#include "core/kernels/cpu/strings_common.h"

namespace weft {
namespace {

struct State {
  Shape data;
  int64_t length;      // coordinates of a place
  int64_t places;      // in a batch
  int64_t batch_dims;  // leading axes in common
  int64_t batches = 1, batch_elements = 1;
  int64_t slice = 1;  // elements
  int64_t element;
  Join join = Join::kReplace;
  bool reverse = false, has_terms = false;  // ScatterScan
};

// Where the slice at place i of batch b begins, or an error.
bool place(const State& s, const int64_t* indices, int64_t b, int64_t i, const RunArgs& args, int64_t* at) {
  const int64_t* coordinates = indices + (b * s.places + i) * s.length;
  int64_t offset = 0;
  for (int64_t k = 0; k < s.length; ++k) {
    const int64_t size = s.data[static_cast<size_t>(s.batch_dims + k)];
    const int64_t c = coordinates[k] < 0 ? coordinates[k] + size : coordinates[k];
    if (c < 0 || c >= size) {
      *args.status = out_of_range("index ", coordinates[k], " is outside axis ", s.batch_dims + k, " of size ", size);
      return false;
    }
    offset = offset * size + c;
  }
  *at = b * s.batch_elements + offset * s.slice;
  return true;
}

void gather(const State& s, const RunArgs& args) {
  const char* data = args.input<char>(0);
  char* out = args.output<char>(0);
  const int64_t bytes = s.slice * s.element;
  for (int64_t b = 0; b < s.batches; ++b) {
    for (int64_t i = 0; i < s.places; ++i) {
      int64_t at;
      if (!place(s, args.input<int64_t>(1), b, i, args, &at)) return;
      std::memcpy(out + (b * s.places + i) * bytes, data + at * s.element, static_cast<size_t>(bytes));
    }
  }
}

// Calls fn(at, from) for each slice of the updates, which begins at element `from`, with its place in the output.
template <typename Fn>
void for_slices(const State& s, const RunArgs& args, Fn fn) {
  const size_t bytes = static_cast<size_t>(s.batch_elements * s.element);
  if (args.in[0] != args.out[0] && bytes != 0) std::memcpy(args.out[0], args.in[0], bytes);
  for (int64_t i = 0; i < s.places; ++i) {
    int64_t at;
    if (!place(s, args.input<int64_t>(1), 0, i, args, &at)) return;
    fn(at, i * s.slice);
  }
}

template <typename T>
void scatter(const State& s, const RunArgs& args) {
  const T* updates = args.input<T>(2);
  T* out = args.output<T>(0);
  for_slices(s, args, [&](int64_t at, int64_t from) {
    for (int64_t k = 0; k < s.slice; ++k) out[at + k] = joined(s.join, out[at + k], updates[from + k]);
  });
}

void replace(const State& s, const RunArgs& args) {
  const size_t bytes = static_cast<size_t>(s.slice * s.element);
  for_slices(s, args, [&](int64_t at, int64_t from) {
    std::memcpy(args.output<char>(0) + at * s.element, args.input<char>(2) + from * s.element, bytes);
  });
}

template <typename T>
void scan(const State& s, const RunArgs& args) {
  const T* factors = args.input<T>(2);
  const T* terms = s.has_terms ? args.input<T>(3) : nullptr;
  T *last = args.output<T>(0), *before = args.output<T>(1);
  if (args.in[0] != args.out[0]) std::memcpy(last, args.in[0], static_cast<size_t>(s.batch_elements) * sizeof(T));
  for (int64_t turn = 0; turn < s.places; ++turn) {
    const int64_t i = s.reverse ? s.places - 1 - turn : turn;
    int64_t at;
    if (!place(s, args.input<int64_t>(1), 0, i, args, &at)) return;
    for (int64_t k = 0; k < s.slice; ++k) {
      const int64_t from = i * s.slice + k;
      const T was = last[at + k], factor = factors[from];
      before[from] = last[at + k];
      const T scaled = was == T(0) || factor == T(0) ? T(0) : product(factor, was);
      last[at + k] = terms == nullptr ? scaled : scaled + terms[from];
    }
  }
}

State state_of(const KernelContext& c, int64_t batch_dims) {
  State s{};
  s.data = c.shape(0);
  s.batch_dims = batch_dims;
  s.length = c.shape(1).back();
  s.element = dtype_size(c.dtype(0));
  s.places = 1;
  for (size_t i = 0; i + 1 < c.shape(1).size(); ++i) {
    (static_cast<int64_t>(i) < batch_dims ? s.batches : s.places) *= c.shape(1)[i];
  }
  for (size_t i = 0; i < s.data.size(); ++i) {
    if (static_cast<int64_t>(i) >= batch_dims) s.batch_elements *= s.data[i];
    if (static_cast<int64_t>(i) >= batch_dims + s.length) s.slice *= s.data[i];
  }
  return s;
}

// Slices are moved by a call each, or joined element by element.
void guess_cost(const KernelContext& c, const State& s, double ns_of_element, PreparedKernel* prepared) {
  const double slices = static_cast<double>(s.batches * s.places);
  prepared->cost_ns = slices * (5 + ns_of_element * static_cast<double>(s.slice)) +
                      copy_cost_ns(dtype_bytes(c.output_dtype(0), c.output_count_of(0)));
  prepared->most_threads = 1;
}

Status prepare_gather(const KernelContext& c, PreparedKernel* prepared) {
  const State s = state_of(c, c.attrs().i("batch_dims"));
  for (int64_t d = 0; d < s.batch_dims; ++d) {
    if (c.shape(0)[d] == c.shape(1)[d]) continue;
    return invalid("'data' ", shape_text(c.shape(0)), " and 'indices' ", shape_text(c.shape(1)),
                   " must have the first ", s.batch_dims, " axes in common, but axis ", d, " differs");
  }
  guess_cost(c, s, 0, prepared);
  prepared->use<&gather>(s);
  return {};
}

bool replaces(const KernelContext& c) { return c.attrs().s("reduction") == "none" && movable(c.dtype(0)); }
bool joins(const KernelContext& c) {
  return c.attrs().s("reduction") != "none" && in_list(JoinedElements{}, c.dtype(0));
}

Status prepare_scatter(const KernelContext& c, PreparedKernel* prepared) {
  State s = state_of(c, 0);
  guess_cost(c, s, 1, prepared);
  s.join = read_join(c.attrs().s("reduction"));
  if (s.join == Join::kReplace) {
    prepared->use<&replace>(s);
    return {};
  }
  with_type(JoinedElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&scatter<T>>(s); });
  return {};
}

using ScanElements = Types<float, double, std::complex<float>, std::complex<double>>;
bool takes_scan(const KernelContext& c) { return in_list(ScanElements{}, c.dtype(0)); }

Status prepare_scan(const KernelContext& c, PreparedKernel* prepared) {
  State s = state_of(c, 0);
  guess_cost(c, s, 1, prepared);
  s.reverse = c.attrs().b("reverse");
  s.has_terms = c.has_input(3);
  with_type(ScanElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&scan<T>>(s); });
  return {};
}

}  // namespace

void add_cpu_scatter_nd(KernelRegistry& kernels) {
  add_movement<takes_movable_data, prepare_gather>(kernels, "GatherND", "plain");
  add_movement<replaces, prepare_scatter>(kernels, "ScatterND", "slices");
  kernels.add("ScatterND", {"plain", joins, prepare_scatter});
  kernels.add("weft.ScatterScan", {"plain", takes_scan, prepare_scan});
}

}  // namespace weft
