// Whose memory values lie in: puts copies between the processor's and the device's where a step needs what the other
// side made, and waits where the processor needs what the device may not have finished.
#pragma once

#include <vector>

#include "core/plan/draft.h"

namespace weft {

class Placement {
 public:
  // `inputs` of the program lie on the sides `sides`, of which there is but one without a device.
  Placement(const Graph& graph, const std::vector<ValueId>& inputs, const std::vector<Side>& sides, bool has_device);

  void run(const FlatOutputs& outputs, std::vector<Draft>& drafts);
  // Of a value that is there when the last draft has run.
  Draft copy_to_output(ValueId id, int32_t slot, Side side) const;

 private:
  bool has(ValueId id, Side side) const { return has_[2 * static_cast<size_t>(id) + static_cast<size_t>(side)]; }
  void add(ValueId id, Side side) { has_[2 * static_cast<size_t>(id) + static_cast<size_t>(side)] = true; }
  bool under_way(ValueId id) const { return copied_out_[id] == waits_; }
  void copy_across(ValueId id, Side to, std::vector<Draft>& placed);
  void wait(std::vector<Draft>& placed);

  const Graph& graph_;
  const bool has_device_;
  std::vector<bool> has_;  // by value and side
  // By value: how many waits there were when its copy to the processor's memory was begun; -1 if there is none.
  std::vector<int32_t> copied_out_;
  int32_t waits_ = 0;
};

}  // namespace weft
