// Operators on strings that a case file cannot hold: what is not UTF-8, rows whose number only a run tells, and moves that
// are stopped.
#include <gtest/gtest.h>

#include <cstring>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

Result<Tensor> on_strings(std::string_view op, const Attrs& attrs, const Tensor& x, Dims dims) {
  WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(builtin_ops()));
  ExprScope scope(*graph);
  WEFT_TRY(ValueId fed, graph->add_input("x", ValueType::tensor(DType::kString, std::move(dims))));
  const ValueId made = make_all(scope, op, {Expr(scope, fed)}, attrs, op == "StringSplit" ? 2 : 1)[0].id();
  WEFT_CHECK(scope.status());
  WEFT_TRY(std::shared_ptr<Session> session, Session::make(graph, {}));
  std::vector<Tensor> out;
  WEFT_CHECK(session->run({{fed}, {made}, {}}, {x}, {}, &out));
  return out[0];
}

TEST(Strings, OnlyTheCaseOfLettersNeedsUtf8) {
  const Tensor x = *Tensor::from_strings({2}, {"a", "b\xff \xe2\x80"});
  const Attrs upper{{"case_change_action", "UPPER"}};
  const std::string wanted = "element 1 of X is not UTF-8: 'b\\xff \\xe2\\x80'";
  const std::vector<std::string> a{"A"};
  for (const Attrs& attrs : {upper, Attrs{{"stopwords", a}}}) {
    const Result<Tensor> y = on_strings("StringNormalizer", attrs, x, {2});
    ASSERT_FALSE(y.ok());
    EXPECT_EQ(y.status().code(), Code::kInvalidArgument);
    EXPECT_NE(y.status().message().find(wanted), std::string::npos) << y.status().text();
  }
  const Result<Tensor> kept =
      on_strings("StringNormalizer", {{"stopwords", a}, {"is_case_sensitive", int64_t{1}}}, x, {2});
  ASSERT_TRUE(kept.ok()) << kept.status().text();
  EXPECT_EQ(kept->strings(), x.strings());
  const Result<Tensor> parts = on_strings("StringSplit", {}, x, {2});
  ASSERT_TRUE(parts.ok()) << parts.status().text();
  EXPECT_EQ(parts->strings(), (std::vector<std::string>{"a", "", "b\xff", "\xe2\x80"}));
}

TEST(Strings, StopWordsMustBeUtf8) {
  const std::vector<std::string> words{"a\xff"};
  const Result<Tensor> y =
      on_strings("StringNormalizer", {{"stopwords", words}}, *Tensor::from_strings({1}, {"a"}), {1});
  ASSERT_FALSE(y.ok());
  EXPECT_NE(y.status().message().find("the stop word 'a\\xff' is not UTF-8"), std::string::npos);
}

TEST(Strings, ARunTellsThatThereAreTwoRows) {
  const Result<Tensor> y = on_strings("StringNormalizer", {}, *Tensor::from_strings({2, 1}, {"a", "b"}),
                                      {Dim::symbol("rows"), Dim::symbol("columns")});
  ASSERT_FALSE(y.ok());
  EXPECT_EQ(y.status().code(), Code::kInvalidArgument);
  EXPECT_NE(y.status().message().find("X must be [C] or [1, C]"), std::string::npos) << y.status().text();
}

TEST(Strings, WhatIsNotUtf8MatchesNothingButItsBytes) {
  const Tensor x = *Tensor::from_strings({3}, {"a\xff", "a\xc3\xa9", std::string("a\0b", 3)});
  const auto matches = [&](const std::string& pattern) {
    const Result<Tensor> y = on_strings("RegexFullMatch", {{"pattern", pattern}}, x, {3});
    return y.ok() ? std::vector<bool>(y->as<bool>(), y->as<bool>() + 3) : std::vector<bool>();
  };
  EXPECT_EQ(matches("a.*"), (std::vector<bool>{false, true, true}));
  EXPECT_EQ(matches("a\\C"), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(matches("a\\x00b"), (std::vector<bool>{false, false, true}));
}

KernelContext::Slot strings_of(Shape shape) {
  KernelContext::Slot slot;
  slot.given = true;
  slot.dtype = DType::kString;
  slot.shape = std::move(shape);
  return slot;
}

// What lies by chance where a stopped move has left elements out is no place of a string.
TEST(Strings, AMoveThatIsStoppedGivesEmptyStrings) {
  Attrs attrs;
  KernelContext context(attrs, {strings_of({64, 32})}, {strings_of({32, 64})});
  PreparedKernel kernel;
  const Status prepared = cpu_kernels().prepare("Transpose", context, false, &kernel);
  ASSERT_TRUE(prepared.ok()) << prepared.text();
  ASSERT_TRUE(kernel.run_tensors != nullptr);
  std::vector<Tensor> dirty;
  for (int i = 0; i < 8; ++i) {  // so that the heap does not give zeros
    dirty.push_back(*Tensor::make(DType::kI64, {32, 64}));
    std::memset(dirty.back().mutable_data(), 0x7f, static_cast<size_t>(dirty.back().bytes()));
  }
  dirty.clear();
  CancelToken token;
  token.cancel();
  StopCondition stop;
  stop.set_token(&token);
  Parallel parallel;
  parallel.max_threads = 1;
  parallel.stop = &stop;
  std::vector<Tensor> x{*Tensor::from_strings({64, 32}, std::vector<std::string>(64 * 32, "a"))}, y(1);
  TensorArgs args{x, y, &parallel};
  const Status status = kernel.run_tensors(kernel.state.get(), args);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(y[0].strings(), std::vector<std::string>(64 * 32));
}

TEST(Strings, PatternsMustBeUtf8) {
  const Result<Tensor> y = on_strings("RegexFullMatch", {{"pattern", "a\xff"}}, *Tensor::from_strings({1}, {"a"}), {1});
  ASSERT_FALSE(y.ok());
  EXPECT_EQ(y.status().code(), Code::kInvalidArgument);
  EXPECT_NE(y.status().message().find("the pattern 'a\\xff' is none of RE2's: invalid UTF-8"), std::string::npos)
      << y.status().text();
}

}  // namespace
}  // namespace weft
