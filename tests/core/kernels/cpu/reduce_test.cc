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

// Which result each element of x counts towards.
std::vector<int64_t> places(const Shape& x, const Shape& kept) {
  std::vector<int64_t> out;
  for (int64_t i = 0, count = *element_count(x); i < count; ++i) {
    int64_t rest = i, place = 0, step = 1;
    for (size_t d = kept.size(); d-- > 0;) {
      place += (kept[d] == 1 ? 0 : rest % kept[d]) * step;
      rest /= x[d];
      step *= kept[d];
    }
    out.push_back(place);
  }
  return out;
}

double add(double a, double b) { return a + b; }
double add_square(double a, double b) { return a + b * b; }
double add_size(double a, double b) { return a + std::fabs(b); }
double larger(double a, double b) { return std::max(a, b); }
double smaller(double a, double b) { return std::min(a, b); }

// An operator by index arithmetic: first what it starts with, then each element in turn, then what becomes of n of them.
struct Op {
  const char* name;
  double start;
  double (*take)(double, double);
  double (*finish)(double result, double n);
};

template <typename T>
double as_it_is(double result, double) {
  return result;
}
template <typename T>
double mean(double result, double n) {
  return static_cast<double>(static_cast<T>(result) / static_cast<T>(n));
}
template <typename T>
double root(double result, double) {
  return static_cast<double>(std::sqrt(static_cast<T>(result)));
}
template <typename T>
double logarithm(double result, double) {
  return static_cast<double>(std::log(static_cast<T>(result)));
}

// Small whole numbers, of which everything is exact.
template <typename T>
void check(DType dtype) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Op ops[] = {{"ReduceSum", 0, add, as_it_is<T>},
                    {"ReduceMean", 0, add, mean<T>},
                    {"ReduceMax", -inf, larger, as_it_is<T>},
                    {"ReduceMin", inf, smaller, as_it_is<T>},
                    {"ReduceSumSquare", 0, add_square, as_it_is<T>},
                    {"ReduceL1", 0, add_size, as_it_is<T>},
                    {"ReduceL2", 0, add_square, root<T>},
                    {"ReduceLogSum", 0, add, logarithm<T>},
                    {"weft.SumTo", 0, add, as_it_is<T>}};
  for (const Over& over : kOvers) {
    Tensor x = *Tensor::make(dtype, over.shape);
    for (int64_t i = 0; i < x.count(); ++i) x.as<T>()[i] = static_cast<T>((i * 7919 + i / 31) % 13 - 5);
    Shape kept = over.shape;
    for (int64_t axis : over.axes) kept[static_cast<size_t>(axis)] = 1;
    const std::vector<int64_t> place = places(over.shape, kept);
    const int64_t results = *element_count(kept);
    for (const Op& op : ops) {
      std::vector<double> right(static_cast<size_t>(results), op.start);
      const T* values = x.as<T>();
      double* to = right.data();
      for (int64_t at : place) to[at] = op.take(to[at], static_cast<double>(*values++));
      const Tensor y = run(op.name, x, over.axes, 1);
      for (int64_t i = 0; i < results; ++i) {
        const double got = static_cast<double>(y.as<T>()[i]);
        const double wanted = op.finish(to[i], static_cast<double>(x.count() / results));
        ASSERT_TRUE(got == wanted || (std::isnan(got) && std::isnan(wanted)))
            << op.name << " of " << shape_text(over.shape) << " gives " << got << " for " << wanted << " at " << i;
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
