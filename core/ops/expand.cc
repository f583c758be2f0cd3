// Tensors made larger, or from nothing: Expand, Tile, Range, ConstantOfShape.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "core/graph/downgrade.h"

namespace weft {
namespace {

Status infer_expand(InferContext& c) {
  WEFT_CHECK(c.check_vector(1));
  const Dims* wanted = c.ints(1);
  if (wanted == nullptr || !c.has_rank(0)) {
    if (c.has_rank(0) && c.has_rank(1) && c.rank(1) == 1 && c.dims(1)[0].known()) {
      Dims out = c.fresh_dims(std::max(c.rank(0), c.dims(1)[0].value()));
      // Only what has one element is made larger.
      for (int64_t i = 1; i <= c.rank(0); ++i) {
        const Dim& size = c.dims(0)[static_cast<size_t>(c.rank(0) - i)];
        if (size.known() && !size.is(1)) out[out.size() - static_cast<size_t>(i)] = size;
      }
      c.set_dims(0, std::move(out));
    }
    return {};
  }
  for (const Dim& dim : *wanted) {
    if (dim.known() && dim.value() < 0) return invalid("the shape ", dims_text(*wanted), " has a negative dimension");
  }
  WEFT_TRY(Dims out, broadcast(c.dims(0), *wanted));
  c.set_dims(0, std::move(out));
  return {};
}

Status grad_expand(GradContext& c) {
  c.set_grad(0, sum_to(c.grad(0), c.input(0)));
  return {};
}

Status infer_tile(InferContext& c) {
  WEFT_CHECK(c.check_vector(1));
  if (!c.has_rank(0)) return {};
  const Dims* repeats = c.ints(1);
  if (repeats == nullptr) {
    c.set_dims(0, c.fresh_dims(c.rank(0)));
    return {};
  }
  if (repeats->size() != c.dims(0).size()) {
    return invalid("there are ", repeats->size(), " repeats for ", c.rank(0), " dimensions");
  }
  Dims out;
  for (size_t i = 0; i < repeats->size(); ++i) {
    if ((*repeats)[i].known() && (*repeats)[i].value() < 0)
      return invalid("a repeat is negative: ", dims_text(*repeats));
    out.push_back(c.dims(0)[i] * (*repeats)[i]);
  }
  c.set_dims(0, std::move(out));
  return {};
}

// [r0 * d0, r1 * d1, ...] seen as [r0, d0, r1, d1, ...] and summed over the repeats.
Status grad_tile(GradContext& c) {
  Expr x = c.input(0);
  if (x.has_rank() && x.rank() == 0) {
    c.set_grad(0, c.grad(0));
    return {};
  }
  Expr sizes = unsqueeze(shape_of(x), {1}), repeats = unsqueeze(c.input(1), {1});
  Expr split = reshape(concat({repeats, sizes}, 1), constant_ints(c.scope(), {-1}));
  ExprScope& s = c.scope();
  Expr axes;
  if (x.has_rank()) {
    std::vector<int64_t> even;
    for (int64_t i = 0; i < x.rank(); ++i) even.push_back(2 * i);
    axes = constant_ints(s, even);
  } else {
    axes = make(s, "Range", {constant_int(s, 0), make(s, "Size", {split}), constant_int(s, 2)});
  }
  Expr summed = make(s, "ReduceSum", {reshape(c.grad(0), split), axes}, {{"keepdims", int64_t{0}}});
  c.set_grad(0, reshape_like(summed, x));
  return {};
}

// How many numbers there are; differences of numbers far apart fit 64 bits without a sign.
Result<int64_t> range_count(int64_t start, int64_t limit, int64_t step) {
  if (step > 0 ? start >= limit : start <= limit) return int64_t{0};
  auto distance = [](int64_t from, int64_t to) { return static_cast<uint64_t>(to) - static_cast<uint64_t>(from); };
  const uint64_t span = step > 0 ? distance(start, limit) : distance(limit, start);
  const uint64_t count = (span - 1) / (step > 0 ? distance(0, step) : distance(step, 0)) + 1;
  if (count <= static_cast<uint64_t>(kMostElements)) return static_cast<int64_t>(count);
  return invalid("the range from ", start, " to ", limit, " by ", step, " is too long");
}

Status infer_range(InferContext& c) {
  for (int i = 0; i < 3; ++i) WEFT_CHECK(c.check_number(i));
  const int64_t stash = c.attrs().i_or("stash_type", static_cast<int64_t>(DType::kF32));
  if (stash != static_cast<int64_t>(DType::kF32))
    return invalid("attribute 'stash_type' is ", stash, " but must be f32");
  if (is_integer(c.dtype(0))) {
    const Dims *start = c.ints(0), *limit = c.ints(1), *delta = c.ints(2);
    if (delta != nullptr && (*delta)[0].is(0)) return invalid("input 'delta' is 0");
    if (start != nullptr && limit != nullptr && delta != nullptr && (*delta)[0].known()) {
      int64_t step = (*delta)[0].value();
      if (!(*start)[0].known() || !(*limit)[0].known()) {
        Dim span = step > 0 ? (*limit)[0] - (*start)[0] : (*start)[0] - (*limit)[0];
        bool wide = step == std::numeric_limits<int64_t>::min();
        Dim count = wide ? c.fresh() : span.ceil_div(step > 0 ? step : -step);
        // A symbol stands for a size, so a range from 0 up to it cannot be negative.
        if (count.known()) {
          if (count.value() > kMostElements) return invalid("the range of ", count.value(), " numbers is too long");
          count = std::max<int64_t>(count.value(), 0);
        } else if (!(*start)[0].is(0) || step != 1) {
          count = c.fresh();
        }
        c.set_dims(0, {count});
        return {};
      }
      const int64_t first = (*start)[0].value();
      WEFT_TRY(int64_t n, range_count(first, (*limit)[0].value(), step));
      c.set_dims(0, {n});
      if (n <= kMaxKnownInts) {
        Dims ints;
        for (int64_t i = 0, at = first; i < n; ++i) {
          ints.push_back(at);
          if (i + 1 < n) at += step;  // one further may not be a number
        }
        c.set_ints(0, std::move(ints));
      }
      return {};
    }
    if (c.dtype(0) == DType::kI16 && c.constant(0) != nullptr && c.constant(1) != nullptr && c.constant(2) != nullptr) {
      auto number = [&c](int i) { return int64_t{*c.constant(i)->as<int16_t>()}; };
      if (number(2) == 0) return invalid("input 'delta' is 0");
      WEFT_TRY(int64_t n, range_count(number(0), number(1), number(2)));
      c.set_dims(0, {n});
      return {};
    }
  } else if (c.constant(0) != nullptr && c.constant(1) != nullptr && c.constant(2) != nullptr) {
    auto number = [&c](int i) -> double {
      switch (c.dtype(i)) {
        case DType::kF16: return f16_to_float(*c.constant(i)->as<uint16_t>());
        case DType::kBF16: return bf16_to_float(*c.constant(i)->as<uint16_t>());
        case DType::kF32: return *c.constant(i)->as<float>();
        default: return *c.constant(i)->as<double>();
      }
    };
    if (number(2) == 0) return invalid("input 'delta' is 0");
    double n = std::ceil((number(1) - number(0)) / number(2));
    if (!(n < 9e15)) return invalid("the range from ", number(0), " to ", number(1), " by ", number(2), " has no end");
    c.set_dims(0, {n > 0 ? static_cast<int64_t>(n) : 0});
    return {};
  }
  c.set_dims(0, {c.fresh()});
  return {};
}

Status infer_constant_of_shape(InferContext& c) {
  DType dtype = DType::kF32;
  if (const AttrValue* value = c.attrs().find("value")) {
    if (value->tensor().count() != 1) return invalid("attribute 'value' must have one element");
    dtype = value->tensor().dtype();
  }
  c.set_dtype(0, dtype);
  WEFT_CHECK(c.check_vector(0));
  const Dims* shape = c.ints(0);
  if (shape == nullptr) {
    if (c.has_rank(0) && c.rank(0) == 1 && c.dims(0)[0].known()) c.set_dims(0, c.fresh_dims(c.dims(0)[0].value()));
    return {};
  }
  for (const Dim& dim : *shape) {
    if (dim.known() && dim.value() < 0) return invalid("the shape ", dims_text(*shape), " has a negative dimension");
  }
  c.set_dims(0, *shape);
  bool vector = shape->size() == 1 && (*shape)[0].known() && (*shape)[0].value() <= kMaxKnownInts;
  if (dtype == DType::kI64 && vector) {
    int64_t value = *c.attrs().tensor("value").as<int64_t>();
    c.set_ints(0, Dims(static_cast<size_t>((*shape)[0].value()), Dim(value)));
  }
  return {};
}

// Before opset 6 a number and an axis, scalars of the type of the input, said what is repeated.
Status tiles_to_repeats(UpgradeContext& c) {
  if (c.inputs.size() != 3 || c.inputs[1] == kNoValue || c.inputs[2] == kNoValue || !c.type(0).has_rank) {
    return invalid("Tile of an opset before 6 needs an input of known rank, the number of copies and the axis");
  }
  ExprScope s(c.graph());
  const auto whole = [&](int i) {
    return reshape(make(s, "Cast", {Expr(s, c.inputs[i])}, {{"to", static_cast<int64_t>(DType::kI64)}}),
                   constant_ints(s, {1}));
  };
  std::vector<int64_t> axes(c.type(0).dims.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  Expr here = make(s, "Equal", {constant_ints(s, axes), whole(2)});
  Expr repeats = make(s, "Where", {here, whole(1), constant_ints(s, {1})});
  c.inputs = {c.inputs[0], repeats.id()};
  return s.status();
}

// Before opset 8: the axes of one element are laid side by side.
Status expand_as_tile(DowngradeContext& c) {
  ExprScope& s = c.scope();
  Expr x = c.inputs[0];
  const Expr shape = c.inputs[1];
  WEFT_TRY(const int64_t rank, c.known_rank(0));
  const std::shared_ptr<const Dims>& wanted = shape.type().ints;
  if (wanted == nullptr) return unimplemented("its input 'shape' would have to be known");
  const int64_t given = static_cast<int64_t>(wanted->size()), axes = std::max(rank, given);
  const Dim one(1);
  std::vector<Expr> repeats;
  bool is_same = true;
  for (int64_t axis = 0; axis < axes; ++axis) {
    const int64_t from = axis - (axes - rank), at = axis - (axes - given);  // of the input, of the shape
    const Dim& have = from < 0 ? one : x.dims()[static_cast<size_t>(from)];
    const Dim& want = at < 0 ? one : (*wanted)[static_cast<size_t>(at)];
    const bool stays = want.is(1) || want == have;
    is_same = is_same && stays;
    if (stays || want.known()) {
      repeats.push_back(constant_ints(s, {stays ? 1 : want.value()}));
    } else {
      repeats.push_back(make(s, "Slice", {shape, constant_ints(s, {at}), constant_ints(s, {at + 1})}));
    }
    if (!stays && !have.is(1)) {
      return unimplemented("whether axis ", from, " of its input, of ", have.text(), ", becomes ", want.text(),
                           " is not known");
    }
  }
  if (axes > rank) {
    std::vector<int64_t> front(static_cast<size_t>(axes - rank));
    std::iota(front.begin(), front.end(), int64_t{0});
    x = unsqueeze(x, front);
  }
  c.replace({is_same ? make(s, "Identity", {x}) : make(s, "Tile", {x, concat(repeats, 0)})});
  return s.status();
}

// How many numbers there are stays as it is: `start` moves all of them, `delta` number i by i.
Status grad_range(GradContext& c) {
  ExprScope& s = c.scope();
  const DType dtype = c.input(0).dtype();
  const Expr dy = cast(c.grad(0), counting_dtype(dtype));
  const auto sum = [&](Expr terms, int i) {
    return reshape_like(cast(make(s, "ReduceSum", {terms}, {{"keepdims", int64_t{0}}}), dtype), c.input(i));
  };
  if (c.needs(0)) c.set_grad(0, sum(dy, 0));
  if (!c.needs(2)) return {};
  const Expr numbers = make(s, "Range", {constant_int(s, 0), make(s, "Size", {dy}), constant_int(s, 1)});
  c.set_grad(2, sum(dy * cast(numbers, dy.dtype()), 2));
  return {};
}

// Ranges of more numbers than these are not written as constants.
constexpr int64_t kMostWritten = 1 << 20;

// Before opset 11: a range of integers that are known is a constant; the one from 0 up to a size is where ones stand.
Status range_in_parts(DowngradeContext& c) {
  ExprScope& s = c.scope();
  const DType dtype = c.inputs[0].dtype();
  if (!is_integer(dtype)) return unimplemented("there was no such operator, and its numbers are no integers");
  WEFT_TRY(const std::vector<int64_t> start, c.known_numbers(0));
  WEFT_TRY(const std::vector<int64_t> step, c.known_numbers(2));
  const std::optional<std::vector<int64_t>> limit = c.numbers(1);
  if (start.size() != 1 || step.size() != 1 || step[0] == 0 || (limit && limit->size() != 1)) {
    return unimplemented("its inputs are not one number each");
  }
  if (limit) {
    WEFT_TRY(const int64_t count, range_count(start[0], (*limit)[0], step[0]));
    if (count > kMostWritten) return unimplemented("there was no such operator, and it has ", count, " numbers");
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i < count; ++i) numbers.push_back(start[0] + i * step[0]);
    c.replace({cast(constant_ints(s, numbers), dtype)});
    return s.status();
  }
  const std::shared_ptr<const Dims>& size = c.inputs[1].type().ints;
  const bool is_size = size != nullptr && size->size() == 1 && (*size)[0].never_negative();
  if (start[0] != 0 || step[0] != 1 || !is_size) {
    return unimplemented("there was no such operator, and it is not known to go from 0 up to a size by 1");
  }
  const Expr length = reshape(cast(c.inputs[1], DType::kI64), constant_ints(s, {1}));
  const Expr ones = make(s, "ConstantOfShape", {length}, {{"value", Tensor::vector<int64_t>({1})}});
  c.replace({cast(squeeze(make(s, "NonZero", {ones}), {0}), dtype)});
  return s.status();
}

// ONNX has none of strings and complex numbers.
Status value_expanded(DowngradeContext& c) {
  const DType dtype = c.output(0).dtype;
  if (dtype != DType::kString && !is_complex(dtype)) return {};
  ExprScope& s = c.scope();
  WEFT_TRY(Tensor value, c.attrs.find("value")->tensor().reshaped({}));
  c.replace({make(s, "Expand", {constant(s, std::move(value)), c.inputs[0]})});
  return s.status();
}

}  // namespace

void define_op_expand(OpRegistry& ops) {
  ops.add("Expand")
      .group("shape")
      .since(13)
      .doc("`input` broadcast with a tensor of the given shape; a dimension of 1 in the shape keeps the input's.")
      .types("T", kAllTypes)
      .input("input", "T", "Any tensor.")
      .input("shape", "i64", "One number a dimension.")
      .shapes_outputs()
      .output("output", "T", "The broadcast tensor.")
      .infer(infer_expand)
      .grad(grad_expand)
      .downgrade(8, expand_as_tile);
  ops.add("Tile")
      .group("shape")
      .since(13)
      .doc("`input` laid side by side, `repeats` times in each dimension.")
      .types("T", kAllTypes)
      .input("input", "T", "Any tensor.")
      .input("repeats", "i64", "One number a dimension of the input.")
      .shapes_outputs()
      .output("output", "T", "Each dimension times its repeats.")
      .infer(infer_tile)
      .grad(grad_tile)
      .upgrade(6, tiles_to_repeats);
  ops.add("Range")
      .group("shape")
      .since(11)
      .since_for(set_of(DType::kF16, DType::kBF16), 27)
      .doc(
          "The numbers from `start` on, `delta` apart, before `limit`: `start + i * delta`, of halves in f32 and then "
          "rounded. To `start` and `delta` there is a gradient while their number stays the same; to `limit` it is 0.")
      .types("T", set_of(DType::kF16, DType::kBF16, DType::kF32, DType::kF64, DType::kI16, DType::kI32, DType::kI64))
      .optional_dtype_attr("stash_type", "What numbers of halves are computed in: f32.")
      .input("start", "T", "The first number; one element.")
      .shapes_outputs()
      .input("limit", "T", "The numbers stay before it; one element.")
      .shapes_outputs()
      .input("delta", "T", "The step, not 0; one element.")
      .shapes_outputs()
      .output("output", "T", "One dimension of max(ceil((limit - start) / delta), 0).")
      .infer(infer_range)
      .grad(grad_range)
      .downgrade(11, range_in_parts);
  ops.add("ConstantOfShape")
      .group("shape")
      .since(25)
      .doc("A tensor of the given shape with one value throughout.")
      .types("T", kAllTypes)
      .optional_attr("value", AttrKind::kTensor, "One element: the value and dtype; 0 of f32 if not given.")
      .input("input", "i64", "The shape, one number a dimension; empty for a scalar.")
      .shapes_outputs()
      .output("output", "T", "The tensor.")
      .infer(infer_constant_of_shape)
      .no_gradient("its input is a shape")
      .downgrade(kUnreleasedOpset + 1, value_expanded);  // at every opset
}

}  // namespace weft
