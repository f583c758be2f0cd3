// Min, Max, Sum and Mean of any number of inputs with broadcasting.
#include <algorithm>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

std::optional<Dim> min_ints(const std::vector<Dim>& v) {
  Dim out = v[0];
  for (size_t i = 1; i < v.size(); ++i) out = Dim::min(out, v[i]);
  return out;
}
std::optional<Dim> max_ints(const std::vector<Dim>& v) {
  Dim out = v[0];
  for (size_t i = 1; i < v.size(); ++i) out = Dim::max(out, v[i]);
  return out;
}

template <IntsFn fn>
Status infer_extremum(InferContext& c) {
  WEFT_CHECK(infer_broadcast(c));
  infer_ints(c, fn);
  return {};
}

// Evenly among the inputs that are equal to the extremum.
Status extremum_grad(GradContext& c) {
  if (c.input_count() == 1) {
    c.set_grad(0, c.grad(0));
    return {};
  }
  Expr y = c.output(0), dy = c.grad(0);
  std::vector<Expr> hits;
  Expr ties;
  for (int i = 0; i < c.input_count(); ++i) {
    hits.push_back(make(c.scope(), "Equal", {c.input(i), y}));
    Expr hit = cast(hits.back(), y.dtype());
    ties = ties.valid() ? ties + hit : hit;
  }
  Expr share = dy / ties;
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.needs(i)) c.set_grad(i, sum_to(where(hits[i], share, scalar_like(dy, 0)), c.input(i)));
  }
  return {};
}

Status sum_grad(GradContext& c) {
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.needs(i)) c.set_grad(i, sum_to(c.grad(0), c.input(i)));
  }
  return {};
}

Status mean_grad(GradContext& c) {
  Expr share = c.grad(0) / static_cast<double>(c.input_count());
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.needs(i)) c.set_grad(i, sum_to(share, c.input(i)));
  }
  return {};
}

// Before opset 8 all inputs had one shape.
Status same_shapes(DowngradeContext& c) {
  const Expr first = c.inputs[0];
  const bool same = c.inputs.size() == 1 || std::all_of(c.inputs.begin(), c.inputs.end(), [&first](const Expr& x) {
                      return x.has_rank() && first.has_rank() && x.dims() == first.dims();
                    });
  if (same) return {};
  const bool is_mean = c.op == "Mean";
  if (c.op != "Sum" && !is_mean) {
    return unimplemented("its inputs are not known to have one shape, as they would have to");
  }
  Expr sum = first;
  for (size_t i = 1; i < c.inputs.size(); ++i) sum = sum + c.inputs[i];
  c.replace({is_mean ? sum / static_cast<double>(c.inputs.size()) : sum});
  return c.scope().status();
}

struct Row {
  const char* name;
  const char* output;
  DTypeSet types;
  InferFn infer;
  GradFn grad;
  const char* doc;
};
const Row kRows[] = {
    {"Min", "min", kNumberTypes, infer_extremum<min_ints>, extremum_grad,
     "The smallest of all inputs, elementwise; NaN if one is NaN. The gradient is split evenly "
     "among equal ones."},
    {"Max", "max", kNumberTypes, infer_extremum<max_ints>, extremum_grad,
     "The greatest of all inputs, elementwise; NaN if one is NaN. The gradient is split evenly "
     "among equal ones."},
    {"Sum", "sum", kFloatTypes, infer_broadcast, sum_grad, "The sum of all inputs, elementwise, added in their order."},
    {"Mean", "mean", kFloatTypes, infer_broadcast, mean_grad, "The mean of all inputs, elementwise."},
};

}  // namespace

void define_op_variadic(OpRegistry& ops) {
  for (const Row& row : kRows) {
    ops.add(row.name)
        .group("math")
        .since(13)
        .doc(row.doc)
        .types("T", row.types)
        .variadic_input("data_0", "T", "One or more operands, which broadcast as in NumPy.")
        .output(row.output, "T", "The broadcast shape of all inputs.")
        .elementwise()
        .inplace(0, 0)
        .infer(row.infer)
        .grad(row.grad)
        .downgrade(8, same_shapes);
  }
}

}  // namespace weft
