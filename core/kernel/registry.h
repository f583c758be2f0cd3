// Implementations of operators on one device, in an ordered list each: the first that accepts runs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel/fused.h"
#include "core/kernel/kernel.h"

namespace weft {

class KernelRegistry {
 public:
  // Fastest first; the last is the plain reference. `op` is a full name ("MatMul", "weft.Adam").
  void add(std::string_view op, const KernelImpl& impl);
  void add(std::string_view op, const char* name, std::shared_ptr<const KernelSource> source);
  std::vector<std::string> ops() const;  // that have any, sorted
  bool has(std::string_view op) const { return find(op) != nullptr; }
  bool accepts(std::string_view op, const KernelContext& context) const;
  // The first implementation that accepts, prepared. `reference` asks for the last one instead. RESOURCE_EXHAUSTED if
  // an input or output is larger than memory can be.
  Status prepare(std::string_view op, const KernelContext& context, bool reference, PreparedKernel* prepared) const;

  // How the device runs a group of elementwise nodes as one kernel.
  void set_fuse(FuseFn fn) { fuse_ = std::move(fn); }
  bool can_fuse() const { return fuse_ != nullptr; }
  Result<PreparedKernel> fuse(FusedGroup group) const { return fuse_(std::move(group)); }

 private:
  struct Entry {
    KernelImpl impl;
    std::shared_ptr<const KernelSource> source;  // in place of the functions of `impl`, if it is not null

    bool accepts(const KernelContext& context) const {
      if (source != nullptr) return source->accepts(context);
      return impl.accepts == nullptr || impl.accepts(context);
    }
    Status prepare(const KernelContext& context, PreparedKernel* prepared) const {
      return source != nullptr ? source->prepare(context, prepared) : impl.prepare(context, prepared);
    }
  };
  const std::vector<Entry>* find(std::string_view op) const;

  FuseFn fuse_;
  std::map<std::string, std::vector<Entry>, std::less<>> kernels_;
};

}  // namespace weft
