// Nodes at random: any operator on any inputs and attributes gives results or an error, in inference, folding, planning,
// running and differentiating. WEFT_ROUNDS and WEFT_SEED make more and others than the fixed ones.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "tests/core/runtime/model_common.h"
#include "tests/device/test_device.h"

namespace weft {
namespace {

int64_t number_from_environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? parse_int(text).value_or(otherwise) : otherwise;
}

// The same numbers everywhere: SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice {
  uint64_t state;

  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T>
  const T& of(const std::vector<T>& list) {
    return list[static_cast<size_t>(below(static_cast<int64_t>(list.size())))];
  }
};

const std::vector<int64_t> kEdges = {0,
                                     1,
                                     -1,
                                     2,
                                     -2,
                                     3,
                                     5,
                                     1 << 20,
                                     -(1 << 20),
                                     INT32_MAX,
                                     INT32_MIN,
                                     INT64_MAX,
                                     INT64_MIN,
                                     int64_t{1} << 62,
                                     (int64_t{1} << 61) + 1};
const std::vector<double> kFloatEdges = {0, 1, -1, 0.5, 2, 1e30, -1e30, 1e-45, NAN, INFINITY, -INFINITY};

struct RandomNode {
  Dice dice;
  TestModel model;
  std::vector<Expr> feeds;
  std::vector<Tensor> values;
  std::string text;

  int64_t integer() { return dice.chance(25) ? dice.of(kEdges) : dice.below(7) - 2; }
  Shape shape() {
    Shape out(static_cast<size_t>(dice.of(std::vector<int64_t>{0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5})));
    for (int64_t& dim : out) dim = dice.of(std::vector<int64_t>{0, 1, 1, 2, 2, 3, 4});
    return out;
  }
  DType dtype(DTypeSet set) {
    static const std::vector<DType> kCommon = {DType::kF32,  DType::kF32, DType::kF64, DType::kI64, DType::kI32,
                                               DType::kBool, DType::kU8,  DType::kF16, DType::kU64, DType::kString};
    for (int i = 0; i < 20; ++i) {
      DType out = dice.of(kCommon);
      if (contains(set, out)) return out;
    }
    return DType::kF32;
  }
  Tensor tensor(DType type, const Shape& dims) {
    Tensor out = *Tensor::make(type, dims);
    for (int64_t i = 0; i < out.count(); ++i) {
      int64_t whole = integer();
      double real = dice.chance(20) ? dice.of(kFloatEdges) : static_cast<double>(dice.below(4001) - 2000) / 1000;
      switch (type) {
        case DType::kString: out.mutable_strings()[static_cast<size_t>(i)] = dice.chance(50) ? "a" : "3.5"; break;
        case DType::kF32: out.as<float>()[i] = static_cast<float>(real); break;
        case DType::kF64: out.as<double>()[i] = real; break;
        case DType::kF16: out.as<uint16_t>()[i] = float_to_f16(static_cast<float>(real)); break;
        case DType::kBool: out.as<bool>()[i] = whole % 2 == 0; break;
        default: std::memcpy(out.as<char>() + i * dtype_size(type), &whole, static_cast<size_t>(dtype_size(type)));
      }
    }
    return out;
  }
  AttrValue attribute(AttrKind kind) {
    static const std::vector<std::string> kWords = {"",           "add",   "mul",  "reflect", "SAME_UPPER",
                                                    "SAME_LOWER", "VALID", "sum",  "mean",    "none",
                                                    "edge",       "wrap",  "tanh", "max"};
    switch (kind) {
      case AttrKind::kInt: return integer();
      case AttrKind::kFloat: return dice.of(kFloatEdges);
      case AttrKind::kString: return dice.of(kWords);
      case AttrKind::kTensor: return tensor(dtype(kNumberTypes), dice.chance(70) ? Shape{1} : shape());
      case AttrKind::kFloats: return std::vector<double>(static_cast<size_t>(dice.below(4)), dice.of(kFloatEdges));
      case AttrKind::kStrings: return std::vector<std::string>(static_cast<size_t>(dice.below(3)), dice.of(kWords));
      default: break;
    }
    std::vector<int64_t> list(static_cast<size_t>(dice.below(5)));
    for (int64_t& item : list) item = integer();
    return list;
  }

  Expr value(DType type, const Shape& dims) {
    Tensor made = tensor(type, dims);
    text += cat(" ", made.summary());
    if (dice.chance(40)) return constant(model.scope, std::move(made));
    ValueType declared = ValueType::tensor(type, to_dims(dims));
    for (Dim& dim : declared.dims) {
      if (dice.chance(30)) dim = Dim::symbol(cat("d", feeds.size(), "_", dim.text()));
    }
    if (dice.chance(15)) declared = ValueType::unranked(type);
    feeds.emplace_back(model.scope, *model.graph->add_input(cat("x", feeds.size()), std::move(declared)));
    values.push_back(std::move(made));
    return feeds.back();
  }

  // A map, whose keys may be there twice.
  Expr map(const OpDef& op, std::string_view type) {
    const auto dtype_of = [&](std::string_view text) {
      const TypeVar* variable = op.find_type_var(text);
      return variable != nullptr ? dtype(variable->set) : *parse_dtype(text);
    };
    const size_t comma = type.find(", ");
    const DType keys = dtype_of(type.substr(4, comma - 4));
    const DType mapped = dtype_of(type.substr(comma + 2, type.size() - comma - 3));
    const Shape dims = {dice.below(4)};
    ValueType declared = ValueType::unranked(mapped);
    declared.kind = Kind::kMap;
    declared.keys = keys;
    feeds.emplace_back(model.scope, *model.graph->add_input(cat("x", feeds.size()), std::move(declared)));
    values.push_back(Tensor::map(tensor(keys, dims), tensor(mapped, dims)));
    text += cat(" ", values.back().summary());
    return feeds.back();
  }

  Expr input(const OpDef& op, const Formal& formal, const Shape& usual, DType usual_type) {
    std::string_view element = formal.type;
    if (element.starts_with("map(")) return map(op, element);
    const bool optional = element.starts_with("optional("), sequence = element.starts_with("seq(");
    if (optional || sequence) element = element.substr(element.find('(') + 1, element.size() - element.find('(') - 2);
    DType type = DType::kF32;
    if (const TypeVar* variable = op.find_type_var(element)) {
      bool fits = contains(variable->set, usual_type) && (element == "T" || dice.chance(50));
      type = fits ? usual_type : dtype(variable->set);
    } else if (element != "any") {
      type = *parse_dtype(element);
    }
    static const std::vector<std::string> kLists = {"axes",   "shape", "repeats", "split",
                                                    "starts", "ends",  "steps",   "pads"};
    bool list = std::find(kLists.begin(), kLists.end(), formal.name) != kLists.end();
    Shape dims = dice.chance(60) ? usual : shape();
    if (list && dice.chance(85)) dims = {dice.below(4)};
    if (optional) return make(model.scope, "Optional", {value(type, dims)});
    if (!sequence) return value(type, dims);
    std::vector<Expr> items;
    for (int64_t i = 0; i <= dice.below(3); ++i) items.push_back(value(type, dice.chance(50) ? dims : shape()));
    return make(model.scope, "SequenceConstruct", items);
  }

  // Adds the node, runs it, differentiates it and runs the gradients.
  Status go(const OpDef& op) {
    Shape usual = shape();
    DType usual_type = dtype(op.find_type_var("T") != nullptr ? op.find_type_var("T")->set : kNumberTypes);
    text = op.full_name();
    std::vector<ValueId> inputs;
    for (const Formal& formal : op.inputs()) {
      int64_t count = formal.variadic ? dice.below(4) : 1;
      for (int64_t i = 0; i < count; ++i) {
        bool left_out = formal.optional && dice.chance(30);
        inputs.push_back(left_out ? kNoValue : input(op, formal, usual, usual_type).id());
      }
    }
    Attrs attrs;
    for (const AttrDef& attr : op.attrs()) {
      if (attr.required || dice.chance(40)) attrs.set(attr.name, attribute(attr.kind));
    }
    WEFT_CHECK(model.scope.status());
    NodeOptions options;
    options.output_count = static_cast<int>(dice.below(static_cast<int64_t>(op.outputs().size()) + 2));
    WEFT_TRY(NodeId node, model.graph->add(op.domain(), op.name(), inputs, attrs, options));
    std::vector<Expr> outputs;
    for (int i = 0; i < model.graph->node(node).output_count; ++i) {
      outputs.emplace_back(model.scope, model.graph->node(node).output(i));
    }
    WEFT_CHECK(run(outputs));
    std::vector<ValueId> xs, gradients;
    for (Expr feed : feeds) {
      if (carries_gradient(feed.type())) xs.push_back(feed.id());
    }
    WEFT_TRY(gradients, differentiate(*model.graph, {outputs[0].id()}, xs, {}));
    outputs.clear();
    for (ValueId id : gradients) {
      if (id != kNoValue) outputs.emplace_back(model.scope, id);
    }
    return run(outputs);
  }

  Status run(const std::vector<Expr>& fetches) {
    if (model.session == nullptr) {
      WEFT_TRY(model.session, Session::make(model.graph, {}));
    }
    Signature signature;
    for (Expr feed : feeds) signature.feeds.push_back(feed.id());
    for (Expr fetch : fetches) signature.fetches.push_back(fetch.id());
    RunOptions options;
    options.timeout_ns = 100'000'000;
    std::vector<Tensor> out;
    WEFT_CHECK(model.session->run(signature, values, options, &out));
    return dice.chance(20) ? run_on_device(signature, out) : Status();
  }

  // The sign of a NaN depends on the order of two operands, which fused groups do not share with single kernels.
  static Tensor without_signs_of_nan(const Tensor& x) {
    if (x.kind() != Kind::kTensor || !contains(kFloatTypes, x.dtype())) return x;
    Tensor out = *x.copy();
    if (x.dtype() == DType::kF16 || x.dtype() == DType::kBF16) {
      const int infinity = x.dtype() == DType::kF16 ? 0x7c00 : 0x7f80;
      auto* bits = static_cast<uint16_t*>(out.mutable_data());
      for (int64_t i = 0; i < out.count(); ++i) {
        if ((bits[i] & 0x7fff) > infinity) bits[i] = 0x7fff;
      }
      return out;
    }
    for (int64_t i = 0; i < out.count(); ++i) {
      if (x.dtype() == DType::kF32) {
        if (std::isnan(out.as<float>()[i])) out.as<float>()[i] = NAN;
      } else if (std::isnan(out.as<double>()[i])) {
        out.as<double>()[i] = NAN;
      }
    }
    return out;
  }

  // The same bits.
  Status run_on_device(const Signature& signature, const std::vector<Tensor>& wanted) {
    SessionOptions options;
    options.device = dice.of(test_devices());
    WEFT_TRY(auto session, Session::make(model.graph, options));
    std::vector<Tensor> out;
    WEFT_CHECK(session->run(signature, values, {}, &out));
    for (size_t i = 0; i < out.size(); ++i) {
      if (!without_signs_of_nan(out[i]).same_bits(without_signs_of_nan(wanted[i]))) {
        return internal_error(options.device, " gives other bits for output ", i);
      }
    }
    return {};
  }
};

TEST(RandomNodes, GiveResultsOrErrors) {
#ifdef __SANITIZE_THREAD__
  constexpr int64_t kRounds = 2000;  // whose subject is no thread
#else
  constexpr int64_t kRounds = 20000;
#endif
  const int64_t rounds = number_from_environment("WEFT_ROUNDS", kRounds);
  const uint64_t seed = static_cast<uint64_t>(number_from_environment("WEFT_SEED", 1));
  add_test_devices();
  set_buffer_limit(int64_t{1} << 26);
  std::vector<const OpDef*> ops;
  for (const OpDef* op : builtin_ops().all()) {
    bool graph = std::any_of(op->attrs().begin(), op->attrs().end(),
                             [](const AttrDef& attr) { return attr.kind == AttrKind::kGraph; });
    if (!op->is_internal() && !graph && !op->inputs().empty()) ops.push_back(op);
  }
  int64_t ran = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    RandomNode node{Dice{seed * 1'000'003 + static_cast<uint64_t>(round)}, {}, {}, {}, {}};
    const OpDef* op = node.dice.of(ops);
    if (std::getenv("WEFT_ROUNDS") != nullptr) {
      std::fprintf(stderr, "\r%lld %-30s", static_cast<long long>(round), op->full_name().c_str());
    }
    Status status = node.go(*op);
    ran += status.ok();
    EXPECT_NE(status.code(), Code::kInternal) << "round " << round << ": " << node.text << ": " << status.text();
    EXPECT_NE(status.code(), Code::kUnknown) << "round " << round << ": " << node.text << ": " << status.text();
  }
  set_buffer_limit(0);
  // Most are refused, but not all: else this tests nothing.
  EXPECT_GT(ran, rounds / 20);
}

}  // namespace
}  // namespace weft
