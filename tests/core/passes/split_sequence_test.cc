// Parts that are taken from a sequence of parts become those of Split.
#include "tests/core/passes/rules_common.h"

namespace weft {
namespace {

Expr whole(Expr x, Expr split, Attrs attrs) { return make(x.scope(), "SplitToSequence", {x, split}, std::move(attrs)); }
Expr part(Expr sequence, int64_t i) {
  return make(sequence.scope(), "SequenceAt",
              {sequence, scalar(sequence.scope(), DType::kI64, static_cast<double>(i))});
}
std::vector<float> numbers_of(const Tensor& y) { return {y.as<float>(), y.as<float>() + y.count()}; }

TEST(SplitSequence, PartsOfOneLength) {
  RuleTest t;
  Expr x = t.input<float>({2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  Expr parts = whole(x, scalar(t.scope, DType::kI64, 2), {{"axis", -1}});
  EXPECT_EQ(t.left(part(parts, 0) + part(parts, -2)), "Split Add");
  EXPECT_EQ(numbers_of(t.run(part(parts, 0), {})), (std::vector<float>{0, 1, 5, 6}));
  EXPECT_EQ(numbers_of(t.run(part(parts, -2), {})), (std::vector<float>{2, 3, 7, 8}));
  EXPECT_EQ(numbers_of(t.run(part(parts, 2), {})), (std::vector<float>{4, 9}));
}

TEST(SplitSequence, PartsOfGivenLengths) {
  RuleTest t;
  Expr x = t.input<float>({5, 1}, {0, 1, 2, 3, 4});
  Expr parts = whole(x, constant_ints(t.scope, {1, 0, 4}), {{"axis", 0}});
  EXPECT_EQ(t.left(part(parts, 2)), "Split");
  EXPECT_EQ(numbers_of(t.run(part(parts, 2), {})), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(t.run(part(parts, 1), {}).shape(), (Shape{0, 1}));
}

TEST(SplitSequence, OtherSequencesStay) {
  RuleTest t;
  Expr x = t.input<float>({2, 2}, {0, 1, 2, 3}), one = scalar(t.scope, DType::kI64, 1);
  Expr place = t.input<int64_t>({}, {1}), parts = whole(x, one, {{"axis", 1}});
  EXPECT_EQ(t.left(make(t.scope, "SequenceAt", {parts, place})), "SplitToSequence SequenceAt");
  Expr rows = make(t.scope, "SplitToSequence", {x}, {{"axis", 0}, {"keepdims", 0}});
  EXPECT_EQ(t.left(part(rows, 1)), "SplitToSequence SequenceAt");
  EXPECT_EQ(numbers_of(t.run(part(rows, 1), {})), (std::vector<float>{2, 3}));
  EXPECT_EQ(t.left(part(parts, 0), {"split_sequence"}), "SplitToSequence SequenceAt");
}

}  // namespace
}  // namespace weft
