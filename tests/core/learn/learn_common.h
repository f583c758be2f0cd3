// What tests of datasets and of the loops over them share.
#pragma once

#include <utility>

#include "core/learn/fit.h"
#include "core/learn/function_dataset.h"
#include "core/learn/row_dataset.h"
#include "tests/core/runtime/model_common.h"

namespace weft {

inline Tensor numbers(Shape shape, const Values& values) { return *numbers(values).reshaped(std::move(shape)); }
inline Values doubles_of(const Tensor& tensor) {
  EXPECT_EQ(tensor.dtype(), DType::kF64);
  return Values(tensor.as<double>(), tensor.as<double>() + tensor.count());
}

inline std::shared_ptr<const Dataset> rows_of(std::vector<Tensor> columns) {
  return *RowDataset::make(std::move(columns));
}

inline std::unique_ptr<Batches> pass_of(Result<std::unique_ptr<Batches>> made) {
  EXPECT_TRUE(made.ok()) << made.status().text();
  return made.ok() ? std::move(*made) : nullptr;
}

// A dataset whose passes give these batches, each of one tensor.
inline std::shared_ptr<const Dataset> given_batches(std::vector<Tensor> batches) {
  return *FunctionDataset::make(1, [batches](int64_t) -> Result<std::shared_ptr<Batches>> {
    auto next = [batches, at = size_t{0}](NamedTensors* out) mutable {
      if (at < batches.size()) out->emplace_back("x", batches[at++]);
      return Status();
    };
    WEFT_TRY(std::unique_ptr<Batches> pass, function_batches({"x"}, next));
    return std::shared_ptr<Batches>(std::move(pass));
  });
}

// y = w * x by least squares: w starts at 0, and a step goes 1/64 of the gradient downhill.
struct Line : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")});
  Expr target = input("target", DType::kF64, {Dim::symbol("n")});
  Expr w = variable("w", 0);
  Expr loss = make(scope, "ReduceMean", {(w * x - target) * (w * x - target)}, {{"keepdims", int64_t{0}}}, "loss");
  Expr step = make(scope, "weft.Assign", {w, w - gradients(loss, {w})[0] * 0.015625});
  std::shared_ptr<const Dataset> dataset = rows_of({numbers({1, 2, 3, 4, 5}), numbers({2, 3, 7, 8, 12})});

  Line() {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    session = *Session::make(graph, {});
  }
  double weight() { return *(*session->get_variable("w")).as<double>(); }
  FitOptions options(int64_t epochs) const {
    FitOptions made;
    made.loop.feeds = {x.id(), target.id()};
    made.loop.batch_size = 2;
    made.epochs = epochs;
    made.shuffle = false;
    return made;
  }
  Result<std::shared_ptr<History>> fit(const FitOptions& options) {
    return weft::fit(*session, dataset, step.id(), {loss.id()}, options);
  }
};

// A metric that takes the next number of a table in each epoch of one batch. `seen` counts the steps.
struct Table : TestModel {
  Expr x = input("x", DType::kF64, {Dim::symbol("n")});
  Expr seen = variable("seen", 0);
  Expr step = make(scope, "weft.Assign", {seen, seen + 1.0});
  Expr score;
  std::shared_ptr<const Dataset> dataset = rows_of({numbers({7, 8})});

  explicit Table(const Values& scores) {
    score = make(scope, "Gather", {constant(scope, numbers(scores)), cast(seen, DType::kI64)}, {}, "score");
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    session = *Session::make(graph, {});
  }
  double steps() { return *(*session->get_variable("seen")).as<double>(); }
  FitOptions options(int64_t epochs) const {
    FitOptions made;
    made.loop.feeds = {x.id()};
    made.epochs = epochs;
    made.monitor = "score";
    made.patience = 1;
    return made;
  }
  Result<std::shared_ptr<History>> fit(const FitOptions& options) {
    return weft::fit(*session, dataset, step.id(), {score.id()}, options);
  }
};

}  // namespace weft
