// Matrix products c = init + alpha * a b, within limits, on vectors and threads, for f32 and f64.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/finish.h"
#include "core/base/thread_pool.h"
#include "core/simd/halves.h"
#include "core/simd/isa.h"
#include "core/simd/limits.h"

namespace weft {

// Every element of c is one chain of multiply-adds over k in ascending order, so its bits depend on the instruction
// set alone. Strides are in elements; addresses need no more alignment than an element.
template <typename T>
struct Gemm {
  Isa isa = current_isa();
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  int64_t a_row = 0, a_column = 1;
  const T* b = nullptr;
  int64_t b_row = 0, b_column = 1;
  const T* packed_b =
      nullptr;  // by pack_b of the same n, k, strides and instruction set, and m where it packs no more than m asks for
  const uint32_t* packed_bf16 = nullptr;  // in place of packed_b, of f32 alone: by pack_bf16
  bool packs_all_of_b = false;            // however few rows there are
  int64_t packed_k = 0;                   // k of what is packed, if this is a product of its first rows alone
  // One thread begins with the last columns: of a matrix too large for a cache, read forwards and backwards in turn, a part
  // stays there. Several threads have a part each, the same one every time.
  bool backwards = false;
  T* c = nullptr;
  int64_t c_row = 0;
  const T* init = nullptr;                // null: zero
  int64_t init_row = 0, init_column = 0;  // strides: init_row 0 for one row, init_column 0 for one column, else 1
  T alpha = 1;
  Limits<T> limits;
  const Finish* finish = nullptr;  // called for stretches of rows of c
  int64_t finish_at = 0;           // what the first element of c is counted as there
};

// Whether all of b is packed. Else only the last columns are, and the others are read where they lie.
template <typename T>
bool packs_whole_b(const Gemm<T>& gemm);
// What `gemm` needs as scratch, in elements, and what pack_b writes.
template <typename T>
int64_t gemm_scratch(const Gemm<T>& gemm);
// The same of one whose b is packed before.
template <typename T>
int64_t packed_scratch(const Gemm<T>& gemm);
template <typename T>
int64_t packed_b_size(const Gemm<T>& gemm);
template <typename T>
void pack_b(const Gemm<T>& gemm, T* packed, const Parallel& parallel);

// The same of all of b, its elements rounded to bf16 (to the nearest, ties to even), two in a word: packs_all_of_b must be set.
// The product is that of the rounded elements.
int64_t packed_bf16_size(const Gemm<float>& gemm);
void pack_bf16(const Gemm<float>& gemm, uint32_t* packed, const Parallel& parallel);
// The same where b has elements of 16 bits, at `b` instead of gemm.b: all of b for packed_b, or for packed_bf16.
void pack_halves(const Gemm<float>& gemm, const uint16_t* b, Half half, float* packed, const Parallel& parallel);
void pack_halves(const Gemm<float>& gemm, const uint16_t* b, Half half, uint32_t* packed, const Parallel& parallel);

// Whether `finish` would be called for stretches that are worth it.
template <typename T>
bool finishes_well(const Gemm<T>& gemm);

template <typename T>
void run_gemm(const Gemm<T>& gemm, T* scratch, const Parallel& parallel);

// A guess of its time at one thread.
template <typename T>
double gemm_cost_ns(const Gemm<T>& gemm) {
  const double finishing = gemm.finish != nullptr ? gemm.finish->cost_ns : 0;
  // A few rows take as long as it takes to read b.
  const double rows = static_cast<double>(std::max<int64_t>(gemm.m, 2));
  return (1e-2 * sizeof(T) * static_cast<double>(gemm.k + 4) + finishing) * rows * static_cast<double>(gemm.n);
}

}  // namespace weft
