// Operators that work on one element of each input at a time, as expressions that groups are made of.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "plugins/cuda/fused.h"
#include "plugins/cuda/kernels.h"

namespace weft::cuda {

namespace {

bool is_float(int32_t dtype) { return dtype == WEFT_F32 || dtype == WEFT_F64; }
// Narrower integers, and halves, are computed as these by casts that the library puts around.
bool is_number(int32_t dtype) {
  return is_float(dtype) || dtype == WEFT_I32 || dtype == WEFT_I64 || dtype == WEFT_U32 || dtype == WEFT_U64;
}
bool is_integer(int32_t dtype) {
  switch (dtype) {
    case WEFT_I8:
    case WEFT_I16:
    case WEFT_I32:
    case WEFT_I64:
    case WEFT_U8:
    case WEFT_U16:
    case WEFT_U32:
    case WEFT_U64: return true;
    default: return false;
  }
}

// -- What each operator is, with the types that it is for; empty for others.
using Write = Expression (*)(const Node& node, const char* text);

Expression of_floats(const Node& node, const char* text) { return is_float(node.input(0).dtype) ? text : ""; }
Expression of_numbers(const Node& node, const char* text) { return is_number(node.input(0).dtype) ? text : ""; }
Expression of_integers(const Node& node, const char* text) { return is_integer(node.input(0).dtype) ? text : ""; }
Expression of_bools(const Node& node, const char* text) { return node.input(0).dtype == WEFT_BOOL ? text : ""; }
Expression of_numbers_and_bools(const Node& node, const char* text) {
  return is_number(node.input(0).dtype) || node.input(0).dtype == WEFT_BOOL ? text : "";
}

// "@" in the text is attribute alpha, "#" is beta.
Expression with_attributes(const Node& node, const char* text) {
  const int32_t dtype = node.input(0).dtype;
  if (!is_float(dtype)) return "";
  Expression out;
  for (const char* c = text; *c != 0; ++c) {
    if (*c == '@')
      out += literal(node.f("alpha"), dtype);
    else if (*c == '#')
      out += literal(node.f("beta"), dtype);
    else
      out += *c;
  }
  return out;
}

Expression of_gelu(const Node& node, const char* text) {
  if (!is_float(node.input(0).dtype)) return "";
  const bool through_tanh = node.s("approximate") == "tanh";
  const bool slope = std::strcmp(text, "slope") == 0;
  return through_tanh ? (slope ? "gelu_tanh_slope($0)" : "gelu_tanh($0)") : (slope ? "gelu_slope($0)" : "gelu($0)");
}

Expression of_shrink(const Node& node, const char*) {
  const int32_t dtype = node.input(0).dtype;
  if (!is_float(dtype)) return "";
  return "shrink($0, " + literal(node.f("bias"), dtype) + ", " + literal(node.f("lambd"), dtype) + ")";
}

Expression of_many(const Node& node, const char* text) {
  const int32_t dtype = node.input(0).dtype;
  const bool sum = std::strcmp(text, "add") == 0 || std::strcmp(text, "mean") == 0;
  if (sum ? !is_float(dtype) : !is_number(dtype)) return "";
  if (node.inputs() > kMostOperands) return "";
  Expression out = "$0";
  for (int i = 1; i < node.inputs(); ++i) {
    out = std::string(sum ? "add" : text) + "(" + out + ", $" + std::to_string(i) + ")";
  }
  if (std::strcmp(text, "mean") == 0) out += " / " + literal(node.inputs(), dtype);
  return out;
}

Expression of_power(const Node& node, const char*) {
  const Value &base = node.input(0), &exponent = node.input(1);
  if (!is_float(base.dtype) || exponent.dtype != base.dtype) return "";
  if (exponent.constant != nullptr && exponent.count() == 1) {
    const double value = base.dtype == WEFT_F32 ? static_cast<double>(*static_cast<const float*>(exponent.constant))
                                                : *static_cast<const double*>(exponent.constant);
    if (value == 2) return "$0 * $0";
    if (value == 3) return "$0 * $0 * $0";
    if (value == -1) return std::string(held_name(base.dtype)) + "(1) / $0";
  }
  return "power($0, $1)";
}

Expression of_remainder(const Node& node, const char*) {
  return is_float(node.input(0).dtype) && node.i("fmod") != 0 ? "remainder_of($0, $1)" : "";
}

Expression of_shift(const Node& node, const char*) {
  switch (node.input(0).dtype) {
    case WEFT_U8:
    case WEFT_U16:
    case WEFT_U32:
    case WEFT_U64: return node.s("direction") == "LEFT" ? "shift_left($0, $1)" : "shift_right($0, $1)";
    default: return "";
  }
}

Expression of_choice(const Node& node, const char*) { return in_registers(node.input(1).dtype) ? "$0 ? $1 : $2" : ""; }

// Limits are single numbers; each may be left out.
Expression of_limits(const Node& node, const char*) {
  if (!is_number(node.input(0).dtype)) return "";
  Expression out = "$0";
  if (node.has(1)) out = "at_least(" + out + ", $1)";
  if (node.has(2)) out = "at_most(" + out + ", $2)";
  return out;
}

Expression of_cast(const Node& node, const char*) {
  const int32_t from = node.input(0).dtype, to = node.output(0).dtype;
  if (!in_registers(from) || !in_registers(to)) return "";
  const bool to_half = to == WEFT_F16 || to == WEFT_BF16;
  if (to_half && (from == WEFT_I64 || from == WEFT_U64)) return "";  // doubles do not hold them
  return std::string("Cast<") + held_name(to) + ", " + held_name(from) + ">::of($0)";
}

struct Row {
  const char* op;
  Write write;
  const char* text;
};

const Row kRows[] = {
    {"Add", of_numbers, "add($0, $1)"},
    {"Sub", of_numbers, "sub($0, $1)"},
    {"Mul", of_numbers, "mul($0, $1)"},
    {"Div", of_floats, "$0 / $1"},  // of integers it may fail
    {"Mod", of_remainder, ""},
    {"weft.GradMul", of_numbers, "grad_mul($0, $1)"},
    {"weft.GradDiv", of_floats, "grad_div($0, $1)"},
    {"PRelu", of_numbers, "prelu($0, $1)"},
    {"Pow", of_power, ""},
    {"And", of_bools, "$0 && $1"},
    {"Or", of_bools, "$0 || $1"},
    {"Xor", of_bools, "$0 != $1"},
    {"Not", of_bools, "!$0"},
    {"Equal", of_numbers_and_bools, "$0 == $1"},
    {"Less", of_numbers, "$0 < $1"},
    {"Greater", of_numbers, "$0 > $1"},
    {"LessOrEqual", of_numbers, "$0 <= $1"},
    {"GreaterOrEqual", of_numbers, "$0 >= $1"},
    {"BitwiseAnd", of_integers, "$0 & $1"},
    {"BitwiseOr", of_integers, "$0 | $1"},
    {"BitwiseXor", of_integers, "$0 ^ $1"},
    {"BitwiseNot", of_integers, "~$0"},
    {"BitShift", of_shift, ""},
    {"Min", of_many, "least"},
    {"Max", of_many, "greatest"},
    {"Sum", of_many, "add"},
    {"Mean", of_many, "mean"},
    {"Where", of_choice, ""},
    {"Clip", of_limits, ""},
    {"Cast", of_cast, ""},
    {"Neg", of_numbers, "neg($0)"},
    {"Abs", of_numbers, "absolute($0)"},
    {"Sign", of_numbers, "sign($0)"},
    {"Floor", of_floats, "floor($0)"},
    {"Ceil", of_floats, "ceil($0)"},
    {"Round", of_floats, "rint($0)"},
    {"Reciprocal", of_floats, "1 / $0"},
    {"Sqrt", of_floats, "sqrt($0)"},
    {"Exp", of_floats, "exp($0)"},
    {"Log", of_floats, "log($0)"},
    {"Sin", of_floats, "sin($0)"},
    {"Cos", of_floats, "cos($0)"},
    {"Tan", of_floats, "tan($0)"},
    {"Asin", of_floats, "asin($0)"},
    {"Acos", of_floats, "acos($0)"},
    {"Atan", of_floats, "atan($0)"},
    {"Sinh", of_floats, "sinh($0)"},
    {"Cosh", of_floats, "cosh($0)"},
    {"Asinh", of_floats, "asinh($0)"},
    {"Acosh", of_floats, "acosh($0)"},
    {"Atanh", of_floats, "atanh($0)"},
    {"Tanh", of_floats, "tanh($0)"},
    {"Erf", of_floats, "erf($0)"},
    {"Sigmoid", of_floats, "sigmoid($0)"},
    {"Softplus", of_floats, "softplus($0)"},
    {"Mish", of_floats, "mish($0)"},
    {"Relu", of_numbers, "relu($0)"},
    {"LeakyRelu", with_attributes, "leaky_relu($0, @)"},
    {"Elu", with_attributes, "elu($0, @)"},
    {"HardSigmoid", with_attributes, "hard_sigmoid($0, @, #)"},
    {"Gelu", of_gelu, ""},
    {"weft.GeluSlope", of_gelu, "slope"},
    {"Shrink", of_shrink, ""},
    {"IsNaN", of_floats, "$0 != $0"},
};

template <size_t row>
Expression expression_of(const Node& node) {
  return kRows[row].write(node, kRows[row].text);
}

template <size_t row>
bool accepts(const Node& node) {
  return !expression_of<row>(node).empty();
}

template <size_t row>
Prepared prepare(const Node& node) {
  Group group;
  group.shape = node.output(0).shape;
  Group::Member member{expression_of<row>(node), {}, node.output(0).dtype};
  std::vector<int> given;
  for (int i = 0; i < node.inputs(); ++i) {
    member.inputs.push_back(node.has(i) ? static_cast<int32_t>(group.inputs.size()) : -1);
    if (!node.has(i)) continue;
    group.inputs.push_back({node.input(i).dtype, node.input(i).shape});
    given.push_back(i);
  }
  const Expression expression = member.expression;
  group.outputs = {static_cast<int32_t>(group.inputs.size())};
  group.members.push_back(std::move(member));
  // Most become members of a group, and are never run alone.
  Prepared prepared = prepare_group(group, When::kFirstRun);
  prepared.expression = expression;
  if (given.size() == static_cast<size_t>(node.inputs())) return prepared;
  // The kernel takes what is given alone.
  prepared.run = [run = std::move(prepared.run), given](const Launch& launch) {
    const void* in[8];
    for (size_t k = 0; k < given.size(); ++k) in[k] = launch.in[given[k]];
    run({in, launch.out, launch.scratch, launch.stream, launch.step});
  };
  return prepared;
}

template <size_t... row>
void define_rows(Definitions& all, std::index_sequence<row...>) {
  (all.push_back({kRows[row].op, "fused", accepts<row>, prepare<row>}), ...);
}

}  // namespace

void define_elementwise(Definitions& all) { define_rows(all, std::make_index_sequence<std::size(kRows)>()); }

}  // namespace weft::cuda
