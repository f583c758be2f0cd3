// Scan as it was in opset 8.
#pragma once

#include "core/graph/graph.h"

namespace weft {

// Scan of opset 8 went through batches of sequences, each perhaps of a length of its own: a Scan of Scans today.
Status upgrade_scan_of_batches(UpgradeContext& c);

}  // namespace weft
