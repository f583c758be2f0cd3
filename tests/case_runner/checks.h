// What is derived from one case.
#pragma once

#include <string>
#include <vector>

#include "tests/case_runner/case_file.h"

namespace weft {

// Empty if all holds; else one line for each thing that does not, beginning with what was being checked.
std::vector<std::string> check_case(const Case& c);
struct GradientReport {
  std::vector<std::string> problems;
  int orders = 0;  // how many were compared with finite differences
};
// Analytic against numeric gradients, first and second order, in f64; and that cotangents of 0 give 0, also where the
// case says that finite differences cannot tell.
GradientReport check_gradient(const Case& c);

// -- Shared by the two.
struct Difference {
  bool same = true;
  std::string text;
};
// Within |a - b| <= absolute + relative * |b|; NaN equals NaN.
Difference compare(const Tensor& found, const Tensor& wanted, double relative, double absolute);

}  // namespace weft
