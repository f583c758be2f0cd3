// The order in which nodes are added, which C++ leaves to the compiler where operands are built in one expression: neither
// bits nor checkpoints depend on it.
#include <filesystem>
#include <map>

#include "core/base/file.h"
#include "core/runtime/checkpoint.h"
#include "core/train/optimizer.h"
#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

constexpr int kSteps = 20;

// What a training left behind.
struct Outcome {
  std::vector<std::vector<Tensor>> steps;  // of each: the losses, then the gradients
  std::map<std::string, Tensor> variables;
  std::string checkpoint;
};

// A model whose parts are built left first or right first. It has layers in training, random numbers, a branch with
// captured values, values that several consumers share, and gradients that are clipped together.
class Network {
 public:
  explicit Network(bool right_first) : right_first_(right_first) {}

  Outcome train(const OptimizerOptions& optimizer) {
    auto [x, target] = both(
        [&] {
          return m_.input("x", DType::kF32, {Dim::symbol("n"), 4});
        },
        [&] {
          return m_.input("target", DType::kF32, {Dim::symbol("n"), 5});
        });
    Expr y = network(x);
    Expr wrong = y - target;
    auto [near, weighed] = both([&] { return mean(wrong * wrong); }, [&] { return mean(abs(y * shared_)) * 0.1; });
    Expr loss = near + weighed;
    // In the order of their names, so that both outcomes list them alike.
    std::map<std::string, ValueId> trained;
    for (const VariableInfo& variable : m_.graph->variables()) {
      if (variable.trainable) trained[variable.name] = variable.value;
    }
    std::vector<Expr> fetches{loss, near, weighed}, xs;
    for (const auto& [name, id] : trained) xs.emplace_back(m_.scope, id);
    for (Expr gradient : m_.gradients(loss, xs)) fetches.push_back(gradient);
    Result<ValueId> step = add_train_step(*m_.graph, optimizer, loss.id(), {}, kNoValue, "", differentiate);
    EXPECT_TRUE(step.ok()) << step.status().text();
    fetches.emplace_back(m_.scope, *step);
    return run({x, target}, fetches);
  }

 private:
  template <typename Left, typename Right>
  std::pair<Expr, Expr> both(Left left, Right right) {
    if (right_first_) {
      Expr b = right();
      return {left(), b};
    }
    Expr a = left();
    return {a, right()};
  }

  static Expr mean(Expr x) { return make(x.scope(), "ReduceMean", {x}, {{"keepdims", int64_t{0}}}); }
  static Expr abs(Expr x) { return make(x.scope(), "Abs", {x}); }

  Expr layer(const char* type, const char* name, Attrs attrs, Expr x) {
    Result<std::shared_ptr<Layer>> made = Layer::make(m_.graph, builtin_layers(), type, std::move(attrs), name, "");
    EXPECT_TRUE(made.ok()) << made.status().text();
    Result<std::vector<ValueId>> out = (*made)->call({x.id()}, true, "");
    EXPECT_TRUE(out.ok()) << out.status().text();
    return Expr(m_.scope, (*out)[0]);
  }

  Expr network(Expr x) {
    auto [dropped, normed] = both(
        [&] {
          Expr dense = layer("Dense", "left", {{"inputs", 4}, {"units", 5}, {"activation", "tanh"}, {"seed", 3}}, x);
          return layer("Dropout", "drop", {{"rate", 0.25}, {"seed", 9}}, dense);
        },
        [&] {
          Expr dense = layer("Dense", "right", {{"inputs", 4}, {"units", 5}, {"seed", 3}}, x);
          return layer("BatchNorm", "norm", {{"channels", 5}}, dense);
        });
    shared_ = layer_weight(normed);
    Expr a = dropped, b = normed;
    auto [p, q] = both([&] { return a * shared_; }, [&] { return b * shared_; });
    auto [noise, chosen] = both([&] { return random(p); }, [&] { return branch(x, a, p, q); });
    return chosen + (p + q * noise) * shared_;
  }

  // A weight of another kind of initial value than the layers'.
  Expr layer_weight(Expr like) {
    Attrs attrs{{"seed", 5}, {"stream", "shared"}, {"low", 0.1}, {"high", 1.7}};
    Expr initial = make(m_.scope, "weft.RandomUniform",
                        {constant_ints(m_.scope, {like.dims()[1].value()}), constant_int(m_.scope, 0)}, attrs);
    return Expr(m_.scope, *m_.graph->add_variable("shared", initial.id(), true));
  }

  Expr random(Expr like) {
    Attrs attrs{{"seed", 5}, {"stream", "noise"}};
    return make(m_.scope, "weft.RandomNormal", {shape_of(like), constant_int(m_.scope, 7)}, attrs);
  }

  // Captures what it uses in another order each time; the walk through it decides the order in which gradients are summed.
  Expr branch(Expr x, Expr a, Expr p, Expr q) {
    Expr condition = make(m_.scope, "Greater", {mean(x), scalar_like(x, 0)});
    // One branch captures what it does not need.
    auto side = [&](bool needs_all) {
      std::shared_ptr<Graph> graph = *Graph::make_subgraph(m_.graph);
      ExprScope scope(*graph);
      auto use = [&](Expr outer) { return Expr(scope, *graph->capture(*m_.graph, outer.id())); };
      auto [left, right] =
          both([&] { return make(scope, "Sigmoid", {use(p)}); }, [&] { return make(scope, "Exp", {-abs(use(q))}); });
      Expr out = (needs_all ? left + right : use(a)) * use(shared_);
      EXPECT_TRUE(scope.status().ok()) << scope.status().text();
      EXPECT_TRUE(graph->set_outputs({out.id()}).ok());
      return graph;
    };
    std::shared_ptr<Graph> yes, no;
    both([&] { return yes = side(true), p; }, [&] { return no = side(false), q; });
    return make(m_.scope, "If", {condition}, {{"then_branch", GraphRef(yes)}, {"else_branch", GraphRef(no)}});
  }

  Outcome run(const std::vector<Expr>& feeds, const std::vector<Expr>& fetches) {
    Outcome outcome;
    for (int step = 0; step < kSteps; ++step) {
      Tensor x = *Tensor::make(DType::kF32, {6, 4}), target = *Tensor::make(DType::kF32, {6, 5});
      for (int64_t i = 0; i < x.count(); ++i) x.as<float>()[i] = 0.1f * static_cast<float>((i * 7 + step) % 11 - 5);
      for (int64_t i = 0; i < target.count(); ++i) target.as<float>()[i] = 0.3f * static_cast<float>(i % 4);
      Result<std::vector<Tensor>> out = m_.run(feeds, {x, target}, fetches);
      EXPECT_TRUE(out.ok()) << out.status().text();
      if (out.ok()) outcome.steps.push_back(*out);
    }
    for (const VariableInfo& variable : m_.graph->variables()) {
      outcome.variables[variable.name] = *m_.session->get_variable(variable.name);
    }
    std::string path = (std::filesystem::path(testing::TempDir()) / "weft_node_order.safetensors").string();
    EXPECT_TRUE(save_checkpoint(*m_.session, path).ok());
    outcome.checkpoint = (*read_file(path))->text();
    std::filesystem::remove(path);
    return outcome;
  }

  const bool right_first_;
  TestModel m_;
  Expr shared_;
};

void expect_same(const OptimizerOptions& optimizer) {
  const Outcome left = Network(false).train(optimizer), right = Network(true).train(optimizer);
  ASSERT_EQ(left.steps.size(), size_t{kSteps});
  ASSERT_EQ(right.steps.size(), size_t{kSteps});
  for (size_t step = 0; step < left.steps.size(); ++step) {
    for (size_t i = 0; i < left.steps[step].size(); ++i) {
      EXPECT_TRUE(left.steps[step][i].same_bits(right.steps[step][i])) << "result " << i << " of step " << step;
    }
  }
  EXPECT_FALSE(left.steps[0][0].same_bits(left.steps[kSteps - 1][0])) << "nothing was learned";
  ASSERT_EQ(left.variables.size(), right.variables.size());
  for (const auto& [name, value] : left.variables) {
    ASSERT_EQ(right.variables.count(name), 1u) << name;
    EXPECT_TRUE(value.same_bits(right.variables.at(name))) << name;
  }
  EXPECT_TRUE(left.checkpoint == right.checkpoint);
}

TEST(NodeOrder, ChangesNothingInATraining) { expect_same({"Adam", 0.01, {}, 0}); }

TEST(NodeOrder, ChangesNothingWhereGradientsAreClippedTogether) { expect_same({"Momentum", 0.05, {}, 0.01}); }

}  // namespace
}  // namespace weft
