// Slices at many places at once: ScatterND and GatherND.
#include "core/graph/expr.h"

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

Status infer_scatter(InferContext& c) {
  const std::string& reduction = c.attrs().s("reduction");
  if (reduction != "none" && reduction != "add" && reduction != "mul" && reduction != "max" && reduction != "min") {
    return invalid("attribute 'reduction' is \"", reduction,
                   "\" but must be \"none\", \"add\", \"mul\", \"max\" or \"min\"");
  }
  WEFT_TRY(std::optional<int64_t> length, place_length(c, 0));
  if (length && c.has_rank(2)) {
    Dims wanted(c.dims(1).begin(), c.dims(1).end() - 1);
    wanted.insert(wanted.end(), c.dims(0).begin() + *length, c.dims(0).end());
    bool fits = wanted.size() == c.dims(2).size();
    for (size_t i = 0; fits && i < wanted.size(); ++i) {
      fits = wanted[i] == c.dims(2)[i] || !wanted[i].known() || !c.dims(2)[i].known();
    }
    if (!fits) {
      return invalid("'updates' must be ", dims_text(wanted), ", a slice for each place, but is ", c.input(2).text());
    }
  }
  c.output(0) = c.input(0);
  c.output(0).ints = nullptr;
  return {};
}

Status grad_scatter(GradContext& c) {
  const std::string& reduction = c.attrs().s("reduction");
  if (reduction != "none" && reduction != "add") {
    return unimplemented("the gradient of ScatterND with reduction \"", reduction, "\"; \"none\" and \"add\" have one");
  }
  if (c.needs(0)) {
    Expr kept = c.grad(0);
    if (reduction == "none") {
      kept = make(c.scope(), "ScatterND", {kept, c.input(1), fill_like(c.input(2), 0)}, {{"reduction", "none"}});
    }
    c.set_grad(0, kept);
  }
  c.set_grad(2, make(c.scope(), "GatherND", {c.grad(0), c.input(1)}));
  return {};
}

Status infer_gather(InferContext& c) {
  int64_t batch = c.attrs().i("batch_dims");
  if (batch < 0) return invalid("attribute 'batch_dims' is ", batch, " but must not be negative");
  WEFT_TRY(std::optional<int64_t> length, place_length(c, batch));
  if (!length) return {};
  if (batch >= c.rank(1)) return invalid("attribute 'batch_dims' is ", batch, " but indices are ", c.input(1).text());
  Dims out(c.dims(1).begin(), c.dims(1).end() - 1);
  out.insert(out.end(), c.dims(0).begin() + batch + *length, c.dims(0).end());
  c.set_dims(0, std::move(out));
  return {};
}

Status grad_gather(GradContext& c) {
  if (c.attrs().i("batch_dims") != 0) return unimplemented("the gradient of GatherND with batch_dims");
  c.set_grad(0,
             make(c.scope(), "ScatterND", {fill_like(c.input(0), 0), c.input(1), c.grad(0)}, {{"reduction", "add"}}));
  return {};
}

}  // namespace

void define_op_scatter_nd(OpRegistry& ops) {
  ops.add("ScatterND")
      .group("indexing")
      .since(18)
      .doc(
          "A copy of `data` with the slices at the places that `indices` names replaced by those of `updates`, or "
          "joined "
          "with them, in order. Negative coordinates count from the end; one outside is OUT_OF_RANGE.")
      .types("T", kNumberTypes | set_of(DType::kBool))
      .attr("reduction", "none", "\"none\": replaces; \"add\", \"mul\", \"max\", \"min\": joins.")
      .input("data", "T", "At least one dimension.")
      .input("indices", "i64", "[..., k]: a place of k coordinates each.")
      .input("updates", "T", "The shape of indices without its last axis, then that of a slice of data.")
      .output("output", "T", "The shape of data.")
      .inplace(0, 0)
      .infer(infer_scatter)
      .grad(grad_scatter);
  ops.add("GatherND")
      .group("indexing")
      .since(13)
      .doc(
          "The slices of `data` at the places that `indices` names. Negative coordinates count from the end; one "
          "outside "
          "is OUT_OF_RANGE.")
      .types("T", kNumberTypes | set_of(DType::kBool))
      .attr("batch_dims", int64_t{0}, "How many leading axes data and indices have in common.")
      .input("data", "T", "At least one dimension.")
      .input("indices", "i64", "[..., k]: a place of k coordinates each.")
      .output("output", "T", "The shape of indices without its last axis, then that of a slice of data.")
      .infer(infer_gather)
      .grad(grad_gather);
}

}  // namespace weft
