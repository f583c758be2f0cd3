// What layers have in common: weights with initial values, activations by name, dtype and seed.
#pragma once

#include "core/graph/initial.h"
#include "core/graph/layer_registry.h"

namespace weft {

extern const char* const kActivationDoc;

// The attributes "dtype" and "seed".
LayerDef& add_common_attrs(LayerDef& def);
Result<DType> layer_dtype(const Attrs& attrs);
// A trainable variable with the initial value that the attribute `init` names.
void add_weight(LayerMake& c, std::string_view name, std::string_view init, DType dtype, const Shape& shape,
                int64_t fan_in, int64_t fan_out);
// An error unless the attribute "activation" is "" or the name of one.
Status check_activation(const Attrs& attrs);
// What that name stands for; "" is none.
Expr activate(Expr x, const std::string& name);

}  // namespace weft
