// Functions of a model: which there are, and the attributes of calls.
#include "core/format/onnx_functions.h"

#include <algorithm>

#include "core/op/op_def.h"

namespace weft::onnx {

Result<int> onnx_opset(const OpsetsWire& opsets) {
  int64_t opset = 0;
  bool said = false;
  for (const auto& [domain, version] : opsets) {
    if (!onnx_domain(domain).empty()) continue;
    opset = version;
    said = true;
  }
  if (said && opset == 0) opset = 1;
  if (said && (opset < 1 || opset > kNewestOpset + 1)) {
    return unimplemented("it is of opset ", opset, "; opsets 1 to ", kNewestOpset + 1,
                         " can be read; onnx.version_converter brings a model down");
  }
  return static_cast<int>(opset);
}

Result<Functions> Functions::read(const std::vector<std::string_view>& functions) {
  Functions out;
  for (std::string_view bytes : functions) {
    Function function;
    WEFT_TRY(function.wire, read_function(bytes));
    const FunctionWire& wire = function.wire;
    Result<int> opset = onnx_opset(wire.opsets);
    if (!opset.ok()) return opset.status().within(cat("the function '", wire.name, "': "));
    function.opset = *opset;
    std::tuple key(onnx_domain(wire.domain), wire.name, wire.overload);
    if (out.functions_.count(key) != 0) {
      return data_loss("it has two functions '", wire.name, "' of the domain '", wire.domain, "'",
                       wire.overload.empty() ? "" : cat(" and the overload '", wire.overload, "'"));
    }
    out.functions_.emplace(key, std::move(function));
  }
  return out;
}

const Function* Functions::find(std::string_view domain, std::string_view name, std::string_view overload) const {
  auto at = functions_.find({domain, name, overload});
  return at == functions_.end() ? nullptr : &at->second;
}

Result<GivenAttributes> given_attributes(const NodeWire& node, const GivenAttributes* given, size_t frame) {
  GivenAttributes out;
  for (std::string_view bytes : node.attributes) {
    GivenAttribute attribute{{}, frame};
    WEFT_TRY(attribute.wire, read_attribute(bytes));
    const std::string_view name = attribute.wire.name;
    if (!attribute.wire.reference.empty()) {
      if (given == nullptr) {
        return data_loss("attribute '", name, "' stands for one of a function, but the node is in none");
      }
      auto at = given->find(attribute.wire.reference);
      if (at == given->end()) continue;
      attribute = at->second;
      attribute.wire.name = name;
    }
    if (!out.emplace(name, std::move(attribute)).second) return data_loss("attribute '", name, "' is given twice");
  }
  return out;
}

Status complete_attributes(const Function& function, size_t frame, GivenAttributes* given) {
  const FunctionWire& wire = function.wire;
  std::vector<std::string_view> known = wire.attributes;
  for (std::string_view bytes : wire.defaults) {
    WEFT_TRY(AttributeWire attribute, read_attribute(bytes));
    known.push_back(attribute.name);
    given->emplace(attribute.name, GivenAttribute{attribute, frame});
  }
  for (const auto& [name, attribute] : *given) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return invalid("the function '", wire.name, "' has no attribute '", name, "'");
    }
  }
  return {};
}

}  // namespace weft::onnx
