// The equation of an Einsum, read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace weft {

// An axis of a term: a letter, or one of those of the ellipsis, of which the k-th from the right is -k (from 1 on).
using Label = int;

struct Equation {
  // As text without spaces, an ellipsis as one '.'.
  std::vector<std::string> terms;
  std::string output;
  bool implied = false;  // no output was given

  static Result<Equation> read(std::string_view text, int inputs);

  // The labels of input `i`, which has `rank` axes.
  Result<std::vector<Label>> labels(int i, int64_t rank) const;
  // Those of the output, where the longest ellipsis of an input has `broadcast` axes.
  std::vector<Label> output_labels(int64_t broadcast) const;
};

// How many of the labels are of an ellipsis.
int64_t ellipsis_axes(const std::vector<Label>& labels);
// As errors call it.
std::string label_text(Label label);

}  // namespace weft
