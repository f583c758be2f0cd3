// The discrete Fourier transform of any length, planned once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/tensor/tensor.h"

namespace weft {

// Lengths whose prime factors are small go through a mixed-radix transform (Stockham's order: nothing is put in place
// afterwards); others become a convolution of such a length (Bluestein, 1970).
template <typename T>
class FourierPlan {
 public:
  static Result<FourierPlan> make(int64_t n);

  int64_t size() const { return n_; }
  // Elements of T that `run` works in.
  int64_t scratch() const { return scratch_; }
  // y[k] = sum over j of exp(-2 pi i j k / n) x[j]. `x` and `y` are [n] each, real and imaginary parts apart, and do not
  // overlap; `x` is left with anything in it. With real and imaginary parts swapped, in and out, it is the inverse times n.
  void run(T* x_re, T* x_im, T* y_re, T* y_im, T* scratch) const;
  double cost_ns() const;

 private:
  struct Stage {
    int64_t radix, done, rest;  // n = done * radix * rest
    int64_t twiddles, roots;    // where its factors begin in `factors_`, real and imaginary by turns
  };

  Status plan_stages(std::vector<int64_t> radices);
  Status plan_convolution();
  void run_stages(T* x_re, T* x_im, T* y_re, T* y_im, T* scratch) const;
  void run_convolution(T* x_re, T* x_im, T* y_re, T* y_im, T* scratch) const;

  int64_t n_ = 0, scratch_ = 0;
  std::vector<Stage> stages_;
  Tensor factors_;                            // of the stages
  std::shared_ptr<const FourierPlan> inner_;  // of the convolution
  Tensor chirp_, kernel_;                     // exp(-pi i j^2 / n), and the transform of its conjugate
};

}  // namespace weft
