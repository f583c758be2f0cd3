// Dense: a fully connected layer.
#include "core/graph/layer_registry.h"
#include "core/layers/parts_common.h"

namespace weft {
namespace {

Status make(LayerMake& c) {
  int64_t inputs = c.attrs().i("inputs"), units = c.attrs().i("units");
  if (inputs < 1 || units < 1) {
    return invalid("'inputs' is ", inputs, " and 'units' ", units, "; both must be at least 1");
  }
  WEFT_CHECK(check_activation(c.attrs()));
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  add_weight(c, "kernel", "kernel_init", dtype, {inputs, units}, inputs, units);
  if (c.attrs().b("bias")) add_weight(c, "bias", "bias_init", dtype, {units}, inputs, units);
  return {};
}

Status call(LayerCall& c) {
  Expr y = matmul(c.input(0), c.variable("kernel"));
  if (c.has_variable("bias")) y = y + c.variable("bias");
  c.add_output(activate(y, c.attrs().s("activation")));
  return {};
}

}  // namespace

void define_layer_dense(LayerRegistry& layers) {
  add_common_attrs(layers.add("Dense")
                       .doc("A fully connected layer: `activation(input @ kernel + bias)`. Its variables are `kernel` "
                            "[inputs, units], the transpose of PyTorch's, and `bias` [units].")
                       .required_attr("inputs", AttrKind::kInt, "Size of the last dimension of the input.")
                       .required_attr("units", AttrKind::kInt, "Size of the last dimension of the output.")
                       .flag("bias", true, "Whether there is a bias.")
                       .attr("activation", "", kActivationDoc)
                       .attr("kernel_init", "glorot_uniform", kInitialDoc)
                       .attr("bias_init", "zeros", kInitialDoc)
                       .input("[..., inputs].")
                       .output("[..., units]."))
      .make(make)
      .call(call);
}

}  // namespace weft
