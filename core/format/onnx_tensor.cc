// Tensors of ONNX files.
#include "core/format/onnx_tensor.h"

#include <cstring>

#include "core/base/text.h"

namespace weft::onnx {

namespace {

// The typed fields hold one number an element (packed bytes for elements of less than 8 bits; two for complex ones).
template <typename Stored, typename Number>
Result<Tensor> from_numbers(DType dtype, Shape shape, const std::vector<Number>& numbers, int64_t per_tensor) {
  if (static_cast<int64_t>(numbers.size()) != per_tensor) {
    return data_loss("it has ", numbers.size(), " numbers but ", dtype_name(dtype), shape_text(shape), " needs ",
                     per_tensor);
  }
  WEFT_TRY(Tensor out, Tensor::make(dtype, std::move(shape)));
  for (size_t i = 0; i < numbers.size(); ++i) {
    Stored stored = static_cast<Stored>(numbers[i]);
    std::memcpy(out.as<char>() + i * sizeof(Stored), &stored, sizeof(Stored));
  }
  return out;
}

Result<Tensor> from_fields(const TensorWire& wire, DType dtype, Shape shape, int64_t count) {
  switch (dtype) {
    case DType::kF32: return from_numbers<float>(dtype, std::move(shape), wire.floats, count);
    case DType::kC64: return from_numbers<float>(dtype, std::move(shape), wire.floats, 2 * count);
    case DType::kF64: return from_numbers<double>(dtype, std::move(shape), wire.doubles, count);
    case DType::kC128: return from_numbers<double>(dtype, std::move(shape), wire.doubles, 2 * count);
    default: break;
  }
  switch (dtype_bits(dtype)) {
    case 64: return from_numbers<uint64_t>(dtype, std::move(shape), wire.ints, count);
    case 32: return from_numbers<uint32_t>(dtype, std::move(shape), wire.ints, count);
    case 16: return from_numbers<uint16_t>(dtype, std::move(shape), wire.ints, count);
    default: break;
  }
  return from_numbers<uint8_t>(dtype, std::move(shape), wire.ints, dtype_bytes(dtype, count));
}

// bool is 0 or 1 in memory, whatever a file says.
void make_bools(Tensor& tensor) {
  if (tensor.dtype() != DType::kBool) return;
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.as<uint8_t>()[i] = tensor.as<uint8_t>()[i] != 0;
}

}  // namespace

Result<Tensor> ExternalFiles::read(const TensorWire& wire, DType dtype, Shape shape) {
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto& [key, value] : wire.external) {
    if (key == "location") location = value;
    if (key != "offset" && key != "length") continue;
    std::optional<int64_t> number = parse_int(value);
    if (!number || *number < 0) return data_loss("its ", key, " in another file is '", value, "'");
    (key == "offset" ? offset : length) = *number;
  }
  if (folder_.empty()) return invalid("its data is in the file '", location, "', and no folder to look in is given");
  // Separators of other systems: a file that has them was written there, or means no good.
  if (location.find_first_of("\\:") != std::string::npos) {
    return invalid("its data is said to be in '", location, "', outside the model's folder");
  }
  int64_t bytes = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(bytes, dim, &bytes) || bytes > kMostElements) {
      return data_loss("its shape ", shape_text(shape), " cannot be");
    }
  }
  bytes = dtype_bytes(dtype, bytes);
  if (length >= 0 && length != bytes) {
    return data_loss("it has ", length, " bytes in '", location, "' but ", dtype_name(dtype), shape_text(shape),
                     " needs ", bytes);
  }
  std::string path = cat(folder_, "/", location);
  if (map_) {
    auto at = mapped_.find(location);
    if (at == mapped_.end()) {
      WEFT_TRY(std::shared_ptr<const FileBytes> file, map_file_in(folder_, location));
      at = mapped_.emplace(location, std::move(file)).first;
    }
    const std::shared_ptr<const FileBytes>& file = at->second;
    if (offset > file->size() || bytes > file->size() - offset) {
      return data_loss("its data lies beyond the end of '", path, "'");
    }
    if (dtype == DType::kBool) {
      WEFT_TRY(Tensor copy, Tensor::from_bytes(dtype, std::move(shape), file->data() + offset, bytes));
      make_bools(copy);
      return copy;
    }
    return Tensor::in_file(dtype, std::move(shape), file, offset);
  }
  auto at = readers_.find(location);
  if (at == readers_.end()) {
    WEFT_TRY(FileReader reader, FileReader::open_in(folder_, location));
    at = readers_.emplace(location, std::move(reader)).first;
  }
  if (offset > at->second.size() || bytes > at->second.size() - offset) {
    return data_loss("its data lies beyond the end of '", path, "'");
  }
  WEFT_TRY(Tensor out, Tensor::make(dtype, std::move(shape)));
  if (bytes > 0) WEFT_CHECK(at->second.read_at(offset, out.mutable_data(), bytes));
  make_bools(out);
  return out;
}

Result<Tensor> to_tensor(const TensorWire& wire, const ModelFile& model, ExternalFiles& files) {
  if (wire.data_type < 1 || wire.data_type >= kDTypeCount) return unimplemented("its data type is ", wire.data_type);
  DType dtype = static_cast<DType>(wire.data_type);
  int64_t count = 1;
  for (int64_t dim : wire.dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > kMostElements) {
      return data_loss("its shape ", shape_text(wire.dims), " cannot be");
    }
  }
  Shape shape = wire.dims;
  if (dtype == DType::kString) {
    if (static_cast<int64_t>(wire.strings.size()) != count) {
      return data_loss("it has ", wire.strings.size(), " strings but its shape is ", shape_text(shape));
    }
    return Tensor::from_strings(std::move(shape), std::vector<std::string>(wire.strings.begin(), wire.strings.end()));
  }
  if (wire.data_location == 1) return files.read(wire, dtype, std::move(shape));
  if (wire.has_raw) {
    if (static_cast<int64_t>(wire.raw.size()) != dtype_bytes(dtype, count)) {
      return data_loss("it has ", wire.raw.size(), " bytes but ", dtype_name(dtype), shape_text(shape), " needs ",
                       dtype_bytes(dtype, count));
    }
    WEFT_TRY(Tensor out, model.tensor(dtype, std::move(shape), wire.raw));
    make_bools(out);
    return out;
  }
  WEFT_TRY(Tensor out, from_fields(wire, dtype, std::move(shape), count));
  make_bools(out);
  return out;
}

}  // namespace weft::onnx
