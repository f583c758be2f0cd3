// The operators that a model's nodes name, in its graphs, in graphs within them and in functions of its own.
#pragma once

#include <map>
#include <string>

#include "core/format/onnx_functions.h"
#include "core/op/registry.h"

namespace weft::onnx {

struct OperatorUse {
  int64_t nodes = 0;
  std::string first;      // the first node, by its name or else its output
  bool function = false;  // it is a function of the model's own
  std::string problem;    // why it cannot be read; "" if it can
};

struct ModelUse {
  std::map<std::string, OperatorUse> operators;  // by full name
  // Of the weights of all graphs.
  int64_t weights = 0, weight_elements = 0, weight_bytes = 0;
};

// The operator that a node of a file names, null for none. One of the domain `weft` may be one of ONNX's, of the version that
// the file is of: it stands there where its node is of types that ONNX does not have it with.
const OpDef* operator_of(const OpRegistry& ops, std::string_view domain, std::string_view name);

// That nodes of an operator can be read. `version` is that of its domain.
Status check_operator(const OpRegistry& ops, std::string_view domain, std::string_view name, int version);

// `opsets` are those of the model's graph. DATA_LOSS where a part of the file cannot be taken apart.
Result<ModelUse> used_by(const ModelWire& model, const Functions& functions, const Opsets& opsets,
                         const OpRegistry& ops);

}  // namespace weft::onnx
