// The same elements under another shape: Reshape, Flatten, Squeeze, Unsqueeze.
#include <algorithm>

#include "core/ops/downgrade_common.h"

namespace weft {
namespace {

Dim product(const Dims& dims, size_t begin, size_t end) {
  Dim out(1);
  for (size_t i = begin; i < end; ++i) out = out * dims[i];
  return out;
}

// What small integers are known passes through: the elements stay in order.
void keep_ints(InferContext& c) {
  if (c.ints(0) != nullptr && c.output(0).has_rank && c.output(0).dims.size() <= 1) c.set_ints(0, *c.ints(0));
}

Status infer_reshape(InferContext& c) {
  WEFT_CHECK(c.check_vector(1));
  const Dims* wanted = c.ints(1);
  if (wanted == nullptr) {
    // Perhaps the length of the shape is known, and so the rank.
    if (c.has_rank(1) && c.rank(1) == 1 && c.dims(1)[0].known()) c.set_dims(0, c.fresh_dims(c.dims(1)[0].value()));
    return {};
  }
  bool allow_zero = c.attrs().b("allowzero");
  Dims out;
  int open = -1;
  for (size_t i = 0; i < wanted->size(); ++i) {
    const Dim& dim = (*wanted)[i];
    if (dim.is(-1)) {
      if (open >= 0) return invalid("the shape ", dims_text(*wanted), " has more than one -1");
      open = static_cast<int>(i);
      out.push_back(Dim(1));
    } else if (dim.is(0) && !allow_zero) {
      if (!c.has_rank(0)) {
        out.push_back(c.fresh());
      } else if (i >= c.dims(0).size()) {
        return invalid("the shape ", dims_text(*wanted), " keeps dimension ", i, " of an input of rank ", c.rank(0));
      } else {
        out.push_back(c.dims(0)[i]);
      }
    } else if (dim.known() && dim.value() < -1) {
      return invalid("the shape ", dims_text(*wanted), " has a dimension below -1");
    } else {
      out.push_back(dim);
    }
  }
  if (c.has_rank(0)) {
    Dim have = product(c.dims(0), 0, c.dims(0).size());
    Dim rest = product(out, 0, out.size());
    if (open >= 0) {
      if (rest.is(0)) {
        if (allow_zero || !have.is(0)) {
          return invalid(c.input(0).text(), " cannot take the shape ", dims_text(*wanted),
                         ": -1 beside 0 can be anything");
        }
        // What a 0 in the shape keeps stands on both sides and need not be divided by.
        Dim own(1), given(1);
        for (size_t i = 0; i < c.dims(0).size(); ++i) {
          if (i >= wanted->size() || !(*wanted)[i].is(0)) own = own * c.dims(0)[i];
        }
        for (const Dim& dim : *wanted) {
          if (!dim.is(0) && !dim.is(-1)) given = given * dim;
        }
        Result<Dim> exact = own.exact_div(given);
        out[open] = exact.ok() ? *exact : Dim(0);
      } else if (have.known() && rest.known()) {
        if (have.value() % rest.value() != 0) {
          return invalid(c.input(0).text(), " has ", have.value(), " elements, which do not fill the shape ",
                         dims_text(*wanted));
        }
        out[open] = have.value() / rest.value();
      } else {
        Result<Dim> exact = have.exact_div(rest);
        out[open] = exact.ok() ? *exact : c.fresh();
      }
    } else if (have.known() && rest.known() && have.value() != rest.value()) {
      return invalid(c.input(0).text(), " has ", have.value(), " elements but the shape ", dims_text(*wanted), " has ",
                     rest.value());
    }
  } else if (open >= 0) {
    out[open] = c.fresh();
  }
  c.set_dims(0, std::move(out));
  keep_ints(c);
  return {};
}

Status infer_flatten(InferContext& c) {
  if (!c.has_rank(0)) {
    c.set_dims(0, c.fresh_dims(2));
    return {};
  }
  int64_t rank = c.rank(0), axis = c.attrs().i("axis");
  if (axis < -rank || axis > rank) return invalid("axis ", axis, " is outside [", -rank, ", ", rank, "]");
  if (axis < 0) axis += rank;
  c.set_dims(0, {product(c.dims(0), 0, axis), product(c.dims(0), axis, rank)});
  return {};
}

// A single axis may be a scalar: the schema says otherwise, but files have it.
Status check_axes(const InferContext& c) { return c.has_rank(1) && c.rank(1) == 0 ? Status() : c.check_vector(1); }

// How many axes there are, where that is known.
std::optional<int64_t> axis_count(const InferContext& c) {
  if (!c.has_rank(1)) return std::nullopt;
  if (c.rank(1) == 0) return 1;
  return c.dims(1)[0].known() ? std::optional(c.dims(1)[0].value()) : std::nullopt;
}

Status infer_squeeze(InferContext& c) {
  WEFT_CHECK(check_axes(c));
  if (!c.has_rank(0)) return {};
  std::vector<bool> drop(c.rank(0), false);
  if (c.has_input(1)) {
    auto axes = c.numbers(1);
    if (!axes) {
      const std::optional<int64_t> count = axis_count(c);
      if (count && *count <= c.rank(0)) c.set_dims(0, c.fresh_dims(c.rank(0) - *count));
      return {};
    }
    for (int64_t given : *axes) {
      WEFT_TRY(int64_t axis, InferContext::axis(given, c.rank(0)));
      const Dim& dim = c.dims(0)[axis];
      if (dim.known() && dim.value() != 1) return invalid("dimension ", axis, " of ", c.input(0).text(), " is not 1");
      drop[axis] = true;
    }
  } else {
    for (int64_t i = 0; i < c.rank(0); ++i) {
      if (!c.dims(0)[i].known()) return {};  // it may or may not be 1
      drop[i] = c.dims(0)[i].is(1);
    }
  }
  Dims out;
  for (int64_t i = 0; i < c.rank(0); ++i) {
    if (!drop[i]) out.push_back(c.dims(0)[i]);
  }
  c.set_dims(0, std::move(out));
  keep_ints(c);
  return {};
}

Status infer_unsqueeze(InferContext& c) {
  WEFT_CHECK(check_axes(c));
  auto axes = c.numbers(1);
  if (!axes) {
    const std::optional<int64_t> count = axis_count(c);
    if (c.has_rank(0) && count) c.set_dims(0, c.fresh_dims(c.rank(0) + *count));
    return {};
  }
  if (!c.has_rank(0)) return {};
  int64_t rank = c.rank(0) + static_cast<int64_t>(axes->size());
  std::vector<bool> added(rank, false);
  for (int64_t given : *axes) {
    WEFT_TRY(int64_t axis, InferContext::axis(given, rank));
    if (added[axis]) return invalid("axis ", axis, " is given twice");
    added[axis] = true;
  }
  Dims out;
  size_t next = 0;
  for (int64_t i = 0; i < rank; ++i) out.push_back(added[i] ? Dim(1) : c.dims(0)[next++]);
  c.set_dims(0, std::move(out));
  keep_ints(c);
  return {};
}

// Whether the one is 0 only where the other one is.
bool is_zero_with(const Dim& dim, const Dim& other) {
  if (other.known()) return other.is(0);
  Result<Dim> times = dim.exact_div(other);
  return times.ok() && times->known() && !times->is(0);
}

// Before opset 14 a 0 of the shape kept the input's dimension.
Status without_zeros(DowngradeContext& c) {
  const bool allows = c.attrs.b("allowzero");
  c.attrs.erase("allowzero");
  if (!allows) return {};
  const Expr x = c.inputs[0];
  const std::shared_ptr<const Dims>& shape = c.inputs[1].type().ints;
  bool same = shape != nullptr;
  for (size_t i = 0; same && i < shape->size(); ++i) {
    const Dim& dim = (*shape)[i];
    const bool is_zero_in_both = x.has_rank() && i < x.dims().size() && is_zero_with(dim, x.dims()[i]);
    same = (dim.known() && !dim.is(0)) || is_zero_in_both;
  }
  if (same) return {};
  return unimplemented("its attribute 'allowzero' is set, and a 0 of the shape might not be a 0 of the input");
}

// Before opset 13; without axes there is nothing to do, but without the attribute all would be meant.
Status axes_to_attr(DowngradeContext& c) {
  const std::optional<std::vector<int64_t>> axes = c.numbers(1);
  if (!axes || !axes->empty()) return c.input_to_attr(1, "axes");
  c.replace({make(c.scope(), "Identity", {c.inputs[0]})});
  return c.scope().status();
}

// Readers of opsets before 11 go through the axes and the dimensions side by side.
Status ascending_axes(DowngradeContext& c) {
  std::vector<int64_t> axes = c.attrs.ints_or_empty("axes");
  if (std::is_sorted(axes.begin(), axes.end())) return {};
  std::sort(axes.begin(), axes.end());
  c.attrs.set("axes", std::move(axes));
  return {};
}

Status old_axes_from_front(DowngradeContext& c) {
  WEFT_CHECK(axes_from_front(c));
  return ascending_axes(c);
}

// They are those of the result.
Status new_axes_from_front(DowngradeContext& c) {
  const std::vector<int64_t> axes = c.attrs.ints_or_empty("axes");
  if (std::any_of(axes.begin(), axes.end(), [](int64_t axis) { return axis < 0; })) {
    WEFT_TRY(const int64_t rank, c.known_rank(0));
    WEFT_CHECK(axes_from_front_of(c, rank + static_cast<int64_t>(axes.size())));
  }
  return ascending_axes(c);
}

Status grad(GradContext& c) {
  c.set_grad(0, reshape_like(c.grad(0), c.input(0)));
  return {};
}

}  // namespace

void define_op_reshape(OpRegistry& ops) {
  ops.add("Reshape")
      .group("shape")
      .since(25)
      .doc("The elements of `data`, in order, under another shape.")
      .types("T", kAllTypes)
      .flag("allowzero", false, "Whether a 0 in the shape means 0; else it keeps the input's dimension.")
      .input("data", "T", "Any tensor.")
      .input("shape", "i64", "The new shape, one number a dimension; one of them may be -1, found from the others.")
      .shapes_outputs()
      .output("reshaped", "T", "The same elements.")
      .view()
      .inplace(0, 0)
      .infer(infer_reshape)
      .grad(grad)
      .upgrade(5, [](UpgradeContext& c) { return c.attr_to_input("shape", 1); })
      .downgrade(14, without_zeros);
  ops.add("Flatten")
      .group("shape")
      .since(25)
      .doc("`input` as a matrix: the dimensions before `axis` become rows, the others columns.")
      .types("T", kAllTypes)
      .attr("axis", int64_t{1}, "First dimension of the columns; negative counts from the end.")
      .input("input", "T", "Any tensor.")
      .output("output", "T", "Two dimensions.")
      .view()
      .inplace(0, 0)
      .infer(infer_flatten)
      .grad(grad)
      .downgrade(11, axes_from_front);
  ops.add("Squeeze")
      .group("shape")
      .since(25)
      .doc("`data` without its dimensions of 1.")
      .types("T", kAllTypes)
      .input("data", "T", "Any tensor.")
      .optional_input("axes", "i64", "The dimensions to drop, each 1, or a scalar; all that are 1 if not given.")
      .shapes_outputs()
      .output("squeezed", "T", "The same elements.")
      .view()
      .inplace(0, 0)
      .infer(infer_squeeze)
      .grad(grad)
      .upgrade(13, [](UpgradeContext& c) { return c.attr_to_input("axes", 1); })
      .downgrade(13, axes_to_attr)
      .downgrade(11, old_axes_from_front);
  ops.add("Unsqueeze")
      .group("shape")
      .since(25)
      .doc("`data` with dimensions of 1 put in.")
      .types("T", kAllTypes)
      .input("data", "T", "Any tensor.")
      .input("axes", "i64", "Where they stand in the result, or a scalar; negative counts from its end.")
      .shapes_outputs()
      .output("expanded", "T", "The same elements.")
      .view()
      .inplace(0, 0)
      .infer(infer_unsqueeze)
      .grad(grad)
      .upgrade(13, [](UpgradeContext& c) { return c.attr_to_input("axes", 1); })
      .downgrade(13, axes_to_attr)
      .downgrade(11, new_axes_from_front);
}

}  // namespace weft
