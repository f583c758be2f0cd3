// Implementations of operators on one device.
#include "core/kernel/registry.h"

namespace weft {

void KernelRegistry::add(std::string_view op, const KernelImpl& impl) { kernels_[std::string(op)].push_back(impl); }

const std::vector<KernelImpl>* KernelRegistry::find(std::string_view op) const {
  auto at = kernels_.find(op);
  return at == kernels_.end() ? nullptr : &at->second;
}

bool KernelRegistry::accepts(std::string_view op, const KernelContext& context) const {
  const std::vector<KernelImpl>* impls = find(op);
  if (impls == nullptr) return false;
  for (const KernelImpl& impl : *impls) {
    if (impl.accepts == nullptr || impl.accepts(context)) return true;
  }
  return false;
}

Status KernelRegistry::prepare(std::string_view op, const KernelContext& context, bool reference,
                               PreparedKernel* prepared) const {
  const std::vector<KernelImpl>* impls = find(op);
  if (impls == nullptr) return unimplemented("there is no CPU kernel for ", op);
  const KernelImpl* chosen = nullptr;
  for (const KernelImpl& impl : *impls) {
    if (impl.accepts != nullptr && !impl.accepts(context)) continue;
    chosen = &impl;
    if (!reference) break;
  }
  if (chosen == nullptr) {
    std::string types;
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_input(i)) continue;
      types += cat(types.empty() ? "" : ", ", dtype_name(context.dtype(i)), shape_text(context.shape(i)));
    }
    return unimplemented("the CPU kernels of ", op, " do not take (", types, ")");
  }
  prepared->name = chosen->name;
  return chosen->prepare(context, prepared);
}

}  // namespace weft
