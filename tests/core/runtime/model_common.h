// A graph under construction with a session over it, for tests of what graphs do when they run.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/core/expect_error.h"

namespace weft {

using Values = std::vector<double>;
inline Tensor numbers(const Values& values) { return Tensor::vector<double>(values); }
// The item of a sequence.
inline Expr at(Expr sequence, int64_t position) {
  return make(sequence.scope(), "SequenceAt", {sequence, constant_int(sequence.scope(), position)});
}

struct TestModel {
  std::shared_ptr<Graph> graph;
  ExprScope scope;
  std::shared_ptr<Session> session;

  TestModel() : TestModel(builtin_ops()) {}
  explicit TestModel(const OpRegistry& ops) : graph(*Graph::make(ops)), scope(*graph) {}
  Expr input(const char* name, DType dtype, Dims dims) {
    Result<ValueId> id = graph->add_input(name, ValueType::tensor(dtype, std::move(dims)));
    EXPECT_TRUE(id.ok()) << id.status().text();
    return Expr(scope, *id);
  }
  Expr variable(const char* name, double initial) {
    return Expr(scope, *graph->add_variable(name, scalar(scope, DType::kF64, initial).id(), true));
  }
  // Gradients of the sum of y; an invalid one where y does not depend on x.
  std::vector<Expr> gradients(Expr y, const std::vector<Expr>& xs) {
    std::vector<ValueId> ids;
    for (Expr x : xs) ids.push_back(x.id());
    Result<std::vector<ValueId>> made = differentiate(*graph, {y.id()}, ids, {});
    EXPECT_TRUE(made.ok()) << made.status().text();
    std::vector<Expr> out;
    for (size_t i = 0; i < xs.size(); ++i) out.emplace_back(scope, made.ok() ? (*made)[i] : kNoValue);
    return out;
  }
  Result<std::vector<Tensor>> run(const std::vector<Expr>& feeds, const std::vector<Tensor>& values,
                                  const std::vector<Expr>& fetches) {
    WEFT_CHECK(scope.status());
    if (session == nullptr) {
      WEFT_TRY(session, Session::make(graph, {}));
    }
    Signature signature;
    for (Expr feed : feeds) signature.feeds.push_back(feed.id());
    for (Expr fetch : fetches) signature.fetches.push_back(fetch.id());
    std::vector<Tensor> out;
    WEFT_CHECK(session->run(signature, values, {}, &out));
    return out;
  }
  // The same for one fetch of f64.
  std::vector<double> values(const std::vector<Expr>& feeds, const std::vector<Tensor>& given, Expr fetch) {
    Result<std::vector<Tensor>> out = run(feeds, given, {fetch});
    EXPECT_TRUE(out.ok()) << out.status().text();
    if (!out.ok()) return {};
    EXPECT_EQ((*out)[0].dtype(), DType::kF64);
    return std::vector<double>((*out)[0].as<double>(), (*out)[0].as<double>() + (*out)[0].count());
  }
};

}  // namespace weft
