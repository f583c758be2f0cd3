// Unique of more elements than are sorted in one go, beside a map of the standard library.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct UniqueRun {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  Signature signature;

  explicit UniqueRun(int64_t count, int64_t sorted) {
    ExprScope scope(*graph);
    signature.feeds = {*graph->add_input("x", ValueType::tensor(DType::kI32, {Dim(count)}))};
    for (Expr y : make_all(scope, "Unique", {Expr(scope, signature.feeds[0])}, {{"sorted", sorted}}, 4)) {
      signature.fetches.push_back(y.id());
    }
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
  }
  Status run(const Tensor& x, int threads, const RunOptions& how, std::vector<Tensor>* out) const {
    SessionOptions options;
    options.threads = threads;
    return (*Session::make(graph, options))->run(signature, {x}, how, out);
  }
};

// `distinct` numbers in an order that no run repeats.
Tensor numbers_of(int64_t count, int64_t distinct) {
  Tensor x = *Tensor::make(DType::kI32, {count});
  for (int64_t i = 0; i < count; ++i) x.as<int32_t>()[i] = static_cast<int32_t>(i * 7919 % 1'000'003 % distinct);
  return x;
}

TEST(Unique, OfManyElements) {
  for (int64_t count : {32'768, 32'769, 150'001}) {
    const Tensor x = numbers_of(count, 40'009);
    std::map<int32_t, std::pair<int64_t, int64_t>> wanted;  // the first place and how often
    for (int64_t i = 0; i < count; ++i) ++wanted.try_emplace(x.as<int32_t>()[i], i, 0).first->second.second;
    for (int threads : {1, 2}) {
      std::vector<Tensor> out;
      const Status status = UniqueRun(count, 1).run(x, threads, {}, &out);
      ASSERT_TRUE(status.ok()) << status.text();
      ASSERT_EQ(out[0].count(), static_cast<int64_t>(wanted.size()));
      int64_t at = 0;
      for (const auto& [number, place] : wanted) {
        ASSERT_EQ(out[0].as<int32_t>()[at], number) << at;
        ASSERT_EQ(out[1].as<int64_t>()[at], place.first) << at;
        ASSERT_EQ(out[3].as<int64_t>()[at], place.second) << at;
        ++at;
      }
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(out[0].as<int32_t>()[out[2].as<int64_t>()[i]], x.as<int32_t>()[i]) << i;
      }
    }
  }
}

TEST(Unique, InTheOrderOfFirstPlaces) {
  const Tensor x = numbers_of(100'000, 30'011);
  std::vector<Tensor> out;
  const Status status = UniqueRun(x.count(), 0).run(x, 2, {}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_TRUE(std::is_sorted(out[1].as<int64_t>(), out[1].as<int64_t>() + out[1].count()));
  for (int64_t i = 0; i < x.count(); ++i) {
    ASSERT_EQ(out[0].as<int32_t>()[out[2].as<int64_t>()[i]], x.as<int32_t>()[i]) << i;
  }
}

TEST(Unique, LooksWhetherToStopBetweenItsRuns) {
  const Tensor x = numbers_of(2'000'000, 999'983);
  // A run looks every 20 ms, and the slower the machine the more often.
  int looks = 0;
  RunOptions counted;
  counted.poll = [](void* user) { return ++*static_cast<int*>(user), Status(); };
  counted.poll_user = &looks;
  std::vector<Tensor> out;
  EXPECT_TRUE(UniqueRun(x.count(), 1).run(x, 1, counted, &out).ok());
  EXPECT_GE(looks, 4);
  RunOptions ended;
  ended.poll = [](void* user) {
    return ++*static_cast<int*>(user) < 4 ? Status() : Status(Code::kCancelled, "enough");
  };
  looks = 0;
  ended.poll_user = &looks;
  EXPECT_EQ(UniqueRun(x.count(), 1).run(x, 1, ended, &out).code(), Code::kCancelled);
}

}  // namespace
}  // namespace weft
