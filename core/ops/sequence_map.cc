// SequenceMap: a sub-graph for each item of sequences, as a Loop that puts what it gives into others.
#include "core/graph/expr.h"
#include "core/graph/subgraph.h"

namespace weft {
namespace {

bool is_sequence(const ValueType& type) { return type.kind == Kind::kSequence; }

// An item has the dimensions that all have; what differs among them is the item's own.
Status sequence_map_types(InferContext& c, RepeatedTypes* types) {
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return invalid("input ", i, " must be given");
    ValueType type = c.input(i);
    type.ints = nullptr;
    if (type.kind != Kind::kTensor && (!is_sequence(type) || type.holds != Kind::kTensor)) {
      return invalid("input ", i, " is ", type.text(), " but must be a tensor or a sequence of tensors");
    }
    if (is_sequence(type)) {
      type.kind = Kind::kTensor;
      for (Dim& dim : type.dims) {
        if (!dim.known() && dim.text()[0] == '?') dim = c.fresh();
      }
    }
    types->inputs.push_back(std::move(type));
  }
  return {};
}

Status infer_sequence_map(InferContext& c) {
  const Graph& body = *c.attrs().graph("body");
  RepeatedTypes types;
  WEFT_CHECK(sequence_map_types(c, &types));
  if (body.inputs().size() != types.inputs.size()) {
    return invalid("'body' has ", body.inputs().size(), " inputs but must have ", types.inputs.size(),
                   ": an item of each sequence, and each tensor");
  }
  std::vector<const ValueType*> given;
  for (int i = 0; i < c.input_count(); ++i) {
    given.push_back(&c.input(i));
    const ValueType& inner = body.type(body.inputs()[static_cast<size_t>(i)]);
    const ValueType& coming = types.inputs[static_cast<size_t>(i)];
    if (inner.alike(coming)) continue;
    return invalid("input ", i, " gives 'body' ", coming.text(), " but it takes ", inner.text());
  }
  if (static_cast<size_t>(c.output_count()) > body.outputs().size()) {
    return invalid("'body' gives ", body.outputs().size(), " outputs but ", c.output_count(), " are asked for");
  }
  for (size_t k = 0; k < body.outputs().size(); ++k) {
    const ValueType& item = body.type(body.outputs()[k]);
    if (item.kind != Kind::kTensor) {
      return invalid("output ", k, " of 'body' is ", item.text(), "; only tensors can be items of a sequence");
    }
    if (static_cast<int>(k) >= c.output_count()) continue;
    ValueType& out = c.output(static_cast<int>(k));
    out.dtype = item.dtype;
    if (!item.has_rank) continue;
    Dims dims;
    for (const Dim& dim : item.dims) dims.push_back(known_outside(dim, body, given) ? dim : c.fresh());
    c.set_dims(static_cast<int>(k), std::move(dims));
  }
  return {};
}

// What one iteration does: takes the items out, computes the body of them, and puts what it gives at the end.
Result<std::shared_ptr<Graph>> mapping_step(BodyContext& c, const Graph& body) {
  Graph& around = c.scope().graph();
  WEFT_TRY(std::shared_ptr<Graph> step, Graph::make_subgraph(around.shared_from_this()));
  ExprScope scope(*step, c.scope().origin());
  WEFT_TRY(ValueId number, step->add_input("number", ValueType::tensor(DType::kI64, {})));
  WEFT_TRY(ValueId again, step->add_input("again", ValueType::tensor(DType::kBool, {})));
  const auto captured = [&](Expr outer) -> Result<Expr> {
    WEFT_TRY(ValueId inner, step->capture(around, outer.id()));
    return Expr(scope, inner);
  };
  std::vector<ValueId> outputs = {again}, map(static_cast<size_t>(body.value_count()), kNoValue);
  std::vector<Expr> made_so_far;
  for (int k = 0; k < c.output_count(); ++k) {
    ValueType sequence;
    sequence.kind = Kind::kSequence;
    sequence.dtype = body.type(body.outputs()[static_cast<size_t>(k)]).dtype;
    WEFT_TRY(ValueId id, step->add_input("", std::move(sequence)));
    made_so_far.emplace_back(scope, id);
  }
  const size_t inputs = body.inputs().size();
  for (size_t i = 0; i < inputs; ++i) {
    WEFT_TRY(Expr value, captured(c.input(static_cast<int>(i))));
    if (is_sequence(value.type())) value = make(scope, "SequenceAt", {value, Expr(scope, number)});
    map[static_cast<size_t>(body.inputs()[i])] = value.id();
  }
  // What the body captures follows the inputs that the schema has.
  const std::vector<Graph::Capture> captures = body.needed_captures();
  for (size_t i = 0; i < captures.size(); ++i) {
    WEFT_TRY(Expr value, captured(c.input(static_cast<int>(inputs + i))));
    map[static_cast<size_t>(captures[i].inner)] = value.id();
  }
  WEFT_CHECK(scope.status());
  WEFT_CHECK(copy_nodes(body, body.outputs(), *step, &map));
  for (size_t k = 0; k < made_so_far.size(); ++k) {
    const Expr item(scope, map[static_cast<size_t>(body.outputs()[k])]);
    outputs.push_back(make(scope, "SequenceInsert", {made_so_far[k], item}).id());
  }
  WEFT_CHECK(scope.status());
  WEFT_CHECK(step->set_outputs(std::move(outputs)));
  return step;
}

Status sequence_map_body(BodyContext& c) {
  const GraphRef body = c.attrs().graph("body");
  WEFT_TRY(std::shared_ptr<Graph> step, mapping_step(c, *body));
  std::vector<Expr> sequences;
  for (size_t i = 0; i < body->inputs().size(); ++i) {
    const Expr input = c.input(static_cast<int>(i));
    if (is_sequence(input.type())) sequences.push_back(input);
  }
  ExprScope& scope = c.scope();
  std::vector<Expr> in = {make(scope, sequences.size() > 1 ? "weft.SequencesLength" : "SequenceLength", sequences),
                          Expr()};
  for (int k = 0; k < c.output_count(); ++k) {
    const DType dtype = body->type(body->outputs()[static_cast<size_t>(k)]).dtype;
    in.push_back(make(scope, "SequenceEmpty", std::vector<Expr>(), {{"dtype", static_cast<int64_t>(dtype)}}));
  }
  const std::vector<Expr> out =
      make_all(scope, "Loop", in, {{"body", GraphRef(std::move(step))}}, c.output_count(), c.node_name());
  for (int k = 0; k < c.output_count(); ++k) c.set_output(k, out[static_cast<size_t>(k)]);
  return {};
}

Status infer_sequences_length(InferContext& c) {
  c.set_dims(0, {});
  return {};
}

}  // namespace

void define_op_sequence_map(OpRegistry& ops) {
  ops.add("SequenceMap")
      .group("graph")
      .since(17)
      .doc(
          "Computes `body` for each item of one or more sequences of one length, and gives sequences of what it gives. "
          "`body` takes an item of each input that is a sequence, and each input that is a tensor as it is; it uses "
          "values "
          "of the graphs around it. Differentiable by the inputs and by captured values.")
      .types("S", kTensorTypes)
      .required_attr("body", AttrKind::kGraph, "What is computed of the items.")
      .input("input_sequence", "seq(S)", "A sequence.")
      .variadic_input("additional_inputs", "any", "Sequences of as many items, and tensors.", 0)
      .mixed_inputs()
      .variadic_output("out_sequence", "seq(any)",
                       "For each output of `body`, a sequence of what it was for each item.")
      .mixed_outputs()
      .repeats(sequence_map_types)
      .infer(infer_sequence_map)
      .body(sequence_map_body);
  ops.add(kWeftDomain, "SequencesLength")
      .group("sequence")
      .doc("How many items each of the sequences has, which must be as many.")
      .variadic_input("sequences", "seq(any)", "Sequences, of any types.")
      .mixed_inputs()
      .output("length", "i64", "A scalar.")
      .infer(infer_sequences_length)
      .no_gradient("it is a number of items");
}

}  // namespace weft
