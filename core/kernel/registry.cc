// Implementations of operators on one device.
#include "core/kernel/registry.h"

#include <algorithm>

namespace weft {

namespace {

// Kernels multiply dimensions freely, so each value must be one that memory could hold. A dimension of 0 does not excuse
// the others: strides and blocks are products of them.
Status check_size(const KernelContext::Slot& slot) {
  if (!slot.given || slot.kind != Kind::kTensor || !slot.sized) return {};
  int64_t count = 1;
  bool fits = true;
  for (int64_t dim : slot.shape) fits = fits && !__builtin_mul_overflow(count, std::max<int64_t>(dim, 1), &count);
  if (fits && count <= kMostBytes && dtype_bytes(slot.dtype, count) <= kMostBytes) return {};
  return make_error(Code::kResourceExhausted, "a value of ", dtype_name(slot.dtype), shape_text(slot.shape),
                    " is too large");
}

}  // namespace

void KernelRegistry::add(std::string_view op, const KernelImpl& impl) {
  kernels_[std::string(op)].push_back({impl, nullptr});
}

void KernelRegistry::add(std::string_view op, const char* name, std::shared_ptr<const KernelSource> source) {
  kernels_[std::string(op)].push_back({{name, nullptr, nullptr}, std::move(source)});
}

const std::vector<KernelRegistry::Entry>* KernelRegistry::find(std::string_view op) const {
  auto at = kernels_.find(op);
  return at == kernels_.end() ? nullptr : &at->second;
}

std::vector<std::string> KernelRegistry::ops() const {
  std::vector<std::string> names;
  for (const auto& [op, entries] : kernels_) names.push_back(op);
  return names;
}

bool KernelRegistry::accepts(std::string_view op, const KernelContext& context) const {
  const std::vector<Entry>* entries = find(op);
  if (entries == nullptr) return false;
  // Kernels may multiply dimensions; `prepare` says of those that are too large what is wrong.
  for (int i = 0; i < context.input_count(); ++i) {
    if (!check_size(context.input(i)).ok()) return true;
  }
  for (int i = 0; i < context.output_count(); ++i) {
    if (!check_size(context.output(i)).ok()) return true;
  }
  return std::any_of(entries->begin(), entries->end(), [&](const Entry& entry) { return entry.accepts(context); });
}

Status KernelRegistry::prepare(std::string_view op, const KernelContext& context, bool reference,
                               PreparedKernel* prepared) const {
  const std::vector<Entry>* entries = find(op);
  if (entries == nullptr) return unimplemented("there is no CPU kernel for ", op);
  for (int i = 0; i < context.input_count(); ++i) WEFT_CHECK(check_size(context.input(i)));
  for (int i = 0; i < context.output_count(); ++i) WEFT_CHECK(check_size(context.output(i)));
  const Entry* chosen = nullptr;
  for (const Entry& entry : *entries) {
    if (!entry.accepts(context)) continue;
    chosen = &entry;
    if (!reference) break;
  }
  if (chosen == nullptr) {
    std::string types;
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_input(i)) continue;
      types += cat(types.empty() ? "" : ", ", dtype_name(context.dtype(i)), shape_text(context.shape(i)));
    }
    return unimplemented("the CPU kernels of ", op, " do not take (", types, "), nor wider types in their place");
  }
  prepared->name = chosen->impl.name;
  WEFT_CHECK(chosen->prepare(context, prepared));
  if (prepared->run == nullptr && prepared->run_tensors == nullptr) {
    return internal_error("the kernel '", chosen->impl.name, "' of ", op, " accepted types that it has no loop for");
  }
  if (prepared->scratch_bytes >= 0 && prepared->scratch_bytes <= kMostBytes) return {};
  return make_error(Code::kResourceExhausted, "the memory that ", op, " needs to work in is too large");
}

}  // namespace weft
