// Conv2d: a convolution over images.
#include "core/graph/layer_registry.h"
#include "core/layers/parts_common.h"

namespace weft {
namespace {

// One number stands for both axes.
Result<std::vector<int64_t>> two(const Attrs& attrs, std::string_view name) {
  std::vector<int64_t> values = attrs.ints(name);
  if (values.size() == 1) values.push_back(values[0]);
  bool fits = values.size() == 2 && values[0] >= 1 && values[1] >= 1;
  if (!fits) return invalid("'", name, "' is [", join(attrs.ints(name)), "] but must be one or two numbers from 1 on");
  return values;
}

// One number for all sides, two for the axes, or four: top, left, bottom, right.
Result<std::vector<int64_t>> four(const Attrs& attrs, std::string_view name) {
  const std::vector<int64_t>& v = attrs.ints(name);
  for (int64_t value : v) {
    if (value < 0) return invalid("'", name, "' must not be negative but has ", value);
  }
  if (v.size() == 1) return std::vector<int64_t>{v[0], v[0], v[0], v[0]};
  if (v.size() == 2) return std::vector<int64_t>{v[0], v[1], v[0], v[1]};
  if (v.size() == 4) return v;
  return invalid("'", name, "' must have one, two or four numbers but has ", v.size());
}

Status make(LayerMake& c) {
  int64_t inputs = c.attrs().i("inputs"), filters = c.attrs().i("filters"), groups = c.attrs().i("groups");
  if (inputs < 1 || filters < 1) {
    return invalid("'inputs' is ", inputs, " and 'filters' ", filters, "; both must be at least 1");
  }
  if (groups < 1 || inputs % groups != 0 || filters % groups != 0) {
    return invalid("'groups' is ", groups, " but must divide 'inputs', ", inputs, ", and 'filters', ", filters);
  }
  WEFT_TRY(std::vector<int64_t> kernel, two(c.attrs(), "kernel"));
  WEFT_CHECK(two(c.attrs(), "strides").status());
  WEFT_CHECK(two(c.attrs(), "dilations").status());
  WEFT_TRY(std::vector<int64_t> pads, four(c.attrs(), "pads"));
  if (c.attrs().b("same") && pads != std::vector<int64_t>(4, 0)) return invalid("give 'same' or 'pads', not both");
  WEFT_CHECK(check_activation(c.attrs()));
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  // Numbers that stay as large as they get: that the kernel is too large is said where it is made.
  const Dim area = Dim(kernel[0]) * Dim(kernel[1]);
  const int64_t fan_in = (Dim(inputs / groups) * area).value(), fan_out = (Dim(filters / groups) * area).value();
  add_weight(c, "kernel", "kernel_init", dtype, {filters, inputs / groups, kernel[0], kernel[1]}, fan_in, fan_out);
  if (c.attrs().b("bias")) add_weight(c, "bias", "bias_init", dtype, {filters}, fan_in, fan_out);
  return {};
}

Status call(LayerCall& c) {
  Attrs attrs{{"group", c.attrs().i("groups")}};
  WEFT_TRY(std::vector<int64_t> strides, two(c.attrs(), "strides"));
  WEFT_TRY(std::vector<int64_t> dilations, two(c.attrs(), "dilations"));
  WEFT_TRY(std::vector<int64_t> pads, four(c.attrs(), "pads"));
  attrs.set("strides", strides);
  attrs.set("dilations", dilations);
  if (c.attrs().b("same"))
    attrs.set("auto_pad", "SAME_UPPER");
  else
    attrs.set("pads", pads);
  std::vector<Expr> inputs = {c.input(0), c.variable("kernel")};
  if (c.has_variable("bias")) inputs.push_back(c.variable("bias"));
  c.add_output(activate(weft::make(c.scope(), "Conv", inputs, attrs), c.attrs().s("activation")));
  return {};
}

}  // namespace

void define_layer_conv2d(LayerRegistry& layers) {
  add_common_attrs(
      layers.add("Conv2d")
          .doc("A convolution over images: `activation(conv(input, kernel) + bias)`. Its variables are `kernel` "
               "[filters, inputs / groups, height, width], as PyTorch has it, and `bias` [filters].")
          .required_attr("inputs", AttrKind::kInt, "Number of the input's channels.")
          .required_attr("filters", AttrKind::kInt, "Number of the output's channels.")
          .required_attr("kernel", AttrKind::kInts, "Height and width of the kernel, or one number.")
          .attr("strides", std::vector<int64_t>{1}, "Steps along height and width, or one number.")
          .attr("pads", std::vector<int64_t>{0},
                "Zeros around the image: one number, two (height, width) or four (top, left, bottom, right).")
          .flag("same", false, "Whether as many zeros as keep the size at stride 1 are added, instead of 'pads'.")
          .attr("dilations", std::vector<int64_t>{1}, "Distances of the kernel's elements, or one number.")
          .attr("groups", int64_t{1}, "Number of groups that the channels are divided into.")
          .flag("bias", true, "Whether there is a bias.")
          .attr("activation", "", kActivationDoc)
          .attr("kernel_init", "glorot_uniform", kInitialDoc)
          .attr("bias_init", "zeros", kInitialDoc)
          .input("[batch, inputs, height, width].")
          .output("[batch, filters, height', width']."))
      .make(make)
      .call(call);
}

}  // namespace weft
