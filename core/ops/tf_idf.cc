// TfIdfVectorizer: how often given runs of tokens are there.
#include <algorithm>

#include "core/graph/expr.h"

namespace weft {
namespace {

// That the pool parts into n-grams of 1, 2, ... tokens as `ngram_counts` says; their number.
Result<int64_t> ngrams_in_pool(const std::vector<int64_t>& starts, int64_t tokens) {
  int64_t total = 0;
  for (size_t k = 0; k < starts.size(); ++k) {
    const int64_t begin = starts[k], end = k + 1 < starts.size() ? starts[k + 1] : tokens;
    const int64_t length = static_cast<int64_t>(k) + 1;
    if (begin < 0 || begin > tokens || end < begin) {
      return invalid("ngram_counts ", begin, " must lie between 0 and the ", tokens,
                     " tokens of the pool, and not before the one in front of it");
    }
    if ((end - begin) % length != 0) {
      return invalid("the pool has ", end - begin, " tokens of ", length, "-grams, which are no whole number of them");
    }
    total += (end - begin) / length;
  }
  return total;
}

Status infer_tf_idf(InferContext& c) {
  const Attrs& attrs = c.attrs();
  const std::string& mode = attrs.s("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") return invalid("mode '", mode, "' must be TF, IDF or TFIDF");
  const AttrValue *ints = attrs.find("pool_int64s"), *strings = attrs.find("pool_strings");
  if ((ints == nullptr) == (strings == nullptr)) {
    return invalid("one of pool_int64s and pool_strings must be given, and not both");
  }
  if ((c.dtype(0) == DType::kString) != (strings != nullptr)) {
    return invalid("X is ", dtype_name(c.dtype(0)), ", but the n-grams are ",
                   strings != nullptr ? "strings" : "integers");
  }
  const std::vector<int64_t>&starts = attrs.ints("ngram_counts"), &indexes = attrs.ints("ngram_indexes");
  const int64_t shortest = attrs.i("min_gram_length"), longest = attrs.i("max_gram_length");
  if (shortest < 1 || longest < shortest || longest > static_cast<int64_t>(starts.size())) {
    return invalid("min_gram_length ", shortest, " and max_gram_length ", longest,
                   " must be 1 or more, ascending, and at most the ", starts.size(), " lengths of ngram_counts");
  }
  if (attrs.i("max_skip_count") < 0) {
    return invalid("max_skip_count ", attrs.i("max_skip_count"), " must not be negative");
  }
  const size_t tokens = ints != nullptr ? ints->ints().size() : strings->strings().size();
  WEFT_TRY(int64_t ngrams, ngrams_in_pool(starts, static_cast<int64_t>(tokens)));
  if (indexes.empty() || static_cast<int64_t>(indexes.size()) < ngrams) {
    return invalid("ngram_indexes has ", indexes.size(), " numbers, but the pool ", ngrams, " n-grams");
  }
  int64_t last = 0;
  for (int64_t index : indexes) {
    if (index < 0 || index >= kMostElements) return invalid("ngram_indexes ", index, " is no place in the output");
    last = std::max(last, index);
  }
  const AttrValue* weights = attrs.find("weights");
  if (weights != nullptr && !weights->floats().empty() && weights->floats().size() != indexes.size()) {
    return invalid("weights has ", weights->floats().size(), " numbers, but ngram_indexes ", indexes.size());
  }
  if (!c.has_rank(0)) return {};
  if (c.rank(0) != 1 && c.rank(0) != 2) return invalid("X must be [C] or [N, C] but is ", c.input(0).text());
  Dims out = c.dims(0);
  out.back() = last + 1;
  c.set_dims(0, std::move(out));
  return {};
}

}  // namespace

void define_op_tf_idf(OpRegistry& ops) {
  ops.add("TfIdfVectorizer")
      .group("text")
      .since(9)
      .doc(
          "How often the n-grams of a pool are in each row of tokens. An n-gram of 2 or more tokens is also found "
          "where "
          "1, 2, ... `max_skip_count` tokens lie between each two of it. With mode TF, Y at `ngram_indexes[i]` is the "
          "number of times "
          "that the i-th n-gram of the pool is found; with TFIDF, that number times `weights[i]`; with IDF, "
          "`weights[i]` if "
          "it is found at all. What n-grams of one place give is added, with IDF the last one that is found counts.")
      .types("T", set_of(DType::kString, DType::kI32, DType::kI64))
      .required_attr("mode", AttrKind::kString, "TF, IDF or TFIDF.")
      .required_attr("min_gram_length", AttrKind::kInt, "Shorter n-grams of the pool are not looked for; at least 1.")
      .required_attr("max_gram_length", AttrKind::kInt, "Nor are longer ones; at most what ngram_counts has.")
      .required_attr("max_skip_count", AttrKind::kInt, "The most tokens between each two of an n-gram.")
      .required_attr("ngram_counts", AttrKind::kInts,
                     "Where in the pool the n-grams of 1, 2, ... tokens begin; each ends where the next one begins.")
      .required_attr("ngram_indexes", AttrKind::kInts, "The place in a row of Y of each n-gram of the pool.")
      .optional_attr("weights", AttrKind::kFloats, "Of each n-gram, for IDF and TFIDF; without them all are 1.")
      .optional_attr("pool_int64s", AttrKind::kInts, "The n-grams' tokens, one n-gram after another, all different.")
      .optional_attr("pool_strings", AttrKind::kStrings, "The same, where tokens are strings.")
      .input("X", "T", "[C] or [N, C]: tokens.")
      .output("Y", "f32", "[size] or [N, size], size being the largest of ngram_indexes and 1.")
      .infer(infer_tf_idf)
      .no_gradient("tokens do not change gradually");
}

}  // namespace weft
