// Recurrent layers over sequences whose length only the run tells: their gradients, and those of these.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "core/kernel/registry.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/core/expect_error.h"

namespace weft {
namespace {

Tensor numbers(const Shape& shape) {
  Tensor out = *Tensor::make(DType::kF64, shape);
  for (int64_t i = 0; i < out.count(); ++i) out.as<double>()[i] = 0.1 * static_cast<double>(i * 7 % 13 - 6);
  return out;
}

// The sum of a GRU's results by each element of X, over one sequence.
struct Layer {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  ValueId x = kNoValue, gradient = kNoValue;

  explicit Layer(const Dim& steps) {
    x = *graph->add_input("x", ValueType::tensor(DType::kF64, {steps, Dim(1), Dim(2)}));
    Expr y =
        make(scope, "GRU", {Expr(scope, x), constant(scope, numbers({1, 9, 2})), constant(scope, numbers({1, 9, 3}))});
    Result<std::vector<ValueId>> made = differentiate(*graph, {reduce_sum(y, {0, 1, 2, 3}, false).id()}, {x}, {});
    EXPECT_TRUE(made.ok()) << made.status().text();
    if (made.ok()) gradient = (*made)[0];
  }
  std::vector<double> run(const Tensor& at) {
    std::vector<Tensor> out;
    Status status = (*Session::make(graph, {}))->run({{x}, {gradient}, {}}, {at}, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    if (!status.ok()) return {};
    return std::vector<double>(out[0].as<double>(), out[0].as<double>() + out[0].count());
  }
};

TEST(RecurrentLayers, HaveAGradientOverAnyLength) {
  Layer any(Dim::symbol("steps"));
  for (int64_t steps : {0, 1, 5}) {
    Layer fixed{Dim(steps)};
    const Tensor x = numbers({steps, 1, 2});
    EXPECT_EQ(any.run(x), fixed.run(x)) << steps << " steps";
  }
}

// A layer of three features over two sequences of two, all of whose inputs are fed. What is differentiated is the sum of
// the squares of its outputs; the sum of the squares of its gradients is differentiated again.
struct Twice {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::vector<ValueId> feeds, second;
  std::vector<Tensor> given;
  ValueId squares = kNoValue;
  std::shared_ptr<Session> session;

  // `steps` is what the graph knows of the number of steps; if nothing, it knows nothing of X.
  Twice(const std::string& op, const Attrs& attrs, const std::optional<Dim>& steps, int64_t length, bool lengths) {
    const int64_t gates = op == "RNN" ? 1 : op == "GRU" ? 3 : 4;
    const AttrValue *direction = attrs.find("direction"), *layout = attrs.find("layout");
    const int64_t ways = direction != nullptr && direction->s() == "bidirectional" ? 2 : 1;
    const bool batch_first = layout != nullptr && layout->i() == 1;
    const auto input = [&](const char* name, const Shape& shape, int axis_of_steps = -1) {
      Dims dims = to_dims(shape);
      if (axis_of_steps >= 0) dims[static_cast<size_t>(axis_of_steps)] = steps.value_or(Dim(length));
      const bool known = axis_of_steps < 0 || steps;
      const ValueType type = known ? ValueType::tensor(DType::kF64, std::move(dims)) : ValueType::unranked(DType::kF64);
      feeds.push_back(*graph->add_input(name, type));
      given.push_back(numbers(shape));
      return Expr(scope, feeds.back());
    };
    const Shape state = batch_first ? Shape{2, ways, 3} : Shape{ways, 2, 3};
    std::vector<Expr> in;
    in.push_back(batch_first ? input("x", {2, length, 2}, 1) : input("x", {length, 2, 2}, 0));
    in.push_back(input("w", {ways, gates * 3, 2}));
    in.push_back(input("r", {ways, gates * 3, 3}));
    in.push_back(input("b", {ways, gates * 6}));
    in.push_back(lengths ? constant(scope, Tensor::vector<int32_t>({static_cast<int32_t>(length), 1})) : Expr());
    in.push_back(input("h", state));
    if (op == "LSTM") {
      in.push_back(input("c", state));
      in.push_back(input("p", {ways, 9}));
    }
    const std::vector<Expr> out = make_all(scope, op, in, attrs, op == "LSTM" ? 3 : 2);
    second = gradients(sum_of_squares(out));
  }

  std::vector<ValueId> gradients(Expr of) {
    const Result<std::vector<ValueId>> first = differentiate(*graph, {of.id()}, feeds, {});
    EXPECT_TRUE(first.ok()) << first.status().text();
    if (!first.ok()) return {};
    std::vector<Expr> all;
    for (ValueId id : *first) all.emplace_back(scope, id);
    squares = sum_of_squares(all).id();
    const Result<std::vector<ValueId>> made = differentiate(*graph, {squares}, feeds, {});
    EXPECT_TRUE(made.ok()) << made.status().text();
    return made.ok() ? *made : std::vector<ValueId>();
  }

  Expr sum_of_squares(const std::vector<Expr>& values) {
    Expr sum = scalar(scope, DType::kF64, 0);
    for (Expr value : values) {
      sum = sum + make(scope, "ReduceSum", {value * value}, {{"keepdims", int64_t{0}}});
    }
    return sum;
  }

  std::vector<Tensor> run(const std::vector<ValueId>& fetches, const std::vector<Tensor>& fed) {
    std::vector<Tensor> out;
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    if (session == nullptr) session = *Session::make(graph, {});
    const Status status = session->run({feeds, fetches, {}}, fed, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    return out;
  }
};

struct LayerForm {
  const char* op;
  Attrs attrs;
  bool lengths;
};

std::vector<LayerForm> layer_forms() {
  return {{"RNN", {}, false},
          {"RNN", {{"direction", "bidirectional"}, {"activations", std::vector<std::string>{"Tanh", "Sigmoid"}}}, true},
          {"GRU", {{"direction", "reverse"}, {"linear_before_reset", 1}}, true},
          {"GRU", {{"layout", 1}, {"clip", 0.5}}, false},
          {"LSTM", {}, true},
          {"LSTM", {{"direction", "bidirectional"}, {"layout", 1}, {"input_forget", 1}}, false}};
}

TEST(RecurrentLayers, HaveAGradientOfTheGradientOverAnyLength) {
  for (const LayerForm& form : layer_forms()) {
    for (int64_t length : {1, 4}) {
      Twice any(form.op, form.attrs, Dim::symbol("steps"), length, form.lengths);
      Twice fixed(form.op, form.attrs, Dim(length), length, form.lengths);
      const std::vector<Tensor> found = any.run(any.second, any.given), wanted = fixed.run(fixed.second, fixed.given);
      ASSERT_EQ(found.size(), any.feeds.size());
      ASSERT_EQ(wanted.size(), found.size());
      for (size_t i = 0; i < found.size(); ++i) {
        ASSERT_EQ(found[i].summary(), wanted[i].summary()) << form.op << ", input " << i;
        for (int64_t k = 0; k < found[i].count(); ++k) {
          const double want = wanted[i].as<double>()[k];
          EXPECT_NEAR(found[i].as<double>()[k], want, 1e-12 * (1 + std::abs(want)))
              << form.op << ", " << length << " steps, input " << i << ", element " << k;
        }
      }
    }
  }
}

void expect_what_differences_tell(const std::optional<Dim>& steps) {
  for (const LayerForm& form : layer_forms()) {
    if (form.attrs.has("clip")) continue;  // it has corners
    Twice any(form.op, form.attrs, steps, 3, form.lengths);
    const std::vector<Tensor> found = any.run(any.second, any.given);
    ASSERT_EQ(found.size(), any.feeds.size());
    for (size_t i = 0; i < found.size(); ++i) {
      for (int64_t k = 0; k < found[i].count(); k += 5) {
        double sides[2];
        for (int side : {0, 1}) {
          std::vector<Tensor> moved = any.given;
          moved[i] = *any.given[i].copy();
          moved[i].as<double>()[k] += side == 0 ? -1e-5 : 1e-5;
          const std::vector<Tensor> out = any.run({any.squares}, moved);
          ASSERT_EQ(out.size(), 1u);
          sides[side] = *out[0].as<double>();
        }
        const double want = (sides[1] - sides[0]) / 2e-5;
        EXPECT_NEAR(found[i].as<double>()[k], want, 1e-6 * (1 + std::abs(want)))
            << form.op << ", input " << i << ", element " << k;
      }
    }
  }
}

TEST(RecurrentLayers, HaveTheGradientOfTheGradientThatDifferencesTell) {
  expect_what_differences_tell(Dim::symbol("steps"));
}

TEST(RecurrentLayers, HaveTheGradientOfTheGradientWithoutTheRankOfX) { expect_what_differences_tell(std::nullopt); }

// What is left is the state at first: h^2, then (2 h)^2, and so 8 h.
TEST(RecurrentLayers, HaveAGradientOfTheGradientOverNoSteps) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    Twice any(op, {}, Dim::symbol("steps"), 0, false);
    const std::vector<Tensor> found = any.run(any.second, any.given);
    ASSERT_EQ(found.size(), any.feeds.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const bool state = i == 4 || (i == 5 && std::string(op) == "LSTM");
      for (int64_t k = 0; k < found[i].count(); ++k) {
        const double want = state ? 8 * any.given[i].as<double>()[k] : 0;
        EXPECT_NEAR(found[i].as<double>()[k], want, 1e-12) << op << ", input " << i << ", element " << k;
      }
    }
  }
}

// What stands for the check of the kernels where a layer is made of other operators.
TEST(RecurrentLayers, CheckLengthsAgainstWhatTheRunTells) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  const ValueId lengths = *graph->add_input("lengths", ValueType::tensor(DType::kI32, {Dim(2)}));
  const ValueId limit = *graph->add_input("limit", ValueType::tensor(DType::kI64, {}));
  const Expr same = make(scope, "weft.CheckedLengths", {Expr(scope, lengths), Expr(scope, limit)},
                         {{"input", "sequence_lens"}, {"unit", "steps"}});
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  std::shared_ptr<Session> session = *Session::make(graph, {});
  const auto run = [&](int32_t length, int64_t most) {
    std::vector<Tensor> out;
    return session->run({{lengths, limit}, {same.id()}, {}},
                        {Tensor::vector<int32_t>({0, length}), Tensor::scalar<int64_t>(most)}, {}, &out);
  };
  EXPECT_TRUE(run(3, 3).ok());
  const Status status = run(4, 3);
  EXPECT_EQ(status.code(), Code::kOutOfRange);
  EXPECT_NE(status.message().find("input 'sequence_lens' has 4 at 1 but there are 3 steps"), std::string::npos)
      << status.text();
  make(scope, "weft.CheckedLengths", {Expr(scope, lengths)}, {{"input", "sequence_lens"}, {"unit", "steps"}});
  EXPECT_EQ(scope.status().code(), Code::kInvalidArgument) << scope.status().text();
}

// The kernel reads one number, whatever the shape rule has let through.
TEST(RecurrentLayers, CheckLengthsAgainstOneNumber) {
  const Attrs attrs{{"input", "sequence_lens"}, {"unit", "steps"}};
  const auto prepare = [&](const Shape& of_limit) {
    KernelContext::Slot lengths, limit;
    lengths.given = limit.given = true;
    lengths.dtype = DType::kI32;
    lengths.shape = {2};
    limit.dtype = DType::kI64;
    limit.shape = of_limit;
    PreparedKernel kernel;
    const KernelContext context(attrs, {lengths, limit}, {lengths});
    return cpu_kernels().prepare("weft.CheckedLengths", context, false, &kernel);
  };
  const Status status = prepare({});
  EXPECT_TRUE(status.ok()) << status.text();
  expect_error(prepare({0}), Code::kInvalidArgument, "the limit must be one number but is [0]");
  expect_error(prepare({2}), Code::kInvalidArgument, "the limit must be one number but is [2]");
}

}  // namespace
}  // namespace weft
