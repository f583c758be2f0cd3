// Kernels of DFT, STFT and MelWeightMatrix.
#include <algorithm>
#include <cmath>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/fourier_common.h"
#include "core/kernels/cpu/stop_common.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

constexpr int64_t kLanes = 16;  // with scratch of their own

// A device asks for a kernel before the values are known that decide the shape; nothing is run with it.
bool is_known(const KernelContext& c) { return !c.output_shape(0).empty(); }

// The number that an input holds, as the shape rule knew it too; `otherwise` without that input.
Result<int64_t> whole_constant(const KernelContext& c, int input, int64_t otherwise) {
  if (!c.has_input(input)) return otherwise;
  const Tensor* number = c.constant(input);
  if (number == nullptr) return internal_error("input ", input, " is not known when the kernel is prepared");
  return number->dtype() == DType::kI32 ? *number->as<int32_t>() : *number->as<int64_t>();
}

template <typename T>
struct DftState {
  FourierPlan<T> plan;
  int64_t lines, inner;         // of the transform; elements behind the axis
  int64_t in_size, out_size;    // along the axis
  int64_t in_parts, out_parts;  // 1: real; 2: real and imaginary
  int64_t used;                 // elements of the input that are
  bool inverse, from_half;      // from_half: the rest is the conjugate of the first half
  int64_t lanes, lane_size;
};

// One line: elements `inner` apart.
template <typename T>
void run_line(const DftState<T>& s, const T* x, T* y, T* scratch) {
  const int64_t n = s.plan.size(), x_step = s.inner * s.in_parts, y_step = s.inner * s.out_parts;
  T *a_re = scratch, *a_im = a_re + n, *b_re = a_im + n, *b_im = b_re + n;
  std::fill_n(a_re, 2 * n, T(0));
  for (int64_t j = 0; j < s.used; ++j) a_re[j] = x[j * x_step];
  for (int64_t j = 0; j < s.used && s.in_parts == 2; ++j) a_im[j] = x[j * x_step + 1];
  if (s.from_half) {
    a_im[0] = 0;
    if (n % 2 == 0) a_im[n / 2] = 0;
    for (int64_t j = 1; j < n - j; ++j) {
      a_re[n - j] = a_re[j];
      a_im[n - j] = -a_im[j];
    }
  }
  if (s.inverse)
    s.plan.run(a_im, a_re, b_im, b_re, b_im + n);
  else
    s.plan.run(a_re, a_im, b_re, b_im, b_im + n);
  const T count = static_cast<T>(s.inverse ? n : 1);
  for (int64_t j = 0; j < s.out_size; ++j) {
    y[j * y_step] = b_re[j] / count;
    if (s.out_parts == 2) y[j * y_step + 1] = b_im[j] / count;
  }
}

template <typename T>
void run_dft(const DftState<T>& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  const double cost = (s.plan.cost_ns() + 4 * static_cast<double>(s.plan.size())) *
                      static_cast<double>(divide_up(s.lines, std::max<int64_t>(s.lanes, 1)));
  parallel_for(*args.parallel, s.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      T* scratch = static_cast<T*>(args.scratch) + lane * s.lane_size;
      for (int64_t line = lane * s.lines / s.lanes; line < (lane + 1) * s.lines / s.lanes; ++line) {
        if (should_stop(*args.parallel)) return;
        const int64_t outer = line / s.inner, at = line % s.inner;
        run_line(s, x + (outer * s.in_size * s.inner + at) * s.in_parts,
                 y + (outer * s.out_size * s.inner + at) * s.out_parts, scratch);
      }
    }
  });
}

template <typename T>
Status prepare_dft_of(const KernelContext& c, PreparedKernel* prepared) {
  DftState<T> s{};
  if (!is_known(c)) {
    prepared->use<&run_dft<T>>(std::move(s));
    return {};
  }
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  const int64_t rank = c.rank(0);
  WEFT_TRY(int64_t axis, whole_constant(c, 2, -2));
  if (axis < 0) axis += rank;
  const bool half = c.attrs().b("onesided");
  s.inverse = c.attrs().b("inverse");
  s.from_half = half && s.inverse;
  s.in_size = x[static_cast<size_t>(axis)];
  s.out_size = y[static_cast<size_t>(axis)];
  s.in_parts = x.back();
  s.out_parts = y.back();
  int64_t n = s.out_size;
  if (half && !s.inverse) {
    WEFT_TRY(n, whole_constant(c, 1, s.in_size));
  }
  s.used = std::min(s.in_size, s.from_half ? n / 2 + 1 : n);
  int64_t outer = 1;
  s.inner = 1;
  for (int64_t d = 0; d < axis; ++d) outer *= x[static_cast<size_t>(d)];
  for (int64_t d = axis + 1; d + 1 < rank; ++d) s.inner *= x[static_cast<size_t>(d)];
  s.lines = outer * s.inner;
  if (c.output_count_of(0) == 0) {
    s.lines = 0;
    n = 1;
  }
  WEFT_TRY(s.plan, FourierPlan<T>::make(n));
  s.lanes = std::min(s.lines, kLanes);
  s.lane_size = divide_up(4 * n + s.plan.scratch(), 16) * 16;
  prepared->scratch_bytes = s.lanes * s.lane_size * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = s.plan.cost_ns() * static_cast<double>(s.lines);
  prepared->most_threads = std::max<int64_t>(s.lanes, 1);
  prepared->use<&run_dft<T>>(std::move(s));
  return {};
}

Status prepare_dft(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_dft_of<float>(c, prepared) : prepare_dft_of<double>(c, prepared);
}

bool accepts_fourier(const KernelContext& c) { return c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64; }

template <typename T>
struct StftState {
  FourierPlan<T> plan;
  int64_t frames, count;  // of a signal, of all
  int64_t step, length;   // length of a signal
  int64_t parts, out_size;
  int64_t lanes, lane_size;
};

template <typename T>
void run_frame(const StftState<T>& s, const T* x, const T* window, T* y, T* scratch) {
  const int64_t n = s.plan.size();
  T *a_re = scratch, *a_im = a_re + n, *b_re = a_im + n, *b_im = b_re + n;
  for (int64_t j = 0; j < n; ++j) {
    const T factor = window != nullptr ? window[j] : T(1);
    a_re[j] = x[j * s.parts] * factor;
    a_im[j] = s.parts == 2 ? x[2 * j + 1] * factor : T(0);
  }
  s.plan.run(a_re, a_im, b_re, b_im, b_im + n);
  for (int64_t j = 0; j < s.out_size; ++j) {
    y[2 * j] = b_re[j];
    y[2 * j + 1] = b_im[j];
  }
}

template <typename T>
void run_stft(const StftState<T>& s, const RunArgs& args, const T* window) {
  const double cost = (s.plan.cost_ns() + 4 * static_cast<double>(s.plan.size())) *
                      static_cast<double>(divide_up(s.count, std::max<int64_t>(s.lanes, 1)));
  parallel_for(*args.parallel, s.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      T* scratch = static_cast<T*>(args.scratch) + lane * s.lane_size;
      for (int64_t i = lane * s.count / s.lanes; i < (lane + 1) * s.count / s.lanes; ++i) {
        if (should_stop(*args.parallel)) return;
        const int64_t at = i / s.frames * s.length + i % s.frames * s.step;
        run_frame(s, args.input<T>(0) + at * s.parts, window, args.output<T>(0) + i * s.out_size * 2, scratch);
      }
    }
  });
}
template <typename T>
void run_with_window(const StftState<T>& s, const RunArgs& args) {
  run_stft(s, args, args.input<T>(2));
}
template <typename T>
void run_without_window(const StftState<T>& s, const RunArgs& args) {
  run_stft<T>(s, args, nullptr);
}

template <typename T>
Status prepare_stft_of(const KernelContext& c, PreparedKernel* prepared) {
  StftState<T> s{};
  if (!is_known(c)) {
    prepared->use<&run_without_window<T>>(std::move(s));
    return {};
  }
  const Shape &x = c.shape(0), &y = c.output_shape(0);
  s.frames = y[1];
  s.out_size = y[2];
  s.length = x[1];
  s.parts = x[2];
  if (s.frames > 1) {
    WEFT_TRY(s.step, whole_constant(c, 1, 1));
  }
  s.count = c.output_count_of(0) == 0 ? 0 : y[0] * s.frames;
  int64_t n = c.has_input(2) ? c.shape(2)[0] : 0;
  if (!c.has_input(2)) {
    WEFT_TRY(n, whole_constant(c, 3, s.length));
  }
  if (s.count == 0) n = 1;
  WEFT_TRY(s.plan, FourierPlan<T>::make(n));
  s.lanes = std::min(s.count, kLanes);
  s.lane_size = divide_up(4 * n + s.plan.scratch(), 16) * 16;
  prepared->scratch_bytes = s.lanes * s.lane_size * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = s.plan.cost_ns() * static_cast<double>(s.count);
  prepared->most_threads = std::max<int64_t>(s.lanes, 1);
  if (c.has_input(2))
    prepared->use<&run_with_window<T>>(std::move(s));
  else
    prepared->use<&run_without_window<T>>(std::move(s));
  return {};
}

Status prepare_stft(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_stft_of<float>(c, prepared) : prepare_stft_of<double>(c, prepared);
}

struct MelState {
  int64_t bins, bands, length;
  DType ints, floats, out;
};

double number_of(const void* at, DType dtype) {
  double value = 0;
  with_type(Types<float, double, F16, BF16, int32_t, int64_t>{}, dtype,
            [&]<typename T>() { value = static_cast<double>(static_cast<Wide<T>>(*static_cast<const T*>(at))); });
  return value;
}

// The bins where triangles begin, peak and end.
class MelPlaces {
 public:
  MelPlaces(const MelState& s, const RunArgs& args)
      : rate_(number_of(args.in[2], s.ints)), length_(static_cast<double>(s.length)) {
    low_ = mel_of(number_of(args.in[3], s.floats));
    step_ = (mel_of(number_of(args.in[4], s.floats)) - low_) / static_cast<double>(s.bands + 2);
  }
  double operator()(int64_t i) const {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * step_ + low_) / 2595) - 1);
    return std::floor((length_ + 1) * hertz / rate_);
  }

 private:
  static double mel_of(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
  double rate_, length_, low_ = 0, step_ = 0;
};

template <typename T>
void run_mel_of(const MelState& s, const RunArgs& args) {
  const MelPlaces place(s, args);
  T* y = args.output<T>(0);
  std::fill_n(y, s.bins * s.bands, T(0));
  for (int64_t band = 0; band < s.bands; ++band) {
    const double left = place(band), peak = place(band + 1), right = place(band + 2);
    // Written so that NaN fails too.
    if (!(left >= 0 && left <= peak && peak <= right && peak < static_cast<double>(s.bins) &&
          right <= static_cast<double>(s.bins))) {
      *args.status = invalid("band ", band, " would lie over the bins ", left, " to ", right, " but there are ", s.bins,
                             ": the edges must rise from 0 to at most half of the sample rate, which must be positive");
      return;
    }
    const int64_t from = static_cast<int64_t>(left), top = static_cast<int64_t>(peak), to = static_cast<int64_t>(right);
    for (int64_t bin = from; bin < to || bin == top; ++bin) {
      double weight = 1;
      if (bin < top)
        weight = static_cast<double>(bin - from) / static_cast<double>(top - from);
      else if (to > top)
        weight = static_cast<double>(to - bin) / static_cast<double>(to - top);
      y[bin * s.bands + band] = static_cast<T>(static_cast<Wide<T>>(weight));
    }
  }
}

void run_mel(const MelState& s, const RunArgs& args) {
  if (const double rate = number_of(args.in[2], s.ints); rate <= 0) {
    *args.status = invalid("input 'sample_rate' is ", rate, " but must be positive");
    return;
  }
  with_type(NumberElements{}, s.out, [&]<typename T>() { run_mel_of<T>(s, args); });
}

bool takes_mel(const KernelContext& c) { return in_list(NumberElements{}, c.output_dtype(0)); }

Status prepare_mel(const KernelContext& c, PreparedKernel* prepared) {
  const bool known = is_known(c);
  const Shape y = known ? c.output_shape(0) : Shape{0, 0};
  MelState s{y[0], y[1], 0, c.dtype(2), c.dtype(3), c.output_dtype(0)};
  if (known) {
    WEFT_TRY(s.length, whole_constant(c, 1, 1));
  }
  prepared->cost_ns = 2 * static_cast<double>(s.bins * s.bands);
  prepared->use<&run_mel>(s);
  return {};
}

}  // namespace

void add_cpu_fourier(KernelRegistry& kernels) {
  kernels.add("DFT", {"mixed radix", accepts_fourier, prepare_dft});
  kernels.add("STFT", {"mixed radix", accepts_fourier, prepare_stft});
  kernels.add("MelWeightMatrix", {"plain", takes_mel, prepare_mel});
}

}  // namespace weft
