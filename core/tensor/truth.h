// What a truth value says: files and programs may give any byte for one, and all but 0 are true.
#pragma once

#include <cstdint>

#include "core/tensor/tensor.h"

namespace weft {

// Of a tensor of one truth value, in the process's memory.
inline bool says_true(const Tensor& value) { return *value.as<uint8_t>() != 0; }

}  // namespace weft
