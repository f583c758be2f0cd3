// What the attributes of RNN, GRU and LSTM say.
#pragma once

#include <vector>

#include "core/op/attr.h"

namespace weft {

enum class CellKind { kRnn, kGru, kLstm };

// A function of one number.
struct Activation {
  enum class Kind {
    kRelu,
    kTanh,
    kSigmoid,
    kAffine,
    kLeakyRelu,
    kThresholdedRelu,
    kScaledTanh,
    kHardSigmoid,
    kElu,
    kSoftsign,
    kSoftplus,
  } kind = Kind::kTanh;
  double alpha = 0, beta = 0;

  bool operator==(const Activation&) const = default;
};

struct Recurrent {
  CellKind cell = CellKind::kRnn;
  int64_t directions = 1;
  bool backwards = false;               // the only direction
  bool batch_first = false;             // layout 1
  bool linear_before_reset = false;     // GRU
  bool input_forget = false;            // LSTM
  double clip = 0;                      // of what the functions of gates are given; 0: none
  std::vector<Activation> activations;  // of each direction

  int64_t gates() const { return cell == CellKind::kRnn ? 1 : cell == CellKind::kGru ? 3 : 4; }
  int64_t functions() const { return cell == CellKind::kLstm ? 3 : cell == CellKind::kGru ? 2 : 1; }
  bool reversed(int64_t direction) const { return backwards || direction == 1; }
  const Activation& activation(int64_t direction, int64_t i) const {
    return activations[static_cast<size_t>(direction * functions() + i)];
  }
};

Result<Recurrent> read_recurrent(CellKind cell, const Attrs& attrs);

}  // namespace weft
