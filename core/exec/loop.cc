// Runs the body of a Loop or Scan again and again.
#include "core/exec/loop.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/exec/entry.h"
#include "core/graph/subgraph.h"
#include "core/tensor/packed.h"
#include "core/tensor/truth.h"

namespace weft {

namespace {

constexpr int64_t kAnyNumber = -1;
// Room for so many bytes is made at once where nobody knows how many iterations there will be.
constexpr int64_t kFirstRoomBytes = 1 << 12;

int64_t axis_of(const std::vector<int64_t>& axes, size_t i) { return i < axes.size() ? axes[i] : 0; }
bool backward_of(const std::vector<int64_t>& directions, size_t i) {
  return i < directions.size() && directions[i] != 0;
}

int64_t product(Shape::const_iterator begin, Shape::const_iterator end) {
  int64_t count = 1;
  for (; begin != end; ++begin) count *= *begin;
  return count;
}

void clear(Tensor& tensor) {
  if (tensor.bytes() > 0) std::memset(tensor.mutable_data(), 0, static_cast<size_t>(tensor.bytes()));
}

}  // namespace

Stretch Stretch::of(DType dtype, int64_t count) {
  if (dtype == DType::kString) return {kStrings, count};
  const bool packed = dtype_bits(dtype) < 8 && count % (8 / dtype_bits(dtype)) != 0;
  return packed ? Stretch{kPacked, count} : Stretch{kBytes, dtype_bytes(dtype, count)};
}

// -- What is scanned.

Result<Scanned> Scanned::make(Tensor whole, int64_t axis, bool backward) {
  WEFT_TRY(axis, InferContext::axis(axis, whole.rank()));
  Scanned scanned;
  const Shape& shape = whole.shape();
  scanned.item = shape;
  scanned.item.erase(scanned.item.begin() + axis);
  scanned.length = shape[axis];
  scanned.outer = product(shape.begin(), shape.begin() + axis);
  scanned.inner = Stretch::of(whole.dtype(), product(shape.begin() + axis + 1, shape.end()));
  scanned.backward = backward;
  scanned.whole = std::move(whole);
  return scanned;
}

const char* Scanned::address(int64_t iteration) const { return whole.as<char>() + place(iteration) * inner.size; }

Result<Tensor> Scanned::at(int64_t iteration) const {
  const int64_t at = place(iteration);
  if (inner.unit == Stretch::kStrings) {
    std::vector<std::string> strings;
    for (int64_t o = 0; o < outer; ++o) {
      auto begin = whole.strings().begin() + (o * length + at) * inner.size;
      strings.insert(strings.end(), begin, begin + inner.size);
    }
    return Tensor::from_strings(item, std::move(strings));
  }
  if (in_place() && whole.buffer() != nullptr) {
    (void)whole.data();
    return Tensor::over(whole.dtype(), item, whole.buffer(), whole.offset() + at * inner.size);
  }
  WEFT_TRY(Tensor out, Tensor::make(whole.dtype(), item));
  if (inner.unit == Stretch::kPacked) clear(out);
  for (int64_t o = 0; o < outer && inner.size > 0; ++o) {
    const int64_t from = (o * length + at) * inner.size, to = o * inner.size;
    if (inner.unit == Stretch::kPacked)
      copy_packed(out.mutable_data(), to, whole.data(), from, inner.size, dtype_bits(whole.dtype()));
    else
      std::memcpy(out.as<char>() + to, whole.as<char>() + from, static_cast<size_t>(inner.size));
  }
  return out;
}

// -- What is stacked.

Shape Stacked::shape_of(int64_t length) const {
  Shape shape = item_;
  shape.insert(shape.begin() + axis_, length);
  return shape;
}

Status Stacked::begin(DType dtype, const Shape& item) {
  WEFT_TRY(axis_, InferContext::axis(given_axis_, static_cast<int64_t>(item.size()) + 1));
  item_ = item;
  outer_ = product(item.begin(), item.begin() + axis_);
  inner_ = Stretch::of(dtype, product(item.begin() + axis_, item.end()));
  dtype_ = dtype;
  if (known_ != kAnyNumber) return reserve(known_);
  return reserve(std::min(expected_, std::max<int64_t>(kFirstRoomBytes / std::max<int64_t>(inner_.size, 1), 1)));
}

// Along the first axis, but where the number is known: then it is never called again.
Status Stacked::reserve(int64_t iterations) {
  if (begun() && stack_.dtype() == dtype_ && iterations <= room_) return {};
  WEFT_TRY(Tensor stack, Tensor::make(dtype_, shape_of(iterations)));
  if (inner_.unit == Stretch::kStrings) {
    std::copy_n(stack_.empty() ? stack.strings().begin() : stack_.strings().begin(), stack_.count(),
                stack.mutable_strings().begin());
  } else {
    if (inner_.unit == Stretch::kPacked) clear(stack);
    if (stack_.bytes() > 0) std::memcpy(stack.mutable_data(), stack_.data(), static_cast<size_t>(stack_.bytes()));
  }
  stack_ = std::move(stack);
  room_ = iterations;
  return {};
}

Result<int64_t> Stacked::row(int64_t iteration) {
  if (iteration >= room_) WEFT_CHECK(reserve(std::min(expected_, std::max(2 * room_, iteration + 1))));
  return backward_ ? known_ - 1 - iteration : iteration;
}

Result<char*> Stacked::place(int64_t iteration) {
  WEFT_TRY(const int64_t at, row(iteration));
  return stack_.as<char>() + at * inner_.size;
}

Status Stacked::add(int64_t iteration, const void* item) {
  WEFT_TRY(const int64_t at, row(iteration));
  for (int64_t o = 0; o < outer_ && inner_.size > 0; ++o) {
    const int64_t from = o * inner_.size, to = (o * room_ + at) * inner_.size;
    if (inner_.unit == Stretch::kPacked)
      copy_packed(stack_.mutable_data(), to, item, from, inner_.size, dtype_bits(dtype_));
    else
      std::memcpy(stack_.as<char>() + to, static_cast<const char*>(item) + from, static_cast<size_t>(inner_.size));
  }
  return {};
}

Status Stacked::add(int64_t iteration, const Tensor& item) {
  if (!begun()) WEFT_CHECK(begin(item.dtype(), item.shape()));
  if (item.kind() != Kind::kTensor || !takes(item.dtype(), item.shape())) {
    return invalid("what is stacked is ", item.summary(), " but was ", dtype_name(dtype_), shape_text(item_),
                   " before; it must be alike in all iterations");
  }
  if (inner_.unit != Stretch::kStrings) return add(iteration, item.data());
  WEFT_TRY(const int64_t at, row(iteration));
  for (int64_t o = 0; o < outer_; ++o) {
    std::copy_n(item.strings().begin() + o * inner_.size, inner_.size,
                stack_.mutable_strings().begin() + (o * room_ + at) * inner_.size);
  }
  return {};
}

Result<Tensor> Stacked::finish(int64_t iterations) {
  if (iterations == room_) return std::move(stack_);
  WEFT_TRY(Tensor out, Tensor::make(dtype_, shape_of(iterations)));
  if (inner_.unit == Stretch::kStrings) {
    std::copy_n(stack_.strings().begin(), out.count(), out.mutable_strings().begin());
  } else if (out.bytes() > 0) {
    std::memcpy(out.mutable_data(), stack_.data(), static_cast<size_t>(out.bytes()));
  }
  return out;
}

// -- The run.

LoopRun::LoopRun(const TensorStep& step, Executable& body, std::vector<Tensor> captured, const ExecOptions& options)
    : step_(step), body_(body), captured_(std::move(captured)), options_(options), loop_(step.op->name() == "Loop") {}

Status LoopRun::begin_loop(std::vector<Tensor> in) {
  in.resize(std::max<size_t>(in.size(), 2));
  most_ = std::numeric_limits<int64_t>::max();
  if (!in[0].empty()) {
    if (in[0].count() != 1) return invalid("the trip count must have one element but is ", in[0].summary());
    WEFT_TRY(in[0], in[0].moved_to(nullptr));
    most_ = std::max<int64_t>(*in[0].as<int64_t>(), 0);
  }
  if (!in[1].empty()) {
    if (in[1].count() != 1) return invalid("the condition must have one element but is ", in[1].summary());
    WEFT_TRY(in[1], in[1].moved_to(nullptr));
    holds_ = says_true(in[1]);
  }
  carried_.assign(std::make_move_iterator(in.begin() + 2), std::make_move_iterator(in.end()));
  first_output_ = 1;
  const Program& body = body_.program();
  const bool counted = always_holds(*body.graph, body.outputs[0], body.inputs[1]);
  const int64_t known = counted ? (goes_on() ? most_ : 0) : kAnyNumber;
  for (size_t k = 1 + carried_.size(); k < body.outputs.size(); ++k) stacked_.emplace_back(0, false, known, most_);
  return {};
}

Status LoopRun::begin_scan(std::vector<Tensor> in) {
  const size_t carried = in.size() - static_cast<size_t>(step_.attrs.i("num_scan_inputs"));
  const std::vector<int64_t> axes = step_.attrs.ints_or_empty("scan_input_axes"),
                             directions = step_.attrs.ints_or_empty("scan_input_directions");
  for (size_t i = carried; i < in.size(); ++i) {
    WEFT_TRY(Tensor whole, in[i].moved_to(nullptr));
    WEFT_TRY(Scanned scanned,
             Scanned::make(std::move(whole), axis_of(axes, i - carried), backward_of(directions, i - carried)));
    if (i == carried) most_ = scanned.length;
    if (scanned.length != most_) {
      return invalid("the scan inputs must be of one length, but input ", carried, " is ", most_, " long and input ", i,
                     " is ", scanned.length, " long");
    }
    scanned_.push_back(std::move(scanned));
  }
  in.resize(carried);
  carried_ = std::move(in);
  const std::vector<int64_t> out_axes = step_.attrs.ints_or_empty("scan_output_axes"),
                             out_directions = step_.attrs.ints_or_empty("scan_output_directions");
  for (size_t k = 0; k < body_.program().outputs.size() - carried; ++k) {
    stacked_.emplace_back(axis_of(out_axes, k), backward_of(out_directions, k), most_, most_);
  }
  return {};
}

Status LoopRun::failed(const Status& status) const {
  return status.within(cat("in iteration ", done_, " of '", step_.info.node, "': "));
}

std::vector<Tensor> LoopRun::arguments() const {
  std::vector<Tensor> arguments;
  const Program& body = body_.program();
  if (loop_) {
    // Tensors of their own: the body may keep them.
    auto shaped = [&](Tensor scalar, size_t i) {
      const ValueType& type = body.graph->type(body.inputs[i]);
      Result<Tensor> list = scalar.reshaped({1});
      return type.has_rank && type.dims.size() == 1 && list.ok() ? *list : scalar;
    };
    arguments.push_back(shaped(Tensor::scalar<int64_t>(done_), 0));
    arguments.push_back(shaped(Tensor::scalar<bool>(holds_), 1));
  }
  for (const Tensor& value : carried_) {
    // What an optional holds may have come out of the last iteration.
    const bool optional = body.graph->type(body.inputs[arguments.size()]).kind == Kind::kOptional;
    arguments.push_back(optional && value.kind() != Kind::kOptional ? Tensor::optional({value}) : value);
  }
  return arguments;
}

Status LoopRun::iterate() {
  std::vector<Tensor> in = arguments(), out;
  for (const Scanned& scanned : scanned_) {
    WEFT_TRY(Tensor item, scanned.at(done_));
    in.push_back(std::move(item));
  }
  in.insert(in.end(), captured_.begin(), captured_.end());
  // What only this iteration needs of the last one's is let go of while it runs.
  for (Tensor& value : carried_) value = Tensor();
  WEFT_CHECK(body_.run(std::move(in), options_, &out));
  if (loop_) {
    WEFT_TRY(Tensor condition, out[0].moved_to(nullptr));
    if (condition.count() != 1) return invalid("the condition must have one element but is ", condition.summary());
    holds_ = says_true(condition);
  }
  for (size_t k = 0; k < carried_.size(); ++k) carried_[k] = std::move(out[first_output_ + k]);
  for (size_t k = 0; k < stacked_.size(); ++k) {
    WEFT_TRY(Tensor item, out[first_output_ + carried_.size() + k].moved_to(nullptr));
    WEFT_CHECK(stacked_[k].add(done_, item));
  }
  ++done_;
  return {};
}

Result<bool> LoopRun::run_flat() {
  if (body_.options_.device != nullptr) return false;
  std::vector<Tensor> in = arguments();
  const size_t first_scanned = in.size();
  for (const Scanned& scanned : scanned_) {
    WEFT_TRY(Tensor item, scanned.at(done_));
    in.push_back(std::move(item));
  }
  const size_t first_captured = in.size();
  in.insert(in.end(), captured_.begin(), captured_.end());
  for (size_t i = 0; i < first_captured; ++i) {
    if (body_.value_inputs_[i]) return false;  // each iteration may need a plan of its own
  }
  WEFT_TRY(std::shared_ptr<Executable::Entry> entry, body_.entry_for(in, {}));
  const Plan& plan = *entry->plan;
  if (!plan.simple()) return false;
  if (loop_) {
    // No condition, if it is not one bool: the general way says so.
    if (plan.outputs[0].dtype != DType::kBool) return false;
    const auto& shape = plan.outputs[0].shape;
    if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size != 1; })) return false;
  }
  const size_t first_carried = loop_ ? 2 : 0, carried = carried_.size();
  for (size_t k = 0; k < carried; ++k) {
    const Binding& out = plan.outputs[first_output_ + k];
    if (out.dtype != carried_[k].dtype() || out.shape != carried_[k].shape()) return false;
  }
  for (size_t k = 0; k < stacked_.size(); ++k) {
    const Binding& item = plan.outputs[first_output_ + carried + k];
    if (!stacked_[k].begun()) WEFT_CHECK(stacked_[k].begin(item.dtype, item.shape));
    if (!stacked_[k].takes(item.dtype, item.shape)) return false;
  }

  WEFT_TRY(std::unique_ptr<Frame> frame, entry->acquire());
  for (size_t i = 0; i < in.size(); ++i) frame->bind_input(static_cast<int>(i), in[i].data());
  bool again = holds_;
  if (loop_) frame->bind_output(0, &again);
  // Two places for each value that is carried: the one that is read, and the one that is written.
  std::vector<Tensor> places[2];
  std::vector<Tensor> items(scanned_.size()), stacked_items(stacked_.size());
  auto iterate = [&]() -> Status {
    if (options_.stop != nullptr) WEFT_CHECK(options_.stop->check());
    std::vector<Tensor>& next = places[done_ % 2];
    if (next.empty()) {
      for (size_t k = 0; k < carried; ++k) {
        const Binding& out = plan.outputs[first_output_ + k];
        next.emplace_back();
        WEFT_TRY(next.back(), Tensor::make(out.dtype, out.shape));
      }
    }
    if (loop_) {
      *in[0].as<int64_t>() = done_;
      *in[1].as<bool>() = holds_;
    }
    for (size_t k = 0; k < carried; ++k) {
      frame->bind_input(static_cast<int>(first_carried + k), carried_[k].data());
      frame->bind_output(static_cast<int>(first_output_ + k), next[k].mutable_data());
    }
    for (size_t k = 0; k < scanned_.size(); ++k) {
      if (!scanned_[k].in_place()) {
        WEFT_TRY(items[k], scanned_[k].at(done_));
      }
      frame->bind_input(static_cast<int>(first_scanned + k),
                        scanned_[k].in_place() ? scanned_[k].address(done_) : items[k].data());
    }
    for (size_t k = 0; k < stacked_.size(); ++k) {
      const int slot = static_cast<int>(first_output_ + carried + k);
      if (stacked_[k].in_place()) {
        WEFT_TRY(char* place, stacked_[k].place(done_));
        frame->bind_output(slot, place);
        continue;
      }
      if (stacked_items[k].empty()) {
        WEFT_TRY(stacked_items[k], Tensor::make(plan.outputs[slot].dtype, plan.outputs[slot].shape));
      }
      frame->bind_output(slot, stacked_items[k].mutable_data());
    }
    WEFT_CHECK(frame->run(options_));
    for (size_t k = 0; k < stacked_.size(); ++k) {
      if (!stacked_[k].in_place()) WEFT_CHECK(stacked_[k].add(done_, stacked_items[k].data()));
    }
    for (size_t k = 0; k < carried; ++k) carried_[k] = next[k];
    if (loop_) holds_ = again;
    ++done_;
    return {};
  };
  Status status;
  while (status.ok() && goes_on()) status = iterate();
  entry->release(std::move(frame));
  WEFT_CHECK(status);
  return true;
}

// The sizes that the body would give what goes in at first; 0 where they cannot be told. It is not run, so what it would
// fail of is no error.
Status LoopRun::begin_empty() {
  const Program& body = body_.program();
  std::shared_ptr<const Plan> plan;
  std::vector<std::pair<Dim, int64_t>> sizes;  // of what goes in: nothing is made of them, as 2 m of m
  for (size_t k = 0; k < stacked_.size(); ++k) {
    if (stacked_[k].begun()) continue;
    const size_t output = first_output_ + carried_.size() + k;
    const ValueType& type = body.graph->type(body.outputs[output]);
    if (!type.concrete() && plan == nullptr) {
      std::vector<Tensor> in = arguments();
      for (const Scanned& scanned : scanned_) {
        WEFT_TRY(Tensor item, Tensor::make(scanned.whole.dtype(), scanned.item));
        clear(item);
        in.push_back(std::move(item));
      }
      in.insert(in.end(), captured_.begin(), captured_.end());
      for (size_t i = 0; i < in.size(); ++i) {
        const ValueType& given = body.graph->type(body.inputs[i]);
        if (in[i].kind() != Kind::kTensor || !given.has_rank || given.dims.size() != in[i].shape().size()) continue;
        for (size_t d = 0; d < given.dims.size(); ++d) sizes.emplace_back(given.dims[d], in[i].shape()[d]);
      }
      Result<std::shared_ptr<const Plan>> made = body_.plan_for(in);
      plan = made.ok() ? *made : std::make_shared<const Plan>();
    }
    Shape item;
    for (const Dim& dim : type.dims) {
      const auto same = std::find_if(sizes.begin(), sizes.end(), [&](const auto& size) { return size.first == dim; });
      item.push_back(dim.known() ? dim.value() : same != sizes.end() ? same->second : 0);
    }
    if (plan != nullptr && output < plan->results.size()) {
      const int64_t slot = plan->results[output] - static_cast<int64_t>(plan->inputs.size());
      if (slot >= 0 && slot < static_cast<int64_t>(plan->outputs.size())) item = plan->outputs[slot].shape;
    }
    WEFT_CHECK(stacked_[k].begin(type.dtype, item));
  }
  return {};
}

Status LoopRun::run(std::vector<Tensor> in, std::vector<Tensor>* out) {
  WEFT_CHECK(loop_ ? begin_loop(std::move(in)) : begin_scan(std::move(in)));
  // A first iteration may bring carried values to the shape that they keep.
  bool flat = false;
  for (int tries = 0; goes_on(); ++tries) {
    if (options_.stop != nullptr) WEFT_CHECK(options_.stop->check());
    if (tries < 2) {
      Result<bool> all = run_flat();
      if (!all.ok()) return failed(all.status());
      flat = *all;
    }
    if (flat) break;
    const Status status = iterate();
    if (!status.ok()) return failed(status);
  }
  WEFT_CHECK(begin_empty());
  for (size_t k = 0; k < out->size(); ++k) {
    if (k < carried_.size()) {
      const Program& body = body_.program();
      const bool held = body.graph->type(body.outputs[first_output_ + k]).kind != Kind::kOptional;
      if (held && carried_[k].kind() == Kind::kOptional) {
        if (carried_[k].items().empty()) {
          return failed_precondition("there was no iteration, so what is carried in place ", k,
                                     " is still an empty optional");
        }
        carried_[k] = Tensor(carried_[k].items()[0]);
      }
      (*out)[k] = std::move(carried_[k]);
    } else {
      WEFT_TRY((*out)[k], stacked_[k - carried_.size()].finish(done_));
    }
  }
  return {};
}

}  // namespace weft
