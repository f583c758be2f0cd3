// Checkpoints: every variable of a session's graph in a safetensors file, in the order of their names.
#pragma once

#include <string>
#include <vector>

#include "core/runtime/session.h"
#include "core/tensor/safetensors.h"

namespace weft {

// The values of those variables of the graph, in that order, all as of one moment; one without a value yet gets its
// initial one first.
Result<NamedTensors> values_at_once(Session& session, const std::vector<std::string>& names);

// All variables as of one moment, those without a value yet with their initial one.
Status save_checkpoint(Session& session, const std::string& path);

// Sets every variable of the graph, all in one moment or none. The file must have the graph's variables and no others,
// unless `partial`: then those that are in both are set.
Status load_checkpoint(Session& session, const std::string& path, bool partial);

}  // namespace weft
