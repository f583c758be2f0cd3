// Random tensors as pure functions of a seed, the name of a stream and a counter.
#include <cmath>

#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_random(InferContext& c) {
  Result<DType> dtype = checked_dtype(c.attrs().i("dtype"));
  if (!dtype.ok() || !contains(kFloatTypes, *dtype)) {
    return invalid("attribute 'dtype' is ", c.attrs().i("dtype"), ", which is none of ", dtype_set_text(kFloatTypes));
  }
  c.set_dtype(0, *dtype);
  WEFT_CHECK(c.check_vector(0));
  WEFT_CHECK(c.check_scalar(1));
  if (c.ints(0) != nullptr) {
    for (const Dim& dim : *c.ints(0)) {
      if (dim.known() && dim.value() < 0) return invalid("input 'shape' asks for the dimension ", dim.value());
    }
    c.set_dims(0, *c.ints(0));
  } else if (c.has_rank(0) && c.dims(0)[0].known()) {
    c.set_dims(0, c.fresh_dims(c.dims(0)[0].value()));
  }
  return {};
}

Status infer_uniform(InferContext& c) {
  double low = c.attrs().f("low"), high = c.attrs().f("high");
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) {
    return invalid("attribute 'low' is ", low, " and 'high' ", high, "; both must be finite and low not above high");
  }
  return infer_random(c);
}

Status infer_normal(InferContext& c) {
  double mean = c.attrs().f("mean"), scale = c.attrs().f("scale");
  if (!std::isfinite(mean) || !std::isfinite(scale) || scale < 0) {
    return invalid("attribute 'mean' is ", mean, " and 'scale' ", scale,
                   "; both must be finite and scale not negative");
  }
  return infer_random(c);
}

Status infer_bernoulli(InferContext& c) {
  double probability = c.attrs().f("probability");
  if (!(probability >= 0 && probability <= 1)) {
    return invalid("attribute 'probability' is ", probability, "; it must be from 0 to 1");
  }
  return infer_random(c);
}

Status infer_multinomial(InferContext& c) {
  const int64_t dtype = c.attrs().i("dtype"), size = c.attrs().i("sample_size");
  if (dtype != static_cast<int64_t>(DType::kI32) && dtype != static_cast<int64_t>(DType::kI64)) {
    return invalid("attribute 'dtype' is ", dtype, " but must be ", static_cast<int64_t>(DType::kI32), " (i32) or ",
                   static_cast<int64_t>(DType::kI64), " (i64)");
  }
  if (size < 0) return invalid("attribute 'sample_size' is ", size, " but must not be negative");
  c.set_dtype(0, static_cast<DType>(dtype));
  WEFT_CHECK(c.check_scalar(1));
  if (!c.has_rank(0)) {
    c.set_dims(0, {c.fresh(), Dim(size)});
    return {};
  }
  if (c.rank(0) != 2) return invalid("the input must be [rows, classes] but is ", c.input(0).text());
  c.set_dims(0, {c.dims(0)[0], Dim(size)});
  return {};
}

// `what` is drawn, and `how` it is made of the words.
OpDef& add_draw(OpRegistry& ops, std::string_view name, std::string_view what, std::string_view how) {
  return ops.add(kWeftDomain, name)
      .group("random")
      .doc(cat(
          what,
          " An element depends on its position, `seed`, `stream` and `counter` alone, so the same inputs give the "
          "same numbers everywhere; add 1 to the counter for every new draw (it counts modulo 2^32). Block b is the "
          "four words of Philox 4x32-10 (Salmon et al., 2011) for the key `seed` and the counter of the words b, "
          "`counter` and the 64-bit FNV-1a hash of `stream`; numbers of 64 bits are two words, the low one first. ",
          how))
      .attr("seed", 0, "Key of all random numbers of a program.")
      .attr("stream", "", "Name that keeps the numbers of one use apart from those of others.");
}
OpDef& add_random(OpRegistry& ops, std::string_view name, std::string_view what, std::string_view how) {
  return add_draw(ops, name, what, how)
      .dtype_attr("dtype", DType::kF32, "Floating-point type of the output.")
      .input("shape", "i64", "The output's dimensions, a vector.")
      .shapes_outputs()
      .input("counter", "i64", "Number of draws made from the stream before, a scalar; usually a variable.")
      .output("output", "T", "A tensor of the shape asked for.")
      .types("T", kFloatTypes)
      .no_gradient("its output does not depend on any number that could move");
}

}  // namespace

void define_op_random(OpRegistry& ops) {
  add_random(
      ops, "RandomUniform", "Numbers from `low` up to but not including `high`, each equally likely.",
      "Element i is low + (high - low) u in double precision, then rounded (f16 and bf16 by way of f32; to the number "
      "below `high` if it would reach that): u is the upper 24 bits of word i % 4 of block i / 4, as a fraction of "
      "2^24; in f64 the upper 53 bits of the first or second two words of block i / 2, the first of two being the high "
      "one, as a fraction of 2^53.")
      .attr("low", 0.0, "Lower limit.")
      .attr("high", 1.0, "Upper limit; if equal to `low`, all numbers are that.")
      .infer(infer_uniform);
  add_random(
      ops, "RandomNormal", "Numbers of the normal distribution.",
      "Elements 2b and 2b + 1 are mean + scale r cos(a) and mean + scale r sin(a) in double precision, then rounded "
      "(Box and Muller, 1958): r = sqrt(-2 ln(1 - u)) and a = 2 pi v, with u and v the two numbers of 53 bits that "
      "weft.RandomUniform makes of block b.")
      .attr("mean", 0.0, "Mean of the distribution.")
      .attr("scale", 1.0, "Its standard deviation.")
      .infer(infer_normal);
  add_random(
      ops, "RandomTruncatedNormal",
      "Numbers of the normal distribution, of which those further than two standard deviations from the mean are "
      "drawn again.",
      "Element i is mean + scale z: z is the first within 2 of the pair that weft.RandomNormal makes of block i, "
      "else of those of block i where the hash of `stream` is 1 more, 2 more and so on.")
      .attr("mean", 0.0, "Mean of the distribution.")
      .attr("scale", 1.0, "Standard deviation of the distribution that is cut off.")
      .infer(infer_normal);
  add_random(ops, "RandomBernoulli", "Ones with the given probability, else zeros.",
             "An element is one where weft.RandomUniform from 0 to 1 in f32 is below `probability`.")
      .attr("probability", 0.5, "Probability of a one.")
      .infer(infer_bernoulli);
  add_draw(ops, "RandomMultinomial", "Indices of classes, each as likely as its score says.",
           "Element i of row r is the first class at which the sum of exp(score - greatest score of the row) up to it "
           "is above u times the sum over all classes, in double precision: u is what weft.RandomUniform in f64 is at "
           "element i of row r of the output's shape. A row must have a greatest score, which is finite.")
      .types("T1", kFloatTypes)
      .types("T2", kIndexTypes)
      .dtype_attr("dtype", DType::kI32, "Type of the output: i32 or i64.")
      .attr("sample_size", int64_t{1}, "How many are drawn for each row.")
      .input("input", "T1", "[rows, classes]: logarithms of the probabilities, up to a number for each row.")
      .input("counter", "i64", "Number of draws made from the stream before, a scalar; usually a variable.")
      .output("output", "T2", "[rows, sample_size].")
      .no_gradient("an index does not change gradually")
      .infer(infer_multinomial);
}

}  // namespace weft
