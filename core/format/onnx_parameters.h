// Which weights of a model are parameters: those that "*" makes trainable. ONNX does not say: in a file, constants that
// an exporter computed and states that no gradient belongs to stand beside them.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "core/format/onnx_wire.h"
#include "core/tensor/tensor.h"

namespace weft::onnx {

class Parameters {
 public:
  // Of the model's own graph.
  static Result<Parameters> read(const GraphWire& graph);

  bool has(std::string_view name, const Tensor& weight) const;

 private:
  using Names = std::set<std::string, std::less<>>;
  Status read_own(const GraphWire& graph);
  Status read_marks(const GraphWire& graph);
  Status read_others(const GraphWire& graph);

  bool own_ = false;  // saved by this library, which says of every variable whether it is trained
  Names marked_;      // as parameters
  Names others_;      // what the exporter marked otherwise, and inputs that are no parameters of any node
};

}  // namespace weft::onnx
