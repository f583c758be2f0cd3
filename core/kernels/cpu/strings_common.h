// Kernels that only move elements, for strings too: what moves numbers moves the numbers of strings.
#pragma once

#include "core/kernel/registry.h"

namespace weft {

using PrepareFn = Status (*)(const KernelContext&, PreparedKernel*);

// Prepares a kernel of tensors that numbers the strings of all inputs, lets what `prepare` made for i64 move the numbers, and
// puts strings in their places. What the kernel fills in by itself, 0, is the empty string.
Status prepare_strings(const KernelContext& c, PrepareFn prepare, PreparedKernel* prepared);

// Whether some input is of strings, and `accepts` takes it as i64.
bool takes_strings(const KernelContext& c, bool (*accepts)(const KernelContext&));

// The kernel `name` for what `accepts` takes, and "strings".
template <bool (*accepts)(const KernelContext&), PrepareFn prepare>
void add_movement(KernelRegistry& kernels, const char* op, const char* name) {
  kernels.add(op, {name, accepts, prepare});
  kernels.add(op,
              {"strings", [](const KernelContext& c) { return takes_strings(c, accepts); },
               [](const KernelContext& c, PreparedKernel* prepared) { return prepare_strings(c, prepare, prepared); }});
}

}  // namespace weft
