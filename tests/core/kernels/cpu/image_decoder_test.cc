// ImageDecoder over the files of tests/images, whole and damaged. WEFT_ROUNDS and WEFT_SEED make more and other damage than
// the fixed one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/graph/expr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "core/tensor/safetensors.h"

namespace weft {
namespace {

// A graph that decodes what it is fed.
class ImageModel {
 public:
  explicit ImageModel(const std::string& format) {
    graph_ = *Graph::make(builtin_ops());
    fed_ = *graph_->add_input("file", ValueType::tensor(DType::kU8, {Dim::symbol("bytes")}));
    const NodeId node = *graph_->add("", "ImageDecoder", {fed_}, {{"pixel_format", format}}, {});
    made_ = graph_->node(node).output(0);
    session_ = *Session::make(graph_, {});
  }

  Result<Tensor> decode(std::string_view bytes) const {
    const auto count = static_cast<int64_t>(bytes.size());
    WEFT_TRY(Tensor file, Tensor::from_bytes(DType::kU8, {count}, bytes.data(), count));
    std::vector<Tensor> out;
    WEFT_CHECK(session_->run({{fed_}, {made_}, {}}, {file}, {}, &out));
    return out[0];
  }

 private:
  std::shared_ptr<Graph> graph_;
  std::shared_ptr<Session> session_;
  ValueId fed_, made_;
};

std::string image_file(const std::string& name) { return std::string((*read_file("tests/images/" + name))->text()); }

std::vector<std::string> image_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/images")) {
    const std::string suffix = entry.path().extension();
    if (suffix != ".py" && suffix != ".safetensors") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// How far a byte may be from Pillow's: its decoders are of other versions, and it rounds halves to even.
int tolerance(const std::string& name) {
  const std::string suffix = std::filesystem::path(name).extension();
  const bool lossy = suffix == ".jpg" || name.find("lossy") == 0 || name == "jpeg.tif";
  return lossy || name == "rgb100.ppm" || name == "gray_text.pgm" ? 1 : 0;
}

int furthest(const Tensor& a, const Tensor& b) {
  int most = 0;
  for (int64_t i = 0; i < a.count(); ++i) most = std::max(most, std::abs(a.as<uint8_t>()[i] - b.as<uint8_t>()[i]));
  return most;
}

TEST(ImageDecoder, ReadsWhatPillowReads) {
  const SafetensorsFile pixels = *SafetensorsFile::open("tests/images/pixels.safetensors");
  const std::vector<std::string> names = image_names();
  EXPECT_EQ(2 * names.size(), pixels.entries().size());
  const ImageModel rgb("RGB"), bgr("BGR"), gray("Grayscale");
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string file = image_file(name);
    const Result<Tensor> color = rgb.decode(file), turned = bgr.decode(file), one = gray.decode(file);
    ASSERT_TRUE(color.ok() && turned.ok() && one.ok()) << color.status().text();
    const Tensor wanted = *pixels.tensor(name), wanted_gray = *pixels.tensor(name + " gray");
    ASSERT_EQ(color->shape(), wanted.shape());
    ASSERT_EQ(turned->shape(), wanted.shape());
    ASSERT_EQ(one->shape(), wanted_gray.shape());
    EXPECT_LE(furthest(*color, wanted), tolerance(name));
    EXPECT_LE(furthest(*one, wanted_gray), tolerance(name));
    for (int64_t i = 0; i < color->count(); ++i) {
      ASSERT_EQ(turned->as<uint8_t>()[i], color->as<uint8_t>()[i / 3 * 3 + 2 - i % 3]) << i;
    }
  }
}

TEST(ImageDecoder, ThreadsDecodeAtOnce) {
  const ImageModel model("RGB");
  std::vector<std::thread> threads;
  for (const char* name : {"420.jpg", "rgb.png", "rgba.tif", "lossy.webp", "lossy.jp2", "runs8.bmp"}) {
    threads.emplace_back([&model, name] {
      const std::string file = image_file(name);
      const Tensor first = *model.decode(file);
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(model.decode(file)->same_bits(first)) << name;
    });
  }
  for (std::thread& thread : threads) thread.join();
}

bool has_no_pixels(const Result<Tensor>& image) { return image.ok() && image->shape() == Shape({0, 0, 3}); }

TEST(ImageDecoder, WhatIsCutOffHasNoPixels) {
  const ImageModel model("RGB");
  for (const std::string& name : image_names()) {
    const std::string file = image_file(name);
    // Animations may be cut behind their first image. Text and JPEG 2000 do not say where they end to the byte, and the
    // pixels of a TIFF file may lie before what tells of them.
    for (size_t size = 0; size < file.size() / 2; size += 1 + size / 16) {
      const Result<Tensor> image = model.decode(std::string_view(file).substr(0, size));
      EXPECT_TRUE(has_no_pixels(image)) << name << " cut to " << size << ": " << image.status().text();
    }
    const Result<Tensor> image = model.decode(std::string_view(file).substr(0, file.size() - 5));
    const std::string suffix = std::filesystem::path(name).extension();
    if (suffix == ".jpg" || suffix == ".png" || suffix == ".bmp" || name == "lossless.webp") {
      EXPECT_TRUE(has_no_pixels(image)) << name;
    }
  }
}

int64_t from_environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? parse_int(text).value_or(otherwise) : otherwise;
}

// The same numbers everywhere: SplitMix64 (Steele, Lea and Flood, 2014).
struct ImageDice {
  uint64_t state;

  uint64_t below(uint64_t n) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
  }
};

// Bytes become others, go and come.
std::string damaged(std::string file, ImageDice& dice) {
  const uint64_t times = 1 + dice.below(4);
  for (uint64_t i = 0; i < times && !file.empty(); ++i) {
    const size_t at = dice.below(dice.below(2) == 0 ? file.size() : std::min<size_t>(file.size(), 64));
    const auto byte = static_cast<char>(dice.below(2) == 0 ? dice.below(256) : 255 * dice.below(2));
    switch (dice.below(6)) {
      case 0: file.erase(at, 1 + dice.below(8)); break;
      case 1: file.insert(at, 1 + dice.below(8), byte); break;
      case 2: file.resize(at); break;
      default: file[at] = byte; break;
    }
  }
  return file;
}

TEST(ImageDecoder, DamagedFilesGiveAnImageOrNone) {
  const ImageModel model("RGB");
  const int64_t rounds = from_environment("WEFT_ROUNDS", 20);
  ImageDice dice{static_cast<uint64_t>(from_environment("WEFT_SEED", 1))};
  for (const std::string& name : image_names()) {
    const std::string file = image_file(name);
    for (int64_t round = 0; round < rounds; ++round) {
      const Result<Tensor> image = model.decode(damaged(file, dice));
      if (image.ok()) {
        EXPECT_EQ(image->rank(), 3) << name;
      } else {
        EXPECT_EQ(image.status().code(), Code::kResourceExhausted) << name << ": " << image.status().text();
      }
    }
  }
}

// Files of a few bytes that say that they are huge.
TEST(ImageDecoder, HugeImagesAreErrors) {
  const ImageModel model("RGB");
  std::string bmp = image_file("rgb.bmp"), jpeg = image_file("420.jpg"), j2k = image_file("rgb.j2k");
  bmp.replace(18, 4, "\xff\xff\xff\x7f");
  for (const size_t at : {8, 24}) j2k.replace(at, 4, "\x7f\xff\xff\xff");  // of the image and of its one tile
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\x01\xff\x01");
  const std::string ppm = "P6 2000000000 2000000000 255 123";
  for (const std::string& file : {bmp, jpeg, j2k, ppm}) {
    const Result<Tensor> image = model.decode(file);
    ASSERT_FALSE(image.ok()) << file.substr(0, 2);
    EXPECT_EQ(image.status().code(), Code::kResourceExhausted);
    EXPECT_NE(image.status().message().find("at most 178956970 may be"), std::string::npos) << image.status().text();
  }
}

struct Heard {
  std::string text;

  Heard() {
    set_log(
        LogLevel::kInfo, [](void* user, LogLevel, const char* text) { static_cast<Heard*>(user)->text += text; }, this,
        nullptr);
  }
  ~Heard() { set_log(LogLevel::kNone, nullptr, nullptr, nullptr); }
};

TEST(ImageDecoder, TheLogSaysWhyThereAreNoPixels) {
  const ImageModel model("Grayscale");
  const std::string png = image_file("gray.png");
  const std::pair<std::string, const char*> files[] = {
      {"", "no file of BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP"},
      {"GIF89a", "no file of BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP"},
      {png.substr(0, 40), "PNG: the file ends too early"},
      {"P5 3 3 255 12345678", "PNM: the file ends too early"},
      {"P2 1 1 7 8", "PNM: a number is too large"},
      {"BM" + std::string(60, '\0'), "BMP: a header that is not known"},
  };
  for (const auto& [file, why] : files) {
    Heard heard;
    const Result<Tensor> image = model.decode(file);
    ASSERT_TRUE(image.ok()) << image.status().text();
    EXPECT_EQ(image->shape(), Shape({0, 0, 1}));
    EXPECT_EQ(heard.text, std::string("ImageDecoder gives an image without pixels: ") + why);
  }
}

}  // namespace
}  // namespace weft
