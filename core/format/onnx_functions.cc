// Functions of a model: which there are, and the attributes of calls.
#include "core/format/onnx_functions.h"

#include <algorithm>
#include <map>

#include "core/op/op_def.h"

namespace weft::onnx {

Result<Opsets> read_opsets(const OpsetsWire& wire, const Opsets& otherwise) {
  Opsets out = otherwise;
  std::map<std::string_view, int64_t> said;
  for (const auto& [name, written] : wire) {
    const std::string_view domain = onnx_domain(name);
    const int64_t version = written == 0 ? 1 : written;
    auto [at, first] = said.emplace(domain, version);
    if (!first && at->second != version) {
      return data_loss("it names the domain '", domain, "' twice, as version ", at->second, " and ", version);
    }
    const int last = Opsets::last_of(domain);
    if (domain.empty() && (version < 1 || version > last)) {
      return unimplemented("it is of opset ", version, "; opsets 1 to ", last,
                           " can be read; onnx.version_converter brings a model down");
    }
    // Of the other domains what cannot be read may stand unused; a node of it is refused.
    out.set(domain, version < 1 || version > last ? last + 1 : static_cast<int>(version));
  }
  return out;
}

Result<Opsets> opsets_of(const ModelWire& model) {
  if (!model.has_graph) return data_loss("it holds no graph; is it an ONNX model?");
  const int unnamed = model.opsets.empty() ? 1 : 0;  // files from before opsets name none
  return read_opsets(model.opsets, {unnamed, unnamed});
}

Result<Functions> Functions::read(const std::vector<std::string_view>& functions, const Opsets& model) {
  Functions out;
  for (std::string_view bytes : functions) {
    Function function;
    WEFT_TRY(function.wire, read_function(bytes));
    const FunctionWire& wire = function.wire;
    Result<Opsets> opsets = read_opsets(wire.opsets, model);
    if (!opsets.ok()) return opsets.status().within(cat("the function '", wire.name, "': "));
    function.opsets = *opsets;
    std::tuple key(onnx_domain(wire.domain), wire.name, wire.overload);
    if (out.functions_.count(key) != 0) {
      return data_loss("it has two functions '", wire.name, "' of the domain '", wire.domain, "'",
                       wire.overload.empty() ? "" : cat(" and the overload '", wire.overload, "'"));
    }
    out.functions_.emplace(key, std::move(function));
  }
  out.count_nodes();
  return out;
}

// Each function once, after those that it calls.
void Functions::count_nodes() {
  struct Open {
    Function* function;
    size_t next = 0;  // of its nodes
  };
  std::map<const Function*, bool> done;  // of those that were begun
  std::vector<Open> open;
  for (auto& [key, root] : functions_) {
    if (!done.emplace(&root, false).second) continue;
    open.push_back({&root});
    while (!open.empty()) {
      Open& here = open.back();
      if (here.next == here.function->wire.nodes.size()) {
        done[here.function] = true;
        open.pop_back();
        continue;
      }
      // What is wrong with a node is said where it is used.
      const Result<NodeWire> node = read_node(here.function->wire.nodes[here.next]);
      auto called = functions_.end();
      if (node.ok()) called = functions_.find({onnx_domain(node->domain), node->op_type, node->overload});
      if (called != functions_.end() && done.emplace(&called->second, false).second) {
        open.push_back({&called->second});
        continue;
      }
      const bool counts = called != functions_.end() && done[&called->second];
      const int64_t more = 1 + (counts ? called->second.nodes : 0);
      here.function->nodes = std::min(kMostCounted, here.function->nodes + more);
      ++here.next;
    }
  }
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
