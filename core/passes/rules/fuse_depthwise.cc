// A filter for each channel and the products of pixels around it, as MobileNets have them: where the tensors in between are
// larger than a cache, one operator that takes some rows at a time through all of them, with the same bits.
#include <algorithm>

#include "core/passes/rewrite.h"

namespace weft {
namespace {

constexpr char kConv[] = "weft.ChannelsLastConv";

constexpr int64_t kTooMany = int64_t{1} << 48;  // nobody has looked yet whether shapes are of this world

int64_t bytes_of(const ValueType& type) {
  const Result<int64_t> count = element_count(to_shape(type.dims));
  return count.ok() && *count < kTooMany ? dtype_bytes(type.dtype, *count) : kTooMany;
}

bool all_ones(const std::vector<int64_t>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](int64_t number) { return number == 1; });
}

// Images with two axes, and constant weights.
bool is_image_conv(const RuleContext& c, const Node& node) {
  const ValueType &x = c.type(node.inputs[0]), &y = c.type(node.output(0));
  return x.concrete() && y.concrete() && x.dims.size() == 4 && c.constant(node.inputs[1]) != nullptr;
}

// Of each pixel, in its place.
bool is_product(const RuleContext& c, const Node& node) {
  if (!is_image_conv(c, node) || node.attrs.i("group") != 1 || !all_ones(node.attrs.ints_or_empty("strides")))
    return false;
  const Dims &x = c.type(node.inputs[0]).dims, &y = c.type(node.output(0)).dims, &w = c.type(node.inputs[1]).dims;
  return w[2].is(1) && w[3].is(1) && x[1] == y[1] && x[2] == y[2];
}

bool is_filters(const RuleContext& c, const Node& node) {
  if (!is_image_conv(c, node)) return false;
  const Dims &x = c.type(node.inputs[0]).dims, &y = c.type(node.output(0)).dims;
  const int64_t group = node.attrs.i("group");
  return group > 1 && x[3].is(group) && y[3].is(group);
}

// What is in between stays in the second-level cache by itself where it is smaller. Weights are read for each few rows, so they
// must stay there; a row of the image must fill a tile of the product's; and the rows that the filters see, which are kept, be few.
bool worth_it(const RuleContext& c, const Node* expand, const Node& filters, const Node* project) {
  constexpr int64_t kLeastBetween = 512 << 10, kMostWeights = 256 << 10, kLeastWidth = 14, kTimes = 4;
  const ValueType& image = c.type(filters.inputs[0]);
  const int64_t image_bytes = bytes_of(image);
  if (image_bytes >= kTooMany) return false;
  const std::vector<int64_t> dilations = filters.attrs.ints_or_empty("dilations");
  const int64_t kernel = c.type(filters.inputs[1]).dims[2].value(), high = image.dims[1].value();
  const int64_t seen = (kernel - 1) * (dilations.empty() ? 1 : dilations[0]) + 1;
  if (std::min(seen, high) > high * image.dims[0].value() / kTimes) return false;
  int64_t between = 0, weights = 0;
  if (expand != nullptr) {
    if (image.dims[2].value() < kLeastWidth) return false;
    between = image_bytes;
    weights = bytes_of(c.type(expand->inputs[1]));
  }
  if (project != nullptr) {
    between = std::max(between, bytes_of(c.type(filters.output(0))));
    weights += bytes_of(c.type(project->inputs[1]));
  }
  return between >= kLeastBetween && weights <= kMostWeights;
}

void take_limits(const Node& conv, const char* low, const char* high, Attrs* attrs) {
  if (conv.attrs.has("low")) attrs->set(low, conv.attrs.f("low"));
  if (conv.attrs.has("high")) attrs->set(high, conv.attrs.f("high"));
}

Status fuse_depthwise(RuleContext& c) {
  const Node* project = is_product(c, c.node) ? &c.node : nullptr;
  const Node* filters = project != nullptr ? c.input_from(0, kConv, true) : &c.node;
  if (filters == nullptr || !is_filters(c, *filters)) return {};
  const Node* expand = c.producer_of(filters->inputs[0], kConv, true);
  if (expand != nullptr && !(is_product(c, *expand) && worth_it(c, expand, *filters, project))) expand = nullptr;
  if (expand == nullptr && (project == nullptr || !worth_it(c, expand, *filters, project))) return {};

  std::vector<Expr> inputs(7);
  Attrs attrs = filters->attrs;
  const auto take = [&](const Node* conv, size_t at) {
    for (size_t i = 1; conv != nullptr && i < conv->inputs.size(); ++i) inputs[at + i - 1] = c.mapped(conv->inputs[i]);
  };
  inputs[0] = c.mapped(expand != nullptr ? expand->inputs[0] : filters->inputs[0]);
  take(expand, 1);
  take(filters, 3);
  take(project, 5);
  if (expand != nullptr) take_limits(*expand, "expand_low", "expand_high", &attrs);
  if (project != nullptr) take_limits(*project, "project_low", "project_high", &attrs);
  const Expr y = c.make_with_kernel("weft.DepthwiseBlock", inputs, std::move(attrs));
  if (y.valid()) c.replace(y);
  return {};
}

}  // namespace

void add_rule_fuse_depthwise(RuleRegistry& rules) { rules.add({"fuse_depthwise", kConv, fuse_depthwise}); }

}  // namespace weft
