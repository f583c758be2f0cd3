// NPY files: one array each, as NumPy saves it.
#include "core/tensor/npy.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/base/file.h"

namespace weft {

static_assert(std::endian::native == std::endian::little);

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr int64_t kMostHeaderBytes = 1 << 20;

struct TypeName {
  std::string_view name;  // without the byte order
  DType dtype;
};
constexpr TypeName kTypes[] = {
    {"b1", DType::kBool}, {"i1", DType::kI8},  {"u1", DType::kU8},  {"i2", DType::kI16},   {"u2", DType::kU16},
    {"i4", DType::kI32},  {"u4", DType::kU32}, {"i8", DType::kI64}, {"u8", DType::kU64},   {"f2", DType::kF16},
    {"f4", DType::kF32},  {"f8", DType::kF64}, {"c8", DType::kC64}, {"c16", DType::kC128},
};

Result<DType> dtype_called(std::string_view descr) {
  if (descr.size() < 2) return invalid("its dtype '", descr, "' is not one of NumPy's");
  char order = descr[0], kind = descr[1];
  std::string_view name = descr.substr(1);
  for (const TypeName& type : kTypes) {
    if (type.name != name) continue;
    if (order == '>' && dtype_size(type.dtype) > 1) {
      return unimplemented("its numbers are big-endian ('", descr, "'); save it with .astype('<", name, "')");
    }
    if (order == '<' || order == '|' || order == '=' || order == '>') return type.dtype;
  }
  if (kind == 'O') return unimplemented("it holds Python objects, which only Python can load");
  if (kind == 'S' || kind == 'U') return unimplemented("it holds strings ('", descr, "')");
  if (kind == 'V') return unimplemented("it holds raw bytes ('", descr, "')");
  if (kind == 'M' || kind == 'm') return unimplemented("it holds dates or times ('", descr, "')");
  return unimplemented("its dtype '", descr, "' is not supported");
}

// The header is a Python dict of three known entries: strings, True or False, and a tuple of whole
// numbers.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;

  Status read() {
    if (!take('{')) return malformed();
    while (!take('}')) {
      std::optional<std::string_view> key = string();
      if (!key || !take(':')) return malformed();
      if (*key == "descr" && !descr) {
        if (peek() == '[') return unimplemented("its elements are records; save each field on its own");
        descr = string();
        if (!descr) return malformed();
      } else if (*key == "fortran_order" && !fortran_order) {
        if (take_word("True")) {
          fortran_order = true;
        } else if (take_word("False")) {
          fortran_order = false;
        } else {
          return malformed();
        }
      } else if (*key == "shape" && !shape) {
        WEFT_CHECK(read_shape());
      } else {
        return malformed();
      }
      if (!take(',') && peek() != '}') return malformed();
    }
    skip_blanks();
    if (!rest_.empty() || !descr || !fortran_order || !shape) return malformed();
    return {};
  }

 private:
  static Status malformed() { return data_loss("its header is not the dict that NumPy writes"); }

  void skip_blanks() {
    size_t at = rest_.find_first_not_of(" \t\n\r");
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at);
  }
  char peek() {
    skip_blanks();
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(char c) {
    if (peek() != c || c == '\0') return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_blanks();
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> string() {
    char quote = peek();
    if (quote != '\'' && quote != '"') return std::nullopt;
    size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view text = rest_.substr(1, end - 1);
    if (text.find('\\') != std::string_view::npos) return std::nullopt;
    rest_.remove_prefix(end + 1);
    return text;
  }
  Status read_shape() {
    if (!take('(')) return malformed();
    shape.emplace();
    while (!take(')')) {
      skip_blanks();
      size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      std::optional<int64_t> dim = parse_int(rest_.substr(0, digits));
      if (!dim) return malformed();
      rest_.remove_prefix(digits);
      take('L');  // Python 2 wrote long integers so
      shape->push_back(*dim);
      if (!take(',') && peek() != ')') return malformed();
    }
    return {};
  }

  std::string_view rest_;
};

Result<Tensor> read_array(const FileReader& file) {
  unsigned char start[12];
  if (file.size() < 10) return data_loss("it is too short for an NPY file");
  WEFT_CHECK(file.read_at(0, start, 10));
  if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0) {
    return invalid("it does not begin as NPY files do");
  }
  int major = start[6];
  if (major < 1 || major > 3) return unimplemented("version ", major, " of the NPY format is not known");
  int64_t header_at = major == 1 ? 10 : 12;
  int64_t header_bytes = start[8] | start[9] << 8;
  if (major > 1) {
    if (file.size() < 12) return data_loss("it is too short for an NPY file");
    WEFT_CHECK(file.read_at(10, start + 10, 2));
    header_bytes |= int64_t{start[10]} << 16 | int64_t{start[11]} << 24;
  }
  if (header_bytes > kMostHeaderBytes) {
    return invalid("its header claims ", header_bytes, " bytes, more than the ", kMostHeaderBytes, " allowed");
  }
  int64_t data_bytes = file.size() - header_at - header_bytes;
  if (data_bytes < 0) return data_loss("it ends within its header");
  std::string header(header_bytes, '\0');
  WEFT_CHECK(file.read_at(header_at, header.data(), header_bytes));
  HeaderReader reader(header);
  WEFT_CHECK(reader.read());
  WEFT_TRY(DType dtype, dtype_called(*reader.descr));
  if (*reader.fortran_order && reader.shape->size() > 1) {
    return unimplemented("it is in Fortran order; save it with numpy.ascontiguousarray(...)");
  }
  WEFT_TRY(int64_t count, element_count(*reader.shape));
  if (count > data_bytes || dtype_bytes(dtype, count) != data_bytes) {
    return data_loss("it should hold ", dtype_name(dtype), shape_text(*reader.shape), " but has ", data_bytes,
                     " bytes of data");
  }
  WEFT_TRY(Tensor out, Tensor::make(dtype, *reader.shape));
  WEFT_CHECK(file.read_at(header_at + header_bytes, out.mutable_data(), data_bytes));
  if (dtype == DType::kBool) {
    // Any other byte in a bool is undefined to compilers.
    for (int64_t i = 0; i < count; ++i) {
      if (out.as<unsigned char>()[i] > 1) return data_loss("it holds a bool that is neither 0 nor 1, at ", i);
    }
  }
  return out;
}

}  // namespace

Result<Tensor> read_npy(const std::string& path) {
  WEFT_TRY(FileReader file, FileReader::open(path));
  Result<Tensor> out = read_array(file);
  if (!out.ok()) return out.status().within(cat("cannot load '", path, "': "));
  return out;
}

Status write_npy(const std::string& path, const Tensor& tensor) {
  std::string_view name;
  for (const TypeName& type : kTypes) {
    if (tensor.kind() == Kind::kTensor && type.dtype == tensor.dtype()) name = type.name;
  }
  if (name.empty()) {
    return unimplemented("cannot save ", tensor.summary(), " to '", path, "': the NPY format has no type for it");
  }
  std::string header =
      cat("{'descr': '", dtype_size(tensor.dtype()) == 1 ? '|' : '<', name, "', 'fortran_order': False, 'shape': (",
          join(tensor.shape()), tensor.rank() == 1 ? ",), }" : "), }");
  // NumPy leaves room for the first dimension to grow to 21 digits in place.
  if (tensor.rank() > 0) header.append(21 - cat(tensor.shape()[0]).size(), ' ');
  // Up to a multiple of 64 bytes with the ten before it, the last a line end. The shape of a tensor always fits version 1.
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::string start(kMagic);
  start += {'\1', '\0'};
  for (int i = 0; i < 2; ++i) start += static_cast<char>(header.size() >> (8 * i) & 255);
  WEFT_TRY(FileWriter writer, FileWriter::create(path));
  WEFT_CHECK(writer.write(start));
  WEFT_CHECK(writer.write(header));
  WEFT_CHECK(writer.write(tensor.data(), tensor.bytes()));
  return writer.commit();
}

}  // namespace weft
