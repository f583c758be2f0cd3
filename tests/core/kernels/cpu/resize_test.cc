// Resize and its gradient on tensors that are divided among threads, against the text of ONNX element by element; row by row and axis
// by axis.
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

// Sizes that are constants and such that are fed: row by row, and axis by axis.
Tensor resized(const Tensor& x, const std::vector<int64_t>& sizes, const Attrs& attrs, bool fed, int threads) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr none, in(scope, *graph->add_input("x", ValueType::tensor(x.dtype(), to_dims(x.shape()))));
  Signature signature{{in.id()}, {}, {}};
  std::vector<Tensor> feeds{x};
  std::vector<float> scales;
  for (size_t d = 0; d < sizes.size(); ++d) {
    scales.push_back(static_cast<float>(sizes[d]) / static_cast<float>(x.shape()[d]));
  }
  Expr by = constant(scope, Tensor::vector<float>(scales));
  if (fed) {
    by = Expr(scope,
              *graph->add_input("scales", ValueType::tensor(DType::kF32, {Dim(static_cast<int64_t>(scales.size()))})));
    signature.feeds.push_back(by.id());
    feeds.push_back(Tensor::vector<float>(scales));
  }
  Expr y = make(scope, "Resize", {in, none, by}, attrs);
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  signature.fetches.push_back(y.id());
  SessionOptions options;
  options.threads = threads;
  std::vector<Tensor> out;
  Status status = (*Session::make(graph, options))->run(signature, feeds, {}, &out);
  EXPECT_TRUE(status.ok()) << status.text();
  return status.ok() ? out[0] : Tensor();
}

struct RowCase {
  Shape x;
  std::vector<int64_t> sizes;
};

const RowCase kRowCases[] = {
    {{2, 3, 40, 50}, {2, 3, 80, 100}},  // twice: elements, and rows that are copies
    {{2, 3, 40, 50}, {2, 3, 80, 50}},   // one axis
    {{2, 3, 40, 50}, {2, 3, 40, 100}},  // the other
    {{1, 4, 40, 50}, {1, 4, 120, 25}},  // larger and smaller
    {{1, 40, 50, 3}, {1, 80, 100, 3}},  // channels last
    {{1, 20, 30, 64}, {1, 40, 15, 64}},
    {{2, 9, 16, 4}, {4, 18, 16, 4}},  // the first axes
    {{70, 2}, {140, 6}},
    {{1, 2, 1, 3}, {1, 2, 5, 6}},  // of one row
};

TEST(Resize, RowByRowAndAxisByAxisAreTheSameBits) {
  for (const RowCase& c : kRowCases) {
    for (const char* mode : {"nearest", "linear"}) {
      for (const char* places : {"half_pixel", "align_corners", "asymmetric"}) {
        SCOPED_TRACE(cat(shape_text(c.x), " ", mode, " ", places));
        const Attrs attrs{{"mode", mode}, {"coordinate_transformation_mode", places}};
        for (const Tensor& x : {values<float>(c.x, 0.3), values<double>(c.x, 0.7)}) {
          const Tensor wanted = resized(x, c.sizes, attrs, true, 1);
          for (int threads : {1, 3}) {
            EXPECT_TRUE(resized(x, c.sizes, attrs, false, threads).same_bits(wanted)) << threads << " threads";
          }
        }
      }
    }
  }
}

// Places of asymmetric coordinates and whole factors: row y comes of row y / factor.
template <typename T>
void check_whole_factors() {
  for (const RowCase& c : kRowCases) {
    bool whole = true;
    for (size_t d = 0; d < c.x.size(); ++d) whole = whole && c.sizes[d] % c.x[d] == 0;
    if (!whole) continue;
    Tensor x = *Tensor::make(dtype_of<T>(), c.x);
    for (int64_t i = 0; i < x.count(); ++i) x.as<T>()[i] = static_cast<T>(i * 37 % 251);
    const Attrs attrs{{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}};
    const Tensor y = resized(x, c.sizes, attrs, false, 2);
    for (int64_t i = 0; i < y.count(); ++i) {
      int64_t rest = i, from = 0, step = 1;
      for (size_t d = c.x.size(); d-- > 0;) {
        from += rest % c.sizes[d] / (c.sizes[d] / c.x[d]) * step;
        rest /= c.sizes[d];
        step *= c.x[d];
      }
      ASSERT_EQ(y.as<T>()[i], x.as<T>()[from]) << shape_text(c.x) << " at " << i;
    }
  }
}

TEST(Resize, NearestOfEverySizeOfElements) {
  check_whole_factors<uint8_t>();
  check_whole_factors<int16_t>();
  check_whole_factors<float>();
  check_whole_factors<int64_t>();
}

}  // namespace
}  // namespace weft
