// Looks for the node that makes a value behind the one that uses it, and for the way from the one to the other.
#include "core/format/onnx_order.h"

#include <map>
#include <optional>

#include "core/base/text.h"
#include "core/format/onnx_wire.h"

namespace weft::onnx {

namespace {

// Of a longer cycle the beginning and the end are named.
constexpr size_t kMostNamed = 8;

// The nodes from one on that follow each other by what they make. What their sub-graphs use is not looked at.
class Following {
 public:
  Following(const std::vector<std::string_view>& nodes, size_t first) {
    for (size_t i = first; i < nodes.size(); ++i) {
      Result<NodeWire> node = read_node(nodes[i]);
      nodes_.push_back(node.ok() ? std::move(*node) : NodeWire());
      for (std::string_view output : nodes_.back().outputs) makers_.emplace(output, nodes_.size() - 1);
    }
  }

  std::optional<size_t> maker(std::string_view name) const {
    const auto at = makers_.find(name);
    return name.empty() || at == makers_.end() ? std::nullopt : std::optional<size_t>(at->second);
  }
  const NodeWire& node(size_t i) const { return nodes_[i]; }

  // The nodes on a shortest way from the first one to `last`, both among them; empty if what `last` makes does not come of it.
  std::vector<size_t> way_to(size_t last) const {
    std::vector<std::optional<size_t>> next(nodes_.size());
    std::vector<size_t> seen = {last};
    next[last] = last;
    for (size_t i = 0; i < seen.size() && !next[0]; ++i) {
      for (std::string_view input : nodes_[seen[i]].inputs) {
        const std::optional<size_t> from = maker(input);
        if (!from || next[*from]) continue;
        next[*from] = seen[i];
        seen.push_back(*from);
      }
    }
    std::vector<size_t> way;
    if (!next[0]) return way;
    for (size_t at = 0; at != last; at = *next[at]) way.push_back(at);
    way.push_back(last);
    return way;
  }

  // A node without a name is called what it gives.
  std::string label(size_t i) const {
    const NodeWire& node = nodes_[i];
    return cat("'", !node.name.empty() || node.outputs.empty() ? node.name : node.outputs[0], "'");
  }

 private:
  std::vector<NodeWire> nodes_;
  std::map<std::string_view, size_t> makers_;
};

}  // namespace

std::string why_missing(const std::vector<std::string_view>& nodes, size_t at, std::string_view name) {
  const Following following(nodes, at);
  const std::optional<size_t> maker = following.maker(name);
  if (!maker) return "";
  const std::vector<size_t> way = following.way_to(*maker);
  if (way.empty()) {
    return cat("a later node of ", following.node(*maker).op_type, " makes, ", following.label(*maker),
               "; the nodes of a file must stand in the order in which they are computed");
  }
  std::vector<std::string> labels;
  for (size_t i = 0; i < way.size(); ++i) {
    if (way.size() > kMostNamed && i == kMostNamed / 2) {
      labels.push_back("...");
      i = way.size() - kMostNamed / 2;
    }
    labels.push_back(following.label(way[i]));
  }
  labels.push_back(following.label(0));
  return cat("comes of what it gives: ", join(labels, " -> "), " is a cycle");
}

}  // namespace weft::onnx
