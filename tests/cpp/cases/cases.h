// What the tests that bindings/gen makes of tests/ops call: they build an operator through its C++ function, run it, and
// compare.
#pragma once

#include <gtest/gtest.h>

#include "weft.hpp"

namespace weft_cases {

using Values = std::vector<weft::Value>;

// A tensor by its type, such as "f32[2,3]", and its elements, words with blanks between; strings stand in quotes. The type
// "seq" is a sequence, whose items are "f32[2]{1 2} f32[]{3}". Without a type it is an input that is omitted, or an output
// that is not compared.
struct Literal {
  const char* type = nullptr;
  const char* words = nullptr;
};
using Literals = std::initializer_list<Literal>;

// A case under way.
struct Case {
  weft::Graph graph;
  weft::Feeds feeds;
  Values x;      // the inputs
  int line = 0;  // where the operator is added

  Values from(size_t first) const { return Values(x.begin() + static_cast<std::ptrdiff_t>(first), x.end()); }
};

struct Name {
  const char* text;
  int opset;
  Name(const char* name, int version = 0) : text(name), opset(version) {}
};

// Adds the operator.
using Build = Values (*)(Case&);

class Cases : public testing::Test {
 protected:
  ~Cases() override { EXPECT_EQ(weft::live_objects(), 0); }
  // The operator gives `want`, floating-point numbers nearly.
  static void gives(const Name& name, Literals inputs, Build build, Literals want, double relative, double absolute);
  // It fails when it is added or run, with `part` in the message, and the error names the line that added it.
  static void fails(const Name& name, Literals inputs, Build build, int32_t code, const char* part,
                    const char* file = __builtin_FILE());
};

weft::Tensor tensor(const char* type, const char* words);
// Reads infinities and NaN too.
double number(const char* word);

}  // namespace weft_cases
