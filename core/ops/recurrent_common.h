// RNN, GRU and LSTM made of other operators, step by step.
#pragma once

#include "core/graph/expr.h"
#include "core/op/recurrent.h"

namespace weft {

// Needs to know the number of steps. The gradient of the operators' gradients is made of it.
Status recurrent_body(CellKind cell, BodyContext& c);

}  // namespace weft
