// Groups of elementwise nodes: one after another over a tile that stays in the cache. Members that follow each other by
// operations of a chain go through registers together; the others run their own kernels.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"
#include "core/kernels/cpu/vectors_common.h"

namespace weft {
namespace {

// What the tiles of one thread take, on its stack: most of an L1 cache.
constexpr int64_t kTilesBytes = 24 << 10;
constexpr int64_t kMostTile = 1024, kLeastTile = 16;
// Of an element in one step, in ns.
double chain_cost(ChainOp op, DType dtype) {
  const bool slow = op == ChainOp::kDiv || op == ChainOp::kDivInto || op == ChainOp::kSqrt;
  return (slow ? 0.05 : 0.025) * static_cast<double>(dtype_size(dtype)) * (slow && dtype == DType::kF64 ? 2 : 1);
}
// Outputs that no cache holds until somebody reads them are written past it.
constexpr int64_t kPastCacheBytes = int64_t{32} << 20;
static_assert(kMostFusedOperands * kLeastTile * 8 <= kTilesBytes);

constexpr int32_t kNone = -1;

// Where an operand is while a tile is worked on.
struct Place {
  int64_t size;            // bytes of an element
  int32_t input = kNone;   // an input that lies like the output: where it is
  int32_t output = kNone;  // likewise an output
  int64_t tile_offset =
      kNone;  // else its tile; a number that chains read where it is, and what stays in registers, has none
};

// An input that broadcasts: it is spread into its tile, once for all tiles if it is a single number.
struct Spread {
  int32_t input;
  int32_t operand;
  bool number;
  Broadcast plan;
};

// A step of a chain, whose operand is a place or, for a number, an input.
struct Link {
  ChainOp op;
  bool number;
  int32_t operand;
};

// What runs at once: a member by its kernel, or a chain of members.
struct Piece {
  int32_t made;                  // the operand that it makes
  std::vector<int32_t> reads;    // places; of a member's kernel its inputs, of a chain `start` and the arrays
  RunSpanFn run_span = nullptr;  // of a member
  std::shared_ptr<const void> state{};
  DType dtype = DType::kNone;  // of a chain, as the rest
  int32_t start = kNone;
  std::vector<Link> links{};
  bool past_cache = false;
};

struct State {
  int64_t count = 0;
  int64_t tile = 0;
  double cost_ns = 0;  // of an element
  int32_t inputs = 0;
  std::vector<Piece> pieces;
  std::vector<Place> places;
  std::vector<Spread> spreads;
};

void spread(const char* from, char* to, int64_t size, int64_t n) {
  switch (size) {
    case 1: std::memset(to, *from, static_cast<size_t>(n)); return;
    case 4: {
      uint32_t value;
      std::memcpy(&value, from, 4);
      for (int64_t i = 0; i < n; ++i) std::memcpy(to + 4 * i, &value, 4);
      return;
    }
    case 8: {
      uint64_t value;
      std::memcpy(&value, from, 8);
      for (int64_t i = 0; i < n; ++i) std::memcpy(to + 8 * i, &value, 8);
      return;
    }
    default:
      for (int64_t i = 0; i < n; ++i) std::memcpy(to + size * i, from, static_cast<size_t>(size));
  }
}

void spread_tile(const Spread& s, int64_t size, const char* input, char* tile, int64_t begin, int64_t n) {
  const bool moves = s.plan.last_step(0) != 0;
  for_runs<1>(s.plan, begin, begin + n, [&](int64_t out, const int64_t* at, int64_t run) {
    char* to = tile + (out - begin) * size;
    const char* from = input + at[0] * size;
    if (moves)
      std::memcpy(to, from, static_cast<size_t>(run * size));
    else
      spread(from, to, size, run);
  });
}

template <typename T>
void run_chain(const Piece& piece, const void* const* inputs, char* const* at, int64_t n) {
  ChainStep<T> steps[kMostFusedOperands];
  int64_t count = 0;
  for (const Link& link : piece.links) {
    const void* b = link.operand == kNone ? nullptr : link.number ? inputs[link.operand] : at[link.operand];
    steps[count++] = {link.op, link.number, static_cast<const T*>(b)};
  }
  chain_table(T()).run(reinterpret_cast<const T*>(at[piece.start]), steps, count, reinterpret_cast<T*>(at[piece.made]),
                       n, piece.past_cache);
}

void run_block(const State& s, const RunArgs& args, int64_t begin, int64_t end) {
  alignas(64) char tiles[kTilesBytes];
  char* at[kMostFusedOperands];
  const size_t operands = s.places.size();
  for (size_t k = 0; k < operands; ++k) {
    const Place& p = s.places[k];
    if (p.input != kNone)
      at[k] = static_cast<char*>(const_cast<void*>(args.in[p.input])) + begin * p.size;
    else if (p.output != kNone)
      at[k] = static_cast<char*>(args.out[p.output]) + begin * p.size;
    else
      at[k] = p.tile_offset != kNone ? tiles + p.tile_offset : nullptr;
  }
  const int64_t first = std::min(s.tile, end - begin);
  for (const Spread& spreading : s.spreads) {
    if (!spreading.number) continue;
    spread(static_cast<const char*>(args.in[spreading.input]), at[spreading.operand], s.places[spreading.operand].size,
           first);
  }
  for (;;) {
    const int64_t n = std::min(s.tile, end - begin);
    for (const Spread& spreading : s.spreads) {
      if (spreading.number) continue;
      spread_tile(spreading, s.places[spreading.operand].size, static_cast<const char*>(args.in[spreading.input]),
                  at[spreading.operand], begin, n);
    }
    for (const Piece& piece : s.pieces) {
      if (piece.dtype == DType::kF32) {
        run_chain<float>(piece, args.in, at, n);
      } else if (piece.dtype == DType::kF64) {
        run_chain<double>(piece, args.in, at, n);
      } else {
        const void* in[kMostFusedOperands];
        for (size_t i = 0; i < piece.reads.size(); ++i) in[i] = piece.reads[i] == kNone ? nullptr : at[piece.reads[i]];
        piece.run_span(piece.state.get(), in, at[piece.made], n);
      }
    }
    begin += n;
    if (begin == end) return;
    for (size_t k = 0; k < operands; ++k) {
      if (at[k] != nullptr && s.places[k].tile_offset == kNone) at[k] += n * s.places[k].size;
    }
  }
}

void run(const State& s, const RunArgs& args) {
  parallel_for(*args.parallel, s.count, kElementwiseBlock, s.cost_ns,
               [&](int64_t begin, int64_t end) { run_block(s, args, begin, end); });
}

// A producer, and the group behind it.
struct ProducedState {
  PreparedKernel producer;
  int32_t inputs, output;  // of the producer: how many, and where it writes
  State group;
};

void run_produced(const ProducedState& s, const RunArgs& args) {
  const void* in[kMostFusedOperands];
  in[0] = args.out[s.output];
  for (int32_t i = 1; i < s.group.inputs; ++i) in[i] = args.in[s.inputs + i - 1];
  RunArgs group = args;
  group.in = in;
  struct Behind {
    const State& group;
    const RunArgs& args;
  } behind{s.group, group};
  const Finish finish{[](const void* self, int64_t begin, int64_t end) {
                        const auto& to = *static_cast<const Behind*>(self);
                        run_block(to.group, to.args, begin, end);
                      },
                      &behind, s.group.cost_ns};
  RunArgs producer = args;
  producer.out = args.out + s.output;
  producer.finish = &finish;
  s.producer.run(s.producer.state.get(), producer);
}

// Finds the pieces of a group, in an order in which they can run.
class Pieces {
 public:
  // `numbers` says of each input whether it is a single number for all elements.
  Pieces(const FusedGroup& group, const std::vector<bool>& numbers)
      : group_(group),
        numbers_(numbers),
        inputs_(static_cast<int32_t>(group.inputs.size())),
        users_(group.members.size()),
        leaves_(group.members.size(), false),
        taken_(group.members.size(), false) {
    for (int32_t k : group.outputs) leaves_[k - inputs_] = true;
    for (int32_t m = 0; m < count(); ++m) {
      for (int32_t k : group.members[m].inputs) {
        if (k >= inputs_) users_[k - inputs_].push_back(m);
      }
    }
  }

  std::vector<Piece> run() {
    std::vector<Piece> pieces;
    for (int32_t m = 0; m < count(); ++m) {
      if (taken_[m]) continue;
      const std::vector<int32_t> chain = chain_from(m);
      for (int32_t member : chain) taken_[member] = true;
      pieces.push_back(chain.size() > 1 ? chained(chain) : alone(m));
    }
    // A chain runs where its last member stands: what it reads is there, and nobody waits for what it makes before.
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.made < b.made; });
    return pieces;
  }

 private:
  int32_t count() const { return static_cast<int32_t>(group_.members.size()); }
  ChainOp op(int32_t m) const { return group_.members[m].kernel.chain_op; }

  std::vector<int32_t> chain_from(int32_t m) const {
    std::vector<int32_t> chain = {m};
    if (op(m) == ChainOp::kNone) return chain;
    for (;;) {
      const int32_t last = chain.back();
      // What others read must be written.
      if (leaves_[last] || users_[last].size() != 1) return chain;
      const int32_t next = users_[last][0];
      if (taken_[next] || op(next) == ChainOp::kNone || group_.members[next].dtype != group_.members[m].dtype)
        return chain;
      // What is written in between may take the place of what the chain reads.
      if (std::find(leaves_.begin() + last, leaves_.begin() + next, true) != leaves_.begin() + next) return chain;
      chain.push_back(next);
    }
  }

  Piece alone(int32_t m) const {
    const FusedGroup::Member& member = group_.members[m];
    Piece piece{inputs_ + m, member.inputs};
    piece.run_span = member.kernel.run_span;
    piece.state = member.kernel.state;
    return piece;
  }

  bool is_number(int32_t k) const { return k < inputs_ && numbers_[k]; }

  Piece chained(const std::vector<int32_t>& chain) const {
    Piece piece{inputs_ + chain.back(), {}};
    piece.dtype = group_.members[chain[0]].dtype;
    int32_t before = kNone;
    for (int32_t m : chain) {
      const std::vector<int32_t>& in = group_.members[m].inputs;
      ChainOp op = this->op(m);
      if (!takes_two(op)) {
        if (before == kNone) piece.start = in[0];
        piece.links.push_back({op, false, kNone});
      } else {
        const bool turned = before == kNone ? is_number(in[0]) : in[1] == before;
        const int32_t other = in[turned ? 0 : 1];
        if (before == kNone) piece.start = in[turned ? 1 : 0];
        if (turned && op == ChainOp::kSub) op = ChainOp::kSubFrom;
        if (turned && op == ChainOp::kDiv) op = ChainOp::kDivInto;
        piece.links.push_back({op, is_number(other), other});
      }
      before = inputs_ + m;
    }
    piece.reads.push_back(piece.start);
    for (const Link& link : piece.links) {
      if (link.operand != kNone && !link.number) piece.reads.push_back(link.operand);
    }
    return piece;
  }

  const FusedGroup& group_;
  const std::vector<bool>& numbers_;
  const int32_t inputs_;
  std::vector<std::vector<int32_t>> users_;  // of what each member makes
  std::vector<bool> leaves_;
  std::vector<bool> taken_;
};

// Gives operands tiles; one that is read for the last time leaves its tile to what comes after. Returns the number of
// tiles.
int64_t assign_tiles(const std::vector<Piece>& pieces, const std::vector<Spread>& spreads, std::vector<Place>& places) {
  std::vector<size_t> last(places.size(), 0);
  for (size_t p = 0; p < pieces.size(); ++p) {
    for (int32_t k : pieces[p].reads) {
      if (k != kNone) last[k] = p;
    }
  }
  std::vector<int64_t> free;
  int64_t tiles = 0;
  auto take = [&](Place& place) {
    if (free.empty()) free.push_back(tiles++);
    place.tile_offset = free.back();
    free.pop_back();
  };
  // Spread inputs keep theirs: numbers are spread only once.
  for (const Spread& s : spreads) take(places[s.operand]);
  for (size_t p = 0; p < pieces.size(); ++p) {
    Place& made = places[pieces[p].made];
    if (made.output == kNone) take(made);
    for (size_t before = 0; before < p; ++before) {
      const int32_t k = pieces[before].made;
      if (last[k] == p && places[k].tile_offset != kNone) free.push_back(places[k].tile_offset);
    }
  }
  return tiles;
}

Result<PreparedKernel> fuse(FusedGroup group) {
  State state;
  state.count = 1;
  for (int64_t dim : group.shape) state.count *= dim;
  int64_t widest = 1;
  PreparedKernel prepared;
  std::vector<bool> numbers(group.inputs.size(), false);
  for (size_t i = 0; i < group.inputs.size(); ++i) {
    const FusedGroup::Operand& input = group.inputs[i];
    Place place{dtype_size(input.dtype)};
    int64_t count = 1;
    for (int64_t dim : input.shape) count *= dim;
    if (count == state.count) {
      place.input = static_cast<int32_t>(i);
    } else {
      state.spreads.push_back(
          {static_cast<int32_t>(i), static_cast<int32_t>(i), count == 1, plan_broadcast(group.shape, {input.shape})});
      numbers[i] = count == 1;
    }
    widest = std::max(widest, place.size);
    state.places.push_back(place);
  }
  for (const FusedGroup::Member& member : group.members) {
    state.places.push_back({dtype_size(member.dtype)});
    widest = std::max(widest, state.places.back().size);
  }
  for (size_t k = 0; k < group.outputs.size(); ++k) state.places[group.outputs[k]].output = static_cast<int32_t>(k);
  state.pieces = Pieces(group, numbers).run();
  for (const Piece& piece : state.pieces) {
    if (piece.links.empty()) prepared.cost_ns += group.members[piece.made - group.inputs.size()].kernel.cost_ns;
    for (const Link& link : piece.links) {
      prepared.cost_ns += chain_cost(link.op, piece.dtype) * static_cast<double>(state.count);
    }
  }
  // Numbers that chains alone read are read where they are.
  std::vector<bool> read(state.places.size(), false);
  for (Piece& piece : state.pieces) {
    for (int32_t k : piece.reads) {
      if (k != kNone) read[k] = true;
    }
  }
  state.spreads.erase(
      std::remove_if(state.spreads.begin(), state.spreads.end(), [&](const Spread& s) { return !read[s.operand]; }),
      state.spreads.end());
  for (Piece& piece : state.pieces) {
    const Place& made = state.places[piece.made];
    piece.past_cache =
        !piece.links.empty() && made.output != kNone && !read[piece.made] && state.count * made.size >= kPastCacheBytes;
  }
  const int64_t tiles = assign_tiles(state.pieces, state.spreads, state.places);
  if (tiles == 0 && state.pieces.size() == 1)
    state.tile = kElementwiseBlock;
  else
    state.tile = std::min(kMostTile, kTilesBytes / (std::max<int64_t>(tiles, 1) * widest) / kLeastTile * kLeastTile);
  for (Place& place : state.places) {
    if (place.tile_offset != kNone) place.tile_offset *= state.tile * widest;
  }
  state.cost_ns = prepared.cost_ns / static_cast<double>(std::max<int64_t>(state.count, 1));
  state.inputs = static_cast<int32_t>(group.inputs.size());
  prepared.name = "fused";
  FusedGroup::Producer& producer = group.producer;
  if (producer.kernel.run == nullptr) {
    prepared.use<&run>(std::move(state));
    return prepared;
  }
  prepared.cost_ns += producer.kernel.cost_ns;
  prepared.scratch_bytes = producer.kernel.scratch_bytes;
  prepared.use<&run_produced>(
      ProducedState{std::move(producer.kernel), producer.inputs, producer.output, std::move(state)});
  return prepared;
}

}  // namespace

void add_cpu_fused(KernelRegistry& kernels) { kernels.set_fuse(&fuse); }

}  // namespace weft
