// The parts of an ONNX file as they lie in its bytes: what protozero gives, in structs that point into the file.
// Sub-messages that may nest (graphs of attributes) stay bytes until they are looked at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/status.h"

namespace weft::onnx {

// AttributeProto.AttributeType
enum : int32_t {
  kTypeFloat = 1,
  kTypeInt = 2,
  kTypeString = 3,
  kTypeTensor = 4,
  kTypeGraph = 5,
  kTypeFloats = 6,
  kTypeInts = 7,
  kTypeStrings = 8,
  kTypeSparse = 11,
  kTypeType = 13,
};

// Metadata of a weight that was a variable where it was saved: whether optimizers train it, "1" or "0".
inline constexpr std::string_view kTrainableMark = "weft.trainable";
// Metadata of a node: the name of an attribute that is a hint stands behind it, and the value is "1" or "0".
inline constexpr std::string_view kHintPrefix = "weft.";

struct TensorWire {
  std::string_view name;
  std::vector<int64_t> dims;
  int32_t data_type = 0;
  bool has_raw = false;
  std::string_view raw;
  // Of the typed fields, the one that the data type says is used.
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> ints;  // int32_data, int64_data or uint64_data
  std::vector<std::string_view> strings;
  int32_t data_location = 0;  // 1: external
  std::vector<std::pair<std::string_view, std::string_view>> external, metadata;
};

// Values and where they stand in a tensor of those dimensions.
struct SparseWire {
  TensorWire values, indices;  // the name is that of the values
  std::vector<int64_t> dims;
};

struct AttributeWire {
  std::string_view name;
  std::string_view reference;  // in a function: the attribute of the function that it stands for
  int32_t type = 0;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::string_view tensor;  // a TensorProto
  std::string_view graph;   // a GraphProto
  std::string_view type_proto;
  std::string_view sparse;  // a SparseTensorProto
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
};

struct NodeWire {
  std::string_view name, op_type, domain, overload;
  std::vector<std::string_view> inputs, outputs;
  std::vector<std::string_view> attributes;  // AttributeProto each
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
};

struct DimWire {
  bool has_value = false;
  int64_t value = 0;
  std::string_view param;
};

// A type of a tensor, a map, a sequence of these, or an optional of a tensor or of a sequence.
struct ValueWire {
  std::string_view name;
  bool is_sequence = false;
  bool is_optional = false;
  int32_t key_type = 0;   // of a map, whose values are of elem_type; 0 if it is none
  bool is_known = false;  // a type that we read
  int32_t elem_type = 0;
  bool has_shape = false;
  std::vector<DimWire> dims;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
};

struct GraphWire {
  std::string_view name;
  std::vector<std::string_view> nodes, initializers, sparse_initializers;  // NodeProto, TensorProto, SparseTensorProto
  std::vector<std::string_view> values;  // ValueInfoProto of what is neither input nor output
  std::vector<ValueWire> inputs, outputs;
};

using OpsetsWire = std::vector<std::pair<std::string_view, int64_t>>;  // domain and version

// A function of a model's own: what its nodes compute of the inputs stands for a node of its name.
struct FunctionWire {
  std::string_view name, domain, overload;
  std::vector<std::string_view> inputs, outputs;
  std::vector<std::string_view> attributes;  // names of those without a default
  std::vector<std::string_view> defaults;    // AttributeProto each
  std::vector<std::string_view> nodes;       // NodeProto
  OpsetsWire opsets;
};

struct ModelWire {
  int64_t ir_version = 0;
  std::string_view producer, producer_version;
  std::string_view graph;
  bool has_graph = false;
  OpsetsWire opsets;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  std::vector<std::string_view> functions;  // FunctionProto each
};

// DATA_LOSS for bytes that are no such message.
Result<ModelWire> read_model(std::string_view bytes);
Result<FunctionWire> read_function(std::string_view bytes);
Result<GraphWire> read_graph(std::string_view bytes);
Result<NodeWire> read_node(std::string_view bytes);
Result<AttributeWire> read_attribute(std::string_view bytes);
Result<TensorWire> read_tensor(std::string_view bytes);
Result<SparseWire> read_sparse(std::string_view bytes);
Result<ValueWire> read_type_proto(std::string_view bytes);
Result<ValueWire> read_value_info(std::string_view bytes);

}  // namespace weft::onnx
