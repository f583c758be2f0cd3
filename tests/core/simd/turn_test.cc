// Transposes of every size of elements, for every instruction set of this machine, against the definition.
#include "core/simd/turn.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft {
namespace {

template <typename T>
class TurnTest : public testing::Test {};
using Elements = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(TurnTest, Elements);

// Nothing behind the last line is read (which tools that look at memory would tell), and nothing beside the result is written.
template <typename T>
void expect_turned(Isa isa, int64_t lines, int64_t length, int64_t distance, int64_t to_row) {
  SCOPED_TRACE(std::string(isa_name(isa)) + ", " + std::to_string(lines) + " lines of " + std::to_string(length) +
               ", " + std::to_string(distance) + " apart, to rows " + std::to_string(to_row) + " apart");
  std::vector<T> from(static_cast<size_t>((lines - 1) * distance + length));
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i * 0x9e3779b97f4a7c15u >> 7);
  constexpr T kUntouched = static_cast<T>(0xa5);
  std::vector<T> to(static_cast<size_t>(length * to_row + 1), kUntouched), wanted = to;
  for (int64_t j = 0; j < lines; ++j) {
    for (int64_t i = 0; i < length; ++i) {
      wanted[static_cast<size_t>(i * to_row + j)] = from[static_cast<size_t>(j * distance + i)];
    }
  }
  turn(isa, from.data(), distance, lines, length, to.data(), to_row);
  ASSERT_EQ(to, wanted);
}

// Whole tiles, their edges, and lines of 2 to 4 elements side by side, as the colors of pixels are.
TYPED_TEST(TurnTest, EverySize) {
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (int64_t lines : {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 71, 130}) {
      for (int64_t length : {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 71, 130}) {
        for (int64_t apart : {0, 3}) {
          expect_turned<TypeParam>(isa, lines, length, length + apart, lines);
          expect_turned<TypeParam>(isa, lines, length, length + apart, lines + 2);
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
