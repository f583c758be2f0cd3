// Any bytes as the file of an image, for the library that decodes them. Their number says into which pixels.
#include <cstring>
#include <vector>

#include "core/base/library.h"
#include "plugins/image.h"
#include "tests/fuzz/readers.h"

namespace weft {
namespace {

constexpr int64_t kMostPixels = 1 << 16;

const weft_image_plugin& plugin() {
  static Companion library("libweft_image.so", "weft_image_open", WEFT_IMAGE_VERSION, sizeof(weft_image_plugin));
  const Result<const void*> table = library.table();
  must(table.ok());
  return *static_cast<const weft_image_plugin*>(*table);
}

// Memory for the pixels, exactly as much as there are.
struct Place {
  int64_t channels;
  std::vector<uint8_t> pixels = {};
  int calls = 0;

  static uint8_t* make(void* user, int64_t height, int64_t width) {
    Place& self = *static_cast<Place*>(user);
    must(++self.calls == 1 && height > 0 && width > 0 && height <= kMostPixels / width);
    self.pixels.resize(static_cast<size_t>(height * width * self.channels));
    return self.pixels.data();
  }
};

}  // namespace

void fuzz(std::string_view bytes) {
  constexpr int32_t kFormats[] = {WEFT_IMAGE_GRAYSCALE, WEFT_IMAGE_RGB, WEFT_IMAGE_BGR};
  const int32_t format = kFormats[bytes.size() % 3];
  const std::vector<uint8_t> file(bytes.begin(), bytes.end());
  Place place{format == WEFT_IMAGE_GRAYSCALE ? 1 : 3};
  char why[100] = "";
  weft_image_request request = {};
  request.struct_size = sizeof request;
  request.bytes = file.data();
  request.count = file.size();
  request.format = format;
  request.most_pixels = kMostPixels;
  request.place = Place::make;
  request.user = &place;
  request.why = why;
  request.why_size = sizeof why;
  const int32_t code = plugin().decode(&request);
  must(code >= WEFT_IMAGE_DONE && code <= WEFT_IMAGE_NO_MEMORY);
  must(code != WEFT_IMAGE_DONE || place.calls == 1);
  const size_t length = strnlen(why, sizeof why);
  must(length < sizeof why && (code == WEFT_IMAGE_DONE || length > 0));
}

}  // namespace weft
