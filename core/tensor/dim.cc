// One dimension of a shape: a number, or sums and products of symbols.
#include "core/tensor/dim.h"

#include <algorithm>
#include <limits>

#include "core/base/philox.h"

namespace weft {

namespace {

// A model may write any number into a shape: what would overflow stays as large as it gets, and
// fails as a size.
int64_t add(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

int64_t multiply(int64_t a, int64_t b) {
  int64_t product;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) != (b < 0) ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

constexpr size_t kMostTerms = 64, kMostFactors = 16, kLongestName = 200;

// A symbol named after an expression. A long one is named after the expression's hash, so that
// names cannot double with every operator of a model.
Dim named(std::string expression) {
  if (expression.size() > kLongestName) {
    expression = cat("expression#", hash_name(expression), ".", expression.size());
  }
  return Dim::symbol(std::move(expression));
}

// max(a, b) and the like, the same symbol for both orders of the arguments.
Dim symmetric(std::string_view function, const Dim& a, const Dim& b) {
  std::string first = a.text(), second = b.text();
  if (second < first) std::swap(first, second);
  return named(cat(function, "(", first, ", ", second, ")"));
}

}  // namespace

Dim Dim::symbol(std::string name) { return from_terms({Term{{std::move(name)}, 1}}); }

Dim Dim::from_terms(Terms terms) {
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return a.symbols < b.symbols; });
  Terms merged;
  for (Term& term : terms) {
    if (!merged.empty() && merged.back().symbols == term.symbols) {
      merged.back().coefficient = add(merged.back().coefficient, term.coefficient);
    } else {
      merged.push_back(std::move(term));
    }
  }
  std::erase_if(merged, [](const Term& term) { return term.coefficient == 0; });
  if (merged.empty()) return Dim(0);
  if (merged.size() == 1 && merged[0].symbols.empty()) return Dim(merged[0].coefficient);
  Dim out;
  out.terms_ = std::make_shared<const Terms>(std::move(merged));
  return out;
}

Dim::Terms Dim::terms() const {
  if (terms_) return *terms_;
  if (value_ == 0) return {};
  return {Term{{}, value_}};
}

bool Dim::operator==(const Dim& other) const {
  if (known() != other.known()) return false;
  if (known()) return value_ == other.value_;
  if (terms_ == other.terms_) return true;
  return std::equal(
      terms_->begin(), terms_->end(), other.terms_->begin(), other.terms_->end(),
      [](const Term& a, const Term& b) { return a.coefficient == b.coefficient && a.symbols == b.symbols; });
}

bool Dim::never_negative() const {
  if (known()) return value_ >= 0;
  for (const Term& term : *terms_) {
    if (term.coefficient < 0) return false;
    for (const std::string& symbol : term.symbols) {
      // Names made of an expression say nothing about its sign; all others stand for dimensions.
      if (symbol.find('(') != std::string::npos) return false;
    }
  }
  return true;
}

Dim Dim::operator+(const Dim& other) const {
  if (known() && other.known()) return Dim(add(value_, other.value_));
  Terms sum = terms();
  for (Term& term : other.terms()) sum.push_back(std::move(term));
  if (sum.size() > kMostTerms) return named(cat(text(), " + ", other.text()));
  return from_terms(std::move(sum));
}

Dim Dim::operator-(const Dim& other) const { return *this + other * Dim(-1); }

Dim Dim::operator*(const Dim& other) const {
  if (known() && other.known()) return Dim(multiply(value_, other.value_));
  Terms left = terms(), right = other.terms(), product;
  auto too_large = [&] { return named(cat("(", text(), ")*(", other.text(), ")")); };
  if (left.size() * right.size() > kMostTerms) return too_large();
  for (const Term& a : left) {
    for (const Term& b : right) {
      Term term{a.symbols, multiply(a.coefficient, b.coefficient)};
      term.symbols.insert(term.symbols.end(), b.symbols.begin(), b.symbols.end());
      if (term.symbols.size() > kMostFactors) return too_large();
      std::sort(term.symbols.begin(), term.symbols.end());
      product.push_back(std::move(term));
    }
  }
  return from_terms(std::move(product));
}

Result<Dim> Dim::exact_div(const Dim& divisor) const {
  if (*this == divisor && !divisor.is(0)) return Dim(1);
  if (divisor.is(-1)) return *this * divisor;  // the smallest number has no opposite
  Terms below = divisor.terms();
  if (below.size() != 1) return invalid(text(), " is not a multiple of ", divisor.text());
  Terms quotient;
  for (Term term : terms()) {
    // The smallest number has no opposite: the processor traps.
    if (below[0].coefficient == -1 && term.coefficient == std::numeric_limits<int64_t>::min()) {
      return invalid(text(), " over ", divisor.text(), " does not fit 64 bits");
    }
    if (term.coefficient % below[0].coefficient != 0) {
      return invalid(text(), " is not a multiple of ", divisor.text());
    }
    term.coefficient /= below[0].coefficient;
    for (const std::string& symbol : below[0].symbols) {
      auto at = std::find(term.symbols.begin(), term.symbols.end(), symbol);
      if (at == term.symbols.end()) return invalid(text(), " is not a multiple of ", divisor.text());
      term.symbols.erase(at);
    }
    quotient.push_back(std::move(term));
  }
  return from_terms(std::move(quotient));
}

Dim Dim::floor_div(const Dim& divisor) const {
  if (known() && divisor.known() && divisor.value_ != 0) {
    if (divisor.value_ == -1) return *this * divisor;
    int64_t quotient = value_ / divisor.value_;
    if (value_ % divisor.value_ != 0 && (value_ < 0) != (divisor.value_ < 0)) --quotient;
    return Dim(quotient);
  }
  Result<Dim> exact = exact_div(divisor);
  if (exact.ok()) return *exact;
  return named(cat("floor((", text(), ")/(", divisor.text(), "))"));
}

Dim Dim::ceil_div(const Dim& divisor) const { return (*this + divisor - Dim(1)).floor_div(divisor); }

Dim Dim::max(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.known() && b.known()) return std::max(a.value_, b.value_);
  return symmetric("max", a, b);
}

Dim Dim::min(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.known() && b.known()) return std::min(a.value_, b.value_);
  return symmetric("min", a, b);
}

std::string Dim::text() const {
  if (known()) return cat(value_);
  std::string out;
  // The constant part sorts first and reads better last.
  auto write = [&out](const Term& term) {
    bool negative = term.coefficient < 0;
    uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(term.coefficient) : term.coefficient;
    if (!out.empty()) {
      out += negative ? " - " : " + ";
    } else if (negative) {
      out += '-';
    }
    if (term.symbols.empty()) {
      out += cat(magnitude);
      return;
    }
    if (magnitude != 1) out += cat(magnitude, "*");
    out += join(term.symbols, "*");
  };
  for (const Term& term : *terms_) {
    if (!term.symbols.empty()) write(term);
  }
  if (terms_->front().symbols.empty()) write(terms_->front());
  return out;
}

std::string shape_text(const Shape& shape) { return cat("[", join(shape), "]"); }
std::string dims_text(const Dims& dims) { return cat("[", join(dims), "]"); }
Dims to_dims(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

bool all_known(const Dims& dims) {
  return std::all_of(dims.begin(), dims.end(), [](const Dim& dim) { return dim.known(); });
}

Shape to_shape(const Dims& dims) {
  Shape out;
  out.reserve(dims.size());
  for (const Dim& dim : dims) out.push_back(dim.value());
  return out;
}

Result<int64_t> element_count(const Shape& shape) {
  for (int64_t dim : shape) {
    if (dim < 0) return invalid("shape ", shape_text(shape), " has a negative dimension");
  }
  int64_t count = 1;
  for (int64_t dim : shape) {
    if (__builtin_mul_overflow(count, dim, &count)) {
      // A zero further on makes the product fit after all.
      if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return int64_t{0};
      return Status(Code::kResourceExhausted, cat("shape ", shape_text(shape), " has too many elements"));
    }
  }
  return count;
}

Result<Dims> parse_dims(std::string_view text, std::string_view fresh) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = trim(text.substr(1, text.size() - 2));
  }
  Dims out;
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view item = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (comma != std::string_view::npos && trim(text).empty()) {
      return invalid("a shape must not end in a comma");
    }
    if (item.empty()) return invalid("a shape has an empty dimension; write a number, a name or '?'");
    if (item == "?") {
      out.push_back(Dim::symbol(cat("?", fresh, ".", out.size())));
      continue;
    }
    if (auto number = parse_int(item)) {
      if (*number < 0) return invalid("dimension ", *number, " is negative; write '?' for an unknown one");
      out.push_back(Dim(*number));
      continue;
    }
    bool name = (item[0] >= 'a' && item[0] <= 'z') || (item[0] >= 'A' && item[0] <= 'Z') || item[0] == '_';
    for (char c : item) {
      name = name && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
    }
    if (!name) {
      return invalid("dimension '", item, "' is neither a number nor a name of letters, digits and '_'");
    }
    out.push_back(Dim::symbol(std::string(item)));
  }
  return out;
}

bool may_equal(const Dims& a, const Dims& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Dim& x, const Dim& y) { return x == y || !x.known() || !y.known(); });
}

Result<Dims> broadcast(const Dims& a, const Dims& b) {
  size_t rank = std::max(a.size(), b.size());
  Dims out(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim one(1);
    const Dim& x = i + a.size() >= rank ? a[i + a.size() - rank] : one;
    const Dim& y = i + b.size() >= rank ? b[i + b.size() - rank] : one;
    if (x == y || y.is(1)) {
      out[i] = x;
    } else if (x.is(1)) {
      out[i] = y;
    } else if (x.known() && y.known()) {
      return invalid("shapes ", dims_text(a), " and ", dims_text(b), " do not broadcast: ", x.text(), " meets ",
                     y.text());
    } else if (x.known()) {
      out[i] = x;
    } else if (y.known()) {
      out[i] = y;
    } else {
      out[i] = symmetric("broadcast", x, y);
    }
  }
  return out;
}

}  // namespace weft
