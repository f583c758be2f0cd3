// The vector kernels of the machine's instruction set, by the type of the elements.
#pragma once

#include "core/simd/arithmetic.h"
#include "core/simd/chain.h"
#include "core/simd/gemm_tiles.h"
#include "core/simd/math.h"
#include "core/simd/moments.h"
#include "core/simd/power.h"
#include "core/simd/reduce.h"
#include "core/simd/resample.h"
#include "core/simd/rows.h"
#include "core/simd/sample.h"
#include "core/simd/select.h"
#include "core/simd/symmetric.h"

namespace weft {

inline const ArithmeticTable<float>& arithmetic_table(float) { return arithmetic_f32(current_isa()); }
inline const ArithmeticTable<double>& arithmetic_table(double) { return arithmetic_f64(current_isa()); }
inline const ChainTable<float>& chain_table(float) { return chain_f32(current_isa()); }
inline const ChainTable<double>& chain_table(double) { return chain_f64(current_isa()); }
inline const GemmTiles<float>& gemm_tiles(float) { return gemm_tiles_f32(current_isa()); }
inline const GemmTiles<double>& gemm_tiles(double) { return gemm_tiles_f64(current_isa()); }
inline const MathTable<float>& math_table(float) { return math_f32(current_isa()); }
inline const MathTable<double>& math_table(double) { return math_f64(current_isa()); }
inline const MomentsTable<float>& moments_table(float) { return moments_f32(current_isa()); }
inline const MomentsTable<double>& moments_table(double) { return moments_f64(current_isa()); }
inline const PowerTable<float>& power_table(float) { return power_f32(current_isa()); }
inline const PowerTable<double>& power_table(double) { return power_f64(current_isa()); }
inline const ReduceTable<float>& reduce_table(float) { return reduce_f32(current_isa()); }
inline const ReduceTable<double>& reduce_table(double) { return reduce_f64(current_isa()); }
inline const ResampleTable<float>& resample_table(float) { return resample_f32(current_isa()); }
inline const ResampleTable<double>& resample_table(double) { return resample_f64(current_isa()); }
inline const RowsTable<float>& rows_table(float) { return rows_f32(current_isa()); }
inline const RowsTable<double>& rows_table(double) { return rows_f64(current_isa()); }
inline const SampleTable<float>& sample_table(float) { return sample_f32(current_isa()); }
inline const SampleTable<double>& sample_table(double) { return sample_f64(current_isa()); }
inline const SelectTable<float>& select_table(float) { return select_f32(current_isa()); }
inline const SelectTable<double>& select_table(double) { return select_f64(current_isa()); }
inline const SymmetricTable<float>& symmetric_table(float) { return symmetric_f32(current_isa()); }
inline const SymmetricTable<double>& symmetric_table(double) { return symmetric_f64(current_isa()); }

}  // namespace weft
