// Makes sub-graphs fit their node: a body that runs again and again must hold for what comes out of it too.
#include <algorithm>

#include "core/graph/subgraph.h"

namespace weft {

namespace {

// Each time one of these is not enough, a dimension that was thought to be the same is known not to be.
constexpr int kMostTries = 100;

bool same_type(const ValueType& a, const ValueType& b) {
  return a.alike(b) && a.has_rank == b.has_rank && a.dims == b.dims;
}

// What comes in and what the sub-graph expects; the outer values of its captures.
struct Coming {
  std::vector<ValueId> outer;
  std::vector<const ValueType*> captured;
  RepeatedTypes repeated;
};

// What its inputs must be widened to, so that they hold for what comes in, at first and again. False if its captures
// are no longer what they were. Kinds and dtypes that differ are left to the operator's rule, which says so.
bool find_fit(const Graph& body, const Coming& coming, std::string_view prefix, std::vector<ValueType>* inputs) {
  bool fits = true;
  const std::vector<Graph::Capture> captures = body.needed_captures();
  TypeFit first, again;
  for (size_t i = 0; i < captures.size(); ++i) {
    const ValueType& inner = body.type(captures[i].inner);
    fits = first.fits(inner, *coming.captured[i]) && fits;
    again.fix(inner);
  }
  const RepeatedTypes& repeated = coming.repeated;
  inputs->clear();
  for (size_t i = 0; i < repeated.inputs.size(); ++i) {
    const ValueType& inner = body.type(body.inputs()[i]);
    const bool carried = i >= repeated.first_input && i < repeated.first_input + repeated.carried;
    inputs->push_back(inner);
    inputs->back().ints = nullptr;
    if (!first.fits(inner, repeated.inputs[i])) {
      fits = false;
      inputs->back() = TypeFit::widened(inner, repeated.inputs[i], first, cat(prefix, ".", i));
    }
    if (!carried) again.fix(inner);
  }
  for (size_t k = 0; k < repeated.carried; ++k) {
    const size_t i = repeated.first_input + k;
    const ValueType& inner = body.type(body.inputs()[i]);
    const ValueType out = as_carried(body.type(body.outputs()[repeated.first_output + k]), inner);
    if (again.fits(inner, out)) continue;
    fits = false;
    (*inputs)[i] = TypeFit::widened((*inputs)[i], out, again, cat(prefix, ".", i));
  }
  return fits;
}

// Of what is carried no dimension is thought to be the same again, nor, with `ranks`, how many there are.
void leave_open(const RepeatedTypes& repeated, std::string_view prefix, bool ranks, std::vector<ValueType>* inputs) {
  for (size_t i = repeated.first_input; i < repeated.first_input + repeated.carried; ++i) {
    ValueType& type = (*inputs)[i];
    if (ranks) {
      type.has_rank = false;
      type.dims.clear();
    }
    for (size_t d = 0; d < type.dims.size(); ++d) type.dims[d] = Dim::symbol(cat(prefix, ".", i, ".", d));
  }
}

bool comparable(const Graph& body, const RepeatedTypes& repeated) {
  if (body.inputs().size() != repeated.inputs.size()) return false;
  if (body.outputs().size() < repeated.first_output + repeated.carried) return false;
  for (size_t i = 0; i < repeated.inputs.size(); ++i) {
    if (!body.type(body.inputs()[i]).alike(repeated.inputs[i])) return false;
  }
  for (size_t k = 0; k < repeated.carried; ++k) {
    const ValueType& in = repeated.inputs[repeated.first_input + k];
    if (!as_carried(body.type(body.outputs()[repeated.first_output + k]), in).alike(in)) return false;
  }
  return true;
}

}  // namespace

Result<std::vector<ValueType>> Graph::subgraph_inputs(const OpDef& op, const std::vector<ValueId>& inputs,
                                                      const Attrs& attrs, std::string_view name) const {
  RepeatedTypes types;
  if (op.repeated_types_fn() == nullptr) return types.inputs;
  Attrs given = attrs;
  WEFT_CHECK(turn_attrs(op.attrs(), &given));
  InferContext context = infer_context(op, given, inputs, static_cast<int32_t>(inputs.size()),
                                       name.empty() ? unique_name(op.name()) : name, 0);
  WEFT_CHECK(op.repeated_types_fn()(context, &types));
  return std::move(types.inputs);
}

// A sub-graph that is part of a copied node was built for the types of other values than those that it captures here;
// and one that repeats was built for what goes in at first. Where it says more than is true now, it is made again.
Status Graph::fit_subgraphs(const OpDef& op, int32_t schema_inputs, bool copied, std::string_view name, Attrs* attrs,
                            std::vector<ValueId>* inputs) {
  const Attrs given = *attrs;
  std::vector<ValueId> fitted(inputs->begin(), inputs->begin() + schema_inputs);
  size_t next = schema_inputs;
  for (const auto& [attr_name, attr] : given) {
    if (attr.kind() != AttrKind::kGraph) continue;
    GraphRef body = attr.graph();
    Coming coming;
    for (size_t i = body->needed_captures().size(); i-- > 0;) coming.outer.push_back((*inputs)[next++]);
    if (op.repeated_types_fn() != nullptr) {
      InferContext context = infer_context(op, given, *inputs, schema_inputs, name, 0);
      WEFT_CHECK(op.repeated_types_fn()(context, &coming.repeated));
    }
    // What does not fit at all is the shape rule's to say.
    bool fits = !comparable(*body, coming.repeated);
    auto remake = [&](const std::vector<ValueType>& types) {
      return copy_subgraph(*body, shared_from_this(), types, coming.outer);
    };
    auto note_captured = [&] {
      coming.captured.clear();
      for (ValueId id : coming.outer) coming.captured.push_back(&type(id));
    };
    note_captured();
    if (!fits && !copied && !coming.repeated.inputs.empty()) {
      // The types at first are as sharp as can be; a body that they do not suit may have been declared otherwise.
      bool sharp = true;
      for (size_t i = 0; i < coming.repeated.inputs.size(); ++i) {
        sharp = sharp && same_type(body->type(body->inputs()[i]), coming.repeated.inputs[i]);
      }
      if (!sharp) {
        Result<std::shared_ptr<Graph>> sharper = remake(coming.repeated.inputs);
        // An exception of the program, from the body of an operator in there, is no sign that the types do not suit.
        if (!sharper.ok() && sharper.status().payload() != nullptr) return sharper.status();
        if (sharper.ok() && comparable(**sharper, coming.repeated)) body = *sharper;
      }
    }
    std::vector<ValueType> types;
    const std::string prefix = cat("?", fresh_prefix(name));
    for (int tries = 0; !fits; ++tries) {
      if (body != attr.graph()) {
        // A copy captures each value but once.
        coming.outer.clear();
        for (const Capture& capture : body->needed_captures()) coming.outer.push_back(capture.outer);
        note_captured();
      }
      fits = find_fit(*body, coming, prefix, &types);
      if (fits) break;
      if (tries > 3 * kMostTries) {
        return unimplemented("no types were found that '", attr_name, "' goes on with; declare what it carries open");
      }
      // They may differ one after the other, as many as are carried: then all at once.
      if (tries == kMostTries || tries == 2 * kMostTries) {
        leave_open(coming.repeated, prefix, tries > kMostTries, &types);
      }
      WEFT_TRY(body, remake(types));
      if (!comparable(*body, coming.repeated)) break;
    }
    if (body != attr.graph()) {
      attrs->set(attr_name, body);
      for (const Capture& capture : body->needed_captures()) fitted.push_back(capture.outer);
    } else {
      fitted.insert(fitted.end(), coming.outer.begin(), coming.outer.end());
    }
  }
  *inputs = std::move(fitted);
  return {};
}

}  // namespace weft
