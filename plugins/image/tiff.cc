// TIFF, by libtiff: the first image of a file, turned as it says. Transparency is left out.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <tiffio.h>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

// A strip or tile, decompressed.
constexpr tmsize_t kMostBytesAtOnce = tmsize_t{3} << 29;

struct File {
  const uint8_t* bytes;
  size_t count, at;
  std::string why;  // the first error
};

tmsize_t read(thandle_t handle, void* to, tmsize_t count) {
  File& file = *static_cast<File*>(handle);
  const size_t some = file.at < file.count ? std::min(static_cast<size_t>(count), file.count - file.at) : 0;
  std::memcpy(to, file.bytes + file.at * (some > 0), some);
  file.at += some;
  return static_cast<tmsize_t>(some);
}

toff_t seek(thandle_t handle, toff_t to, int from) {
  File& file = *static_cast<File*>(handle);
  if (from == SEEK_CUR) to += file.at;
  if (from == SEEK_END) to += file.count;
  file.at = static_cast<size_t>(to);
  return to;
}

int keep_first(TIFF*, void* user, const char*, const char* format, va_list values) {
  File& file = *static_cast<File*>(user);
  if (file.why.empty()) {
    char text[200];
    std::vsnprintf(text, sizeof text, format, values);
    file.why = text;
  }
  return 1;
}

using Handle = std::unique_ptr<TIFF, void (*)(TIFF*)>;

Handle open(File* file) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (options == nullptr) throw std::bad_alloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostBytesAtOnce);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_first, file);
  TIFFOpenOptionsSetWarningHandlerExtR(
      options.get(), [](TIFF*, void*, const char*, const char*, va_list) { return 1; }, nullptr);
  return Handle(TIFFClientOpenExt(
                    "image", "rm", file, read, [](thandle_t, void*, tmsize_t) { return tmsize_t{0}; }, seek,
                    [](thandle_t) { return 0; }, [](thandle_t h) { return toff_t{static_cast<File*>(h)->count}; },
                    [](thandle_t, void**, toff_t*) { return 0; }, [](thandle_t, void*, toff_t) {}, options.get()),
                TIFFClose);
}

// The library would multiply colours with an opacity that they do not have in them yet. Returns whether they do.
bool has_opacity_in_it(TIFF* tiff) {
  uint16_t count = 0;
  const uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) != 1 || count == 0) return false;
  if (kinds[0] != EXTRASAMPLE_UNASSALPHA) return kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  std::vector<uint16_t> other(kinds, kinds + count);
  other[0] = EXTRASAMPLE_UNSPECIFIED;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, other.data());
  return false;
}

uint8_t without(uint32_t opacity, uint32_t value) {
  return opacity == 0 ? static_cast<uint8_t>(value)
                      : static_cast<uint8_t>(std::min<uint32_t>(value * 255 / opacity, 255));
}

}  // namespace

void decode_tiff(Picture& picture) {
  File file = {picture.bytes(), picture.count(), 0, ""};
  const Handle tiff = open(&file);
  const auto broken = [&] { return Broken("TIFF: " + file.why); };
  if (tiff == nullptr) throw broken();
  const bool opacity = has_opacity_in_it(tiff.get());
  TIFFRGBAImage image;
  char why[1024] = "";
  if (TIFFRGBAImageBegin(&image, tiff.get(), 1, why) == 0) throw Broken(std::string("TIFF: ") + why);
  const std::unique_ptr<TIFFRGBAImage, void (*)(TIFFRGBAImage*)> end(&image, TIFFRGBAImageEnd);
  const int64_t width = image.width, height = image.height;
  picture.check(width, height);
  const Zeros memory = zeros(sizeof(uint32_t) * static_cast<size_t>(width * height));
  auto* pixels = reinterpret_cast<uint32_t*>(memory.get());
  const int orientation = image.orientation;
  image.req_orientation = image.orientation;  // as it is stored
  if (TIFFRGBAImageGet(&image, pixels, image.width, image.height) == 0) throw broken();

  // From 5 on rows are columns; then the first is the last, from either side.
  const bool turned = orientation >= 5 && orientation <= 8;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  picture.begin(turned ? height : width, turned ? width : height);
  std::vector<uint8_t> row(3 * static_cast<size_t>(picture.width()));
  for (int64_t y = 0; y < picture.height(); ++y) {
    for (int64_t x = 0; x < picture.width(); ++x) {
      const int64_t column = turned ? y : x, line = turned ? x : y;
      const int64_t at = (from_bottom ? height - 1 - line : line) * width + (from_right ? width - 1 - column : column);
      const uint32_t pixel = pixels[at];
      const uint32_t covers = opacity ? TIFFGetA(pixel) : 255;
      uint8_t* to = &row[3 * static_cast<size_t>(x)];
      to[0] = without(covers, TIFFGetR(pixel));
      to[1] = without(covers, TIFFGetG(pixel));
      to[2] = without(covers, TIFFGetB(pixel));
    }
    picture.color_row(y, row.data());
  }
}

}  // namespace weft_image
