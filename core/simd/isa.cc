// The instruction set that the vector kernels run on, chosen once per process.
#include "core/simd/isa.h"

#include "core/base/log.h"
#include "core/base/settings.h"

namespace weft {

namespace {

Isa choose() {
  const std::string& wanted = setting_text(Setting::kIsa);
  Isa widest = Isa::kBaseline;
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    if (wanted == isa_name(isa)) return isa;
    widest = isa;
  }
  if (wanted != "auto") {
    log(LogLevel::kWarning, "WEFT_ISA='", wanted,
        "' is not auto, baseline, avx2 or avx512, or this processor lacks it; ", "using ", isa_name(widest));
  }
  return widest;
}

}  // namespace

const char* isa_name(Isa isa) {
  constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};
  return kNames[static_cast<int>(isa)];
}

bool isa_supported(Isa isa) {
#if defined(__x86_64__)
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
              __builtin_cpu_supports("bmi2");
  if (isa == Isa::kAvx2) return avx2;
  if (isa == Isa::kAvx512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  }
#endif
  return isa == Isa::kBaseline;
}

Isa current_isa() {
  static const Isa chosen = choose();
  return chosen;
}

}  // namespace weft
