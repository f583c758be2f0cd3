// Sums of outer products over pixels, for every instruction set of this machine, against sums in whole numbers.
#include "core/simd/outer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/core/simd/series.h"

namespace weft {
namespace {

const OuterTable<float>& outer_table(Isa isa, float) { return outer_table_f32(isa); }
const OuterTable<double>& outer_table(Isa isa, double) { return outer_table_f64(isa); }

template <typename T>
class OuterTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(OuterTest, Types);

TYPED_TEST(OuterTest, EveryTile) {
  using T = TypeParam;
  struct Places {
    int64_t images, lines, places;
  };
  for (Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const OuterTable<T>& outer = outer_table(isa, T());
    for (int64_t rows = 1; rows <= outer.rows; ++rows) {
      for (int64_t columns : {int64_t{1}, outer.vector - 1, outer.vector, outer.vector + 1, outer.panel()}) {
        if (columns == 0) continue;
        for (const Places& n : {Places{1, 1, 1}, Places{2, 3, 5}, Places{3, 1, 4}}) {
          SCOPED_TRACE(std::string(isa_name(isa)) + ", " + std::to_string(rows) + " x " + std::to_string(columns));
          // Places overlap, as windows do, and nothing is read behind the last.
          const int64_t step = 2, line = n.places * step + 3, image = n.lines * line + 1, width = outer.width(columns);
          const int64_t last = (n.images - 1) * image + (n.lines - 1) * line + (n.places - 1) * step + rows;
          const int64_t b_line = (n.places + 1) * width, b_image = n.lines * b_line + width;
          const std::vector<T> a = whole_numbers<T>(last, 1);
          const std::vector<T> b = whole_numbers<T>(n.images * b_image, 2);
          // Behind the result everything stays as it was.
          std::vector<T> c = whole_numbers<T>(rows * width, 3), wanted = c;
          c.push_back(std::numeric_limits<T>::quiet_NaN());
          for (int64_t place = 0; place < n.images * n.lines * n.places; ++place) {
            const int64_t i = place / (n.lines * n.places), l = place / n.places % n.lines, q = place % n.places;
            const T *left = a.data() + i * image + l * line + q * step, *right = b.data() + i * b_image + l * b_line;
            for (int64_t j = 0; j < rows * width; ++j) {
              wanted[static_cast<size_t>(j)] += left[j / width] * right[q * width + j % width];
            }
          }
          outer.run({rows, columns, n.images, n.lines, n.places, a.data(), image, line, step, b.data(), b_image, b_line,
                     c.data()});
          EXPECT_TRUE(std::isnan(c.back()));
          c.pop_back();
          ASSERT_EQ(c, wanted);
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
