// What rules share that look for what several nodes compute together.
#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#include "core/passes/rewrite.h"

namespace weft {

// A value as coefficient * over[0] * over[1] ... / under[0] / under[1] ....
struct Product {
  double coefficient = 1;
  std::vector<ValueId> over, under;  // of powers by 2 and 3 each factor
};

// Of Mul, Div, Reciprocal and Pow, in any order and with constants anywhere; of factors those that are used once.
Product product_of(const RuleContext& c, ValueId id);

// The value of a constant of one element.
std::optional<double> one_number(const RuleContext& c, ValueId id);

// The node's other operand, if one of the two is this number; none otherwise.
ValueId beside_number(const RuleContext& c, const Node& node, double number);

// Whether all that the node is made of, back to `leaves` and constants, is used by nothing else. What is needed
// elsewhere (in training, by a gradient) would have to be computed again.
bool used_here_alone(const RuleContext& c, std::initializer_list<ValueId> leaves);

// Whether the node gives floats in the shape and dtype of `id`, in numbers: kernels are asked only when they are known.
bool gives_floats_like(const RuleContext& c, ValueId id);

}  // namespace weft
