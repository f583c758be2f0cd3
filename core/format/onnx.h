// ONNX files: graphs in and out.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph/graph.h"

namespace weft {

struct OnnxLoadOptions {
  std::vector<std::string> trainable;  // names of weights that become trainable variables; "*" for all parameters
  bool map = false;                    // large weights stay in the files
};

// A graph of the newest opset from a file of opset 1 to 27.
Result<std::shared_ptr<Graph>> load_onnx(const OpRegistry& ops, const std::string& path,
                                         const OnnxLoadOptions& options);
// The same from memory; external weights are looked for in `folder`, "" for none.
Result<std::shared_ptr<Graph>> load_onnx_bytes(const OpRegistry& ops, std::string_view bytes, const std::string& folder,
                                               const OnnxLoadOptions& options);

// What is in a file and what of it cannot be read, as JSON with the keys of weft_model_inspect.
Result<std::string> inspect_onnx(const OpRegistry& ops, const std::string& path);
Result<std::string> inspect_onnx_bytes(const OpRegistry& ops, std::string_view bytes, const std::string& folder);

struct OnnxSaveOptions {
  bool training = false;  // variables, assignments and every other node are kept, in operators of the domain weft
  int64_t opset = 0;      // of ai.onnx, 7 to 27; 0: the newest released, or a later one that an operator needs
  std::string weights;    // name of a safetensors file beside the model for tensors of 1 KiB and more; "": inline
  // Larger models are refused: protobuf's readers take no more.
  int64_t most_bytes = (int64_t{1} << 31) - (int64_t{1} << 20);
};

using VariableValues = std::map<std::string, Tensor, std::less<>>;

// The variables whose values `save_onnx` wants for these outputs.
Result<std::vector<std::string>> saved_variables(Graph& graph, const std::vector<ValueId>& outputs, bool training);

// Writes what `outputs` need, in operators of ONNX where they can say it and of the domain weft where not; a node of types
// that ONNX does not have its operator with is written as others, or is of the domain weft under its own name. With
// `training`, variables that `values` lacks keep the graph of their initial value; it knows the newest opset alone. For
// an `opset`, nodes are written in the forms of that time: UNIMPLEMENTED, with the node and the opset that it needs, where
// there is none. A failure leaves the old model, with its weights, as it was.
Status save_onnx(Graph& graph, const std::vector<ValueId>& outputs, const VariableValues& values,
                 const std::string& path, const OnnxSaveOptions& options);
// The same as bytes, weights and all.
Result<std::string> save_onnx_bytes(Graph& graph, const std::vector<ValueId>& outputs, const VariableValues& values,
                                    const OnnxSaveOptions& options);

}  // namespace weft
