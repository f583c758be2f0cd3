// Loop and Scan whose items are of 4 and 2 bits: they do not begin at bytes, and are stacked as ONNX packs them, the first in
// the lowest bits. Expected bytes are worked out by hand.
#include "tests/core/runtime/subgraph_common.h"

namespace weft {
namespace {

using Bytes = std::vector<uint8_t>;

Tensor of_bytes(DType dtype, Shape shape, const Bytes& bytes) {
  return *Tensor::from_bytes(dtype, std::move(shape), bytes.data(), static_cast<int64_t>(bytes.size()));
}

Bytes bytes_in(const Tensor& tensor) {
  const auto* begin = static_cast<const uint8_t*>(tensor.data());
  return Bytes(begin, begin + tensor.bytes());
}

// What a Scan gives that hands on its items: as one plan for all iterations, or where strings keep it from being one. The
// attribute `one` is 1 for the items: an axis, or the direction from the end.
Bytes scanned(const Tensor& x, bool flat, const char* one = nullptr) {
  TestModel m;
  Expr in = m.input("x", x.dtype(), to_dims(x.shape())), text = m.input("text", DType::kString, {3});
  Body body(m.graph);
  Expr item = body.input("item", x.dtype(), {3});
  std::vector<Expr> items{in}, results{make(*body.scope, "Identity", {item})};
  std::vector<Tensor> feeds{x};
  std::vector<Expr> fed{in};
  if (!flat) {
    items.push_back(text);
    results.push_back(make(*body.scope, "Identity", {body.input("letter", DType::kString, {})}));
    feeds.push_back(*Tensor::from_strings({3}, {"a", "b", "c"}));
    fed.push_back(text);
  }
  body.returns(results);
  Attrs attrs;
  if (one != nullptr) attrs.set(one, flat ? std::vector<int64_t>{1} : std::vector<int64_t>{1, 0});
  std::vector<Expr> y = scan(m.scope, {}, items, body, std::move(attrs));
  Result<std::vector<Tensor>> out = m.run(fed, feeds, y);
  EXPECT_TRUE(out.ok()) << out.status().text();
  return out.ok() ? bytes_in((*out)[0]) : Bytes();
}

struct Square {  // three rows of three, as they are packed
  DType dtype;
  Bytes rows, columns, from_the_end;
};
// 1 to 9, and 1 2 3, 0 1 2, 3 0 1.
const Square kSquares[] = {
    {DType::kU4, {0x21, 0x43, 0x65, 0x87, 0x09}, {0x41, 0x27, 0x85, 0x63, 0x09}, {0x87, 0x49, 0x65, 0x21, 0x03}},
    {DType::kI4, {0x21, 0x43, 0x65, 0x87, 0x09}, {0x41, 0x27, 0x85, 0x63, 0x09}, {0x87, 0x49, 0x65, 0x21, 0x03}},
    {DType::kF4E2M1, {0x21, 0x43, 0x65, 0x87, 0x09}, {0x41, 0x27, 0x85, 0x63, 0x09}, {0x87, 0x49, 0x65, 0x21, 0x03}},
    {DType::kU2, {0x39, 0x39, 0x01}, {0xb1, 0xb1, 0x01}, {0x13, 0x99, 0x03}},
    {DType::kI2, {0x39, 0x39, 0x01}, {0xb1, 0xb1, 0x01}, {0x13, 0x99, 0x03}},
};

TEST(PackedItems, AreScannedAndStacked) {
  for (const Square& square : kSquares) {
    const Tensor x = of_bytes(square.dtype, {3, 3}, square.rows);
    for (bool flat : {true, false}) {
      EXPECT_EQ(scanned(x, flat), square.rows) << dtype_name(square.dtype);
      EXPECT_EQ(scanned(x, flat, "scan_output_axes"), square.columns) << dtype_name(square.dtype);
      EXPECT_EQ(scanned(x, flat, "scan_input_axes"), square.columns) << dtype_name(square.dtype);
      EXPECT_EQ(scanned(x, flat, "scan_output_directions"), square.from_the_end) << dtype_name(square.dtype);
      EXPECT_EQ(scanned(x, flat, "scan_input_directions"), square.from_the_end) << dtype_name(square.dtype);
    }
  }
}

// Each iteration gives the last four bits of its number; the loop goes on while the next number is below n, or as often as
// it is told. 9001 are more than the room that is made at first.
TEST(PackedItems, OfALoopAreStacked) {
  for (bool counted : {false, true}) {
    TestModel m;
    Expr n = m.input("n", DType::kI64, {});
    LoopBody body(m.graph, {});
    ExprScope& s = *body.scope;
    Expr item = cast(make(s, "Mod", {body.number, constant_int(s, 16)}), DType::kU4);
    Expr more = make(s, "Less", {body.number + constant_int(s, 1), body.use(n)});
    body.returns({counted ? body.condition : more, item});
    Expr y = loop(m.scope, counted ? n : Expr(), {}, {}, body)[0];
    for (int64_t count : {1, 4, 5, 9001}) {
      Result<std::vector<Tensor>> out = m.run({n}, {count_of(count)}, {y});
      ASSERT_TRUE(out.ok()) << out.status().text();
      ASSERT_EQ((*out)[0].shape(), (Shape{count}));
      Bytes wanted;
      for (int64_t i = 0; i < count; i += 2) {
        const int64_t second = i + 1 < count ? (i + 1) % 16 : 0;
        wanted.push_back(static_cast<uint8_t>(i % 16 + 16 * second));
      }
      EXPECT_EQ(bytes_in((*out)[0]), wanted);
    }
    if (!counted) continue;
    Result<std::vector<Tensor>> none = m.run({n}, {count_of(0)}, {y});
    ASSERT_TRUE(none.ok()) << none.status().text();
    EXPECT_EQ((*none)[0].summary(), "u4[0]");
  }
}

}  // namespace
}  // namespace weft
