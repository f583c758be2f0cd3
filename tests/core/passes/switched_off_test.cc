// Every pass does something that it does not do when its name is switched off: a row for each name that there is.
#include <set>
#include <sstream>

#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

struct SwitchTest : FuseTest {
  Expr x = in({2, 3});
  using Ints = std::vector<int64_t>;

  Expr op(const char* name, const std::vector<Expr>& inputs, Attrs attrs = {}) {
    return make(scope, name, inputs, std::move(attrs));
  }
  Expr ints(const Ints& values) { return constant_ints(scope, values); }
  Expr product() { return matmul(in({5, 7}), in({7, 9})); }
  Expr mean(Expr of) { return op("ReduceMean", {of, ints({-1})}); }
  Expr root(Expr of) { return op("Sqrt", {mean(op("Pow", {of, scalar_like(of, 2)})) + 1e-5}); }
  // Bytes that stand for halves, from 128 on, and back in quarters.
  Expr code(const char* name, Expr of, float scale, uint8_t zero) {
    return op(name, {of, constant(scope, Tensor::scalar(scale)), constant(scope, Tensor::scalar(zero))});
  }
  Expr bytes(const Shape& shape, const std::vector<uint8_t>& values) {
    return code("DequantizeLinear", input<uint8_t>(shape, values), 0.5f, 128);
  }
  Expr quantized(Expr of) { return code("QuantizeLinear", of, 0.25f, 100); }
};

struct SwitchRow {
  const char* name;
  Expr (*build)(SwitchTest& t);
  const char *with, *without;  // what is left
};

const SwitchRow kSameBits[] = {
    {"add_zero", [](SwitchTest& t) { return t.x + -0.0; }, "", "Add"},
    {"subtract_zero", [](SwitchTest& t) { return t.x - 0.0; }, "", "Sub"},
    {"multiply_by_one", [](SwitchTest& t) { return t.x * 1.0; }, "", "Mul"},
    {"divide_by_one", [](SwitchTest& t) { return t.x / 1.0; }, "", "Div"},
    {"power_of_one",
     [](SwitchTest& t) {
       return t.op("Pow", {t.x, scalar_like(t.x, 1)});
     },
     "", "Pow"},
    {"count_ones",
     [](SwitchTest& t) {
       const Expr many = t.in({600, 700});  // more than folding would make
       return many / reduce_sum(fill_like(many, 1), {0}, true);
     },
     "Div", "Expand ReduceSum Div"},
    {"undo_twice", [](SwitchTest& t) { return -(-t.x); }, "", "Neg Neg"},
    {"repeat_once", [](SwitchTest& t) { return t.op("Relu", {t.op("Relu", {t.x})}); }, "Relu", "Relu Relu"},
    {"skip_identity", [](SwitchTest& t) { return -t.op("Identity", {t.x}); }, "Neg", "Identity Neg"},
    {"skip_known_rank",
     [](SwitchTest& t) {
       return -t.op("weft.EnsureRank", {t.x}, {{"rank", 2}});
     },
     "Neg", "weft.EnsureRank Neg"},
    {"skip_same_cast",
     [](SwitchTest& t) {
       return t.op("Cast", {t.x}, {{"to", 1}});
     },
     "", "Cast"},
    {"compose_reshapes", [](SwitchTest& t) { return squeeze(unsqueeze(t.x, {0}), {0}); }, "", "Unsqueeze Squeeze"},
    {"compose_transposes",
     [](SwitchTest& t) {
       return transpose(transpose(t.x, {1, 0}), {1, 0});
     },
     "", "Transpose Transpose"},
    {"fold_constants", [](SwitchTest& t) { return t.x * t.op("Sqrt", {scalar_like(t.x, 1) + scalar_like(t.x, 2)}); },
     "Mul", "Add Sqrt Mul"},
    {"share_equal_nodes", [](SwitchTest& t) { return t.op("Exp", {t.x}) * t.op("Exp", {t.x}); }, "Exp Mul",
     "Exp Exp Mul"},
    {"split_sequence",
     [](SwitchTest& t) {
       const Expr parts = t.op("SplitToSequence", {t.x, constant_int(t.scope, 2)}, {{"axis", 1}});
       return t.op("SequenceAt", {parts, constant_int(t.scope, 0)});
     },
     "Split", "SplitToSequence SequenceAt"},
    {"fuse_swish", [](SwitchTest& t) { return t.x * t.op("Sigmoid", {t.x}); }, "Swish", "Sigmoid Mul"},
    {"fuse_rotary",
     [](SwitchTest& t) {
       const Expr x = t.in({5, 8});
       const std::vector<Expr> halves = make_all(t.scope, "Split", {x}, {{"axis", 1}, {"num_outputs", 2}}, 2);
       return x * t.in({5, 8}) + concat({-halves[1], halves[0]}, 1) * t.in({5, 8});
     },
     "weft.RotateHalves", "Mul Split Neg Concat Mul Add"},
    {"fuse_quantized",
     [](SwitchTest& t) {
       const Expr w = t.code("DequantizeLinear",
                             constant(t.scope, *Tensor::vector<uint8_t>({1, 2, 3, 4, 5, 6}).reshaped({3, 2})), 0.5f, 3);
       return t.quantized(matmul(t.bytes({2, 3}, {130, 120, 128, 140, 7, 255}), w));
     },
     "QLinearMatMul", "Cast Sub Mul MatMul Div Round Add Clip Cast"},
    {"fuse_quantized_sums",
     [](SwitchTest& t) {
       return t.quantized(t.bytes({3}, {130, 120, 128}) + t.bytes({3}, {140, 7, 255}));
     },
     "weft.QLinearAdd", "Cast Sub Mul Cast Sub Mul Add Div Round Add Clip Cast"},
    {"fuse_quantized_means",
     [](SwitchTest& t) {
       std::vector<uint8_t> values;
       for (int i = 0; i < 32; ++i) values.push_back(static_cast<uint8_t>(7 * i));
       return t.quantized(t.op("GlobalAveragePool", {t.bytes({1, 2, 4, 4}, values)}));
     },
     "weft.QLinearReduceMean", "Cast Sub Mul ReduceMean Div Round Add Clip Cast"},
    {"fuse_quantized_functions",
     [](SwitchTest& t) {
       return t.quantized(t.op("Sigmoid", {t.bytes({4}, {130, 120, 128, 0})}));
     },
     "weft.LookUpBytes", "Cast Sub Mul Sigmoid Div Round Add Clip Cast"},
};

const SwitchRow kClose[] = {
    {"fold_batch_norm",
     [](SwitchTest& t) {
       const Expr y = t.op("Conv", {t.in({2, 3, 5, 5}), t.fixed({4, 3, 3, 3})});
       return t.op("BatchNormalization", {y, t.fixed({4}), t.fixed({4}), t.fixed({4}), t.fixed({4}, 1.5f)});
     },
     "Conv", "Conv BatchNormalization"},
    {"fold_factor",
     [](SwitchTest& t) {
       return matmul(t.in({5, 7}), t.fixed({7, 9})) * t.fixed({9});
     },
     "MatMul", "MatMul Mul"},
    {"fold_sum",
     [](SwitchTest& t) {
       return t.op("Conv", {t.in({2, 3, 5, 5}), t.fixed({4, 3, 3, 3}), t.fixed({4})}) + t.fixed({4, 1, 1});
     },
     "Conv", "Conv Add"},
    {"fuse_bias", [](SwitchTest& t) { return t.product() + t.in({9}); }, "weft.FusedMatMul", "MatMul Add"},
    {"fuse_relu", [](SwitchTest& t) { return t.op("Relu", {t.product()}); }, "weft.FusedMatMul", "MatMul Relu"},
    {"fuse_clip",
     [](SwitchTest& t) {
       return t.op("Clip", {t.product(), scalar_like(t.x, -0.25), scalar_like(t.x, 0.5)});
     },
     "weft.FusedMatMul", "MatMul Clip"},
    {"fuse_transpose",
     [](SwitchTest& t) {
       return matmul(transpose(t.in({2, 7, 3, 4}), {0, 2, 1, 3}), t.in({4, 6}));
     },
     "weft.FusedMatMul", "Transpose MatMul"},
    {"fuse_squares", [](SwitchTest& t) { return reduce_sum(t.x * t.x, {1}, false); }, "ReduceSumSquare",
     "Mul ReduceSum"},
    {"fuse_attention",
     [](SwitchTest& t) {
       const Expr scores = matmul(t.in({2, 3, 5, 4}), t.in({2, 3, 4, 7}));
       return matmul(t.op("Softmax", {scores}), t.in({2, 3, 7, 6}));
     },
     "weft.FusedAttention", "MatMul Softmax MatMul"},
    {"fuse_gelu", [](SwitchTest& t) { return t.x * (t.op("Erf", {t.x * 0.7071067811865476}) + 1.0) * 0.5; }, "Gelu",
     "Mul Erf Add Mul Mul"},
    {"fuse_hard_swish",
     [](SwitchTest& t) {
       return t.x * t.op("HardSigmoid", {t.x}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
     },
     "HardSwish", "HardSigmoid Mul"},
    {"fuse_layer_norm",
     [](SwitchTest& t) {
       const Expr d = t.x - t.mean(t.x);
       return d / t.root(d) * t.fixed({3}, 1.5f) + t.fixed({3});
     },
     "LayerNormalization", "ReduceMean Sub RMSNormalization Add"},
    {"fuse_rms_norm", [](SwitchTest& t) { return t.x / t.root(t.x) * t.fixed({3}, 1.5f); }, "RMSNormalization",
     "Pow ReduceMean Add Sqrt Div Mul"},
    {"fuse_group_norm",
     [](SwitchTest& t) {
       const Expr x = t.in({2, 6, 3, 5}), ones = constant(t.scope, Tensor::vector<float>({1, 1, 1}));
       const Expr zeros = constant(t.scope, Tensor::vector<float>({0, 0, 0}));
       const Expr groups = t.op("InstanceNormalization", {t.op("Reshape", {x, t.ints({0, 3, -1})}), ones, zeros});
       return reshape(groups, shape_of(x)) * t.fixed({6, 1, 1}, 1.5f) + t.fixed({6, 1, 1});
     },
     "GroupNormalization", "Reshape InstanceNormalization Reshape Mul Add"},
    {"channels_last",
     [](SwitchTest& t) {
       return t.op("Conv", {t.in({1, 8, 14, 14}), t.fixed({16, 8, 3, 3})});
     },
     "Transpose weft.ChannelsLastConv Transpose", "Conv"},
    {"winograd",
     [](SwitchTest& t) {
       return t.op("Conv", {t.in({1, 32, 16, 16}), t.fixed({32, 32, 3, 3})});
     },
     "Transpose weft.WinogradConv Transpose", "Transpose weft.ChannelsLastConv Transpose"},
    {"fuse_depthwise",
     [](SwitchTest& t) {
       const Attrs each{{"group", 48}, {"pads", SwitchTest::Ints{1, 1, 1, 1}}};
       const Expr y = t.op("Conv", {t.in({1, 48, 60, 60}), t.fixed({48, 1, 3, 3}), t.fixed({48})}, each);
       return t.op("Conv", {y, t.fixed({12, 48, 1, 1}), t.fixed({12})});
     },
     "Transpose weft.DepthwiseBlock Transpose", "Transpose weft.ChannelsLastConv weft.ChannelsLastConv Transpose"},
};

void expect_switch(const SwitchRow& row, bool same_bits) {
  SCOPED_TRACE(row.name);
  SwitchTest t;
  const Expr y = row.build(t);
  EXPECT_EQ(t.left(y), row.with);
  EXPECT_EQ(t.left(y, {row.name}), row.without);
  for (const std::vector<std::string>& disabled : {std::vector<std::string>{}, {row.name}}) {
    if (same_bits)
      t.expect_same_bits(y, disabled);
    else
      t.expect_close(y, disabled);
  }
}

TEST(SwitchedOff, RulesThatKeepEveryBit) {
  for (const SwitchRow& row : kSameBits) expect_switch(row, true);
}

TEST(SwitchedOff, RulesThatComputeInAnotherOrder) {
  for (const SwitchRow& row : kClose) expect_switch(row, false);
}

// All names that there are, as the error says them.
TEST(SwitchedOff, EveryNameHasARow) {
  std::set<std::string> missing;
  const std::string text = check_pass_names(builtin_rules(), {"none of them"}).text();
  const std::string_view before = "the passes are *, ";
  ASSERT_NE(text.find(before), std::string::npos) << text;
  std::istringstream names(text.substr(text.find(before) + before.size()));
  for (std::string name; std::getline(names >> std::ws, name, ',');) missing.insert(name);
  for (const SwitchRow& row : kSameBits) EXPECT_EQ(missing.erase(row.name), 1U) << row.name;
  for (const SwitchRow& row : kClose) EXPECT_EQ(missing.erase(row.name), 1U) << row.name;
  // What planning does, which is tested beside it: tests/core/plan/fuse_test.cc and branches_test.cc.
  EXPECT_EQ(missing, (std::set<std::string>{"branches", "fuse_elementwise"}));
}

}  // namespace
}  // namespace weft
