// Pad: elements around a tensor, or taken off it.
#include <numeric>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

// [begin..., end...] for every axis, from what `pads` and `axes` say; nothing while that is not known.
Result<std::optional<Dims>> all_pads(const InferContext& c, int64_t rank) {
  const Dims* given = c.ints(1);
  if (given == nullptr) return std::optional<Dims>();
  std::vector<int64_t> axes;
  if (c.has_input(3)) {
    auto known = c.numbers(3);
    if (!known) return std::optional<Dims>();
    axes = *known;
  } else {
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  }
  if (given->size() != 2 * axes.size()) {
    return invalid("'pads' has ", given->size(), " numbers but must have two for each of ", axes.size(), " axes");
  }
  Dims out(static_cast<size_t>(2 * rank), Dim(0));
  for (size_t i = 0; i < axes.size(); ++i) {
    WEFT_TRY(int64_t axis, InferContext::axis(axes[i], rank));
    out[static_cast<size_t>(axis)] = (*given)[i];
    out[static_cast<size_t>(axis + rank)] = (*given)[i + axes.size()];
  }
  return std::optional<Dims>(std::move(out));
}

Status infer_pad(InferContext& c) {
  const std::string& mode = c.attrs().s("mode");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    return invalid("attribute 'mode' is \"", mode, "\" but must be \"constant\", \"reflect\", \"edge\" or \"wrap\"");
  }
  WEFT_CHECK(c.check_vector(1));
  WEFT_CHECK(c.check_number(2));
  WEFT_CHECK(c.check_vector(3));
  if (!c.has_rank(0)) return {};
  int64_t rank = c.rank(0);
  WEFT_TRY(std::optional<Dims> pads, all_pads(c, rank));
  if (!pads) {
    c.set_dims(0, c.fresh_dims(rank));
    return {};
  }
  Dims out;
  for (int64_t i = 0; i < rank; ++i) {
    Dim size = c.dims(0)[i] + (*pads)[static_cast<size_t>(i)] + (*pads)[static_cast<size_t>(i + rank)];
    if (size.known() && size.value() < 0) {
      return invalid("axis ", i, " of ", c.input(0).text(), " has fewer elements than the negative pads take off");
    }
    out.push_back(size);
  }
  c.set_dims(0, std::move(out));
  return {};
}

// What was padded comes back by the opposite pads; what was repeated adds up where it came from.
Status grad_pad(GradContext& c) {
  ExprScope& s = c.scope();
  Expr none, axes = c.has_input(3) ? c.input(3) : none;
  bool constant = c.attrs().s("mode") == "constant";
  if (constant) {
    Expr zero = scalar_like(c.grad(0), 0);
    c.set_grad(0, make(s, "Pad", {c.grad(0), -c.input(1), zero, axes}, c.attrs()));
    if (c.has_input(2) && c.needs(2)) {
      // All of the gradient, but for what lies where x is.
      Expr inside = make(s, "Expand", {scalar(s, DType::kBool, 1), shape_of(c.input(0))});
      inside = make(s, "Pad", {inside, c.input(1), Expr(), axes}, c.attrs());
      Expr outside = where(inside, zero, c.grad(0));
      c.set_grad(2, reshape_like(make(s, "ReduceSum", {outside}, {{"keepdims", int64_t{0}}}), c.input(2)));
    }
    return {};
  }
  Expr x = c.input(0);
  Expr positions =
      reshape(make(s, "Range", {constant_int(s, 0), make(s, "Size", {x}), constant_int(s, 1)}), shape_of(x));
  Expr from = make(s, "Pad", {positions, c.input(1), none, axes}, c.attrs());
  c.set_grad(0, make(s, "weft.ScatterAt", {c.grad(0), from, x}));
  return {};
}

// Before opset 11 the pads and the value were attributes.
Status pads_to_inputs(UpgradeContext& c) {
  WEFT_CHECK(c.attr_to_input("paddings", 1));  // their name in opset 1
  double value = c.attrs.has("value") ? c.attrs.f("value") : 0;
  c.attrs.erase("value");
  WEFT_CHECK(c.attr_to_input("pads", 1));
  ExprScope scope(c.graph());
  Expr number = scalar(scope, c.type(0).dtype, value);
  WEFT_CHECK(scope.status());
  c.inputs.resize(3, kNoValue);
  c.inputs[2] = number.id();
  return {};
}

Status without_wrapping(DowngradeContext& c) {
  return c.attrs.s("mode") == "wrap" ? unimplemented("its attribute 'mode' is \"wrap\"") : Status();
}

// Before opset 18 pads were those of all axes, in order.
Status pads_of_all_axes(DowngradeContext& c) {
  if (!c.has_input(3)) return {};
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_TRY(std::vector<int64_t> axes, c.known_numbers(3));
  for (int64_t& axis : axes) {
    WEFT_TRY(axis, InferContext::axis(axis, rank));
  }
  c.drop_input(3);
  std::vector<int64_t> all(static_cast<size_t>(rank));
  std::iota(all.begin(), all.end(), int64_t{0});
  if (axes == all) return {};
  // Where each one of all stands among those that are given, behind which there is a 0.
  const int64_t given = static_cast<int64_t>(axes.size());
  std::vector<int64_t> places(static_cast<size_t>(2 * rank), 2 * given);
  for (int64_t i = 0; i < given; ++i) {
    places[static_cast<size_t>(axes[i])] = i;
    places[static_cast<size_t>(axes[i] + rank)] = i + given;
  }
  ExprScope& s = c.scope();
  if (std::optional<std::vector<int64_t>> pads = c.numbers(1)) {
    pads->push_back(0);
    for (int64_t& place : places) place = (*pads)[static_cast<size_t>(place)];
    c.inputs[1] = constant_ints(s, places);
  } else {
    c.inputs[1] = make(s, "Gather", {concat({c.inputs[1], constant_ints(s, {0})}, 0), constant_ints(s, places)});
  }
  return s.status();
}

Status pads_to_attrs(DowngradeContext& c) {
  if (c.has_input(2)) {
    WEFT_TRY(const double value, c.known_float(2));
    c.attrs.set("value", value);
    c.drop_input(2);
  }
  return c.input_to_attr(1, "pads");
}

}  // namespace

void define_op_pad(OpRegistry& ops) {
  ops.add("Pad")
      .group("shape")
      .since(19)
      .doc(
          "The tensor with elements around it. \"constant\": a value; \"reflect\": mirrored at the edge, which is not "
          "repeated; \"edge\": the edge again and again; \"wrap\": from the other end. Negative pads take elements "
          "off.")
      .types("T", kAllTypes)
      .types("I", kIndexTypes)
      .attr("mode", "constant", "\"constant\", \"reflect\", \"edge\" or \"wrap\".")
      .input("data", "T", "Any shape.")
      .input("pads", "i64", "How many before each axis, then how many after each.")
      .shapes_outputs()
      .optional_input("constant_value", "T", "A scalar; 0, \"\" or false if not given.")
      .optional_input("axes", "I", "The axes that `pads` speaks of; all if not given.")
      .shapes_outputs()
      .output("output", "T", "The sizes of data with the pads added.")
      .infer(infer_pad)
      .grad(grad_pad)
      .upgrade(11, pads_to_inputs)
      .downgrade(19, without_wrapping)
      .downgrade(18, pads_of_all_axes)
      .downgrade(11, pads_to_attrs);
}

}  // namespace weft
