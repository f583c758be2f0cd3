// The operators and kernels that the library is built with.
#include "core/runtime/builtin.h"

namespace weft {

void define_all_ops(OpRegistry& ops);               // generated from the files of core/ops
void add_all_cpu_kernels(KernelRegistry& kernels);  // core/kernels/cpu
void add_all_rules(RuleRegistry& rules);            // core/passes/rules
void define_all_layers(LayerRegistry& layers);      // core/layers

// None of these is ever destroyed: threads may use them while the process ends.
OpRegistry& builtin_ops() {
  static OpRegistry* ops = [] {
    auto* made = new OpRegistry;
    define_all_ops(*made);
    return made;
  }();
  return *ops;
}

const KernelRegistry& cpu_kernels() {
  static const KernelRegistry* kernels = [] {
    auto* made = new KernelRegistry;
    add_all_cpu_kernels(*made);
    return made;
  }();
  return *kernels;
}

const RuleRegistry& builtin_rules() {
  static const RuleRegistry* rules = [] {
    auto* made = new RuleRegistry;
    add_all_rules(*made);
    return made;
  }();
  return *rules;
}

const LayerRegistry& builtin_layers() {
  static const LayerRegistry* layers = [] {
    auto* made = new LayerRegistry;
    define_all_layers(*made);
    return made;
  }();
  return *layers;
}

}  // namespace weft
