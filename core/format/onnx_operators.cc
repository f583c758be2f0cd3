// Which operators a model uses.
#include "core/format/onnx_operators.h"

#include <vector>

#include "core/base/text.h"
#include "core/format/onnx_tensor.h"

namespace weft::onnx {

namespace {

// Graphs within graphs wait in a list, however deep a file nests them.
struct Nodes {
  std::vector<std::string_view> nodes;
  const Opsets* opsets;
};

class Walk {
 public:
  Walk(const Functions& functions, const OpRegistry& ops) : functions_(functions), ops_(ops) {}

  Result<ModelUse> run(const ModelWire& model, const Opsets& opsets) {
    WEFT_CHECK(add_graph(model.graph, opsets));
    functions_.for_each([this](const Function& function) {
      waiting_.push_back({function.wire.nodes, &function.opsets});
    });
    for (size_t i = 0; i < waiting_.size(); ++i) {
      const Nodes nodes = std::move(waiting_[i]);
      for (std::string_view bytes : nodes.nodes) WEFT_CHECK(add_node(bytes, *nodes.opsets));
    }
    return std::move(use_);
  }

 private:
  Status add_graph(std::string_view bytes, const Opsets& opsets) {
    WEFT_TRY(GraphWire graph, read_graph(bytes));
    for (std::string_view weight : graph.initializers) {
      WEFT_TRY(const TensorWire wire, read_tensor(weight));
      WEFT_CHECK(add_weight(wire.data_type, wire.dims));
    }
    for (std::string_view weight : graph.sparse_initializers) {
      WEFT_TRY(const SparseWire wire, read_sparse(weight));
      WEFT_CHECK(add_weight(wire.values.data_type, wire.dims));
    }
    waiting_.push_back({std::move(graph.nodes), &opsets});
    return {};
  }

  Status add_weight(int32_t data_type, const std::vector<int64_t>& dims) {
    WEFT_TRY(const int64_t count, element_count(dims));
    ++use_.weights;
    use_.weight_elements += count;
    // Loading says what is wrong with another type.
    if (data_type >= 1 && data_type < kDTypeCount)
      use_.weight_bytes += dtype_bytes(static_cast<DType>(data_type), count);
    return {};
  }

  Status add_node(std::string_view bytes, const Opsets& opsets) {
    WEFT_TRY(const NodeWire node, read_node(bytes));
    const std::string_view domain = onnx_domain(node.domain);
    OperatorUse& use = use_.operators[domain.empty() ? std::string(node.op_type) : cat(domain, ".", node.op_type)];
    if (++use.nodes == 1) {
      use.first = !node.name.empty() ? node.name : node.outputs.empty() ? "" : node.outputs[0];
      use.function = functions_.find(domain, node.op_type, node.overload) != nullptr;
      if (!use.function) use.problem = check_operator(ops_, domain, node.op_type, opsets.of(domain)).message();
    }
    for (std::string_view attribute_bytes : node.attributes) {
      WEFT_TRY(const AttributeWire attribute, read_attribute(attribute_bytes));
      if (attribute.type == kTypeGraph) WEFT_CHECK(add_graph(attribute.graph, opsets));
    }
    return {};
  }

  const Functions& functions_;
  const OpRegistry& ops_;
  std::vector<Nodes> waiting_;
  ModelUse use_;
};

}  // namespace

const OpDef* operator_of(const OpRegistry& ops, std::string_view domain, std::string_view name) {
  const OpDef* op = ops.find(domain, name);
  return op == nullptr && domain == kWeftDomain ? ops.find(kOnnxDomain, name) : op;
}

Status check_operator(const OpRegistry& ops, std::string_view domain, std::string_view name, int version) {
  const bool by_the_reader = (domain == kWeftDomain && (name == "Attach" || name == "Variable")) ||
                             (domain == kTrainingDomain && name == "Gradient");
  if (by_the_reader) return {};
  const std::string full = domain.empty() ? std::string(name) : cat(domain, ".", name);
  const OpDef* op = operator_of(ops, domain, name);
  if (op == nullptr) return unimplemented("the operator ", full, " is not known");
  if (version == 0) {
    return data_loss("the model has a node of the domain '", domain, "' but does not say of which version");
  }
  if (version > Opsets::last_of(domain)) {
    return unimplemented("the model names a version of the domain ", domain, " that cannot be read; versions 1 to ",
                         Opsets::last_of(domain), " can be");
  }
  if (op->is_internal()) return data_loss("it has the operator ", full, ", which no file can hold");
  return {};
}

Result<ModelUse> used_by(const ModelWire& model, const Functions& functions, const Opsets& opsets,
                         const OpRegistry& ops) {
  return Walk(functions, ops).run(model, opsets);
}

}  // namespace weft::onnx
