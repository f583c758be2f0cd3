// Graphs for people.
#include "core/graph/print.h"

namespace weft {

namespace {

std::string attrs_text(const Node& node) {
  std::string out;
  for (const auto& [name, value] : node.attrs) {
    const AttrDef* def = node.op->find_attr(name);
    if (def != nullptr && def->default_value && node.op->held(*def->default_value) == value) continue;
    out += cat(out.empty() ? "" : ", ", name, "=", value.text());
  }
  return out;
}

// Text inside a DOT string in quotes.
std::string dot_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

const char* color_of(const Node& node) {
  if (node.is(kWeftDomain, "Input")) return "#cfe8ff";
  if (node.is(kWeftDomain, "Variable")) return "#ffe3b3";
  if (node.is("Constant")) return "#eeeeee";
  if (node.is(kWeftDomain, "Assign")) return "#ffd0d0";
  return "#ffffff";
}

}  // namespace

std::string graph_text(const Graph& graph) {
  std::string out;
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    std::string left;
    for (int i = 0; i < node.output_count; ++i) {
      const Value& value = graph.value(node.output(i));
      left += cat(left.empty() ? "" : ", ", value.name, ": ", value.type.text());
    }
    std::string right;
    for (ValueId input : node.inputs) {
      right += cat(right.empty() ? "" : ", ", input == kNoValue ? std::string("-") : graph.value(input).name);
    }
    std::string attrs = attrs_text(node);
    out += cat(left, " = ", node.op->full_name(), "(", right, ")", attrs.empty() ? "" : " {", attrs,
               attrs.empty() ? "" : "}");
    if (!node.origin.empty()) out += cat("  # ", node.origin);
    out += '\n';
  }
  if (!graph.outputs().empty()) {
    out += "return";
    for (ValueId id : graph.outputs()) out += cat(" ", graph.value(id).name);
    out += '\n';
  }
  return out;
}

std::string graph_dot(const Graph& graph) {
  std::string out =
      "digraph weft {\n  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", "
      "fontsize=10];\n"
      "  edge [fontname=\"Helvetica\", fontsize=8];\n";
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    out += cat("  n", id, " [label=\"", dot_text(node.op->full_name()), "\\n", dot_text(node.name), "\", fillcolor=\"",
               color_of(node), "\"];\n");
    for (ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const Value& value = graph.value(input);
      out += cat("  n", value.node, " -> n", id, " [label=\"", dot_text(value.type.text()), "\"];\n");
    }
  }
  return out + "}\n";
}

std::string name_in_errors(const Graph& graph, std::string_view name, std::string_view op) {
  const std::string scope = graph.scoped("");
  if (name.empty() && !scope.empty()) name = split_op_name(op).second;
  return cat(scope, name);
}

std::string value_in_errors(const Graph& graph, ValueId id) {
  const std::string& origin = graph.producer(id).origin;
  return cat("'", graph.value(id).name, "'", origin.empty() ? "" : cat(" (built at ", origin, ")"));
}

std::string body_in_errors(const Graph& graph) {
  return cat("the body of a sub-graph (a loop, a scan or a branch)", graph.finished() ? ", which is finished" : "");
}

}  // namespace weft
