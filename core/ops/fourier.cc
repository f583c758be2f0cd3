// Fourier transforms: DFT, STFT, and MelWeightMatrix for what these give.
#include "core/graph/downgrade.h"
#include "core/ops/heads_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

// A number that an input must hold before shapes are known, if it is.
Status one_number(const InferContext& c, int input, std::optional<int64_t>* to) {
  WEFT_CHECK(c.check_number(input));
  auto numbers = c.numbers(input);
  if (numbers && numbers->size() == 1) *to = (*numbers)[0];
  return {};
}

Status check_positive(const char* name, const std::optional<int64_t>& value) {
  if (!value || *value > 0) return {};
  return invalid("input '", name, "' is ", *value, " but must be positive");
}

// Real, or real and imaginary parts.
Status check_parts_axis(const Dim& parts, const char* name, const ValueType& type) {
  if (!parts.known() || parts.is(1) || parts.is(2)) return {};
  return invalid("the last dimension of input '", name, "' must be 1, or 2 for real and imaginary parts, but it is ",
                 type.text());
}

Result<int64_t> transformed_axis(int64_t axis, int64_t rank) {
  if (axis >= -rank && axis <= rank - 2 && axis != -1) return axis < 0 ? axis + rank : axis;
  return invalid("input 'axis' is ", axis, " but must be in [", -rank, ", -2] or [0, ", rank - 2,
                 "]: the last axis holds real and imaginary parts");
}

Status infer_dft(InferContext& c) {
  std::optional<int64_t> length, axis;
  WEFT_CHECK(one_number(c, 1, &length));
  WEFT_CHECK(one_number(c, 2, &axis));
  WEFT_CHECK(check_positive("dft_length", length));
  if (!c.has_rank(0)) return {};
  if (c.rank(0) < 2) return invalid("input 'input' must have two axes or more but is ", c.input(0).text());
  if (!c.has_input(2)) axis = -2;
  const bool half = c.attrs().b("onesided"), inverse = c.attrs().b("inverse");
  const Dim& parts = c.dims(0).back();
  WEFT_CHECK(check_parts_axis(parts, "input", c.input(0)));
  if (half && !inverse && parts.is(2)) {
    return invalid("with 'onesided' the input must be real, with a last dimension of 1, but it is ", c.input(0).text());
  }
  if (half && inverse && parts.is(1)) {
    return invalid("with 'onesided' and 'inverse' the input must have a last dimension of 2 but is ",
                   c.input(0).text());
  }
  Dims out = c.dims(0);
  out.back() = Dim(half && inverse ? 1 : 2);
  if (!axis) {
    // Any of the axes may be the one, whose size changes with these alone.
    for (size_t d = 0; (half || c.has_input(1)) && d + 1 < out.size(); ++d) out[d] = c.fresh();
    c.set_dims(0, std::move(out));
    return {};
  }
  WEFT_TRY(const int64_t at, transformed_axis(*axis, c.rank(0)));
  Dim& size = out[static_cast<size_t>(at)];
  const Dim given = size;
  if (c.has_input(1))
    size = length ? Dim(*length) : c.fresh();
  else if (half && inverse)
    size = Dim(2) * (size - Dim(1));
  if (size.known() && size.value() < 1) {
    return invalid("there is no transform of length ", size.text(), "; the axis of the input, ", c.input(0).text(),
                   ", has ", given.text(), " elements");
  }
  if (half && !inverse) size = size.floor_div(Dim(2)) + Dim(1);
  c.set_dims(0, std::move(out));
  return {};
}

// The axis as a vector, and the length of the transform as a scalar.
struct Transform {
  Expr axis, length;
  Expr size;  // of the input along the axis
};

Expr as_scalar(Expr number) { return reshape(cast(number, DType::kI64), constant_ints(number.scope(), {})); }

Transform transform_of(GradContext& c) {
  ExprScope& s = c.scope();
  Transform t;
  Expr axis = c.has_input(2) ? as_scalar(c.input(2)) : constant_int(s, -2);
  t.size = make(s, "Gather", {shape_of(c.input(0)), axis});
  t.axis = unsqueeze(axis, {0});
  if (c.has_input(1))
    t.length = as_scalar(c.input(1));
  else if (c.attrs().b("onesided") && c.attrs().b("inverse"))
    t.length = (t.size - constant_int(s, 1)) * constant_int(s, 2);
  else
    t.length = t.size;
  return t;
}

// How often each element of a half counts in the whole: once at the ends, twice between.
Result<Expr> times_in_whole(GradContext& c, const Transform& t, Expr spectrum) {
  ExprScope& s = c.scope();
  const ValueType* given = c.has_input(2) ? &c.input(2).type() : nullptr;
  int64_t axis = -2;
  if (given != nullptr) {
    if (given->ints == nullptr || given->ints->size() != 1 || !(*given->ints)[0].known()) {
      return unimplemented("the gradient of an inverse transform of a half needs to know the axis before the run");
    }
    axis = (*given->ints)[0].value();
  }
  Expr count = t.length / constant_int(s, 2) + constant_int(s, 1);
  Expr place = make(s, "Range", {constant_int(s, 0), count, constant_int(s, 1)});
  Expr ends =
      make(s, "Or",
           {make(s, "Equal", {place, constant_int(s, 0)}), make(s, "Equal", {place * constant_int(s, 2), t.length})});
  Expr times = where(ends, scalar_like(spectrum, 1), scalar_like(spectrum, 2));
  return laid_along(times, shape_of(c.input(0)), axis);
}

// The transform is linear: the gradient is that with the conjugate of its matrix, cut or filled up with zeros to the size
// of the input.
Status grad_dft(GradContext& c) {
  ExprScope& s = c.scope();
  const bool half = c.attrs().b("onesided"), inverse = c.attrs().b("inverse");
  const Transform t = transform_of(c);
  Expr axis = reshape(t.axis, constant_ints(s, {})), x = c.input(0), dy = c.grad(0), dx;
  Expr length = cast(t.length, x.dtype());
  if (!inverse) {
    dx = make(s, "DFT", {dy, t.length, axis}, {{"inverse", int64_t{1}}}) * length;
  } else if (!half) {
    dx = make(s, "DFT", {dy, t.length, axis}) / length;
  } else {
    dx = make(s, "DFT", {dy, t.length, axis}, {{"onesided", int64_t{1}}});
    WEFT_TRY(Expr times, times_in_whole(c, t, dx));
    dx = dx * times / length;
  }
  WEFT_CHECK(s.status());
  Expr axes = concat({t.axis, constant_ints(s, {-1})}, 0), from = constant_ints(s, {0, 0});
  Expr own = concat({unsqueeze(t.size, {0}), make(s, "Shape", {x}, {{"start", int64_t{-1}}})}, 0);
  Expr made = make(s, "Gather", {shape_of(dx), axes});
  dx = make(s, "Slice", {dx, from, own, axes});
  c.set_grad(0, make(s, "weft.SliceGrad", {dx, x, from, made, axes}));
  return {};
}

// Before opset 20 the axis was an attribute, 1 if it was not given.
Status axis_to_input(UpgradeContext& c) {
  if (!c.attrs.has("axis")) c.attrs.set("axis", int64_t{1});
  return c.attr_to_input("axis", 2);
}

// The attribute was 1 if not given, the input is -2.
Status axis_to_attr(DowngradeContext& c) {
  std::vector<int64_t> axis{-2};
  if (c.has_input(2)) {
    WEFT_TRY(axis, c.known_numbers(2));
    if (axis.size() != 1) return unimplemented("its input 'axis' would have to be one number");
    c.drop_input(2);
  }
  c.attrs.set("axis", axis[0]);
  return {};
}

// What is known of the frames of STFT.
struct Frames {
  std::optional<int64_t> step, length;
  Dim size;  // of a frame
};

Result<Frames> frames_of(InferContext& c) {
  Frames f;
  WEFT_CHECK(one_number(c, 1, &f.step));
  WEFT_CHECK(one_number(c, 3, &f.length));
  WEFT_CHECK(check_positive("frame_step", f.step));
  WEFT_CHECK(check_positive("frame_length", f.length));
  WEFT_CHECK(c.check_vector(2));
  if (c.has_input(3))
    f.size = f.length ? Dim(*f.length) : c.has_rank(2) ? c.dims(2)[0] : c.fresh();
  else if (c.has_input(2))
    f.size = c.has_rank(2) ? c.dims(2)[0] : c.fresh();
  else
    f.size = c.has_rank(0) ? c.dims(0)[1] : c.fresh();
  WEFT_CHECK(c.check_shape(2, {f.size}, "a frame"));
  return f;
}

Status infer_stft(InferContext& c) {
  if (c.has_rank(0) && c.rank(0) != 3) {
    return invalid("input 'signal' must be [N, length, 1 or 2] but is ", c.input(0).text());
  }
  WEFT_TRY(Frames f, frames_of(c));
  const bool half = c.attrs().b("onesided");
  Dim batch = c.fresh(), count = c.fresh();
  if (c.has_rank(0)) {
    WEFT_CHECK(check_parts_axis(c.dims(0)[2], "signal", c.input(0)));
    if (half && c.dims(0)[2].is(2)) {
      return invalid("with 'onesided' the signal must be real, with a last dimension of 1, but it is ",
                     c.input(0).text());
    }
    batch = c.dims(0)[0];
    const Dim& length = c.dims(0)[1];
    if (length.known() && f.size.known() && (length.value() < f.size.value() || f.size.value() < 1)) {
      return invalid("a frame has ", f.size.text(), " elements, but the signal is ", c.input(0).text());
    }
    if (f.step) count = (length - f.size).floor_div(Dim(*f.step)) + Dim(1);
    if (length == f.size) count = Dim(1);
  }
  c.set_dims(0, {batch, count, half ? f.size.floor_div(Dim(2)) + Dim(1) : f.size, Dim(2)});
  return {};
}

// Frames that overlap, picked by index, times the window, transformed: for the gradient.
Status build_stft(BodyContext& c) {
  ExprScope& s = c.scope();
  Expr signal = c.input(0), one = constant_int(s, 1), zero = constant_int(s, 0);
  auto size_of = [&](Expr x, int64_t axis) { return squeeze(dims_of(x, axis, axis + 1), {0}); };
  auto range = [&](Expr end) { return make(s, "Range", {zero, end, one}); };
  const bool has_window = c.has_input(2);
  Expr size = c.input_count() > 3 && c.has_input(3) ? as_scalar(c.input(3))
                                                    : size_of(has_window ? c.input(2) : signal, has_window ? 0 : 1);
  Expr step = as_scalar(c.input(1));
  Expr count = (size_of(signal, 1) - size) / step + one;
  Expr places = unsqueeze(range(count) * step, {1}) + range(size);
  Expr frames = make(s, "Gather", {signal, places}, {{"axis", int64_t{1}}});
  if (has_window) frames = frames * unsqueeze(c.input(2), {1});
  c.set_output(0, make(s, "DFT", {frames, Expr(), constant_int(s, -2)}, {{"onesided", c.attrs().i("onesided")}}));
  return {};
}

Status infer_mel(InferContext& c) {
  static constexpr const char* kNames[] = {"num_mel_bins", "dft_length", "sample_rate"};
  std::optional<int64_t> numbers[3];
  for (int i = 0; i < 3; ++i) {
    WEFT_CHECK(one_number(c, i, &numbers[i]));
    WEFT_CHECK(check_positive(kNames[i], numbers[i]));
  }
  for (int i = 3; i < 5; ++i) WEFT_CHECK(c.check_number(i));
  const int64_t dtype = c.attrs().i("output_datatype");
  if (dtype < 1 || dtype >= kDTypeCount || !contains(kNumberTypes, static_cast<DType>(dtype))) {
    return invalid("attribute 'output_datatype' is ",
                   0 < dtype && dtype < kDTypeCount ? dtype_name(static_cast<DType>(dtype)) : cat(dtype).c_str(),
                   " but must be a number type");
  }
  c.set_dtype(0, static_cast<DType>(dtype));
  c.set_dims(0, {numbers[1] ? Dim(*numbers[1] / 2 + 1) : c.fresh(), numbers[0] ? Dim(*numbers[0]) : c.fresh()});
  return {};
}

}  // namespace

void define_op_fourier(OpRegistry& ops) {
  ops.add("DFT")
      .group("math")
      .since(20)
      .doc(
          "The discrete Fourier transform along an axis, `Y[k] = sum over j of X[j] exp(-2 pi i j k / n)`; with "
          "`inverse` the "
          "sign of the exponent is plus, and the sum is divided by n. The last axis holds real and imaginary parts.")
      .types("T1", kFloatTypes)
      .types("T2", kIndexTypes)
      .flag("inverse", false, "Whether this is the inverse transform.")
      .flag("onesided", false,
            "Whether only the first n / 2 + 1 elements of the transform of a real signal are given, as the others are "
            "their conjugates; with `inverse`, whether X is such a half, and Y real.")
      .input("input", "T1", "[..., 1] for a real signal, [..., 2] for a complex one.")
      .optional_input(
          "dft_length", "T2",
          "n: the axis is cut, or filled up with zeros, to that size. The size of the axis if not given, or of a half "
          "2 * (size - 1).")
      .shapes_outputs()
      .optional_input("axis", "i64", "The axis, from -rank to -2 or from 0 on; -2 if not given.")
      .shapes_outputs()
      .output("output", "T1",
              "[..., 2], or [..., 1] of the inverse transform of a half: n or n / 2 + 1 along the axis.")
      .infer(infer_dft)
      .grad(grad_dft)
      .upgrade(20, axis_to_input)
      .downgrade(20, axis_to_attr);
  ops.add("STFT")
      .group("math")
      .since(17)
      .doc(
          "The discrete Fourier transforms of frames of a signal, `frame_step` apart, each times the window. There are "
          "`(length "
          "- frame_length) / frame_step + 1` frames; what is left at the end is not looked at.")
      .types("T1", kFloatTypes)
      .types("T2", kIndexTypes)
      .flag("onesided", true,
            "Whether only the first n / 2 + 1 elements of each transform are given, which a real signal alone allows.")
      .input("signal", "T1", "[N, length, 1] for a real signal, [N, length, 2] for a complex one.")
      .input("frame_step", "T2", "Elements from the beginning of a frame to that of the next.")
      .shapes_outputs()
      .optional_input("window", "T1", "[frame_length]: factors of each frame; 1 if not given.")
      .optional_input("frame_length", "T2",
                      "The size of a frame; that of the window if not given, or else of the signal.")
      .shapes_outputs()
      .output("output", "T1", "[N, frames, frame_length or frame_length / 2 + 1, 2]: real and imaginary parts.")
      .infer(infer_stft)
      .body_by_shapes(build_stft);
  ops.add("MelWeightMatrix")
      .group("math")
      .since(17)
      .doc(
          "What a product with a spectrum [frames, dft_length / 2 + 1] makes bands on the mel scale of, `2595 log10(1 "
          "+ hertz / "
          "700)`: each column is a triangle of height 1, from the peak of its left neighbour to that of its right one.")
      .types("T1", kIndexTypes)
      .types("T2", kFloatTypes)
      .types("T3", kNumberTypes)
      .dtype_attr("output_datatype", DType::kF32, "The dtype of the result.")
      .input("num_mel_bins", "T1", "How many bands there are.")
      .shapes_outputs()
      .input("dft_length", "T1", "The length of the transform that gives the spectrum.")
      .shapes_outputs()
      .input("sample_rate", "T1", "Elements of the signal in a second.")
      .input("lower_edge_hertz", "T2", "Where the first triangle begins.")
      .input("upper_edge_hertz", "T2", "What lies one band above the end of the last triangle.")
      .output("output", "T3", "[dft_length / 2 + 1, num_mel_bins].")
      .infer(infer_mel)
      .no_gradient("the edges of the bands are moved to whole bins, so small changes change nothing");
}

}  // namespace weft
