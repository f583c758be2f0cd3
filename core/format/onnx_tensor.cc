// Tensors of ONNX files.
#include "core/format/onnx_tensor.h"

#include <cstring>

#include "core/base/text.h"
#include "core/tensor/packed.h"

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

Result<int64_t> element_count(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > kMostElements) {
      return data_loss("its shape ", shape_text(dims), " cannot be");
    }
  }
  return count;
}

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
  WEFT_TRY(const int64_t count, element_count(shape));
  const int64_t bytes = dtype_bytes(dtype, count);
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
  if (!reader_ || reading_ != location) {
    reader_.reset();
    WEFT_TRY(FileReader reader, FileReader::open_in(folder_, location));
    reader_.emplace(std::move(reader));
    reading_ = location;
  }
  if (offset > reader_->size() || bytes > reader_->size() - offset) {
    return data_loss("its data lies beyond the end of '", path, "'");
  }
  WEFT_TRY(Tensor out, Tensor::make(dtype, std::move(shape)));
  if (bytes > 0) WEFT_CHECK(reader_->read_at(offset, out.mutable_data(), bytes));
  make_bools(out);
  return out;
}

Result<Tensor> to_tensor(const TensorWire& wire, const ModelFile& model, ExternalFiles& files) {
  if (wire.data_type < 1 || wire.data_type >= kDTypeCount) return unimplemented("its data type is ", wire.data_type);
  DType dtype = static_cast<DType>(wire.data_type);
  WEFT_TRY(const int64_t count, element_count(wire.dims));
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

namespace {

// The place of each value in row-major order. The file says [n] places, or an index for each axis, [n, rank].
Result<std::vector<int64_t>> sparse_places(const Tensor& indices, const std::vector<int64_t>& dims, int64_t values) {
  const auto rank = static_cast<int64_t>(dims.size());
  const bool by_axis = indices.rank() == 2;
  if (indices.dtype() != DType::kI64 || indices.shape() != (by_axis ? Shape{values, rank} : Shape{values})) {
    return data_loss("its indices are ", indices.summary(), " but must be i64[", values, "] or i64[", values, ", ",
                     rank, "]");
  }
  WEFT_TRY(const int64_t count, element_count(dims));
  const std::vector<int64_t> whole = {count};
  const std::vector<int64_t>& extents = by_axis ? dims : whole;
  std::vector<int64_t> places;
  const int64_t* index = indices.as<int64_t>();
  for (int64_t i = 0; i < values; ++i) {
    int64_t place = 0;
    for (int64_t extent : extents) {
      if (*index < 0 || *index >= extent) return data_loss("it has a value at ", *index, " of ", extent, " places");
      place = place * extent + *index++;
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace

// Numbers that the file does not have are 0, and strings empty.
Result<Tensor> to_dense(const SparseWire& wire, const ModelFile& model, ExternalFiles& files) {
  WEFT_TRY(const Tensor values, to_tensor(wire.values, model, files));
  WEFT_TRY(const Tensor indices, to_tensor(wire.indices, model, files));
  if (values.rank() != 1) return data_loss("its values are ", values.summary(), " but must have one dimension");
  WEFT_TRY(const std::vector<int64_t> places, sparse_places(indices, wire.dims, values.count()));
  WEFT_TRY(Tensor out, Tensor::make(values.dtype(), wire.dims));
  if (values.dtype() == DType::kString) {
    for (size_t i = 0; i < places.size(); ++i) out.mutable_strings()[places[i]] = values.strings()[i];
    return out;
  }
  if (out.bytes() > 0) std::memset(out.mutable_data(), 0, static_cast<size_t>(out.bytes()));
  const int bits = dtype_bits(values.dtype());
  const size_t size = static_cast<size_t>(bits) / 8;
  for (size_t i = 0; i < places.size(); ++i) {
    if (size == 0)
      copy_packed(out.mutable_data(), places[i], values.data(), static_cast<int64_t>(i), 1, bits);
    else
      std::memcpy(out.as<char>() + static_cast<size_t>(places[i]) * size, values.as<char>() + i * size, size);
  }
  return out;
}

}  // namespace weft::onnx
