// ONNX's random operators, made of those of the domain weft.
#include <cstring>

#include "core/graph/expr.h"

namespace weft {
namespace {

// A given seed is the key, by its bits as f32; the stream is then the operator's name. Without one the key is 0 and the
// stream the node's name, so that two nodes differ.
void set_stream(BodyContext& c, const char* op, Attrs* attrs) {
  const AttrValue* given = c.attrs().find("seed");
  int64_t key = 0;
  if (given != nullptr) {
    const float seed = static_cast<float>(given->f());
    uint32_t bits;
    std::memcpy(&bits, &seed, sizeof bits);
    key = bits;
  }
  attrs->set("seed", key);
  attrs->set("stream", given != nullptr ? std::string(op) : std::string(c.node_name()));
}

Result<DType> random_dtype(BodyContext& c, DTypeSet allowed, DType otherwise) {
  const int64_t number = c.attrs().i_or("dtype", static_cast<int64_t>(otherwise));
  const bool named = 0 < number && number < kDTypeCount;
  if (named && contains(allowed, static_cast<DType>(number))) return static_cast<DType>(number);
  const char* what = c.attrs().has("dtype") ? "attribute 'dtype'" : "the type of the input, as 'dtype' is not given,";
  return invalid(what, " is ", named ? dtype_name(static_cast<DType>(number)) : cat(number).c_str(),
                 ", which is none of ", dtype_set_text(allowed));
}

Status draw(BodyContext& c, bool normal, Expr shape, DType dtype) {
  Attrs attrs{{"dtype", static_cast<int64_t>(dtype)}};
  for (const char* name : {normal ? "mean" : "low", normal ? "scale" : "high"}) attrs.set(name, c.attrs().f(name));
  set_stream(c, normal ? "RandomNormal" : "RandomUniform", &attrs);
  const char* op = normal ? "weft.RandomNormal" : "weft.RandomUniform";
  c.set_output(0, make(c.scope(), op, {shape, constant_int(c.scope(), 0)}, std::move(attrs)));
  return {};
}

template <bool normal>
Status random(BodyContext& c) {
  WEFT_TRY(DType dtype, random_dtype(c, kFloatTypes, DType::kF32));
  for (int64_t dim : c.attrs().ints("shape")) {
    if (dim < 0) return invalid("attribute 'shape' asks for the dimension ", dim);
  }
  return draw(c, normal, constant_ints(c.scope(), c.attrs().ints("shape")), dtype);
}
template <bool normal>
Status random_like(BodyContext& c) {
  WEFT_TRY(DType dtype, random_dtype(c, kFloatTypes, c.input(0).dtype()));
  return draw(c, normal, shape_of(c.input(0)), dtype);
}

constexpr DTypeSet kOutcomes = kNumberTypes | set_of(DType::kBool);

// Drawn in the type of the probabilities; those of 16 bits in f32, which holds them.
Status bernoulli(BodyContext& c) {
  Expr p = c.input(0);
  WEFT_TRY(DType dtype, random_dtype(c, kOutcomes, p.dtype()));
  const DType wide = p.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  Attrs attrs{{"dtype", static_cast<int64_t>(wide)}};
  set_stream(c, "Bernoulli", &attrs);
  Expr u = make(c.scope(), "weft.RandomUniform", {shape_of(p), constant_int(c.scope(), 0)}, std::move(attrs));
  c.set_output(0, cast(make(c.scope(), "Less", {u, cast(p, wide)}), dtype));
  return {};
}

Status multinomial(BodyContext& c) {
  Attrs attrs;
  for (const char* name : {"dtype", "sample_size"}) attrs.set(name, c.attrs().i(name));
  set_stream(c, "Multinomial", &attrs);
  c.set_output(0,
               make(c.scope(), "weft.RandomMultinomial", {c.input(0), constant_int(c.scope(), 0)}, std::move(attrs)));
  return {};
}

// The operator of the domain weft that another is made of, and what its function is called.
struct Source {
  std::string_view op, functions;
};

OpDef& add_standard(OpRegistry& ops, const char* name, int since, std::string_view what, const Source& source) {
  return ops.add(name)
      .group("random")
      .since(since)
      .doc(cat(what, " As ONNX has no state here, a node gives the same numbers in every run: those of ", source.op,
               " with the counter 0. With a `seed`, the key is its 32 bits as f32 and the stream \"",
               name == std::string_view("RandomNormalLike")    ? "RandomNormal"
               : name == std::string_view("RandomUniformLike") ? "RandomUniform"
                                                               : name,
               "\"; without, the key is 0 and the stream the node's name. For new numbers in every step use ",
               source.op, " itself: ", source.functions, "."))
      .optional_attr("seed", AttrKind::kFloat, "Key of the numbers.")
      .impure()
      .no_gradient("random numbers do not change gradually");
}
OpDef& with_range(OpDef& op) {
  return op.attr("low", 0.0, "Lower limit.").attr("high", 1.0, "Upper limit, which is not reached.");
}
OpDef& with_moments(OpDef& op) {
  return op.attr("mean", 0.0, "Mean of the distribution.").attr("scale", 1.0, "Its standard deviation.");
}
OpDef& shaped(OpDef& op, BodyFn body) {
  return op.types("T", kFloatTypes)
      .dtype_attr("dtype", DType::kF32, "Floating-point type of the output.")
      .required_attr("shape", AttrKind::kInts, "The output's dimensions.")
      .output("output", "T", "A tensor of the shape asked for.")
      .body(body);
}
OpDef& like(OpDef& op, BodyFn body) {
  return op.types("T1", kTensorTypes)
      .types("T2", kFloatTypes)
      .optional_dtype_attr("dtype", "Floating-point type of the output; that of the input if not given.")
      .input("input", "T1", "Any shape, which alone is taken.")
      .shape_only()
      .output("output", "T2", "The shape of the input.")
      .body(body);
}

}  // namespace

void define_op_standard_random(OpRegistry& ops) {
  constexpr Source kNormal{"weft.RandomNormal",
                           "`weft_random_normal` in Python and C++, `weftRandomNormal` in Java, "
                           "`ops.WeftRandomNormal` in Go"};
  constexpr Source kUniform{"weft.RandomUniform",
                            "`weft_random_uniform` in Python and C++, `weftRandomUniform` in Java, "
                            "`ops.WeftRandomUniform` in Go"};
  constexpr Source kMultinomial{"weft.RandomMultinomial",
                                "`random_multinomial` in Python and C++, `randomMultinomial` in Java, "
                                "`ops.RandomMultinomial` in Go"};
  shaped(with_moments(add_standard(ops, "RandomNormal", 22, "Numbers of the normal distribution.", kNormal)),
         random<true>);
  like(with_moments(add_standard(ops, "RandomNormalLike", 22,
                                 "Numbers of the normal distribution, as many as another tensor has.", kNormal)),
       random_like<true>);
  shaped(with_range(add_standard(ops, "RandomUniform", 22,
                                 "Numbers from `low` up to but not including `high`, each equally likely.", kUniform)),
         random<false>);
  like(with_range(add_standard(ops, "RandomUniformLike", 22,
                               "Numbers from `low` up to but not including `high`, each equally likely, as many as "
                               "another tensor has.",
                               kUniform)),
       random_like<false>);
  add_standard(ops, "Bernoulli", 22,
               "One where a number drawn from 0 to 1 is below the input, else zero; so NaN and what is not positive "
               "give zeros.",
               kUniform)
      .types("T1", kFloatTypes)
      .types("T2", kOutcomes)
      .optional_dtype_attr("dtype", "Type of the output; that of the input if not given.")
      .input("input", "T1", "Probabilities of ones; any shape.")
      .output("output", "T2", "The shape of the input.")
      .body(bernoulli);
  add_standard(ops, "Multinomial", 22, "Indices of classes, each as likely as its score says.", kMultinomial)
      .types("T1", kFloatTypes)
      .types("T2", kIndexTypes)
      .dtype_attr("dtype", DType::kI32, "Type of the output: i32 or i64.")
      .attr("sample_size", int64_t{1}, "How many are drawn for each row.")
      .input("input", "T1", "[rows, classes]: logarithms of the probabilities, up to a number for each row.")
      .output("output", "T2", "[rows, sample_size].")
      .body(multinomial);
}

}  // namespace weft
