// Operators on strings that a case file cannot hold: what is not UTF-8, and rows whose number only a run tells.
#include <gtest/gtest.h>

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

TEST(Strings, PatternsMustBeUtf8) {
  const Result<Tensor> y = on_strings("RegexFullMatch", {{"pattern", "a\xff"}}, *Tensor::from_strings({1}, {"a"}), {1});
  ASSERT_FALSE(y.ok());
  EXPECT_EQ(y.status().code(), Code::kInvalidArgument);
  EXPECT_NE(y.status().message().find("the pattern 'a\\xff' is none of RE2's: invalid UTF-8"), std::string::npos)
      << y.status().text();
}

}  // namespace
}  // namespace weft
