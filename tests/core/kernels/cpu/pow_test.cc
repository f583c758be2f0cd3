// Powers of one type: a pair of base and exponent has the same bits wherever the exponent comes from, alone and in a group
// of elementwise nodes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

enum class From { kConstant, kOneElement, kEveryElement, kRows };

// |x| to the power y of a matrix: `alone` as a result of its own, else between two other nodes that change nothing.
template <typename T>
Tensor power(const Tensor& x, T y, From from, bool alone, int threads) {
  const DType dtype = dtype_of<T>();
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr base(scope, *graph->add_input("x", ValueType::tensor(dtype, to_dims(x.shape()))));
  Shape shape;
  if (from == From::kEveryElement) shape = x.shape();
  if (from == From::kRows) shape = {x.shape()[0], 1};
  Tensor exponents = *Tensor::make(dtype, shape);
  for (int64_t i = 0; i < exponents.count(); ++i) exponents.as<T>()[i] = y;
  std::vector<ValueId> feeds = {base.id()};
  std::vector<Tensor> fed = {x};
  Expr exponent;
  if (from == From::kConstant) {
    exponent = constant(scope, exponents);
  } else {
    exponent = Expr(scope, *graph->add_input("y", ValueType::tensor(dtype, to_dims(shape))));
    feeds.push_back(exponent.id());
    fed.push_back(exponents);
  }
  Expr z = alone ? make(scope, "Pow", {base, exponent})
                 : make(scope, "Abs", {make(scope, "Pow", {make(scope, "Abs", {base}), exponent})});
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  SessionOptions options;
  options.threads = threads;
  auto session = *Session::make(graph, options);
  std::vector<Tensor> outputs;
  Status status = session->run({feeds, {z.id()}, {}}, fed, {}, &outputs);
  EXPECT_TRUE(status.ok()) << status.text();
  return outputs[0];
}

template <typename T>
class PowTest : public testing::Test {};
using PowTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(PowTest, PowTypes);

TYPED_TEST(PowTest, SameBitsWhereverTheExponentComesFrom) {
  using T = TypeParam;
  Tensor x = *Tensor::make(dtype_of<T>(), {37, 1001});
  for (int64_t i = 0; i < x.count(); ++i) x.as<T>()[i] = static_cast<T>(0.013 * static_cast<double>(1 + i % 4001));
  for (T y : {T(0), T(1), T(2), T(3), T(-1), T(0.5), T(-0.5), T(1.3), T(-7)}) {
    const Tensor first = power(x, y, From::kConstant, true, 1);
    for (int64_t i = 0; i < x.count(); i += 97) {
      const long double right = std::pow(static_cast<long double>(x.as<T>()[i]), static_cast<long double>(y));
      EXPECT_NEAR(static_cast<double>(first.as<T>()[i] / right), 1, 2 * std::numeric_limits<T>::epsilon());
    }
    for (From from : {From::kConstant, From::kOneElement, From::kEveryElement, From::kRows}) {
      for (bool alone : {true, false}) {
        const Tensor z = power(x, y, from, alone, 2);
        EXPECT_EQ(std::memcmp(z.data(), first.data(), static_cast<size_t>(z.bytes())), 0)
            << "to the " << y << ", from " << static_cast<int>(from) << (alone ? "" : ", in a group");
      }
    }
  }
}

}  // namespace
}  // namespace weft
