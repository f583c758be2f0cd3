// What operators share that are written for older opsets.
#include "core/ops/downgrade_common.h"

#include <algorithm>

#include "core/graph/subgraph.h"
#include "core/ops/heads_common.h"

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

Status running_as_scan(DowngradeContext& c, const char* join, double first) {
  ExprScope& s = c.scope();
  const Expr x = c.inputs[0];
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  WEFT_TRY(const std::vector<int64_t> axes, c.known_numbers(1));
  if (axes.size() != 1) return unimplemented("its input 'axis' is not one number");
  WEFT_TRY(const int64_t axis, InferContext::axis(axes[0], rank));
  std::vector<Expr> others;
  if (axis > 0) others.push_back(dims_of(x, 0, axis));
  if (axis + 1 < rank) others.push_back(dims_of(x, axis + 1, rank));
  Expr before = scalar_like(x, first);
  if (!others.empty()) before = make(s, "Expand", {before, others.size() == 1 ? others[0] : concat(others, 0)});
  WEFT_CHECK(s.status());
  const std::vector<int64_t> along{axis}, direction{c.attrs.i("reverse")};
  Attrs attrs{{"num_scan_inputs", int64_t{1}},
              {"scan_input_axes", along},
              {"scan_input_directions", direction},
              {"scan_output_axes", along},
              {"scan_output_directions", direction}};
  WEFT_TRY(const OpDef* scan, s.graph().ops().get(kOnnxDomain, "Scan"));
  WEFT_TRY(std::shared_ptr<Graph> body, make_body(s.graph().shared_from_this(), *scan, {before.id(), x.id()}, attrs));
  ExprScope inner(*body, s.origin());
  const Expr carried(inner, body->inputs()[0]), item(inner, body->inputs()[1]);
  const Expr joined = make(inner, join, {carried, item});
  WEFT_CHECK(inner.status());
  WEFT_CHECK(body->set_outputs({joined.id(), c.attrs.b("exclusive") ? carried.id() : joined.id()}));
  attrs.set("body", GraphRef(std::move(body)));
  c.replace({make_all(s, "Scan", {before, x}, std::move(attrs), 2)[1]});
  return s.status();
}

}  // namespace weft
