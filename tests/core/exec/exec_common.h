// What tests of executables share: a graph under construction, and programs cut out of it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/exec/executor.h"
#include "core/exec/host_functions.h"
#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "tests/core/expect_error.h"

namespace weft {

// Registered under a name for as long as it lives.
class HostFunctionInTest {
 public:
  using Body = std::function<Status(const std::vector<Tensor>&, std::vector<Tensor>*)>;

  HostFunctionInTest(const char* name, Body body) : name_(name), body_(std::move(body)) {
    auto call = [](void* user, const std::vector<Tensor>& in, std::vector<Tensor>* out) {
      auto* self = static_cast<HostFunctionInTest*>(user);
      ++self->calls;
      return self->body_(in, out);
    };
    set_host_function(name_, std::make_shared<HostFunction>(call, this, nullptr));
  }
  HostFunctionInTest(const HostFunctionInTest&) = delete;
  ~HostFunctionInTest() { remove_host_function(name_); }

  int calls = 0;

 private:
  const std::string name_;
  const Body body_;
};

struct ExecTest {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::vector<ValueId> inputs;

  Expr input(const char* name, DType dtype, Dims dims) {
    return input(name, ValueType::tensor(dtype, std::move(dims)));
  }
  Expr input(const char* name, ValueType type) {
    inputs.push_back(*graph->add_input(name, std::move(type)));
    return Expr(scope, inputs.back());
  }
  // One output of f64; no shapes are any rank.
  Expr host(const char* function, const std::vector<Expr>& given, std::vector<std::string> shapes = {},
            const char* node = "") {
    Attrs attrs{{"name", function}, {"dtypes", std::vector<std::string>{"f64"}}};
    if (!shapes.empty()) attrs.set("shapes", std::move(shapes));
    return make(scope, "weft.HostCall", given, std::move(attrs), node);
  }
  Expr non_zero(Expr x) { return make(scope, "NonZero", {x}); }

  std::unique_ptr<Executable> executable(const std::vector<Expr>& fetches, int max_plans = 64) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    std::vector<ValueId> ids;
    for (Expr fetch : fetches) ids.push_back(fetch.id());
    Result<Cut> cut = cut_program(*graph, inputs, ids, {});
    EXPECT_TRUE(cut.ok()) << cut.status().text();
    return std::make_unique<Executable>(std::move(cut->program), cpu_kernels(), PlanOptions(), max_plans);
  }
};

inline Tensor numbers(const std::vector<double>& values) { return Tensor::vector<double>(values); }
inline Tensor numbers(Shape shape, const std::vector<double>& values) {
  return *Tensor::vector<double>(values).reshaped(std::move(shape));
}
inline Tensor whole_numbers(const std::vector<int64_t>& values) { return Tensor::vector<int64_t>(values); }

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  return std::vector<T>(tensor.as<T>(), tensor.as<T>() + tensor.count());
}

}  // namespace weft
