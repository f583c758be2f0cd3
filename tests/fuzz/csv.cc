// Any bytes as a CSV file; the first says how it is read. What is read, written plainly, is read as the same.
#include "core/tensor/csv.h"

#include "core/base/text.h"
#include "tests/fuzz/readers.h"

namespace weft {
namespace {

CsvOptions options_of(unsigned how) {
  constexpr DType kTypes[] = {DType::kF32, DType::kF64, DType::kI64};
  constexpr CsvOptions::Header kHeaders[] = {CsvOptions::Header::kAuto, CsvOptions::Header::kNo,
                                             CsvOptions::Header::kYes};
  constexpr char kDelimiters[] = {',', ';', '\t', '|'};
  CsvOptions options;
  options.dtype = kTypes[how % 3];
  options.header = kHeaders[how / 3 % 3];
  options.delimiter = kDelimiters[how / 9 % 4];
  return options;
}

template <typename T>
std::string plain(const Tensor& values) {
  std::string text;
  const int64_t columns = values.shape()[1];
  for (int64_t i = 0; i < values.count(); ++i) {
    append_text(text, values.as<T>()[i]);
    text += (i + 1) % columns == 0 ? '\n' : ',';
  }
  return text;
}

std::string plain(const Tensor& values) {
  switch (values.dtype()) {
    case DType::kF32: return plain<float>(values);
    case DType::kF64: return plain<double>(values);
    default: return plain<int64_t>(values);
  }
}

}  // namespace

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  const CsvOptions options = options_of(static_cast<unsigned char>(bytes[0]));
  const Result<CsvTable> table = parse_csv(bytes.substr(1), options);
  must_be_fair(table.status());
  if (!table.ok()) return;
  const Tensor& values = table->values;
  must(values.dtype() == options.dtype && values.rank() == 2);
  must(table->columns.empty() || static_cast<int64_t>(table->columns.size()) == values.shape()[1]);
  if (values.count() == 0) return;
  CsvOptions same;
  same.dtype = options.dtype;
  same.header = CsvOptions::Header::kNo;
  const Result<CsvTable> again = parse_csv(plain(values), same);
  must(again.ok() && again->values.same_bits(values));
}

}  // namespace weft
