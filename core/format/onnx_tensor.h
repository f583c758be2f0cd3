// Tensors in ONNX files: inline in one of several fields, or in files beside the model.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/base/file.h"
#include "core/format/onnx_file.h"
#include "core/format/onnx_wire.h"
#include "core/tensor/tensor.h"

namespace weft::onnx {

// Where external data comes from.
class ExternalFiles {
 public:
  // `folder` is that of the model, "" if there is none.
  ExternalFiles(std::string folder, bool map) : folder_(std::move(folder)), map_(map) {}
  Result<Tensor> read(const TensorWire& wire, DType dtype, Shape shape);

 private:
  std::string folder_;
  bool map_;
  // The file that was read last stays open: a model may have one file for each weight.
  std::optional<FileReader> reader_;
  std::string reading_;
  std::map<std::string, std::shared_ptr<const FileBytes>> mapped_;
};

// DATA_LOSS for dimensions that no tensor has.
Result<int64_t> element_count(const std::vector<int64_t>& dims);
// `wire` is of that model.
Result<Tensor> to_tensor(const TensorWire& wire, const ModelFile& model, ExternalFiles& files);
// All elements of a sparse tensor, most of which are 0.
Result<Tensor> to_dense(const SparseWire& wire, const ModelFile& model, ExternalFiles& files);

}  // namespace weft::onnx
