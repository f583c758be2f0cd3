// Einsum: sums of products along named axes, made of products of matrices.
#include <algorithm>

#include "core/graph/expr.h"
#include "core/ops/einsum_common.h"
#include "core/ops/unranked_common.h"

namespace weft {
namespace {

using Labels = std::vector<Label>;

bool has_label(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

Status infer_einsum(InferContext& c) {
  WEFT_TRY(Equation equation, Equation::read(c.attrs().s("equation"), c.input_count()));
  Labels known;
  Dims sizes;
  int64_t broadcast_axes = 0;
  bool ranks = true;
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_rank(i)) {
      ranks = false;
      continue;
    }
    WEFT_TRY(Labels labels, equation.labels(i, c.rank(i)));
    broadcast_axes = std::max(broadcast_axes, ellipsis_axes(labels));
    for (size_t d = 0; d < labels.size(); ++d) {
      const Dim& own = c.dims(i)[d];
      const size_t at = static_cast<size_t>(std::find(known.begin(), known.end(), labels[d]) - known.begin());
      if (at == known.size()) {
        known.push_back(labels[d]);
        sizes.push_back(own);
        continue;
      }
      const bool twice_here = std::find(labels.begin(), labels.begin() + static_cast<int64_t>(d), labels[d]) !=
                              labels.begin() + static_cast<int64_t>(d);
      Result<Dims> both = broadcast({sizes[at]}, {own});
      if (!both.ok() || (twice_here && own.known() && sizes[at].known() && !(own == sizes[at]))) {
        return invalid(label_text(labels[d]), " of the equation has ", sizes[at].text(), " elements, but in input ", i,
                       ", which is ", c.input(i).text(), ", ", own.text());
      }
      sizes[at] = (*both)[0];
    }
  }
  if (!ranks) return {};
  Dims out;
  for (Label label : equation.output_labels(broadcast_axes)) {
    out.push_back(sizes[static_cast<size_t>(std::find(known.begin(), known.end(), label) - known.begin())]);
  }
  c.set_dims(0, std::move(out));
  return {};
}

// A factor whose axes have names, no two the same.
struct Factor {
  Expr x;
  Labels labels;

  int64_t axis_of(Label label) const { return std::find(labels.begin(), labels.end(), label) - labels.begin(); }
  bool is_one(Label label) const { return x.dims()[static_cast<size_t>(axis_of(label))].is(1); }
};

// Its axes in this order.
Factor in_order(const Factor& f, const Labels& order) {
  if (f.labels == order) return f;
  std::vector<int64_t> perm;
  for (Label label : order) perm.push_back(f.axis_of(label));
  return {transpose(f.x, perm), order};
}

Factor summed_over(const Factor& f, const Labels& over) {
  std::vector<int64_t> axes;
  Labels left;
  for (size_t d = 0; d < f.labels.size(); ++d) {
    if (has_label(over, f.labels[d]))
      axes.push_back(static_cast<int64_t>(d));
    else
      left.push_back(f.labels[d]);
  }
  return {reduce_sum(f.x, axes, false), left};
}

// The sizes of x along axes [begin, end), as a list.
Expr sizes_of_axes(Expr x, int64_t begin, int64_t end) {
  return make(x.scope(), "Shape", {x}, {{"start", begin}, {"end", end}});
}

// Their product, as a list of one.
Expr size_of_axes(Expr x, int64_t begin, int64_t end) {
  Expr out = begin < end ? sizes_of_axes(x, begin, begin + 1) : constant_ints(x.scope(), {1});
  for (int64_t axis = begin + 1; axis < end; ++axis) out = out * sizes_of_axes(x, axis, axis + 1);
  return out;
}

// Where a label stands twice, the elements of which both indices are the same.
Factor diagonal(Factor f) {
  ExprScope& s = f.x.scope();
  for (size_t d = 0; d < f.labels.size(); ++d) {
    const Label label = f.labels[d];
    const size_t twin = static_cast<size_t>(
        std::find(f.labels.begin() + static_cast<int64_t>(d) + 1, f.labels.end(), label) - f.labels.begin());
    if (twin == f.labels.size()) continue;
    std::vector<int64_t> perm;
    Labels left;
    for (size_t i = 0; i < f.labels.size(); ++i) {
      if (i == d || i == twin) continue;
      perm.push_back(static_cast<int64_t>(i));
      left.push_back(f.labels[i]);
    }
    const int64_t rest = static_cast<int64_t>(perm.size());
    perm.push_back(static_cast<int64_t>(d));
    perm.push_back(static_cast<int64_t>(twin));
    Expr x = transpose(f.x, perm);
    Expr size = squeeze(sizes_of_axes(x, rest + 1, rest + 2), {0});
    Expr square = unsqueeze(size * size, {0});
    Expr flat = reshape(x, rest > 0 ? concat({sizes_of_axes(x, 0, rest), square}, 0) : square);
    Expr count = make(s, "Range", {constant_int(s, 0), size, constant_int(s, 1)});
    Expr places = count * (size + constant_int(s, 1));
    left.push_back(label);
    f = {make(s, "Gather", {flat, places}, {{"axis", int64_t{-1}}}), left};
    d = static_cast<size_t>(-1);  // a label may stand there three times
  }
  return f;
}

// The product of both with nothing summed.
Factor outer_product(const Factor& a, const Factor& b, const Labels& both, const Labels& only_a, const Labels& only_b) {
  Labels order_a = both, order_b = both;
  order_a.insert(order_a.end(), only_a.begin(), only_a.end());
  order_b.insert(order_b.end(), only_b.begin(), only_b.end());
  Expr x = in_order(a, order_a).x, y = in_order(b, order_b).x;
  std::vector<int64_t> behind, between;
  for (size_t i = 0; i < only_b.size(); ++i) behind.push_back(static_cast<int64_t>(order_a.size() + i));
  for (size_t i = 0; i < only_a.size(); ++i) between.push_back(static_cast<int64_t>(both.size() + i));
  if (!behind.empty()) x = unsqueeze(x, behind);
  if (!between.empty()) y = unsqueeze(y, between);
  order_a.insert(order_a.end(), only_b.begin(), only_b.end());
  return {x * y, order_a};
}

// As matrices [both..., only_a, over] and [both..., over, only_b].
Factor matrix_product(const Factor& a, const Factor& b, const Labels& both, const Labels& only_a, const Labels& over,
                      const Labels& only_b) {
  auto joined_labels = [](Labels first, const Labels& second, const Labels& third) {
    first.insert(first.end(), second.begin(), second.end());
    first.insert(first.end(), third.begin(), third.end());
    return first;
  };
  const int64_t batch = static_cast<int64_t>(both.size()), rows = static_cast<int64_t>(only_a.size());
  const int64_t inner = static_cast<int64_t>(over.size()), columns = static_cast<int64_t>(only_b.size());
  Expr x = in_order(a, joined_labels(both, only_a, over)).x, y = in_order(b, joined_labels(both, over, only_b)).x;
  // The axes as a matrix, `split` of them for its rows.
  auto matrix = [&](Expr m, int64_t split, int64_t end) {
    if (split == 1 && end == 2) return m;
    std::vector<Expr> shape{size_of_axes(m, batch, batch + split), size_of_axes(m, batch + split, batch + end)};
    if (batch > 0) shape.insert(shape.begin(), sizes_of_axes(m, 0, batch));
    return reshape(m, concat(shape, 0));
  };
  Expr product = matmul(matrix(x, rows, rows + inner), matrix(y, inner, inner + columns));
  if (rows != 1 || columns != 1) {
    std::vector<Expr> shape;
    if (batch > 0) shape.push_back(sizes_of_axes(product, 0, batch));
    if (rows > 0) shape.push_back(sizes_of_axes(x, batch, batch + rows));
    if (columns > 0) shape.push_back(sizes_of_axes(y, batch + inner, batch + inner + columns));
    product = reshape(product, shape.empty() ? constant_ints(product.scope(), {}) : concat(shape, 0));
  }
  return {product, joined_labels(both, only_a, only_b)};
}

// Their product, summed over the labels that nobody keeps.
Factor product_of(Factor a, Factor b, const Labels& kept) {
  // Along an axis of one element the other factor is summed first.
  Labels ones;
  for (Label label : a.labels) {
    if (!has_label(b.labels, label) || has_label(kept, label) || a.is_one(label) == b.is_one(label)) continue;
    ones.push_back(label);
  }
  a = summed_over(a, ones);
  b = summed_over(b, ones);
  Labels both, only_a, over, only_b;
  for (Label label : a.labels) {
    if (!has_label(b.labels, label))
      only_a.push_back(label);
    else
      (has_label(kept, label) ? both : over).push_back(label);
  }
  for (Label label : b.labels) {
    if (!has_label(a.labels, label)) only_b.push_back(label);
  }
  if (over.empty()) return outer_product(a, b, both, only_a, only_b);
  return matrix_product(a, b, both, only_a, over, only_b);
}

// What is added in a wider type, of which the low bits are the sums in their own.
DType type_of_sums(DType dtype) {
  switch (dtype) {
    case DType::kI8:
    case DType::kI16:
    case DType::kU8:
    case DType::kU16: return DType::kI32;
    case DType::kU32:
    case DType::kU64: return DType::kI64;
    default: return dtype;
  }
}

// From left to right, each factor with the product of those before it.
Status einsum(BodyContext& c) {
  WEFT_TRY(Equation equation, Equation::read(c.attrs().s("equation"), c.input_count()));
  std::vector<Factor> factors;
  int64_t broadcast_axes = 0;
  const DType dtype = c.input(0).dtype();
  for (int i = 0; i < c.input_count(); ++i) {
    Expr x = cast(c.input(i), type_of_sums(dtype));
    const std::string& term = equation.terms[static_cast<size_t>(i)];
    const bool open = term.find('.') != std::string::npos;
    if (!x.has_rank() && open) {
      return unimplemented("Einsum needs the rank of input ", i, ", as its term has an ellipsis");
    }
    x = with_rank(x, static_cast<int64_t>(term.size()));
    WEFT_TRY(Labels labels, equation.labels(i, x.rank()));
    broadcast_axes = std::max(broadcast_axes, ellipsis_axes(labels));
    factors.push_back(diagonal({x, labels}));
  }
  const Labels output = equation.output_labels(broadcast_axes);
  // What factors behind the i-th, or the output, have.
  auto kept_behind = [&](size_t i) {
    Labels kept = output;
    for (size_t j = i + 1; j < factors.size(); ++j) {
      kept.insert(kept.end(), factors[j].labels.begin(), factors[j].labels.end());
    }
    return kept;
  };
  Factor result;
  for (size_t i = 0; i < factors.size(); ++i) {
    Factor factor = factors[i];
    Labels alone;
    const Labels kept = kept_behind(i);
    for (Label label : factor.labels) {
      if (!has_label(kept, label) && (i == 0 || !has_label(result.labels, label))) alone.push_back(label);
    }
    factor = summed_over(factor, alone);
    result = i == 0 ? factor : product_of(result, factor, kept);
  }
  Expr y = cast(in_order(result, output).x, dtype);
  c.set_output(0, make(c.scope(), "Identity", {y}));
  return {};
}

}  // namespace

void define_op_einsum(OpRegistry& ops) {
  ops.add("Einsum")
      .group("math")
      .since(12)
      .doc(
          "Sums of products along named axes: the equation has a term for each input, with a letter for each axis, "
          "and behind `->` one for the output; `Y[output] = sum of input0[term0] * input1[term1] * ...` over all "
          "letters that the output lacks. A letter that stands twice in a term takes the diagonal. `...` stands for "
          "any number of axes, which broadcast; the output may leave them out. Without `->` the output has the "
          "ellipsis and then, sorted, all letters that stand in the equation once. Axes of one letter have one size, "
          "or 1. Factors are multiplied from left to right, as matrices where they share what is summed.")
      .types("T", kNumberTypes)
      .required_attr("equation", AttrKind::kString, "\"bij,bjk->bik\"; spaces do not count.")
      .variadic_input("Inputs", "T", "A tensor for each term.")
      .output("Output", "T", "As the equation says.")
      .infer(infer_einsum)
      .body_by_shapes(einsum);
}

}  // namespace weft
