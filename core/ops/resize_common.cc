// How Resize changes with what says where places of its output lie in its input: along each axis the output is a sum of
// elements around a place, so it changes with the place by the slopes of their weights.
#include "core/ops/resize_common.h"

#include "core/op/resize.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

using Coordinates = Resizing::Coordinates;

// Whether a list is given: older models have empty ones for those that are not.
bool is_given(Expr list) { return list.valid() && !(list.has_rank() && list.rank() == 1 && list.dims()[0].is(0)); }

Expr element(Expr list, int64_t i) { return make(list.scope(), "Gather", {list, constant_int(list.scope(), i)}); }

Expr elements(Expr list, const std::vector<int64_t>& places) {
  return make(list.scope(), "Gather", {list, constant_ints(list.scope(), places)});
}

// One axis that is resized; numbers are f64 scalars, and vectors of one for each place of the output.
struct Axis {
  int64_t axis;
  Expr last;  // the last place of the input
  Expr size_in, size_out;
  Expr at;      // 0, 1, ...
  Expr place;   // where each lies
  Expr inside;  // whether it is made of elements at all; else not valid
};

struct Taps {
  std::vector<Expr> places, slopes;  // i64 and f64, one for each place of the output
};

class ResizePlaces {
 public:
  ResizePlaces(Expr dy, const ResizeInputs& inputs, const Attrs& attrs, const Resizing& resizing,
               std::vector<int64_t> axes)
      : s_(dy.scope()), dy_(dy), in_(inputs), attrs_(attrs), resizing_(resizing), axes_(std::move(axes)) {}

  Expr by_roi() {
    if (axes_.empty()) return Expr();
    std::vector<Expr> starts, ends;
    for (size_t k = 0; k < axes_.size(); ++k) {
      Axis axis = sized(k);
      const Expr one = number(1), gaps = make(s_, "Max", {axis.size_out - one, one});
      const Expr start = start_of(k), end = end_of(k);
      // As the kernel rounds it, so that what lies at an end lies there here too.
      const Expr only = make(s_, "Equal", {axis.size_out, one});
      axis.place = where(only, number(0.5) * (start + end) * axis.last,
                         axis.at * (end - start) * axis.last / gaps + start * axis.last);
      axis.inside =
          make(s_, "And",
               {make(s_, "GreaterOrEqual", {axis.place, number(0)}), make(s_, "LessOrEqual", {axis.place, axis.last})});
      const Expr along = where(only, number(0.5), axis.at / gaps), gradient = by_place(k, axis) * axis.last;
      starts.push_back(sum(gradient * (one - along)));
      ends.push_back(sum(gradient * along));
    }
    starts.insert(starts.end(), ends.begin(), ends.end());
    return cast(concat(starts, 0), in_.roi.dtype());
  }

  Expr by_scales() {
    if (axes_.empty()) return Expr();
    std::vector<Expr> gradients;
    for (size_t k = 0; k < axes_.size(); ++k) {
      Axis axis = sized(k);
      const Expr scale = cast(element(in_.scales, static_cast<int64_t>(k)), DType::kF64);
      Expr slope;
      set_place(scale, &axis, &slope);
      gradients.push_back(sum(by_place(k, axis) * slope));
    }
    return cast(concat(gradients, 0), in_.scales.dtype());
  }

 private:
  Expr number(double value) { return scalar(s_, DType::kF64, value); }
  Expr sum(Expr terms) { return make(s_, "ReduceSum", {terms}); }  // [1]
  Expr start_of(size_t k) { return cast(element(in_.roi, static_cast<int64_t>(k)), DType::kF64); }
  Expr end_of(size_t k) { return cast(element(in_.roi, static_cast<int64_t>(axes_.size() + k)), DType::kF64); }

  Axis sized(size_t k) {
    Axis a{};
    a.axis = axes_[k];
    const Expr out = element(shape_of(dy_), a.axis);
    a.size_in = cast(element(shape_of(in_.x), a.axis), DType::kF64);
    a.size_out = cast(out, DType::kF64);
    a.last = a.size_in - number(1);
    a.at = cast(make(s_, "Range", {constant_int(s_, 0), out, constant_int(s_, 1)}), DType::kF64);
    return a;
  }

  // The place of each element, as ResizedAxis::source has it, and how it changes with the scale.
  void set_place(Expr scale, Axis* axis, Expr* slope) {
    const Expr at = axis->at, square = scale * scale, half = number(0.5), middle = at + half;
    const Expr half_pixel = middle / scale - half, half_pixel_slope = -(middle / square);
    switch (resizing_.coordinates) {
      case Coordinates::kHalfPixel:
        axis->place = half_pixel;
        *slope = half_pixel_slope;
        return;
      case Coordinates::kHalfPixelSymmetric:
        axis->place = (axis->size_in - axis->size_out / scale) * half + half_pixel;
        *slope = half * axis->size_out / square + half_pixel_slope;
        return;
      case Coordinates::kPytorchHalfPixel: {
        const Expr several = make(s_, "Greater", {axis->size_out, number(1)});
        axis->place = where(several, half_pixel, number(0));
        *slope = where(several, half_pixel_slope, number(0));
        return;
      }
      case Coordinates::kAlignCorners: {
        // Place 0 stays, also where the size is just 1, so that there is nothing to divide by.
        const Expr first = make(s_, "Equal", {at, number(0)});
        const Expr gaps = where(first, number(1), axis->size_in * scale - number(1));
        axis->place = at * axis->last / gaps;
        *slope = -(at * axis->last * axis->size_in / (gaps * gaps));
        return;
      }
      case Coordinates::kAsymmetric:
        axis->place = at / scale;
        *slope = -(at / square);
        return;
      case Coordinates::kHalfBehind:
        axis->place = middle / scale;
        *slope = half_pixel_slope;
        return;
      case Coordinates::kCropAndResize: return;  // the region says it alone
    }
  }

  // Keys, 1981, equation (4), of distances up to 1 and from there to 2, and the slopes of these.
  Expr near_weight(Expr t) { return 1.0 - t * t * ((a() + 3) - t * (a() + 2)); }
  Expr near_slope(Expr t) { return t * (t * (3 * (a() + 2)) - 2 * (a() + 3)); }
  Expr far_weight(Expr t) { return (t - 1.0) * (t - 2.0) * (t - 2.0) * a(); }
  Expr far_slope(Expr t) { return (t - 2.0) * (t * 3.0 - 4.0) * a(); }
  double a() const { return resizing_.cubic_coeff_a; }

  // The elements around each place, and how their weights change with it; on an element to its right.
  Taps taps_of(const Axis& axis) {
    const Expr place = axis.inside.valid() ? where(axis.inside, axis.place, number(0)) : axis.place;
    const Expr below = make(s_, "Floor", {place}), above = place - below;
    std::vector<Expr> weights, slopes;
    double offset = 0;
    if (resizing_.mode == Resizing::Mode::kCubic) {
      offset = -1;
      weights = {far_weight(above + 1.0), near_weight(above), near_weight(1.0 - above), far_weight(2.0 - above)};
      slopes = {far_slope(above + 1.0), near_slope(above), -near_slope(1.0 - above), -far_slope(2.0 - above)};
    } else {
      weights = {1.0 - above, above};
      slopes = {fill_like(above, -1), fill_like(above, 1)};
    }
    Taps taps;
    std::vector<Expr> places;
    for (size_t t = 0; t < weights.size(); ++t) {
      places.push_back(below + (offset + static_cast<double>(t)));
      taps.places.push_back(cast(make(s_, "Clip", {places[t], number(0), axis.last}), DType::kI64));
    }
    taps.slopes = resizing_.exclude_outside ? slopes_of_shares(axis, places, weights, slopes) : slopes;
    return taps;
  }

  // Weights of places beyond the ends are left out, and the others divided by their sum; where that is 0 the nearest element
  // is taken, which does not change.
  std::vector<Expr> slopes_of_shares(const Axis& axis, const std::vector<Expr>& places, std::vector<Expr> weights,
                                     std::vector<Expr> slopes) {
    Expr total, total_slope;
    for (size_t t = 0; t < places.size(); ++t) {
      const Expr counts =
          make(s_, "And",
               {make(s_, "GreaterOrEqual", {places[t], number(0)}), make(s_, "LessOrEqual", {places[t], axis.last})});
      weights[t] = where(counts, weights[t], number(0));
      slopes[t] = where(counts, slopes[t], number(0));
      total = t == 0 ? weights[t] : total + weights[t];
      total_slope = t == 0 ? slopes[t] : total_slope + slopes[t];
    }
    const Expr none = make(s_, "Equal", {total, number(0)}), divisor = where(none, number(1), total);
    for (size_t t = 0; t < places.size(); ++t) {
      const Expr share = (slopes[t] - weights[t] * total_slope / divisor) / divisor;
      slopes[t] = where(none, number(0), share);
    }
    return slopes;
  }

  // X resized along all axes but one.
  Expr resized_along_others(size_t k) {
    std::vector<int64_t> axes, numbers, ends;
    for (size_t i = 0; i < axes_.size(); ++i) {
      if (i == k) continue;
      axes.push_back(axes_[i]);
      numbers.push_back(static_cast<int64_t>(i));
      ends.push_back(static_cast<int64_t>(axes_.size() + i));
    }
    if (axes.empty()) return in_.x;
    Attrs attrs = attrs_;
    attrs.set("axes", axes);
    attrs.set("extrapolation_value", 0.0);
    if (!resizing_.crops()) return resize(std::move(attrs), Expr(), elements(in_.scales, numbers), Expr());
    // Places are where the region has them, so that the sizes are all there is to say.
    attrs.set("keep_aspect_ratio_policy", "stretch");
    std::vector<int64_t> of_roi = numbers;
    of_roi.insert(of_roi.end(), ends.begin(), ends.end());
    return resize(std::move(attrs), elements(in_.roi, of_roi), Expr(), elements(shape_of(dy_), axes));
  }

  Expr resize(Attrs attrs, Expr roi, Expr scales, Expr sizes) {
    const bool old = resizing_.coordinates == Coordinates::kHalfBehind;
    return make(s_, old ? "weft.OldResize" : "Resize", {in_.x, roi, scales, sizes}, std::move(attrs));
  }

  // Over all axes but one, which may count from the end.
  Expr sum_but_along(Expr x, int64_t axis) {
    if (x.has_rank()) {
      std::vector<int64_t> others;
      for (int64_t i = 0; i < x.rank(); ++i) {
        if (i != axis && i != axis + x.rank()) others.push_back(i);
      }
      return reduce_sum(x, others, false);
    }
    const Expr before = make(s_, "ReduceProd", {make(s_, "Shape", {x}, {{"end", axis}})}, {{"keepdims", int64_t{1}}});
    const Expr behind = count_behind(x, axis);
    const Expr size = elements(shape_of(x), {axis});
    return reduce_sum(reshape(x, concat({before, size, behind}, 0)), {0, 2}, false);
  }

  // The gradient by the places along an axis: f64 [size].
  Expr by_place(size_t k, const Axis& axis) {
    const DType dtype = counting_dtype(in_.x.dtype());
    const Expr source = cast(resized_along_others(k), dtype), dy = cast(dy_, dtype);
    const Taps taps = taps_of(axis);
    Expr total;
    for (size_t t = 0; t < taps.places.size(); ++t) {
      const Expr picked = make(s_, "Gather", {source, taps.places[t]}, {{"axis", axis.axis}});
      const Expr part = cast(sum_but_along(dy * picked, axis.axis), DType::kF64) * taps.slopes[t];
      total = t == 0 ? part : total + part;
    }
    return axis.inside.valid() ? where(axis.inside, total, number(0)) : total;
  }

  ExprScope& s_;
  const Expr dy_;
  const ResizeInputs in_;
  const Attrs& attrs_;
  const Resizing resizing_;
  const std::vector<int64_t> axes_;
};

// Without the attribute 'axes' the lists speak of all axes.
Expr with_rank_of_lists(const ResizeInputs& inputs, const Attrs& attrs) {
  if (inputs.x.has_rank() || !attrs.ints_or_empty("axes").empty()) return inputs.x;
  for (const Expr& list : {inputs.scales, inputs.sizes}) {
    if (is_given(list) && list.has_rank() && list.dims()[0].known()) return with_rank(inputs.x, list.dims()[0].value());
  }
  return inputs.x;
}

Result<ResizePlaces> places_of(Expr dy, ResizeInputs inputs, const Attrs& attrs, const Resizing& resizing,
                               const char* by) {
  if (resizing.antialias) return unimplemented("with attribute 'antialias' there is no gradient by input '", by, "'");
  inputs.x = with_rank_of_lists(inputs, attrs);
  std::vector<int64_t> axes = attrs.ints_or_empty("axes");
  if (!inputs.x.has_rank() && axes.empty()) {
    return unimplemented("the gradient by input '", by, "' needs the rank of X");
  }
  if (is_complex(inputs.x.dtype())) {
    return unimplemented("of complex numbers there is no gradient by input '", by, "', but X is ",
                         inputs.x.type().text());
  }
  if (inputs.x.has_rank()) {
    WEFT_TRY(axes, axes_to_resize(attrs, inputs.x.rank()));
  }
  return ResizePlaces(dy, inputs, attrs, resizing, std::move(axes));
}

}  // namespace

Result<Expr> resize_by_roi(Expr dy, const ResizeInputs& inputs, const Attrs& attrs) {
  WEFT_TRY(const Resizing resizing, read_resizing(attrs));
  if (resizing.mode == Resizing::Mode::kNearest || !resizing.crops()) return Expr();
  WEFT_TRY(ResizePlaces places, places_of(dy, inputs, attrs, resizing, "roi"));
  return places.by_roi();
}

Result<Expr> resize_by_scales(Expr dy, const ResizeInputs& inputs, const Attrs& attrs) {
  WEFT_TRY(const Resizing resizing, read_resizing(attrs));
  if (resizing.mode == Resizing::Mode::kNearest || resizing.crops() || !is_given(inputs.scales)) return Expr();
  if (is_given(inputs.sizes)) {
    // Before a run a list of unknown length may be one that is given or not.
    const bool counted = inputs.sizes.has_rank() && inputs.sizes.dims()[0].known();
    if (counted) return Expr();
    return unimplemented("whether 'scales' or 'sizes' is given must be known for the gradient by 'scales'");
  }
  WEFT_TRY(ResizePlaces places, places_of(dy, inputs, attrs, resizing, "scales"));
  return places.by_scales();
}

}  // namespace weft
