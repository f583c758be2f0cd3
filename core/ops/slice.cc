// A box cut out of a tensor, with steps: Slice, and what puts one back.
#include <algorithm>
#include <limits>

#include "core/graph/downgrade.h"
#include "core/op/slice.h"

namespace weft {
namespace {

struct Bounds {
  int64_t start, count, step;
};

Result<Bounds> bounds_of(int64_t start, int64_t end, int64_t step, int64_t size) {
  if (step == 0) return invalid("a step is 0");
  Bounds out{0, 0, step};
  start = slice_start(start, step, size);
  end = slice_place(end, size);
  if (step > 0) {
    end = std::clamp<int64_t>(end, 0, size);
    out.count = end > start ? (end - start - 1) / step + 1 : 0;
  } else {
    end = std::clamp<int64_t>(end, -1, size - 1);
    out.count = start > end && size > 0 ? (start - end - 1) / (-(step + 1) + 1) + 1 : 0;
  }
  out.start = out.count > 0 ? start : 0;
  return out;
}

// Input i as numbers of which some may be symbols.
Result<Dims> list(const InferContext& c, int i, size_t wanted, const char* name) {
  if (c.ints(i)->size() != wanted) {
    return invalid("input '", name, "' has ", c.ints(i)->size(), " entries but 'starts' has ", wanted);
  }
  return *c.ints(i);
}

// The shape of the box that the inputs from `first` on (starts, ends, axes, steps) cut out of `whole`. `only` gets the
// bounds along the axis that was cut last, if they are numbers.
Result<Dims> box(InferContext& c, const Dims& whole, int first, std::optional<Bounds>* only) {
  int64_t rank = static_cast<int64_t>(whole.size());
  const int at_ends = first + 1, at_axes = first + 2, at_steps = first + 3;
  bool axes_known = !c.has_input(at_axes) || c.numbers(at_axes).has_value();
  bool steps_known = !c.has_input(at_steps) || c.numbers(at_steps).has_value();
  if (c.ints(first) == nullptr || c.ints(at_ends) == nullptr || !axes_known) return c.fresh_dims(rank);
  const Dims& starts = *c.ints(first);
  size_t n = starts.size();
  WEFT_TRY(Dims ends, list(c, at_ends, n, "ends"));
  std::vector<int64_t> axes, steps(n, 1);
  for (size_t i = 0; i < n; ++i) axes.push_back(static_cast<int64_t>(i));
  if (c.has_input(at_axes)) {
    WEFT_TRY([[maybe_unused]] Dims checked, list(c, at_axes, n, "axes"));
    axes = *c.numbers(at_axes);
  }
  if (c.has_input(at_steps) && steps_known) {
    WEFT_TRY([[maybe_unused]] Dims checked, list(c, at_steps, n, "steps"));
    steps = *c.numbers(at_steps);
  }
  Dims out = whole;
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < n; ++i) {
    WEFT_TRY(int64_t axis, InferContext::axis(axes[i], rank));
    if (seen[axis]) return invalid("axis ", axis, " is sliced twice");
    seen[axis] = true;
    if (steps_known && steps[i] == 0) return invalid("the step of axis ", axis, " is 0");
    const Dim& size = whole[axis];
    if (steps_known && starts[i].known() && ends[i].known() && size.known()) {
      WEFT_TRY(Bounds bounds, bounds_of(starts[i].value(), ends[i].value(), steps[i], size.value()));
      out[axis] = bounds.count;
      *only = bounds;
      continue;
    }
    *only = std::nullopt;
    bool from_first = starts[i].is(0);
    bool to_last = ends[i] == size || (ends[i].known() && ends[i].value() >= std::numeric_limits<int32_t>::max());
    if (steps_known && steps[i] == 1 && from_first && to_last) continue;  // all of it
    out[axis] = c.fresh();
  }
  return out;
}

Status infer_slice(InferContext& c) {
  for (int i = 1; i < c.input_count(); ++i) WEFT_CHECK(c.check_vector(i));
  if (!c.has_rank(0)) return {};
  std::optional<Bounds> only;
  WEFT_TRY(Dims out, box(c, c.dims(0), 1, &only));
  c.set_dims(0, std::move(out));
  if (c.rank(0) == 1 && c.ints(0) != nullptr && c.ints(1) != nullptr && c.ints(1)->size() == 1 && only) {
    Dims ints;
    for (int64_t i = 0; i < only->count; ++i) ints.push_back((*c.ints(0))[only->start + i * only->step]);
    c.set_ints(0, std::move(ints));
  }
  return {};
}

std::vector<Expr> with_bounds(GradContext& c, std::vector<Expr> first) {
  for (int i = 1; i < 5; ++i) first.push_back(c.has_input(i) ? c.input(i) : Expr());
  return first;
}

Status grad_slice(GradContext& c) {
  c.set_grad(0, make(c.scope(), "weft.SliceGrad", with_bounds(c, {c.grad(0), c.input(0)})));
  return {};
}

Status infer_slice_grad(InferContext& c) {
  for (int i = 2; i < c.input_count(); ++i) WEFT_CHECK(c.check_vector(i));
  if (!c.has_rank(1)) return {};
  std::optional<Bounds> only;
  WEFT_TRY(Dims part, box(c, c.dims(1), 2, &only));
  c.set_dims(0, c.dims(1));
  return c.check_shape(0, part, "a Slice of like");
}

Status grad_slice_grad(GradContext& c) {
  std::vector<Expr> inputs{c.grad(0)};
  for (int i = 2; i < 6; ++i) inputs.push_back(c.has_input(i) ? c.input(i) : Expr());
  c.set_grad(0, make(c.scope(), "Slice", inputs));
  return {};
}

// Before opset 10 the bounds were attributes.
Status bounds_to_inputs(UpgradeContext& c) {
  WEFT_CHECK(c.attr_to_input("starts", 1));
  WEFT_CHECK(c.attr_to_input("ends", 2));
  return c.attr_to_input("axes", 3);
}

// Before opset 11 axes did not count from the end.
Status place_axes_from_front(DowngradeContext& c) {
  std::optional<std::vector<int64_t>> axes = c.numbers(3);
  if (!axes || std::all_of(axes->begin(), axes->end(), [](int64_t axis) { return axis >= 0; })) return {};
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  for (int64_t& axis : *axes) {
    WEFT_TRY(axis, InferContext::axis(axis, rank));
  }
  c.inputs[3] = cast(constant_ints(c.scope(), *axes), c.inputs[3].dtype());
  return c.scope().status();
}

Status bounds_to_attrs(DowngradeContext& c) {
  if (c.has_input(4)) {
    WEFT_TRY(const std::vector<int64_t> steps, c.known_numbers(4));
    for (int64_t step : steps) {
      if (step != 1) return unimplemented("one of its steps is ", step, ", not 1");
    }
    c.drop_input(4);
  }
  WEFT_CHECK(c.input_to_attr(1, "starts"));
  WEFT_CHECK(c.input_to_attr(2, "ends"));
  return c.input_to_attr(3, "axes");
}

}  // namespace

void define_op_slice(OpRegistry& ops) {
  ops.add("Slice")
      .group("shape")
      .since(13)
      .doc(
          "Along each of `axes`, the elements from `starts` on, `steps` apart, before `ends`. Negative places count "
          "from "
          "the end; places outside are moved to the nearest one.")
      .types("T", kAllTypes)
      .types("I", kIndexTypes)
      .input("data", "T", "Any tensor.")
      .input("starts", "I", "First place, for each axis.")
      .shapes_outputs()
      .input("ends", "I", "One past the last place.")
      .shapes_outputs()
      .optional_input("axes", "I", "The axes; the first ones if not given.")
      .shapes_outputs()
      .optional_input("steps", "I", "Steps, not 0; 1 if not given.")
      .shapes_outputs()
      .output("output", "T", "The box.")
      .infer(infer_slice)
      .grad(grad_slice)
      .upgrade(10, bounds_to_inputs)
      .downgrade(11, place_axes_from_front)
      .downgrade(10, bounds_to_attrs);
  ops.add(kWeftDomain, "SliceGrad")
      .group("gradient/shape")
      .doc("Zeros in the shape of `like`, with `gradient` where Slice would read.")
      .types("T", kNumberTypes | kComplexTypes)
      .types("I", kIndexTypes)
      .input("gradient", "T", "What a Slice of `like` gives.")
      .input("like", "T", "A tensor whose shape is taken.")
      .shape_only()
      .input("starts", "I", "As in Slice.")
      .shapes_outputs()
      .input("ends", "I", "As in Slice.")
      .shapes_outputs()
      .optional_input("axes", "I", "As in Slice.")
      .shapes_outputs()
      .optional_input("steps", "I", "As in Slice.")
      .shapes_outputs()
      .output("output", "T", "The shape of like.")
      .infer(infer_slice_grad)
      .grad(grad_slice_grad);
}

}  // namespace weft
