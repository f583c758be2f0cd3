// Addresses whose memory comes with what is written to them.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/status.h"

namespace weft {

class ReservedPages {
 public:
  // Zeros, at the start of a page; `bytes` is not 0. RESOURCE_EXHAUSTED where there are no such addresses.
  static Result<std::unique_ptr<ReservedPages>> make(int64_t bytes);
  ReservedPages(const ReservedPages&) = delete;
  ReservedPages& operator=(const ReservedPages&) = delete;
  ~ReservedPages();

  char* data() const { return data_; }

 private:
  ReservedPages(char* data, int64_t bytes) : data_(data), bytes_(bytes) {}

  char* data_;
  int64_t bytes_;
};

}  // namespace weft
