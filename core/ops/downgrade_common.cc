// What operators share that are written for older opsets.
#include "core/ops/downgrade_common.h"

#include <algorithm>

namespace weft {

namespace {

constexpr const char* kAxes[] = {"axis", "axes"};

bool counts_from_end(const AttrValue* axes) {
  if (axes == nullptr) return false;
  if (axes->kind() == AttrKind::kInt) return axes->i() < 0;
  return std::any_of(axes->ints().begin(), axes->ints().end(), [](int64_t axis) { return axis < 0; });
}

}  // namespace

Status axes_from_front(DowngradeContext& c) {
  if (!counts_from_end(c.attrs.find("axis")) && !counts_from_end(c.attrs.find("axes"))) return {};
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  return axes_from_front_of(c, rank);
}

Status axes_from_front_of(DowngradeContext& c, int64_t rank) {
  for (const char* name : kAxes) {
    const AttrValue* given = c.attrs.find(name);
    if (!counts_from_end(given)) continue;
    if (given->kind() == AttrKind::kInt) {
      WEFT_TRY(const int64_t axis, InferContext::axis(given->i(), rank));
      c.attrs.set(name, axis);
      continue;
    }
    std::vector<int64_t> axes = given->ints();
    for (int64_t& axis : axes) {
      WEFT_TRY(axis, InferContext::axis(axis, rank));
    }
    c.attrs.set(name, std::move(axes));
  }
  return {};
}

Status known_indices_from_front(DowngradeContext& c) {
  const Tensor* indices = c.constant(1);
  std::optional<std::vector<int64_t>> values = c.numbers(1);
  if (!values || std::all_of(values->begin(), values->end(), [](int64_t index) { return index >= 0; })) return {};
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_TRY(const int64_t axis, InferContext::axis(c.attrs.i("axis"), rank));
  const Dim& size = c.inputs[0].dims()[axis];
  if (indices == nullptr || !size.known()) {
    return unimplemented("one of its indices is negative, and the size of axis ", axis, " is ", size.text());
  }
  for (int64_t& index : *values) {
    if (index < 0) index += size.value();
  }
  WEFT_TRY(Tensor moved, Tensor::vector<int64_t>(*values).reshaped(indices->shape()));
  c.inputs[1] = cast(constant(c.scope(), std::move(moved)), indices->dtype());
  return c.scope().status();
}

Status without_dilations(DowngradeContext& c) {
  const std::vector<int64_t> given = c.attrs.ints_or_empty("dilations");
  if (std::all_of(given.begin(), given.end(), [](int64_t step) { return step == 1; })) c.attrs.erase("dilations");
  return {};
}

Status without_extremes(DowngradeContext& c) {
  const std::string& reduction = c.attrs.s("reduction");
  if (reduction != "max" && reduction != "min") return {};
  return unimplemented("its attribute 'reduction' is \"", reduction, "\"");
}

}  // namespace weft
