// Images with their channels side by side: convolutions, pools, their gradients, normalizations and Resize work on
// [N, D1, ..., C], between transposes from and to the [N, C, D1, ...] of ONNX. What follows is done on that side of the
// transpose as well, so that those of neighbours meet and fall away.
#include <algorithm>

#include "core/op/layout.h"
#include "core/op/resize.h"
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
  constexpr int64_t kLeastAlone = 5, kLeast = 8;
  if (x.rank() < 3 || x.rank() != w.rank() || group < 1) return false;
  const int64_t in = x.dims()[1].value(), out = w.dims()[0].value();
  if (group == 1) return out >= kLeastAlone;
  return group == in && out == in ? in >= 2 * kLeast : in / group >= kLeast && out / group >= kLeast;
}

// Replaces the node by `op`, with the channels of its first input and of input `image` last, if there is a kernel.
void replace_by(RuleContext& c, const char* op, Attrs attrs, size_t image = 0) {
  std::vector<Expr> inputs = c.mapped_inputs(c.node);
  inputs[0] = last_of(inputs[0]);
  if (image != 0) inputs[image] = last_of(inputs[image]);
  const Expr y = c.make_with_kernel(op, inputs, std::move(attrs));
  if (y.valid()) c.replace(first_again(y));
}

Status conv_channels_last(RuleContext& c) {
  const Expr x = c.mapped_input(0), w = c.mapped_input(1);
  if (!concrete(x) || !concrete(w)) return {};
  if (worth_it(x, w, c.attrs().i("group"))) replace_by(c, "weft.ChannelsLastConv", c.attrs());
  return {};
}

// The weight is [C, M / group, ...].
Status conv_transpose_channels_last(RuleContext& c) {
  constexpr int64_t kLeastAlone = 5, kLeast = 8;
  const Expr x = c.mapped_input(0), w = c.mapped_input(1);
  if (!concrete(x) || !concrete(w) || x.rank() < 3 || x.rank() != w.rank()) return {};
  const int64_t group = c.attrs().i("group"), out = w.dims()[1].value();
  if (group < 1 || (group == 1 ? out < kLeastAlone : out < kLeast || x.dims()[1].value() / group < kLeast)) return {};
  replace_by(c, "weft.ChannelsLastConvTranspose", c.attrs());
  return {};
}

// Of integers: in one group, or with one filter for each channel.
Status conv_integer_channels_last(RuleContext& c) {
  const bool quantizes = c.node.is("QLinearConv");
  const Expr x = c.mapped_input(0), w = c.mapped_input(quantizes ? 3 : 1);
  if (!concrete(x) || !concrete(w) || !worth_it(x, w, c.attrs().i("group"))) return {};
  replace_by(c, quantizes ? "weft.ChannelsLastQLinearConv" : "weft.ChannelsLastConvInteger", c.attrs());
  return {};
}

// Where the convolution goes.
Status grad_input_channels_last(RuleContext& c) {
  const Expr dy = c.mapped_input(0), w = c.mapped_input(1), x = c.mapped_input(2);
  if (!concrete(dy) || !concrete(w) || !concrete(x)) return {};
  if (worth_it(x, w, c.attrs().i("group"))) replace_by(c, "weft.ChannelsLastConvGradInput", c.attrs(), 2);
  return {};
}
Status grad_weight_channels_last(RuleContext& c) {
  const Expr dy = c.mapped_input(0), x = c.mapped_input(1), w = c.mapped_input(2);
  if (!concrete(dy) || !concrete(x) || !concrete(w) || !worth_it(x, w, c.attrs().i("group"))) return {};
  std::vector<Expr> inputs{last_of(dy), last_of(x), w};
  const Expr dw = c.make_with_kernel("weft.ChannelsLastConvGradWeight", inputs, c.attrs());
  if (dw.valid()) c.replace(dw);
  return {};
}

// Where it is faster: a few digits fewer, which is why it has a name of its own to be switched off.
Status winograd(RuleContext& c) {
  const char* op = c.node.op->name() == "ChannelsLastConv" ? "weft.WinogradConv" : "weft.WinogradConvGradInput";
  const Expr y = c.make_with_kernel(op, c.mapped_inputs(c.node), c.attrs());
  if (y.valid()) c.replace(y);
  return {};
}

bool has_pool_kernels(Expr x) { return concrete(x) && (x.dtype() == DType::kF32 || x.dtype() == DType::kF64); }

// Pools and their gradients go where the input comes from.
bool pool_input_is_last(Expr x) { return has_pool_kernels(x) && before_first(x).valid(); }

// Whether somebody, a convolution say, has the channels of a value of the old graph last.
bool goes_last(const RuleContext& c, ValueId x) {
  const Graph& graph = c.from;
  const std::vector<int64_t> last = to_channels_last(static_cast<int64_t>(graph.type(x).dims.size()));
  for (NodeId id = graph.value(x).node + 1; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    const bool turns = node.is("Transpose") && node.inputs[0] == x && node.attrs.ints_or_empty("perm") == last;
    if (turns && c.uses(node.first_output) > 0) return true;
  }
  return false;
}

Attrs without_order(Attrs attrs) {
  attrs.erase("storage_order");  // of the indices
  return attrs;
}

Status pool_channels_last(RuleContext& c) {
  const Expr x = c.mapped_input(0);
  const bool bytes = concrete(x) && (x.dtype() == DType::kI8 || x.dtype() == DType::kU8);
  if (!(has_pool_kernels(x) || bytes) || x.rank() < 3 || c.node.output_count > 1) return {};
  if (!before_first(x).valid() && !goes_last(c, c.input(0))) return {};
  const char* op = c.node.is("MaxPool")       ? "weft.ChannelsLastMaxPool"
                   : c.node.is("AveragePool") ? "weft.ChannelsLastAveragePool"
                                              : "weft.ChannelsLastQLinearAveragePool";
  replace_by(c, op, without_order(c.attrs()));
  return {};
}

Status average_pool_grad_channels_last(RuleContext& c) {
  if (!concrete(c.mapped_input(0)) || !pool_input_is_last(c.mapped_input(1))) return {};
  replace_by(c, "weft.ChannelsLastAveragePoolGrad", c.attrs(), 1);
  return {};
}

// Of MaxPool: what flows back is added at the indices that it gives.
Status max_pool_grad_channels_last(RuleContext& c) {
  const Node* pool = c.input_from(1, "MaxPool", false);
  if (pool == nullptr || pool->output_count < 2 || pool->output(1) != c.input(1)) return {};
  if (pool->attrs.i("storage_order") != 0) return {};
  const Expr dy = c.mapped_input(0), x = c.mapped(pool->inputs[0]);
  if (!concrete(dy) || !pool_input_is_last(x) || x.dtype() != dy.dtype()) return {};
  if (c.type(c.node.output(0)).dims != x.dims()) return {};
  const Attrs attrs = without_order(pool->attrs);
  // Found again where the pool itself is needed.
  const Expr y = c.make_with_kernel("weft.ChannelsLastMaxPool", {before_first(x)}, attrs);
  if (!y.valid()) return {};
  const Expr dx = c.make_with_kernel("weft.ChannelsLastMaxPoolGrad", {last_of(dy), before_first(x), y}, attrs);
  if (dx.valid()) c.replace(first_again(dx));
  return {};
}

// GroupNormalization and InstanceNormalization, which names no groups.
Status group_norm_channels_last(RuleContext& c) {
  const Expr x = c.mapped_input(0);
  if (!concrete(x) || x.rank() < 3) return {};
  if (before_first(x).valid() || goes_last(c, c.input(0))) {
    replace_by(c, "weft.ChannelsLastGroupNormalization", c.attrs());
  }
  return {};
}

// Outside training, where no weights took it up: a factor and a sum for each channel, which go on in elementwise groups. That
// of halves is computed in f32, by its body.
Status batch_norm_channels_last(RuleContext& c) {
  const Expr x = before_first(c.mapped_input(0));
  if (!concrete(x) || (x.dtype() != DType::kF32 && x.dtype() != DType::kF64) || c.attrs().b("training_mode") ||
      c.node.output_count > 1)
    return {};
  for (int i = 1; i < 5; ++i) {
    if (c.type(c.input(i)).dtype != x.dtype()) return {};
  }
  const Expr scale = c.mapped_input(1), bias = c.mapped_input(2), mean = c.mapped_input(3),
             variance = c.mapped_input(4);
  const Expr factor = scale / make(c.scope(), "Sqrt", {variance + c.attrs().f("epsilon")});
  c.replace(first_again(x * factor + (bias - mean * factor)));
  return {};
}

// What the other inputs say of axes stays; only where these are changes. They are constants, so that the shape is known.
Status resize_channels_last(RuleContext& c) {
  const Expr x = before_first(c.mapped_input(0));
  const ValueType &from = c.type(c.input(0)), &to = c.type(c.node.output(0));
  if (!x.valid() || !concrete(x) || !from.concrete() || !to.concrete() || !(from.dims[1] == to.dims[1])) return {};
  if (dtype_bits(x.dtype()) < 8 || c.attrs().s("coordinate_transformation_mode") == "tf_crop_and_resize") return {};
  for (int i : {2, 3}) {
    if (c.input(i) != kNoValue && c.constant(c.input(i)) == nullptr) return {};
  }
  const Result<std::vector<int64_t>> axes = axes_to_resize(c.attrs(), x.rank());
  if (!axes.ok()) return {};
  const std::vector<int64_t> perm = to_channels_first(x.rank());
  std::vector<int64_t> places;
  for (int64_t axis : *axes) places.push_back(perm[static_cast<size_t>(axis)]);
  Attrs attrs = c.attrs();
  attrs.set("axes", std::move(places));
  std::vector<Expr> inputs = c.mapped_inputs(c.node);
  inputs[0] = x;
  const Expr y = c.make_with_kernel("Resize", inputs, std::move(attrs));
  if (y.valid()) c.replace(first_again(y));
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

// What an Expand makes larger, as operands broadcast without it; any other value itself.
Expr before_expand(Expr x) {
  const Node& node = x.scope().graph().producer(x.id());
  if (!node.is("Expand")) return x;
  const Expr from(x.scope(), node.inputs[0]);
  return concrete(from) && from.rank() <= x.rank() ? from : x;
}

Status elementwise_channels_last(RuleContext& c) {
  if (!c.node.op->is_elementwise() || c.node.output_count != 1) return {};
  const ValueType& out = c.type(c.node.output(0));
  if (!out.concrete() || out.dims.size() < 3) return {};
  // Elements of less than a byte are moved as bytes: to turn them behind a Cast would only cast them again.
  if (dtype_bits(out.dtype) < 8) return {};
  const int64_t rank = static_cast<int64_t>(out.dims.size());
  std::vector<Expr> inputs;
  bool found = false;
  for (ValueId id : c.node.inputs) {
    const Expr given = c.mapped(id);
    if (!given.valid()) {
      inputs.push_back(given);
      continue;
    }
    if (!concrete(given) || given.rank() > rank) return {};
    const Expr x = before_expand(given);
    if (Expr before = before_first(given); before.valid() && given.rank() == rank) {
      found = found || given.dims() == out.dims;
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

// What input 0 of an operator that moves elements was before its channels were put first. Those of less than a byte are
// moved as bytes, between casts.
Expr moved_before_first(const RuleContext& c) {
  const Expr x = before_first(c.mapped_input(0));
  return x.valid() && dtype_bits(x.dtype()) >= 8 ? x : Expr();
}

// Where axes of ONNX's images are in those with channels last; all if none are named.
std::vector<int64_t> axes_last(std::vector<int64_t> axes, int64_t rank) {
  const std::vector<int64_t> perm = to_channels_first(rank);
  if (axes.empty()) return perm;
  for (int64_t& axis : axes) axis = perm[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
  return axes;
}

Status split_channels_last(RuleContext& c) {
  const Expr x = moved_before_first(c);
  if (!x.valid()) return {};
  std::vector<Expr> inputs = c.mapped_inputs(c.node);
  inputs[0] = x;
  Attrs attrs = c.attrs();
  attrs.set("axis", axes_last({c.attrs().i("axis")}, x.rank())[0]);
  const std::vector<Expr> parts = make_all(c.scope(), "Split", inputs, std::move(attrs), c.node.output_count);
  for (int i = 0; i < c.node.output_count; ++i) c.replace(i, first_again(parts[static_cast<size_t>(i)]));
  return {};
}

Status pad_channels_last(RuleContext& c) {
  const Expr x = moved_before_first(c);
  if (!x.valid()) return {};
  std::vector<int64_t> axes;
  if (c.input(3) != kNoValue) {
    const Tensor* given = c.constant(c.input(3));
    if (given == nullptr || given->count() == 0) return {};
    axes = *given->to_ints();
  }
  const Expr along = constant_ints(c.scope(), axes_last(std::move(axes), x.rank()));
  c.replace(first_again(make(c.scope(), "Pad", {x, c.mapped_input(1), c.mapped_input(2), along}, c.attrs())));
  return {};
}

// A reduction over all spatial axes, and perhaps over images or channels.
Status reduce_channels_last(RuleContext& c) {
  const Expr x = before_first(c.mapped_input(0));
  const Tensor* given = c.constant(c.input(1));
  if (!x.valid() || given == nullptr || given->dtype() != DType::kI64 || given->count() < x.rank() - 2) return {};
  const std::vector<int64_t> perm = to_channels_first(x.rank());
  std::vector<int64_t> axes;
  int64_t spatial = 0;
  for (int64_t i = 0; i < given->count(); ++i) {
    const int64_t axis = given->as<int64_t>()[i] + (given->as<int64_t>()[i] < 0 ? x.rank() : 0);
    spatial += axis >= 2;
    axes.push_back(perm[static_cast<size_t>(axis)]);
  }
  if (spatial != x.rank() - 2) return {};
  std::sort(axes.begin(), axes.end());
  Expr y = make(c.scope(), c.node.op->full_name(), {x, constant_ints(c.scope(), axes)}, c.attrs());
  if (!y.valid()) return {};
  c.replace(c.attrs().b("keepdims") ? first_again(y) : y);
  return {};
}

// The gradient of broadcasting one number for each channel, or image and channel.
Status sum_to_channels_last(RuleContext& c) {
  const Expr x = before_first(c.mapped_input(0)), like = c.mapped_input(1);
  if (!x.valid() || !concrete(x) || !concrete(like) || like.rank() > x.rank()) return {};
  if (!by_channel(like.dims(), x.rank())) return {};
  if (like.rank() <= 1) {
    c.replace(make(c.scope(), "weft.SumTo", {x, like}));
    return {};
  }
  const Expr y = make(c.scope(), "weft.SumTo", {x, by_channel_last(like, x.rank())});
  c.replace(reshape(y, constant_ints(c.scope(), to_shape(like.dims()))));
  return {};
}

}  // namespace

void add_rule_channels_last(RuleRegistry& rules) {
  const char* name = "channels_last";
  struct Row {
    const char* op;
    RuleFn apply;
  };
  for (const Row& row :
       {Row{"Conv", conv_channels_last}, Row{"weft.FusedConv", conv_channels_last},
        Row{"ConvTranspose", conv_transpose_channels_last}, Row{"QLinearConv", conv_integer_channels_last},
        Row{"ConvInteger", conv_integer_channels_last}, Row{"weft.ConvGradInput", grad_input_channels_last},
        Row{"weft.ConvGradWeight", grad_weight_channels_last}}) {
    rules.add({.name = name, .op = row.op, .apply = row.apply, .late = true});
  }
  rules.add({"winograd", "weft.ChannelsLastConv", winograd});
  rules.add({"winograd", "weft.ChannelsLastConvGradInput", winograd});
  rules.add({name, "MaxPool", pool_channels_last});
  rules.add({name, "AveragePool", pool_channels_last});
  rules.add({name, "weft.QLinearAveragePool", pool_channels_last});
  rules.add({name, "weft.ScatterAt", max_pool_grad_channels_last});
  rules.add({name, "weft.AveragePoolGrad", average_pool_grad_channels_last});
  rules.add({name, "weft.SumTo", sum_to_channels_last});
  rules.add({name, "GroupNormalization", group_norm_channels_last});
  rules.add({name, "InstanceNormalization", group_norm_channels_last});
  rules.add({name, "BatchNormalization", batch_norm_channels_last});
  rules.add({name, "Resize", resize_channels_last});
  rules.add({name, "Concat", concat_channels_last});
  rules.add({name, "Split", split_channels_last});
  rules.add({name, "Pad", pad_channels_last});
  for (const char* op :
       {"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceMax", "ReduceMin", "weft.QLinearReduceMean"}) {
    rules.add({name, op, reduce_channels_last});
  }
  rules.add({name, "*", elementwise_channels_last});
}

}  // namespace weft
