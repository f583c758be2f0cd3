// The operators and kernels that the library is built with.
#pragma once

#include "core/graph/layer_registry.h"
#include "core/kernel/registry.h"
#include "core/op/registry.h"
#include "core/passes/rewrite.h"

namespace weft {

// Each is made at first use and lives as long as the process.
OpRegistry& builtin_ops();
const KernelRegistry& cpu_kernels();
const RuleRegistry& builtin_rules();
const LayerRegistry& builtin_layers();

}  // namespace weft
