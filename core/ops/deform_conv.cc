// DeformConv: a convolution whose window takes its pixels from places of their own.
#include "core/graph/expr.h"
#include "core/op/window.h"

namespace weft {
namespace {

Status check_groups(const InferContext& c, int64_t group, int64_t offset_group) {
  const Dims &x = c.dims(0), &w = c.dims(1);
  if (!may_equal({x[1]}, {w[1] * Dim(group)})) {
    return invalid("X ", c.input(0).text(), " has ", x[1].text(), " channels but W ", c.input(1).text(), " takes ",
                   w[1].text(), " in each of ", group, " groups");
  }
  if (w[0].known() && w[0].value() % group != 0) {
    return invalid("W has ", w[0].text(), " output channels, which ", group, " groups do not divide");
  }
  if (x[1].known() && x[1].value() % offset_group != 0) {
    return invalid("X has ", x[1].text(), " channels, which ", offset_group, " groups of offsets do not divide");
  }
  return {};
}

Status infer_deform_conv(InferContext& c) {
  const int64_t group = c.attrs().i("group"), offset_group = c.attrs().i("offset_group");
  if (group < 1) return invalid("attribute 'group' is ", group, " but must be at least 1");
  if (offset_group < 1) return invalid("attribute 'offset_group' is ", offset_group, " but must be at least 1");
  if (!c.has_rank(0) || !c.has_rank(1)) return {};
  const int64_t spatial = c.rank(0) - 2;
  if (spatial < 1) return invalid("X must be [N, C, D1, ...] but is ", c.input(0).text());
  if (c.rank(1) != c.rank(0)) {
    return invalid("X and W must have equal ranks but are ", c.input(0).text(), " and ", c.input(1).text());
  }
  const Dims &x = c.dims(0), &w = c.dims(1);
  WEFT_CHECK(check_groups(c, group, offset_group));
  WEFT_TRY(Window window, read_window(c.attrs(), spatial, Dims(w.begin() + 2, w.end())));
  Dims out{x[0], w[0]};
  Dim elements(offset_group);
  for (int64_t i = 0; i < spatial; ++i) {
    WEFT_TRY(Dim size, window.output_size(i, x[static_cast<size_t>(i + 2)], false));
    out.push_back(std::move(size));
    elements = elements * window.kernel[static_cast<size_t>(i)];
  }
  Dims wanted = out;
  wanted[1] = elements * Dim(spatial);
  WEFT_CHECK(c.check_shape(2, wanted, "an offset for each element and axis"));
  wanted[1] = elements;
  WEFT_CHECK(c.check_shape(4, wanted, "a factor for each element"));
  WEFT_CHECK(c.check_shape(3, {w[0]}, "a bias for each output channel"));
  c.set_dims(0, std::move(out));
  return {};
}

// Samples at the places, as columns, times the weights. K is the number of elements of the window.
Status deform_conv(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.input(0), w = c.input(1), offset = c.input(2);
  if (!x.has_rank() || !w.has_rank()) return unimplemented("DeformConv needs the ranks of X and W");
  const int64_t spatial = x.rank() - 2, group = c.attrs().i("group"), offset_group = c.attrs().i("offset_group");
  WEFT_TRY(Window window, read_window(c.attrs(), spatial, Dims(w.dims().begin() + 2, w.dims().end())));
  if (!all_known(window.kernel)) return unimplemented("DeformConv needs the size of its window");
  const Shape kernel = to_shape(window.kernel);
  int64_t elements = 1;
  for (int64_t size : kernel) elements *= size;
  auto sizes = [&](Expr of, int64_t begin, int64_t end) {
    return make(s, "Shape", {of}, {{"start", begin}, {"end", end}});
  };
  auto numbers = [&](std::vector<int64_t> values) { return constant_ints(s, values); };
  Expr batch = sizes(x, 0, 1), groups = batch * numbers({offset_group}), space = sizes(offset, 2, spatial + 2);

  // [N * groups of offsets, K, axes, O1, ...]: offsets are ordered so that each axis has a part of its own.
  Expr moved = reshape(offset, concat({groups, numbers({elements, spatial}), space}, 0));
  std::vector<Expr> places;
  for (int64_t d = 0; d < spatial; ++d) {
    std::vector<int64_t> element_at;
    int64_t inner = 1;
    for (int64_t i = d + 1; i < spatial; ++i) inner *= kernel[static_cast<size_t>(i)];
    for (int64_t e = 0; e < elements; ++e) {
      element_at.push_back(e / inner % kernel[static_cast<size_t>(d)] * window.dilations[static_cast<size_t>(d)] -
                           window.begin_pads[static_cast<size_t>(d)]);
    }
    std::vector<int64_t> behind_element, behind_window;
    for (int64_t i = 1; i <= spatial; ++i) behind_element.push_back(i);
    for (int64_t i = 1; i < spatial - d; ++i) behind_window.push_back(i);
    Expr size = make(s, "Gather", {space, constant_int(s, d)});
    Expr start = make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)}) *
                 constant_int(s, window.strides[static_cast<size_t>(d)]);
    if (!behind_window.empty()) start = unsqueeze(start, behind_window);
    Expr still = cast(unsqueeze(numbers(element_at), behind_element) + start, x.dtype());
    Expr own = make(s, "Gather", {moved, constant_int(s, d)}, {{"axis", int64_t{2}}});
    places.push_back(unsqueeze(own + still, {-1}));
  }

  const Dim& channels = w.dims()[1];
  Expr per_offset = sizes(x, 1, 2) / numbers({offset_group});
  Expr image = reshape(x, concat({groups, per_offset, sizes(x, 2, spatial + 2)}, 0));
  Expr columns = make(s, "weft.SamplePoints", {image, concat(places, -1)});  // [N * groups, C / groups, K, O1, ...]
  if (c.has_input(4)) {
    columns = columns * reshape(c.input(4), concat({groups, numbers({1, elements}), space}, 0));
  }
  Expr points = make(s, "ReduceProd", {space}, {{"keepdims", int64_t{1}}});
  Expr rows = channels.known() ? numbers({channels.value() * elements}) : sizes(w, 1, 2) * numbers({elements});
  columns = reshape(columns, concat({batch, numbers({group}), rows, points}, 0));
  Expr weights = reshape(w, concat({numbers({group}), sizes(w, 0, 1) / numbers({group}), rows}, 0));
  Expr y = reshape(matmul(weights, columns), concat({batch, sizes(w, 0, 1), space}, 0));
  if (c.has_input(3)) {
    std::vector<int64_t> behind;
    for (int64_t i = 1; i <= spatial; ++i) behind.push_back(i);
    y = y + unsqueeze(c.input(3), behind);
  }
  c.set_output(0, y);
  return {};
}

}  // namespace

void define_op_deform_conv(OpRegistry& ops) {
  ops.add("DeformConv")
      .group("nn/conv")
      .since(22)
      .doc(
          "A convolution whose window takes each of its pixels from where an offset moves it to, between pixels by "
          "linear weights, times a factor of the mask. Places outside of X are zeros.")
      .types("T", kFloatTypes)
      .optional_attr("dilations", AttrKind::kInts, "Distance of the window's elements; 1 if not given.")
      .attr("group", int64_t{1}, "In how many groups channels are convolved on their own.")
      .optional_attr("kernel_shape", AttrKind::kInts, "Size of the window; that of W if not given.")
      .attr("offset_group", int64_t{1}, "In how many groups channels share offsets.")
      .optional_attr("pads", AttrKind::kInts, "Padding before each spatial axis, then after each; 0 if not given.")
      .optional_attr("strides", AttrKind::kInts, "Step along each spatial axis; 1 if not given.")
      .input("X", "T", "[N, C, D1, ...], with up to five axes behind C.")
      .input("W", "T", "[output channels, C / group, k1, ...].")
      .input("offset", "T",
             "[N, offset groups * elements of the window * axes, O1, ...]: how far each element is moved along each "
             "axis, in pixels.")
      .optional_input("B", "T", "[output channels]; zeros if not given.")
      .optional_input("mask", "T", "[N, offset groups * elements of the window, O1, ...]; ones if not given.")
      .output("Y", "T", "[N, output channels, O1, ...].")
      .infer(infer_deform_conv)
      .body_by_shapes(deform_conv);
}

}  // namespace weft
