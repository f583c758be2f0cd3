// Tensors and the other kinds of values.
#include "core/tensor/tensor.h"

#include <gtest/gtest.h>

#include <limits>

namespace weft {
namespace {

TEST(Tensor, Empty) {
  Tensor none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.bytes(), 0);
  EXPECT_EQ(none.summary(), "none[]");
  EXPECT_TRUE(none.copy()->empty());
  EXPECT_TRUE(none.same_bits(Tensor()));
  EXPECT_FALSE(none.same_bits(Tensor::scalar(1.0f)));
}

TEST(Tensor, Make) {
  Tensor tensor = *Tensor::make(DType::kF64, {2, 3});
  EXPECT_EQ(tensor.count(), 6);
  EXPECT_EQ(tensor.bytes(), 48);
  EXPECT_EQ(tensor.rank(), 2);
  EXPECT_EQ(tensor.summary(), "f64[2, 3]");
  EXPECT_EQ(Tensor::make(DType::kI4, {3})->bytes(), 2);
  EXPECT_EQ(Tensor::make(DType::kF32, {0, 5})->bytes(), 0);
  EXPECT_EQ(Tensor::make(DType::kString, {2})->strings(), (std::vector<std::string>{"", ""}));
  int64_t most = std::numeric_limits<int64_t>::max();
  for (DType dtype : {DType::kF32, DType::kC128, DType::kU2, DType::kString}) {
    EXPECT_EQ(Tensor::make(dtype, {most}).status().code(), Code::kResourceExhausted);
    EXPECT_EQ(Tensor::make(dtype, {most, most}).status().code(), Code::kResourceExhausted);
    EXPECT_EQ(Tensor::make(dtype, {-1}).status().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(Tensor::make(DType::kC128, {int64_t{1} << 55}).status().code(), Code::kResourceExhausted);
  EXPECT_EQ(Tensor::make(DType::kNone, {1}).status().code(), Code::kInvalidArgument);
}

TEST(Tensor, FromBytes) {
  int32_t values[3] = {1, 2, 3};
  Tensor tensor = *Tensor::from_bytes(DType::kI32, {3}, values, 12);
  values[0] = 9;
  EXPECT_EQ(tensor.as<int32_t>()[0], 1);
  EXPECT_EQ(Tensor::from_bytes(DType::kI32, {3}, values, 11).status().message(),
            "i32[3] needs 12 bytes but 11 were given");
  EXPECT_FALSE(Tensor::from_bytes(DType::kI32, {int64_t{1} << 50}, values, 12).ok());
  EXPECT_FALSE(Tensor::from_bytes(DType::kString, {1}, values, 0).ok());
  EXPECT_TRUE(Tensor::from_bytes(DType::kI32, {0}, nullptr, 0).ok());
}

TEST(Tensor, OverABuffer) {
  auto buffer = *Buffer::allocate(16);
  EXPECT_EQ(Tensor::over(DType::kF32, {3}, buffer, 4)->data(), static_cast<char*>(buffer->data()) + 4);
  EXPECT_EQ(Tensor::over(DType::kF32, {3}, buffer, 8).status().message(),
            "f32[3] needs 12 bytes at offset 8 but the buffer has 16");
  EXPECT_EQ(Tensor::over(DType::kF32, {1}, buffer, 2).status().message(), "memory for f32 must be aligned to 4 bytes");
  EXPECT_TRUE(Tensor::over(DType::kU8, {1}, buffer, 3).ok());
  EXPECT_TRUE(Tensor::over(DType::kI4, {3}, buffer, 1).ok());
  EXPECT_TRUE(Tensor::over(DType::kC128, {}, *Buffer::allocate(24), 8).ok());
  EXPECT_TRUE(Tensor::over(DType::kF32, {0}, buffer, 16).ok());
  for (int64_t offset : {int64_t{-1}, int64_t{17}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_FALSE(Tensor::over(DType::kU8, {0}, buffer, offset).ok()) << offset;
  }
  EXPECT_FALSE(Tensor::over(DType::kF32, {int64_t{1} << 62}, buffer).ok());
  EXPECT_FALSE(Tensor::over(DType::kString, {1}, buffer).ok());
}

TEST(Tensor, SharesUntilCopied) {
  Tensor first = Tensor::vector<int64_t>({1, 2});
  Tensor second = first, copy = *first.copy();
  first.as<int64_t>()[0] = 7;
  EXPECT_EQ(second.as<int64_t>()[0], 7);
  EXPECT_EQ(copy.as<int64_t>()[0], 1);
  Tensor column = *first.reshaped({2, 1});
  EXPECT_EQ(column.data(), first.data());
  EXPECT_EQ(first.reshaped({3}).status().message(), "i64[2] cannot take the shape [3]");
  EXPECT_FALSE(Tensor::sequence({first}).reshaped({1}).ok());
  Tensor text = *Tensor::from_strings({1}, {"a"}), other = *text.copy();
  text.mutable_strings()[0] = "b";
  EXPECT_EQ(other.strings()[0], "a");
}

TEST(Tensor, KnowsWhetherItHoldsItsElementsAlone) {
  Tensor first = Tensor::vector<int64_t>({1, 2}), text = *Tensor::from_strings({1}, {"a"});
  Tensor none = Tensor::optional({}), one = Tensor::sequence({Tensor::scalar(1.0f)});
  EXPECT_TRUE(Tensor().alone() && first.alone() && text.alone() && none.alone() && one.alone());
  {
    Tensor second = *first.reshaped({2, 1}), other = text, both = Tensor::sequence({second, Tensor::scalar(1.0f)});
    EXPECT_FALSE(first.alone() || second.alone() || text.alone() || both.alone());
  }
  EXPECT_TRUE(first.alone() && text.alone());
  Tensor map = Tensor::map(Tensor::vector<int64_t>({1}), Tensor::vector<float>({3}));
  Tensor maps = Tensor::sequence({map});
  EXPECT_FALSE(map.alone() || maps.alone());
  map.clear();
  EXPECT_TRUE(maps.alone());
  Tensor fixed = first.read_only();
  first.clear();
  EXPECT_FALSE(fixed.alone());
}

TEST(Tensor, Strings) {
  std::string with_zero("a\0b", 3);
  Tensor tensor = *Tensor::from_strings({2, 1}, {with_zero, ""});
  EXPECT_EQ(tensor.strings()[0], with_zero);
  EXPECT_EQ(tensor.summary(), "string[2, 1]");
  EXPECT_EQ(tensor.bytes(), 0);
  EXPECT_EQ(Tensor::from_strings({2}, {"a"}).status().message(), "string[2] needs 2 strings but 1 were given");
  EXPECT_EQ(Tensor::from_strings(Shape(65, 1), {"a"}).status().message(),
            "a tensor has at most 64 dimensions but this one would have 65");
  EXPECT_TRUE(tensor.same_bits(*Tensor::from_strings({2, 1}, {with_zero, ""})));
  EXPECT_FALSE(tensor.same_bits(*Tensor::from_strings({2, 1}, {"a", ""})));
}

TEST(Tensor, OtherKinds) {
  Tensor sequence = Tensor::sequence({Tensor::scalar(1.0f), Tensor::vector<float>({1, 2})});
  EXPECT_EQ(sequence.kind(), Kind::kSequence);
  EXPECT_EQ(sequence.count(), 2);
  EXPECT_EQ(sequence.summary(), "sequence of 2");
  EXPECT_EQ(sequence.dtype(), DType::kF32);
  Tensor none = Tensor::optional({}), some = Tensor::optional({Tensor::scalar(1.0)});
  EXPECT_EQ(none.summary(), "optional, empty");
  EXPECT_EQ(some.summary(), "optional f64[]");
  EXPECT_FALSE(none.empty());
  Tensor map = Tensor::map(Tensor::vector<int64_t>({1, 2}), Tensor::vector<float>({3, 4}));
  EXPECT_EQ(map.summary(), "map of 2 from i64 to f32");
  EXPECT_EQ(map.items()[1].as<float>()[0], 3.0f);
  EXPECT_TRUE(sequence.same_bits(*sequence.copy()));
  EXPECT_FALSE(sequence.same_bits(Tensor::sequence({Tensor::scalar(1.0f)})));
  EXPECT_FALSE(none.same_bits(some));
  EXPECT_TRUE(Tensor::scalar(1).items().empty());
}

TEST(Tensor, ToInts) {
  using Ints = std::vector<int64_t>;
  EXPECT_EQ(*Tensor::vector<int64_t>({1, -2}).to_ints(), (Ints{1, -2}));
  EXPECT_EQ(*Tensor::vector<int32_t>({1, -2}).to_ints(), (Ints{1, -2}));
  EXPECT_EQ(*Tensor::scalar(true).to_ints(), (Ints{1}));
  EXPECT_EQ(*Tensor::make(DType::kI64, {0})->to_ints(), Ints());
  EXPECT_EQ(Tensor::scalar(1.0f).to_ints().status().message(), "expected an i32 or i64 tensor but got f32[]");
  EXPECT_FALSE(Tensor::sequence({Tensor::scalar<int64_t>(1)}).to_ints().ok());
}

TEST(Tensor, SameBitsMeansBits) {
  EXPECT_FALSE(Tensor::scalar(0.0f).same_bits(Tensor::scalar(-0.0f)));
  float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(Tensor::scalar(nan).same_bits(Tensor::scalar(nan)));
  EXPECT_FALSE(Tensor::vector<float>({1}).same_bits(Tensor::scalar(1.0f)));
  EXPECT_FALSE(Tensor::scalar<int32_t>(1).same_bits(Tensor::scalar<float>(1)));
  EXPECT_TRUE(Tensor::make(DType::kF32, {0})->same_bits(*Tensor::make(DType::kF32, {0})));
}

}  // namespace
}  // namespace weft
