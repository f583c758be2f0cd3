// Kernel of Tokenizer.
#include <algorithm>

#include "core/base/text.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/regex_common.h"

namespace weft {
namespace {

using Tokens = std::vector<std::string_view>;

struct Tokenizing {
  bool characters = false;  // each is a token
  bool separates = false;   // the patterns match what is between tokens, not tokens
  std::vector<Regex> patterns;
  size_t least = 1;  // characters of a token
  bool marks = false;
  std::string pad;
};

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

size_t characters_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

Status no_memory() { return make_error(Code::kResourceExhausted, "there is no memory to match strings in"); }

// Calls `fn` with the begin and end of each match that is not empty.
template <typename Fn>
Status for_matches(const Regex& regex, std::string_view text, Fn&& fn) {
  for (size_t from = 0; from < text.size();) {
    size_t begin = 0, end = 0;
    const int32_t found = regex.find(text, from, &begin, &end);
    if (found < 0) return no_memory();
    if (found == 0) return {};
    if (end > begin) {
      fn(begin, end);
      from = end;
    } else {
      from = begin + 1;
      while (from < text.size() && !begins_character(text[from])) ++from;
    }
  }
  return {};
}

Tokens characters(std::string_view text) {
  Tokens out;
  for (size_t begin = 0, end = 1; begin < text.size(); begin = end++) {
    while (end < text.size() && !begins_character(text[end])) ++end;
    out.push_back(text.substr(begin, end - begin));
  }
  return out;
}

// What is left between the matches of the patterns, one after the other.
Result<Tokens> separated(const std::vector<Regex>& separators, std::string_view text) {
  Tokens pieces = {text};
  for (const Regex& separator : separators) {
    Tokens next;
    for (std::string_view piece : pieces) {
      size_t done = 0;
      WEFT_CHECK(for_matches(separator, piece, [&](size_t begin, size_t end) {
        next.push_back(piece.substr(done, begin - done));
        done = end;
      }));
      next.push_back(piece.substr(done));
    }
    pieces = std::move(next);
  }
  return pieces;
}

Result<Tokens> tokens_of(const Tokenizing& s, std::string_view text) {
  if (!is_utf8(text)) return invalid("the string '", readable(text), "' is not UTF-8");
  if (s.characters) return characters(text);
  Tokens found;
  if (s.separates) {
    WEFT_TRY(found, separated(s.patterns, text));
  } else {
    WEFT_CHECK(for_matches(s.patterns[0], text,
                           [&](size_t begin, size_t end) { found.push_back(text.substr(begin, end - begin)); }));
  }
  std::erase_if(found, [&](std::string_view token) { return token.empty() || characters_of(token) < s.least; });
  return found;
}

Status tokenize(const Tokenizing& s, TensorArgs& args) {
  const std::vector<std::string>& x = args.in[0].strings();
  std::vector<Tokens> rows;
  size_t most = 0;
  for (const std::string& text : x) {
    WEFT_TRY(Tokens tokens, tokens_of(s, text));
    most = std::max(most, tokens.size());
    rows.push_back(std::move(tokens));
  }
  if (s.marks && most > 0) most += 2;
  Shape shape = args.in[0].shape();
  shape.push_back(static_cast<int64_t>(most));
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, std::move(shape)));
  auto y = args.out[0].mutable_strings().begin();
  for (const Tokens& tokens : rows) {
    const auto end = y + static_cast<std::ptrdiff_t>(most);
    const bool marks = s.marks && most > 0;
    if (marks) *y++ = "\x02";  // start of text
    y = std::copy(tokens.begin(), tokens.end(), y);
    if (marks) *y++ = "\x03";  // end of text
    y = std::fill_n(y, end - y, s.pad);
  }
  return {};
}

Status prepare_tokenizer(const KernelContext& c, PreparedKernel* prepared) {
  Tokenizing state;
  std::vector<std::string> patterns =
      c.attrs().find("separators") != nullptr ? c.attrs().find("separators")->strings() : std::vector<std::string>();
  state.separates = !patterns.empty();
  if (!state.separates) patterns = {c.attrs().s("tokenexp")};
  state.characters = state.separates && patterns == std::vector<std::string>{""};
  for (const std::string& pattern : patterns) {
    if (state.characters) break;
    WEFT_TRY(Regex regex, Regex::compile(pattern));
    state.patterns.push_back(std::move(regex));
  }
  state.least = static_cast<size_t>(c.attrs().i("mincharnum"));
  state.marks = c.attrs().i("mark") != 0;
  state.pad = c.attrs().s("pad_value");
  prepared->use_tensors<&tokenize>(std::move(state));
  return {};
}

}  // namespace

void add_cpu_tokenizer(KernelRegistry& kernels) {
  kernels.add("com.microsoft.Tokenizer", {"re2", nullptr, prepare_tokenizer});
}

}  // namespace weft
