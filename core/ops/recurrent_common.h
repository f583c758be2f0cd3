// RNN, GRU and LSTM made of other operators.
#pragma once

#include "core/graph/expr.h"
#include "core/op/recurrent.h"

namespace weft {

// Step by step where the number of steps is known, else as a Scan over them; X must have a rank. The gradient of the
// operators' gradients is made of it.
Status recurrent_body(CellKind cell, BodyContext& c);

}  // namespace weft
