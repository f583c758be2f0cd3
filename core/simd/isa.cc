// The instruction set that the vector kernels run on, chosen once per process.
#include "core/simd/isa.h"

#include "core/base/log.h"
#include "core/base/settings.h"

namespace weft {

namespace {

Isa choose() {
  const std::string& wanted = setting_text(Setting::kIsa);
  Isa widest = kAllIsas[0];
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    if (wanted == isa_name(isa)) return isa;
    widest = isa;
  }
  if (wanted != "auto") {
    log(LogLevel::kWarning, "WEFT_ISA='", wanted,
        "' is not auto, baseline, avx2, avx512, avx512vnni or neon, or this processor lacks it; using ",
        isa_name(widest));
  }
  return widest;
}

}  // namespace

const char* isa_name(Isa isa) {
  constexpr const char* kNames[] = {"baseline", "avx2", "avx512", "avx512vnni", "neon"};
  return kNames[static_cast<int>(isa)];
}

Isa current_isa() {
  static const Isa chosen = choose();
  return chosen;
}

}  // namespace weft
