// Addresses whose memory comes with what is written to them.
#include "core/base/pages.h"

#include <sys/mman.h>

namespace weft {

Result<std::unique_ptr<ReservedPages>> ReservedPages::make(int64_t bytes) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return make_error(Code::kResourceExhausted, "out of memory: cannot find room for ", bytes, " bytes");
  }
  return std::unique_ptr<ReservedPages>(new ReservedPages(static_cast<char*>(data), bytes));
}

ReservedPages::~ReservedPages() { ::munmap(data_, bytes_); }

}  // namespace weft
