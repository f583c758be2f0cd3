// NonMaxSuppression: the best of boxes that overlap.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_suppression(InferContext& c) {
  for (int i : {2, 3, 4}) WEFT_CHECK(c.check_number(i));
  if (c.has_rank(0) && (c.rank(0) != 3 || !may_equal({c.dims(0)[2]}, {Dim(4)}))) {
    return invalid("'boxes' must be [N, boxes, 4] but is ", c.input(0).text());
  }
  if (c.has_rank(1) && c.rank(1) != 3) {
    return invalid("'scores' must be [N, classes, boxes] but is ", c.input(1).text());
  }
  if (c.has_rank(0) && c.has_rank(1)) {
    const Dims &boxes = c.dims(0), &scores = c.dims(1);
    WEFT_CHECK(c.check_shape(1, {boxes[0], scores[1], boxes[1]}, "a score of each class for each box"));
  }
  const int64_t format = c.attrs().i("center_point_box");
  if (format != 0 && format != 1) return invalid("attribute 'center_point_box' is ", format, " but must be 0 or 1");
  c.set_dims(0, {c.fresh(), Dim(3)});
  return {};
}

}  // namespace

void define_op_non_max_suppression(OpRegistry& ops) {
  ops.add("NonMaxSuppression")
      .group("image")
      .since(11)
      .doc(
          "Of each image and class the boxes with the best scores, each of which leaves out those behind it that "
          "overlap with it by more than a threshold: their intersection divided by their union. Of equal scores the "
          "first box counts.")
      .attr("center_point_box", int64_t{0},
            "0: boxes are two opposite corners [y1, x1, y2, x2]; 1: [x, y, width, height] about their middle.")
      .input("boxes", "f32", "[N, boxes, 4].")
      .input("scores", "f32", "[N, classes, boxes].")
      .optional_input("max_output_boxes_per_class", "i64", "How many of a class at most; 0, none, if not given.")
      .optional_input("iou_threshold", "f32", "From 0 to 1; 0 if not given.")
      .optional_input("score_threshold", "f32", "Only greater scores count; all if not given.")
      .output("selected_indices", "i64", "[selected, 3]: image, class and box, by image, class and falling score.")
      .infer(infer_suppression)
      .sizes_outputs()
      .no_gradient("an index does not change gradually");
}

}  // namespace weft
