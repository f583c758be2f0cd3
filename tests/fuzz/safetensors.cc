// Any bytes as a safetensors file: read, and written again with the same result.
#include "core/tensor/safetensors.h"

#include <cstdint>
#include <cstring>

#include "core/tensor/tensor.h"
#include "tests/fuzz/target.h"

namespace weft {
namespace {

Result<SafetensorsFile> opened(std::string_view bytes) {
  WEFT_TRY(std::shared_ptr<Buffer> buffer, Buffer::allocate(static_cast<int64_t>(bytes.size())));
  if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
  return SafetensorsFile::over(std::move(buffer));
}

}  // namespace

void fuzz(std::string_view bytes) {
  const Result<SafetensorsFile> file = opened(bytes);
  if (!file.ok()) {
    must(!file.status().text().empty());
    return;
  }
  size_t sum = 0;
  for (size_t i = 0; i < file->entries().size(); ++i) {
    const SafetensorsFile::Entry& entry = file->entries()[i];
    must(file->find(entry.name) == static_cast<int64_t>(i));
    const Result<Tensor> tensor = file->tensor(static_cast<int64_t>(i));
    if (!tensor.ok()) continue;
    must(tensor->dtype() == entry.dtype && tensor->shape() == entry.shape);
    const auto* data = static_cast<const unsigned char*>(tensor->data());
    for (int64_t k = 0; k < tensor->bytes(); ++k) sum += data[k];  // reads all of it
  }
  for (const auto& [key, value] : file->metadata()) sum += key.size() + value.size();
  must(sum != SIZE_MAX);  // so that the reading is not optimized away
}

}  // namespace weft
