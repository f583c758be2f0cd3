// Kernels of StringConcat, StringSplit and StringNormalizer.
#include <algorithm>
#include <unordered_set>

#include "core/base/letter_case.h"
#include "core/base/text.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"

namespace weft {
namespace {

struct ConcatStrings {
  Broadcast plan;
  Shape shape;
};

Status concat_strings(const ConcatStrings& s, TensorArgs& args) {
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, s.shape));
  const std::vector<std::string>&a = args.in[0].strings(), &b = args.in[1].strings();
  std::vector<std::string>& z = args.out[0].mutable_strings();
  const auto step_a = s.plan.last_step(0), step_b = s.plan.last_step(1);
  for_runs<2>(s.plan, 0, s.plan.count, [&](int64_t out, const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const std::string& first = a[static_cast<size_t>(at[0] + i * step_a)];
      const std::string& second = b[static_cast<size_t>(at[1] + i * step_b)];
      std::string& both = z[static_cast<size_t>(out + i)];
      both.reserve(first.size() + second.size());
      both.append(first).append(second);
    }
  });
  return {};
}

Status prepare_string_concat(const KernelContext& c, PreparedKernel* prepared) {
  Broadcast plan = plan_broadcast(c);
  prepared->cost_ns = 30 * static_cast<double>(plan.count);
  prepared->use_tensors<&concat_strings>(ConcatStrings{std::move(plan), c.output_shape(0)});
  return {};
}

// Bytes of the white space that begins at `i`; 0 if none does. No byte within another character looks like one of these.
size_t blank_at(std::string_view text, size_t i) {
  const auto at = [text](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  const unsigned lead = at(i), second = at(i + 1), third = at(i + 2);
  if (lead == ' ' || (lead >= 0x09 && lead <= 0x0d) || (lead >= 0x1c && lead <= 0x1f)) return 1;
  if (lead == 0xc2) return second == 0x85 || second == 0xa0 ? 2 : 0;
  const unsigned last_two = second << 8 | third;
  bool blank = false;
  if (lead == 0xe1) blank = last_two == 0x9a80;  // U+1680
  if (lead == 0xe2) {                            // U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F
    blank = (last_two >= 0x8080 && last_two <= 0x808a) || last_two == 0x80a8 || last_two == 0x80a9 ||
            last_two == 0x80af || last_two == 0x819f;
  }
  if (lead == 0xe3) blank = last_two == 0x8080;  // U+3000
  return blank ? 3 : 0;
}

// Calls part(text) for each part, of which there are at most `most_splits` + 1, and returns their number.
template <typename Fn>
int64_t split_at_blanks(std::string_view text, int64_t most_splits, Fn&& part) {
  size_t end = 0;  // of what is not white space
  for (size_t i = 0; i < text.size();) {
    const size_t blank = blank_at(text, i);
    i += blank > 0 ? blank : 1;
    if (blank == 0) end = i;
  }
  int64_t count = 0;
  for (size_t i = 0; i < end;) {
    if (const size_t blank = blank_at(text, i)) {
      i += blank;
      continue;
    }
    size_t stop = count == most_splits ? end : i;
    while (stop < end && blank_at(text, stop) == 0) ++stop;
    part(text.substr(i, stop - i));
    ++count;
    i = stop;
  }
  return count;
}

template <typename Fn>
int64_t split_at(std::string_view text, std::string_view delimiter, int64_t most_splits, Fn&& part) {
  int64_t count = 0;
  for (size_t i = 0;;) {
    const size_t found = count == most_splits ? std::string_view::npos : text.find(delimiter, i);
    part(text.substr(i, found == std::string_view::npos ? found : found - i));
    ++count;
    if (found == std::string_view::npos) return count;
    i = found + delimiter.size();
  }
}

struct SplitStrings {
  std::string delimiter;
  int64_t most_splits;  // negative: any number

  template <typename Fn>
  int64_t operator()(std::string_view text, Fn&& part) const {
    return delimiter.empty() ? split_at_blanks(text, most_splits, part) : split_at(text, delimiter, most_splits, part);
  }
};

Status split_strings(const SplitStrings& split, TensorArgs& args) {
  const std::vector<std::string>& x = args.in[0].strings();
  WEFT_TRY(args.out[1], Tensor::make(DType::kI64, args.in[0].shape()));
  int64_t* counts = args.out[1].as<int64_t>();
  int64_t most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    counts[i] = split(x[i], [](std::string_view) {});
    most = std::max(most, counts[i]);
  }
  Shape shape = args.in[0].shape();
  shape.push_back(most);
  WEFT_TRY(args.out[0], Tensor::make(DType::kString, std::move(shape)));
  std::vector<std::string>& y = args.out[0].mutable_strings();
  for (size_t i = 0; i < x.size(); ++i) {
    std::string* to = y.data() + i * static_cast<size_t>(most);
    split(x[i], [&](std::string_view part) { (to++)->assign(part); });
  }
  return {};
}

Status prepare_string_split(const KernelContext& c, PreparedKernel* prepared) {
  prepared->cost_ns = 200 * static_cast<double>(c.count(0));
  prepared->use_tensors<&split_strings>(SplitStrings{c.attrs().s("delimiter"), c.attrs().i_or("maxsplit", -1)});
  return {};
}

struct NormalizeStrings {
  bool changes, folds;  // whether the case of what is left changes, and of what is compared with stop words
  LetterCase to;
  bool turkic;
  std::unordered_set<std::string> stops;  // in the case in which they are compared
};

Status normalize_strings(const NormalizeStrings& s, TensorArgs& args) {
  const Tensor& x = args.in[0];
  if (x.rank() == 2 && x.shape()[0] != 1) return invalid("X must be [C] or [1, C] but is ", x.summary());
  std::vector<std::string> left;
  for (size_t i = 0; i < x.strings().size(); ++i) {
    const std::string& text = x.strings()[i];
    std::string other;
    if (s.changes || s.folds) {
      if (!is_utf8(text)) return invalid("element ", i, " of X is not UTF-8: '", readable(text), "'");
      other = with_case(text, s.to, s.turkic);
    }
    if (s.stops.count(s.folds ? other : text) == 0) left.push_back(s.changes ? std::move(other) : text);
  }
  if (left.empty()) left.emplace_back();
  Shape shape(x.shape().size(), 1);
  shape.back() = static_cast<int64_t>(left.size());
  WEFT_TRY(args.out[0], Tensor::from_strings(std::move(shape), std::move(left)));
  return {};
}

bool is_turkic(std::string_view locale) {
  std::string language = with_case(locale.substr(0, locale.find_first_of("_-.@")), LetterCase::kLower, false);
  return language == "tr" || language == "az";
}

Status prepare_string_normalizer(const KernelContext& c, PreparedKernel* prepared) {
  const std::string& action = c.attrs().s("case_change_action");
  const AttrValue* stopwords = c.attrs().find("stopwords");
  NormalizeStrings s;
  s.changes = action != "NONE";
  s.folds = stopwords != nullptr && !stopwords->strings().empty() && !c.attrs().b("is_case_sensitive");
  s.to = action == "UPPER" ? LetterCase::kUpper : LetterCase::kLower;
  const AttrValue* locale = c.attrs().find("locale");
  s.turkic = locale != nullptr && is_turkic(locale->s());
  if (stopwords != nullptr) {
    for (const std::string& word : stopwords->strings()) {
      s.stops.insert(s.folds ? with_case(word, s.to, s.turkic) : word);
    }
  }
  prepared->cost_ns = 200 * static_cast<double>(c.count(0));
  prepared->use_tensors<&normalize_strings>(std::move(s));
  return {};
}

}  // namespace

void add_cpu_strings(KernelRegistry& kernels) {
  kernels.add("StringConcat", {"plain", nullptr, prepare_string_concat});
  kernels.add("StringSplit", {"plain", nullptr, prepare_string_split});
  kernels.add("StringNormalizer", {"plain", nullptr, prepare_string_normalizer});
}

}  // namespace weft
