// The instruction sets of a 64-bit ARM processor: every one has NEON.
#include "core/simd/isa.h"

namespace weft {

bool isa_supported(Isa isa) { return isa == Isa::kNeon; }

}  // namespace weft
