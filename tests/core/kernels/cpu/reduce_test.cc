// Reductions over any axes of tensors of all sizes, against index arithmetic, and the same bits from every number of
// threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Over {
  Shape shape;
  std::vector<int64_t> axes;
};

const Over kOvers[] = {
    {{3, 70}, {1}},
    {{70, 3}, {0}},
    {{5, 66, 7}, {1}},
    {{300, 1100}, {0}},
    {{2, 1, 40, 3}, {1, 2}},
    {{6, 5, 9, 8}, {0, 2, 3}},
    {{6, 5, 9, 8}, {1, 3}},
    {{200'000}, {0}},
    {{3, 150'000}, {1}},
    {{100'000, 3}, {0}},
    {{20'000, 10}, {0, 1}},
    {{70, 4, 500, 2}, {0, 2}},
    {{2, 3, 4, 5, 6}, {0, 2, 4}},
};

Tensor run(const char* op, const Tensor& x, const std::vector<int64_t>& axes, int threads) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId fed = *graph->add_input("x", ValueType::tensor(x.dtype(), to_dims(x.shape())));
  Shape kept = x.shape();
  for (int64_t axis : axes) kept[static_cast<size_t>(axis)] = 1;
  const bool sum_to = std::strcmp(op, "weft.SumTo") == 0;
  Expr y = sum_to ? make(scope, op, {Expr(scope, fed), constant(scope, *Tensor::make(x.dtype(), kept))})
                  : make(scope, op, {Expr(scope, fed), constant_ints(scope, axes)});
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  SessionOptions options;
  options.threads = threads;
  std::shared_ptr<Session> session = *Session::make(graph, options);
  std::vector<Tensor> out;
  Status status = session->run({{fed}, {y.id()}, {}}, {x}, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(out[0].shape(), kept);
  return out[0];
}

// What `op` makes of small whole numbers, exactly.
template <typename T>
std::vector<double> expected(const std::string& op, const Tensor& x, const Over& over) {
  Shape kept = x.shape();
  for (int64_t axis : over.axes) kept[static_cast<size_t>(axis)] = 1;
  int64_t results = 1;
  for (int64_t dim : kept) results *= dim;
  const double inf = std::numeric_limits<double>::infinity(), n = static_cast<double>(x.count() / results);
  std::vector<double> y(static_cast<size_t>(results), op == "ReduceMax" ? -inf : op == "ReduceMin" ? inf : 0);
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t rest = i, place = 0, step = 1;
    for (size_t d = kept.size(); d-- > 0;) {
      place += (kept[d] == 1 ? 0 : rest % kept[d]) * step;
      rest /= x.shape()[d];
      step *= kept[d];
    }
    const double v = static_cast<double>(x.as<T>()[i]);
    double& to = y[static_cast<size_t>(place)];
    if (op == "ReduceMax")
      to = std::max(to, v);
    else if (op == "ReduceMin")
      to = std::min(to, v);
    else
      to += op == "ReduceSumSquare" || op == "ReduceL2" ? v * v : op == "ReduceL1" ? std::fabs(v) : v;
  }
  for (double& v : y) {
    if (op == "ReduceMean") v = static_cast<double>(static_cast<T>(v) / static_cast<T>(n));
    if (op == "ReduceL2") v = static_cast<double>(std::sqrt(static_cast<T>(v)));
    if (op == "ReduceLogSum") v = static_cast<double>(std::log(static_cast<T>(v)));
  }
  return y;
}

template <typename T>
void check(DType dtype) {
  for (const Over& over : kOvers) {
    Tensor x = *Tensor::make(dtype, over.shape);
    for (int64_t i = 0; i < x.count(); ++i) x.as<T>()[i] = static_cast<T>((i * 7919 + i / 31) % 13 - 5);
    for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1",
                           "ReduceL2", "ReduceLogSum", "weft.SumTo"}) {
      const std::vector<double> right = expected<T>(op, x, over);
      const Tensor y = run(op, x, over.axes, 1);
      for (int64_t i = 0; i < y.count(); ++i) {
        const double got = static_cast<double>(y.as<T>()[i]), wanted = right[static_cast<size_t>(i)];
        ASSERT_TRUE(got == wanted || (std::isnan(got) && std::isnan(wanted)))
            << op << " of " << shape_text(over.shape) << " gives " << got << " for " << wanted << " at " << i;
      }
    }
  }
}

TEST(Reduce, AnyAxesOfFloats) { check<float>(DType::kF32); }
TEST(Reduce, AnyAxesOfDoubles) { check<double>(DType::kF64); }

TEST(Reduce, ThreadsGiveTheSameBits) {
  for (const Over& over : kOvers) {
    Tensor x = *Tensor::make(DType::kF32, over.shape);
    for (int64_t i = 0; i < x.count(); ++i) x.as<float>()[i] = std::sin(static_cast<float>(i));
    for (const char* op : {"ReduceSum", "ReduceL2", "weft.SumTo"}) {
      const Tensor one = run(op, x, over.axes, 1);
      for (int threads : {2, 4}) {
        const Tensor many = run(op, x, over.axes, threads);
        EXPECT_EQ(std::memcmp(one.data(), many.data(), static_cast<size_t>(one.count()) * 4), 0)
            << op << " of " << shape_text(over.shape);
      }
    }
  }
}

}  // namespace
}  // namespace weft
