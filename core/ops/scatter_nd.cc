// Slices at many places at once: ScatterND, GatherND, and ScatterScan, of which gradients are made.
#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

#include "core/ops/downgrade_common.h"
#include "core/ops/scatter_common.h"

namespace weft {
namespace {

// The length of the places' last axis, once it is known to fit.
Result<std::optional<int64_t>> place_length(const InferContext& c, int64_t batch_dims) {
  if (!c.has_rank(0) || !c.has_rank(1)) return std::optional<int64_t>();
  if (c.rank(0) < 1 || c.rank(1) < 1) return invalid("'data' and 'indices' must have at least one dimension each");
  const Dim& last = c.dims(1).back();
  if (!last.known()) return std::optional<int64_t>();
  if (last.value() < 0 || last.value() > c.rank(0) - batch_dims) {
    return invalid("the places of ", c.input(1).text(), " have ", last.value(), " coordinates, but ", c.input(0).text(),
                   " has ", c.rank(0) - batch_dims, " axes for them");
  }
  return std::optional<int64_t>(last.value());
}

// Input `i` holds a slice of data for each place.
Status check_slices(const InferContext& c, int i, std::optional<int64_t> length) {
  if (!length || !c.has_rank(i)) return {};
  Dims wanted(c.dims(1).begin(), c.dims(1).end() - 1);
  wanted.insert(wanted.end(), c.dims(0).begin() + *length, c.dims(0).end());
  bool fits = wanted.size() == c.dims(i).size();
  for (size_t d = 0; fits && d < wanted.size(); ++d) {
    fits = wanted[d] == c.dims(i)[d] || !wanted[d].known() || !c.dims(i)[d].known();
  }
  if (fits) return {};
  return invalid("'", c.op().inputs()[i].name, "' must be ", dims_text(wanted), ", a slice for each place, but is ",
                 c.input(i).text());
}

Status infer_scatter(InferContext& c) {
  WEFT_CHECK(check_reduction(c));
  WEFT_TRY(std::optional<int64_t> length, place_length(c, 0));
  WEFT_CHECK(check_slices(c, 2, length));
  c.output(0) = c.input(0);
  c.output(0).ints = nullptr;
  return {};
}

Status grad_scatter(GradContext& c) {
  if (c.attrs().s("reduction") == "add") {
    c.set_grad(0, c.grad(0));
    c.set_grad(2, make(c.scope(), "GatherND", {c.grad(0), c.input(1)}));
    return {};
  }
  WEFT_TRY(const JoinedGrads grads,
           grad_joined({c.input(0), c.input(1), c.input(2), c.output(0), c.grad(0)}, c.attrs().s("reduction")));
  c.set_grad(0, grads.by_data);
  c.set_grad(2, grads.by_updates);
  return {};
}

Status infer_scan(InferContext& c) {
  WEFT_TRY(std::optional<int64_t> length, place_length(c, 0));
  WEFT_CHECK(check_slices(c, 2, length));
  if (c.has_input(3)) WEFT_CHECK(check_slices(c, 3, length));
  if (c.has_rank(0)) c.set_dims(0, c.dims(0));
  if (c.has_rank(2)) c.set_dims(1, c.dims(2));
  return {};
}

// The same recurrence, the other way round: of s' = f * s + t, the gradients of s and t are those of s' times f and 1.
Status grad_scan_of_scan(GradContext& c) {
  Attrs attrs{{"reverse", int64_t{!c.attrs().b("reverse")}}};
  std::vector<Expr> inputs = {c.grad(0), c.input(1), c.input(2)};
  if (c.has_grad(1)) inputs.push_back(c.grad(1));
  std::vector<Expr> back = make_all(c.scope(), "weft.ScatterScan", inputs, std::move(attrs), 2);
  c.set_grad(0, back[0]);
  if (c.needs(2)) c.set_grad(2, grad_mul(back[1], c.output(1)));
  c.set_grad(3, back[1]);
  return {};
}

Status infer_gather(InferContext& c) {
  int64_t batch = c.attrs().i("batch_dims");
  if (batch < 0 || batch >= kMostAxes) {
    return invalid("attribute 'batch_dims' is ", batch, " but must be 0 to ", kMostAxes - 1);
  }
  WEFT_TRY(std::optional<int64_t> length, place_length(c, batch));
  if (c.has_rank(1) && batch >= c.rank(1))
    return invalid("attribute 'batch_dims' is ", batch, " but indices are ", c.input(1).text());
  for (int64_t d = 0; c.has_rank(0) && c.has_rank(1) && d < std::min(batch, c.rank(0)); ++d) {
    if (may_equal({c.dims(0)[d]}, {c.dims(1)[d]})) continue;
    return invalid("'data' ", c.input(0).text(), " and 'indices' ", c.input(1).text(), " must have the first ", batch,
                   " axes in common, but axis ", d, " differs");
  }
  if (!length) return {};
  Dims out(c.dims(1).begin(), c.dims(1).end() - 1);
  out.insert(out.end(), c.dims(0).begin() + batch + *length, c.dims(0).end());
  c.set_dims(0, std::move(out));
  return {};
}

// Places with the coordinates of the leading axes, which data and indices have in common, put before the others.
Expr whole_places(Expr indices, int64_t batch_dims) {
  if (batch_dims == 0) return indices;
  ExprScope& s = indices.scope();
  Expr shape = make(s, "Shape", {indices}, {{"end", int64_t{-1}}});
  std::vector<Expr> parts;
  for (int64_t axis = 0; axis < batch_dims; ++axis) {
    parts.push_back(unsqueeze(coordinates_along(shape, axis), {-1}));
  }
  parts.push_back(indices);
  return concat(parts, -1);
}

Status grad_gather(GradContext& c) {
  Expr places = whole_places(c.input(1), c.attrs().i("batch_dims"));
  c.set_grad(0, make(c.scope(), "ScatterND", {fill_like(c.input(0), 0), places, c.grad(0)}, {{"reduction", "add"}}));
  return {};
}

// What older opsets need to know of the places that input 1 names: the sizes of data, and how many of them they are of.
struct KnownPlaces {
  Shape sizes;
  int64_t length = 0;
};

Result<KnownPlaces> known_places(const DowngradeContext& c) {
  const Expr data = c.inputs[0], indices = c.inputs[1];
  if (!data.has_rank() || !all_known(data.dims())) {
    return unimplemented("there was no such operator, and the sizes of its data, ", data.type().text(),
                         ", are not known");
  }
  if (!indices.has_rank() || !indices.dims().back().known() || indices.dims().back().is(0)) {
    return unimplemented("there was no such operator, and its places, ", indices.type().text(),
                         ", are of no known number of coordinates");
  }
  KnownPlaces places{to_shape(data.dims()), indices.dims().back().value()};
  for (int64_t size : places.sizes) {
    if (size == 0) return unimplemented("there was no such operator, and its data has no elements");
  }
  return places;
}

int64_t product(Shape::const_iterator begin, Shape::const_iterator end) {
  return std::accumulate(begin, end, int64_t{1}, std::multiplies<int64_t>());
}

// Each place as one number, counted from the front: the leading axes that it speaks of as one.
Expr flat_places(const DowngradeContext& c, const KnownPlaces& places) {
  Expr indices = c.inputs[1];
  ExprScope& s = indices.scope();
  const auto end = places.sizes.begin() + places.length;
  const std::vector<int64_t> sizes(places.sizes.begin(), end);
  std::vector<int64_t> steps;
  for (auto size = places.sizes.begin(); size != end; ++size) steps.push_back(product(size + 1, end));
  const std::optional<std::vector<int64_t>> known = c.numbers(1);
  const bool from_front = known && std::all_of(known->begin(), known->end(), [](int64_t at) { return at >= 0; });
  if (!from_front) {
    const Expr negative = make(s, "Less", {indices, constant_int(s, 0)});
    indices = where(negative, indices + constant_ints(s, sizes), indices);
  }
  return reduce_sum(indices * constant_ints(s, steps), {indices.rank() - 1}, false);
}

// Before opset 11: rows of data as a matrix, each of which is written element by element.
Status scatter_rows(DowngradeContext& c) {
  const std::string& reduction = c.attrs.s("reduction");
  if (reduction != "none") return unimplemented("its attribute 'reduction' is \"", reduction, "\"");
  WEFT_TRY(const KnownPlaces places, known_places(c));
  ExprScope& s = c.scope();
  const auto split = places.sizes.begin() + places.length;
  const int64_t rows = product(places.sizes.begin(), split), width = product(split, places.sizes.end());
  const Expr row = reshape(flat_places(c, places), constant_ints(s, {-1, 1}));
  const Expr matrix =
      make(s, "ScatterElements",
           {reshape(c.inputs[0], constant_ints(s, {rows, width})), make(s, "Tile", {row, constant_ints(s, {1, width})}),
            reshape(c.inputs[2], constant_ints(s, {-1, width}))},
           {{"axis", int64_t{0}}});
  c.replace({reshape(matrix, constant_ints(s, places.sizes))});
  return s.status();
}

// The same of what is read.
Status gather_rows(DowngradeContext& c) {
  if (c.attrs.i("batch_dims") != 0) return unimplemented("its attribute 'batch_dims' is ", c.attrs.i("batch_dims"));
  WEFT_TRY(const KnownPlaces places, known_places(c));
  ExprScope& s = c.scope();
  const auto split = places.sizes.begin() + places.length;
  std::vector<int64_t> shape{product(places.sizes.begin(), split)};
  shape.insert(shape.end(), split, places.sizes.end());
  const Expr rows = reshape(c.inputs[0], constant_ints(s, shape));
  c.replace({make(s, "Gather", {rows, flat_places(c, places)}, {{"axis", int64_t{0}}})});
  return s.status();
}

}  // namespace

void define_op_scatter_nd(OpRegistry& ops) {
  ops.add("ScatterND")
      .group("indexing")
      .since(18)
      .doc(
          "A copy of `data` with the slices at the places that `indices` names replaced by those of `updates`, or "
          "joined "
          "with them, in order: of several for one place the last replaces the others. Negative coordinates count from "
          "the end; one outside is OUT_OF_RANGE. The gradient is exact where updates meet and where factors are 0; "
          "equal extremes share it evenly.")
      .types("T", kTensorTypes)
      .attr("reduction", "none",
            "\"none\": replaces; \"add\", \"mul\", \"max\", \"min\": joins. Strings are replaced alone; \"max\" and "
            "\"min\" are not for complex numbers, which have no order.")
      .input("data", "T", "At least one dimension.")
      .input("indices", "i64", "[..., k]: a place of k coordinates each.")
      .input("updates", "T", "The shape of indices without its last axis, then that of a slice of data.")
      .output("output", "T", "The shape of data.")
      .inplace(0, 0)
      .infer(infer_scatter)
      .grad(grad_scatter)
      .downgrade(18, without_extremes)
      .downgrade(11, scatter_rows);
  ops.add("GatherND")
      .group("indexing")
      .since(13)
      .doc(
          "The slices of `data` at the places that `indices` names. Negative coordinates count from the end; one "
          "outside "
          "is OUT_OF_RANGE.")
      .types("T", kTensorTypes)
      .attr("batch_dims", int64_t{0}, "How many leading axes data and indices have in common.")
      .input("data", "T", "At least one dimension.")
      .input("indices", "i64", "[..., k]: a place of k coordinates each.")
      .output("output", "T", "The shape of indices without its last axis, then that of a slice of data.")
      .infer(infer_gather)
      .grad(grad_gather)
      .downgrade(11, gather_rows);
  ops.add(kWeftDomain, "ScatterScan")
      .group("gradient")
      .doc(
          "A recurrence at each place that `indices` names, in order: the slice s of `state` there is given out and "
          "then becomes `factor * s + term`, where a product with an exact 0 is 0. Negative coordinates count from the "
          "end; one outside is OUT_OF_RANGE. Gradients of products are made of it, as it needs no division; its own "
          "gradient is the same, the other way round.")
      .types("T", kFloatTypes | kComplexTypes)
      .flag("reverse", false, "Whether the places are taken from the last to the first.")
      .input("state", "T", "At least one dimension.")
      .input("indices", "i64", "[..., k]: a place of k coordinates each.")
      .input("factors", "T", "The shape of indices without its last axis, then that of a slice of state.")
      .optional_input("terms", "T", "The shape of factors; zeros if not given.")
      .output("last", "T", "The shape of state: what it has become.")
      .output("before", "T", "The shape of factors: for each place what was there before its turn.")
      .inplace(0, 0)
      .infer(infer_scan)
      .grad(grad_scan_of_scan);
}

}  // namespace weft
