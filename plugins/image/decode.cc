// libweft_image: finds out what format a file has, and decodes it.
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

using namespace std::literals;

struct Format {
  std::string_view beginning;
  void (*decode)(Picture& picture);
};

const Format kFormats[] = {
    {"\x89PNG\r\n\x1a\n"sv, decode_png},
    {"\xff\xd8\xff"sv, decode_jpeg},
    {"\0\0\0\x0cjP  \r\n\x87\n"sv, decode_jpeg2000},
    {"\xff\x4f\xff\x51"sv, decode_jpeg2000},
    {"II*\0"sv, decode_tiff},
    {"MM\0*"sv, decode_tiff},
    {"II+\0"sv, decode_tiff},
    {"MM\0+"sv, decode_tiff},
    {"RIFF"sv, decode_webp},
    {"BM"sv, decode_bmp},
    {"P1"sv, decode_pnm},
    {"P2"sv, decode_pnm},
    {"P3"sv, decode_pnm},
    {"P4"sv, decode_pnm},
    {"P5"sv, decode_pnm},
    {"P6"sv, decode_pnm},
};

void decode_any(Picture& picture) {
  for (const Format& format : kFormats) {
    const std::string_view beginning = format.beginning;
    if (picture.count() >= beginning.size() && std::memcmp(picture.bytes(), beginning.data(), beginning.size()) == 0) {
      return format.decode(picture);
    }
  }
  throw Broken("no file of BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP");
}

int32_t decode(const weft_image_request* request) {
  const auto failed = [&](int32_t code, const char* why) {
    std::snprintf(request->why, request->why_size, "%s", why);
    return code;
  };
  try {
    Picture picture(*request);
    decode_any(picture);
    return WEFT_IMAGE_DONE;
  } catch (const Broken& why) {
    return failed(WEFT_IMAGE_BROKEN, why.what());
  } catch (const TooLarge& why) {
    return failed(WEFT_IMAGE_TOO_LARGE, why.what());
  } catch (const std::exception&) {
    return failed(WEFT_IMAGE_NO_MEMORY, "there is no memory to decode the image in");
  }
}

const weft_image_plugin kPlugin = {sizeof(weft_image_plugin), WEFT_IMAGE_VERSION, decode};

}  // namespace
}  // namespace weft_image

extern "C" __attribute__((visibility("default"))) const weft_image_plugin* weft_image_open(void) {
  return &weft_image::kPlugin;
}
