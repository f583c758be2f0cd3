// Attention block by block, against sums in double; the same bits from every number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Look {
  int64_t images, heads, queries, keys, features, wide;
  bool heads_inside, keys_last;
  enum Kind { kNone, kWhole, kRow, kColumn } mask = kNone, allowed = kNone;
  bool empty_is_zero = false;
  double left_out = -std::numeric_limits<double>::infinity();
  bool mask_last = false;
};

const Look kLooks[] = {
    {1, 1, 1, 1, 1, 1, false, false},
    {2, 3, 1, 130, 64, 64, false, true},
    {2, 3, 5, 7, 3, 5, false, false, Look::kWhole},
    {1, 2, 130, 70, 33, 17, true, false, Look::kRow, Look::kWhole},
    {3, 1, 9, 1030, 8, 40, false, true, Look::kNone, Look::kRow},
    {1, 12, 64, 128, 64, 64, true, false, Look::kColumn},
    {1, 1, 200, 2050, 4, 6, false, false, Look::kNone, Look::kWhole, true},
    {2, 2, 17, 33, 16, 16, true, false, Look::kNone, Look::kColumn, true},
    {1, 2, 130, 70, 33, 17, true, false, Look::kRow, Look::kWhole, false, -2, true},
    {1, 2, 130, 70, 33, 17, true, false, Look::kRow, Look::kWhole, false, -1e30},
    {2, 1, 9, 300, 8, 40, false, true, Look::kWhole, Look::kRow, true, -std::numeric_limits<double>::infinity(), true},
};

std::vector<double> noise(int64_t count, uint64_t seed) {
  std::vector<double> out;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    out.push_back(static_cast<float>(static_cast<double>(seed >> 40) / (1 << 23) - 1));
  }
  return out;
}

// What a mask is, and the elements of it that a query and a key meet.
struct Spread {
  Shape shape;
  int64_t head = 0, row = 0, column = 0;
};
Spread spread(const Look& l, Look::Kind kind) {
  switch (kind) {
    case Look::kWhole: return {{1, l.heads, l.queries, l.keys}, l.queries * l.keys, l.keys, 1};
    case Look::kRow: return {{l.queries, l.keys}, 0, l.keys, 1};
    case Look::kColumn: return {{l.queries, 1}, 0, 1, 0};
    default: return {};
  }
}

struct Problem {
  Look l;
  std::vector<double> q, k, v, mask;
  std::vector<bool> allowed;

  explicit Problem(const Look& look) : l(look) {
    const int64_t heads = l.images * l.heads;
    q = noise(heads * l.queries * l.features, 1);
    k = noise(heads * l.keys * l.features, 2);
    v = noise(heads * l.keys * l.wide, 3);
    mask = noise(l.heads * l.queries * l.keys, 4);
    // Of a causal kind, where the first query looks at nothing, with holes.
    for (int64_t i = 0; i < l.heads * l.queries * l.keys; ++i) {
      const int64_t query = i / l.keys % l.queries, key = i % l.keys;
      allowed.push_back(l.allowed == Look::kColumn ? i % 3 != 0 : key < query * l.keys / l.queries && key % 5 != 3);
    }
  }
  // The place of an element in Q, V or Y; in K too, if its keys are not last.
  int64_t at(int64_t head, int64_t row, int64_t rows, int64_t i, int64_t width) const {
    if (!l.heads_inside) return (head * rows + row) * width + i;
    return ((head / l.heads * rows + row) * l.heads + head % l.heads) * width + i;
  }
  Shape shape(int64_t rows, int64_t width) const {
    return l.heads_inside ? Shape{l.images, rows, l.heads, width} : Shape{l.images, l.heads, rows, width};
  }

  std::vector<double> right() const {
    std::vector<double> y(static_cast<size_t>(l.images * l.heads * l.queries * l.wide));
    const Spread masks = spread(l, l.mask), truths = spread(l, l.allowed);
    for (int64_t head = 0; head < l.images * l.heads; ++head) {
      for (int64_t query = 0; query < l.queries; ++query) {
        std::vector<double> weight;
        double top = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int64_t key = 0; key < l.keys; ++key) {
          double score = 0;
          for (int64_t i = 0; i < l.features; ++i) {
            score += q[at(head, query, l.queries, i, l.features)] * k[at(head, key, l.keys, i, l.features)];
          }
          score *= 0.75;
          auto place = [&](const Spread& s) {
            return static_cast<size_t>(head % l.heads * s.head + query * s.row + key * s.column);
          };
          const double added = l.mask != Look::kNone ? mask[place(masks)] : 0;
          if (!l.mask_last) score += added;
          if (l.allowed != Look::kNone && !allowed[place(truths)]) score = l.left_out;
          if (l.mask_last) score += added;
          weight.push_back(score);
          top = std::max(top, score);
        }
        for (double& w : weight) sum += w = std::exp(w - top);
        for (int64_t i = 0; i < l.wide; ++i) {
          double& to = y[at(head, query, l.queries, i, l.wide)];
          for (int64_t key = 0; key < l.keys; ++key) {
            to += weight[key] / sum * v[at(head, key, l.keys, i, l.wide)];
          }
          if (l.empty_is_zero && std::isinf(top)) to = 0;
        }
      }
    }
    return y;
  }
};

template <typename T>
Tensor tensor(const Shape& shape, const std::vector<double>& values) {
  Tensor out = *Tensor::make(sizeof(T) == 4 ? DType::kF32 : DType::kF64, shape);
  for (int64_t i = 0; i < out.count(); ++i) out.as<T>()[i] = static_cast<T>(values[i]);
  return out;
}

// A graph and what is fed to it.
struct Call {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};
  std::vector<ValueId> feeds;
  std::vector<Tensor> values;

  Expr input(Tensor value) {
    feeds.push_back(
        *graph->add_input(cat("in", feeds.size()), ValueType::tensor(value.dtype(), to_dims(value.shape()))));
    values.push_back(std::move(value));
    return Expr(scope, feeds.back());
  }

  // The masks of a problem, which stand last among the inputs.
  template <typename T>
  void add_masks(const Problem& p, std::vector<Expr>* inputs) {
    const Look& l = p.l;
    inputs->push_back(l.mask == Look::kNone ? Expr() : input(tensor<T>(spread(l, l.mask).shape, p.mask)));
    if (l.allowed == Look::kNone) {
      inputs->emplace_back();
      return;
    }
    Tensor truths = *Tensor::make(DType::kBool, spread(l, l.allowed).shape);
    for (int64_t i = 0; i < truths.count(); ++i) truths.as<bool>()[i] = p.allowed[i];
    inputs->push_back(input(truths));
  }

  std::vector<Tensor> run(const std::vector<Expr>& fetched, int threads) {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    SessionOptions options;
    options.threads = threads;
    auto session = *Session::make(graph, options);
    Signature signature{feeds, {}, {}};
    for (Expr y : fetched) signature.fetches.push_back(y.id());
    std::vector<Tensor> outputs;
    const Status status = session->run(signature, values, {}, &outputs);
    EXPECT_TRUE(status.ok()) << status.text();
    return outputs;
  }
};

template <typename T>
Tensor run(const Problem& p, int threads) {
  const Look& l = p.l;
  Call call;
  Tensor k = tensor<T>(p.shape(l.keys, l.features), p.k);
  if (l.keys_last) {
    Tensor turned = *Tensor::make(k.dtype(), {l.images, l.heads, l.features, l.keys});
    for (int64_t i = 0; i < k.count(); ++i) {
      const int64_t key = i / l.features % l.keys, head = i / (l.features * l.keys);
      turned.as<T>()[(head * l.features + i % l.features) * l.keys + key] = k.as<T>()[i];
    }
    k = turned;
  }
  std::vector<Expr> inputs{call.input(tensor<T>(p.shape(l.queries, l.features), p.q)), call.input(k),
                           call.input(tensor<T>(p.shape(l.keys, l.wide), p.v))};
  call.add_masks<T>(p, &inputs);
  const Expr y = make(call.scope, "weft.FusedAttention", inputs,
                      {{"scale", 0.75},
                       {"keys_last", int64_t{l.keys_last}},
                       {"heads_inside", int64_t{l.heads_inside}},
                       {"empty_is_zero", int64_t{l.empty_is_zero}},
                       {"left_out", l.left_out},
                       {"mask_last", int64_t{l.mask_last}}});
  return call.run({y}, threads)[0];
}

// A score that is NaN, one that is infinite, none at all, and a usual one; values are 1, 2 and 3.
TEST(FusedAttention, QueriesWhoseWeightsWouldBeNaNGiveZeros) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (int zeros : {0, 1}) {
    Call call;
    const Tensor q = tensor<float>({4, 1}, {nan, 1, 1, 1}), k = tensor<float>({3, 1}, {1, 1, 1});
    const Tensor mask = tensor<float>({4, 3}, {0, 0, 0, 0, inf, 0, -inf, -inf, -inf, 0, -inf, 0});
    std::vector<Expr> inputs{call.input(q), call.input(k), call.input(tensor<float>({3, 1}, {1, 2, 3})),
                             call.input(mask)};
    const Expr y = make(call.scope, "weft.FusedAttention", inputs, {{"nan_is_zero", int64_t{zeros}}});
    const Tensor got = call.run({y}, 1)[0];
    for (int i = 0; i < 3; ++i) {
      if (zeros == 1)
        EXPECT_EQ(got.as<float>()[i], 0) << i;
      else
        EXPECT_TRUE(std::isnan(got.as<float>()[i])) << i;
    }
    EXPECT_FLOAT_EQ(got.as<float>()[3], 2);
  }
}

template <typename T>
void check() {
  for (const Look& l : kLooks) {
    const Problem p(l);
    const std::vector<double> right = p.right();
    const Tensor one = run<T>(p, 1);
    ASSERT_EQ(one.shape(), p.shape(l.queries, l.wide));
    for (int64_t i = 0; i < one.count(); ++i) {
      const double got = static_cast<double>(one.as<T>()[i]), close = 40 * std::numeric_limits<T>::epsilon();
      ASSERT_TRUE(std::abs(got - right[i]) <= close || (std::isnan(got) && std::isnan(right[i])))
          << l.queries << " queries, " << l.keys << " keys: " << got << " for " << right[i] << " at " << i;
    }
    for (int threads : {2, 4}) {
      const Tensor many = run<T>(p, threads);
      ASSERT_EQ(std::memcmp(one.data(), many.data(), static_cast<size_t>(one.bytes())), 0)
          << l.queries << " queries, " << l.keys << " keys";
    }
  }
}

// The gradients of sum(Y * dY) in one kernel, and those of the pieces.
template <typename T>
std::vector<Tensor> run_gradient(const Problem& p, int threads, bool pieces) {
  const Look& l = p.l;
  Call call;
  const std::vector<double> dy = noise(l.images * l.heads * l.queries * l.wide, 5);
  std::vector<Expr> inputs{call.input(tensor<T>(p.shape(l.queries, l.features), p.q)),
                           call.input(tensor<T>(p.shape(l.keys, l.features), p.k)),
                           call.input(tensor<T>(p.shape(l.keys, l.wide), p.v)),
                           call.input(tensor<T>(p.shape(l.queries, l.wide), dy))};
  call.add_masks<T>(p, &inputs);
  const Attrs attrs{{"heads_inside", int64_t{l.heads_inside}}, {"empty_is_zero", int64_t{l.empty_is_zero}}};
  return call.run(
      pieces ? *expand_body(call.scope, *builtin_ops().find(kWeftDomain, "AttentionGrad"), attrs, inputs, 3, "")
             : make_all(call.scope, "weft.AttentionGrad", inputs, attrs, 3),
      threads);
}

template <typename T>
void check_gradient() {
  for (const Look& l : kLooks) {
    if (l.keys_last || l.mask_last || std::isfinite(l.left_out)) continue;
    Look eight = l;
    eight.images *= 4;
    if (l.allowed != Look::kNone) eight.empty_is_zero = true;  // without it all of dK would be NaN
    const Problem p(eight);
    const std::vector<Tensor> one = run_gradient<T>(p, 1, false), pieces = run_gradient<T>(p, 1, true);
    for (size_t k = 0; k < 3; ++k) {
      ASSERT_EQ(one[k].shape(), pieces[k].shape());
      double top = 0;
      for (int64_t i = 0; i < one[k].count(); ++i) {
        top = std::max(top, static_cast<double>(std::abs(pieces[k].as<T>()[i])));
      }
      for (int64_t i = 0; i < one[k].count(); ++i) {
        ASSERT_NEAR(one[k].as<T>()[i], pieces[k].as<T>()[i], 100 * std::numeric_limits<T>::epsilon() * top)
            << l.queries << " queries, " << l.keys << " keys, gradient " << k << " at " << i;
      }
    }
    for (int threads : {2, 4}) {
      const std::vector<Tensor> many = run_gradient<T>(p, threads, false);
      for (size_t k = 0; k < 3; ++k) EXPECT_TRUE(many[k].same_bits(one[k]));
    }
  }
}

TEST(Attention, GradientsOfFloats) { check_gradient<float>(); }
TEST(Attention, GradientsOfDoubles) { check_gradient<double>(); }

TEST(Attention, Floats) { check<float>(); }
TEST(Attention, Doubles) { check<double>(); }

}  // namespace
}  // namespace weft
