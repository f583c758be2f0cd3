// One dimension of a shape: a number, or sums and products of symbols such as "batch".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace weft {

class Dim {
 public:
  Dim() = default;
  Dim(int64_t value) : value_(value) {}
  // A symbol; equal names in one graph mean equal dimensions.
  static Dim symbol(std::string name);

  bool known() const { return terms_ == nullptr; }
  int64_t value() const { return value_; }  // only when known
  bool is(int64_t value) const { return known() && value_ == value; }

  // True only if both are the same for every value of the symbols.
  bool operator==(const Dim& other) const;
  // True if it is at least 0 for every value of the symbols, as far as the form of the expression tells.
  bool never_negative() const;
  Dim operator+(const Dim& other) const;
  Dim operator-(const Dim& other) const;
  Dim operator*(const Dim& other) const;
  // Quotient rounded down, by a positive number: exact where every coefficient divides, else a new symbol named
  // after the expression.
  Dim floor_div(const Dim& divisor) const;
  Dim ceil_div(const Dim& divisor) const;
  // The quotient if `divisor` divides for all values of the symbols.
  Result<Dim> exact_div(const Dim& divisor) const;

  static Dim max(const Dim& a, const Dim& b);
  static Dim min(const Dim& a, const Dim& b);

  std::string text() const;  // "3*batch + 1"

 private:
  // coefficient * product of the symbols; a term with no symbols is the constant part.
  struct Term {
    std::vector<std::string> symbols;  // sorted
    int64_t coefficient;
  };
  using Terms = std::vector<Term>;  // sorted by symbols, no zero coefficients

  static Dim from_terms(Terms terms);
  Terms terms() const;

  int64_t value_ = 0;
  std::shared_ptr<const Terms> terms_;
};

inline void append_text(std::string& out, const Dim& dim) { out += dim.text(); }

// No value has more dimensions.
constexpr int64_t kMostAxes = 64;

// Dimensions of a value whose rank is known.
using Dims = std::vector<Dim>;
// Concrete dimensions.
using Shape = std::vector<int64_t>;

std::string shape_text(const Shape& shape);  // "[2, 3]"
std::string dims_text(const Dims& dims);     // "[batch, 3]"
Dims to_dims(const Shape& shape);
// Nothing known to be a number is left out: an error names the first symbol.
bool all_known(const Dims& dims);
Shape to_shape(const Dims& dims);  // only when all are known
// Product; an error if it does not fit 63 bits or a dimension is negative.
Result<int64_t> element_count(const Shape& shape);
// "batch,3,?" : numbers, names and "?" for a dimension of its own; "" is a scalar. `fresh` names the "?" ones.
Result<Dims> parse_dims(std::string_view text, std::string_view fresh);
// Nothing that is known keeps the two from being the same shape.
bool may_equal(const Dims& a, const Dims& b);
// NumPy broadcasting of two shapes.
Result<Dims> broadcast(const Dims& a, const Dims& b);

}  // namespace weft
