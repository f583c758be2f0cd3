// Constants in the form that a kernel reads, which all plans and sessions that have the constant share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/simd/gemm.h"
#include "core/simd/gemm_integer.h"
#include "core/simd/isa.h"
#include "core/tensor/form_cache.h"

namespace weft {

// To be raised with every change of what any packing makes: forms outlive the library in the folders of caches. A test
// (`weight_cache_test`) sees some of those changes.
constexpr int kPackingVersion = 1;

// `form` says all that `pack` depends on but the constant, whose elements it is given. `cache` may be null.
template <typename T>
Result<std::shared_ptr<const Buffer>> packed_constant(const Tensor& constant, std::string_view form, int64_t count,
                                                      FormCache* cache, const std::function<void(const T*, T*)>& pack) {
  const std::string name = cat("packing ", kPackingVersion, " for ", isa_name(current_isa()), ": ", form, ", of ",
                               constant.summary(), " at ", constant.offset());
  auto make = [&](void* to) -> Status {
    WEFT_TRY(const Tensor elements, constant.briefly());
    pack(elements.as<T>(), static_cast<T*>(to));
    constant.buffer()->let_go_of_file();
    return {};
  };
  return constant.buffer()->form(name, count * static_cast<int64_t>(sizeof(T)), make, cache);
}

inline std::string form_of_panels(int64_t k, int64_t n, int64_t b_row, int64_t b_column, Isa isa, const char* dtype) {
  return cat(k, " x ", n, ", strides ", b_row, " and ", b_column, dtype, ", in panels for ", isa_name(isa));
}

// Gives a product its constant matrix in panels, and returns what holds them; null where the matrix is empty.
template <typename T>
Result<std::shared_ptr<const Buffer>> use_packed_b(const Tensor& b, Gemm<T>* gemm, FormCache* cache) {
  gemm->packs_all_of_b = true;
  const int64_t count = packed_b_size(*gemm);
  if (count == 0) return std::shared_ptr<const Buffer>();
  const std::string form = form_of_panels(gemm->k, gemm->n, gemm->b_row, gemm->b_column, gemm->isa, "");
  WEFT_TRY(auto packed, packed_constant<T>(b, form, count, cache, [&](const T* elements, T* to) {
             Gemm<T> packing = *gemm;
             packing.b = elements;
             pack_b(packing, to, Parallel{});
           }));
  gemm->packed_b = static_cast<const T*>(packed->data());
  return packed;
}

// The same in panels of bf16, of a matrix of f32 or bf16.
inline Result<std::shared_ptr<const Buffer>> use_packed_bf16(const Tensor& b, Gemm<float>* gemm, FormCache* cache) {
  gemm->packs_all_of_b = true;
  const int64_t words = packed_bf16_size(*gemm);
  if (words == 0) return std::shared_ptr<const Buffer>();
  const std::string form = form_of_panels(gemm->k, gemm->n, gemm->b_row, gemm->b_column, gemm->isa, ", as bf16");
  std::shared_ptr<const Buffer> packed;
  if (b.dtype() == DType::kBF16) {
    WEFT_TRY(packed, packed_constant<uint16_t>(b, form, 2 * words, cache, [&](const uint16_t* elements, uint16_t* to) {
               pack_halves(*gemm, elements, Half::kBf16, reinterpret_cast<uint32_t*>(to), Parallel{});
             }));
  } else {
    WEFT_TRY(packed, packed_constant<float>(b, form, words, cache, [&](const float* elements, float* to) {
               Gemm<float> packing = *gemm;
               packing.b = elements;
               pack_bf16(packing, reinterpret_cast<uint32_t*>(to), Parallel{});
             }));
  }
  gemm->packed_bf16 = static_cast<const uint32_t*>(packed->data());
  return packed;
}

// The same in panels of f32, of a matrix of f16.
inline Result<std::shared_ptr<const Buffer>> use_widened_b(const Tensor& b, Gemm<float>* gemm, FormCache* cache) {
  gemm->packs_all_of_b = true;
  const int64_t count = packed_b_size(*gemm);
  if (count == 0) return std::shared_ptr<const Buffer>();
  const std::string form = form_of_panels(gemm->k, gemm->n, gemm->b_row, gemm->b_column, gemm->isa, ", as f32");
  WEFT_TRY(auto packed,
           packed_constant<uint16_t>(b, form, 2 * count, cache, [&](const uint16_t* elements, uint16_t* to) {
             pack_halves(*gemm, elements, Half::kF16, reinterpret_cast<float*>(to), Parallel{});
           }));
  gemm->packed_b = reinterpret_cast<const float*>(packed->data());
  return packed;
}

// The same of a matrix of 8-bit numbers.
inline Result<std::shared_ptr<const Buffer>> use_packed_b(const Tensor& b, GemmInteger* gemm, FormCache* cache) {
  const int64_t bytes = packed_integer_b_size(*gemm);
  if (bytes == 0) return std::shared_ptr<const Buffer>();
  const std::string form = form_of_panels(gemm->k, gemm->n, gemm->b_row, gemm->b_column, gemm->isa,
                                          gemm->a_signed ? ", for signed numbers" : ", for unsigned numbers");
  WEFT_TRY(auto packed, packed_constant<uint8_t>(b, form, bytes, cache, [&](const uint8_t* elements, uint8_t* to) {
             GemmInteger packing = *gemm;
             packing.b = elements;
             pack_integer_b(packing, to, Parallel{});
           }));
  gemm->packed_b = static_cast<const uint8_t*>(packed->data());
  return packed;
}

}  // namespace weft
