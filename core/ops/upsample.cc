// Upsample, deprecated since opset 10: Resize as it was before it could say where places lie.
#include "core/graph/expr.h"

namespace weft {
namespace {

constexpr const char* kBefore11[][2] = {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}};

Status upsample_body(BodyContext& c) {
  Attrs attrs = {{"mode", c.attrs().s("mode")}};
  for (const auto& [name, value] : kBefore11) attrs.set(name, value);
  c.set_output(0, make(c.scope(), "Resize", {c.input(0), Expr(), c.input(1)}, std::move(attrs)));
  return {};
}

Status scales_input(UpgradeContext& c, const std::vector<double>& scales) {
  for (double scale : scales) {
    if (!(scale >= 1)) return invalid("a scale is ", scale, " but must be at least 1");
  }
  const std::vector<float> values(scales.begin(), scales.end());
  WEFT_TRY(ValueId id, c.graph().add_constant(Tensor::vector<float>(values)));
  c.inputs.push_back(id);
  return {};
}

// Images had a scale for each direction.
Status scales_of_images(UpgradeContext& c) {
  const AttrValue *height = c.attrs.find("height_scale"), *width = c.attrs.find("width_scale");
  if (height == nullptr || width == nullptr || c.inputs.size() != 1) {
    return invalid("Upsample before opset 7 has one input and needs 'height_scale' and 'width_scale'");
  }
  WEFT_CHECK(scales_input(c, {1, 1, height->f(), width->f()}));
  c.attrs.erase("height_scale");
  c.attrs.erase("width_scale");
  const AttrValue* mode = c.attrs.find("mode");
  if (mode != nullptr && mode->s() == "bilinear") c.attrs.set("mode", "linear");
  return {};
}

Status scales_of_attribute(UpgradeContext& c) {
  if (c.inputs.size() > 1 && c.attrs.find("scales") == nullptr) return {};  // made so by the step before
  const AttrValue* scales = c.attrs.find("scales");
  if (scales == nullptr || c.inputs.size() != 1) {
    return invalid("Upsample before opset 9 has one input and needs 'scales'");
  }
  WEFT_CHECK(scales_input(c, scales->floats()));
  c.attrs.erase("scales");
  return {};
}

Status as_resize(UpgradeContext& c) {
  if (c.inputs.size() != 2) return invalid("Upsample has two inputs, 'X' and 'scales'");
  c.inputs.insert(c.inputs.begin() + 1, kNoValue);
  for (const auto& [name, value] : kBefore11) {
    if (c.attrs.has(name)) return invalid("Upsample has no attribute '", name, "'; Resize has");
    c.attrs.set(name, value);
  }
  c.op = "Resize";
  return {};
}

}  // namespace

void define_op_upsample(OpRegistry& ops) {
  ops.add("Upsample")
      .group("shape")
      .since(9)
      .doc(
          "The name of Resize before opset 10, for larger sizes: place y of the output lies at `y / scale`, and the "
          "nearest place is the one before.")
      .types("T", kTensorTypes)
      .attr("mode", "nearest", "\"nearest\" or \"linear\".")
      .input("X", "T", "Any shape; numbers, unless `mode` is \"nearest\".")
      .input("scales", "f32", "Sizes of the output as multiples, rounded down, of those of X; for each axis.")
      .shapes_outputs()
      .output("Y", "T", "The sizes of X, times the scales.")
      .body(upsample_body)
      .upgrade(7, scales_of_images)
      .upgrade(9, scales_of_attribute)
      .upgrade(kNewestOpset + 1, as_resize);  // at every opset: today's files cannot have it
}

}  // namespace weft
