// Points that are sampled in several pieces and rounds, against sums in double, on any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct SampleCase {
  Shape x;
  int64_t points;
  const char* padding;
};

const SampleCase kSampleCases[] = {
    {{1, 3, 37, 41}, 40007, "zeros"},                               // two rounds
    {{1, 70, 37, 41}, 1001, "zeros"},                               // one piece, many channels
    {{67, 2, 9, 5}, 3, "zeros"},                                    // images of a piece each, in several rounds
    {{2, 3, 8, 1}, 2500, "zeros"},                                  // no pairs
    {{1, 5, 37, 41}, 3001, "border"}, {{2, 0, 4, 4}, 10, "zeros"},  // no channels
};

// The pixel, or what stands for it.
template <typename T>
double pixel_of(const SampleCase& c, const Tensor& x, int64_t plane, int64_t row, int64_t column) {
  const int64_t height = c.x[2], width = c.x[3];
  if (row < 0 || row >= height || column < 0 || column >= width) {
    if (c.padding == std::string("zeros")) return 0;
    row = std::min(std::max<int64_t>(row, 0), height - 1);
    column = std::min(std::max<int64_t>(column, 0), width - 1);
  }
  return static_cast<double>(x.as<T>()[(plane * height + row) * width + column]);
}

template <typename T>
double sampled_at(const SampleCase& c, const Tensor& x, const Tensor& places, int64_t plane, int64_t point) {
  const T* place = places.as<T>() + (plane / c.x[1] * c.points + point) * 2;
  const double below_y = std::floor(static_cast<double>(place[0])), part_y = static_cast<double>(place[0]) - below_y;
  const double below_x = std::floor(static_cast<double>(place[1])), part_x = static_cast<double>(place[1]) - below_x;
  double sum = 0;
  for (int64_t k = 0; k < 4; ++k) {
    const double weight = (k / 2 == 0 ? 1 - part_y : part_y) * (k % 2 == 0 ? 1 - part_x : part_x);
    const int64_t row = static_cast<int64_t>(below_y) + k / 2, column = static_cast<int64_t>(below_x) + k % 2;
    sum += weight * pixel_of<T>(c, x, plane, row, column);
  }
  return sum;
}

template <typename T>
void check_samples(const SampleCase& c) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  const Shape places_shape{c.x[0], c.points, 2}, y_shape{c.x[0], c.x[1], c.points};
  Expr x(scope, *graph->add_input("x", ValueType::tensor(dtype_of<T>(), to_dims(c.x))));
  Expr places(scope, *graph->add_input("places", ValueType::tensor(dtype_of<T>(), to_dims(places_shape))));
  Expr y = make(scope, "weft.SamplePoints", {x, places}, {{"padding_mode", c.padding}});
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  Tensor of_x = *Tensor::make(dtype_of<T>(), c.x), of_places = *Tensor::make(dtype_of<T>(), places_shape);
  for (int64_t i = 0; i < of_x.count(); ++i) of_x.as<T>()[i] = static_cast<T>(std::sin(0.7 * static_cast<double>(i)));
  // From two pixels before the image to two behind it.
  for (int64_t i = 0; i < of_places.count(); ++i) {
    const double size = static_cast<double>(c.x[static_cast<size_t>(2 + i % 2)]);
    of_places.as<T>()[i] = static_cast<T>((size + 4) * (0.5 + 0.5 * std::sin(1.3 * static_cast<double>(i))) - 2.5);
  }
  Tensor first;
  for (int threads : {1, 2, 4}) {
    SessionOptions options;
    options.threads = threads;
    std::vector<Tensor> out;
    auto session = *Session::make(graph, options);
    Status status = session->run({{x.id(), places.id()}, {y.id()}, {}}, {of_x, of_places}, {}, &out);
    ASSERT_TRUE(status.ok()) << status.text();
    if (threads == 1) first = out[0];
    EXPECT_TRUE(out[0].same_bits(first)) << threads << " threads";
  }
  ASSERT_EQ(first.shape(), y_shape);
  for (int64_t i = 0; i < first.count(); ++i) {
    const double wanted = sampled_at<T>(c, of_x, of_places, i / c.points, i % c.points);
    ASSERT_NEAR(static_cast<double>(first.as<T>()[i]), wanted, sizeof(T) == 4 ? 1e-5 : 1e-12) << i;
  }
}

TEST(SamplePoints, ManyPoints) {
  for (const SampleCase& c : kSampleCases) {
    SCOPED_TRACE(shape_text(c.x));
    check_samples<float>(c);
    check_samples<double>(c);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft
