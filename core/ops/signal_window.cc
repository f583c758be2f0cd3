// Windows of signal processing: HannWindow, HammingWindow, BlackmanWindow.
#include "core/graph/expr.h"

namespace weft {
namespace {

constexpr double kPi = 3.141592653589793;

// (1 - once - twice) - once cos(t) + twice cos(2 t), computed in f64 and so that the peak is exactly 1. The one element of a
// symmetric window is the peak.
Status cosine_window(BodyContext& c, double once, double twice) {
  ExprScope& s = c.scope();
  Expr size = c.input(0);
  if (size.has_rank() && size.rank() > 0) {
    if (size.rank() > 1 || (size.dims()[0].known() && !size.dims()[0].is(1))) {
      return invalid("input 'size' must be a scalar but is ", size.type().text());
    }
    size = squeeze(size, {0});
  }
  if (!size.has_rank()) size = reshape(size, constant_ints(s, {}));
  size = cast(size, DType::kI64);
  // Not of Range, which has none where the size is negative.
  Expr ones = make(s, "ConstantOfShape", {unsqueeze(size, {0})}, {{"value", Tensor::vector<double>({1.0})}});
  Expr places = make(s, "CumSum", {ones, constant_int(s, 0)}, {{"exclusive", int64_t{1}}});
  Expr period = cast(size, DType::kF64);
  if (!c.attrs().b("periodic")) period = period - 1.0;
  Expr t = places * (2 * kPi) / period;
  if (!c.attrs().b("periodic")) {
    t = where(make(s, "Equal", {period, scalar_like(period, 0)}), scalar_like(t, kPi), t);
  }
  Expr window = 1.0 - (make(s, "Cos", {t}) + 1.0) * once;
  if (twice != 0) window = window - (1.0 - make(s, "Cos", {t * 2.0})) * twice;
  const int64_t number = c.attrs().i("output_datatype");
  const bool named = 0 < number && number < kDTypeCount;
  if (!named || !contains(kNumberTypes, static_cast<DType>(number))) {
    return invalid("attribute 'output_datatype' is ",
                   named ? dtype_name(static_cast<DType>(number)) : cat(number).c_str(), ", which is none of ",
                   dtype_set_text(kNumberTypes));
  }
  c.set_output(0, cast(window, static_cast<DType>(number)));
  return {};
}

Status hann(BodyContext& c) { return cosine_window(c, 0.5, 0); }
Status hamming(BodyContext& c) { return cosine_window(c, 21.0 / 46, 0); }
Status blackman(BodyContext& c) { return cosine_window(c, 0.5, 0.08); }

}  // namespace

void define_op_signal_window(OpRegistry& ops) {
  struct Row {
    const char* name;
    BodyFn body;
    const char* doc;
  };
  for (const Row& row :
       {Row{"HannWindow", hann, "`0.5 - 0.5 cos(t)`"}, Row{"HammingWindow", hamming, "`25/46 - 21/46 cos(t)`"},
        Row{"BlackmanWindow", blackman, "`0.42 - 0.5 cos(t) + 0.08 cos(2 t)`"}}) {
    ops.add(row.name)
        .group("signal")
        .since(17)
        .doc(cat(row.doc,
                 " at t = 2 pi n / N for n from 0 to size - 1, computed in f64 and converted as Cast does. N is the "
                 "size, or one less for a symmetric window, whose only element, if it has one, is 1."))
        .types("T1", kIndexTypes)
        .types("T2", kNumberTypes)
        .dtype_attr("output_datatype", DType::kF32, "Type of the output.")
        .flag("periodic", true, "Whether the window is one period; else it is symmetric.")
        .input("size", "T1", "Number of elements, a scalar.")
        .shapes_outputs()
        .output("output", "T2", "[size].")
        .body(row.body)
        .no_gradient("its output does not depend on any number that could move");
  }
}

}  // namespace weft
