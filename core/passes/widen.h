// Types that no kernel takes: a node computes in a wider type for which there is one, and its results are converted back.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/graph/graph.h"
#include "core/kernel/kernel.h"

namespace weft {

// What a node is to become between two rows of Cast.
struct Widening {
  std::vector<DType> inputs;   // what each is cast to; kNone where it stays as it is
  std::vector<DType> outputs;  // what each is made as before it is cast back; kNone where it stays
  Attrs attrs;
};

// Whether some input or output is of a type that has a wider one.
bool may_widen(const Graph& graph, const Node& node);

// The first change of type variables that `accepts` takes, or nothing. Of as few variables as can be, each to the nearest
// type that its operator allows; a variable that a sequence is of stays. All shapes must be numbers.
std::optional<Widening> find_widening(const Graph& graph, const Node& node,
                                      const std::function<bool(const KernelContext&)>& accepts);
// The same by types alone, whatever the shapes are.
std::optional<Widening> widening_that_fits(const Graph& graph, const Node& node,
                                           const std::function<bool(const Widening&)>& fits);

// For an operator without a kernel, whose body is to be computed without rounding halves in between. Nothing if it has none,
// or if an attribute says in which types its parts are computed.
std::optional<Widening> widen_halves(const Graph& graph, const Node& node);

}  // namespace weft
