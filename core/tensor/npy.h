// NPY files: one array each, as NumPy saves it.
#pragma once

#include <string>

#include "core/tensor/tensor.h"

namespace weft {

// Versions 1 to 3 of the format, little-endian numbers, bools and complex numbers in C order.
Result<Tensor> read_npy(const std::string& path);
// The bytes that numpy.save writes for the same array.
Status write_npy(const std::string& path, const Tensor& tensor);

}  // namespace weft
