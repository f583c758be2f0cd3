// FusedAttention and its gradient: some queries at a time look at all keys, so that their products stay in the cache.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/divide_up.h"
#include "core/kernel/registry.h"
#include "core/kernels/cpu/move_common.h"
#include "core/kernels/cpu/vectors_common.h"
#include "core/simd/gemm.h"

namespace weft {
namespace {

// Products of a block of queries with all keys stay in the second-level cache.
constexpr int64_t kBlockProducts = 65536, kLeastRows = 8, kMostRows = 64;
// Fewer heads than this are divided, each part with keys packed by itself.
constexpr int64_t kLeastTasks = 8;
constexpr int64_t kLanes = 16;  // with scratch of their own
constexpr int64_t kPage = 4096;
constexpr int64_t kFewQueries = 2;  // for which turning the keys takes longer than it saves

// A mask, as the head of an image finds it.
struct Mask {
  bool given = false;
  std::vector<int64_t> at;  // of each head of each image
  int64_t row = 0, column = 0;
};

template <typename T>
struct State {
  int64_t images = 1, heads = 1, queries, keys;
  int64_t q_image, q_head, k_image, k_head, v_image, v_head, y_image, y_head;  // distances
  Gemm<T> scores, values;                                                      // of a block; `n` and `k` of all keys
  Mask mask, allowed;
  int mask_input;  // the other one is the next
  bool mask_last;
  T left_out = -std::numeric_limits<T>::infinity();  // the score of what is not allowed
  bool empty_is_zero, nan_is_zero;
  bool turns_keys = true;  // else a query is multiplied with each key where it lies
  int64_t rows;            // queries of a block
  int64_t parts;           // of a head
  int64_t lanes;
  int64_t keys_size, values_size, scores_row, lane_size;  // scratch, in elements

  int64_t tasks() const { return images * heads * parts; }
};

// Behind the last that is true.
int64_t end_of(const uint8_t* allowed, int64_t n) {
  for (uint64_t eight = 0; n >= 8; n -= 8) {
    std::memcpy(&eight, allowed + n - 8, 8);
    if (eight != 0) break;
  }
  while (n > 0 && !allowed[n - 1]) --n;
  return n;
}

template <typename T>
void add_mask(const State<T>& s, const RunArgs& args, int64_t head, int64_t query, int64_t keys, T* products) {
  if (!s.mask.given) return;
  const T* mask = args.input<T>(s.mask_input) + s.mask.at[static_cast<size_t>(head)] + query * s.mask.row;
  const auto& add = arithmetic_table(T()).add;
  (s.mask.column == 0 ? add.a_alone : add.both)(products, mask, products, keys);
}

template <typename T>
void leave_out(const State<T>& s, const RunArgs& args, int64_t head, int64_t query, int64_t keys, T* products) {
  if (!s.allowed.given) return;
  const uint8_t* allowed =
      args.input<uint8_t>(s.mask_input + 1) + s.allowed.at[static_cast<size_t>(head)] + query * s.allowed.row;
  if (s.allowed.column == 0) {
    if (!*allowed) std::fill_n(products, keys, s.left_out);
    return;
  }
  // Most masks allow what comes first, and nothing behind that.
  const void* no = std::memchr(allowed, 0, static_cast<size_t>(keys));
  if (no == nullptr) return;
  const int64_t end = end_of(allowed, keys);
  for (int64_t i = static_cast<const uint8_t*>(no) - allowed; i < end; ++i) {
    if (!allowed[i]) products[i] = s.left_out;
  }
  std::fill_n(products + end, keys - end, s.left_out);
}

// Puts both masks on products.
template <typename T>
void put_on(const State<T>& s, const RunArgs& args, int64_t head, int64_t query, int64_t keys, T* products) {
  if (!s.mask_last) add_mask(s, args, head, query, keys, products);
  leave_out(s, args, head, query, keys, products);
  if (s.mask_last) add_mask(s, args, head, query, keys, products);
}

template <typename T>
void make_weights(const State<T>& s, T* products, int64_t keys) {
  const RowsTable<T>& rows = rows_table(T());
  const T most = s.empty_is_zero || s.nan_is_zero ? rows.max(products, keys) : T(0);
  // Weights are NaN if the largest score is no number, or infinite.
  if (s.nan_is_zero ? !std::isfinite(most) : most == -std::numeric_limits<T>::infinity())
    std::fill_n(products, keys, T(0));
  else
    rows.softmax(products, products, keys);
}

// How many keys some queries look at together, in whole panels: with a causal mask, half of them on average. What is left out
// counts if its score is a number: a query that may look at nothing looks at all of it.
template <typename T>
int64_t keys_of(const State<T>& s, const RunArgs& args, int64_t head, int64_t query, int64_t count) {
  if (!s.allowed.given || s.allowed.column == 0 || s.mask_last) return s.keys;
  if (s.left_out != -std::numeric_limits<T>::infinity()) return s.keys;
  const uint8_t* allowed =
      args.input<uint8_t>(s.mask_input + 1) + s.allowed.at[static_cast<size_t>(head)] + query * s.allowed.row;
  int64_t most = 1;
  for (int64_t i = 0; i < count && most < s.keys; ++i, allowed += s.allowed.row) {
    most = std::max(most, end_of(allowed, s.keys));
  }
  const int64_t panel = gemm_tiles(T()).panel;
  return std::min(s.keys, divide_up(most, panel) * panel);
}

template <typename T>
void run_part(const State<T>& s, const RunArgs& args, int64_t head, int64_t part, T* scratch) {
  const int64_t image = head / s.heads, inner = head % s.heads;
  const T* q = args.input<T>(0) + image * s.q_image + inner * s.q_head;
  T* y = args.output<T>(0) + image * s.y_image + inner * s.y_head;
  T *packed_keys = scratch, *packed_values = packed_keys + s.keys_size, *products = packed_values + s.values_size;
  T* more = products + s.rows * s.scores_row;
  const Parallel alone{1};
  Gemm<T> scores = s.scores, values = s.values;
  scores.b = args.input<T>(1) + image * s.k_image + inner * s.k_head;
  values.b = args.input<T>(2) + image * s.v_image + inner * s.v_head;
  if (s.turns_keys) pack_b(scores, packed_keys, alone);
  pack_b(values, packed_values, alone);
  scores.packed_b = packed_keys;
  values.packed_b = packed_values;
  scores.c = products;
  values.a = products;
  const int64_t past = (part + 1) * s.queries / s.parts;
  for (int64_t query = part * s.queries / s.parts; query < past; query += s.rows) {
    if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
    const int64_t count = std::min(s.rows, past - query), keys = keys_of(s, args, head, query, count);
    scores.m = values.m = count;
    scores.n = values.k = keys;
    scores.a = q + query * scores.a_row;
    if (s.turns_keys) run_gemm(scores, more, alone);
    for (int64_t i = 0; i < count; ++i) {
      if (!s.turns_keys) {
        rows_table(T()).dots(scores.a + i * scores.a_row, scores.b, scores.b_column, keys, scores.alpha,
                             products + i * s.scores_row, scores.k);
      }
      put_on(s, args, head, query + i, keys, products + i * s.scores_row);
      make_weights(s, products + i * s.scores_row, keys);
    }
    values.c = y + query * values.c_row;
    run_gemm(values, more, alone);
  }
}

// Of one head.
template <typename T>
double cost_of(const State<T>& s) {
  const double blocks = static_cast<double>(s.queries) / static_cast<double>(s.rows);
  const double softmax = 1.5 * static_cast<double>(s.rows * s.keys);
  return blocks * (gemm_cost_ns(s.scores) + gemm_cost_ns(s.values) + softmax);
}

template <typename T>
void run(const State<T>& s, const RunArgs& args) {
  const int64_t tasks = s.tasks();
  const double cost = cost_of(s) / static_cast<double>(s.parts) * static_cast<double>(tasks / s.lanes);
  parallel_for(*args.parallel, s.lanes, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t lane = begin; lane < end; ++lane) {
      T* scratch = static_cast<T*>(args.scratch) + lane * s.lane_size;
      for (int64_t task = lane * tasks / s.lanes; task < (lane + 1) * tasks / s.lanes; ++task) {
        run_part(s, args, task / s.parts, task % s.parts, scratch);
      }
    }
  });
}

// `lead` are the heads of all images; the last two axes are queries and keys.
Mask read_mask(const KernelContext& c, int input, const Shape& lead, int64_t queries, int64_t keys) {
  Mask mask;
  if (!c.has_input(input)) return mask;
  mask.given = true;
  Shape whole = lead;
  whole.push_back(queries);
  whole.push_back(keys);
  const Shape& shape = c.shape(input);
  const std::vector<int64_t> own = row_major(shape);
  std::vector<int64_t> step(whole.size(), 0);
  const size_t missing = whole.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) step[missing + i] = shape[i] == 1 ? 0 : own[i];
  mask.column = step.back();
  mask.row = step[step.size() - 2];
  int64_t heads = 1;
  for (int64_t dim : lead) heads *= dim;
  for (int64_t head = 0; head < heads; ++head) {
    int64_t rest = head, at = 0;
    for (size_t d = lead.size(); d-- > 0; rest /= lead[d]) at += rest % lead[d] * step[d];
    mask.at.push_back(at);
  }
  return mask;
}

bool keys_last(const KernelContext& c) { return c.attrs().has("keys_last") && c.attrs().b("keys_last"); }

template <typename T>
void read_strides(const KernelContext& c, State<T>* s) {
  const Shape &q = c.shape(0), &k = c.shape(1), &v = c.shape(2);
  const int64_t features = q.back(), wide = v.back();
  const bool inside = c.attrs().b("heads_inside"), last = keys_last(c);
  if (inside) {
    s->images = q[0];
    s->heads = q[2];
  } else {
    for (size_t i = 0; i + 2 < q.size(); ++i) s->heads *= q[i];
  }
  const int64_t between = inside ? s->heads : 1;  // rows of one head
  auto distances = [&](int64_t rows, int64_t width, int64_t* image, int64_t* head) {
    *image = s->heads * rows * width;
    *head = inside ? width : rows * width;
  };
  distances(s->queries, features, &s->q_image, &s->q_head);
  distances(s->queries, wide, &s->y_image, &s->y_head);
  distances(s->keys, features, &s->k_image, &s->k_head);
  distances(s->keys, wide, &s->v_image, &s->v_head);
  Gemm<T>&scores = s->scores, &values = s->values;
  scores.n = values.k = values.packed_k = s->keys;
  scores.k = features;
  scores.a_row = between * features;
  scores.b_row = last ? k.back() : 1;
  scores.b_column = last ? 1 : between * features;
  if (c.attrs().has("scale")) scores.alpha = static_cast<T>(c.attrs().f("scale"));
  values.n = wide;
  values.b_row = values.c_row = between * wide;
}

// What the gradient needs too: all but scratch.
template <typename T>
State<T> read_state(const KernelContext& c, int mask_input) {
  State<T> s{};
  const bool inside = c.attrs().b("heads_inside"), last = keys_last(c);
  const Shape &q = c.shape(0), &k = c.shape(1);
  s.queries = q[inside ? 1 : q.size() - 2];
  s.keys = k[inside ? 1 : last ? k.size() - 1 : k.size() - 2];
  s.empty_is_zero = c.attrs().b("empty_is_zero");
  s.nan_is_zero = c.attrs().has("nan_is_zero") && c.attrs().b("nan_is_zero");
  s.mask_last = c.attrs().has("mask_last") && c.attrs().b("mask_last");
  if (c.attrs().has("left_out")) s.left_out = static_cast<T>(c.attrs().f("left_out"));
  read_strides(c, &s);
  const Shape lead = inside ? Shape{s.images, s.heads} : Shape(q.begin(), q.end() - 2);
  s.mask = read_mask(c, mask_input, lead, s.queries, s.keys);
  s.allowed = read_mask(c, mask_input + 1, lead, s.queries, s.keys);
  s.mask_input = mask_input;

  const int64_t tile = gemm_tiles(T()).rows;
  const int64_t blocks = divide_up(s.queries, std::clamp(kBlockProducts / s.keys, kLeastRows, kMostRows));
  s.rows = std::min(s.queries, divide_up(divide_up(s.queries, blocks), tile) * tile);
  s.scores_row = s.keys * static_cast<int64_t>(sizeof(T)) % kPage == 0 ? s.keys + 16 : s.keys;
  s.scores.m = s.values.m = s.rows;
  s.scores.c_row = s.values.a_row = s.scores_row;
  // Where many rows read them, they are worth being copied.
  s.scores.packs_all_of_b = s.values.packs_all_of_b = s.queries > kMostRows;
  s.keys_size = packed_b_size(s.scores);
  s.values_size = packed_b_size(s.values);
  return s;
}

template <typename T>
Status prepare_of(const KernelContext& c, PreparedKernel* prepared) {
  State<T> s = read_state<T>(c, 3);
  s.turns_keys = s.scores.b_row != 1 || s.queries > kFewQueries || s.keys < gemm_tiles(T()).panel;
  if (!s.turns_keys) s.keys_size = 0;
  s.parts = std::clamp<int64_t>(divide_up(kLeastTasks, s.images * s.heads), 1, divide_up(s.queries, s.rows));
  s.lanes = std::min(s.tasks(), kLanes);
  const int64_t more = std::max(packed_scratch(s.scores), packed_scratch(s.values));
  s.lane_size = divide_up(s.keys_size + s.values_size + s.rows * s.scores_row + more, 16) * 16;
  prepared->scratch_bytes = s.lanes * s.lane_size * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = cost_of(s) * static_cast<double>(s.images * s.heads);
  prepared->most_threads = s.lanes;
  prepared->use<&run<T>>(std::move(s));
  return {};
}

Status prepare(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_of<float>(c, prepared) : prepare_of<double>(c, prepared);
}

bool accepts(const KernelContext& c) {
  if (c.rank(0) < 2 || (c.attrs().b("heads_inside") && c.rank(0) != 4)) return false;
  return c.count(0) > 0 && c.count(1) > 0 && c.count(2) > 0;
}

// The gradient. Of a block of queries, with P the weights and S the scores: dP = dY V^T, dS of dP by the softmax, dQ = dS K;
// P^T dY is added to dV and dS^T Q to dK, block after block.
template <typename T>
struct GradState {
  State<T> s;                            // `values` are those of dQ
  Gemm<T> weights, dk, dv;               // dP, and what is added for a block
  int64_t turned_size, rows_size, more;  // scratch: of V turned, of a block, and what products work in
};

template <typename T>
void grad_of_head(const GradState<T>& g, const RunArgs& args, int64_t head, T* scratch) {
  const State<T>& s = g.s;
  const int64_t image = head / s.heads, inner = head % s.heads;
  const int64_t q_at = image * s.q_image + inner * s.q_head, y_at = image * s.y_image + inner * s.y_head;
  const int64_t k_at = image * s.k_image + inner * s.k_head, v_at = image * s.v_image + inner * s.v_head;
  T *packed_keys = scratch, *packed_values = packed_keys + s.keys_size, *rows_of_keys = packed_values + g.turned_size;
  T *weights = rows_of_keys + s.values_size, *grads = weights + g.rows_size, *more = grads + g.rows_size;
  const Parallel alone{1};
  Gemm<T> scores = s.scores, dp = g.weights, dq = s.values, dk = g.dk, dv = g.dv;
  scores.b = dq.b = args.input<T>(1) + k_at;
  dp.b = args.input<T>(2) + v_at;
  pack_b(scores, packed_keys, alone);
  pack_b(dp, packed_values, alone);
  pack_b(dq, rows_of_keys, alone);
  scores.packed_b = packed_keys;
  dp.packed_b = packed_values;
  dq.packed_b = rows_of_keys;
  scores.c = weights;
  dv.a = weights;
  dp.c = grads;
  dq.a = dk.a = grads;
  dk.c = args.output<T>(1) + k_at;
  dv.c = args.output<T>(2) + v_at;
  for (int64_t i = 0; i < s.keys; ++i) {
    std::fill_n(dk.c + i * dk.c_row, dk.n, T(0));
    std::fill_n(dv.c + i * dv.c_row, dv.n, T(0));
  }
  dk.init = dk.c;
  dv.init = dv.c;
  for (int64_t query = 0; query < s.queries; query += s.rows) {
    if (args.parallel->stop != nullptr && args.parallel->stop->stopped()) return;
    const int64_t count = std::min(s.rows, s.queries - query), keys = keys_of(s, args, head, query, count);
    scores.m = dp.m = dq.m = dk.k = dv.k = count;
    scores.n = dp.n = dq.k = dk.m = dv.m = keys;
    scores.a = dk.b = args.input<T>(0) + q_at + query * scores.a_row;
    dp.a = dv.b = args.input<T>(3) + y_at + query * dp.a_row;
    dq.c = args.output<T>(0) + q_at + query * dq.c_row;
    run_gemm(scores, more, alone);
    run_gemm(dp, more, alone);
    for (int64_t i = 0; i < count; ++i) {
      T *row = weights + i * s.scores_row, *grad = grads + i * s.scores_row;
      put_on(s, args, head, query + i, keys, row);
      make_weights(s, row, keys);
      rows_table(T()).softmax_grad(row, grad, grad, keys);
    }
    run_gemm(dq, more, alone);
    run_gemm(dk, more, alone);
    run_gemm(dv, more, alone);
  }
}

template <typename T>
double grad_cost_of(const GradState<T>& g) {
  return 2.5 * cost_of(g.s);
}

template <typename T>
void run_grad(const GradState<T>& g, const RunArgs& args) {
  const State<T>& s = g.s;
  const int64_t heads = s.images * s.heads;
  parallel_for(*args.parallel, s.lanes, 1, grad_cost_of(g) * static_cast<double>(heads / s.lanes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t lane = begin; lane < end; ++lane) {
                   T* scratch = static_cast<T*>(args.scratch) + lane * s.lane_size;
                   for (int64_t head = lane * heads / s.lanes; head < (lane + 1) * heads / s.lanes; ++head) {
                     grad_of_head(g, args, head, scratch);
                   }
                 }
               });
}

template <typename T>
Status prepare_grad_of(const KernelContext& c, PreparedKernel* prepared) {
  GradState<T> g{read_state<T>(c, 4), {}, {}, {}, 0, 0, 0};
  State<T>& s = g.s;
  s.parts = 1;
  s.lanes = std::min(s.images * s.heads, kLanes);
  const Gemm<T> values = s.values;  // of Y = P V
  g.weights = s.scores;
  g.weights.k = values.n;
  g.weights.a_row = g.weights.b_column = values.b_row;
  Gemm<T>& dq = s.values;
  dq.n = s.scores.k;
  dq.b_row = dq.c_row = s.scores.a_row;
  for (Gemm<T>* sum : {&g.dk, &g.dv}) {
    sum->m = s.keys;
    sum->k = s.rows;
    sum->a_row = 1;
    sum->a_column = s.scores_row;
    sum->n = sum == &g.dk ? s.scores.k : values.n;
    sum->b_row = sum->c_row = sum->init_row = sum == &g.dk ? s.scores.a_row : values.b_row;
    sum->init_column = 1;
  }
  s.values_size = packed_b_size(dq);
  g.turned_size = packed_b_size(g.weights);
  g.rows_size = s.rows * s.scores_row;
  g.more = std::max({packed_scratch(s.scores), packed_scratch(g.weights), packed_scratch(dq), gemm_scratch(g.dk),
                     gemm_scratch(g.dv)});
  s.lane_size = divide_up(s.keys_size + s.values_size + g.turned_size + 2 * g.rows_size + g.more, 16) * 16;
  prepared->scratch_bytes = s.lanes * s.lane_size * static_cast<int64_t>(sizeof(T));
  prepared->cost_ns = grad_cost_of(g) * static_cast<double>(s.images * s.heads);
  prepared->most_threads = s.lanes;
  prepared->use<&run_grad<T>>(std::move(g));
  return {};
}

Status prepare_grad(const KernelContext& c, PreparedKernel* prepared) {
  return c.dtype(0) == DType::kF32 ? prepare_grad_of<float>(c, prepared) : prepare_grad_of<double>(c, prepared);
}

// A head is not divided, as its queries all add to the same keys.
bool accepts_grad(const KernelContext& c) {
  if (!accepts(c)) return false;
  const Shape& q = c.shape(0);
  int64_t heads = c.attrs().b("heads_inside") ? q[0] * q[2] : 1;
  for (size_t i = 0; !c.attrs().b("heads_inside") && i + 2 < q.size(); ++i) heads *= q[i];
  return heads >= kLeastTasks;
}

}  // namespace

void add_cpu_attention(KernelRegistry& kernels) {
  kernels.add("weft.FusedAttention", {"blocks", accepts, prepare});
  kernels.add("weft.AttentionGrad", {"blocks", accepts_grad, prepare_grad});
}

}  // namespace weft
