// Flatten: all dimensions but the first become one.
#include "core/graph/layer_registry.h"

namespace weft {

void define_layer_flatten(LayerRegistry& layers) {
  layers.add("Flatten")
      .doc("All dimensions but the first become one.")
      .input("[batch, ...].")
      .output("[batch, features].")
      .call([](LayerCall& c) -> Status {
        c.add_output(weft::make(c.scope(), "Flatten", {c.input(0)}, {{"axis", int64_t{1}}}));
        return {};
      });
}

}  // namespace weft
