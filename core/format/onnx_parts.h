// What is written in the place of a node: the operators that it is made of, its form in an older opset, or its like of wider
// types.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/format/onnx_history.h"
#include "core/graph/graph.h"

namespace weft::onnx {

struct Parts {
  std::shared_ptr<Graph> graph;  // of their own
  std::vector<ValueId> given;    // what stands there for each input of the node; kNoValue for one that is omitted
  NodeId first = 0;              // the nodes from here on are the parts
  // The node's outputs, kNoValue for one that is not made; or else (`def` is not null) the node itself, which comes last, as
  // it is to be written: its operator as it is today, and the name that it has in the file.
  std::vector<ValueId> outputs;
  const OpDef* def = nullptr;
  std::string op;
  std::vector<ValueId> inputs;
  Attrs attrs;
};

// The node as it is, one of the operator `op` of ai.onnx; it points into the graph.
NodeForm form_of(const Graph& graph, const Node& node, const OpDef& op);

// The operators that the node's is made of; it has a body.
Result<Parts> body_of(const Graph& graph, const Node& node);

// The node, one of the operator `op` of ai.onnx, as that opset knows it; or other operators of today that say the same.
// UNIMPLEMENTED, with the opset that it needs and why, where there is neither.
Result<Parts> older_form(const Graph& graph, const Node& node, const OpDef& op, const OpHistory& history, int opset);

// For a node of types that no version of its operator has: the operator of wider types that today's has, between Casts, which
// gives the same numbers, as the kernels compute narrow types so too. Nothing if there are none, or where its body says in
// which types its parts are computed.
Result<std::optional<Parts>> wider_form(const Graph& graph, const Node& node, const OpHistory& history);

}  // namespace weft::onnx
