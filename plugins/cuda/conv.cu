// Convolution, transposed or not, and its gradients: by cuDNN where it can, else by plain sums.
#include <cudnn.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <mutex>

#include "plugins/cuda/conv_kernels.cuh"
#include "plugins/cuda/kernels.h"

namespace weft::cuda {
namespace {

enum class Kind { kForward, kGradInput, kGradWeight };

// So that what follows in the scratch is aligned.
int64_t rounded(int64_t bytes) { return (bytes + 255) / 256 * 256; }

cudnnDataType_t dnn_type(int32_t dtype) {
  switch (dtype) {
    case WEFT_F64: return CUDNN_DATA_DOUBLE;
    case WEFT_F16: return CUDNN_DATA_HALF;
    case WEFT_BF16: return CUDNN_DATA_BFLOAT16;
    default: return CUDNN_DATA_FLOAT;
  }
}

// The calls of cuDNN for one node.
class DnnConv {
 public:
  // `g` has equal pads before and behind.
  DnnConv(Kind kind, const Geometry& g, int32_t dtype, size_t workspace)
      : kind_(kind),
        f64_(dtype == WEFT_F64),
        f32_(dtype == WEFT_F32),
        winograd_(f32_ && g.in_channels >= kManyChannels && g.out_channels >= kManyChannels),
        workspace_(workspace) {
    // As images of two axes where there is nothing along the first.
    const int skip = g.in[0] == 1 && g.out[0] == 1 && g.kernel[0] == 1 && g.pad[0] == 0 ? 1 : 0, rank = 5 - skip;
    const cudnnDataType_t type = dnn_type(dtype);
    const char* what = "cuDNN cannot be told of a convolution";
    // What was made is destroyed though the constructor throws: it is all in members that destroy it.
    cudnnTensorDescriptor_t tensor = nullptr;
    check(cudnnCreateTensorDescriptor(&tensor), what);
    x_.reset(tensor);
    check(cudnnCreateTensorDescriptor(&tensor), what);
    y_.reset(tensor);
    cudnnFilterDescriptor_t filter = nullptr;
    check(cudnnCreateFilterDescriptor(&filter), what);
    w_.reset(filter);
    cudnnConvolutionDescriptor_t conv = nullptr;
    check(cudnnCreateConvolutionDescriptor(&conv), what);
    conv_.reset(conv);
    set_tensor(x_.get(), type, g.images, g.group * g.in_channels, g.in + skip, rank);
    set_tensor(y_.get(), type, g.images, g.group * g.out_channels, g.out + skip, rank);
    int sizes[5] = {g.group * g.out_channels, g.in_channels};
    std::copy(g.kernel + skip, g.kernel + 3, sizes + 2);
    check(cudnnSetFilterNdDescriptor(filter, type, CUDNN_TENSOR_NCHW, rank, sizes), what);
    check(cudnnSetConvolutionNdDescriptor(conv, rank - 2, g.pad + skip, g.stride + skip, g.dilation + skip,
                                          CUDNN_CROSS_CORRELATION, f64_ ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT),
          what);
    check(cudnnSetConvolutionGroupCount(conv, g.group), what);
    // Products of f32 stay products of f32.
    check(cudnnSetConvolutionMathType(conv, f32_   ? CUDNN_FMA_MATH
                                            : f64_ ? CUDNN_DEFAULT_MATH
                                                   : CUDNN_TENSOR_OP_MATH),
          what);
  }

  // The three are x, w and y, of which the kind says which is made. False where cuDNN has nothing for it. The first run
  // chooses how.
  bool run(const Launch& launch, const void* x, const void* w, const void* y, void* workspace) {
    if (!aligned(x) || !aligned(w) || !aligned(y)) return false;  // its kernels load 16 bytes at a time
    cudnnHandle_t handle = launch.stream.dnn();
    std::call_once(once_,
                   [&] { choose(handle, [&](int algorithm) { return call(handle, algorithm, x, w, y, workspace); }); });
    if (algorithm_ < 0) return false;
    check(call(handle, algorithm_, x, w, y, workspace), "a convolution cannot be started");
    return true;
  }

 private:
  static constexpr int kManyChannels = 32;

  template <auto destroy>
  struct Destroy {
    template <typename D>
    void operator()(D* descriptor) const {
      (void)destroy(descriptor);
    }
  };
  template <typename D, auto destroy>
  using Owner = std::unique_ptr<std::remove_pointer_t<D>, Destroy<destroy>>;

  static void set_tensor(cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int64_t images, int channels,
                         const int* spatial, int rank) {
    int sizes[5] = {static_cast<int>(images), channels}, strides[5];
    std::copy(spatial, spatial + rank - 2, sizes + 2);
    strides[rank - 1] = 1;
    for (int d = rank - 1; d-- > 0;) strides[d] = strides[d + 1] * sizes[d + 1];
    check(cudnnSetTensorNdDescriptor(tensor, type, rank, sizes, strides), "cuDNN cannot be told of a convolution");
  }

  // Does not throw away an error: who calls it looks at what it returns.
  cudnnStatus_t call(cudnnHandle_t handle, int algorithm, const void* x, const void* w, const void* y,
                     void* workspace) const {
    const double one64 = 1, zero64 = 0;
    const float one32 = 1, zero32 = 0;
    const void* one = f64_ ? static_cast<const void*>(&one64) : &one32;
    const void* zero = f64_ ? static_cast<const void*>(&zero64) : &zero32;
    switch (kind_) {
      case Kind::kForward:
        return cudnnConvolutionForward(handle, one, x_.get(), x, w_.get(), w, conv_.get(),
                                       static_cast<cudnnConvolutionFwdAlgo_t>(algorithm), workspace, workspace_, zero,
                                       y_.get(), const_cast<void*>(y));
      case Kind::kGradInput:
        return cudnnConvolutionBackwardData(handle, one, w_.get(), w, y_.get(), y, conv_.get(),
                                            static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm), workspace,
                                            workspace_, zero, x_.get(), const_cast<void*>(x));
      default:
        return cudnnConvolutionBackwardFilter(handle, one, x_.get(), x, y_.get(), y, conv_.get(),
                                              static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm), workspace,
                                              workspace_, zero, w_.get(), const_cast<void*>(w));
    }
  }

  // Takes the first that is deterministic, fits, and runs.
  template <typename Try>
  void choose(cudnnHandle_t handle, Try attempt) {
    int found = 0;
    switch (kind_) {
      case Kind::kForward: {
        cudnnConvolutionFwdAlgoPerf_t all[2 * CUDNN_CONVOLUTION_FWD_ALGO_COUNT];
        if (cudnnGetConvolutionForwardAlgorithm_v7(handle, x_.get(), w_.get(), conv_.get(), y_.get(),
                                                   CUDNN_CONVOLUTION_FWD_ALGO_COUNT, &found,
                                                   all) != CUDNN_STATUS_SUCCESS) {
          found = 0;
        }
        if (take_first(all, found, attempt, {CUDNN_CONVOLUTION_FWD_ALGO_FFT, CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING},
                       {CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED})) {
          return;
        }
        size_t bytes = 0;
        const cudnnConvolutionFwdAlgo_t last = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM;
        if (cudnnGetConvolutionForwardWorkspaceSize(handle, x_.get(), w_.get(), conv_.get(), y_.get(), last, &bytes) ==
            CUDNN_STATUS_SUCCESS) {
          take(last, bytes, attempt);
        }
        return;
      }
      case Kind::kGradInput: {
        cudnnConvolutionBwdDataAlgoPerf_t all[2 * CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT];
        if (cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, w_.get(), y_.get(), conv_.get(), x_.get(),
                                                        CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT, &found,
                                                        all) != CUDNN_STATUS_SUCCESS) {
          found = 0;
        }
        if (take_first(all, found, attempt,
                       {CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING},
                       {CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD, CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED})) {
          return;
        }
        size_t bytes = 0;
        const cudnnConvolutionBwdDataAlgo_t last = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
        if (cudnnGetConvolutionBackwardDataWorkspaceSize(handle, w_.get(), y_.get(), conv_.get(), x_.get(), last,
                                                         &bytes) == CUDNN_STATUS_SUCCESS) {
          take(last, bytes, attempt);
        }
        return;
      }
      default: {
        cudnnConvolutionBwdFilterAlgoPerf_t all[2 * CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT];
        if (cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, x_.get(), y_.get(), conv_.get(), w_.get(),
                                                          CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT, &found,
                                                          all) != CUDNN_STATUS_SUCCESS) {
          found = 0;
        }
        if (take_first(
                all, found, attempt,
                {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING},
                {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED})) {
          return;
        }
        size_t bytes = 0;
        const cudnnConvolutionBwdFilterAlgo_t last = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
        if (cudnnGetConvolutionBackwardFilterWorkspaceSize(handle, x_.get(), y_.get(), conv_.get(), w_.get(), last,
                                                           &bytes) == CUDNN_STATUS_SUCCESS) {
          take(last, bytes, attempt);
        }
        return;
      }
    }
  }

  // Fourier transforms are left out: one NaN would become many, and sums lose digits. Winograd's lose some too: they
  // are taken where much is gained, as the CPU's kernels do.
  template <typename Choice, typename Try, typename Algorithm = decltype(Choice::algo)>
  bool take_first(const Choice* all, int count, Try& attempt, std::initializer_list<Algorithm> fourier,
                  std::initializer_list<Algorithm> winograd) {
    auto is_one = [](std::initializer_list<Algorithm> of, Algorithm it) {
      return std::find(of.begin(), of.end(), it) != of.end();
    };
    for (int i = 0; i < count; ++i) {
      const Choice& each = all[i];
      if (each.status != CUDNN_STATUS_SUCCESS || each.determinism != CUDNN_DETERMINISTIC) continue;
      if (is_one(fourier, each.algo) || (!winograd_ && is_one(winograd, each.algo))) continue;
      if (f32_ && each.mathType != CUDNN_FMA_MATH && each.mathType != CUDNN_DEFAULT_MATH) continue;
      // That of f32 stays as it is: the default takes fewer bits.
      if (!f32_ && cudnnSetConvolutionMathType(conv_.get(), each.mathType) != CUDNN_STATUS_SUCCESS) continue;
      if (take(each.algo, each.memory, attempt)) return true;
    }
    return false;
  }

  template <typename Try>
  bool take(int algorithm, size_t bytes, Try& attempt) {
    if (bytes > workspace_ || attempt(algorithm) != CUDNN_STATUS_SUCCESS) return false;
    algorithm_ = algorithm;
    return true;
  }

  const Kind kind_;
  const bool f64_, f32_, winograd_;
  const size_t workspace_;
  Owner<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor> x_, y_;
  Owner<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor> w_;
  Owner<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor> conv_;
  std::once_flag once_;
  int algorithm_ = -1;  // none
};

constexpr int64_t kMostReach = int64_t{1} << 29;  // so that places fit 32 bits

// Of the shapes of what windows slide over, of the weight, and of what has a place for each; false where they do not
// fit 32 bits.
bool read_geometry(const Node& node, bool transposed, const Shape& x, const Shape& w, const Shape& y, Geometry* g) {
  if (x.size() < 3 || x.size() > 5 || w.size() != x.size() || y.size() != x.size()) return false;
  const size_t spatial = x.size() - 2, skip = 3 - spatial;
  const WindowAttributes window(node, spatial);
  const std::vector<int64_t> output_padding = WindowAttributes::list(node, "output_padding", spatial, 0);
  const bool to_fit = transposed && (window.same || !WindowAttributes::list(node, "output_shape", 0, 0).empty());
  const int64_t group = node.i("group");
  if (group < 1 || w[0] > INT32_MAX || w[1] > INT32_MAX / group || group > INT32_MAX) return false;
  g->images = x[0];
  g->group = static_cast<int>(group);
  g->in_channels = static_cast<int>(w[1]);
  g->out_channels = static_cast<int>(w[0] / group);
  int64_t in_size = 1, out_size = 1, kernel_size = 1;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t in = x[i + 2], out = y[i + 2], kernel = w[i + 2];
    int64_t pad = window.begin_pads[i];
    if (to_fit) {
      // Halves are rounded down, of negative totals too.
      const int64_t total = window.reach(i, kernel, out) + output_padding[i] - in, half = total >> 1;
      pad = window.upper ? half : total - half;
    } else if (!transposed) {
      pad = window.begin_pad(i, kernel, in, out);
    }
    if (in > kMostReach || out > kMostReach || kernel > kMostReach || pad > kMostReach || pad < -kMostReach ||
        window.reach(i, kernel, out) > kMostReach) {
      return false;
    }
    const size_t d = skip + i;
    g->in[d] = static_cast<int>(in);
    g->out[d] = static_cast<int>(out);
    g->kernel[d] = static_cast<int>(kernel);
    g->stride[d] = static_cast<int>(window.strides[i]);
    g->dilation[d] = static_cast<int>(window.dilations[i]);
    g->pad[d] = static_cast<int>(pad);
    in_size *= in;
    out_size *= out;
    kernel_size *= kernel;
    if (in_size > INT32_MAX || out_size > INT32_MAX || kernel_size > INT32_MAX) return false;
  }
  g->in_size = static_cast<int>(in_size);
  g->out_size = static_cast<int>(out_size);
  g->kernel_size = static_cast<int>(kernel_size);
  return true;
}

// A transposed convolution is the gradient of one by its input, and its gradient by its input is one.
template <Kind kind, bool transposed>
bool read_node(const Node& node, Geometry* g) {
  const Shape &a = node.input(0).shape, &b = node.input(1).shape, &made = node.output(0).shape;
  switch (kind) {
    case Kind::kForward: return read_geometry(node, transposed, a, b, made, g);
    case Kind::kGradInput: return read_geometry(node, transposed, made, b, a, g);
    default: return transposed ? read_geometry(node, true, a, made, b, g) : read_geometry(node, false, b, made, a, g);
  }
}

template <Kind kind, bool transposed>
bool accepts(const Node& node) {
  Geometry g;
  return in_list(FloatTypes(), node.input(0).dtype) && read_node<kind, transposed>(node, &g);
}

Dividers dividers_of(const Geometry& g) {
  auto divider = [](int64_t size) { return PlaceDivider(std::max<int64_t>(size, 1)); };
  Dividers by{divider(g.in_size),     divider(g.in[1]),
              divider(g.in[2]),       divider(g.out_size),
              divider(g.out[1]),      divider(g.out[2]),
              divider(g.in_channels), divider(g.out_channels),
              divider(g.group),       {divider(g.stride[0]), divider(g.stride[1]), divider(g.stride[2])}};
  return by;
}

Shift shift_of(int64_t images, int channels, const int (&from)[3], const int (&to)[3], const int (&pad)[3], int sign) {
  Shift s;
  s.from_size = s.to_size = 1;
  for (int d = 0; d < 3; ++d) {
    s.from[d] = from[d];
    s.to[d] = to[d];
    s.offset[d] = sign * pad[d];
    s.from_size *= from[d];
    s.to_size *= to[d];
  }
  s.count = images * channels * s.to_size;
  s.channels = channels;
  s.by_plane = PlaceDivider(s.to_size);
  s.by_1 = PlaceDivider(to[1]);
  s.by_2 = PlaceDivider(to[2]);
  s.by_channels = PlaceDivider(channels);
  return s;
}

// What one node does, with all that is known before it runs.
struct Plan {
  Kind kind = Kind::kForward;
  Geometry g;
  Dividers by;
  int32_t dtype = 0;
  double low = 0, high = 0;
  bool limited = false, biased = false;
  // By cuDNN, unless null. Where it cannot pad as much as is wanted, the image lies with its padding in scratch.
  std::shared_ptr<DnnConv> dnn;
  bool padded = false;
  Shift shift;
  int64_t workspace_at = 0;
  int weight_parts = 1;
};

template <typename T>
Finish<Wide<T>> finish_of(const Plan& p) {
  return {static_cast<Wide<T>>(p.low), static_cast<Wide<T>>(p.high), p.limited};
}

// In one pass over what is made.
template <typename T>
void finish(const Launch& launch, const Plan& p, int64_t count, int plane_size, int channels, const T* bias, T* y) {
  if (bias == nullptr && !p.limited) return;
  constexpr int kVector = 16 / sizeof(T);
  const PlaceDivider by_channels(channels);
  if (plane_size % kVector == 0 && aligned(y)) {
    start(launch, finish_planes<T, kVector>, blocks_for(count / kVector), kThreads, 0, count / kVector,
          PlaceDivider(plane_size / kVector), by_channels, channels, bias, finish_of<T>(p), y);
  } else {
    start(launch, finish_planes<T, 1>, blocks_for(count), kThreads, 0, count, PlaceDivider(plane_size), by_channels,
          channels, bias, finish_of<T>(p), y);
  }
}

template <typename T>
void run_forward(const Launch& launch, const Plan& p) {
  const Geometry& g = p.g;
  const int64_t count = g.out_count();
  if (count == 0) return;
  const T *x = launch.input<T>(0), *w = launch.input<T>(1), *bias = p.biased ? launch.input<T>(2) : nullptr;
  T* y = launch.output<T>(0);
  if (p.dnn != nullptr) {
    const T* image = x;
    if (p.padded) {
      T* made = static_cast<T*>(launch.scratch);
      start(launch, shift_planes<T>, blocks_for(p.shift.count), kThreads, 0, p.shift, x, nullptr, made);
      image = made;
    }
    if (p.dnn->run(launch, image, w, y, static_cast<char*>(launch.scratch) + p.workspace_at)) {
      finish<T>(launch, p, count, g.out_size, g.group * g.out_channels, bias, y);
      return;
    }
  }
  start(launch, plain_forward<T>, blocks_for(count), kThreads, 0, g, p.by, count, x, w, bias, finish_of<T>(p), y);
}

template <typename T>
void run_grad_input(const Launch& launch, const Plan& p) {
  const Geometry& g = p.g;
  const int64_t count = g.in_count();
  if (count == 0) return;
  const T *dy = launch.input<T>(0), *w = launch.input<T>(1), *bias = p.biased ? launch.input<T>(2) : nullptr;
  T* dx = launch.output<T>(0);
  if (p.dnn != nullptr) {
    T* image = p.padded ? static_cast<T*>(launch.scratch) : dx;
    if (p.dnn->run(launch, image, w, dy, static_cast<char*>(launch.scratch) + p.workspace_at)) {
      if (p.padded) {
        start(launch, shift_planes<T>, blocks_for(count), kThreads, 0, p.shift, image, bias, dx);
      } else {
        finish<T>(launch, p, count, g.in_size, g.group * g.in_channels, bias, dx);
      }
      return;
    }
  }
  start(launch, plain_grad_input<T>, blocks_for(count), kThreads, 0, g, p.by, count, dy, w, bias, dx);
}

template <typename T, bool transposed>
void run_grad_weight(const Launch& launch, const Plan& p) {
  const Geometry& g = p.g;
  const int64_t weights = g.weights();
  if (weights == 0) return;
  // Of a transposed convolution, windows slide over the gradient of what it made.
  const T *dy = launch.input<T>(transposed ? 1 : 0), *x = launch.input<T>(transposed ? 0 : 1);
  T* dw = launch.output<T>(0);
  if (p.dnn != nullptr) {
    const T* image = x;
    if (p.padded) {
      T* made = static_cast<T*>(launch.scratch);
      start(launch, shift_planes<T>, blocks_for(p.shift.count), kThreads, 0, p.shift, x, nullptr, made);
      image = made;
    }
    if (p.dnn->run(launch, image, dw, dy, static_cast<char*>(launch.scratch) + p.workspace_at)) return;
  }
  auto* sums = static_cast<Wide<T>*>(launch.scratch);
  const dim3 blocks(static_cast<unsigned>(std::min<int64_t>(weights, 1 << 20)), static_cast<unsigned>(p.weight_parts));
  start(launch, plain_grad_weight<T>, blocks, kThreads, 0, g, p.by, weights, p.weight_parts, dy, x, sums);
  start(launch, join_parts<T>, blocks_for(weights), kThreads, 0, weights, p.weight_parts, sums, dw);
}

// A geometry that cuDNN can be given, whose image is padded, or cut, in scratch where *padded is set.
Geometry for_dnn(const Geometry& g, bool* padded) {
  *padded = false;
  for (int d = 0; d < 3; ++d) {
    // It pads as much behind as before.
    const int span = (g.kernel[d] - 1) * g.dilation[d] + 1, room = g.in[d] + 2 * g.pad[d] - span;
    if (g.pad[d] < 0 || room < 0 || room / g.stride[d] + 1 != g.out[d]) *padded = true;
  }
  if (!*padded) return g;
  Geometry made = g;
  made.in_size = 1;
  for (int d = 0; d < 3; ++d) {
    made.in[d] = g.reach(d);
    made.pad[d] = 0;
    made.in_size *= made.in[d];
  }
  return made;
}

// Whether cuDNN gets it. Where each channel is convolved alone it is no faster than plain sums; and it counts elements
// in 32 bits.
bool suits_dnn(const Geometry& g) {
  if (g.in_count() == 0 || g.out_count() == 0 || g.weights() == 0) return false;
  if (g.group > 1 && g.in_channels == 1) return false;
  double padded = static_cast<double>(g.images) * g.group * g.in_channels;
  for (int d = 0; d < 3; ++d) padded *= g.reach(d);
  return std::max<int64_t>({g.in_count(), g.out_count(), g.weights()}) <= INT32_MAX && padded <= INT32_MAX &&
         g.images <= INT32_MAX;
}

template <Kind kind, bool transposed>
Prepared prepare(const Node& node) {
  auto plan = std::make_shared<Plan>();
  Plan& p = *plan;
  p.kind = kind;
  if (!read_node<kind, transposed>(node, &p.g)) throw Error(WEFT_INTERNAL, "a convolution that was not accepted");
  const Geometry& g = p.g;
  p.by = dividers_of(g);
  p.dtype = node.input(0).dtype;
  // The third input of gradients is looked at by its shape alone.
  p.biased = kind == (transposed ? Kind::kGradInput : Kind::kForward) && node.has(2);
  p.limited = node.has_attr("low") || node.has_attr("high");
  p.low = node.f_or("low", -HUGE_VAL);
  p.high = node.f_or("high", HUGE_VAL);
  const int64_t size = element_bytes(p.dtype);
  Prepared prepared;
  if (suits_dnn(g)) {
    const Geometry given = for_dnn(g, &p.padded);
    if (p.padded) {
      const int channels = g.group * g.in_channels;
      p.shift = kind == Kind::kGradInput ? shift_of(g.images, channels, given.in, g.in, g.pad, 1)
                                         : shift_of(g.images, channels, g.in, given.in, g.pad, -1);
      p.workspace_at = rounded(given.in_count() * size);
    }
    constexpr int64_t kMiB = 1 << 20;
    const int64_t bytes = (given.in_count() + g.out_count() + g.weights()) * size;
    const int64_t workspace = std::min(64 * kMiB, 4 * bytes + kMiB);
    try {
      p.dnn = std::make_shared<DnnConv>(kind, given, p.dtype, static_cast<size_t>(workspace));
      prepared.scratch_bytes = p.workspace_at + workspace;
    } catch (const Error&) {
      // It has limits of its own, which the plain sums have not.
    }
  }
  if (kind == Kind::kGradWeight) {
    // As many blocks as fill the GPU, where there are few weights.
    constexpr int64_t kBlocks = 2048;
    const int64_t most = std::min<int64_t>(g.images, kBlocks / std::max<int64_t>(g.weights(), 1));
    p.weight_parts = static_cast<int>(std::max<int64_t>(1, most));
    const int64_t sums = p.weight_parts * g.weights() * (p.dtype == WEFT_F64 ? 8 : 4);
    prepared.scratch_bytes = std::max(prepared.scratch_bytes, sums);
  }
  with_type(FloatTypes(), p.dtype, [&]<typename T>() {
    prepared.run = [plan](const Launch& launch) {
      if constexpr (kind == Kind::kForward) run_forward<T>(launch, *plan);
      if constexpr (kind == Kind::kGradInput) run_grad_input<T>(launch, *plan);
      if constexpr (kind == Kind::kGradWeight) run_grad_weight<T, transposed>(launch, *plan);
    };
  });
  return prepared;
}

template <Kind kind, bool transposed>
void define(Definitions& all, const char* op, const char* name) {
  all.push_back({op, name, accepts<kind, transposed>, prepare<kind, transposed>});
}

}  // namespace

void define_conv(Definitions& all) {
  define<Kind::kForward, false>(all, "Conv", "cudnn");
  define<Kind::kForward, false>(all, "weft.FusedConv", "cudnn");
  define<Kind::kGradInput, false>(all, "weft.ConvGradInput", "cudnn");
  define<Kind::kGradWeight, false>(all, "weft.ConvGradWeight", "cudnn");
  define<Kind::kGradInput, true>(all, "ConvTranspose", "cudnn");
  define<Kind::kForward, true>(all, "weft.ConvTransposeGradInput", "cudnn");
  define<Kind::kGradWeight, true>(all, "weft.ConvTransposeGradWeight", "cudnn");
}

}  // namespace weft::cuda
