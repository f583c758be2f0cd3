// One dimension of a shape: a number, or sums and products of symbols.
#include "core/tensor/dim.h"

#include <algorithm>

namespace weft {

Dim Dim::symbol(std::string name) { return from_terms({Term{{std::move(name)}, 1}}); }

Dim Dim::from_terms(Terms terms) {
  std::sort(terms.begin(), terms.end(),
            [](const Term& a, const Term& b) { return a.symbols < b.symbols; });
  Terms merged;
  for (Term& term : terms) {
    if (!merged.empty() && merged.back().symbols == term.symbols) {
      merged.back().coefficient += term.coefficient;
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
  return std::equal(terms_->begin(), terms_->end(), other.terms_->begin(), other.terms_->end(),
                    [](const Term& a, const Term& b) {
                      return a.coefficient == b.coefficient && a.symbols == b.symbols;
                    });
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
  if (known() && other.known()) return Dim(value_ + other.value_);
  Terms sum = terms();
  for (Term& term : other.terms()) sum.push_back(std::move(term));
  return from_terms(std::move(sum));
}

Dim Dim::operator-(const Dim& other) const { return *this + other * Dim(-1); }

Dim Dim::operator*(const Dim& other) const {
  if (known() && other.known()) return Dim(value_ * other.value_);
  Terms product;
  for (const Term& a : terms()) {
    for (const Term& b : other.terms()) {
      Term term{a.symbols, a.coefficient * b.coefficient};
      term.symbols.insert(term.symbols.end(), b.symbols.begin(), b.symbols.end());
      std::sort(term.symbols.begin(), term.symbols.end());
      product.push_back(std::move(term));
    }
  }
  return from_terms(std::move(product));
}

Result<Dim> Dim::exact_div(const Dim& divisor) const {
  if (*this == divisor && !divisor.is(0)) return Dim(1);
  Terms below = divisor.terms();
  if (below.size() != 1) return invalid(text(), " is not a multiple of ", divisor.text());
  Terms quotient;
  for (Term term : terms()) {
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
    int64_t quotient = value_ / divisor.value_;
    if (value_ % divisor.value_ != 0 && (value_ < 0) != (divisor.value_ < 0)) --quotient;
    return Dim(quotient);
  }
  Result<Dim> exact = exact_div(divisor);
  if (exact.ok()) return *exact;
  return symbol(cat("floor((", text(), ")/(", divisor.text(), "))"));
}

Dim Dim::ceil_div(const Dim& divisor) const { return (*this + divisor - Dim(1)).floor_div(divisor); }

Dim Dim::max(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.known() && b.known()) return std::max(a.value_, b.value_);
  std::string first = a.text(), second = b.text();
  if (second < first) std::swap(first, second);
  return symbol(cat("max(", first, ", ", second, ")"));
}

Dim Dim::min(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.known() && b.known()) return std::min(a.value_, b.value_);
  std::string first = a.text(), second = b.text();
  if (second < first) std::swap(first, second);
  return symbol(cat("min(", first, ", ", second, ")"));
}

std::string Dim::text() const {
  if (known()) return cat(value_);
  std::string out;
  // The constant part sorts first and reads better last.
  auto write = [&out](const Term& term) {
    int64_t magnitude = term.coefficient;
    if (out.empty()) {
      if (magnitude < 0 && !term.symbols.empty()) {
        out += '-';
        magnitude = -magnitude;
      }
    } else {
      out += magnitude < 0 ? " - " : " + ";
      magnitude = magnitude < 0 ? -magnitude : magnitude;
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
  int64_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0) return invalid("shape ", shape_text(shape), " has a negative dimension");
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
      return invalid("shapes ", dims_text(a), " and ", dims_text(b), " do not broadcast: ", x.text(),
                     " meets ", y.text());
    } else if (x.known()) {
      out[i] = x;
    } else if (y.known()) {
      out[i] = y;
    } else {
      std::string first = x.text(), second = y.text();
      if (second < first) std::swap(first, second);
      out[i] = Dim::symbol(cat("broadcast(", first, ", ", second, ")"));
    }
  }
  return out;
}

}  // namespace weft
