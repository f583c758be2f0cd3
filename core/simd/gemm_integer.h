// Products of matrices of 8-bit numbers, less their zero points, in 32 bits that wrap around.
#pragma once

#include <cstdint>

#include "core/base/finish.h"
#include "core/base/thread_pool.h"
#include "core/simd/isa.h"

namespace weft {

// c[i, j] = bias[i] + sum over k of (a[i, k] - zero of row i) (b[k, j] - zero of column j). Exact, so that bits depend on nothing.
// Strides are in elements; addresses need no more alignment than an element.
struct GemmInteger {
  Isa isa = current_isa();
  int64_t m = 0, n = 0, k = 0;
  const uint8_t* a = nullptr;
  bool a_signed = false;  // numbers are i8
  int64_t a_row = 0, a_column = 1;
  const uint8_t* b = nullptr;
  bool b_signed = false;
  int64_t b_row = 0, b_column = 1;
  const uint8_t* packed_b = nullptr;  // by pack_integer_b of the same n, k, signs, strides and instruction set
  const uint8_t* a_zero = nullptr;    // as signed as a; null: 0
  int64_t a_zero_step = 0;            // from one row's to the next: 0 for one of all
  const uint8_t* b_zero = nullptr;
  int64_t b_zero_step = 0;  // the same of columns
  const int32_t* bias = nullptr;
  int32_t* c = nullptr;
  int64_t c_row = 0;
  const Finish* finish = nullptr;  // called for stretches of rows of c
  int64_t finish_at = 0;           // what the first element of c is counted as there
};

// Bytes of b in panels, with the sums of its columns behind them.
int64_t packed_integer_b_size(const GemmInteger& gemm);
void pack_integer_b(const GemmInteger& gemm, uint8_t* packed, const Parallel& parallel);

// Bytes of scratch, on a multiple of 4.
int64_t gemm_integer_scratch(const GemmInteger& gemm);
// Whether `finish` would be called for stretches that are worth it.
bool finishes_well(const GemmInteger& gemm);
void run_gemm_integer(const GemmInteger& gemm, uint8_t* scratch, const Parallel& parallel);
// The same of what is not packed, number by number.
void run_gemm_integer_plainly(const GemmInteger& gemm, const Parallel& parallel);

// A guess of its time at one thread.
inline double gemm_integer_cost_ns(const GemmInteger& gemm) {
  const double finishing = 0.1 + (gemm.finish != nullptr ? gemm.finish->cost_ns : 0);
  const double rows = static_cast<double>(gemm.m > 2 ? gemm.m : 2);
  return (8e-3 * static_cast<double>(gemm.k + 4) + finishing) * rows * static_cast<double>(gemm.n);
}

}  // namespace weft
