// Copies and waits between the processor and a device.
#include "core/plan/place.h"

#include <cstring>

namespace weft {

namespace {

struct CopyState {
  int64_t bytes;
};

void copy_on_host(const CopyState& state, const RunArgs& args) {
  if (state.bytes > 0) std::memcpy(args.out[0], args.in[0], state.bytes);
}

template <Status (Stream::*Copy)(void*, const void*, int64_t, int32_t)>
void copy_on_stream(const CopyState& state, const RunArgs& args) {
  if (state.bytes > 0) *args.status = (args.stream->*Copy)(args.out[0], args.in[0], state.bytes, args.step);
}

Draft copy_draft(const Graph& graph, ValueId id, Side from, Side to) {
  Draft draft;
  draft.copied = id;
  draft.inputs = {id};
  draft.reads = from;
  draft.writes = to;
  const CopyState state{bytes_of(graph.type(id))};
  PreparedKernel& kernel = draft.kernel;
  if (from == Side::kHost && to == Side::kHost) {
    kernel.use<&copy_on_host>(state);
    kernel.name = "copy";
  } else if (from == Side::kHost) {
    kernel.use<&copy_on_stream<&Stream::copy_in>>(state);
    kernel.name = "copy_in";
  } else if (to == Side::kHost) {
    kernel.use<&copy_on_stream<&Stream::copy_out>>(state);
    kernel.name = "copy_out";
  } else {
    kernel.use<&copy_on_stream<&Stream::copy>>(state);
    kernel.name = "copy";
  }
  draft.op = kernel.name;
  return draft;
}

}  // namespace

Placement::Placement(const Graph& graph, const std::vector<ValueId>& inputs, const std::vector<Side>& sides,
                     bool has_device)
    : graph_(graph),
      has_device_(has_device),
      has_(2 * static_cast<size_t>(graph.value_count()), false),
      copied_out_(static_cast<size_t>(graph.value_count()), -1) {
  for (size_t i = 0; i < inputs.size(); ++i) add(inputs[i], sides[i]);
}

void Placement::run(const FlatOutputs& outputs, std::vector<Draft>& drafts) {
  std::vector<Draft> placed;
  for (Draft& draft : drafts) {
    for (ValueId id : draft.inputs) {
      if (id == kNoValue || graph_.value(id).constant == nullptr) continue;
      add(id, Side::kHost);  // planning puts a constant wherever it is read
      if (has_device_) add(id, Side::kDevice);
    }
    if (draft.is_view()) {
      const ValueId in = draft.inputs[0], out = draft.outputs[0];
      for (Side side : {Side::kHost, Side::kDevice}) {
        if (has(in, side)) add(out, side);
      }
      copied_out_[out] = copied_out_[in];
    } else if (draft.copy_to >= 0) {
      placed.push_back(copy_to_output(draft.copied, draft.copy_to, outputs.sides[draft.copy_to]));
      continue;
    } else {
      bool early = false;
      for (size_t i = 0; i < draft.inputs.size(); ++i) {
        if (!draft.reads_input(i)) continue;
        if (!has(draft.inputs[i], draft.reads)) copy_across(draft.inputs[i], draft.reads, placed);
        early = early || (draft.reads == Side::kHost && under_way(draft.inputs[i]));
      }
      if (early) wait(placed);
      for (ValueId id : draft.outputs) add(id, draft.writes);
    }
    placed.push_back(std::move(draft));
  }
  drafts = std::move(placed);
}

Draft Placement::copy_to_output(ValueId id, int32_t slot, Side side) const {
  // What lies on the device is copied from there: the other copy may be under way.
  const Side from = has(id, Side::kDevice) && graph_.value(id).constant == nullptr ? Side::kDevice : Side::kHost;
  Draft draft = copy_draft(graph_, id, from, side);
  draft.copy_to = slot;
  return draft;
}

void Placement::copy_across(ValueId id, Side to, std::vector<Draft>& placed) {
  Draft draft = copy_draft(graph_, id, to == Side::kHost ? Side::kDevice : Side::kHost, to);
  draft.outputs = {id};
  placed.push_back(std::move(draft));
  add(id, to);
  if (to == Side::kHost) copied_out_[id] = waits_;
}

void Placement::wait(std::vector<Draft>& placed) {
  Draft draft;
  draft.waits = true;
  draft.op = "wait";
  placed.push_back(std::move(draft));
  ++waits_;
}

}  // namespace weft
