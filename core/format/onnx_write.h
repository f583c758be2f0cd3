// A graph as the bytes of an ONNX model.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/format/onnx.h"
#include "core/tensor/safetensors.h"

namespace weft::onnx {

struct ModelContents {
  const Graph& graph;
  const std::vector<ValueId>& outputs;
  const std::vector<bool>& needed;  // nodes of the graph
  const VariableValues& values;
  const OnnxSaveOptions& options;
};

// A file of weights beside the model: its name and where each tensor lies in it.
struct WeightsFile {
  struct Place {
    int64_t begin;
    int64_t bytes;
  };
  std::string name;
  std::map<std::string, Place, std::less<>> places;
};

// With `outside`, tensors that belong into a file of weights are collected there and left out of the model; with
// `weights`, the model says where in that file they are. Both null: everything is in the model.
Result<std::string> model_text(const ModelContents& contents, const WeightsFile* weights, NamedTensors* outside);

}  // namespace weft::onnx
