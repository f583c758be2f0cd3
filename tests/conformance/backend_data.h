// The tests of ONNX's backend suite, as the package onnx keeps them in files.
#pragma once

#include <string>
#include <vector>

#include "core/tensor/tensor.h"

namespace weft {

struct BackendTest {
  std::string name;                          // "node/test_abs"
  std::string model;                         // the file
  std::vector<std::string> inputs, outputs;  // files
  double relative = 1e-3, absolute = 1e-7;   // what results may be off by, as the suite has it
  bool made_inputs = false;                  // the suite makes up the input of its light models
};

// What follows from where a Python environment has the package: its folder backend/test/data.
Result<std::string> backend_data_folder(const std::string& environment);
// All tests, sorted by name.
Result<std::vector<BackendTest>> backend_tests(const std::string& data_folder);

struct BackendValues {
  std::vector<Tensor> inputs, outputs;
};
// Reads the values of a test as the types of its model's inputs and outputs say.
Result<BackendValues> backend_values(const BackendTest& test, std::string_view model);

}  // namespace weft
