// Groups of elementwise operators that run as one kernel, written for them: each element goes through all of them in
// registers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/cuda/host.h"

namespace weft::cuda {

// Operands are numbered: first the inputs of the group, then what each member makes.
struct Group {
  struct Input {
    int32_t dtype;
    Shape shape;  // broadcasts to that of the group
  };
  struct Member {
    Expression expression;
    std::vector<int32_t> inputs;  // -1 for one that is left out
    int32_t dtype;
  };
  Shape shape;
  std::vector<Input> inputs;
  std::vector<Member> members;   // each after those that it needs
  std::vector<int32_t> outputs;  // what leaves the group, in the order of the kernel's outputs
};

// Most inputs of a group, and of a single operator.
constexpr int kMostOperands = 128;

// When the kernel is compiled: what may never run had better wait.
enum class When { kNow, kFirstRun };
Prepared prepare_group(const Group& group, When when = When::kNow);

// A number as an expression of the type, exactly.
std::string literal(double value, int32_t dtype);

// What kernels call an element of the type in a register; null for types that cannot go through a group.
const char* held_name(int32_t dtype);
inline bool in_registers(int32_t dtype) { return held_name(dtype) != nullptr; }

}  // namespace weft::cuda
