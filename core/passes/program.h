// A program: a graph of its own with the values that go in and come out, cut out of what the user built.
#pragma once

#include <memory>
#include <vector>

#include "core/graph/graph.h"

namespace weft {

struct Program {
  std::shared_ptr<Graph> graph;
  std::vector<ValueId> inputs;  // values of nodes weft.Input
  std::vector<ValueId> outputs;
};

// A program cut out of a user's graph: what its inputs and outputs stand for.
struct Cut {
  Program program;
  // Input i is feed i for i < feed_count, then come the variables that are read.
  size_t feed_count = 0;
  std::vector<std::string> read_variables;
  // Output i is fetch i for i < fetch_count, then come the new values of the variables that are assigned.
  size_t fetch_count = 0;
  std::vector<std::string> assigned_variables;
  // The value an assigned variable must have the type of, for a store that has not met it: see `initial_values`.
  std::vector<ValueType> variable_types;  // of read_variables, then of assigned_variables
};

// Whether a value may be of type `is` where a copy of a program, or a pass, has something else in its place: more of the
// shape may be known, or less, and nothing else differs. Whoever runs it has memory for what the graph says, and a function
// of a program that builds bodies may give now this, now that.
Status check_kept_type(const ValueType& was, const ValueType& is);

// What `fetches` and `targets` (values that are only to be computed) need, with the assignments attached to the nodes on
// the way. The nodes come in the order of a walk from the fetches over input positions, so that nothing later depends
// on the order in which the user added them. An input that is needed and not fed is an error that names it.
Result<Cut> cut_program(const Graph& graph, const std::vector<ValueId>& feeds, const std::vector<ValueId>& fetches,
                        const std::vector<ValueId>& targets);

// The body of a sub-graph as a program: its inputs, then its captures, but those that are known: `known` has an entry for
// each capture, null where it is not.
Result<Program> subgraph_program(const Graph& graph, const std::vector<const Tensor*>& known);

}  // namespace weft
