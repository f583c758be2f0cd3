// Groups of elementwise nodes: the members' own kernels, one after another over a tile that stays in the cache.
#include <cstring>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/broadcast_common.h"

namespace weft {
namespace {

// What the tiles of one thread take, on its stack: most of an L1 cache.
constexpr int64_t kTilesBytes = 24 << 10;
constexpr int64_t kMostTile = 1024, kLeastTile = 16;
static_assert(kMostFusedOperands * kLeastTile * 8 <= kTilesBytes);

constexpr int32_t kNone = -1;

// Where an operand is while a tile is worked on.
struct Place {
  int64_t size;                 // bytes of an element
  int32_t input = kNone;        // an input that lies like the output: where it is
  int32_t output = kNone;       // likewise an output
  int64_t tile_offset = kNone;  // else its tile
};

// An input that broadcasts: it is spread into its tile, once for all tiles if it is a single number.
struct Spread {
  int32_t input;
  int32_t operand;
  bool number;
  Broadcast plan;
};

struct State {
  int64_t count = 0;
  int64_t tile = 0;
  double cost_ns = 0;  // of an element
  int32_t inputs = 0;
  std::vector<FusedGroup::Member> members;
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
      at[k] = tiles + p.tile_offset;
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
    size_t made = operands - s.members.size();
    for (const FusedGroup::Member& member : s.members) {
      const void* in[kMostFusedOperands];
      for (size_t i = 0; i < member.inputs.size(); ++i)
        in[i] = member.inputs[i] == kNone ? nullptr : at[member.inputs[i]];
      member.kernel.run_span(member.kernel.state.get(), in, at[made++], n);
    }
    begin += n;
    if (begin == end) return;
    for (size_t k = 0; k < operands; ++k) {
      if (s.places[k].tile_offset == kNone) at[k] += n * s.places[k].size;
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

// Gives operands tiles; one that is read for the last time leaves its tile to what comes after. Returns the number of
// tiles.
int64_t assign_tiles(const FusedGroup& group, const std::vector<Spread>& spreads, std::vector<Place>& places) {
  std::vector<size_t> last(places.size(), 0);
  for (size_t m = 0; m < group.members.size(); ++m) {
    for (int32_t k : group.members[m].inputs) {
      if (k != kNone) last[k] = m;
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
  for (size_t m = 0; m < group.members.size(); ++m) {
    Place& made = places[group.inputs.size() + m];
    if (made.output == kNone) take(made);
    for (size_t k = group.inputs.size(); k < group.inputs.size() + m; ++k) {
      if (last[k] == m && places[k].tile_offset != kNone) free.push_back(places[k].tile_offset);
    }
  }
  return tiles;
}

PreparedKernel fuse(FusedGroup group) {
  State state;
  state.count = 1;
  for (int64_t dim : group.shape) state.count *= dim;
  int64_t widest = 1;
  PreparedKernel prepared;
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
    }
    widest = std::max(widest, place.size);
    state.places.push_back(place);
  }
  for (const FusedGroup::Member& member : group.members) {
    state.places.push_back({dtype_size(member.dtype)});
    widest = std::max(widest, state.places.back().size);
    prepared.cost_ns += member.kernel.cost_ns;
  }
  for (size_t k = 0; k < group.outputs.size(); ++k) state.places[group.outputs[k]].output = static_cast<int32_t>(k);
  const int64_t tiles = std::max<int64_t>(assign_tiles(group, state.spreads, state.places), 1);
  state.tile = std::min(kMostTile, kTilesBytes / (tiles * widest) / kLeastTile * kLeastTile);
  for (Place& place : state.places) {
    if (place.tile_offset != kNone) place.tile_offset *= state.tile * widest;
  }
  state.cost_ns = prepared.cost_ns / static_cast<double>(std::max<int64_t>(state.count, 1));
  state.members = std::move(group.members);
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
