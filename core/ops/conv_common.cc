// What operators that slide windows with weights share: their attributes and the shape that they give.
#include "core/ops/conv_common.h"

#include "core/op/op_def.h"
#include "core/op/window.h"

namespace weft {

Result<Dims> conv_dims(const InferContext& c, int at_x, int at_w) {
  const std::string &name_x = c.op().inputs()[static_cast<size_t>(at_x)].name,
                    &name_w = c.op().inputs()[static_cast<size_t>(at_w)].name;
  int64_t spatial = c.rank(at_x) - 2;
  if (spatial < 1) return invalid(name_x, " must be [N, C, D1, ...] but is ", c.input(at_x).text());
  if (c.rank(at_w) != spatial + 2) {
    return invalid(name_x, " and ", name_w, " must have equal ranks but are ", c.input(at_x).text(), " and ",
                   c.input(at_w).text());
  }
  const Dims &x = c.dims(at_x), &w = c.dims(at_w);
  int64_t group = c.attrs().i("group");
  if (group < 1) return invalid("attribute 'group' is ", group, " but must be at least 1");
  Dim taken = w[1] * Dim(group);
  if (x[1].known() && taken.known() && !(x[1] == taken)) {
    return invalid(name_x, " ", c.input(at_x).text(), " has ", x[1].text(), " channels but ", name_w, " ",
                   c.input(at_w).text(), " takes ", taken.text(), group == 1 ? "" : cat(" in ", group, " groups"));
  }
  if (w[0].known() && w[0].value() % group != 0) {
    return invalid(name_w, " makes ", w[0].text(), " channels, which ", group, " groups do not divide");
  }
  WEFT_TRY(Window window, read_window(c.attrs(), spatial, Dims(w.begin() + 2, w.end())));
  Dims out{x[0], w[0]};
  for (int64_t i = 0; i < spatial; ++i) {
    WEFT_TRY(Dim size, window.output_size(i, x[i + 2], false));
    out.push_back(size);
  }
  return out;
}

Status infer_conv(InferContext& c) {
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  WEFT_TRY(Dims out, conv_dims(c, 0, 1));
  if (c.has_rank(2) && !may_equal(c.dims(2), {out[1]})) {
    return invalid("B must be [", out[1].text(), "] but is ", c.input(2).text());
  }
  c.set_dims(0, std::move(out));
  return {};
}

OpDef& conv_window_schema(OpDef& op) {
  return op
      .attr("auto_pad", "NOTSET",
            "NOTSET: `pads` holds; SAME_UPPER, SAME_LOWER: output size is input size / stride rounded up; VALID: none.")
      .optional_attr("dilations", AttrKind::kInts,
                     "Distance of the kernel's elements along each spatial axis; 1 if not given.")
      .attr("group", int64_t{1}, "Number of groups that channels are divided into.")
      .optional_attr("pads", AttrKind::kInts, "Zeros before each spatial axis, then after each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step along each spatial axis; 1 if not given.");
}

}  // namespace weft
