// Which nodes of ONNX's random operators give the same numbers.
#include <gtest/gtest.h>

#include <cstring>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Draws {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  Attrs sized(std::initializer_list<Attrs::Item> more = {}) {
    Attrs attrs{{"shape", std::vector<int64_t>{16}}};
    for (const Attrs::Item& item : more) attrs.set(item.first, item.second);
    return attrs;
  }
  std::vector<std::vector<float>> run(const std::vector<Expr>& values) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    std::vector<ValueId> fetches;
    for (Expr value : values) fetches.push_back(value.id());
    std::vector<Tensor> out;
    Status status = (*Session::make(graph, {}))->run({{}, fetches, {}}, {}, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    std::vector<std::vector<float>> numbers;
    for (const Tensor& y : out) numbers.emplace_back(y.as<float>(), y.as<float>() + y.count());
    return numbers;
  }
};

TEST(StandardRandom, NodesWithoutASeedDiffer) {
  Draws t;
  for (const char* op : {"RandomNormal", "RandomUniform"}) {
    Expr a = make(t.scope, op, {}, t.sized()), b = make(t.scope, op, {}, t.sized());
    auto y = t.run({a, b});
    EXPECT_NE(y[0], y[1]) << op;
    EXPECT_EQ(t.run({b, a}), (std::vector{y[1], y[0]})) << op;
  }
}

TEST(StandardRandom, TheNameOfANodeWithoutASeedIsItsStream) {
  Draws t, other;
  Expr y = make(t.scope, "RandomUniform", {}, t.sized(), "noise");
  make(other.scope, "RandomUniform", {}, other.sized());
  Expr z = make(other.scope, "RandomUniform", {}, other.sized(), "noise");
  Expr own = make(t.scope, "weft.RandomUniform", {constant_ints(t.scope, {16}), constant_int(t.scope, 0)},
                  {{"stream", "noise"}});
  auto found = t.run({y, own});
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(other.run({z})[0], found[0]);
}

TEST(StandardRandom, ASeedDecidesAlone) {
  Draws t;
  Expr a = make(t.scope, "RandomNormal", {}, t.sized({{"seed", 0.5}}), "a");
  Expr b = make(t.scope, "RandomNormal", {}, t.sized({{"seed", 0.5}}), "b");
  Expr c = make(t.scope, "RandomNormal", {}, t.sized({{"seed", 0.25}}), "c");
  auto y = t.run({a, b, c});
  EXPECT_EQ(y[0], y[1]);
  EXPECT_NE(y[0], y[2]);
}

}  // namespace
}  // namespace weft
