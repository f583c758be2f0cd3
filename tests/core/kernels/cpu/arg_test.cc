// ArgMax and ArgMin beside a plain loop over each line: the same places, whatever lies side by side.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

// Around the axis.
struct ArgShape {
  int64_t outer, size, inner;
};

const ArgShape kArgShapes[] = {
    // Short lines, and as long as a few wide rows.
    {1, 1, 1},
    {9, 1, 9},
    {6, 2, 3},
    {40, 10, 1},
    {3000, 3, 1},
    {9, 63, 1},
    {9, 64, 1},
    {9, 127, 1},
    {9, 128, 1},
    {9, 511, 1},
    {9, 513, 1},
    {9, 1000, 1},
    // A few columns.
    {9, 1000, 2},
    {9, 700, 3},
    {3, 257, 5},
    {2, 300, 9},
    {3, 12, 4},
    {3, 12, 40},
    // More wide rows than are counted at once.
    {9, 33'001, 1},
    {3, 33'001, 3},
    {1, 256, 70},
    {1, 257, 70},
    {1, 2500, 130},
    // Columns of several blocks.
    {2, 21, 600},
    {2, 5, 511},
    {1, 3, 1024},
    {2, 3, 1025},
};

// Element k of a line, in one of nine ways: in most of them many are equal.
template <typename T>
T arg_element(int64_t line, int64_t k, int64_t size) {
  using Limits = std::numeric_limits<T>;
  const uint64_t mixed = static_cast<uint64_t>(line * 1'000'003 + k) * 0x9e3779b97f4a7c15u;
  const uint32_t noise = static_cast<uint32_t>(mixed >> 32);
  const T few = static_cast<T>(noise % 5);
  const double way = static_cast<double>(k) / static_cast<double>(size);
  switch (std::is_integral_v<T> ? line % 6 : line % 9) {
    case 0: return few;
    case 1: return static_cast<T>(static_cast<int32_t>(noise));
    case 2: return static_cast<T>(100 * way);
    case 3: return static_cast<T>(100 - 100 * way);
    case 4: return noise % 3 == 0 ? Limits::max() : noise % 3 == 1 ? Limits::lowest() : few;
    case 5: return 7;
    case 6: return noise % 3 == 0 ? static_cast<T>(-0.0) : noise % 3 == 1 ? static_cast<T>(0) : Limits::infinity();
    case 7: return noise % 100 == 0 ? Limits::quiet_NaN() : noise % 100 == 1 ? -Limits::quiet_NaN() : few;
    default: return line % 2 == 0 || k == size * 2 / 3 ? Limits::quiet_NaN() : few;  // all of them, or one
  }
}

// NaN before all, then the largest or the smallest; of equal ones the first or the last.
template <typename T>
int64_t place_of_best(const std::vector<T>& line, bool max, bool last) {
  const auto is_nan = [](T x) { return x != x; };
  T best = line[0];
  bool any = false;
  for (T x : line) {
    any = any || is_nan(x);
    if (max ? x > best : x < best) best = x;
  }
  int64_t place = -1;
  for (size_t k = 0; k < line.size(); ++k) {
    if (any ? !is_nan(line[k]) : line[k] != best) continue;
    if (place < 0 || last) place = static_cast<int64_t>(k);
  }
  return place;
}

template <typename T>
void check_args(const ArgShape& s) {
  Tensor x = *Tensor::make(dtype_of<T>(), {s.outer, s.size, s.inner});
  for (int64_t i = 0; i < x.count(); ++i) {
    const int64_t line = i / (s.size * s.inner) * s.inner + i % s.inner;
    x.as<T>()[i] = arg_element<T>(line, i / s.inner % s.size, s.size);
  }
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  const ValueId fed = *graph->add_input("x", ValueType::tensor(x.dtype(), to_dims(x.shape())));
  std::vector<ValueId> made;
  for (int kind = 0; kind < 4; ++kind) {
    const Attrs attrs{{"axis", int64_t{1}}, {"select_last_index", int64_t{kind / 2}}};
    made.push_back(make(scope, kind % 2 == 0 ? "ArgMax" : "ArgMin", {Expr(scope, fed)}, attrs).id());
  }
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  std::vector<Tensor> found[2];
  for (int threads : {1, 2}) {
    SessionOptions options;
    options.threads = threads;
    const Status status = (*Session::make(graph, options))->run({{fed}, made, {}}, {x}, {}, &found[threads - 1]);
    ASSERT_TRUE(status.ok()) << status.text();
  }
  std::vector<T> line(static_cast<size_t>(s.size));
  for (int64_t i = 0; i < s.outer * s.inner; ++i) {
    for (int64_t k = 0; k < s.size; ++k) {
      line[static_cast<size_t>(k)] = x.as<T>()[(i / s.inner * s.size + k) * s.inner + i % s.inner];
    }
    for (size_t kind = 0; kind < 4; ++kind) {
      const int64_t wanted = place_of_best(line, kind % 2 == 0, kind >= 2);
      for (int run : {0, 1}) {
        ASSERT_EQ(found[run][kind].template as<int64_t>()[i], wanted)
            << shape_text(x.shape()) << ", line " << i << ", kind " << kind << ", threads " << run + 1;
      }
    }
  }
}

template <typename T>
class ArgTest : public testing::Test {};
using ArgTypes =
    testing::Types<float, double, int32_t, int64_t, uint8_t, int8_t, uint16_t, int16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(ArgTest, ArgTypes);

TYPED_TEST(ArgTest, PlacesOfAPlainLoop) {
  for (const ArgShape& shape : kArgShapes) check_args<TypeParam>(shape);
}

}  // namespace
}  // namespace weft
