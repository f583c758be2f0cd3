// Kernels of TfIdfVectorizer: n-grams are paths of a tree, of which each row's tokens are walked along.
#include <algorithm>
#include <unordered_map>

#include "core/kernel/registry.h"

namespace weft {
namespace {

// The tree of the n-grams that are looked for. Tokens that are in one have a number, all others -1.
struct NgramTree {
  int64_t token_count = 0;
  std::unordered_map<uint64_t, int64_t> children;  // by node * token_count + token
  std::vector<int64_t> ngrams{-1};                 // by node: the one that ends there, or -1; the root is node 0

  int64_t child(int64_t node, int64_t token) const {
    const auto found = children.find(static_cast<uint64_t>(node * token_count + token));
    return found == children.end() ? -1 : found->second;
  }
};

enum class Weighting { kCount, kPresence, kWeightedCount };

template <typename Token>
struct TfIdf {
  std::unordered_map<Token, int64_t> tokens;
  NgramTree tree;
  Weighting mode;
  int64_t shortest, longest, most_skips;
  std::vector<int64_t> places;  // in a row of the output, by n-gram
  std::vector<float> weights;   // by n-gram
  Shape shape;                  // of the output
  int64_t rows, columns, size;

  int64_t number_of(const Token& token) const {
    const auto found = tokens.find(token);
    return found == tokens.end() ? -1 : found->second;
  }

  void count(int64_t ngram, float* y) const {
    const float weight = mode == Weighting::kCount ? 1 : weights[static_cast<size_t>(ngram)];
    float& at = y[places[static_cast<size_t>(ngram)]];
    at = mode == Weighting::kPresence ? weight : at + weight;
  }

  // The n-grams in `x`, the tokens' numbers, into `y`.
  void row(const int64_t* x, float* y) const {
    std::fill_n(y, size, 0.0f);
    for (int64_t skip = 0; skip <= most_skips; ++skip) {
      // One token has nothing between: it is counted once.
      const int64_t least = skip == 0 ? shortest : std::max<int64_t>(shortest, 2);
      if (least > longest || skip >= columns) return;
      for (int64_t start = 0; start < columns; ++start) {
        int64_t node = 0;
        for (int64_t at = start, length = 1; length <= longest && at < columns; at += skip + 1, ++length) {
          if (x[at] < 0 || (node = tree.child(node, x[at])) < 0) break;
          const int64_t ngram = tree.ngrams[static_cast<size_t>(node)];
          if (ngram >= 0 && length >= least) count(ngram, y);
        }
      }
    }
  }

  // `numbers` has room for those of all tokens.
  template <typename T>
  void run(const Parallel& parallel, const T* x, int64_t* numbers, float* y) const {
    parallel_for(parallel, rows, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * columns; i < end * columns; ++i) numbers[i] = number_of(x[i]);
      for (int64_t r = begin; r < end; ++r) row(numbers + r * columns, y + r * size);
    });
  }

  double cost_ns() const { return 20 * static_cast<double>(columns) * static_cast<double>(1 + most_skips); }
};

Status tf_idf_strings(const TfIdf<std::string>& s, TensorArgs& args) {
  WEFT_TRY(Tensor numbers, Tensor::make(DType::kI64, args.in[0].shape()));
  WEFT_TRY(args.out[0], Tensor::make(DType::kF32, s.shape));
  s.run(*args.parallel, args.in[0].strings().data(), numbers.as<int64_t>(), args.out[0].as<float>());
  return {};
}

template <typename T>
void tf_idf_ints(const TfIdf<int64_t>& s, const RunArgs& args) {
  s.run(*args.parallel, args.input<T>(0), static_cast<int64_t*>(args.scratch), args.output<float>(0));
}

// Numbers the tokens of `pool` and grows the tree of the n-grams that are looked for.
template <typename Token>
Status grow_tree(const std::vector<Token>& pool, const std::vector<int64_t>& starts, TfIdf<Token>* s) {
  for (const Token& token : pool) s->tokens.emplace(token, static_cast<int64_t>(s->tokens.size()));
  NgramTree& tree = s->tree;
  tree.token_count = static_cast<int64_t>(s->tokens.size());
  int64_t ngram = 0;
  for (size_t k = 0; k < starts.size(); ++k) {
    const int64_t end = k + 1 < starts.size() ? starts[k + 1] : static_cast<int64_t>(pool.size());
    const int64_t length = static_cast<int64_t>(k) + 1;
    for (int64_t at = starts[k]; at < end; at += length, ++ngram) {
      if (length < s->shortest || length > s->longest) continue;
      int64_t node = 0;
      for (int64_t i = at; i < at + length; ++i) {
        const int64_t token = s->number_of(pool[static_cast<size_t>(i)]);
        const auto [child, is_new] = tree.children.emplace(static_cast<uint64_t>(node * tree.token_count + token),
                                                           static_cast<int64_t>(tree.ngrams.size()));
        if (is_new) tree.ngrams.push_back(-1);
        node = child->second;
      }
      int64_t& here = tree.ngrams[static_cast<size_t>(node)];
      if (here >= 0) return invalid("n-grams ", here, " and ", ngram, " of the pool are the same");
      here = ngram;
    }
  }
  return {};
}

template <typename Token>
Result<TfIdf<Token>> tf_idf_of(const KernelContext& c, const std::vector<Token>& pool) {
  const Attrs& attrs = c.attrs();
  TfIdf<Token> s;
  const std::string& mode = attrs.s("mode");
  s.mode = mode == "TF" ? Weighting::kCount : mode == "IDF" ? Weighting::kPresence : Weighting::kWeightedCount;
  s.shortest = attrs.i("min_gram_length");
  s.longest = attrs.i("max_gram_length");
  s.most_skips = attrs.i("max_skip_count");
  s.places = attrs.ints("ngram_indexes");
  s.weights.assign(s.places.size(), 1.0f);
  if (const AttrValue* weights = attrs.find("weights"); weights != nullptr && !weights->floats().empty()) {
    for (size_t i = 0; i < s.weights.size(); ++i) s.weights[i] = static_cast<float>(weights->floats()[i]);
  }
  s.shape = c.output_shape(0);
  s.rows = c.rank(0) == 2 ? c.shape(0)[0] : 1;
  s.columns = c.shape(0).back();
  s.size = s.shape.back();
  WEFT_CHECK(grow_tree(pool, attrs.ints("ngram_counts"), &s));
  return s;
}

Status prepare_tf_idf(const KernelContext& c, PreparedKernel* prepared) {
  if (c.dtype(0) == DType::kString) {
    WEFT_TRY(TfIdf<std::string> s, tf_idf_of(c, c.attrs().strings("pool_strings")));
    prepared->cost_ns = s.cost_ns() * static_cast<double>(s.rows);
    prepared->use_tensors<&tf_idf_strings>(std::move(s));
    return {};
  }
  WEFT_TRY(TfIdf<int64_t> s, tf_idf_of(c, c.attrs().ints("pool_int64s")));
  prepared->cost_ns = s.cost_ns() * static_cast<double>(s.rows);
  prepared->scratch_bytes = c.count(0) * static_cast<int64_t>(sizeof(int64_t));
  if (c.dtype(0) == DType::kI32)
    prepared->use<&tf_idf_ints<int32_t>>(std::move(s));
  else
    prepared->use<&tf_idf_ints<int64_t>>(std::move(s));
  return {};
}

}  // namespace

void add_cpu_tf_idf(KernelRegistry& kernels) { kernels.add("TfIdfVectorizer", {"plain", nullptr, prepare_tf_idf}); }

}  // namespace weft
