// Safetensors files: named tensors and text about them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/tensor/tensor.h"

namespace weft {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

// A file whose header has been read and checked: every name once, every dtype known, every size
// what shape and dtype make it, and the tensors cover the data without gap or overlap. The bytes of
// a tensor are read when it is asked for.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    int64_t begin;  // bytes from the start of the file
    int64_t end;
  };

  // A mapped file gives tensors that lie over the mapping (read-only); whoever makes the file
  // shorter meanwhile ends the process that touches what was cut off.
  static Result<SafetensorsFile> open(const std::string& path, bool map = false);
  // A whole file in memory; tensors lie over the buffer.
  static Result<SafetensorsFile> over(std::shared_ptr<Buffer> bytes);

  const std::vector<Entry>& entries() const { return entries_; }  // in the header's order
  const Metadata& metadata() const { return metadata_; }
  // The place of a name among the entries, or -1.
  int64_t find(std::string_view name) const;

  Result<Tensor> tensor(int64_t index) const;
  Result<Tensor> tensor(std::string_view name) const;

 private:
  SafetensorsFile() = default;
  Status read_header(std::string_view header, int64_t data_begin, int64_t file_bytes);
  Status read_entries(class JsonReader& json, int64_t data_begin, int64_t file_bytes);
  Status read_metadata(class JsonReader& json);
  Status read_entry(class JsonReader& json, std::string name, int64_t data_begin, int64_t file_bytes);
  Status check_cover(int64_t data_begin, int64_t file_bytes) const;
  Result<Tensor> elements(const Entry& entry) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, int64_t> places_;
  Metadata metadata_;
  // One of the two: a file to read from, or all its bytes.
  std::shared_ptr<const FileReader> reader_;
  std::shared_ptr<Buffer> bytes_;
};

// Whether such a file can say what the elements of a tensor are.
bool safetensors_can_say(const Tensor& tensor);

// The header lists the tensors as given; the data of wider element types comes first, so that all
// lie aligned when the file is mapped. Whatever was at `path` stays there until all has been
// written.
Status write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata = {});
// The same without the commit.
Status write_safetensors(FileWriter& writer, const NamedTensors& tensors, const Metadata& metadata = {});

}  // namespace weft
