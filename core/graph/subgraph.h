// Sub-graphs: copies of them, and what their types must be like for the node that has them.
#pragma once

#include <memory>
#include <vector>

#include "core/graph/graph.h"

namespace weft {

// What stands in `to` for values of another graph, kNoValue for kNoValue: constants where they are, so that rules know them,
// and inputs of the same types.
Result<std::vector<ValueId>> add_stand_ins(const Graph& from, const std::vector<ValueId>& values, Graph& to);

// Copies the nodes that `roots` need into `to`. `map` has an entry for each value of `from`: where inputs went, and then
// where all the others did. What has an entry is not copied.
Status copy_nodes(const Graph& from, const std::vector<ValueId>& roots, Graph& to, std::vector<ValueId>* map);

// The same sub-graph for a node of `parent`: its inputs are of these types, and its captures, in their order, the values
// `outer` of `parent`.
Result<std::shared_ptr<Graph>> copy_subgraph(const Graph& from, const std::shared_ptr<Graph>& parent,
                                             const std::vector<ValueType>& inputs, const std::vector<ValueId>& outer);

// A sub-graph for a node of `op` that is to have these inputs and attributes, with the inputs that such a node gives it.
Result<std::shared_ptr<Graph>> make_body(const std::shared_ptr<Graph>& parent, const OpDef& op,
                                         const std::vector<ValueId>& inputs, const Attrs& attrs);

// Whether a value of type `outer` can come in where `inner` was expected: nothing is said of it that need not be so.
// Symbols of `inner` stand for one dimension throughout.
class TypeFit {
 public:
  // The symbols of this type stand for themselves.
  void fix(const ValueType& type);
  bool fits(const ValueType& inner, const ValueType& outer);
  // What fits both: other dimensions get symbols of their own, which begin with `prefix`.
  static ValueType widened(const ValueType& inner, const ValueType& outer, const TypeFit& fit, std::string_view prefix);

 private:
  bool fits(const Dim& inner, const Dim& outer) const;

  std::vector<std::pair<Dim, Dim>> bound_;
};

// Whether a dimension of a value inside of `sub` means something outside: a number, or a symbol that came in with a
// captured value or with one of `given`.
bool known_outside(const Dim& dim, const Graph& sub, const std::vector<const ValueType*>& given = {});

// What leaves an iteration as it enters the next one: where an optional enters, what it holds may leave.
ValueType as_carried(const ValueType& out, const ValueType& in);

// Whether `out`, a bool, is `in` itself or true: then a loop that goes on as long as it holds ends by its count alone.
bool always_holds(const Graph& graph, ValueId out, ValueId in);

}  // namespace weft
