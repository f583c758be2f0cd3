// Broadcasting and its reverse on shapes of many blocks, against index arithmetic in whole numbers.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

int64_t count_of(const Shape& shape) { return *element_count(shape); }

// Where element `i` of `out` comes from in a tensor of `shape`, which broadcasts to it.
int64_t source(const Shape& out, const Shape& shape, int64_t i) {
  int64_t at = 0, step = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t dim = shape[shape.size() - 1 - d], wide = out[out.size() - 1 - d];
    if (dim != 1) at += i % wide * step;
    step *= dim;
    i /= wide;
  }
  return at;
}

// Small whole numbers, so that every order of additions gives the same.
Tensor values(const Shape& shape, int64_t salt) {
  Tensor out = *Tensor::make(DType::kF32, shape);
  for (int64_t i = 0; i < out.count(); ++i) out.as<float>()[i] = static_cast<float>((i * 7 + salt) % 31);
  return out;
}

Tensor run(const char* op, const Tensor& a, const Tensor& b, int threads) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("a", ValueType::tensor(DType::kF32, to_dims(a.shape()))));
  Expr z(scope, *graph->add_input("b", ValueType::tensor(DType::kF32, to_dims(b.shape()))));
  Expr y = make(scope, op, {x, z});
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  SessionOptions options;
  options.threads = threads;
  auto session = *Session::make(graph, options);
  std::vector<Tensor> outputs;
  Status status = session->run({{x.id(), z.id()}, {y.id()}, {}}, {a, b}, {}, &outputs);
  EXPECT_TRUE(status.ok()) << status.text();
  return outputs[0];
}

struct Pair {
  Shape wide, narrow;
};
const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all = {
      {{7001, 3}, {3}},          {{5000, 64}, {64}},           {{600, 65}, {65}},          {{9000, 5}, {9000, 1}},
      {{40, 30, 50}, {30, 1}},   {{40, 30, 50}, {40, 1, 50}},  {{3, 20000}, {3, 1}},       {{70000}, {}},
      {{2, 3000, 7}, {2, 1, 7}}, {{2, 3, 1500, 9}, {3, 1, 9}}, {{33, 1, 1000}, {1, 1000}}, {{100000, 1}, {1}},
  };
  return all;
}

TEST(Broadcast, ManyBlocks) {
  for (const Pair& pair : pairs()) {
    const Tensor a = values(pair.wide, 1), b = values(pair.narrow, 5);
    for (int threads : {1, 2}) {
      const Tensor left = run("Sub", a, b, threads), right = run("Sub", b, a, threads),
                   most = run("Max", b, a, threads);
      int64_t wrong = 0;
      for (int64_t i = 0; i < a.count(); ++i) {
        const float x = a.as<float>()[i], z = b.as<float>()[source(pair.wide, pair.narrow, i)];
        wrong += left.as<float>()[i] != x - z || right.as<float>()[i] != z - x || most.as<float>()[i] != std::max(x, z);
      }
      EXPECT_EQ(wrong, 0) << shape_text(pair.wide) << " and " << shape_text(pair.narrow);
    }
  }
}

TEST(SumTo, ManyBlocks) {
  for (const Pair& pair : pairs()) {
    const Tensor a = values(pair.wide, 1), like = values(pair.narrow, 0);
    std::vector<int64_t> wanted(static_cast<size_t>(count_of(pair.narrow)));
    for (int64_t i = 0; i < a.count(); ++i) {
      wanted[source(pair.wide, pair.narrow, i)] += static_cast<int64_t>(a.as<float>()[i]);
    }
    for (int threads : {1, 2}) {
      const Tensor sum = run("weft.SumTo", a, like, threads);
      int64_t wrong = 0;
      for (size_t i = 0; i < wanted.size(); ++i) wrong += sum.as<float>()[i] != static_cast<float>(wanted[i]);
      EXPECT_EQ(wrong, 0) << shape_text(pair.wide) << " to " << shape_text(pair.narrow);
    }
  }
}

}  // namespace
}  // namespace weft
