// TopK of lines longer than what is sorted in one go, beside a stable sort of the whole line.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Lines {
  int64_t outer, size, inner, k;
};

Tensor values_of(const Lines& l) {
  Tensor out = *Tensor::make(DType::kI32, {l.outer, l.size, l.inner});
  // Many equal ones, in an order that no run of indices repeats.
  for (int64_t i = 0; i < out.count(); ++i) out.as<int32_t>()[i] = static_cast<int32_t>(i * 7919 % 50021 % 9973);
  return out;
}

std::vector<Tensor> run(const Lines& l, const Tensor& x, bool largest, int threads) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId fed = *graph->add_input("x", ValueType::tensor(DType::kI32, to_dims(x.shape())));
  std::vector<Expr> made = make_all(scope, "TopK", {Expr(scope, fed), constant_ints(scope, {l.k})},
                                    {{"axis", int64_t{1}}, {"largest", int64_t{largest}}}, 2);
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  SessionOptions options;
  options.threads = threads;
  std::shared_ptr<Session> session = *Session::make(graph, options);
  std::vector<Tensor> out;
  Status status = session->run({{fed}, {made[0].id(), made[1].id()}, {}}, {x}, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  return out;
}

TEST(TopK, SortsLongLines) {
  for (const Lines& l : {Lines{1, 70'001, 1, 70'001}, Lines{2, 40'001, 3, 5}, Lines{1, 32'769, 2, 32'768},
                         Lines{3, 32'768, 1, 7}, Lines{300, 1'000, 2, 10}}) {
    const Tensor x = values_of(l);
    for (bool largest : {false, true}) {
      const std::vector<Tensor> one = run(l, x, largest, 1), two = run(l, x, largest, 2);
      for (int64_t line = 0; line < l.outer * l.inner; ++line) {
        auto at = [&](int64_t i, int64_t size) {
          return line / l.inner * size * l.inner + i * l.inner + line % l.inner;
        };
        std::vector<int64_t> order(static_cast<size_t>(l.size));
        std::iota(order.begin(), order.end(), int64_t{0});
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
          const int32_t x_a = x.as<int32_t>()[at(a, l.size)], x_b = x.as<int32_t>()[at(b, l.size)];
          return largest ? x_a > x_b : x_a < x_b;
        });
        for (int64_t i = 0; i < l.k; ++i) {
          const int64_t want = order[static_cast<size_t>(i)];
          for (const std::vector<Tensor>* got : {&one, &two}) {
            ASSERT_EQ((*got)[1].as<int64_t>()[at(i, l.k)], want) << "place " << i << " of line " << line;
            ASSERT_EQ((*got)[0].as<int32_t>()[at(i, l.k)], x.as<int32_t>()[at(want, l.size)]);
          }
        }
      }
    }
  }
}

TEST(TopK, LooksWhetherToStopBetweenItsRuns) {
  const Lines l{1, 2'000'000, 1, 2'000'000};
  const Tensor x = values_of(l);
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId fed = *graph->add_input("x", ValueType::tensor(DType::kI32, to_dims(x.shape())));
  std::vector<Expr> made =
      make_all(scope, "TopK", {Expr(scope, fed), constant_ints(scope, {l.k})}, {{"axis", int64_t{1}}}, 2);
  SessionOptions options;
  options.threads = 1;
  std::shared_ptr<Session> session = *Session::make(graph, options);
  // A run looks every 20 ms, and the slower the machine the more often.
  int looks = 0;
  RunOptions counted;
  counted.poll = [](void* user) { return ++*static_cast<int*>(user), Status(); };
  counted.poll_user = &looks;
  std::vector<Tensor> out;
  EXPECT_TRUE(session->run({{fed}, {made[1].id()}, {}}, {x}, counted, &out).ok());
  EXPECT_GE(looks, 4);
}

}  // namespace
}  // namespace weft
