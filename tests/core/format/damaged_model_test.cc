// A saved model with bits flipped, bytes lost and bytes put in: what still loads gives results or an error when it runs.
// WEFT_ROUNDS and WEFT_SEED make more and others than the fixed ones.
#include <cstdlib>

#include "core/graph/expr.h"
#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

int64_t number_from_environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? parse_int(text).value_or(otherwise) : otherwise;
}

// The same numbers everywhere: SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice {
  uint64_t state;

  uint64_t below(uint64_t n) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
  }
};

// Operators whose shapes hang on constants, so that a flipped bit makes another shape.
std::string model() {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope s(*graph);
  Expr x(s, *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim::symbol("n"), 3})));
  std::vector<float> numbers;
  for (int i = 0; i < 12; ++i) numbers.push_back(0.25f * static_cast<float>(i) - 1);
  Expr w = constant(s, *Tensor::from_bytes(DType::kF32, {3, 4}, numbers.data(), 48));
  Expr y = make(s, "Relu", {make(s, "MatMul", {x, w})});
  y = make(s, "Reshape", {y, constant_ints(s, {-1, 2})});
  y = make(s, "ReduceSum", {y, constant_ints(s, {1})});
  y = make(s, "Expand", {y, constant_ints(s, {2, 4, 1})});
  y = make(s, "Slice", {y, constant_ints(s, {0}), constant_ints(s, {1}), constant_ints(s, {0})});
  y = make_all(s, "TopK", {y, constant_ints(s, {1})}, {}, 2)[0];
  y = make(s, "Pad", {y, constant_ints(s, {0, 1, 0, 0, 1, 0})});
  y = make(s, "Tile", {y, constant_ints(s, {1, 2, 1})});
  y = make(s, "Concat", {y, y}, {{"axis", int64_t{1}}});
  y = make(s, "Gather", {y, constant_ints(s, {0, -1})}, {{"axis", int64_t{1}}});
  y = make(s, "Transpose", {y}, {{"perm", std::vector<int64_t>{1, 0, 2}}});
  y = make(s, "AveragePool", {y}, {{"kernel_shape", std::vector<int64_t>{1}}});
  EXPECT_TRUE(s.status().ok()) << s.status().text();
  Result<std::string> bytes = save_onnx_bytes(*graph, {y.id()}, {}, {});
  EXPECT_TRUE(bytes.ok()) << bytes.status().text();
  return *bytes;
}

TEST(DamagedModel, GivesResultsOrErrors) {
#ifdef __SANITIZE_THREAD__
  constexpr int64_t kRounds = 2000;  // whose subject is no thread
#else
  constexpr int64_t kRounds = 10000;
#endif
  const int64_t rounds = number_from_environment("WEFT_ROUNDS", kRounds);
  const uint64_t seed = static_cast<uint64_t>(number_from_environment("WEFT_SEED", 1));
  set_buffer_limit(int64_t{1} << 26);
  const std::string whole = model();
  Tensor x = *Tensor::make(DType::kF32, {2, 3});
  std::fill_n(x.as<float>(), 6, 1.0f);
  int64_t ran = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    Dice dice{seed * 1'000'003 + static_cast<uint64_t>(round)};
    std::string bytes = whole;
    for (uint64_t left = 1 + dice.below(3); left > 0; --left) {
      size_t at = dice.below(bytes.size());
      switch (dice.below(8)) {
        case 0: bytes.erase(at, 1 + dice.below(8)); break;
        case 1: bytes.insert(at, 1 + dice.below(9), '\xff'); break;
        case 2: bytes[at] = "\0\xff\x7f\x80\1"[dice.below(5)]; break;
        default: bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8))); break;
      }
    }
    Result<std::shared_ptr<Graph>> graph = load_onnx_bytes(builtin_ops(), bytes, "", {});
    Status status = graph.status();
    if (status.ok()) {
      std::shared_ptr<Session> session = *Session::make(*graph, {});
      Signature signature{(*graph)->inputs(), (*graph)->outputs(), {}};
      std::vector<Tensor> feeds(signature.feeds.size(), x), out;
      RunOptions options;
      options.timeout_ns = 10'000'000'000;  // for loops without end; no other run takes that long
      status = session->run(signature, feeds, options, &out);
      ran += status.ok();
    }
    EXPECT_NE(status.code(), Code::kInternal) << "round " << round << ": " << status.text();
    EXPECT_NE(status.code(), Code::kUnknown) << "round " << round << ": " << status.text();
  }
  set_buffer_limit(0);
  EXPECT_GT(ran, rounds / 50);
}

}  // namespace
}  // namespace weft
