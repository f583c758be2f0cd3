// A group of elementwise nodes that run as one kernel: each tile of memory goes through all of them while it is in the
// cache. With a producer (a product, a convolution) as the first of them, each stretch goes through as it is made.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/kernel/kernel.h"

namespace weft {

struct FusedGroup {
  // Operands are numbered: first the inputs of the group, then what each member makes.
  struct Operand {
    DType dtype;
    Shape shape;  // of an input: broadcasts to that of the group
  };
  struct Member {
    PreparedKernel kernel;        // elementwise
    std::vector<int32_t> inputs;  // -1 for one that is left out
    DType dtype;                  // of what it makes, in the shape of the group
  };
  Shape shape;
  std::vector<Operand> inputs;
  std::vector<Member> members;   // each after those that it needs
  std::vector<int32_t> outputs;  // the operands, made by members, that leave the group

  // The kernel that makes the first input, in the shape of the group; none if its `run` is null. The group's own kernel
  // then takes the producer's inputs in place of that one, before the others.
  struct Producer {
    PreparedKernel kernel;  // with `finishes`
    int32_t inputs = 0;
    // Where it writes: the place of one of `outputs`, made when the first input is read for the last time or later; or
    // an output behind them all.
    int32_t output = 0;
  } producer;
};

// Most operands of a group, and most inputs of a member.
constexpr int kMostFusedOperands = 128;

using FuseFn = std::function<Result<PreparedKernel>(FusedGroup group)>;

}  // namespace weft
