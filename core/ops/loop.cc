// Loop and Scan: a sub-graph that runs again and again.
#include <algorithm>

#include "core/graph/downgrade.h"
#include "core/graph/subgraph.h"
#include "core/ops/scan_common.h"
#include "core/tensor/truth.h"

namespace weft {
namespace {

// -- What both have in common.

Status check_count(const char* what, size_t have, size_t wanted, const char* why) {
  if (have == wanted) return {};
  return invalid("'body' has ", have, " ", what, " but must have ", wanted, ": ", why);
}

Status check_flag(const Graph& body, ValueId id, const char* what) {
  const ValueType& type = body.type(id);
  bool one = type.kind == Kind::kTensor && type.dtype == DType::kBool;
  for (const Dim& dim : type.dims) one = one && (!dim.known() || dim.is(1));
  return one ? Status() : invalid(what, " must be one bool but is ", type.text());
}

std::vector<const ValueType*> given_types(const InferContext& c) {
  std::vector<const ValueType*> given;
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.has_input(i)) given.push_back(&c.input(i));
  }
  return given;
}

// What has gone round is of the type that the body's input has: perhaps it never went round at all.
Status infer_carried(InferContext& c, const Graph& body, const RepeatedTypes& repeated) {
  const std::vector<const ValueType*> given = given_types(c);
  for (size_t k = 0; k < repeated.carried; ++k) {
    const ValueType& before = repeated.inputs[repeated.first_input + k];
    const ValueType& in = body.type(body.inputs()[repeated.first_input + k]);
    const ValueType& out = body.type(body.outputs()[repeated.first_output + k]);
    for (const ValueType* type : {&in, &out}) {
      if (type == &in ? in.alike(before) : as_carried(out, before).alike(before)) continue;
      return invalid("what is carried in place ", k, " is ", before.text(), " at first but ", type->text(),
                     type == &in ? " where it enters 'body'" : " where it leaves 'body'");
    }
    if (static_cast<int>(k) >= c.output_count()) continue;
    ValueType& type = c.output(static_cast<int>(k));
    if (!out.alike(before)) {  // what an optional holds; of its shape nothing is known
      type.kind = out.kind;
      type.dtype = out.dtype;
      continue;
    }
    type.kind = in.kind;
    type.dtype = in.dtype;
    type.holds = in.holds;
    type.keys = in.keys;
    if (!in.has_rank) continue;
    Dims dims;
    for (const Dim& dim : in.dims) dims.push_back(known_outside(dim, body, given) ? dim : c.fresh());
    c.set_dims(static_cast<int>(k), std::move(dims));
  }
  return {};
}

// What every iteration adds to, stacked along a new axis of `length`.
Status infer_stacked(InferContext& c, const Graph& body, const RepeatedTypes& repeated, const Dim& length,
                     const std::vector<int64_t>& axes) {
  const std::vector<const ValueType*> given = given_types(c);
  for (size_t k = repeated.first_output + repeated.carried; k < body.outputs().size(); ++k) {
    const size_t scan = k - repeated.first_output - repeated.carried;
    const int at = static_cast<int>(repeated.carried + scan);
    const ValueType& item = body.type(body.outputs()[k]);
    if (item.kind != Kind::kTensor) {
      return invalid("output ", k, " of 'body' is ", item.text(), "; only tensors can be stacked");
    }
    int64_t axis = scan < axes.size() ? axes[scan] : 0;
    if (item.has_rank) {
      Result<int64_t> found = InferContext::axis(axis, static_cast<int64_t>(item.dims.size()) + 1);
      if (!found.ok()) return found.status().within(cat("'scan_output_axes' of output ", scan, ": "));
      axis = *found;
    }
    if (at >= c.output_count()) continue;
    c.set_dtype(at, item.dtype);
    if (!item.has_rank) continue;
    Dims dims;
    for (const Dim& dim : item.dims) dims.push_back(known_outside(dim, body, given) ? dim : c.fresh());
    dims.insert(dims.begin() + axis, length);
    c.set_dims(at, std::move(dims));
  }
  return {};
}

Status check_outputs(const InferContext& c, const Graph& body, const RepeatedTypes& repeated) {
  const size_t most = body.outputs().size() - repeated.first_output;
  if (static_cast<size_t>(c.output_count()) <= most) return {};
  return invalid("'body' gives ", most, " outputs but ", c.output_count(), " are asked for");
}

// -- Loop.

Status loop_types(InferContext& c, RepeatedTypes* types) {
  const AttrValue* body = c.attrs().find("body");
  // Files have them with and without a dimension.
  auto scalar_of = [&](DType dtype, size_t i) {
    bool listed = false;
    if (body != nullptr && body->graph()->inputs().size() > i) {
      const ValueType& type = body->graph()->type(body->graph()->inputs()[i]);
      listed = type.has_rank && type.dims.size() == 1;
    }
    return ValueType::tensor(dtype, listed ? Dims{1} : Dims{});
  };
  types->inputs = {scalar_of(DType::kI64, 0), scalar_of(DType::kBool, 1)};
  for (int i = 2; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return invalid("what is carried in place ", i - 2, " must be given");
    types->inputs.push_back(c.input(i));
    types->inputs.back().ints = nullptr;
  }
  types->carried = types->inputs.size() - 2;
  types->first_input = 2;
  types->first_output = 1;
  return {};
}

Status infer_loop(InferContext& c) {
  const Graph& body = *c.attrs().graph("body");
  RepeatedTypes types;
  WEFT_CHECK(loop_types(c, &types));
  for (int i = 0; i < 2; ++i) {
    if (!c.has_rank(i)) continue;
    for (const Dim& dim : c.dims(i)) {
      if (dim.known() && !dim.is(1)) {
        return invalid(i == 0 ? "the trip count" : "the condition", " must have one element but is ",
                       c.input(i).text());
      }
    }
  }
  WEFT_CHECK(check_count("inputs", body.inputs().size(), types.inputs.size(),
                         "the number of the iteration, the condition, and what is carried"));
  const ValueType& number = body.type(body.inputs()[0]);
  if (number.kind != Kind::kTensor || number.dtype != DType::kI64) {
    return invalid("the first input of 'body', the number of the iteration, must be i64 but is ", number.text());
  }
  WEFT_CHECK(check_flag(body, body.inputs()[1], "the second input of 'body', the condition,"));
  if (body.outputs().size() < 1 + types.carried) {
    return invalid("'body' has ", body.outputs().size(), " outputs but must have at least ", 1 + types.carried,
                   ": the condition, and what is carried");
  }
  WEFT_CHECK(check_flag(body, body.outputs()[0], "the first output of 'body', the condition,"));
  WEFT_CHECK(check_outputs(c, body, types));
  WEFT_CHECK(infer_carried(c, body, types));
  // A loop that nothing but its count ends goes round so often.
  Dim length = c.fresh();
  const bool begins =
      !c.has_input(1) || (c.constant(1) != nullptr && c.constant(1)->count() == 1 && says_true(*c.constant(1)));
  const Dims* count = c.ints(0);
  if (begins && always_holds(body, body.outputs()[0], body.inputs()[1]) && count != nullptr && count->size() == 1) {
    if ((*count)[0].known())
      length = std::max<int64_t>((*count)[0].value(), 0);
    else if ((*count)[0].never_negative())
      length = (*count)[0];
  }
  return infer_stacked(c, body, types, length, {});
}

// -- Scan.

Status scan_types(InferContext& c, RepeatedTypes* types) {
  const int64_t scanned = c.attrs().i_or("num_scan_inputs", 0);
  if (scanned < 1 || scanned > c.input_count()) {
    return invalid("'num_scan_inputs' is ", scanned, " but must be from 1 to the number of inputs, ", c.input_count());
  }
  types->carried = static_cast<size_t>(c.input_count() - scanned);
  const std::vector<int64_t> axes = c.attrs().ints_or_empty("scan_input_axes");
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return invalid("input ", i, " must be given");
    ValueType type = c.input(i);
    type.ints = nullptr;
    const size_t scan = static_cast<size_t>(i) - types->carried;
    if (static_cast<size_t>(i) >= types->carried && type.kind != Kind::kTensor) {
      return invalid("input ", i, " is ", type.text(), "; only tensors can be scanned");
    }
    if (static_cast<size_t>(i) >= types->carried && type.has_rank) {
      Result<int64_t> axis =
          InferContext::axis(scan < axes.size() ? axes[scan] : 0, static_cast<int64_t>(type.dims.size()));
      if (!axis.ok()) return axis.status().within(cat("'scan_input_axes' of scan input ", scan, ": "));
      type.dims.erase(type.dims.begin() + *axis);
    }
    types->inputs.push_back(std::move(type));
  }
  return {};
}

Status check_list(const InferContext& c, const char* name, size_t wanted, bool directions) {
  const std::vector<int64_t> list = c.attrs().ints_or_empty(name);
  if (!list.empty() && list.size() != wanted) {
    return invalid("'", name, "' has ", list.size(), " numbers but must have ", wanted);
  }
  for (int64_t number : list) {
    if (directions && number != 0 && number != 1) {
      return invalid("'", name, "' has ", number, " but a direction is 0, forward, or 1, backward");
    }
  }
  return {};
}

Status infer_scan(InferContext& c) {
  const Graph& body = *c.attrs().graph("body");
  RepeatedTypes types;
  WEFT_CHECK(scan_types(c, &types));
  WEFT_CHECK(check_count("inputs", body.inputs().size(), types.inputs.size(),
                         "what is carried, and an item of each scan input"));
  if (body.outputs().empty() || body.outputs().size() < types.carried) {
    return invalid("'body' has ", body.outputs().size(), " outputs but must have at least ",
                   std::max<size_t>(types.carried, 1), ": what is carried, and what is stacked");
  }
  const size_t scanned = types.inputs.size() - types.carried;
  WEFT_CHECK(check_list(c, "scan_input_axes", scanned, false));
  WEFT_CHECK(check_list(c, "scan_input_directions", scanned, true));
  const size_t stacked = body.outputs().size() - types.carried;
  WEFT_CHECK(check_list(c, "scan_output_axes", stacked, false));
  WEFT_CHECK(check_list(c, "scan_output_directions", stacked, true));
  WEFT_CHECK(check_outputs(c, body, types));
  const std::vector<int64_t> axes = c.attrs().ints_or_empty("scan_input_axes");
  Dim length = c.fresh();
  int from = -1;
  for (size_t scan = 0; scan < scanned; ++scan) {
    const int i = static_cast<int>(types.carried + scan);
    const ValueType& item = types.inputs[i];
    const ValueType& in = body.type(body.inputs()[i]);
    if (in.kind != Kind::kTensor || in.dtype != item.dtype) {
      return invalid("an item of scan input ", scan, " is ", item.text(), " but 'body' takes ", in.text());
    }
    if (!c.has_rank(i)) continue;
    WEFT_TRY(int64_t axis, InferContext::axis(axes.empty() ? 0 : axes[scan], c.rank(i)));
    const Dim& dim = c.dims(i)[axis];
    if (from >= 0 && length.known() && dim.known() && !(length == dim)) {
      return invalid("the scan inputs must be of one length, but input ", from, " is ", length, " long and input ", i,
                     " is ", dim, " long");
    }
    if (from < 0 || (!length.known() && dim.known())) {
      length = dim;
      from = i;
    }
  }
  WEFT_CHECK(infer_carried(c, body, types));
  return infer_stacked(c, body, types, length, c.attrs().ints_or_empty("scan_output_axes"));
}

// A list of axes of values of these types, so that none counts from the end.
Status list_from_front(DowngradeContext& c, const char* name, const std::vector<const ValueType*>& types) {
  std::vector<int64_t> axes = c.attrs.ints_or_empty(name);
  if (axes.empty()) return {};
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] >= 0) continue;
    if (i >= types.size() || !types[i]->has_rank) {
      return unimplemented("its attribute '", name, "' counts from the end of what has no known rank");
    }
    WEFT_TRY(axes[i], InferContext::axis(axes[i], static_cast<int64_t>(types[i]->dims.size())));
  }
  c.attrs.set(name, std::move(axes));
  return {};
}

// Before opset 11 axes did not count from the end.
Status scanned_axes_from_front(DowngradeContext& c) {
  const size_t carried = c.inputs.size() - static_cast<size_t>(c.attrs.i("num_scan_inputs"));
  std::vector<const ValueType*> scanned, stacked;
  for (size_t i = carried; i < c.inputs.size(); ++i) scanned.push_back(&c.inputs[i].type());
  for (int i = static_cast<int>(carried); i < c.output_count(); ++i) stacked.push_back(&c.output(i));
  WEFT_CHECK(list_from_front(c, "scan_input_axes", scanned));
  return list_from_front(c, "scan_output_axes", stacked);
}

Status scan_without_batches(DowngradeContext&) {
  return unimplemented("it scanned the items of a batch before, each on its own");
}

constexpr char kRecomputeDoc[] =
    "Whether the gradient keeps of each iteration no more than what goes into it (what is carried, and what random "
    "nodes and host functions gave) and computes the rest again: it takes less memory and more time, and gives the "
    "same; gradients of gradients, the same up to the order of sums. An attribute of Weft's own: ONNX files have it as "
    "the metadata `weft.recompute` of the node, and do without "
    "before opset 21.";

}  // namespace

void define_op_loop(OpRegistry& ops) {
  ops.add("Loop")
      .group("graph")
      .doc(
          "Runs `body` again and again: at most `M` times, and as long as its condition holds. `body` takes the number "
          "of the iteration (an i64 scalar, from 0), the condition (a bool scalar) and what is carried; it gives the "
          "condition for the next iteration, what is carried on, and what is to be stacked. What is carried may change "
          "its shape from iteration to iteration, and may be sequences or optionals; what is stacked may not. Where an "
          "optional "
          "is carried in, what it holds may come out; then it is an error if there is no iteration and the optional is "
          "empty. `body` uses values of "
          "the graphs around it. With neither `M` nor a condition that ends it, the loop ends when the run is "
          "cancelled. Differentiable by what is carried, at first, and by captured values.")
      .since(25)
      .types("I", set_of(DType::kI64))
      .types("B", set_of(DType::kBool))
      .required_attr("body", AttrKind::kGraph, "What an iteration computes.")
      .hint("recompute", false, kRecomputeDoc)
      .optional_input("M", "I", "The most iterations, one element; less than 1 is none. Without it, any number.")
      .optional_input("cond", "B", "Whether there is a first iteration, one element. Without it there is.")
      .variadic_input("v_initial", "any", "What is carried, as it is at first.", 0)
      .mixed_inputs()
      .variadic_output("v_final_and_scan_outputs", "any",
                       "What is carried, as the last iteration left it; then what all iterations gave beside, each "
                       "stacked along a new first axis.")
      .mixed_outputs()
      .repeats(loop_types)
      .infer(infer_loop);
  ops.add("Scan")
      .group("graph")
      .doc(
          "Runs `body` once for each item along an axis of the scan inputs, which are of one length. `body` takes what "
          "is carried and an item of each scan input, without that axis; it gives what is carried on, and what is to "
          "be stacked. It uses values of the graphs around it. Differentiable by all of these.")
      .since(25)
      .required_attr("body", AttrKind::kGraph, "What an iteration computes.")
      .required_attr("num_scan_inputs", AttrKind::kInt, "How many of the inputs, the last ones, are scanned.")
      .optional_attr("scan_input_axes", AttrKind::kInts, "The axis along which each is scanned; 0 if not given.")
      .optional_attr("scan_input_directions", AttrKind::kInts, "Of each, 0 from its begin or 1 from its end.")
      .optional_attr("scan_output_axes", AttrKind::kInts,
                     "The axis along which each output is stacked; 0 if not given.")
      .optional_attr("scan_output_directions", AttrKind::kInts,
                     "Of each, whether the first iteration's comes first (0) or last (1).")
      .hint("recompute", false, kRecomputeDoc)
      .variadic_input("initial_state_and_scan_inputs", "any",
                      "What is carried, as it is at first; then what is scanned.")
      .mixed_inputs()
      .variadic_output("final_state_and_scan_outputs", "any",
                       "What is carried, as the last iteration left it; then what all iterations gave beside, stacked.")
      .mixed_outputs()
      .upgrade(9, upgrade_scan_of_batches)
      .downgrade(11, scanned_axes_from_front)
      .downgrade(9, scan_without_batches)
      .repeats(scan_types)
      .infer(infer_scan);
}

}  // namespace weft
