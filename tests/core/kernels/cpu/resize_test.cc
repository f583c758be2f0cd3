// Resize and its gradient on tensors that are divided among threads, against the text of ONNX element by element.
#include <gtest/gtest.h>

#include <cmath>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Size {
  Shape x;
  std::vector<int64_t> sizes;
};

const Size kSizes[] = {
    {{3, 5, 97, 61}, {3, 5, 160, 203}},   // larger
    {{3, 5, 97, 61}, {3, 5, 31, 20}},     // smaller
    {{2, 3, 64, 90}, {2, 3, 200, 30}},    // both
    {{6, 1, 1, 9001}, {6, 1, 1, 20003}},  // few long lines
    {{2, 70, 80, 3}, {2, 150, 33, 3}},    // channels last
};

template <typename T>
Tensor values(const Shape& shape, double salt) {
  Tensor out = *Tensor::make(dtype_of<T>(), shape);
  for (int64_t i = 0; i < out.count(); ++i)
    out.as<T>()[i] = static_cast<T>(std::sin(salt + 0.7 * static_cast<double>(i)));
  return out;
}

// The two neighbours of place `at` of `out`, among `in`, and the part of the second.
struct Between {
  int64_t first, second;
  double part;
};
Between between(int64_t at, int64_t in, int64_t out) {
  const double scale = static_cast<double>(out) / static_cast<double>(in);
  const double x = (static_cast<double>(at) + 0.5) / scale - 0.5, below = std::floor(x);
  auto inside = [in](double place) {
    return static_cast<int64_t>(std::min(std::max(place, 0.0), static_cast<double>(in - 1)));
  };
  return {inside(below), inside(below + 1), x - below};
}

// Calls body(place in y, place in x, weight) for all that "linear" weights.
template <typename Body>
void for_weights(const Size& size, Body&& body) {
  std::vector<std::vector<Between>> axes;
  for (size_t d = 0; d < 4; ++d) {
    axes.emplace_back();
    for (int64_t i = 0; i < size.sizes[d]; ++i) axes[d].push_back(between(i, size.x[d], size.sizes[d]));
  }
  int64_t at = 0;
  for (const Between& a : axes[0])
    for (const Between& b : axes[1])
      for (const Between& c : axes[2])
        for (const Between& d : axes[3]) {
          for (int corner = 0; corner < 16; ++corner) {
            const Between* of[] = {&a, &b, &c, &d};
            double weight = 1;
            int64_t from = 0;
            for (int k = 0; k < 4; ++k) {
              const bool second = (corner >> k & 1) != 0;
              weight *= second ? of[k]->part : 1 - of[k]->part;
              from = from * size.x[static_cast<size_t>(k)] + (second ? of[k]->second : of[k]->first);
            }
            if (weight != 0) body(at, from, weight);
          }
          ++at;
        }
}

template <typename T>
void check(const Size& size) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("x", ValueType::tensor(dtype_of<T>(), to_dims(size.x))));
  Expr dy(scope, *graph->add_input("dy", ValueType::tensor(dtype_of<T>(), to_dims(size.sizes))));
  Expr none, sizes = constant_ints(scope, size.sizes);
  Expr y = make(scope, "Resize", {x, none, none, sizes}, {{"mode", "linear"}});
  Expr dx = make(scope, "weft.ResizeGrad", {dy, x, none, none, sizes}, {{"mode", "linear"}});
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  const Tensor vx = values<T>(size.x, 0.3), vdy = values<T>(size.sizes, 1.1);
  std::vector<double> wanted_y(static_cast<size_t>(vdy.count())), wanted_dx(static_cast<size_t>(vx.count()));
  for_weights(size, [&](int64_t to, int64_t from, double weight) {
    wanted_y[static_cast<size_t>(to)] += weight * static_cast<double>(vx.as<T>()[from]);
    wanted_dx[static_cast<size_t>(from)] += weight * static_cast<double>(vdy.as<T>()[to]);
  });
  std::vector<Tensor> first;
  for (int threads : {1, 2, 4}) {
    SessionOptions options;
    options.threads = threads;
    auto session = *Session::make(graph, options);
    std::vector<Tensor> out;
    Status status = session->run({{x.id(), dy.id()}, {y.id(), dx.id()}, {}}, {vx, vdy}, {}, &out);
    ASSERT_TRUE(status.ok()) << status.text();
    if (first.empty()) first = out;
    EXPECT_TRUE(out[0].same_bits(first[0]) && out[1].same_bits(first[1])) << threads << " threads";
  }
  const double close = sizeof(T) == 4 ? 2e-5 : 1e-11;  // a place of 9001 leaves twelve digits to its weights
  for (int64_t i = 0; i < vdy.count(); ++i)
    ASSERT_NEAR(first[0].as<T>()[i], wanted_y[static_cast<size_t>(i)], close) << i;
  for (int64_t i = 0; i < vx.count(); ++i)
    ASSERT_NEAR(first[1].as<T>()[i], wanted_dx[static_cast<size_t>(i)], close) << i;
}

TEST(Resize, ManyElements) {
  for (const Size& size : kSizes) {
    SCOPED_TRACE(shape_text(size.x));
    check<float>(size);
    check<double>(size);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft
