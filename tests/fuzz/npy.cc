// Any bytes as an NPY file: read, and written again with the same result.
#include "core/tensor/npy.h"

#include "tests/fuzz/readers.h"

namespace weft {

void fuzz(std::string_view bytes) {
  const Result<Tensor> tensor = read_npy(put("read.npy", bytes));
  must_be_fair(tensor.status());
  if (!tensor.ok()) return;
  const std::string path = scratch() / "written.npy";
  must(write_npy(path, *tensor).ok());
  const Result<Tensor> again = read_npy(path);
  must(again.ok() && again->same_bits(*tensor));
}

}  // namespace weft
