// Safetensors files: named tensors and text about them.
#include "core/tensor/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "core/base/json.h"

namespace weft {

// The format is little-endian; the bytes go to memory as they are.
static_assert(std::endian::native == std::endian::little);

namespace {

constexpr int64_t kMostHeaderBytes = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr TypeName kTypes[] = {
    {"BOOL", DType::kBool},
    {"U8", DType::kU8},
    {"I8", DType::kI8},
    {"U16", DType::kU16},
    {"I16", DType::kI16},
    {"U32", DType::kU32},
    {"I32", DType::kI32},
    {"U64", DType::kU64},
    {"I64", DType::kI64},
    {"F16", DType::kF16},
    {"BF16", DType::kBF16},
    {"F32", DType::kF32},
    {"F64", DType::kF64},
    {"C64", DType::kC64},
    {"F8_E4M3", DType::kF8E4M3FN},
    {"F8_E5M2", DType::kF8E5M2},
    {"F8_E4M3FNUZ", DType::kF8E4M3FNUZ},
    {"F8_E5M2FNUZ", DType::kF8E5M2FNUZ},
    {"F8_E8M0", DType::kF8E8M0},
    {"F4", DType::kF4E2M1},
};

Result<DType> dtype_called(std::string_view name) {
  for (const TypeName& type : kTypes) {
    if (type.name == name) return type.dtype;
  }
  return unimplemented("safetensors dtype '", name, "' is not supported");
}

// Bytes of that many elements, or nothing if they end in the middle of a byte.
std::optional<int64_t> whole_bytes(DType dtype, int64_t count) {
  if (dtype_bits(dtype) * count % 8 != 0) return std::nullopt;
  return dtype_bytes(dtype, count);
}

// Any byte but 0 and 1 in a bool is undefined to compilers.
Status check_bools(const std::string& name, const Tensor& tensor) {
  if (tensor.dtype() != DType::kBool) return {};
  const auto* bytes = static_cast<const unsigned char*>(tensor.data());
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (bytes[i] > 1) {
      return data_loss("tensor '", name, "' holds the bool ", int{bytes[i]}, " at ", i, "; only 0 and 1 are");
    }
  }
  return {};
}

Result<int64_t> header_size(const char (&prefix)[8], int64_t file_bytes) {
  uint64_t size;
  std::memcpy(&size, prefix, 8);
  if (size > kMostHeaderBytes) {
    return data_loss("it is no safetensors file, or damaged: the header claims ", size, " bytes, more than the ",
                     kMostHeaderBytes, " allowed");
  }
  if (static_cast<int64_t>(size) > file_bytes - 8) {
    return data_loss("the header claims ", size, " bytes but only ", file_bytes - 8, " follow");
  }
  return static_cast<int64_t>(size);
}

Status too_short(int64_t file_bytes) {
  return data_loss("it has ", file_bytes, " bytes; the size of the header alone takes 8");
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path, bool map) {
  std::string prefix = cat("cannot load '", path, "': ");
  if (map) {
    WEFT_TRY(auto mapped, map_file(path));
    auto* holder = new std::shared_ptr<const FileBytes>(mapped);
    auto bytes = Buffer::borrow(
        const_cast<char*>(mapped->data()), mapped->size(), false,
        [](void* user) { delete static_cast<std::shared_ptr<const FileBytes>*>(user); }, holder);
    Result<SafetensorsFile> file = over(std::move(bytes));
    if (!file.ok()) return file.status().within(prefix);
    return file;
  }
  WEFT_TRY(FileReader opened, FileReader::open(path));
  auto reader = std::make_shared<const FileReader>(std::move(opened));
  int64_t size = reader->size();
  if (size < 8) return too_short(size).within(prefix);
  char length[8];
  WEFT_CHECK(reader->read_at(0, length, 8));
  Result<int64_t> header_bytes = header_size(length, size);
  if (!header_bytes.ok()) return header_bytes.status().within(prefix);
  std::string header(*header_bytes, '\0');
  WEFT_CHECK(reader->read_at(8, header.data(), *header_bytes));
  SafetensorsFile file;
  Status status = file.read_header(header, 8 + *header_bytes, size);
  if (!status.ok()) return status.within(prefix);
  file.reader_ = std::move(reader);
  return file;
}

Result<SafetensorsFile> SafetensorsFile::over(std::shared_ptr<Buffer> bytes) {
  int64_t size = bytes->bytes();
  if (size < 8) return too_short(size);
  char length[8];
  std::memcpy(length, bytes->data(), 8);
  WEFT_TRY(int64_t header_bytes, header_size(length, size));
  SafetensorsFile file;
  std::string_view header(static_cast<const char*>(bytes->data()) + 8, header_bytes);
  WEFT_CHECK(file.read_header(header, 8 + header_bytes, size));
  file.bytes_ = std::move(bytes);
  return file;
}

Status SafetensorsFile::read_header(std::string_view header, int64_t data_begin, int64_t file_bytes) {
  JsonReader json(header);
  Status status = read_entries(json, data_begin, file_bytes);
  // The reader of JSON cannot know whose fault its text is: here it is the file's.
  if (status.code() == Code::kInvalidArgument) return Status(Code::kDataLoss, status.message());
  return status;
}

Status SafetensorsFile::read_entries(JsonReader& json, int64_t data_begin, int64_t file_bytes) {
  WEFT_CHECK(json.expect(JsonEvent::kBeginObject, "the header"));
  bool has_metadata = false;
  for (;;) {
    WEFT_TRY(JsonEvent event, json.next());
    if (event == JsonEvent::kEndObject) break;
    std::string name = json.text();
    if (name == kMetadataKey) {
      if (has_metadata) return data_loss("the header has two entries '", name, "'");
      has_metadata = true;
      WEFT_CHECK(read_metadata(json));
    } else {
      WEFT_CHECK(read_entry(json, std::move(name), data_begin, file_bytes));
    }
  }
  WEFT_CHECK(json.expect(JsonEvent::kEnd, "what follows the header's object"));
  return check_cover(data_begin, file_bytes);
}

Status SafetensorsFile::read_metadata(JsonReader& json) {
  WEFT_CHECK(json.expect(JsonEvent::kBeginObject, "the metadata"));
  std::unordered_set<std::string> seen;
  for (;;) {
    WEFT_TRY(JsonEvent event, json.next());
    if (event == JsonEvent::kEndObject) return {};
    std::string key = json.text();
    if (!seen.insert(key).second) return data_loss("the metadata has two entries '", key, "'");
    WEFT_TRY(std::string value, json.next_string(cat("the metadata entry '", key, "'")));
    metadata_.emplace_back(std::move(key), std::move(value));
  }
}

Status SafetensorsFile::read_entry(JsonReader& json, std::string name, int64_t data_begin, int64_t file_bytes) {
  std::string who = cat("tensor '", name, "'");
  std::optional<DType> dtype;
  std::optional<Shape> shape;
  std::optional<std::pair<int64_t, int64_t>> offsets;
  WEFT_CHECK(json.expect(JsonEvent::kBeginObject, who));
  for (;;) {
    WEFT_TRY(JsonEvent event, json.next());
    if (event == JsonEvent::kEndObject) break;
    std::string key = json.text();
    if (key == "dtype" && !dtype) {
      WEFT_TRY(std::string text, json.next_string(cat("the dtype of ", who)));
      Result<DType> known = dtype_called(text);
      if (!known.ok()) return known.status().within(cat(who, ": "));
      dtype = *known;
    } else if (key == "shape" && !shape) {
      WEFT_CHECK(json.expect(JsonEvent::kBeginArray, cat("the shape of ", who)));
      shape.emplace();
      for (;;) {
        WEFT_TRY(JsonEvent item, json.next());
        if (item == JsonEvent::kEndArray) break;
        std::optional<int64_t> dim;
        if (item == JsonEvent::kNumber) dim = parse_int(json.text());
        if (!dim || *dim < 0) return data_loss("the shape of ", who, " has a dimension that is no size");
        shape->push_back(*dim);
      }
    } else if (key == "data_offsets" && !offsets) {
      std::string what = cat("the data_offsets of ", who);
      WEFT_CHECK(json.expect(JsonEvent::kBeginArray, what));
      WEFT_TRY(int64_t begin, json.next_int(what));
      WEFT_TRY(int64_t end, json.next_int(what));
      WEFT_CHECK(json.expect(JsonEvent::kEndArray, what));
      offsets.emplace(begin, end);
    } else if (key == "dtype" || key == "shape" || key == "data_offsets") {
      return data_loss(who, " has two entries '", key, "'");
    } else {
      WEFT_CHECK(json.skip_value());  // newer versions of the format may say more
    }
  }
  if (!dtype) return data_loss(who, " has no dtype");
  if (!shape) return data_loss(who, " has no shape");
  if (!offsets) return data_loss(who, " has no data_offsets");
  auto [begin, end] = *offsets;
  int64_t data_bytes = file_bytes - data_begin;
  if (begin < 0 || end < begin || end > data_bytes) {
    return data_loss(who, " lies at bytes ", begin, " to ", end, " of data that has ", data_bytes);
  }
  if (static_cast<int64_t>(shape->size()) > kMostAxes) {
    return unimplemented(who, " has ", shape->size(), " dimensions; tensors have at most ", kMostAxes);
  }
  Result<int64_t> count = element_count(*shape);
  if (!count.ok()) return data_loss(who, ": ", count.status().message());
  // No element takes less than half a byte.
  std::optional<int64_t> bytes;
  if (*count <= 2 * data_bytes) bytes = whole_bytes(*dtype, *count);
  if (bytes != end - begin) {
    return data_loss(who, " is ", dtype_name(*dtype), shape_text(*shape), " but has ", end - begin, " bytes");
  }
  if (!places_.emplace(name, entries_.size()).second) return data_loss("the header has two entries '", name, "'");
  entries_.push_back({std::move(name), *dtype, std::move(*shape), data_begin + begin, data_begin + end});
  return {};
}

Status SafetensorsFile::check_cover(int64_t data_begin, int64_t file_bytes) const {
  std::vector<const Entry*> order;
  order.reserve(entries_.size());
  for (const Entry& entry : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  int64_t covered = data_begin;
  for (const Entry* entry : order) {
    if (entry->begin != covered) {
      return data_loss("tensor '", entry->name, "' begins at byte ", entry->begin - data_begin, " of the data where ",
                       covered - data_begin, " was expected");
    }
    covered = entry->end;
  }
  if (covered != file_bytes) {
    return data_loss("its tensors take ", covered - data_begin, " bytes but ", file_bytes - data_begin,
                     " follow the header");
  }
  return {};
}

int64_t SafetensorsFile::find(std::string_view name) const {
  auto at = places_.find(std::string(name));
  return at == places_.end() ? -1 : at->second;
}

Result<Tensor> SafetensorsFile::tensor(std::string_view name) const {
  int64_t index = find(name);
  if (index < 0) return not_found("the file has no tensor '", name, "'");
  return tensor(index);
}

Result<Tensor> SafetensorsFile::tensor(int64_t index) const {
  if (index < 0 || index >= static_cast<int64_t>(entries_.size())) {
    return out_of_range("tensor ", index, " of a file that has ", entries_.size());
  }
  const Entry& entry = entries_[index];
  Result<Tensor> out = elements(entry);
  if (!out.ok()) return out.status().within(cat("tensor '", entry.name, "': "));
  WEFT_CHECK(check_bools(entry.name, *out));
  return out;
}

Result<Tensor> SafetensorsFile::elements(const Entry& entry) const {
  Tensor out;
  if (reader_ != nullptr) {
    WEFT_TRY(out, Tensor::make(entry.dtype, entry.shape));
    WEFT_CHECK(reader_->read_at(entry.begin, out.mutable_data(), out.bytes()));
  } else {
    // Files of other writers need not be aligned.
    const char* from = static_cast<const char*>(bytes_->data()) + entry.begin;
    int64_t align = std::min<int64_t>(dtype_bits(entry.dtype) / 8, 8);
    if (align > 1 && reinterpret_cast<uintptr_t>(from) % align != 0) {
      WEFT_TRY(out, Tensor::from_bytes(entry.dtype, entry.shape, from, entry.end - entry.begin));
    } else {
      WEFT_TRY(out, Tensor::over(entry.dtype, entry.shape, bytes_, entry.begin));
    }
  }
  return out;
}

bool safetensors_can_say(const Tensor& tensor) {
  const bool named = std::any_of(std::begin(kTypes), std::end(kTypes),
                                 [&](const TypeName& type) { return type.dtype == tensor.dtype(); });
  return named && whole_bytes(tensor.dtype(), tensor.count()).has_value();
}

namespace {

Result<std::string_view> type_name_of(const std::string& name, const Tensor& tensor) {
  if (tensor.kind() != Kind::kTensor || tensor.empty()) {
    return invalid("'", name, "' is no tensor but ", tensor.summary(), "; a safetensors file holds tensors alone");
  }
  for (const TypeName& type : kTypes) {
    if (type.dtype == tensor.dtype()) {
      if (whole_bytes(tensor.dtype(), tensor.count())) return type.name;
      return invalid("'", name, "' is ", tensor.summary(), ", which does not fill whole bytes");
    }
  }
  return unimplemented("'", name, "' is ", tensor.summary(), "; safetensors has no dtype for ",
                       dtype_name(tensor.dtype()));
}

Status check_text(std::string_view what, std::string_view text) {
  if (!is_utf8(text)) return invalid(what, " is not UTF-8");
  return {};
}

// The header with its size before it and blanks after it, up to a multiple of 8 bytes.
Result<std::string> header_of(const NamedTensors& tensors, const Metadata& metadata,
                              const std::vector<int64_t>& offsets) {
  std::string json = "{";
  std::unordered_set<std::string_view> seen;
  if (!metadata.empty()) {
    json += cat("\"", kMetadataKey, "\":");
    for (const auto& [key, value] : metadata) {
      WEFT_CHECK(check_text("a metadata key", key));
      WEFT_CHECK(check_text(cat("the metadata entry '", key, "'"), value));
      if (!seen.insert(key).second) return invalid("the metadata has two entries '", key, "'");
      json += seen.size() == 1 ? '{' : ',';
      append_json_string(json, key);
      json += ':';
      append_json_string(json, value);
    }
    json += '}';
    seen.clear();
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    WEFT_CHECK(check_text("the name of a tensor", name));
    WEFT_TRY(std::string_view type, type_name_of(name, tensor));
    if (name == kMetadataKey) return invalid("'", name, "' is not allowed as the name of a tensor");
    if (!seen.insert(name).second) return invalid("two tensors have the name '", name, "'");
    if (json.size() > 1) json += ',';
    append_json_string(json, name);
    json += cat(":{\"dtype\":\"", type, "\",\"shape\":[", join(tensor.shape(), ","), "],\"data_offsets\":[", offsets[i],
                ",", offsets[i] + tensor.bytes(), "]}");
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  if (static_cast<int64_t>(json.size()) > kMostHeaderBytes) {
    return make_error(Code::kResourceExhausted, "the header would take ", json.size(), " bytes, more than the ",
                      kMostHeaderBytes, " allowed");
  }
  uint64_t size = json.size();
  char length[8];
  std::memcpy(length, &size, 8);
  return std::string(length, 8) + json;
}

}  // namespace

Status write_safetensors(FileWriter& writer, const NamedTensors& tensors, const Metadata& metadata) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return dtype_bits(tensors[a].second.dtype()) > dtype_bits(tensors[b].second.dtype());
  });
  std::vector<int64_t> offsets(tensors.size());
  int64_t offset = 0;
  for (size_t i : order) {
    offsets[i] = offset;
    offset += tensors[i].second.bytes();
  }
  WEFT_TRY(std::string header, header_of(tensors, metadata, offsets));
  WEFT_CHECK(writer.write(header));
  for (size_t i : order) {
    WEFT_TRY(const Tensor here, tensors[i].second.moved_to(nullptr));
    WEFT_TRY(const Tensor elements, here.briefly());
    WEFT_CHECK(writer.write(elements.data(), elements.bytes()));
  }
  return {};
}

Status write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  WEFT_TRY(FileWriter writer, FileWriter::create(path));
  WEFT_CHECK(write_safetensors(writer, tensors, metadata));
  return writer.commit();
}

}  // namespace weft
