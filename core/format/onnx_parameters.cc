// Which weights of a model are parameters.
#include "core/format/onnx_parameters.h"

#include <algorithm>
#include <cmath>

namespace weft::onnx {
namespace {

// Where PyTorch's exporter (dynamo) says what each weight was in the module.
constexpr std::string_view kMark = "pkg.torch.export.graph_signature.InputSpec.kind";

// Numbers of this size stand in masks, not in weights.
constexpr double kMask = 1e9;

// Inputs of nodes that are no parameters, whatever they look like: states, scales of bytes and of sizes, tables.
struct OtherInput {
  std::string_view op;
  size_t input;
};
constexpr OtherInput kOthers[] = {{"BatchNormalization", 3},
                                  {"BatchNormalization", 4},
                                  {"LSTM", 5},
                                  {"LSTM", 6},
                                  {"GRU", 5},
                                  {"RNN", 5},
                                  {"QuantizeLinear", 1},
                                  {"DequantizeLinear", 1},
                                  {"QLinearConv", 1},
                                  {"QLinearConv", 4},
                                  {"QLinearConv", 6},
                                  {"QLinearMatMul", 1},
                                  {"QLinearMatMul", 4},
                                  {"QLinearMatMul", 6},
                                  {"Upsample", 1},
                                  {"Resize", 1},
                                  {"Resize", 2},
                                  {"OneHot", 2},
                                  {"RotaryEmbedding", 1},
                                  {"RotaryEmbedding", 2},
                                  {"NonMaxSuppression", 3},
                                  {"NonMaxSuppression", 4},
                                  {"STFT", 2}};

template <typename T>
bool all_small(const Tensor& tensor) {
  const T* first = tensor.as<T>();
  return std::all_of(first, first + tensor.count(), [](T value) { return std::abs(value) < kMask; });  // false for NaN
}

}  // namespace

Result<Parameters> Parameters::read(const GraphWire& graph) {
  Parameters out;
  WEFT_CHECK(out.read_own(graph));
  if (out.own_) return out;
  WEFT_CHECK(out.read_marks(graph));
  WEFT_CHECK(out.read_others(graph));
  return out;
}

bool Parameters::has(std::string_view name, const Tensor& weight) const {
  if (own_) return marked_.count(name) != 0;
  if (marked_.count(name) != 0) return true;
  if (others_.count(name) != 0) return false;
  // A bias has one axis and the weights of one unit have two; an epsilon has none, or as many as what it is added to.
  if (weight.count() == 1 && (weight.rank() == 0 || weight.rank() > 2)) return false;
  return weight.dtype() == DType::kF32 ? all_small<float>(weight) : all_small<double>(weight);
}

Status Parameters::read_own(const GraphWire& graph) {
  for (std::string_view bytes : graph.initializers) {
    WEFT_TRY(TensorWire wire, read_tensor(bytes));
    for (const auto& [key, value] : wire.metadata) {
      if (key != kTrainableMark) continue;
      own_ = true;
      if (value == "1") marked_.emplace(wire.name);
    }
  }
  return {};
}

Status Parameters::read_marks(const GraphWire& graph) {
  for (std::string_view bytes : graph.values) {
    WEFT_TRY(ValueWire value, read_value_info(bytes));
    for (const auto& [key, kind] : value.metadata) {
      if (key == kMark) (kind == "PARAMETER" ? marked_ : others_).emplace(value.name);
    }
  }
  return {};
}

// From the last node, as weights that were equal reach nodes through Identity.
Status Parameters::read_others(const GraphWire& graph) {
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    WEFT_TRY(NodeWire node, read_node(graph.nodes[i]));
    for (const OtherInput& other : kOthers) {
      if (node.op_type == other.op && other.input < node.inputs.size()) others_.emplace(node.inputs[other.input]);
    }
    if (node.op_type == "Identity" && node.inputs.size() == 1 && node.outputs.size() == 1 &&
        others_.count(node.outputs[0]) != 0) {
      others_.emplace(node.inputs[0]);
    }
  }
  return {};
}

}  // namespace weft::onnx
