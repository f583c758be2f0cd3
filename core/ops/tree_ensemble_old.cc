// TreeEnsembleRegressor and TreeEnsembleClassifier: decision trees as they were written before TreeEnsemble.
#include <algorithm>
#include <map>

#include "core/ops/scores_common.h"
#include "core/ops/trees_common.h"

namespace weft {
namespace {

// A list that is given as floats or as a tensor of more precise ones.
Result<std::vector<double>> precise_list(const Attrs& attrs, const std::string& name) {
  std::vector<double> floats = floats_or_empty(attrs, name);
  const AttrValue* precise = attrs.find(name + "_as_tensor");
  if (precise == nullptr || precise->tensor().count() == 0) return floats;
  const Tensor& tensor = precise->tensor();
  if (!floats.empty()) return invalid("attribute '", name, "' is given twice, as a tensor too");
  if (tensor.dtype() == DType::kF64) {
    floats.assign(tensor.as<double>(), tensor.as<double>() + tensor.count());
  } else if (tensor.dtype() == DType::kF32) {
    floats.assign(tensor.as<float>(), tensor.as<float>() + tensor.count());
  } else {
    return invalid("attribute '", name, "_as_tensor' must be f32 or f64 but is ", tensor.summary());
  }
  return floats;
}

Status check_items(std::string_view name, size_t count, size_t wanted, std::string_view of) {
  if (count == wanted) return {};
  return invalid("attribute '", name, "' has ", count, " items for ", wanted, " ", of);
}

Result<TreeTest> old_mode(const std::string& mode) {
  constexpr const char* kModes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  for (int i = 0; i < 6; ++i) {
    if (mode == kModes[i]) return static_cast<TreeTest>(i);
  }
  if (mode == "LEAF") return TreeTest::kLeaf;
  return invalid("attribute 'nodes_modes' has \"", mode,
                 "\"; it must be BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ or LEAF");
}

// `prefix` is that of the attributes that say what leaves vote: "target" or "class".
Result<Forest> read_old_forest(const Attrs& a, const std::string& prefix, int64_t targets) {
  const std::vector<int64_t> trees = a.ints_or_empty("nodes_treeids"), ids = a.ints_or_empty("nodes_nodeids"),
                             features = a.ints_or_empty("nodes_featureids"), yes = a.ints_or_empty("nodes_truenodeids"),
                             no = a.ints_or_empty("nodes_falsenodeids"),
                             tracks = a.ints_or_empty("nodes_missing_value_tracks_true");
  const std::vector<std::string> modes = a.has("nodes_modes") ? a.strings("nodes_modes") : std::vector<std::string>();
  WEFT_TRY(const std::vector<double> values, precise_list(a, "nodes_values"));
  const size_t count = ids.size();
  WEFT_CHECK(check_items("nodes_treeids", trees.size(), count, "nodes"));
  WEFT_CHECK(check_items("nodes_featureids", features.size(), count, "nodes"));
  WEFT_CHECK(check_items("nodes_truenodeids", yes.size(), count, "nodes"));
  WEFT_CHECK(check_items("nodes_falsenodeids", no.size(), count, "nodes"));
  WEFT_CHECK(check_items("nodes_modes", modes.size(), count, "nodes"));
  WEFT_CHECK(check_items("nodes_values", values.size(), count, "nodes"));
  if (!tracks.empty()) {
    WEFT_CHECK(check_items("nodes_missing_value_tracks_true", tracks.size(), count, "nodes"));
  }
  Forest out;
  out.targets = targets;
  std::map<std::pair<int64_t, int64_t>, int64_t> places;
  std::map<int64_t, int64_t> roots;
  for (size_t i = 0; i < count; ++i) {
    if (!places.emplace(std::pair(trees[i], ids[i]), static_cast<int64_t>(i)).second) {
      return invalid("tree ", trees[i], " has two nodes ", ids[i]);
    }
    if (roots.emplace(trees[i], static_cast<int64_t>(i)).second) out.roots.push_back(static_cast<int64_t>(i));
  }
  for (size_t i = 0; i < count; ++i) {
    TreeNode node;
    WEFT_TRY(node.test, old_mode(modes[i]));
    node.feature = features[i];
    node.threshold = values[i];
    node.nan_is_true = !tracks.empty() && tracks[i] != 0;
    for (const auto& [id, child] : {std::pair(yes[i], &node.yes), std::pair(no[i], &node.no)}) {
      if (node.test == TreeTest::kLeaf) continue;
      auto at = places.find({trees[i], id});
      if (at == places.end())
        return invalid("node ", ids[i], " of tree ", trees[i], " has a child ", id, ", which is none");
      *child = at->second;
    }
    out.nodes.push_back(std::move(node));
  }
  const std::vector<int64_t> vote_trees = a.ints_or_empty(prefix + "_treeids"),
                             vote_nodes = a.ints_or_empty(prefix + "_nodeids"),
                             vote_ids = a.ints_or_empty(prefix + "_ids");
  WEFT_TRY(const std::vector<double> weights, precise_list(a, prefix + "_weights"));
  const size_t votes = vote_ids.size();
  WEFT_CHECK(check_items(prefix + "_treeids", vote_trees.size(), votes, "votes"));
  WEFT_CHECK(check_items(prefix + "_nodeids", vote_nodes.size(), votes, "votes"));
  WEFT_CHECK(check_items(prefix + "_weights", weights.size(), votes, "votes"));
  for (size_t i = 0; i < votes; ++i) {
    auto at = places.find({vote_trees[i], vote_nodes[i]});
    if (at == places.end())
      return invalid("a vote is that of node ", vote_nodes[i], " of tree ", vote_trees[i], ", which is none");
    TreeNode& node = out.nodes[static_cast<size_t>(at->second)];
    // Some exporters write votes of inner nodes, which nobody can reach.
    if (node.test == TreeTest::kLeaf) node.votes.emplace_back(vote_ids[i], weights[i]);
    if (vote_ids[i] < 0 || vote_ids[i] >= targets) {
      return invalid("attribute '", prefix, "_ids' has ", vote_ids[i], ", but there are ", targets);
    }
  }
  WEFT_CHECK(check_forest(out));
  return out;
}

// f64 if anything is that precise.
bool is_precise(const Attrs& attrs, const std::string& prefix, DType x) {
  auto f64 = [&](const std::string& name) {
    const AttrValue* value = attrs.find(name + "_as_tensor");
    return value != nullptr && value->tensor().dtype() == DType::kF64;
  };
  return x == DType::kF64 || f64("nodes_values") || f64(prefix + "_weights");
}

Result<Expr> tree_rows(const Attrs& attrs, const std::string& prefix, Expr x) {
  WEFT_TRY(Expr rows, rows_of(x));
  return is_precise(attrs, prefix, x.dtype()) ? cast(rows, DType::kF64) : rows;
}

Status check_tree_rows(const InferContext& c, const Forest& forest) {
  if (!c.has_rank(0)) return {};
  if (c.rank(0) != 1 && c.rank(0) != 2)
    return invalid("X must be rows [N, F], or one row [F], but is ", c.input(0).text());
  return check_features(c.dims(0).back(), forest);
}

Status infer_tree_regressor(InferContext& c) {
  const int64_t targets = c.attrs().i_or("n_targets", 1);
  WEFT_CHECK(check_transform(c.attrs().s("post_transform")));
  WEFT_TRY(const Forest forest, read_old_forest(c.attrs(), "target", targets));
  WEFT_TRY(const std::vector<double> base, precise_list(c.attrs(), "base_values"));
  if (!base.empty()) WEFT_CHECK(check_items("base_values", base.size(), static_cast<size_t>(targets), "targets"));
  const std::string& aggregate = c.attrs().s("aggregate_function");
  if (aggregate != "SUM" && aggregate != "AVERAGE" && aggregate != "MIN" && aggregate != "MAX") {
    return invalid("attribute 'aggregate_function' must be \"SUM\", \"AVERAGE\", \"MIN\" or \"MAX\" but is \"",
                   aggregate, "\"");
  }
  WEFT_CHECK(check_tree_rows(c, forest));
  c.set_dims(0, {!c.has_rank(0) ? c.fresh() : c.rank(0) == 1 ? Dim(1) : c.dims(0)[0], Dim(targets)});
  return {};
}

Status tree_regressor(BodyContext& c) {
  const Attrs& attrs = c.attrs();
  WEFT_TRY(const Expr x, tree_rows(attrs, "target", c.input(0)));
  WEFT_TRY(Forest forest, read_old_forest(attrs, "target", attrs.i_or("n_targets", 1)));
  forest.aggregate = attrs.s("aggregate_function");
  Expr y = run_forest(x, forest);
  WEFT_TRY(const std::vector<double> base, precise_list(attrs, "base_values"));
  if (!base.empty()) y = y + table(c.scope(), y.dtype(), {forest.targets}, base);
  c.set_output(0, cast(transform_scores(y, attrs.s("post_transform")), DType::kF32));
  return {};
}

// Whether all votes are for one of two classes: then they say how likely the second one is.
bool is_one_sided(const Attrs& attrs, const ClassLabels& labels) {
  const std::vector<int64_t> ids = attrs.ints_or_empty("class_ids");
  return labels.count() == 2 && !ids.empty() &&
         std::all_of(ids.begin(), ids.end(), [&](int64_t id) { return id == ids[0]; });
}

Status infer_tree_classifier(InferContext& c) {
  WEFT_CHECK(check_transform(c.attrs().s("post_transform")));
  WEFT_TRY(const ClassLabels labels, ClassLabels::read(c.attrs(), "classlabels_int64s", "classlabels_strings"));
  WEFT_TRY(const Forest forest, read_old_forest(c.attrs(), "class", labels.count()));
  WEFT_TRY(const std::vector<double> base, precise_list(c.attrs(), "base_values"));
  const auto classes = static_cast<size_t>(labels.count());
  if (!base.empty() && !(base.size() == 1 && is_one_sided(c.attrs(), labels))) {
    WEFT_CHECK(check_items("base_values", base.size(), classes, "classes"));
  }
  WEFT_CHECK(check_tree_rows(c, forest));
  set_classifier_types(c, labels, Dim(labels.count()));
  return {};
}

// [N, 2] of the score [N, 1] of the second of two classes.
Expr both_scores(Expr score, const std::string& transform, bool all_positive) {
  if (transform == "PROBIT" || (transform == "NONE" && all_positive)) {
    return transform_scores(concat({1.0 - score, score}, 1), transform);
  }
  return transform_scores(concat({-score, score}, 1), transform);
}

Status tree_classifier(BodyContext& c) {
  ExprScope& s = c.scope();
  const Attrs& attrs = c.attrs();
  WEFT_TRY(const ClassLabels labels, ClassLabels::read(attrs, "classlabels_int64s", "classlabels_strings"));
  WEFT_TRY(const Expr x, tree_rows(attrs, "class", c.input(0)));
  WEFT_TRY(const Forest forest, read_old_forest(attrs, "class", labels.count()));
  WEFT_TRY(std::vector<double> base, precise_list(attrs, "base_values"));
  WEFT_TRY(const std::vector<double> weights, precise_list(attrs, "class_weights"));
  const bool all_positive = std::all_of(weights.begin(), weights.end(), [](double weight) { return weight >= 0; });
  const std::string& transform = attrs.s("post_transform");
  const bool one_sided = is_one_sided(attrs, labels);
  const int64_t voted = one_sided ? attrs.ints("class_ids")[0] : 0;
  if (base.size() == 1 && one_sided) base.insert(voted == 0 ? base.end() : base.begin(), 0.0);
  Expr scores = run_forest(x, forest);
  if (!base.empty()) scores = scores + table(s, scores.dtype(), {labels.count()}, base);
  if (one_sided || labels.count() == 1) {
    const Expr score = make(s, "Gather", {scores, constant_ints(s, {voted})}, {{"axis", 1}});
    const Expr bound = scalar_like(score, all_positive ? 0.5 : 0);
    c.set_output(0, labels.of_two(squeeze(make(s, "Greater", {score, bound}), {1})));
    const bool second = one_sided && voted == 1;
    scores = one_sided && !second ? both_scores(score, transform, all_positive) : transform_scores(scores, transform);
  } else {
    // Transforms keep the order of scores, but for SOFTMAX_ZERO, with which a 0 falls below negative ones.
    const Expr sums = scores;
    scores = transform_scores(scores, transform);
    const Expr compared = transform == "SOFTMAX_ZERO" ? scores : sums;
    c.set_output(0, labels.of(make(s, "ArgMax", {compared}, {{"axis", 1}, {"keepdims", 0}})));
  }
  if (c.output_count() > 1) c.set_output(1, cast(scores, DType::kF32));
  return {};
}

OpDef& old_nodes(OpDef& op) {
  return op.group("classical")
      .since(3)
      .optional_attr("nodes_treeids", AttrKind::kInts,
                     "Of each node: the tree that it is in. Its first node is the root.")
      .optional_attr("nodes_nodeids", AttrKind::kInts, "Of each node: its number, which no other node of its tree has.")
      .optional_attr("nodes_featureids", AttrKind::kInts, "Of each node: which number of a row it looks at.")
      .optional_attr("nodes_values", AttrKind::kFloats, "Of each node: what is compared with.")
      .optional_attr("nodes_values_as_tensor", AttrKind::kTensor, "The same, in f64.")
      .optional_attr("nodes_hitrates", AttrKind::kFloats, "How often each node is met; not used.")
      .optional_attr("nodes_hitrates_as_tensor", AttrKind::kTensor, "The same, in f64.")
      .optional_attr(
          "nodes_modes", AttrKind::kStrings,
          "Of each node: the test, \"BRANCH_LEQ\" for `<=`, and \"BRANCH_LT\", \"BRANCH_GTE\", \"BRANCH_GT\", "
          "\"BRANCH_EQ\" and \"BRANCH_NEQ\" alike; \"LEAF\" for a leaf.")
      .optional_attr("nodes_truenodeids", AttrKind::kInts, "Of each node: the number of the node where the test holds.")
      .optional_attr("nodes_falsenodeids", AttrKind::kInts, "Of each node: the number of the node where it does not.")
      .optional_attr("nodes_missing_value_tracks_true", AttrKind::kInts,
                     "Of each node: 1 if NaN goes where the test holds; 0 for all if not given.")
      .attr("post_transform", "NONE", kTransformDoc)
      .optional_attr("base_values", AttrKind::kFloats, "What each target has beside its votes; 0 if not given.")
      .optional_attr("base_values_as_tensor", AttrKind::kTensor, "The same, in f64.")
      .no_gradient("it is constant but for steps");
}

}  // namespace

void define_op_tree_ensemble_old(OpRegistry& ops) {
  constexpr char kWalk[] =
      "A row goes down each tree: at a node to one child if the test of its number `X[n, feature]` with the node's "
      "value "
      "holds, else to the other; the leaf where it ends votes. Votes are summed in double precision. ";
  old_nodes(ops.add(kMlDomain, "TreeEnsembleRegressor"))
      .doc(cat("What decision trees make of rows, as it was written before TreeEnsemble. ", kWalk,
               "Base values are added to what is taken of the votes."))
      .types("T", kRowTypes)
      .attr("aggregate_function", "SUM",
            "What is taken of a target's votes: \"SUM\", \"AVERAGE\" (the sum over the number of trees), \"MIN\" or "
            "\"MAX\".")
      .optional_attr("n_targets", AttrKind::kInt, "How many targets there are; 1 if not given.")
      .optional_attr("target_treeids", AttrKind::kInts, "Of each vote: the tree of the leaf.")
      .optional_attr("target_nodeids", AttrKind::kInts, "Of each vote: the number of the leaf.")
      .optional_attr("target_ids", AttrKind::kInts, "Of each vote: the target.")
      .optional_attr("target_weights", AttrKind::kFloats, "Of each vote: how much.")
      .optional_attr("target_weights_as_tensor", AttrKind::kTensor, "The same, in f64.")
      .input("X", "T", "[N, F], or [F] for one row.")
      .output("Y", "f32", "[N, n_targets]; the base value where no leaf votes for the target.")
      .infer(infer_tree_regressor)
      .body_by_shapes(tree_regressor);
  old_nodes(ops.add(kMlDomain, "TreeEnsembleClassifier"))
      .doc(cat(
          "The classes that decision trees find for rows, as it was written before TreeEnsemble. ", kWalk,
          "Scores are the sums with the base values, transformed, and the label is that of the first class with the "
          "highest. Of two classes of which one alone has votes the label is the second where the sum is above 0.5, or "
          "above 0 if a weight is negative. If they are votes for the first class, they stand for the second all the "
          "same: with such a sum `s` the scores are `[1 - s, s]` without a transform and for PROBIT, `[-s, s]` for the "
          "other "
          "transforms and without one if a weight is negative. Of one class the label is that or else 0 or \"\"."))
      .types("T1", kRowTypes)
      .types("T2", set_of(DType::kString, DType::kI64))
      .optional_attr("classlabels_int64s", AttrKind::kInts, "The labels; the output has these or")
      .optional_attr("classlabels_strings", AttrKind::kStrings, "these.")
      .optional_attr("class_treeids", AttrKind::kInts, "Of each vote: the tree of the leaf.")
      .optional_attr("class_nodeids", AttrKind::kInts, "Of each vote: the number of the leaf.")
      .optional_attr("class_ids", AttrKind::kInts, "Of each vote: the class, a place in the labels.")
      .optional_attr("class_weights", AttrKind::kFloats, "Of each vote: how much.")
      .optional_attr("class_weights_as_tensor", AttrKind::kTensor, "The same, in f64.")
      .input("X", "T1", "[N, F], or [F] for one row.")
      .output("Y", "T2", "[N]: labels.")
      .output("Z", "f32", "[N, classes]: scores.")
      .infer(infer_tree_classifier)
      .body_by_shapes(tree_classifier);
}

}  // namespace weft
