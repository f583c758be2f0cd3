// What the attributes of LabelEncoder say: keys, the value of each, and the value of everything else.
#pragma once

#include "core/op/attr.h"

namespace weft {

struct LabelMap {
  Tensor keys, values;  // [n] each
  Tensor otherwise;     // one element, of the values' type
};

Result<LabelMap> read_label_map(const Attrs& attrs);

}  // namespace weft
