// Images with their channels side by side: convolutions and pools work on [N, D1, ..., C], between transposes from and to
// the [N, C, D1, ...] of ONNX. What follows is done on that side of the transpose as well, so that those of neighbours meet
// and fall away.
#include <algorithm>

#include "core/op/layout.h"
#include "core/passes/rewrite.h"

namespace weft {
namespace {

Expr first_again(Expr x) { return transpose(x, to_channels_first(x.rank())); }

// What a value of the new graph was before its channels were put first; not valid if it is no such transpose.
Expr before_first(Expr x) {
  if (!x.has_rank() || x.rank() < 3) return {};
  const Node& node = x.scope().graph().producer(x.id());
  if (!node.is("Transpose") || node.attrs.ints_or_empty("perm") != to_channels_first(x.rank())) return {};
  return Expr(x.scope(), node.inputs[0]);
}
Expr last_of(Expr x) {
  Expr before = before_first(x);
  return before.valid() ? before : transpose(x, to_channels_last(x.rank()));
}

bool concrete(Expr x) { return x.valid() && x.type().concrete(); }

// Channels fill vectors, or there is nothing to gain. What the new graph knows of the inputs nobody has checked yet.
bool worth_it(Expr x, Expr w, int64_t group) {
  constexpr int64_t kLeast = 8;
  if (x.rank() < 3 || x.rank() != w.rank() || group < 1) return false;
  const int64_t in = x.dims()[1].value(), out = w.dims()[0].value();
  if (group == 1) return out >= kLeast;
  return group == in && out == in ? in >= 2 * kLeast : in / group >= kLeast && out / group >= kLeast;
}

// Replaces the node by `op`, with the channels of the first input last, if it has a kernel.
void replace_by(RuleContext& c, const char* op, Attrs attrs) {
  std::vector<Expr> inputs = c.mapped_inputs(c.node);
  inputs[0] = last_of(inputs[0]);
  const Expr y = c.make_with_kernel(op, inputs, std::move(attrs));
  if (y.valid()) c.replace(first_again(y));
}

// Weights that change from run to run are left to the gradients, which have the channels of ONNX.
Status conv_channels_last(RuleContext& c) {
  const Expr x = c.mapped_input(0), w = c.mapped_input(1);
  if (!concrete(x) || !concrete(w) || c.constant(c.input(1)) == nullptr) return {};
  if (worth_it(x, w, c.attrs().i("group"))) replace_by(c, "weft.ChannelsLastConv", c.attrs());
  return {};
}

// Where it is faster: a few digits fewer, which is why it has a name of its own to be switched off.
Status winograd(RuleContext& c) {
  const Expr y = c.make_with_kernel("weft.WinogradConv", c.mapped_inputs(c.node), c.attrs());
  if (y.valid()) c.replace(y);
  return {};
}

// A pool goes where its input comes from.
Status pool_channels_last(RuleContext& c) {
  const Expr x = c.mapped_input(0);
  if (!before_first(x).valid() || !concrete(x) || c.node.output_count > 1) return {};
  if (x.dtype() != DType::kF32 && x.dtype() != DType::kF64) return {};
  Attrs attrs = c.attrs();
  attrs.erase("storage_order");  // of the indices
  replace_by(c, c.node.is("AveragePool") ? "weft.ChannelsLastAveragePool" : "weft.ChannelsLastMaxPool",
             std::move(attrs));
  return {};
}

// One number for each image and channel at most: [C, 1, 1] or the like.
bool by_channel(const Dims& dims, int64_t rank) {
  const int64_t lead = rank - static_cast<int64_t>(dims.size());
  for (int64_t i = 0; i < static_cast<int64_t>(dims.size()); ++i) {
    if (i + lead > 1 && !dims[static_cast<size_t>(i)].is(1)) return false;
  }
  return true;
}

// A number for each channel (and image) where the channels are last; a view.
Expr by_channel_last(Expr x, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), 1);
  const Dims& dims = x.dims();
  const int64_t lead = rank - static_cast<int64_t>(dims.size());
  if (lead == 0) shape[0] = dims[0].value();
  if (lead <= 1) shape[static_cast<size_t>(rank) - 1] = dims[static_cast<size_t>(1 - lead)].value();
  return reshape(x, constant_ints(x.scope(), shape));
}

Status elementwise_channels_last(RuleContext& c) {
  if (!c.node.op->is_elementwise() || c.node.output_count != 1) return {};
  const ValueType& out = c.type(c.node.output(0));
  if (!out.concrete() || out.dims.size() < 3) return {};
  const int64_t rank = static_cast<int64_t>(out.dims.size());
  std::vector<Expr> inputs;
  bool found = false;
  for (ValueId id : c.node.inputs) {
    const Expr x = c.mapped(id);
    if (!x.valid()) {
      inputs.push_back(x);
      continue;
    }
    if (!concrete(x) || x.rank() > rank) return {};
    if (Expr before = before_first(x); before.valid() && x.rank() == rank) {
      found = found || x.dims() == out.dims;
      inputs.push_back(before);
    } else if (x.dims().size() <= 1 && by_channel(x.dims(), rank)) {
      inputs.push_back(x);  // one number
    } else if (by_channel(x.dims(), rank)) {
      inputs.push_back(by_channel_last(x, rank));
    } else {
      return {};
    }
  }
  if (found) c.replace(first_again(make(c.scope(), c.node.op->full_name(), inputs, c.attrs())));
  return {};
}

Status concat_channels_last(RuleContext& c) {
  std::vector<Expr> inputs;
  for (ValueId id : c.node.inputs) {
    Expr before = before_first(c.mapped(id));
    if (!before.valid()) return {};
    inputs.push_back(before);
  }
  if (inputs.empty()) return {};
  const int64_t rank = inputs[0].rank(), axis = c.attrs().i("axis");
  const std::vector<int64_t> perm = to_channels_first(rank);
  c.replace(first_again(concat(inputs, perm[static_cast<size_t>(axis < 0 ? axis + rank : axis)])));
  return {};
}

// A reduction over all spatial axes.
Status reduce_channels_last(RuleContext& c) {
  const Expr x = before_first(c.mapped_input(0));
  const Tensor* given = c.constant(c.input(1));
  if (!x.valid() || given == nullptr || given->dtype() != DType::kI64 || given->count() != x.rank() - 2) return {};
  std::vector<int64_t> axes(given->as<int64_t>(), given->as<int64_t>() + given->count());
  for (int64_t& axis : axes) axis += axis < 0 ? x.rank() : 0;
  std::sort(axes.begin(), axes.end());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != static_cast<int64_t>(i) + 2) return {};
  }
  for (int64_t& axis : axes) --axis;
  Expr y = make(c.scope(), c.node.op->full_name(), {x, constant_ints(c.scope(), axes)}, c.attrs());
  if (!y.valid()) return {};
  c.replace(c.attrs().b("keepdims") ? first_again(y) : y);
  return {};
}

}  // namespace

void add_rule_channels_last(RuleRegistry& rules) {
  const char* name = "channels_last";
  rules.add({name, "Conv", conv_channels_last});
  rules.add({name, "weft.FusedConv", conv_channels_last});
  rules.add({"winograd", "weft.ChannelsLastConv", winograd});
  rules.add({name, "MaxPool", pool_channels_last});
  rules.add({name, "AveragePool", pool_channels_last});
  rules.add({name, "Concat", concat_channels_last});
  for (const char* op : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"}) {
    rules.add({name, op, reduce_channels_last});
  }
  rules.add({name, "*", elementwise_channels_last});
}

}  // namespace weft
