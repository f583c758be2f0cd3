// Kernels of convolution: plain sums, for what cuDNN does not do and what it is slow at, and what goes with its calls.
#pragma once

#include "plugins/cuda/launch.h"
#include "plugins/cuda/types.cuh"
#include "plugins/cuda/window.cuh"

namespace weft::cuda {

// `in` is what windows slide over, and `out` has a place for each of them; a transposed convolution goes from `out` to
// `in`. Three spatial axes, the first ones of size 1 where there are fewer.
struct Geometry {
  int64_t images = 0;
  int group = 1, in_channels = 0, out_channels = 0;  // channels of one group
  int in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  int stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};  // pads may be negative
  int in_size = 1, out_size = 1, kernel_size = 1;

  int64_t in_count() const { return images * group * in_channels * in_size; }
  int64_t out_count() const { return images * group * out_channels * out_size; }
  int64_t weights() const { return int64_t{group} * out_channels * in_channels * kernel_size; }
  // How far windows reach along an axis.
  int reach(int d) const { return (out[d] - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1; }
};

__device__ inline float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double multiply_add(double a, double b, double c) { return fma(a, b, c); }

// What is done to each result.
template <typename C>
struct Finish {
  C low, high;
  bool limited;

  // A NaN stays one.
  __device__ C operator()(C x) const { return !limited ? x : x < low ? low : x > high ? high : x; }
};

// Sizes as divisors.
struct Dividers {
  PlaceDivider in_plane, in_1, in_2, out_plane, out_1, out_2, in_channels, out_channels, group, stride[3];
};

// Where element `i` of planes is.
struct Place {
  int64_t plane;
  int at[3];
};
__device__ inline Place place_of(int64_t i, const PlaceDivider& by_plane, int plane_size, const PlaceDivider& by_1, int n1,
                                 const PlaceDivider& by_2, int n2) {
  Place place;
  place.plane = by_plane.of(i);
  const int within = static_cast<int>(i - place.plane * plane_size), rows = by_2.of(within);
  place.at[2] = within - rows * n2;
  place.at[0] = by_1.of(rows);
  place.at[1] = rows - place.at[0] * n1;
  return place;
}

// y[image, group, m, o] = finish(bias + sum of w[group, m, c, k] x[image, group, c, o * stride - pad + k * dilation]).
template <typename T>
__global__ void plain_forward(Geometry g, Dividers by, int64_t count, const T* __restrict__ x, const T* __restrict__ w,
                              const T* __restrict__ bias, Finish<Wide<T>> finish, T* __restrict__ y) {
  WEFT_FOR(i, count) {
    const Place o = place_of(i, by.out_plane, g.out_size, by.out_1, g.out[1], by.out_2, g.out[2]);
    const int64_t image_group = by.out_channels.of(o.plane);
    const int m = static_cast<int>(o.plane - image_group * g.out_channels);
    const int group = static_cast<int>(image_group - by.group.of(image_group) * g.group);
    const int64_t filter = static_cast<int64_t>(group) * g.out_channels + m;
    int from[3], first[3], past[3];
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      from[d] = o.at[d] * g.stride[d] - g.pad[d];
      // Places of the kernel that lie inside: 0 <= from + k * dilation < in.
      const int dilation = g.dilation[d];
      first[d] = from[d] >= 0 ? 0 : dilation == 1 ? -from[d] : (-from[d] - 1) / dilation + 1;
      const int room = g.in[d] - from[d];
      past[d] = room <= 0 ? 0 : min(g.kernel[d], dilation == 1 ? room : (room - 1) / dilation + 1);
    }
    Wide<T> sum = bias != nullptr ? widen(bias[filter]) : Wide<T>(0);
    const T* image = x + image_group * g.in_channels * g.in_size;
    const T* weight = w + filter * g.in_channels * g.kernel_size;
    for (int c = 0; c < g.in_channels; ++c, image += g.in_size, weight += g.kernel_size) {
      for (int a = first[0]; a < past[0]; ++a) {
        const int plane = (from[0] + a * g.dilation[0]) * g.in[1];
        for (int b = first[1]; b < past[1]; ++b) {
          const int row = (plane + from[1] + b * g.dilation[1]) * g.in[2] + from[2];
          const int tap = (a * g.kernel[1] + b) * g.kernel[2];
          for (int k = first[2]; k < past[2]; ++k) {
            sum = multiply_add(widen(weight[tap + k]), widen(image[row + k * g.dilation[2]]), sum);
          }
        }
      }
    }
    y[i] = narrow<T>(finish(sum));
  }
}

// dx[image, group, c, i] = bias + sum of w[group, m, c, k] dy[image, group, m, o] over what o and k lead to i.
template <typename T>
__global__ void plain_grad_input(Geometry g, Dividers by, int64_t count, const T* __restrict__ dy,
                                 const T* __restrict__ w, const T* __restrict__ bias, T* __restrict__ dx) {
  WEFT_FOR(i, count) {
    const Place in = place_of(i, by.in_plane, g.in_size, by.in_1, g.in[1], by.in_2, g.in[2]);
    const int64_t image_group = by.in_channels.of(in.plane);
    const int c = static_cast<int>(in.plane - image_group * g.in_channels);
    const int group = static_cast<int>(image_group - by.group.of(image_group) * g.group);
    int to_begin[3], first[3], past[3];  // of windows, those that may reach it
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      to_begin[d] = in.at[d] + g.pad[d];
      const int beyond = to_begin[d] - (g.kernel[d] - 1) * g.dilation[d];
      first[d] = beyond <= 0 ? 0 : by.stride[d].of(beyond - 1) + 1;
      past[d] = to_begin[d] < 0 ? 0 : min(g.out[d], by.stride[d].of(to_begin[d]) + 1);
    }
    auto tap_of = [&](int d, int o) {  // -1: none
      const int distance = to_begin[d] - o * g.stride[d];
      if (g.dilation[d] == 1) return distance;
      const int tap = distance / g.dilation[d];
      return tap * g.dilation[d] == distance ? tap : -1;
    };
    Wide<T> sum = bias != nullptr ? widen(bias[group * g.in_channels + c]) : Wide<T>(0);
    const T* from = dy + image_group * g.out_channels * g.out_size;
    const T* weight = w + (static_cast<int64_t>(group) * g.out_channels * g.in_channels + c) * g.kernel_size;
    const int64_t apart = static_cast<int64_t>(g.in_channels) * g.kernel_size;
    for (int m = 0; m < g.out_channels; ++m, from += g.out_size, weight += apart) {
      for (int a = first[0]; a < past[0]; ++a) {
        const int tap_a = tap_of(0, a);
        if (tap_a < 0) continue;
        for (int b = first[1]; b < past[1]; ++b) {
          const int tap_b = tap_of(1, b);
          if (tap_b < 0) continue;
          const int row = (a * g.out[1] + b) * g.out[2], taps = (tap_a * g.kernel[1] + tap_b) * g.kernel[2];
          for (int e = first[2]; e < past[2]; ++e) {
            const int tap = tap_of(2, e);
            if (tap >= 0) sum = multiply_add(widen(weight[taps + tap]), widen(from[row + e]), sum);
          }
        }
      }
    }
    dx[i] = narrow<T>(sum);
  }
}

// dw[group, m, c, k] = sum of dy[image, group, m, o] x[image, group, c, o * stride - pad + k * dilation]: a block for
// each weight, or for each part of its images; `sums` is [parts, weights].
template <typename T>
__global__ void plain_grad_weight(Geometry g, Dividers by, int64_t weights, int parts, const T* __restrict__ dy,
                                  const T* __restrict__ x, Wide<T>* __restrict__ sums) {
  using C = Wide<T>;
  __shared__ C warps[kThreads / 32];
  const int part = static_cast<int>(blockIdx.y);
  const int64_t begin = g.images * part / parts, end = g.images * (part + 1) / parts;
  for (int64_t i = blockIdx.x; i < weights; i += gridDim.x) {
    int64_t rest = i / g.kernel_size;
    int tap = static_cast<int>(i - rest * g.kernel_size);
    const int64_t filter = rest / g.in_channels;
    const int c = static_cast<int>(rest - filter * g.in_channels);
    const int group = static_cast<int>(filter / g.out_channels);
    int offset[3];
    for (int d = 2; d >= 0; --d) {
      offset[d] = tap % g.kernel[d] * g.dilation[d] - g.pad[d];
      tap /= g.kernel[d];
    }
    C sum = 0;
    const int64_t places = (end - begin) * g.out_size;
    for (int64_t j = threadIdx.x; j < places; j += kThreads) {
      const Place o = place_of(j, by.out_plane, g.out_size, by.out_1, g.out[1], by.out_2, g.out[2]);
      const int64_t image = begin + o.plane;
      int at = 0;
      bool inside = true;
#pragma unroll
      for (int d = 0; d < 3; ++d) {
        const int p = o.at[d] * g.stride[d] + offset[d];
        inside = inside && p >= 0 && p < g.in[d];
        at = at * g.in[d] + (inside ? p : 0);
      }
      if (!inside) continue;
      const T* from = dy + (image * g.group * g.out_channels + filter) * g.out_size;
      const T* of = x + ((image * g.group + group) * g.in_channels + c) * g.in_size;
      sum = multiply_add(widen(from[j - o.plane * g.out_size]), widen(of[at]), sum);
    }
    for (int lane = 16; lane > 0; lane /= 2) sum += __shfl_xor_sync(~0u, sum, lane);
    __syncthreads();  // who still reads the sums of the weight before
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x != 0) continue;
    sum = 0;
    for (int k = 0; k < kThreads / 32; ++k) sum += warps[k];
    sums[part * weights + i] = sum;
  }
}

template <typename T>
__global__ void join_parts(int64_t weights, int parts, const Wide<T>* __restrict__ sums, T* __restrict__ dw) {
  WEFT_FOR(i, weights) {
    Wide<T> sum = 0;
    for (int part = 0; part < parts; ++part) sum += sums[part * weights + i];
    dw[i] = narrow<T>(sum);
  }
}

// to[plane, i] = from[plane, i + offset], zero where that is outside, plus the bias of the plane's channel.
struct Shift {
  int64_t count;
  int from[3], to[3], offset[3];
  int from_size, to_size, channels;
  PlaceDivider by_plane, by_1, by_2, by_channels;
};
template <typename T>
__global__ void shift_planes(Shift s, const T* __restrict__ from, const T* __restrict__ bias, T* __restrict__ to) {
  WEFT_FOR(i, s.count) {
    const Place place = place_of(i, s.by_plane, s.to_size, s.by_1, s.to[1], s.by_2, s.to[2]);
    int at = 0;
    bool inside = true;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      const int p = place.at[d] + s.offset[d];
      inside = inside && p >= 0 && p < s.from[d];
      at = at * s.from[d] + (inside ? p : 0);
    }
    T value = inside ? from[place.plane * s.from_size + at] : T(0);
    if (bias != nullptr) {
      const int64_t image = s.by_channels.of(place.plane);
      value = narrow<T>(widen(value) + widen(bias[place.plane - image * s.channels]));
    }
    to[i] = value;
  }
}

template <typename T, int kVector>
struct alignas(sizeof(T) * kVector) Pack {
  T at[kVector];
};

// y = finish(y + bias), where every plane is some packs.
template <typename T, int kVector>
__global__ void finish_planes(int64_t packs, PlaceDivider packs_of_plane, PlaceDivider by_channels, int channels,
                              const T* __restrict__ bias, Finish<Wide<T>> finish, T* y) {
  auto* pack_at = reinterpret_cast<Pack<T, kVector>*>(y);
  WEFT_FOR(i, packs) {
    Wide<T> shift = 0;
    if (bias != nullptr) {
      const int64_t plane = packs_of_plane.of(i);
      shift = widen(bias[plane - by_channels.of(plane) * channels]);
    }
    Pack<T, kVector> pack = pack_at[i];
#pragma unroll
    for (int k = 0; k < kVector; ++k) pack.at[k] = narrow<T>(finish(widen(pack.at[k]) + shift));
    pack_at[i] = pack;
  }
}

}  // namespace weft::cuda
