// Sliding windows of convolutions and pools.
#include "core/op/window.h"

#include <algorithm>
#include <limits>

namespace weft {

namespace {

// Further than this no window reaches: sizes times strides and dilations then fit 63 bits.
constexpr int64_t kMostReach = std::numeric_limits<int32_t>::max();

Status wrong_length(std::string_view name, size_t found, size_t wanted) {
  return invalid(
      "attribute '", name, "' has ", found, found == 1 ? " entry" : " entries", " but needs ", wanted,
      name == "pads" ? ": a begin for each spatial axis, then an end for each" : ": one for each spatial axis");
}

Status read_list(const Attrs& attrs, const char* name, size_t wanted, int64_t fill, int64_t least,
                 std::vector<int64_t>* out) {
  *out = attrs.ints_or_empty(name);
  if (out->empty()) out->assign(wanted, fill);
  if (out->size() != wanted) return wrong_length(name, out->size(), wanted);
  for (int64_t value : *out) {
    if (value < least) return invalid("attribute '", name, "' has ", value, " but entries must be at least ", least);
    if (value > kMostReach) {
      return invalid("attribute '", name, "' has ", value, " but entries must be at most ", kMostReach);
    }
  }
  return {};
}

}  // namespace

Result<Window> read_window(const Attrs& attrs, int64_t spatial, Dims kernel) {
  Window window;
  size_t n = static_cast<size_t>(spatial);
  WEFT_CHECK(read_list(attrs, "strides", n, 1, 1, &window.strides));
  WEFT_CHECK(read_list(attrs, "dilations", n, 1, 1, &window.dilations));
  std::vector<int64_t> pads;
  WEFT_CHECK(read_list(attrs, "pads", 2 * n, 0, 0, &pads));
  window.begin_pads.assign(pads.begin(), pads.begin() + static_cast<int64_t>(n));
  window.end_pads.assign(pads.begin() + static_cast<int64_t>(n), pads.end());
  if (const AttrValue* given = attrs.find("kernel_shape")) {
    Dims stated = to_dims(given->ints());
    if (stated.size() != n) return wrong_length("kernel_shape", stated.size(), n);
    for (size_t i = 0; i < n && !kernel.empty(); ++i) {
      if (kernel[i].known() && !(kernel[i] == stated[i])) {
        return invalid("attribute 'kernel_shape' says ", dims_text(stated), " but the weight has ", dims_text(kernel));
      }
    }
    kernel = std::move(stated);
  }
  for (const Dim& size : kernel) {
    if (size.known() && size.value() < 1) return invalid("the kernel ", dims_text(kernel), " has a size below 1");
    if (size.known() && size.value() > kMostReach) {
      return invalid("the kernel ", dims_text(kernel), " has a size above ", kMostReach);
    }
  }
  window.kernel = std::move(kernel);
  const AttrValue* given = attrs.find("auto_pad");  // which some operators do not have
  const std::string mode = given != nullptr ? given->s() : "NOTSET";
  if (mode == "SAME_UPPER")
    window.auto_pad = Window::AutoPad::kSameUpper;
  else if (mode == "SAME_LOWER")
    window.auto_pad = Window::AutoPad::kSameLower;
  else if (mode == "VALID")
    window.auto_pad = Window::AutoPad::kValid;
  else if (mode != "NOTSET")
    return invalid("attribute 'auto_pad' is \"", mode, "\" but must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  if (window.auto_pad != Window::AutoPad::kNotSet) {
    window.begin_pads.assign(n, 0);
    window.end_pads.assign(n, 0);
  }
  return window;
}

Result<Dim> Window::output_size(int64_t axis, const Dim& input, bool ceil) const {
  if (pads_to_same()) return input.ceil_div(Dim(strides[axis]));
  Dim span = (kernel[axis] - Dim(1)) * Dim(dilations[axis]) + Dim(1);
  Dim room = input + Dim(begin_pads[axis] + end_pads[axis]) - span;
  if (room.known() && room.value() < 0) {
    // Rounded up, a window that begins in the input may hang over its end.
    if (ceil && -room.value() < strides[axis] && input.value() + begin_pads[axis] > 0) return Dim(1);
    return invalid("a window of ", span.text(), " does not fit into ", input.text(), " elements with ",
                   begin_pads[axis] + end_pads[axis], " of padding along spatial axis ", axis);
  }
  Dim size = (ceil ? room.ceil_div(Dim(strides[axis])) : room.floor_div(Dim(strides[axis]))) + Dim(1);
  if (ceil && size.known() && input.known()) {
    int64_t last = (size.value() - 1) * strides[axis];
    if (last >= (input + Dim(begin_pads[axis])).value()) size = size - Dim(1);
  }
  return size;
}

int64_t Window::same_pads(int64_t axis, int64_t input, int64_t output) const {
  int64_t span = (kernel[axis].value() - 1) * dilations[axis] + 1;
  // In this order no sum passes 63 bits, however large the input is.
  return std::max<int64_t>(0, (output - 1) * strides[axis] - input + span);
}

int64_t Window::begin_pad(int64_t axis, int64_t input, int64_t output) const {
  if (!pads_to_same()) return begin_pads[axis];
  int64_t total = same_pads(axis, input, output);
  return auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
}

int64_t Window::end_pad(int64_t axis, int64_t input, int64_t output) const {
  return pads_to_same() ? same_pads(axis, input, output) - begin_pad(axis, input, output) : end_pads[axis];
}

Result<TransposedWindow> TransposedWindow::read(const Attrs& attrs, int64_t spatial, Dims kernel) {
  TransposedWindow out;
  size_t n = static_cast<size_t>(spatial);
  WEFT_TRY(out.window_, read_window(attrs, spatial, std::move(kernel)));
  WEFT_CHECK(read_list(attrs, "output_padding", n, 0, 0, &out.output_padding_));
  if (!attrs.ints_or_empty("output_shape").empty()) {
    WEFT_CHECK(read_list(attrs, "output_shape", n, 0, 0, &out.output_shape_));
  }
  return out;
}

Dim TransposedWindow::unpadded_size(int64_t axis, const Dim& input) const {
  Dim span = (window_.kernel[axis] - Dim(1)) * Dim(window_.dilations[axis]) + Dim(1);
  return (input - Dim(1)) * Dim(window_.strides[axis]) + span + Dim(output_padding_[axis]);
}

Result<Dim> TransposedWindow::output_size(int64_t axis, const Dim& input) const {
  if (!output_shape_.empty()) return Dim(output_shape_[axis]);
  if (window_.pads_to_same()) return input * Dim(window_.strides[axis]);
  int64_t pads = window_.begin_pads[axis] + window_.end_pads[axis];
  Dim unpadded = unpadded_size(axis, input), size = unpadded - Dim(pads);
  if (!size.known() || size.value() >= 0) return size;
  return invalid("spatial axis ", axis, " of the output would have ", size.text(), " elements: ", unpadded.text(),
                 " less pads of ", pads);
}

int64_t TransposedWindow::begin_pad(int64_t axis, int64_t input, int64_t output) const {
  if (!pads_to_fit()) return window_.begin_pads[axis];
  // Halves are rounded down, of negative totals too: an odd element goes behind with SAME_UPPER, else before.
  int64_t total = (unpadded_size(axis, input) - Dim(output)).value(), half = total >> 1;
  return window_.auto_pad == Window::AutoPad::kSameUpper ? half : total - half;
}

}  // namespace weft
