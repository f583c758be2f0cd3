// Symbolic dimensions: algebra, text, and numbers that a hostile model may hold.
#include "core/tensor/dim.h"

#include <gtest/gtest.h>

#include <limits>

namespace weft {
namespace {

const Dim a = Dim::symbol("a"), b = Dim::symbol("b");
constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

TEST(Dim, Numbers) {
  EXPECT_TRUE(Dim().is(0));
  EXPECT_EQ((Dim(2) + Dim(3)).value(), 5);
  EXPECT_EQ((Dim(2) - Dim(3)).value(), -1);
  EXPECT_EQ((Dim(2) * Dim(3)).value(), 6);
  EXPECT_EQ(Dim(7).floor_div(2).value(), 3);
  EXPECT_EQ(Dim(-7).floor_div(2).value(), -4);
  EXPECT_EQ(Dim(7).floor_div(-2).value(), -4);
  EXPECT_EQ(Dim(7).ceil_div(2).value(), 4);
  EXPECT_EQ(Dim(6).ceil_div(2).value(), 3);
  EXPECT_EQ(Dim(6).exact_div(2)->value(), 3);
  EXPECT_FALSE(Dim(7).exact_div(2).ok());
  EXPECT_FALSE(Dim(7).exact_div(0).ok());
  EXPECT_FALSE(Dim(0).exact_div(0).ok());
  EXPECT_FALSE(Dim(1).is(2));
  EXPECT_EQ(Dim::max(2, 3), Dim(3));
  EXPECT_EQ(Dim::min(2, 3), Dim(2));
}

TEST(Dim, Algebra) {
  EXPECT_EQ(a + b, b + a);
  EXPECT_EQ(a * b, b * a);
  EXPECT_EQ((a + b) * (a - b), a * a - b * b);
  EXPECT_TRUE((a - a).is(0));
  EXPECT_TRUE((a * Dim(0)).is(0));
  EXPECT_EQ(a + a, a * Dim(2));
  EXPECT_FALSE(a == b);
  EXPECT_FALSE(a == Dim(1));
  EXPECT_FALSE(a.is(0));
  EXPECT_EQ(Dim::symbol("a"), a);
  EXPECT_FALSE(a + Dim(1) == a);
}

TEST(Dim, Division) {
  EXPECT_EQ(*(a * b * Dim(6)).exact_div(a * Dim(2)), b * Dim(3));
  EXPECT_EQ(*(a + b).exact_div(a + b), Dim(1));
  EXPECT_FALSE((a * b).exact_div(a * a).ok());
  EXPECT_FALSE((a * Dim(3)).exact_div(2).ok());
  EXPECT_EQ((a + Dim(1)).exact_div(b).status().message(), "a + 1 is not a multiple of b");
  EXPECT_EQ((a * Dim(4)).floor_div(2), a * Dim(2));
  EXPECT_EQ(a.floor_div(2).text(), "floor((a)/(2))");
  EXPECT_EQ(a.floor_div(2), a.floor_div(2));
  EXPECT_EQ((a * Dim(2)).ceil_div(2).text(), "floor((2*a + 1)/(2))");
  EXPECT_FALSE(a.floor_div(0).known());
}

TEST(Dim, Text) {
  EXPECT_EQ(Dim(-3).text(), "-3");
  EXPECT_EQ(a.text(), "a");
  EXPECT_EQ((a * Dim(3) + Dim(1)).text(), "3*a + 1");
  EXPECT_EQ((a * Dim(-1) - b * Dim(2) - Dim(4)).text(), "-a - 2*b - 4");
  EXPECT_EQ((a * a * b).text(), "a*a*b");
  EXPECT_EQ(dims_text({a, 3, b}), "[a, 3, b]");
  EXPECT_EQ(dims_text({}), "[]");
  EXPECT_EQ(shape_text({2, 3}), "[2, 3]");
  EXPECT_EQ(Dim::max(b, a).text(), "max(a, b)");
  EXPECT_EQ(Dim::min(a, b), Dim::min(b, a));
}

TEST(Dim, LargeNumbersNeitherWrapNorTrap) {
  EXPECT_EQ((Dim(kMost) + Dim(1)).value(), kMost);
  EXPECT_EQ((Dim(kLeast) - Dim(1)).value(), kLeast);
  EXPECT_EQ((Dim(kMost) * Dim(2)).value(), kMost);
  EXPECT_EQ((Dim(kMost) * Dim(-2)).value(), kLeast);
  EXPECT_EQ(Dim(kLeast).floor_div(-1).value(), kMost);
  EXPECT_EQ(Dim(kLeast).exact_div(-1)->value(), kMost);
  EXPECT_EQ((a * Dim(kLeast)).exact_div(-1)->text(), "9223372036854775807*a");
  EXPECT_EQ((a * Dim(kLeast)).text(), "-9223372036854775808*a");
  EXPECT_EQ((a * Dim(kMost) + a).text(), "9223372036854775807*a");
  EXPECT_FALSE(Dim(kLeast).exact_div(a * Dim(-1)).ok());
  EXPECT_FALSE((a * Dim(kLeast)).exact_div(a * Dim(-1)).ok());
  EXPECT_EQ(*(a * b).exact_div(a * Dim(-1)), b * Dim(-1));
  EXPECT_FALSE(Dim(kLeast).floor_div(a * Dim(-1)).known());
}

TEST(Dim, ExpressionsStaySmall) {
  Dim square = a + b, sum = a, nested = a, maximum = a;
  for (int i = 0; i < 100; ++i) {
    square = square * square;
    sum = sum + Dim::symbol(cat("s", i));
    nested = (nested + Dim(1)).floor_div(2);
    maximum = Dim::max(maximum, maximum + Dim(1));
  }
  for (const Dim& dim : {square, sum, nested, maximum}) {
    EXPECT_FALSE(dim.known());
    EXPECT_LT(dim.text().size(), 20'000u);
    EXPECT_EQ(dim, dim + Dim(0));
  }
}

TEST(Dims, Broadcast) {
  EXPECT_EQ(*broadcast({2, 1}, {3}), (Dims{2, 3}));
  EXPECT_EQ(*broadcast({}, {}), Dims());
  EXPECT_EQ(*broadcast({}, {a}), (Dims{a}));
  EXPECT_EQ(*broadcast({a, 1}, {a, b}), (Dims{a, b}));
  EXPECT_EQ(*broadcast({1}, {0}), (Dims{0}));
  EXPECT_EQ(*broadcast({a}, {4}), (Dims{4}));
  EXPECT_EQ(dims_text(*broadcast({b}, {a})), "[broadcast(a, b)]");
  EXPECT_EQ(broadcast({2, 3}, {4}).status().message(), "shapes [2, 3] and [4] do not broadcast: 3 meets 4");
  EXPECT_FALSE(broadcast({0}, {2}).ok());
}

TEST(Dims, Parse) {
  EXPECT_EQ(*parse_dims("", "x"), Dims());
  EXPECT_EQ(*parse_dims(" [ ] ", "x"), Dims());
  EXPECT_EQ(*parse_dims("a, 3,b_2", "x"), (Dims{a, 3, Dim::symbol("b_2")}));
  EXPECT_EQ(*parse_dims("[2,3]", "x"), (Dims{2, 3}));
  Dims unknown = *parse_dims("?,?", "in");
  EXPECT_FALSE(unknown[0] == unknown[1]);
  EXPECT_EQ(dims_text(unknown), "[?in.0, ?in.1]");
  for (const char* bad :
       {",", "2,", ",2", "2,,3", "-1", "2.5", "a b", "3x", "a-b", "[2", "9223372036854775808", "\xc3\xa9"}) {
    EXPECT_FALSE(parse_dims(bad, "x").ok()) << bad;
  }
  EXPECT_EQ(parse_dims("-1", "x").status().message(), "dimension -1 is negative; write '?' for an unknown one");
}

TEST(Dims, Concrete) {
  EXPECT_TRUE(all_known({1, 2}));
  EXPECT_FALSE(all_known({1, a}));
  EXPECT_TRUE(all_known({}));
  EXPECT_EQ(to_shape({1, 2}), (Shape{1, 2}));
  EXPECT_EQ(to_dims({1, 2}), (Dims{1, 2}));
}

TEST(ElementCount, IsChecked) {
  EXPECT_EQ(*element_count({}), 1);
  EXPECT_EQ(*element_count({2, 3}), 6);
  EXPECT_EQ(*element_count({2, 0}), 0);
  EXPECT_EQ(*element_count({kMost}), kMost);
  EXPECT_EQ(*element_count({kMost, kMost, 0}), 0);
  EXPECT_EQ(element_count({kMost, 2}).status().code(), Code::kResourceExhausted);
  EXPECT_EQ(element_count({-1}).status().message(), "shape [-1] has a negative dimension");
  EXPECT_EQ(element_count({kMost, kMost, 0, -1}).status().code(), Code::kInvalidArgument);
  EXPECT_FALSE(element_count({0, -1}).ok());
  EXPECT_FALSE(element_count({kLeast}).ok());
}

}  // namespace
}  // namespace weft
