// Reading the equation of an Einsum.
#include "core/ops/einsum_common.h"

#include <algorithm>

namespace weft {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A term of letters with at most one ellipsis, which becomes a '.'.
Result<std::string> read_term(std::string_view text, std::string_view equation) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text.substr(i, 3) == "...") {
      if (out.find('.') != std::string::npos)
        return invalid("a term of the equation \"", equation, "\" has two ellipses");
      out += '.';
      i += 2;
    } else if (is_letter(text[i])) {
      out += text[i];
    } else {
      return invalid("the equation \"", equation, "\" has '", text[i],
                     "', but its terms are made of letters and \"...\"");
    }
  }
  return out;
}

int64_t occurrences(const std::vector<std::string>& terms, char letter) {
  int64_t count = 0;
  for (const std::string& term : terms) count += std::count(term.begin(), term.end(), letter);
  return count;
}

}  // namespace

Result<Equation> Equation::read(std::string_view text, int inputs) {
  Equation out;
  const size_t arrow = text.find("->");
  out.implied = arrow == std::string_view::npos;
  std::string_view left = text.substr(0, arrow);
  for (;;) {
    const size_t comma = left.find(',');
    WEFT_TRY(std::string term, read_term(left.substr(0, comma), text));
    out.terms.push_back(std::move(term));
    if (comma == std::string_view::npos) break;
    left.remove_prefix(comma + 1);
  }
  if (static_cast<int>(out.terms.size()) != inputs) {
    return invalid("the equation \"", text, "\" has ", out.terms.size(), " terms for ", inputs, " inputs");
  }
  if (out.implied) {
    out.output = ".";
    for (int letter = 'A'; letter <= 'z'; ++letter) {
      const char c = static_cast<char>(letter);
      if (is_letter(c) && occurrences(out.terms, c) == 1) out.output += c;
    }
    return out;
  }
  WEFT_TRY(out.output, read_term(text.substr(arrow + 2), text));
  for (char c : out.output) {
    if (c == '.') continue;
    if (std::count(out.output.begin(), out.output.end(), c) > 1) {
      return invalid("the output of the equation \"", text, "\" has '", c, "' twice");
    }
    if (occurrences(out.terms, c) == 0) {
      return invalid("the output of the equation \"", text, "\" has '", c, "', which no input has");
    }
  }
  return out;
}

Result<std::vector<Label>> Equation::labels(int i, int64_t rank) const {
  const std::string& term = terms[static_cast<size_t>(i)];
  const bool open = term.find('.') != std::string::npos;
  const int64_t letters = static_cast<int64_t>(term.size()) - open;
  if (open ? rank < letters : rank != letters) {
    return invalid("input ", i, " has ", rank, " axes, but its term of the equation has ", open ? "at least " : "",
                   letters);
  }
  std::vector<Label> out;
  for (char c : term) {
    if (c != '.') {
      out.push_back(c);
    } else {
      for (int64_t k = rank - letters; k >= 1; --k) out.push_back(static_cast<Label>(-k));
    }
  }
  return out;
}

std::vector<Label> Equation::output_labels(int64_t broadcast) const {
  std::vector<Label> out;
  for (char c : output) {
    if (c != '.') {
      out.push_back(c);
    } else {
      for (int64_t k = broadcast; k >= 1; --k) out.push_back(static_cast<Label>(-k));
    }
  }
  return out;
}

int64_t ellipsis_axes(const std::vector<Label>& labels) {
  return std::count_if(labels.begin(), labels.end(), [](Label label) { return label < 0; });
}

std::string label_text(Label label) {
  return label < 0 ? cat("axis ", label, " of the ellipsis") : cat("axis '", static_cast<char>(label), "'");
}

}  // namespace weft
