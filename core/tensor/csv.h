// Tables of numbers as comma-separated text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace weft {

struct CsvOptions {
  enum class Header {
    kAuto,  // the first line is one if a field in it is neither empty nor a number
    kNo,
    kYes,
  };
  DType dtype = DType::kF32;  // f32, f64 or i64
  char delimiter = ',';
  Header header = Header::kAuto;
};

struct CsvTable {
  Tensor values;                     // [rows, columns]
  std::vector<std::string> columns;  // the header's names; empty without a header
};

// Lines end in LF or CRLF; a field may stand in quotes, where two quotes mean one; blanks around a
// number do not count, nor do empty lines at the end. Every line has as many fields as the first.
// Errors name line and column, from 1.
Result<CsvTable> parse_csv(std::string_view text, const CsvOptions& options);
Result<CsvTable> read_csv(const std::string& path, const CsvOptions& options);

}  // namespace weft
