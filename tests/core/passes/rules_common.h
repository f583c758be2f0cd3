// What tests of rewrite rules share: a graph with inputs, and runs of it with and without rewriting.
#pragma once

#include <gtest/gtest.h>

#include <cstring>

#include "core/graph/walk.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {

struct RuleTest {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::vector<ValueId> feeds;
  std::vector<Tensor> values;

  Expr input(Dims dims, Tensor value) {
    feeds.push_back(*graph->add_input(cat("x", feeds.size()), ValueType::tensor(value.dtype(), std::move(dims))));
    values.push_back(std::move(value));
    return Expr(scope, feeds.back());
  }
  template <typename T>
  Expr input(const Shape& shape, const std::vector<T>& numbers) {
    return input(to_dims(shape), *Tensor::vector<T>(numbers).reshaped(shape));
  }

  // Numbers from -1 to 1.
  uint32_t seed = 7;
  Expr noise(const Shape& shape) {
    std::vector<float> values;
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    for (int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      values.push_back(static_cast<float>(seed >> 8) / 8388608.0f - 1.0f);
    }
    return input<float>(shape, values);
  }

  // Names of the operators that are left of what `y` needs, in order.
  std::string left(Expr y, const std::vector<std::string>& disabled = {}) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    if (!scope.status().ok()) return "error";
    Result<Cut> cut = cut_program(*graph, feeds, {y.id()}, {});
    EXPECT_TRUE(cut.ok()) << cut.status().text();
    Result<Program> program = optimize(cut->program, cpu_kernels(), rewrite_options(builtin_rules(), disabled));
    EXPECT_TRUE(program.ok()) << program.status().text();
    std::string names;
    for (NodeId id : ordered_nodes(*program->graph, program->outputs, {}, false)) {
      const Node& node = program->graph->node(id);
      if (!node.is(kWeftDomain, "Input") && !node.is("Constant"))
        names += cat(names.empty() ? "" : " ", node.op->full_name());
    }
    return names;
  }

  Tensor run(Expr y, const std::vector<std::string>& disabled) {
    SessionOptions options;
    options.disabled_passes = disabled;
    auto session = *Session::make(graph, options);
    std::vector<Tensor> out;
    Status status = session->run({feeds, {y.id()}, {}}, values, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    return status.ok() ? out[0] : Tensor();
  }

  // The same bits with and without rewriting; `disabled` is switched off in the first.
  void expect_same_bits(Expr y, const std::vector<std::string>& disabled = {}) {
    Tensor with = run(y, disabled), without = run(y, {"*"});
    ASSERT_EQ(with.dtype(), without.dtype());
    ASSERT_EQ(with.shape(), without.shape());
    EXPECT_EQ(std::memcmp(with.data(), without.data(), static_cast<size_t>(with.bytes())), 0);
  }
  // f32 within 1e-5 of the largest element.
  void expect_close(Expr y, const std::vector<std::string>& disabled = {}) {
    Tensor with = run(y, disabled), without = run(y, {"*"});
    ASSERT_EQ(with.shape(), without.shape());
    float top = 0;
    for (int64_t i = 0; i < without.count(); ++i) top = std::max(top, std::abs(without.as<float>()[i]));
    for (int64_t i = 0; i < without.count(); ++i) EXPECT_NEAR(with.as<float>()[i], without.as<float>()[i], 1e-5f * top);
  }
};

// Rules that compute in another order: on numbers between -1 and 1 that follow no pattern a wrong index could keep.
struct FuseTest : RuleTest {
  uint32_t seed = 1;

  std::vector<float> numbers(const Shape& shape) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    std::vector<float> out;
    uint32_t state = ++seed;
    for (int64_t i = 0; i < count; ++i) {
      state = state * 1664525u + 1013904223u;
      out.push_back(static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
    }
    return out;
  }
  Expr in(const Shape& shape) { return input<float>(shape, numbers(shape)); }
  Expr fixed(const Shape& shape, float shift = 0) {
    std::vector<float> values = numbers(shape);
    for (float& value : values) value += shift;
    return constant(scope, *Tensor::vector<float>(values).reshaped(shape));
  }
  void expect(const std::string& wanted, Expr y) {
    EXPECT_EQ(left(y), wanted);
    expect_close(y);
  }
};

}  // namespace weft
