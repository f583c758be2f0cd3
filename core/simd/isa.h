// The instruction set that the vector kernels run on, chosen once per process.
#pragma once

namespace weft {

// Of x86-64, from SSE4 on, and of 64-bit ARM. With VNNI are products of 8-bit numbers alone another code; whatever else
// AVX-512 does has the same bits with and without.
enum class Isa { kBaseline, kAvx2, kAvx512, kAvx512Vnni, kNeon };
constexpr Isa kAllIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kNeon};

const char* isa_name(Isa isa);  // as in WEFT_ISA
bool isa_supported(Isa isa);    // by this processor and its operating system
Isa current_isa();              // the widest one supported, or WEFT_ISA

}  // namespace weft
