// TreeEnsemble: decision trees of the newest form.
#include "core/ops/scores_common.h"
#include "core/ops/trees_common.h"

namespace weft {
namespace {

constexpr const char* kTransforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
constexpr const char* kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};

Result<std::vector<double>> numbers_in(const Attrs& attrs, std::string_view name, DTypeSet types) {
  const Tensor& tensor = attrs.tensor(name);
  if (!contains(types, tensor.dtype()) || tensor.rank() != 1) {
    return invalid("attribute '", name, "' must be a list of ", dtype_set_text(types), " but is ", tensor.summary());
  }
  std::vector<double> out;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    switch (tensor.dtype()) {
      case DType::kF64: out.push_back(tensor.as<double>()[i]); break;
      case DType::kF32: out.push_back(tensor.as<float>()[i]); break;
      case DType::kF16: out.push_back(f16_to_float(tensor.as<uint16_t>()[i])); break;
      default: out.push_back(tensor.as<uint8_t>()[i]); break;
    }
  }
  return out;
}

Status check_length(std::string_view name, size_t count, size_t wanted, std::string_view of) {
  if (count == wanted) return {};
  return invalid("attribute '", name, "' has ", count, " items for ", wanted, " ", of);
}

// Sets of numbers, each ended by NaN.
Result<std::vector<std::vector<double>>> member_sets(const Attrs& attrs, DTypeSet types) {
  std::vector<std::vector<double>> out;
  if (!attrs.has("membership_values")) return out;
  WEFT_TRY(std::vector<double> values, numbers_in(attrs, "membership_values", types));
  std::vector<double> set;
  for (double value : values) {
    if (value == value) {
      set.push_back(value);
      continue;
    }
    out.push_back(std::move(set));
    set.clear();
  }
  if (!set.empty()) out.push_back(std::move(set));  // the last NaN may be left out
  return out;
}

Result<Forest> read_tree_ensemble(const Attrs& a) {
  const std::vector<int64_t>&features = a.ints("nodes_featureids"), &yes = a.ints("nodes_truenodeids"),
        &no = a.ints("nodes_falsenodeids"), &yes_leaf = a.ints("nodes_trueleafs"),
        &no_leaf = a.ints("nodes_falseleafs"), &targets = a.ints("leaf_targetids");
  const std::vector<int64_t> tracks = a.ints_or_empty("nodes_missing_value_tracks_true");
  constexpr DTypeSet numbers = set_of(DType::kF32, DType::kF64, DType::kF16);
  WEFT_TRY(std::vector<double> modes, numbers_in(a, "nodes_modes", set_of(DType::kU8)));
  WEFT_TRY(std::vector<double> splits, numbers_in(a, "nodes_splits", numbers));
  WEFT_TRY(std::vector<double> weights, numbers_in(a, "leaf_weights", numbers));
  WEFT_TRY(std::vector<std::vector<double>> sets, member_sets(a, numbers));
  const size_t count = features.size();
  WEFT_CHECK(check_length("nodes_modes", modes.size(), count, "nodes"));
  WEFT_CHECK(check_length("nodes_splits", splits.size(), count, "nodes"));
  WEFT_CHECK(check_length("nodes_truenodeids", yes.size(), count, "nodes"));
  WEFT_CHECK(check_length("nodes_falsenodeids", no.size(), count, "nodes"));
  WEFT_CHECK(check_length("nodes_trueleafs", yes_leaf.size(), count, "nodes"));
  WEFT_CHECK(check_length("nodes_falseleafs", no_leaf.size(), count, "nodes"));
  if (!tracks.empty()) {
    WEFT_CHECK(check_length("nodes_missing_value_tracks_true", tracks.size(), count, "nodes"));
  }
  WEFT_CHECK(check_length("leaf_targetids", targets.size(), weights.size(), "leaves"));
  const int64_t aggregate = a.i("aggregate_function");
  if (aggregate < 0 || aggregate > 3) {
    return invalid("attribute 'aggregate_function' must be 0 to 3 but is ", aggregate);
  }
  const auto nodes = static_cast<int64_t>(count), leaves = static_cast<int64_t>(weights.size());
  Forest out;
  out.aggregate = kAggregates[aggregate];
  out.targets = a.i_or("n_targets", 1);
  out.roots = a.ints("tree_roots");
  size_t next_set = 0;
  for (size_t i = 0; i < count; ++i) {
    TreeNode node;
    if (modes[i] > 6) return invalid("attribute 'nodes_modes' has ", modes[i], " but modes are 0 to 6");
    node.test = static_cast<TreeTest>(static_cast<int>(modes[i]));
    node.feature = features[i];
    node.threshold = splits[i];
    node.nan_is_true = !tracks.empty() && tracks[i] != 0;
    auto child = [&](int64_t id, bool leaf) {
      return id < 0 || id >= (leaf ? leaves : nodes) ? -1 : leaf ? nodes + id : id;
    };
    node.yes = child(yes[i], yes_leaf[i] != 0);
    node.no = child(no[i], no_leaf[i] != 0);
    if (node.test == TreeTest::kMember) {
      if (next_set == sets.size()) {
        return invalid("attribute 'membership_values' has ", sets.size(),
                       " sets, fewer than there are nodes of mode 6");
      }
      node.members = std::move(sets[next_set++]);
    }
    out.nodes.push_back(std::move(node));
  }
  if (next_set < sets.size()) {
    return invalid("attribute 'membership_values' has ", sets.size(), " sets for ", next_set, " nodes of mode 6");
  }
  for (int64_t root : out.roots) {
    if (root >= nodes) return invalid("the root ", root, " is no node; there are ", nodes);
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    TreeNode leaf;
    leaf.votes = {{targets[i], weights[i]}};
    out.nodes.push_back(std::move(leaf));
  }
  WEFT_CHECK(check_forest(out));
  return out;
}

Status infer_tree_ensemble(InferContext& c) {
  WEFT_TRY(const Forest forest, read_tree_ensemble(c.attrs()));
  const int64_t transform = c.attrs().i("post_transform");
  if (transform < 0 || transform > 4) return invalid("attribute 'post_transform' must be 0 to 4 but is ", transform);
  Dim rows = c.has_rank(0) ? Dim(1) : c.fresh();
  if (c.has_rank(0)) {
    if (c.rank(0) != 2) return invalid("X must be rows [N, F] but is ", c.input(0).text());
    WEFT_CHECK(check_features(c.dims(0)[1], forest));
    rows = c.dims(0)[0];
  }
  c.set_dims(0, {rows, Dim(forest.targets)});
  return {};
}

Status tree_ensemble(BodyContext& c) {
  const Expr x = c.input(0);
  WEFT_TRY(const Forest forest, read_tree_ensemble(c.attrs()));
  const Attrs& attrs = c.attrs();
  const bool precise = x.dtype() == DType::kF64 || attrs.tensor("nodes_splits").dtype() == DType::kF64 ||
                       attrs.tensor("leaf_weights").dtype() == DType::kF64;
  const Expr wide = cast(x, precise ? DType::kF64 : DType::kF32);
  const Expr scores = transform_scores(run_forest(wide, forest), kTransforms[attrs.i("post_transform")]);
  c.set_output(0, cast(scores, x.dtype()));
  return {};
}

}  // namespace

void define_op_tree_ensemble(OpRegistry& ops) {
  ops.add(kMlDomain, "TreeEnsemble")
      .group("classical")
      .since(5)
      .doc(
          "What decision trees make of rows. A row goes down each tree, at a node to the true branch if the test of "
          "its "
          "number `X[n, feature]` with the node's split holds and else to the false branch; the leaf where it ends "
          "votes "
          "with its weight for its target. Votes are summed in double precision. NaN fails all tests but mode 5, where "
          "it is "
          "unequal to every number, unless nodes_missing_value_tracks_true says that it holds.")
      .types("T", set_of(DType::kF32, DType::kF64, DType::kF16))
      .attr("aggregate_function", 1,
            "What is taken of a target's votes: 0 for the sum over the number of trees, 1 the "
            "sum, 2 the least, 3 the largest.")
      .attr("post_transform", 0,
            "What becomes of each row: 0 for nothing, 1 softmax, 2 `1 / (1 + exp(-x))` of each, 3 softmax where 0 "
            "stays 0, "
            "4 about the inverse of the normal distribution's function.")
      .required_attr("tree_roots", AttrKind::kInts, "Of each tree: its first node.")
      .optional_attr("nodes_hitrates", AttrKind::kTensor, "How often each node is met; not used.")
      .optional_attr("nodes_missing_value_tracks_true", AttrKind::kInts,
                     "Of each node: 1 if NaN goes to the true branch; 0 for all if not given.")
      .required_attr(
          "nodes_modes", AttrKind::kTensor,
          "u8 [nodes]: the test, 0 for `<=`, 1 `<`, 2 `>=`, 3 `>`, 4 `==`, 5 `!=`, 6 for being one of a set.")
      .required_attr("leaf_weights", AttrKind::kTensor, "[leaves], T or another of its types.")
      .required_attr("leaf_targetids", AttrKind::kInts, "Of each leaf: the target that it votes for.")
      .required_attr("nodes_falsenodeids", AttrKind::kInts, "Of each node: the false branch, a node or a leaf.")
      .optional_attr("n_targets", AttrKind::kInt, "How many targets there are; 1 if not given.")
      .required_attr("nodes_trueleafs", AttrKind::kInts, "Of each node: 1 if the true branch is a leaf.")
      .required_attr("nodes_featureids", AttrKind::kInts, "Of each node: which number of a row it looks at.")
      .required_attr("nodes_splits", AttrKind::kTensor,
                     "[nodes], T or another of its types: what is compared with; not used by mode 6.")
      .required_attr("nodes_falseleafs", AttrKind::kInts, "Of each node: 1 if the false branch is a leaf.")
      .required_attr("nodes_truenodeids", AttrKind::kInts, "Of each node: the true branch, a node or a leaf.")
      .optional_attr("membership_values", AttrKind::kTensor,
                     "T or another of its types: the sets of the nodes of mode 6 in their order, each ended by NaN.")
      .input("X", "T", "[N, F].")
      .output("Y", "T", "[N, n_targets]; 0 where no leaf votes for the target.")
      .infer(infer_tree_ensemble)
      .body_by_shapes(tree_ensemble)
      .no_gradient("it is constant but for steps");
}

}  // namespace weft
