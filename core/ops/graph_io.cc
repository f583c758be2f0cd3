// Where values come from and go to: inputs, variables, assignments, constants; and the identity.
#include <algorithm>
#include <limits>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

Status infer_assign(InferContext& c) {
  if (c.has_rank(0) && c.has_rank(1)) {
    const Dims& variable = c.dims(0);
    const Dims& value = c.dims(1);
    bool same = variable.size() == value.size();
    for (size_t i = 0; same && i < variable.size(); ++i) same = !value[i].known() || value[i] == variable[i];
    if (!same) {
      return invalid("a variable of shape ", dims_text(variable), " cannot be assigned ", c.input(1).text());
    }
  }
  c.output(0) = c.input(0);
  return {};
}

// The forms of ONNX's Constant become one: the attribute 'value'.
Status one_form(UpgradeContext& c) {
  Attrs attrs;
  int given = 0;
  for (const auto& [name, attr] : c.attrs) {
    ++given;
    Tensor value;
    if (name == "value_int" && attr.kind() == AttrKind::kInt) {
      value = Tensor::scalar<int64_t>(attr.i());
    } else if (name == "value_ints" && attr.kind() == AttrKind::kInts) {
      value = Tensor::vector<int64_t>(attr.ints());
    } else if (name == "value_float" && (attr.kind() == AttrKind::kFloat || attr.kind() == AttrKind::kInt)) {
      value = Tensor::scalar<float>(attr.kind() == AttrKind::kFloat ? static_cast<float>(attr.f())
                                                                    : static_cast<float>(attr.i()));
    } else if (name == "value_floats" && attr.kind() == AttrKind::kFloats) {
      value = Tensor::vector<float>(std::vector<float>(attr.floats().begin(), attr.floats().end()));
    } else if (name == "value_string" && attr.kind() == AttrKind::kString) {
      WEFT_TRY(value, Tensor::from_strings({}, {attr.s()}));
    } else if (name == "value_strings" && attr.kind() == AttrKind::kStrings) {
      WEFT_TRY(value, Tensor::from_strings({static_cast<int64_t>(attr.strings().size())}, attr.strings()));
    } else if (name == "sparse_value" && attr.kind() == AttrKind::kTensor) {
      value = attr.tensor();
    } else {
      attrs.set(name, attr);
      continue;
    }
    attrs.set("value", std::move(value));
  }
  if (given != 1) return invalid("a Constant needs exactly one attribute, its value");
  c.attrs = std::move(attrs);
  return {};
}

Status infer_constant(InferContext& c) {
  const Tensor& value = c.attrs().tensor("value");
  if (value.kind() != Kind::kTensor || value.empty()) return invalid("attribute 'value' must be a tensor");
  c.set_dtype(0, value.dtype());
  c.set_dims(0, to_dims(value.shape()));
  bool indices = value.dtype() == DType::kI64 || value.dtype() == DType::kI32;
  if (indices && value.rank() <= 1 && value.count() <= kMaxKnownInts) {
    WEFT_TRY(std::vector<int64_t> ints, value.to_ints());
    c.set_ints(0, to_dims(ints));
  }
  return {};
}

Status infer_identity(InferContext& c) {
  c.output(0) = c.input(0);
  return {};
}

Status infer_shape(InferContext& c) {
  if (!c.has_rank(0)) {
    c.set_dims(0, {c.fresh()});
    return {};
  }
  int64_t rank = c.rank(0);
  auto clamp = [rank](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = clamp(c.attrs().i("start")), end = clamp(c.attrs().i_or("end", rank));
  Dims ints;
  for (int64_t i = start; i < end; ++i) ints.push_back(c.dims(0)[i]);
  c.set_dims(0, {static_cast<int64_t>(ints.size())});
  c.set_ints(0, std::move(ints));
  return {};
}

// Before opset 15 it gave all dimensions.
Status slice_of_all(DowngradeContext& c) {
  const int64_t start = c.attrs.i("start"), end = c.attrs.i_or("end", std::numeric_limits<int64_t>::max());
  const bool to_end = !c.attrs.has("end");
  c.attrs.erase("start");
  c.attrs.erase("end");
  if (start == 0 && to_end) return {};
  ExprScope& s = c.scope();
  c.replace({make(s, "Slice", {shape_of(c.inputs[0]), constant_ints(s, {start}), constant_ints(s, {end})})});
  return s.status();
}

Status infer_size(InferContext& c) {
  c.set_dims(0, {});
  if (!c.has_rank(0)) return {};
  Dim count(1);
  for (const Dim& dim : c.dims(0)) count = count * dim;
  c.set_ints(0, {count});
  return {};
}

}  // namespace

void define_op_graph_io(OpRegistry& ops) {
  ops.add(kWeftDomain, "Input")
      .group("graph")
      .doc("A value that is fed. Made by the graph's own function for inputs.")
      .output("value", "any", "What is fed.")
      .impure()
      .internal()
      .no_gradient("it is where values come from");
  ops.add(kWeftDomain, "Variable")
      .group("graph")
      .doc("The value of a variable as it was when the run began. Made by the graph's own function for variables.")
      .required_attr("name", AttrKind::kString, "The name by which stores and files know the variable.")
      .output("value", "any", "The variable's value.")
      .impure()
      .internal()
      .no_gradient("it is where values come from");
  ops.add(kWeftDomain, "Assign")
      .group("graph")
      .doc("Gives a variable a new value. All assignments of a run take effect together when it has succeeded.")
      .types("T", kAllTypes)
      .input("variable", "T", "A variable's value.")
      .input("value", "T", "The new value, of the variable's shape.")
      .output("assigned", "T", "The new value.")
      .impure()
      .infer(infer_assign)
      .no_gradient("it is a side effect");
  ops.add("Constant")
      .group("graph")
      .since(13)
      .doc("A tensor that is part of the graph.")
      .types("T", kAllTypes)
      .required_attr("value", AttrKind::kTensor, "The tensor. ONNX's value_int, value_floats, ... are taken too.")
      .output("output", "T", "The tensor.")
      .infer(infer_constant)
      .upgrade(kNewestOpset + 2, one_form)
      .no_gradient("it is where values come from");
  ops.add("Identity")
      .group("graph")
      .since(14)
      .doc("Its input.")
      .input("input", "any", "Any value.")
      .output("output", "any", "The same value.")
      .view()
      .inplace(0, 0)
      .infer(infer_identity)
      .grad([](GradContext& c) -> Status {
        c.set_grad(0, c.grad(0));
        return {};
      });
  ops.add(kWeftDomain, "StopGradient")
      .group("graph")
      .doc("Its input, through which no gradient flows.")
      .types("T", kAllTypes)
      .input("input", "T", "Any tensor.")
      .output("output", "T", "The same tensor.")
      .view()
      .inplace(0, 0)
      .infer(infer_identity)
      .no_gradient("that is what it is for");
  ops.add("Shape")
      .group("shape")
      .since(15)
      .doc("The dimensions of `data` as numbers, from `start` up to `end`.")
      .types("T", kAllTypes)
      .attr("start", int64_t{0}, "First dimension; negative counts from the end.")
      .optional_attr("end", AttrKind::kInt, "One past the last dimension; the rank if not given.")
      .input("data", "T", "Any tensor.")
      .shape_only()
      .output("shape", "i64", "One dimension: as many numbers as were asked for.")
      .infer(infer_shape)
      .downgrade(15, slice_of_all)
      .no_gradient("a shape does not change with the values");
  ops.add("Size")
      .group("shape")
      .since(13)
      .doc("The number of elements of `data`.")
      .types("T", kAllTypes)
      .input("data", "T", "Any tensor.")
      .shape_only()
      .output("size", "i64", "Scalar.")
      .infer(infer_size)
      .no_gradient("a size does not change with the values");
}

}  // namespace weft
