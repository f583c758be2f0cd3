// The domains of operators, and the versions of them that nodes of files may be of.
#pragma once

#include <string_view>

namespace weft {

inline constexpr std::string_view kOnnxDomain = "";
inline constexpr std::string_view kMlDomain = "ai.onnx.ml";  // ONNX's too: classical machine learning
inline constexpr std::string_view kTrainingDomain = "ai.onnx.preview.training";
inline constexpr std::string_view kPreviewDomain = "ai.onnx.preview";
inline constexpr std::string_view kMicrosoftDomain = "com.microsoft";  // ONNX Runtime's own, and skl2onnx's
inline constexpr std::string_view kWeftDomain = "weft";
inline constexpr int kNewestOpset = 26;      // released
inline constexpr int kUnreleasedOpset = 27;  // of ONNX 1.22.0: a file says it where an operator needs it
inline constexpr int kNewestMlOpset = 5;
inline constexpr int kWeftOpset = 1;

// A version of each domain's operators.
struct Opsets {
  int onnx = kNewestOpset, ml = kNewestMlOpset;

  int of(std::string_view domain) const { return domain == kOnnxDomain ? onnx : domain == kMlDomain ? ml : kWeftOpset; }
  // Those of the library's own domain, and of any other, have one version.
  void set(std::string_view domain, int version) {
    if (domain == kOnnxDomain) onnx = version;
    if (domain == kMlDomain) ml = version;
  }
  // The last version that can be read.
  static int last_of(std::string_view domain) {
    return domain == kOnnxDomain ? kUnreleasedOpset : domain == kMlDomain ? kNewestMlOpset : kWeftOpset;
  }
};

}  // namespace weft
