// The bytes of an ONNX model: in memory, mapped, or in a file of which only what is not elements of large weights is read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.h"
#include "core/base/pages.h"
#include "core/tensor/tensor.h"

namespace weft::onnx {

class ModelFile {
 public:
  // Mapped, weights stay in the file until their elements are asked for. Otherwise they are read one by one, each to where
  // it stays, so that no model is in memory twice.
  static Result<ModelFile> open(const std::string& path, bool map);
  // `bytes` must outlive it.
  static ModelFile over(std::string_view bytes) { return ModelFile(bytes); }

  // The model; those of the elements of large weights may be zeros.
  std::string_view bytes() const { return bytes_; }
  // A tensor of the elements `raw`, a part of `bytes()`.
  Result<Tensor> tensor(DType dtype, Shape shape, std::string_view raw) const;

 private:
  class Scan;
  struct Hole {
    int64_t begin;
    int64_t bytes;
  };

  explicit ModelFile(std::string_view bytes) : bytes_(bytes) {}

  std::string_view bytes_;
  std::shared_ptr<const FileBytes> mapped_;
  std::shared_ptr<const ReservedPages> pages_;  // what was read, each byte at its place
  std::shared_ptr<const FileReader> reader_;
  std::vector<Hole> holes_;  // in their order: what was not read
};

}  // namespace weft::onnx
