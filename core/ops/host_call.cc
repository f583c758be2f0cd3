// HostCall: a function of the program that runs the graph.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer(InferContext& c) {
  const Attrs& attrs = c.attrs();
  const std::vector<std::string>& dtypes = attrs.strings("dtypes");
  size_t count = static_cast<size_t>(c.output_count());
  if (attrs.s("name").empty()) return invalid("attribute 'name' must name a host function");
  if (dtypes.size() != count) {
    return invalid("attribute 'dtypes' has ", dtypes.size(), " elements but there are ", count, " outputs");
  }
  const std::vector<std::string>* shapes = attrs.has("shapes") ? &attrs.strings("shapes") : nullptr;
  if (shapes != nullptr && shapes->size() != count) {
    return invalid("attribute 'shapes' has ", shapes->size(), " elements but there are ", count, " outputs");
  }
  for (size_t i = 0; i < count; ++i) {
    int output = static_cast<int>(i);
    WEFT_TRY(DType dtype, parse_dtype(dtypes[i]));
    c.set_dtype(output, dtype);
    if (shapes == nullptr || (*shapes)[i] == "...") continue;
    WEFT_TRY(Dims dims, parse_dims((*shapes)[i], "?"));
    for (Dim& dim : dims) {
      if (dim.text()[0] == '?') dim = c.fresh();
    }
    c.set_dims(output, std::move(dims));
  }
  return {};
}

// The gradient is another host function: it gets the inputs, then the gradients of the outputs.
Status grad(GradContext& c) {
  const std::string& name = c.attrs().s("gradient");
  if (name.empty()) {
    return invalid("the host function '", c.attrs().s("name"), "' has no gradient; name one in attribute 'gradient'");
  }
  std::vector<Expr> arguments;
  std::vector<std::string> dtypes, shapes;
  for (int i = 0; i < c.input_count(); ++i) {
    const ValueType& type = c.input(i).type();
    arguments.push_back(c.input(i));
    dtypes.emplace_back(dtype_name(type.dtype));
    std::string shape = type.has_rank ? "" : "...";
    for (const Dim& dim : type.dims) {
      bool plain = parse_dims(dim.text(), "?").ok();  // an expression is not
      shape += cat(shape.empty() ? "" : ",", plain ? dim.text() : "?");
    }
    shapes.push_back(std::move(shape));
  }
  for (int i = 0; i < c.output_count(); ++i) arguments.push_back(c.grad(i));
  Attrs attrs;
  attrs.set("name", name);
  attrs.set("dtypes", std::move(dtypes));
  attrs.set("shapes", std::move(shapes));
  std::vector<Expr> made =
      make_all(c.scope(), "weft.HostCall", std::move(arguments), std::move(attrs), c.input_count());
  WEFT_CHECK(c.scope().status());
  for (int i = 0; i < c.input_count(); ++i) {
    if (c.needs(i)) c.set_grad(i, made[i]);
  }
  return {};
}

}  // namespace

void define_op_host_call(OpRegistry& ops) {
  ops.add(kWeftDomain, "HostCall")
      .group("graph")
      .doc(
          "Calls a function of the program, registered under `name` in the process that runs the graph. A saved graph "
          "keeps the name; running it without the function is an error that names it.")
      .types("V", kAllTypes)
      .types("W", kAllTypes)
      .required_attr("name", AttrKind::kString, "Name under which the function is registered.")
      .required_attr("dtypes", AttrKind::kStrings, "The dtype of each output, such as \"f32\".")
      .optional_attr("shapes", AttrKind::kStrings,
                     "The shape of each output as text, such as \"batch,3,?\"; \"...\", or none at all, is any rank.")
      .attr(
          "gradient", "",
          "Name of a host function that computes the gradients of all inputs from the inputs and the gradients of the "
          "outputs, in this order; \"\" if there is none. That one has no gradient in turn.")
      .variadic_input("inputs", "V", "What the function gets.", 0)
      .mixed_inputs()
      .variadic_output("outputs", "W", "What the function returns.")
      .mixed_outputs()
      .impure()
      .infer(infer)
      .grad(grad);
}

}  // namespace weft
