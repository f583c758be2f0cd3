// Sub-graphs under construction, for tests of control flow.
#pragma once

#include <string>
#include <vector>

#include "tests/core/runtime/model_common.h"

namespace weft {

inline Tensor count_of(int64_t n) { return Tensor::scalar<int64_t>(n); }

struct Body {
  std::shared_ptr<Graph> graph;
  std::unique_ptr<ExprScope> scope;

  explicit Body(const std::shared_ptr<Graph>& parent)
      : graph(*Graph::make_subgraph(parent)), scope(std::make_unique<ExprScope>(*graph)) {}
  Expr input(const char* name, DType dtype, Dims dims) {
    return input(name, ValueType::tensor(dtype, std::move(dims)));
  }
  Expr input(const char* name, ValueType type) {
    type.ints = nullptr;
    Result<ValueId> id = graph->add_input(name, std::move(type));
    EXPECT_TRUE(id.ok()) << id.status().text();
    return Expr(*scope, *id);
  }
  Expr use(Expr outer) { return Expr(*scope, *graph->capture(outer.scope().graph(), outer.id())); }
  Body& returns(const std::vector<Expr>& values) {
    EXPECT_TRUE(scope->status().ok()) << scope->status().text();
    std::vector<ValueId> ids;
    for (Expr value : values) ids.push_back(value.id());
    EXPECT_TRUE(graph->set_outputs(ids).ok());
    return *this;
  }
};

// The body of a Loop, whose inputs are like what is carried at first.
struct LoopBody : Body {
  Expr number, condition;
  std::vector<Expr> carried;

  LoopBody(const std::shared_ptr<Graph>& parent, const std::vector<Expr>& initial) : Body(parent) {
    number = input("number", DType::kI64, {});
    condition = input("condition", DType::kBool, {});
    for (size_t i = 0; i < initial.size(); ++i) carried.push_back(input(cat("carried", i).c_str(), initial[i].type()));
  }
};

inline std::vector<Expr> loop(ExprScope& scope, Expr count, Expr condition, const std::vector<Expr>& initial,
                              const Body& body, Attrs attrs = {}) {
  std::vector<Expr> inputs{count, condition};
  inputs.insert(inputs.end(), initial.begin(), initial.end());
  attrs.set("body", GraphRef(body.graph));
  return make_all(scope, "Loop", inputs, std::move(attrs), static_cast<int>(body.graph->outputs().size()) - 1);
}

inline std::vector<Expr> scan(ExprScope& scope, const std::vector<Expr>& initial, const std::vector<Expr>& scanned,
                              const Body& body, Attrs attrs = {}) {
  std::vector<Expr> inputs = initial;
  inputs.insert(inputs.end(), scanned.begin(), scanned.end());
  attrs.set("body", GraphRef(body.graph));
  attrs.set("num_scan_inputs", static_cast<int64_t>(scanned.size()));
  return make_all(scope, "Scan", inputs, std::move(attrs), static_cast<int>(body.graph->outputs().size()));
}

}  // namespace weft
