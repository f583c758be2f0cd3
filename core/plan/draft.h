// A step of a plan's flat part before it has addresses, and what the flat part hands on.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/graph.h"
#include "core/kernel/kernel.h"

namespace weft {

// Whose memory.
enum class Side : uint8_t { kHost, kDevice };

struct Draft {
  const Node* node = nullptr;  // none of a copy or wait, the last one of fused steps
  bool fused = false;
  std::string op;  // what it is called in errors and traces
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Side reads = Side::kHost, writes = Side::kHost;
  std::vector<std::pair<int, int>> inplace;  // an output and an input that may have one place
  PreparedKernel kernel;
  ValueId copied = kNoValue;
  int32_t copy_to = -1;  // a flat output
  bool waits = false;    // for all that the stream has been given; no kernel

  bool is_view() const { return node != nullptr && !fused && node->op->is_view(); }
  // Whether it looks at more of the input than its shape.
  bool reads_input(size_t i) const {
    if (inputs[i] == kNoValue) return false;
    if (node == nullptr || fused) return true;
    const Formal* formal = node->op->input_formal(static_cast<int>(i));
    return formal == nullptr || !formal->shape_only;
  }
};

struct FlatOutputs {
  std::vector<ValueId> ids;
  std::vector<Side> sides;
  std::vector<int32_t> slot_of;  // by value: the output that it is made as; -1 for none
};

inline int64_t bytes_of(const ValueType& type) {
  int64_t count = 1;
  for (const Dim& dim : type.dims) count *= dim.value();
  return dtype_bytes(type.dtype, count);
}

// What an address may lie in: neither strings nor sequences.
inline bool is_plain(const ValueType& type) { return type.kind == Kind::kTensor && type.dtype != DType::kString; }

}  // namespace weft
