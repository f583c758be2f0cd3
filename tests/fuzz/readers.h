// What the fuzz targets of readers have in common: a place for their files, and what errors must be like.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "tests/fuzz/target.h"
#include "tests/test_folder.h"

namespace weft {

// One folder for the process.
inline const TestFolder& scratch() {
  static const TestFolder folder;
  return folder;
}

// The file of that name has these bytes; its path.
inline std::string put(const std::string& name, std::string_view bytes) {
  std::string path = scratch() / name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  must(file != nullptr);
  must(bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
  must(std::fclose(file) == 0);
  return path;
}

// Success, or an error that says what is wrong with what was given, not with the library.
inline void must_be_fair(const Status& status) {
  must(status.ok() || !status.message().empty());
  must(status.code() != Code::kInternal && status.code() != Code::kUnknown);
}

// The numbers that a target reads off its bytes; 0 behind their end.
class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  // Of so many bytes, little-endian; 8 at most.
  uint64_t next(size_t bytes) {
    uint64_t out = 0;
    for (size_t i = 0; i < bytes && !rest_.empty(); ++i, rest_.remove_prefix(1)) {
      out |= uint64_t{static_cast<unsigned char>(rest_.front())} << (8 * i);
    }
    return out;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace weft
