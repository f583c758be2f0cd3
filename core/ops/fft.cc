// The Fourier transforms of numpy: Fft, Ifft, Rfft and Irfft, which are made of DFT.
#include "core/ops/linalg_common.h"

namespace weft {
namespace {

// How a transform is asked for.
struct Fft {
  bool inverse, half;  // half: between real numbers and the first half of a transform
};
constexpr Fft kFft{false, false}, kIfft{true, false}, kRfft{false, true}, kIrfft{true, true};

enum class FftNorm { kBackward, kOrtho, kForward };

Result<FftNorm> fft_norm(const Attrs& attrs) {
  const std::string& name = attrs.s("norm");
  if (name == "backward") return FftNorm::kBackward;
  if (name == "ortho") return FftNorm::kOrtho;
  if (name == "forward") return FftNorm::kForward;
  return invalid("attribute 'norm' is \"", name, "\" but must be \"backward\", \"ortho\" or \"forward\"");
}

template <const Fft& kind>
Status infer_fft(InferContext& c) {
  WEFT_CHECK(fft_norm(c.attrs()).status());
  const int64_t given = c.attrs().i_or("n", 1);
  if (given < 1) return invalid("attribute 'n' is ", given, " but must be positive");
  if (!c.has_rank(0)) return {};
  const bool parts_in = !(kind.half && !kind.inverse), parts_out = !(kind.half && kind.inverse);
  Dims dims = c.dims(0);
  if (parts_in) {
    const bool fits = !dims.empty() && (!dims.back().known() || dims.back().is(2) || (!kind.half && dims.back().is(1)));
    if (!fits) {
      return invalid("the last dimension of the input must be 2, for real and imaginary parts,",
                     kind.half ? "" : " or 1 for real numbers,", " but it is ", c.input(0).text());
    }
    dims.pop_back();
  }
  WEFT_TRY(const int64_t axis, InferContext::axis(c.attrs().i("axis"), static_cast<int64_t>(dims.size())));
  Dim& size = dims[static_cast<size_t>(axis)];
  if (c.attrs().has("n"))
    size = Dim(given);
  else if (kind.half && kind.inverse)
    size = Dim(2) * (size - Dim(1));
  if (size.known() && size.value() < 1) {
    return invalid("there is no transform of length ", size.text(), "; the input is ", c.input(0).text());
  }
  if (kind.half && !kind.inverse) size = size.floor_div(Dim(2)) + Dim(1);
  if (parts_out) dims.push_back(Dim(2));
  c.set_dims(0, std::move(dims));
  return {};
}

template <const Fft& kind>
Status build_fft(BodyContext& c) {
  ExprScope& s = c.scope();
  WEFT_TRY(const FftNorm norm, fft_norm(c.attrs()));
  const int64_t axis = c.attrs().i("axis");
  Expr x = c.input(0), length;
  if (c.attrs().has("n")) length = constant_int(s, c.attrs().i("n"));
  if (kind.half && !kind.inverse) x = unsqueeze(x, {-1});
  const int64_t with_parts = axis < 0 ? axis - 1 : axis;
  Expr y = make(s, "DFT", {x, length, constant_int(s, with_parts)},
                {{"inverse", int64_t{kind.inverse}}, {"onesided", int64_t{kind.half}}});
  if (norm != FftNorm::kBackward) {
    if (!length.valid()) {
      length = linalg::size_of(x, with_parts);
      if (kind.half && kind.inverse) length = (length - constant_int(s, 1)) * constant_int(s, 2);
    }
    Expr factor = cast(length, x.dtype());
    if (norm == FftNorm::kOrtho) factor = make(s, "Sqrt", {factor});
    y = kind.inverse ? y * factor : y / factor;
  }
  c.set_output(0, kind.half && kind.inverse ? squeeze(y, {-1}) : y);
  return {};
}

struct FftTexts {
  const char *name, *doc, *input, *output;
};

template <const Fft& kind>
void define_fft(OpRegistry& ops, const FftTexts& texts) {
  ops.add(kWeftDomain, texts.name)
      .group("math")
      .doc(texts.doc)
      .types("T", kFloatTypes)
      .optional_attr("n", AttrKind::kInt,
                     kind.half && kind.inverse
                         ? "The size of the axis of Y: X is cut, or filled up with zeros, to n / 2 + 1. 2 * (size - 1) "
                           "if not given."
                         : "X is cut, or filled up with zeros, to that size along the axis; its own if not given.")
      .attr("axis", int64_t{-1},
            "The axis of the transform; negative counts from the end. The dimension of real and imaginary parts is not "
            "counted.")
      .attr("norm", "backward",
            "What a transform of length n is divided by, forward and inverse: 1 and n (\"backward\"), sqrt(n) and "
            "sqrt(n) "
            "(\"ortho\"), n and 1 (\"forward\").")
      .input("X", "T", texts.input)
      .output("Y", "T", texts.output)
      .infer(infer_fft<kind>)
      .body_by_shapes(build_fft<kind>);
}

}  // namespace

void define_op_fft(OpRegistry& ops) {
  define_fft<kFft>(ops, {"Fft",
                         "The discrete Fourier transform along an axis, as numpy.fft.fft: `Y[k] = sum over j of X[j] "
                         "exp(-2 pi i j k / n)`.",
                         "[..., 2]: real and imaginary parts; or [..., 1]: real numbers.", "[..., 2]."});
  define_fft<kIfft>(
      ops, {"Ifft", "The inverse of Fft, as numpy.fft.ifft: `Y[k] = sum over j of X[j] exp(2 pi i j k / n) / n`.",
            "[..., 2]: real and imaginary parts; or [..., 1]: real numbers.", "[..., 2]."});
  define_fft<kRfft>(ops,
                    {"Rfft",
                     "The first n / 2 + 1 elements of the Fourier transform of real numbers, as numpy.fft.rfft; the "
                     "others are their conjugates.",
                     "[...]: real numbers.", "[..., 2]: real and imaginary parts."});
  define_fft<kIrfft>(ops,
                     {"Irfft", "The inverse of Rfft, as numpy.fft.irfft: real numbers of a half.",
                      "[..., 2]: real and imaginary parts of the first n / 2 + 1 elements.", "[...]: real numbers."});
}

}  // namespace weft
