// Embedding: rows of a table by index.
#include "core/layers/parts_common.h"

namespace weft {
namespace {

Status make(LayerMake& c) {
  int64_t count = c.attrs().i("count"), size = c.attrs().i("size");
  if (count < 1 || size < 1) return invalid("'count' is ", count, " and 'size' ", size, "; both must be at least 1");
  WEFT_TRY(DType dtype, layer_dtype(c.attrs()));
  add_weight(c, "table", "table_init", dtype, {count, size}, count, size);
  return {};
}

Status call(LayerCall& c) {
  c.add_output(weft::make(c.scope(), "Gather", {c.variable("table"), c.input(0)}));
  return {};
}

}  // namespace

void define_layer_embedding(LayerRegistry& layers) {
  add_common_attrs(
      layers.add("Embedding")
          .doc("A vector for each index, from a table that is trained: the variable `table` [count, size].")
          .required_attr("count", AttrKind::kInt,
                         "Number of rows: indices are below it; negative ones count from the end, as in Gather.")
          .required_attr("size", AttrKind::kInt, "Length of each vector.")
          .attr("table_init", "glorot_uniform", kInitialDoc)
          .input("Indices, i64 or i32, any shape.")
          .output("The shape of the input, then `size`."))
      .make(make)
      .call(call);
}

}  // namespace weft
